"""Compare texts in which numbers need only be close."""

import re

from verifier_service.checkers.base import EXACT, RIGHT, Checked, Closeness, asked_for, shown
from verifier_service.schema import FloatChecker

_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?|inf(?:inity)?|nan)", re.IGNORECASE)
_INTEGER = re.compile(rb"([+-]?)(?=\d)0*+(\d*+)")
MAX_NUMBER_CHARS = 1000
"""A longer number is only equal to itself."""


def _number(token: bytes) -> float | None:
    return float(token) if len(token) <= MAX_NUMBER_CHARS and _NUMBER.fullmatch(token) else None


def _integer(token: bytes) -> bytes | None:
    """Return an integer as it is written without needless signs; it may be too long to be computed with."""
    found = _INTEGER.fullmatch(token)
    if found is None:
        return None
    return found[1].replace(b"+", b"") + found[2] if found[2] else b"0"


def tokens(expected: bytes, actual: bytes, options: FloatChecker) -> Checked:
    """Accept the same words in the same order, where a number may be off by the tolerance."""
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
    """Return what is different about a token, or an empty text."""
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
