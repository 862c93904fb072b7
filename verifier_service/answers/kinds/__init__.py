"""One file for each kind of answer: its docstring says what equals what, and its `decide` decides.

The table of kinds is `answers.compare.KINDS`. `expression` compares what none of them takes.
"""
