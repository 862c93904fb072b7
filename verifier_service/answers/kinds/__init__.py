"""One file for each kind of answer: its docstring says what equals what, its `decide` decides.

The table of kinds is `answers.compare.KINDS`. What no kind takes is compared by `expression`.
"""
