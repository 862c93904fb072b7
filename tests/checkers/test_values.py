"""When a returned value is the expected one."""

import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from verifier_service.checkers import VALUE_CHECKERS
from verifier_service.schema import FloatChecker

OPTIONS = FloatChecker(abs_tol=1e-3, rel_tol=1e-3)
"""Applied by the checker `float` only."""


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("checker", "expected", "actual", "ok"),
    [
        ("equal", [1, 2], (1, 2), True),
        ("equal", [[1], "a", None], ([1], "a", None), True),
        ("equal", 3, 3.0, True),
        ("equal", 0.3, 0.1 + 0.2, True),
        ("equal", 0.3, 0.3001, False),
        ("equal", 1, True, True),
        ("equal", "1", 1, False),
        ("equal", None, False, False),
        ("equal", 0, None, False),
        ("equal", [], None, False),
        ("equal", [1, 2], [1, 2, 3], False),
        ("equal", [1, 2], {1, 2}, False),
        ("equal", 10**30, 10**30, True),
        ("equal", 10**30, 10**30 + 1, False),
        ("equal", float("nan"), float("nan"), True),
        ("equal", float("nan"), 1.0, False),
        ("equal", 1.0, float("inf"), False),
        ("equal", 0.5, Fraction(1, 2), True),
        ("equal", 0.5, Decimal("0.5"), True),
        ("equal", 0.5, Decimal("sNaN"), False),
        ("equal", 1, 10**400, False),
        ("equal", {"a": [1.0]}, {"a": [1.0 + 1e-12]}, True),
        ("equal", {"1": "x", "null": 2}, {1: "x", None: 2}, True),
        ("equal", {"1": "x"}, {2: "x"}, False),
        ("equal", {"a": 1}, {"a": 1, "b": 2}, False),
        ("equal", "ß", "ss", False),
        ("equal", "abc", b"abc", False),
        ("float", 1.0, 1.0005, True),
        ("float", [1.0, "x"], [1.0005, "x"], True),
        ("float", 1000, 1000.5, True),
        ("float", 1.0, 1.1, False),
        ("unordered", [1, 2, 2], [2, 1, 2], True),
        ("unordered", [1, 2, 2], [2, 1, 1], False),
        ("unordered", [1, 2], {2, 1}, True),
        ("unordered", [[1, 2], [3]], [(3,), (1, 2)], True),
        ("unordered", [[1, 2]], [[2, 1]], False),
        ("unordered", [0.3, 1.0], [1.0, 0.1 + 0.2], True),
        ("unordered", [{"a": 1}, {"b": 2}], [{"b": 2}, {"a": 1}], True),
        ("unordered", 5, 5, True),
        ("unordered", "ab", "ba", False),
    ],
)
def test_checker_of_values(checker: str, expected: Any, actual: Any, ok: bool) -> None:
    assert VALUE_CHECKERS[checker](expected, actual, OPTIONS).ok is ok


def test_the_message_says_where_the_difference_is() -> None:
    checked = VALUE_CHECKERS["equal"]({"a": [1, 2]}, {"a": [1, 3]}, OPTIONS)
    assert checked.message == "at ['a'][1]: expected 2, got 3"


@pytest.mark.parametrize("checker", ["equal", "float", "unordered"])
@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (nested(100_000), nested(100_001)),
        ([1], [10**100_000]),
        ([2], 10**100_000),
        ([1.0] * 50_000, [1.0 + n * 1e-6 for n in range(1, 50_001)]),
        (1, "x" * 1_000_000),
    ],
    ids=["deep", "many digits", "many digits bare", "many close", "long"],
)
def test_a_hostile_value_is_compared_quickly_and_is_wrong(checker: str, expected: Any, actual: Any) -> None:
    started = time.process_time()
    ok = VALUE_CHECKERS[checker](expected, actual, FloatChecker(abs_tol=1e-12, rel_tol=1e-12)).ok
    assert not ok
    assert time.process_time() - started < 5
