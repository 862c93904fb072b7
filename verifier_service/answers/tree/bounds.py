"""The limits every answer is held to before anything is computed, and the two errors for exceeding them."""

MAX_ANSWER_CHARS = 20_000
"""A longer answer is compared as text only."""

MAX_TOKENS = 4_000
MAX_DEPTH = 150
"""How many levels of the grammar can be open at once; a bracket opens three."""

MAX_TREE_DEPTH = 150  # keeps recursive functions over trees well within Python's stack
MAX_PARTS_DEPTH = 30
"""The nesting of lists, tuples, relations and units that are compared part by part."""

MAX_DIGITS = 5_000
"""The most digits of one number literal."""

MAX_EXACT_BITS = 200_000
"""The largest integer that is computed exactly, in bits; 2006! needs 19,200."""

MAX_FACTORIAL = 10_000
MAX_SUM_TERMS = 5_000
MAX_EXPONENT_LOG2 = 1 << 40
"""The largest log2 of a number that is computed in floating point; 9^(9^9) has a log2 of 1.2e9."""

MAX_ITEMS = 200
"""The most members of a list, set, tuple or matrix."""

MAX_PM_SIGNS = 6
"""An answer with ± signs stands for at most 2^6 values."""


class NotMath(ValueError):
    """The text cannot be read as math. It can still be compared as text."""


class TooComplex(NotMath):
    """Reading or computing the answer would exceed a limit, so it is not computed at all."""
