"""Compare a function's return value with the expected value, both as plain data.

Lists and tuples are alike, because JSON has only lists. For the same reason, dict keys that are not strings are
compared by their JSON text. Numbers are compared by value, whatever their type; an expected integer must be matched
exactly. Sets equal only sets, except under `unordered`, which treats them as lists.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from verifier_service.checkers.base import RIGHT, Checked, Closeness, Tolerance, asked_for, shown
from verifier_service.checkers.keys import json_key, key_of, rank_of
from verifier_service.schema import FloatChecker
from verifier_service.schema.base import Asked

EQUAL = Closeness(Tolerance(absolute=1e-12, relative=1e-9))
"""What `equal` forgives where a float is expected."""

MAX_UNMATCHED = 1000
"""With more elements than this left unpaired, `unordered` gives up, because pairing takes quadratic time."""

_NUMBERS = (bool, int, float, complex, Decimal, Fraction)
_SEQUENCES = (list, tuple)
_SETS = (set, frozenset)


def equal(expected: Any, actual: Any, _: Asked) -> Checked:
    """Accept the same value; a number can be off by 1e-9 of an expected float."""
    return _compare(expected, actual, EQUAL)


def close(expected: Any, actual: Any, options: FloatChecker) -> Checked:
    """Accept the same value, where every number can be off by the tolerance."""
    return _compare(expected, actual, asked_for(options))


def unordered(expected: Any, actual: Any, _: Asked) -> Checked:
    """Accept the same elements in any order, each as often as expected. Inside the elements, order counts."""
    if not isinstance(expected, _SEQUENCES + _SETS) or not isinstance(actual, _SEQUENCES + _SETS):
        return _compare(expected, actual, EQUAL)
    wanted, got = list(expected), list(actual)
    if len(wanted) != len(got):
        return Checked(False, f"expected {len(wanted)} elements, got {len(got)}")
    return _pair(wanted, got)


def _pair(wanted: list[Any], got: list[Any]) -> Checked:
    """Pair elements by their keys, then the rest, which are close at best, in sorted order or each with each."""
    unmatched: dict[str | None, list[Any]] = {}
    for value in got:
        unmatched.setdefault(key_of(value), []).append(value)
    remaining = []
    for value in wanted:
        key = key_of(value)
        same = unmatched.get(key)
        if same and key is not None:
            same.pop()
        else:
            remaining.append(value)
    left = [value for same in unmatched.values() for value in same]
    if _are_close_in_order(remaining, left):
        return RIGHT
    if len(left) > MAX_UNMATCHED:
        return Checked(False, f"{len(left)} elements have no exact partner, for instance {shown(left[0])}")
    for value in remaining:
        partner = next((i for i, other in enumerate(left) if _compare(value, other, EQUAL).ok), None)
        if partner is None:
            return Checked(False, f"an element is missing: {shown(value)}")
        left.pop(partner)
    return RIGHT


def _are_close_in_order(wanted: list[Any], got: list[Any]) -> bool:
    """Return whether each element is close to the one with the same rank, as slightly inexact floats are."""
    pairs = zip(sorted(wanted, key=rank_of), sorted(got, key=rank_of), strict=True)
    return all(_compare(one, other, EQUAL).ok for one, other in pairs)


def _compare(expected: Any, actual: Any, closeness: Closeness) -> Checked:
    """Compare without recursion, because a program can return arbitrarily deep values."""
    todo: list[tuple[str, Any, Any]] = [("", expected, actual)]
    while todo:
        path, one, other = todo.pop()
        if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
            if not _same_number(one, other, closeness):
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


def _same_number(expected: Any, actual: Any, closeness: Closeness) -> bool:
    try:
        if expected == actual:
            return True
    except ArithmeticError:  # a signalling NaN
        return False
    if isinstance(expected, int) and closeness is EQUAL:
        return False
    if isinstance(expected, int) and isinstance(actual, int):
        return closeness.integers.close_integers(expected, actual)
    return _close(expected, actual, closeness.floats)


def _close(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    try:
        if isinstance(expected, complex) or isinstance(actual, complex):
            return tolerance.close(complex(expected), complex(actual))
        return tolerance.close(float(expected), float(actual))
    except OverflowError:  # beyond the range of floats: close only to its equal
        return False


def _text_keys(expected: dict[Any, Any], actual: dict[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return both dicts, the actual one with keys as JSON writes them if it alone has keys that are not strings."""
    if all(isinstance(key, str) for key in actual) or not all(isinstance(key, str) for key in expected):
        return expected, actual
    renamed = {_name(key, expected): value for key, value in actual.items()}
    # Two keys with the same JSON text (1 and "1") cannot be renamed without losing an item.
    return (expected, renamed) if len(renamed) == len(actual) else (expected, actual)


def _name(key: Any, expected: dict[Any, Any]) -> Any:
    """Return the name under which a key is expected: 2.0 becomes 2 unless 2.0 itself is expected."""
    name = json_key(key)
    if isinstance(key, float) and key.is_integer() and name not in expected:
        return json_key(int(key))
    return name


def _different(path: str, expected: Any, actual: Any) -> Checked:
    return Checked(False, f"{_at(path)}expected {shown(expected)}, got {shown(actual)}")


def _at(path: str) -> str:
    return f"at {path if len(path) < 200 else path[:200] + '...'}: " if path else ""
