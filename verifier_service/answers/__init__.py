"""Math answers: what a text says, and whether two of them say the same.

`reading.read` turns a text into an `Answer`; `compare.compare` decides. Each kind of answer is one file whose docstring
says what equals what, and one entry in the literal table `compare.KINDS`; the first kind that feels responsible
decides. The table is not here because it would load sympy into the service's own process, which imports only `pool`: it
starts the workers that do the rest, and kills them.
"""
