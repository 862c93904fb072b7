"""Line-ups hide which member the tests expect; far values and changed arguments really are different."""

import time as clock
from collections import Counter, OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandboxes.harness.wall.lineups import LEAST, _members, changed_arguments, far_values, line_up

KEY = b"a key of the tester".ljust(32)

VALUES: list[Any] = [
    *(0, 5, -3, 30, 64, 100, 1000, 1024, 1221, 987654321, -15, 10**100, 7**5000, 12345678901234567890),
    *(0.0, 5.0, 0.5, 3.14, -2.75, 19.99, 1e-7, 1e22, 1e300, 123.456, 2 / 3, 2**0.5, 0.1 + 0.2, 1 - 0.9),
    *(3 + 4j, 1j, Decimal("5.00"), Decimal("1.23"), Fraction(1, 3), Fraction(-22, 7)),
    *("a", "7", "0", "1.2", "hello", "Hello World", "abba", "2024-01-15", "Привет", "é", "x" * 50),
    *(b"abc", b"\x00\x01", b"\xff\xfe", bytearray(b"xyz")),
    *([1, 2, 3], [3, 1, 2], [2, 0, 1, 3], [0, 0, 0], [5, 3, 8, 1], [1, 1, 2, 3, 5, 8], [10, 20, 30], [7], [None, 1]),
    *((1, 2), (0, 0), (0, 0, 0, 1), ("a", 1), [[1, 2], [3, 4]], [[1, 0], [0, 1]], [[], [9, 2]]),
    *([1.5, 2.5], ["apple", "banana", "cherry"], ["b", "a"], [True, False, True, True], deque([1, 5, 2], maxlen=5)),
    *({"a": 1, "b": 2}, {"name": "Bob", "age": 5}, {"a": {"b": [1, "x"]}}, {"a": True}, {3: "x"}),
    *({1, 2, 3}, frozenset("abc"), {"x", "yz"}, Counter("hello"), OrderedDict(a=1, b=7), range(5), range(2, 10, 2)),
    *(date(2024, 2, 29), datetime(2024, 1, 1, 12, 30), datetime(2020, 5, 17, tzinfo=UTC), time(0, 0), time(12, 30)),
    *(timedelta(days=3), timedelta(hours=-5), timedelta(0), timedelta(microseconds=15)),
]

SCALARS = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.binary(max_size=8)
    | st.booleans()
    | st.none()
    | st.dates()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.fractions()
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=5), max_size=5)
    ),
    max_leaves=12,
)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return type(value), [shape(item) for item in value.values()]
    if isinstance(value, list | tuple | deque):
        return type(value), [shape(item) for item in value]
    return (type(value), len(value)) if isinstance(value, set | frozenset) else type(value)


def show(value: Any) -> str:
    if callable(value):
        return "rule"
    sets = isinstance(value, (set, frozenset))
    text = hex(value) if isinstance(value, int) else repr(sorted(value, key=repr)) if sets else repr(value)
    return f"{type(value).__name__}-{text}"[:40]


def lined(value: Any) -> list[Any]:
    members = line_up(value, KEY)
    assert members is not None
    return members


@pytest.mark.parametrize("value", VALUES, ids=show)
def test_a_line_up_has_sixteen_and_more_of_the_same_shape_and_no_two_are_equal(value: Any):
    members = lined(value)
    assert 16 <= len(members) <= 32
    assert members.count(value) == 1
    assert not [pair for pair in combinations(members, 2) if pair[0] == pair[1]]
    assert [member for member in members if shape(member) != shape(value)] == []


@pytest.mark.parametrize("value", VALUES, ids=show)
def test_every_member_could_have_been_the_first(value: Any):
    """For at least sixteen members, or all but a few, the member's own group contains the expected value."""
    members = lined(value)
    possible = sum(value in _members(member, KEY, 100_000, Random(0)) for member in members)
    assert possible >= LEAST or value in (2**0.5, 7**5000)  # the largest groups are sampled at random


@given(PLAIN)
@settings(max_examples=150, deadline=None)
def test_whatever_is_lined_up_is_distinct_and_of_the_same_shape(value: Any):
    members = line_up(value, KEY)
    if members is not None:
        assert 16 <= len(members) <= 32
        assert sum(member == value for member in members) == 1
        assert not [pair for pair in combinations(members, 2) if pair[0] == pair[1]]
        assert all(shape(member) == shape(value) for member in members)


@example(5e-324)
@example(-1e-310)
@given(st.integers() | st.floats(-1e300, 1e300) | st.lists(st.integers(), min_size=1, max_size=9))
@settings(max_examples=150, deadline=None)
def test_every_number_and_every_list_of_numbers_has_a_line_up(value: Any):
    assert line_up(value, KEY) is not None


@pytest.mark.parametrize(
    "value", [None, True, "", b"", [], (), {}, set(), [True], [None], " ", [[]], range(0), object()]
)
def test_where_there_are_not_sixteen_of_a_kind_there_is_no_line_up(value: Any):
    assert line_up(value, KEY) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("sNaN"), object(), [object()], {"a": object()}])
def test_what_cannot_be_compared_is_let_be(value: Any):
    assert line_up(value, KEY) is None
    assert all(type(other) is type(value) for other in far_values(value, KEY))


def test_an_object_of_the_submission_is_never_asked_anything():
    class Handle:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        __eq__ = __lt__ = __repr__ = __hash__ = __bool__ = lambda *_: pytest.fail("the object was asked")  # type: ignore[assignment]

    handle = Handle()
    for value in (handle, [handle], (1, [handle]), {"a": handle}):
        assert (line_up(value, KEY), far_values(value, KEY)) == (None, [])
    assert len(changed_arguments((handle, 5), {"x": [handle]}, KEY)) == 16


def test_the_same_value_and_key_give_the_same_line_up_and_other_keys_give_others():
    assert lined([5, "ab"]) == lined([5, "ab"])
    assert line_up([5, "ab"], b"another key") != lined([5, "ab"])
    assert far_values(5, KEY) == far_values(5, KEY)


def test_two_values_of_one_group_have_the_same_members_in_different_orders():
    five = lined(5)
    other = five[0] if five[0] != 5 else five[1]
    assert sorted(lined(other)) == sorted(five)
    assert lined(other) != five


def test_the_place_of_the_value_in_its_line_up_says_nothing():
    places = Counter(lined(value).index(value) for value in range(1000, 2000))
    assert max(places.values()) < 100
    assert len(places) > 25


@pytest.mark.parametrize("guess", [min, max, lambda m: sorted(m)[len(m) // 2], lambda m: min(m, key=lambda n: n % 100)])
def test_who_guesses_by_size_or_roundness_is_right_no_more_often_than_by_chance(guess: Any):
    values = Random(5).sample(range(1, 10_000), 800)
    assert sum(guess(lined(value)) == value for value in values) < 80


def test_the_member_nearest_to_all_others_is_not_the_value_more_often_than_another():
    """Nearness is the number of common elements: the center of a cloud of changes would have the most."""
    hits = 0
    for seed in range(150):
        value = [Random(seed).randrange(100, 1000) for _ in range(6)]
        members = lined(value)
        common = [sum(a == b for m in members for a, b in zip(m, member, strict=True)) for member in members]
        hits += common[members.index(value)] == max(common) and common.count(max(common)) < len(members) // 2
    assert hits < 30


@pytest.mark.parametrize(
    ("value", "keeps"),
    [
        ([1, 2, 3, 4], lambda m: len({b - a for a, b in pairwise(m)}) == 1),  # equal steps
        ([3, 0, 2, 1], lambda m: sorted(m) == [0, 1, 2, 3]),
        ([4, 4, 9, 4], lambda m: m[0] == m[1] == m[3] != m[2]),
        ([2, 3, 5, 11], lambda m: m == sorted(m)),
        (["ab", "cd", "ef"], lambda m: m == sorted(m)),
        ("Level", lambda m: m.lower() == m.lower()[::-1] and m[0].isupper()),
        (5000, lambda m: m % 1000 == 0),
        (-7, lambda m: m <= 0),
        (1 / 3, lambda m: abs(3 * m - round(3 * m)) < 1e-9),
        (0.1 + 0.2, lambda m: len(repr(m)) >= 17),
        (Decimal("2.50"), lambda m: str(m).endswith("0")),
        ("2024-05-17", lambda m: date.fromisoformat(m).year > 1900),
        ([[1, 0], [0, 1]], lambda m: m[0][1] == m[1][0] == 0),
    ],
    ids=show,
)
def test_what_makes_a_value_look_chosen_is_in_all_members(value: Any, keeps: Any):
    assert [member for member in lined(value) if not keeps(member)] == []


def test_members_differ_by_more_than_a_tolerance():
    for value in (3.141592653589793, 0.1 + 0.2, 1e-7, 123456.789, 10.0):
        others = [member for member in lined(value) if member != value]
        assert min(abs(other - value) / value for other in others) > 1e-8


@pytest.mark.parametrize(
    "value",
    [
        list(range(200_000)),
        [0] * 200_000,
        "ab" * 500_000,
        b"x" * 10**6,
        pytest.param(7**300_000, id="long"),
        [[n] for n in range(50_000)],
    ],
)
def test_a_huge_value_has_a_line_up_that_is_soon_made(value: Any):
    start = clock.process_time()
    members = lined(value)
    assert len(members) >= 16
    assert clock.process_time() - start < 20


@pytest.mark.parametrize("value", VALUES, ids=show)
def test_far_values_are_others_of_the_same_type(value: Any):
    found = far_values(value, KEY)
    assert len(found) >= (5 if isinstance(value, list) and True in value else 2 if value == {"a": True} else 12)
    assert [other for other in found if type(other) is not type(value) or other == value] == []


@pytest.mark.parametrize(
    "value",
    [
        5,
        -(10**12),
        2.5,
        1e200,
        Decimal("1.5"),
        Fraction(1, 3),
        "1.2",
        "hello",
        (1, 2),
        [5],
        date(2024, 1, 5),
        timedelta(1),
    ],
    ids=show,
)
def test_far_values_lie_on_both_sides(value: Any):
    found = far_values(value, KEY)
    assert sum(other < value for other in found) >= 3
    assert sum(other > value for other in found) >= 3


def test_one_argument_changes_at_a_time_and_none_and_unknown_ones_stay():
    args, kwargs = (5, "ab", None, True, object()), {"x": [1, 2], "y": 3.5}
    found = changed_arguments(args, kwargs, KEY)
    changed = []
    for new_args, new_kwargs in found:
        differing = [i for i, (a, b) in enumerate(zip(args, new_args, strict=True)) if a != b]
        differing += [name for name in kwargs if kwargs[name] != new_kwargs[name]]
        assert len(differing) == 1
        changed += differing
    assert Counter(changed) == {0: 16, 1: 16, 3: 1, "x": 16}


def test_changed_texts_differ_by_more_than_case_and_empty_arguments_are_filled():
    assert all(args[0].lower() != "ab" for args, _ in changed_arguments(("aB",), {}, KEY))
    assert next(args for args, _ in changed_arguments(([],), {}, KEY)) != ([],)
    assert changed_arguments((), {}, KEY) == changed_arguments((None,), {}, KEY) == []
