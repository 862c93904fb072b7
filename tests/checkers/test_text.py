"""What the checkers of `stdio` forgive, and what they do not."""

import pytest

from verifier_service.checkers import TEXT_CHECKERS
from verifier_service.schema import FloatChecker
from verifier_service.schema.requests import options_of


@pytest.mark.parametrize(
    ("checker", "expected", "actual", "ok"),
    [
        ("tokens", b"1 2\n3\n", b"1 2 3", True),
        ("tokens", b"1 2\n", b"1\r\n2\r\n\r\n", True),
        ("tokens", b"1 2 3", b"1 2", False),
        ("tokens", b"1 2", b"1 2 3", False),
        ("tokens", b"12", b"1 2", False),
        ("tokens", b"", b"", True),
        ("tokens", b"yes", b"YES", False),
        ("tokens", "é".encode(), "é".encode("latin-1"), False),
        ("exact", b"a b\n", b"a b", True),
        ("exact", b"a\nb\n", b"a\r\nb\r\n", True),
        ("exact", b"a b\n", b"a b \n", False),
        ("exact", b"a\n", b"a\n\n", False),
        ("unordered_lines", b"a\nb\na\n", b"b\na\na", True),
        ("unordered_lines", b"a\nb\na\n", b"b\na\n", False),
        ("unordered_lines", b"a\nb\n", b"b  \r\na\n\n", True),
        ("unordered_lines", b"a\nb\n", b"a b\n", False),
        ("float", b"0.333333", b"0.3333333333", True),
        ("float", b"x 1e3", b"x 1000.0000001", True),
        ("float", b"1.0 2.0", b"1.0", False),
        ("float", b"1000", b"1_000", False),
        ("float", b"1.0", b"nan", False),
        ("float", b"nan", b"NaN", True),
        ("float", b"inf", b"1e999", True),
        ("float", b"-inf", b"inf", False),
        ("float", b"1.0", b"1.1", False),
        ("float", b"1.0", b"one", False),
        ("float", b"1000000 0.5", b"1000001 0.5", False),
        ("float", b"50000000000000001", b"50000000000000000", False),
        ("float", b"9" * 5000, b"9" * 4999 + b"8", False),
        ("float", b"7 0 -3", b"007 -0 -03", True),
        ("float", b"1000000", b"1000000.5", True),
        ("float", b"0.1", b"0.1000001", True),
        ("float", b"0.1", b"0.100001", True),
        ("float", b"0.1", b"0.1000011", False),
    ],
)
def test_checker_of_text(checker: str, expected: bytes, actual: bytes, ok: bool) -> None:
    assert TEXT_CHECKERS[checker](expected, actual, options_of(checker)).ok is ok


def test_integers_may_be_off_only_by_a_tolerance_that_was_given() -> None:
    compare = TEXT_CHECKERS["float"]
    assert compare(b"1000000 0.5", b"1000001 0.5000001", FloatChecker(rel_tol=1e-6)).ok
    assert not compare(b"1000000", b"1000002", FloatChecker(rel_tol=1e-6)).ok
    assert compare(b"10", b"11", FloatChecker(abs_tol=1, rel_tol=0)).ok
    assert not compare(b"10", b"11", FloatChecker(abs_tol=0.5)).ok


def test_the_message_names_the_first_difference() -> None:
    assert TEXT_CHECKERS["tokens"](b"1 2 3", b"1 5 3", options_of("tokens")).message == "token 2: expected 2, got 5"
    assert (
        TEXT_CHECKERS["tokens"](b"1 2", b"1", options_of("tokens")).message
        == "the output ends before token 2, expected 2"
    )
    assert TEXT_CHECKERS["exact"](b"a\n", b"b\n", options_of("exact")).message == "line 1: expected a, got b"
