"""When a returned value counts as the expected one."""

import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        ("equal", 10**18 + 3, 1e18, False),
        ("equal", 10**18, 1e18, True),
        ("equal", 10**12, 1e12 + 300, False),
        ("equal", 5, 5.0000000001, False),
        ("equal", 1e12, 10**12 + 300, True),
        ("equal", 3, Fraction(6, 2), True),
        ("equal", True, 0.9999999999, False),
        ("equal", [10**17 + 1], [1e17], False),
        ("equal", {"id": 10**17 + 1}, {"id": 1e17}, False),
        ("equal", {"2": "x"}, {2.0: "x"}, True),
        ("equal", {"2.0": "x"}, {2.0: "x"}, True),
        ("equal", {"2": "x"}, {2.5: "x"}, False),
        ("equal", 0.1, complex(1.7e308, 1.7e308), False),
        ("equal", float("nan"), complex(float("nan"), 1), False),
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
        ("float", 1000, 1001, True),
        ("float", 1000, 1002, False),
        ("float", 10**400, 10**400 + 1, True),
        ("float", 10**400, 1e308, False),
        ("float", 1e308, Decimal("1e309"), False),
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


@pytest.mark.parametrize(("expected", "actual"), [(0.3, 0.31), (0.7, 0.8), (2.3, 2.4), (0.1, 0.100001)])
def test_an_error_of_exactly_the_tolerance_is_forgiven_as_it_is_written_in_decimal(
    expected: float, actual: float
) -> None:
    """In binary, rounding puts each of these differences above the tolerance."""
    tolerance = float(f"{abs(actual - expected):.6f}")
    assert abs(actual - expected) > tolerance
    assert VALUE_CHECKERS["float"](expected, actual, FloatChecker(abs_tol=tolerance, rel_tol=0)).ok
    smaller = FloatChecker(abs_tol=tolerance * (1 - 1e-12), rel_tol=0)
    assert not VALUE_CHECKERS["float"](expected, actual, smaller).ok


def test_a_tolerance_below_the_spacing_of_floats_stays_a_tolerance() -> None:
    """A slack of two ulps would forgive this error of 0.25 under a tolerance of 0.1."""
    assert not VALUE_CHECKERS["float"](1e15, 1e15 + 0.25, FloatChecker(abs_tol=0.1, rel_tol=0)).ok


def test_integers_may_be_off_only_by_a_tolerance_that_was_given() -> None:
    compare = VALUE_CHECKERS["float"]
    assert not compare(10**9, 10**9 + 1, FloatChecker()).ok
    assert not compare([10**9, 0.5], [10**9 + 1, 0.5], FloatChecker(abs_tol=1e-6)).ok
    assert compare([10**9, 0.5], [10**9 + 1.0, 0.5], FloatChecker()).ok
    assert compare(10, 11, FloatChecker(abs_tol=1)).ok
    assert compare(10**6, 10**6 + 1, FloatChecker(rel_tol=1e-6)).ok
    assert not compare(10**6, 10**6 + 2, FloatChecker(rel_tol=1e-6)).ok


MANY = 1500


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (list(range(MANY)), [float(n) for n in range(MANY)]),
        ([n % 2 for n in range(MANY)], [bool(n % 2) for n in range(MANY)]),
        ([[n, [n]] for n in range(MANY)], [(n, (n,)) for n in range(MANY)]),
        ([{"a": n, "b": 1} for n in range(MANY)], [{"b": 1, "a": n} for n in range(MANY)]),
        ([{str(n): 1} for n in range(MANY)], [{n: 1} for n in range(MANY)]),
        ([n / 7 for n in range(MANY)], [n / 7 * (1 + 1e-12) for n in range(MANY)]),
        ([[n, n / 7] for n in range(MANY)], [(n, Fraction(n, 7)) for n in range(MANY)]),
        ([n / 4 for n in range(MANY)], [Decimal(n) / 4 for n in range(MANY)]),
    ],
    ids=["floats", "bools", "tuples", "order of keys", "keys that are integers", "off a little", "nested", "decimals"],
)
def test_many_elements_find_each_other_whatever_their_type_and_spelling(expected: list[Any], actual: list[Any]) -> None:
    unordered = VALUE_CHECKERS["unordered"]
    assert unordered(expected, actual[::-1], OPTIONS).ok
    assert not unordered(expected, [*actual[:-1], actual[0]], OPTIONS).ok


ODD = (
    1.7e308, -1.7e308, float("inf"), float("nan"), 10**400, 10**5000, complex(1.7e308, 1.7e308),
    complex(float("nan"), 1),
    complex(0, float("inf")), 5e-324, -0.0, True, Decimal("sNaN"), Decimal("1e999999999"), Decimal("1e400"),
    Decimal("Infinity"), Fraction(10**400, 3), Fraction(1, 10**400),
)  # fmt: skip
NUMBERS = st.integers(0, len(ODD) - 1).map(lambda at: ODD[at]) | st.floats() | st.integers()
LEAVES = NUMBERS | st.text(max_size=2) | st.none() | st.binary(max_size=2)
KEYS = st.text(max_size=2) | st.integers() | st.floats() | st.booleans() | st.none()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, VALUES, st.floats(0, allow_nan=False, allow_infinity=False))
def test_no_value_raises_out_of_a_checker(expected: Any, actual: Any, tolerance: float) -> None:
    for compare in VALUE_CHECKERS.values():
        compare(expected, actual, FloatChecker(abs_tol=tolerance, rel_tol=tolerance))
        compare(expected, expected, FloatChecker())
