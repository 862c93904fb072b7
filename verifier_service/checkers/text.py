"""Compare a program's output with the expected text as bytes: decoding could make two different outputs equal."""

from collections import Counter
from itertools import zip_longest

from verifier_service.checkers.base import RIGHT, Checked, shown
from verifier_service.schema.base import Asked


def tokens(expected: bytes, actual: bytes, _: Asked) -> Checked:
    """Accept the same words in the same order, whatever the spaces and line breaks."""
    return first_difference(expected.split(), actual.split())


def exact(expected: bytes, actual: bytes, _: Asked) -> Checked:
    """Accept the same text to the last space; only CRLF for LF and one missing or extra final newline are forgiven."""
    return first_difference(_plain_lines(expected), _plain_lines(actual), "line")


def unordered_lines(expected: bytes, actual: bytes, _: Asked) -> Checked:
    """Accept the same lines in any order; white space at the end of a line and empty lines at the end do not count."""
    wanted, got = Counter(_stripped_lines(expected)), Counter(_stripped_lines(actual))
    if wanted == got:
        return RIGHT
    missing, extra = wanted - got, got - wanted
    if missing:
        return Checked(False, f"a line is missing: {shown(next(iter(missing)))}")
    return Checked(False, f"an extra line: {shown(next(iter(extra)))}")


def first_difference(expected: list[bytes], actual: list[bytes], unit: str = "token") -> Checked:
    """Compare two lists part by part. The shorter one is reported as different; the longer is never cut to fit."""
    if expected == actual:
        return RIGHT
    for number, (wanted, got) in enumerate(zip_longest(expected, actual), start=1):
        if got is None:
            return Checked(False, f"the output ends before {unit} {number}, expected {shown(wanted)}")
        if wanted is None:
            return Checked(False, f"the output goes on after {unit} {number - 1} with {shown(got)}")
        if wanted != got:
            return Checked(False, f"{unit} {number}: expected {shown(wanted)}, got {shown(got)}")
    raise AssertionError("two different lists have no difference")


def _plain_lines(text: bytes) -> list[bytes]:
    return text.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")


def _stripped_lines(text: bytes) -> list[bytes]:
    return [line.rstrip() for line in text.rstrip().split(b"\n")]
