"""Ranges of versions, as npm writes them."""

import pytest

from verifier_service.api.compat.versions import is_in, number_of


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ("*", True), ("3", True), ("3.x", True), ("3.12", True), ("3.12.4", True), ("v3.12.4", True), ("=3.12.4", True),
        ("3.12.5", False), ("3.1", False), ("4", False), ("^3.10", True), ("^3.13", False), ("^4", False),
        ("~3.12", True), ("~3.11", False), (">=3.10 <4", True), (">= 3.10", True), (">3.12", False), (">3", False),
        ("<=3.12", True), ("<3.12.4", False), ("2 || 3", True), ("2 || 4", False), ("", False), ("latest", False),
        ("3.12.4.1", False), ("^0.1", False), ("9" * 400, False),
    ],
)  # fmt: skip
def test_a_version_is_in_a_range(wanted: str, *, holds: bool) -> None:
    assert is_in("3.12.4", wanted) is holds


def test_a_caret_holds_the_first_part_that_is_not_zero() -> None:
    assert [is_in(one, "^0.1.2") for one in ("0.1.1", "0.1.9", "0.2.0")] == [False, True, False]


def test_the_number_is_read_out_of_what_a_program_says() -> None:
    assert number_of("g++ (Debian 14.2.0-19) 14.2.0") == "14.2.0"
    assert [number_of(one) for one in ("go version go1.24", "v20.19", "none")] == ["1.24.0", "20.19.0", "0.0.0"]
