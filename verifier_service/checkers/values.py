"""Compare what a function returned with what was expected, both as plain data.

Lists and tuples are alike, because JSON has only lists. Keys of a dict that are no strings are compared by their JSON
text, for the same reason. Numbers are compared by value, whatever their type. Sets are equal to sets only, except
for `unordered`, which takes them for lists.
"""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from verifier_service.checkers.base import RIGHT, Checked, Tolerance, shown
from verifier_service.schema import FloatChecker
from verifier_service.schema.base import Asked

EQUAL = Tolerance(absolute=1e-12, relative=1e-9)
"""What `equal` forgives a float."""

MAX_UNMATCHED = 1000
"""Above this many elements without an exact partner, `unordered` says no: pairing them takes their square in time."""

_NUMBERS = (bool, int, float, complex, Decimal, Fraction)
_SEQUENCES = (list, tuple)
_SETS = (set, frozenset)


def equal(expected: Any, actual: Any, _: Asked) -> Checked:
    """Accept the same value; a float may be off by 1e-9 of the expected one."""
    return _compare(expected, actual, EQUAL)


def close(expected: Any, actual: Any, options: FloatChecker) -> Checked:
    """Accept the same value, where every number may be off by the tolerance."""
    return _compare(expected, actual, Tolerance(options.abs_tol, options.rel_tol))


def unordered(expected: Any, actual: Any, _: Asked) -> Checked:
    """Accept the same elements in any order, each as often as expected. Inside the elements order counts."""
    if not isinstance(expected, _SEQUENCES + _SETS) or not isinstance(actual, _SEQUENCES + _SETS):
        return _compare(expected, actual, EQUAL)
    wanted, got = list(expected), list(actual)
    if len(wanted) != len(got):
        return Checked(False, f"expected {len(wanted)} elements, got {len(got)}")
    return _pair(wanted, got)


def _pair(wanted: list[Any], got: list[Any]) -> Checked:
    unmatched: dict[str | None, list[Any]] = {}
    for value in got:
        unmatched.setdefault(_key(value), []).append(value)
    remaining = []
    for value in wanted:
        key = _key(value)
        same = unmatched.get(key)
        if same and key is not None:
            same.pop()
        else:
            remaining.append(value)
    left = [value for same in unmatched.values() for value in same]
    if len(left) > MAX_UNMATCHED:
        return Checked(False, f"{len(left)} elements have no exact partner, for instance {shown(left[0])}")
    for value in remaining:
        partner = next((i for i, other in enumerate(left) if _compare(value, other, EQUAL).ok), None)
        if partner is None:
            return Checked(False, f"an element is missing: {shown(value)}")
        left.pop(partner)
    return RIGHT


def _key(value: Any) -> str | None:
    """Return a text that only equal values share, or None for a value that is too long or too deep to write out."""
    try:
        return repr(list(value) if isinstance(value, tuple) else value)
    except (ValueError, RecursionError):
        return None


def _compare(expected: Any, actual: Any, tolerance: Tolerance) -> Checked:
    """Compare without recursion: what a program returned may be nested as deeply as it likes."""
    todo: list[tuple[str, Any, Any]] = [("", expected, actual)]
    while todo:
        path, one, other = todo.pop()
        if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
            if not _same_number(one, other, tolerance):
                return _different(path, one, other)
        elif isinstance(one, _SEQUENCES) and isinstance(other, _SEQUENCES):
            if len(one) != len(other):
                return Checked(False, f"{_at(path)}expected {len(one)} elements, got {len(other)}")
            todo.extend((f"{path}[{i}]", *pair) for i, pair in reversed(list(enumerate(zip(one, other, strict=True)))))
        elif isinstance(one, dict) and isinstance(other, dict):
            wanted, got = _text_keys(one, other)
            if wanted.keys() != got.keys():
                return Checked(False, f"{_at(path)}expected keys {shown(list(one))}, got {shown(list(other))}")
            todo.extend((f"{path}[{key!r}]", wanted[key], got[key]) for key in wanted)
        elif isinstance(one, _SETS) and isinstance(other, _SETS):
            if one != other:
                return _different(path, one, other)
        elif type(one) is not type(other) or one != other:
            return _different(path, one, other)
    return RIGHT


def _same_number(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    try:
        if expected == actual:
            return True
    except ArithmeticError:  # a signalling NaN
        return False
    if isinstance(expected, int) and isinstance(actual, int):
        return tolerance is not EQUAL and _close(expected, actual, tolerance)
    return _close(expected, actual, tolerance)


def _close(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    try:
        if isinstance(expected, complex) or isinstance(actual, complex):
            return tolerance.close(complex(expected), complex(actual))
        return tolerance.close(float(expected), float(actual))
    except OverflowError:  # beyond the floats: close to nothing but its equal
        return False


def _text_keys(expected: dict[Any, Any], actual: dict[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return both dicts with keys as JSON writes them, if only the actual one has keys that are no strings."""
    if all(isinstance(key, str) for key in actual) or not all(isinstance(key, str) for key in expected):
        return expected, actual
    renamed = {_json_key(key): value for key, value in actual.items()}
    return (expected, renamed) if len(renamed) == len(actual) else (expected, actual)


def _json_key(key: Any) -> Any:
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None:
        return "null"
    if isinstance(key, float) and not math.isfinite(key):
        return key
    if isinstance(key, int) and key.bit_length() > 10_000:
        return key
    return str(key) if isinstance(key, (int, float)) else key


def _different(path: str, expected: Any, actual: Any) -> Checked:
    return Checked(False, f"{_at(path)}expected {shown(expected)}, got {shown(actual)}")


def _at(path: str) -> str:
    return f"at {path if len(path) < 200 else path[:200] + '...'}: " if path else ""
