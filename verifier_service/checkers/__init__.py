"""Compare a program's output with the expected output. Pure functions; special judges are in `judges`.

To add a checker: a type with its options in `schema.requests`, a function, and a line here.
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
"""Checkers of `stdio`, by `kind`: `(expected bytes, actual bytes, options) -> Checked`."""

VALUE_CHECKERS: dict[str, Callable[[Any, Any, Any], Checked]] = {
    "equal": values.equal,
    "float": values.close,
    "unordered": values.unordered,
}
"""Checkers of `call`, by `kind`: `(expected value, actual value, options) -> Checked`."""

__all__ = ["TEXT_CHECKERS", "VALUE_CHECKERS", "Checked"]
