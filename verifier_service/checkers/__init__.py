"""Compare what a program answered with what was expected. Pure functions; the special judge is in `judges`.

To add one: its options as a type in `schema.requests`, a function, and a line here.
"""

from collections.abc import Callable
from typing import Any

from verifier_service.checkers import floats, text, values
from verifier_service.checkers.base import Checked

TEXT_CHECKERS: dict[str, Callable[[bytes, bytes, Any], Checked]] = {
    "tokens": text.tokens,
    "exact": text.exact,
    "unordered_lines": text.unordered_lines,
    "float": floats.tokens,
}
"""Checkers of `stdio`, by their `kind`: `(expected bytes, actual bytes, its own options) -> Checked`."""

VALUE_CHECKERS: dict[str, Callable[[Any, Any, Any], Checked]] = {
    "equal": values.equal,
    "float": values.close,
    "unordered": values.unordered,
}
"""Checkers of `call`, by their `kind`: `(expected value, actual value, its own options) -> Checked`."""

__all__ = ["TEXT_CHECKERS", "VALUE_CHECKERS", "Checked"]
