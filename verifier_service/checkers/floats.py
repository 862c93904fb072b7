"""Compare texts in which numbers need only be close."""

import re

from verifier_service.checkers.base import RIGHT, Checked, Tolerance, shown
from verifier_service.schema import FloatChecker

_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?|inf(?:inity)?|nan)", re.IGNORECASE)
_INTEGER = re.compile(rb"([+-]?)0*(\d+)")


def _number(token: bytes) -> float | None:
    return float(token) if len(token) <= 1000 and _NUMBER.fullmatch(token) else None


def _integer(token: bytes) -> bytes | None:
    """Return an integer as it is written without needless signs; it may be too long to be computed with."""
    found = _INTEGER.fullmatch(token)
    if found is None:
        return None
    return found[2] if found[2] == b"0" else found[1].replace(b"+", b"") + found[2]


def tokens(expected: bytes, actual: bytes, options: FloatChecker) -> Checked:
    """Accept the same words in the same order, where a number may be off by the tolerance.

    Where both are integers they must be equal, unless `abs_tol` is 1 or more and so meant for them.
    """
    tolerance = Tolerance(options.abs_tol, options.rel_tol)
    wanted, got = expected.split(), actual.split()
    if len(wanted) != len(got):
        return Checked(False, f"expected {len(wanted)} tokens, got {len(got)}")
    for number, (one, other) in enumerate(zip(wanted, got, strict=True), start=1):
        if one == other:
            continue
        if options.abs_tol < 1 and (wanted_integer := _integer(one)) and (got_integer := _integer(other)):
            if wanted_integer == got_integer:
                continue
            return Checked(False, f"token {number}: expected {shown(one)}, got {shown(other)}; integers are exact")
        expected_number, actual_number = _number(one), _number(other)
        if expected_number is None or actual_number is None:
            return Checked(False, f"token {number}: expected {shown(one)}, got {shown(other)}")
        if not tolerance.close(expected_number, actual_number):
            return Checked(
                False,
                f"token {number}: {shown(other)} is not within {tolerance.absolute:g} or {tolerance.relative:g} "
                f"relative of {shown(one)}",
            )
    return RIGHT
