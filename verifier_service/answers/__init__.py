"""Math answers: what a text says, and whether two of them say the same.

`read.reading.read` turns a text into an `Answer`; `compare.compare` decides. The rooms, each of which imports only
those to its right: `compare`, `kinds` (what equals what, a file for each kind of answer), `compute` (values), `read`
(text to tree), `tree` (nodes and limits). Nothing here is loaded by the service's own process, because it would load
sympy there: `workers` has processes of its own for it.
"""
