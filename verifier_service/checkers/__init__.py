"""Compare what a program answered with what was expected. Pure functions; the special judge is in `judges`."""

from verifier_service.checkers import floats, text, values
from verifier_service.checkers.base import Checked, Tolerance

TEXT_CHECKERS = {
    "tokens": text.tokens,
    "exact": text.exact,
    "unordered_lines": text.unordered_lines,
    "float": floats.tokens,
}
"""Checkers of `stdio`: `(expected bytes, actual bytes, Tolerance) -> Checked`."""

VALUE_CHECKERS = {
    "equal": values.equal,
    "float": values.close,
    "unordered": values.unordered,
}
"""Checkers of `call`: `(expected value, actual value, Tolerance) -> Checked`."""

__all__ = ["TEXT_CHECKERS", "VALUE_CHECKERS", "Checked", "Tolerance"]
