"""Math answers: what a text says, and whether two of them say the same.

`reading.read` turns a text into an `Answer`; `compare.compare` decides. Each kind of answer is one file whose
docstring says what equals what, and one entry in the table below; the first kind that feels responsible decides.
Nothing here runs in the service's own process but `pool`, which starts the workers and kills them.
"""
