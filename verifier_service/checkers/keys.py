"""Keys by which equal values find each other in one pass, however they are typed and written.

`1`, `1.0` and `True` have the same key; so do a list and a tuple of the same elements, and dicts with the same items in
another order. The keys are texts rather than the values themselves, because a program could return numbers whose hashes
collide.
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAX_DEPTH = 100  # keeps the recursion within Python's stack
MAX_EXPONENT = 400
"""Decimals with larger exponents or more digits stay text: written out as integers they would fill the memory."""


class _TooDeep(Exception):
    pass


def key_of(value: object) -> str | None:
    """Return a text that only equal values share, or None if `value` is nested too deeply."""
    try:
        return _key(value, MAX_DEPTH)
    except _TooDeep:
        return None


def rank_of(value: object) -> tuple[str, list[float]]:
    """Return a sort key that puts values whose floats differ slightly in the same place."""
    numbers: list[float] = []
    try:
        return _key(value, MAX_DEPTH, numbers), numbers
    except _TooDeep:
        return "", []


def json_key(key: Any) -> Any:
    """Return a dict's key as JSON writes it, or the key itself if JSON cannot."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None:
        return "null"
    if isinstance(key, float) and not math.isfinite(key):
        return key
    # Longer integers are kept: Python refuses to print them.
    if isinstance(key, int) and key.bit_length() > 10_000:
        return key
    return str(key) if isinstance(key, (int, float)) else key


def _key(value: object, depth: int, numbers: list[float] | None = None) -> str:
    """Write a value out. With `numbers`, collect the numbers there and write only placeholders."""
    if depth == 0:
        raise _TooDeep
    if isinstance(value, (bool, int, float, complex, Decimal, Fraction)):
        if numbers is None or isinstance(value, complex):
            return _number(value)
        numbers.append(_size(value))
        return "#"
    if isinstance(value, (list, tuple)):
        return f"[{','.join([_key(one, depth - 1, numbers) for one in value])}]"
    if isinstance(value, (set, frozenset)):
        return f"set[{','.join(sorted(_key(one, depth - 1) for one in value))}]"
    if isinstance(value, dict):
        return _dict(value, lambda one: _key(one, depth - 1, numbers))
    return f"{type(value).__name__}:{value!r}"


def _dict(value: Mapping[Any, Any], written: Callable[[object], str]) -> str:
    keys = {key: json_key(int(key) if isinstance(key, float) and key.is_integer() else key) for key in value}
    order = sorted(value, key=lambda key: keys[key] if isinstance(keys[key], str) else repr(keys[key]))
    return f"{{{','.join([f'{keys[key]!r}:{written(value[key])}' for key in order])}}}"


def _size(number: float | Decimal | Fraction) -> float:
    if isinstance(number, Decimal) and number.is_nan():  # comparing a signalling NaN raises
        return math.inf
    try:
        size = float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    return math.inf if math.isnan(size) else size


def _number(number: complex | float | int | Decimal | Fraction) -> str:
    """Write equal numbers alike, in base 16, which takes linear time for long integers."""
    if isinstance(number, complex) and number.imag == 0:
        number = number.real
    if isinstance(number, Decimal):
        if not number.is_finite() or max(abs(number.adjusted()), len(number.as_tuple().digits)) > MAX_EXPONENT:
            return f"decimal {number}".lower()
        number = Fraction(number)
    if isinstance(number, float):
        return f"{int(number):x}" if number.is_integer() else number.hex()
    if isinstance(number, int):
        return f"{number:x}"
    if isinstance(number, complex):
        return f"{number.real.hex()} {number.imag.hex()}"
    if number.denominator == 1:
        return f"{number.numerator:x}"
    size = _size(number)
    return (
        size.hex()
        if math.isfinite(size) and Fraction(size) == number
        else f"{number.numerator:x}/{number.denominator:x}"
    )
