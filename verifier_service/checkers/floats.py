"""Compare texts whose numbers only need to be close."""

import re

from verifier_service.checkers.base import EXACT, RIGHT, Checked, Closeness, asked_for, shown
from verifier_service.schema import FloatChecker

# A number as `float` reads it: -1.5e3, .5, 2., inf, NaN. No underscores, and exponents of at most nine digits.
_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?|inf(?:inity)?|nan)", re.IGNORECASE)
# An integer as (sign, digits without leading zeros): "+007" -> ("+", "7"), "0" -> ("", "").
_INTEGER = re.compile(rb"([+-]?)(?=\d)0*+(\d*+)")
MAX_NUMBER_CHARS = 1000
"""A longer number equals only itself."""


def _number(token: bytes) -> float | None:
    return float(token) if len(token) <= MAX_NUMBER_CHARS and _NUMBER.fullmatch(token) else None


def _integer(token: bytes) -> bytes | None:
    """Return an integer without a plus sign and leading zeros, or None. It can be too long to compute with."""
    found = _INTEGER.fullmatch(token)
    if found is None:
        return None
    return found[1].replace(b"+", b"") + found[2] if found[2] else b"0"


def tokens(expected: bytes, actual: bytes, options: FloatChecker) -> Checked:
    """Accept the same words in the same order, where a number can be off by the tolerance."""
    closeness = asked_for(options)
    wanted, got = expected.split(), actual.split()
    if len(wanted) != len(got):
        return Checked(False, f"expected {len(wanted)} tokens, got {len(got)}")
    for number, (one, other) in enumerate(zip(wanted, got, strict=True), start=1):
        if one != other:
            difference = _difference(one, other, closeness)
            if difference:
                return Checked(False, f"token {number}: {difference}")
    return RIGHT


def _difference(expected: bytes, actual: bytes, closeness: Closeness) -> str:
    """Return how a token differs, or ""."""
    one, other = _integer(expected), _integer(actual)
    if one is not None and other is not None:
        if one == other:
            return ""
        tolerance = closeness.integers
        if max(len(one), len(other)) <= MAX_NUMBER_CHARS and tolerance.close_integers(int(one), int(other)):
            return ""
    else:
        tolerance = closeness.floats
        expected_number, actual_number = _number(expected), _number(actual)
        if expected_number is None or actual_number is None:
            return f"expected {shown(expected)}, got {shown(actual)}"
        if tolerance.close(expected_number, actual_number):
            return ""
    if tolerance == EXACT:
        return f"expected {shown(expected)}, got {shown(actual)}"
    return (
        f"{shown(actual)} is not within {tolerance.absolute:g} or {tolerance.relative:g} relative of {shown(expected)}"
    )
