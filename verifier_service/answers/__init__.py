"""Math answers: read what a text says, and decide whether two of them say the same.

`read.reading.read` turns a text into an `Answer`; `compare.compare` decides. The rooms, each of which imports only
those to its right: `compare`, `kinds` (what equals what, one file for each kind of answer), `compute` (values), `read`
(text to tree), `tree` (nodes and limits). The service's own process loads nothing from here, because that would load
sympy: `workers` has separate processes for it.
"""
