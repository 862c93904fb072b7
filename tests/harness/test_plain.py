"""The wire format transfers plain data exactly, refuses everything else by name, and survives arbitrary bytes."""

import collections
import enum
import json
import math
import random
import sys
import time as clock
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from sandboxes.protocol.plain import Malformed, NotPlain, decode, encode


def exact(value: Any) -> Any:
    """Return a representation that distinguishes types, the sign of zero, order and NaN."""
    if type(value) in (list, tuple):
        return type(value), [exact(item) for item in value]
    if type(value) in (set, frozenset):
        return type(value), sorted(map(repr, value))
    if type(value) is dict:
        return dict, [(exact(key), exact(item)) for key, item in value.items()]
    return type(value), repr(value)


PLAIN = [
    None,
    True,
    False,
    0,
    -1,
    2**62 - 1,
    2**62,
    -(2**62),
    2**64,
    -(3**500),
    0.0,
    -0.0,
    0.1,
    1e308,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
    1 + 2j,
    complex(-0.0, math.inf),
    "",
    "text",
    "ünï ∑ 😀",
    "\ud800",
    "\ud83d\ude00",
    "a\x00b\u2028",
    b"",
    bytes(range(256)),
    bytearray(b"ab"),
    [],
    [1, "a", [2.5, None]],
    (),
    (1,),
    ((), [()]),
    {},
    {"a": 1},
    {"$t": [1]},
    {"$t": [1], "b": 2},
    {"$": 1},
    {"\ud800": 1},
    {1: 2, "1": 3, (1, 2): [4], None: 5, 2.5: 6},
    {"b": 1, "a": 2},
    set(),
    {1, 2, "x"},
    frozenset({(1, 2)}),
    {frozenset({1}): {2}},
    Decimal("1.50"),
    Decimal("-0"),
    Decimal("NaN"),
    Decimal("sNaN123"),
    Decimal("1E+999999"),
    Fraction(-22, 7),
    date(2024, 2, 29),
    time(1, 2, 3, 4),
    time(1, 2, tzinfo=timezone(timedelta(hours=2), "here"), fold=1),
    datetime(2024, 1, 2, 3, 4, 5, 6),
    datetime(2024, 1, 2, tzinfo=UTC),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-3))),
    timedelta(days=-1, microseconds=1),
    UTC,
    range(0, 10, 3),
    range(10**30),
    [[]] * 3,
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda v: type(v).__name__)
def test_plain_data_arrives_as_it_was(value: Any) -> None:
    assert exact(decode(encode(value))) == exact(value)
    assert exact(decode(encode([value, {"k": value}]))) == exact([value, {"k": value}])


class Text(str):
    def __str__(self) -> str:
        return "lie"

    def __len__(self) -> int:
        return 0


class Number(int):
    def __int__(self) -> int:
        return 999

    def __index__(self) -> int:
        return 999

    def __lt__(self, other: object) -> bool:
        return True


class Sequence(list):
    def __iter__(self) -> Any:
        return iter([999])

    def __len__(self) -> int:
        return 1


class Table(dict):
    def items(self) -> Any:
        return [("lie", 1)]

    def __iter__(self) -> Any:
        return iter(["lie"])


class Real(float):
    def __repr__(self) -> str:
        return "999.0"

    def __float__(self) -> float:
        return 999.0


class Amount(Decimal):
    def __str__(self) -> str:
        return "999"


class Level(enum.IntEnum):
    LOW = 1


class Colour(enum.StrEnum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


class Day(datetime):
    def isoformat(self, *_: Any, **__: Any) -> str:
        return "2000-01-01"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Text("true"), "true"),
        (Number(7), 7),
        (Sequence([1, 2]), [1, 2]),
        (Table(a=1), {"a": 1}),
        ({Text("k"): Number(1)}, {"k": 1}),
        (Real(1.5), 1.5),
        (Amount("1.5"), Decimal("1.5")),
        (Level.LOW, 1),
        (Colour.RED, "red"),
        (Point(1, 2), (1, 2)),
        (Day(2024, 5, 6, 7), datetime(2024, 5, 6, 7)),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(int, {1: 2}), {1: 2}),
        (datetime(2024, 7, 1, tzinfo=ZoneInfo("UTC")), datetime(2024, 7, 1, tzinfo=UTC)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_subclass_crosses_as_its_builtin_base_whatever_it_overrides(value: Any, plain: Any) -> None:
    assert exact(decode(encode(value))) == exact(plain)
    assert exact(decode(encode([value]))) == exact([plain])


def test_an_ordered_dict_keeps_its_own_order() -> None:
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    assert list(decode(encode(ordered))) == ["b", "a"]


def test_numpy_scalars_and_arrays_cross_as_python_values() -> None:
    numpy = pytest.importorskip("numpy")
    value = [numpy.float64(0.5), numpy.int32(3), numpy.bool_(True), numpy.array([[1, 2], [3, 4]]), numpy.str_("a")]
    assert exact(decode(encode(value))) == exact([0.5, 3, True, [[1, 2], [3, 4]], "a"])


class Liar:
    __class__ = property(lambda self: list)  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value", [object(), Liar(), len, type, json, iter([]), {1: [object()]}, print], ids=lambda v: type(v).__name__
)
def test_what_is_not_plain_is_refused_by_name(value: Any) -> None:
    with pytest.raises(NotPlain, match="is not plain data"):
        encode(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = [1]
    loop.append({"k": (loop,)})
    with pytest.raises(NotPlain, match="contains itself"):
        encode(loop)


def test_a_shared_value_is_no_cycle() -> None:
    shared = [1]
    assert decode(encode([shared, [shared]])) == [[1], [[1]]]


def test_exponential_sharing_is_refused() -> None:
    value: Any = []
    for _ in range(40):
        value = [value, value]
    with pytest.raises(NotPlain, match="too many values"):
        encode(value, max_nodes=10_000)


@pytest.mark.parametrize("depth", [59, 60, 61, 200, 900, 4_900])
@pytest.mark.parametrize("wrap", [lambda v: [1, v], lambda v: (v, "\ud800"), lambda v: {"k": v}], ids=["l", "t", "d"])
def test_deep_values_cross_without_recursion(depth: int, wrap: Any) -> None:
    value: Any = ()
    for _ in range(depth):
        value = wrap(value)
    arrived = decode(encode(value))
    for _ in range(depth):
        assert len(arrived) == len(value)
        assert type(arrived) is type(value)
        arrived, value = ((v["k"] if type(v) is dict else v[0 if type(v) is tuple else 1]) for v in (arrived, value))
    assert arrived == ()


def test_too_deep_values_are_refused() -> None:
    value: Any = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(NotPlain, match="nested deeper than 5000"):
        encode(value)


def test_handles_cross_by_their_token() -> None:
    class Thing: ...

    things = [Thing(), Thing()]
    data = encode({"a": [things[0], 1], "b": (things[1],)}, handle=lambda t: (things.index(t), "x"))
    assert decode(data, resolve=lambda token: ("thing", token)) == {
        "a": [("thing", (0, "x")), 1],
        "b": (("thing", (1, "x")),),
    }
    with pytest.raises(Malformed):
        decode(data)


def test_handles_cross_in_deep_values() -> None:
    thing = object()
    value: Any = thing
    for _ in range(300):
        value = [value]
    arrived = decode(encode(value, handle=lambda _: 7), resolve=lambda token: token)
    for _ in range(300):
        (arrived,) = arrived
    assert arrived == 7


def test_big_integers_cross_in_linear_time_and_without_the_digit_limit() -> None:
    value = 1 << 4_000_000
    started_s = clock.process_time()
    assert decode(encode(value)) == value
    assert clock.process_time() - started_s < 0.5


HOSTILE = [
    b"",
    b"\xff",
    b"{",
    b"[1,",
    b'{"$t": 1}',
    b'{"$x": 1}',
    b'{"$b": "!!"}',
    b'{"$i": 5}',
    b'{"$i": "1g"}',
    b'{"$d": [1]}',
    b'{"$d": [[], 1]}',
    b'{"$s": [[]]}',
    b'{"$s": [{"$t": [[]]}]}',
    b'{"$D": "x"}',
    b'{"$F": ["0x1", "0x0"]}',
    b'{"$r": ["0x0", "0x1", "0x0"]}',
    b'{"$date": "2024-13-01"}',
    b'{"$datetime": ["2024-01-01T00:00:00", 7, null]}',
    b'{"$zone": [[9, 0, 0], "x"]}',
    b'{"$delta": [1e99, 0, 0]}',
    b'{"$u": "zz"}',
    b'{"$c": [1, "a"]}',
    b'{"$n": 0}',
    b'[{"$n": 0}]',
    b'{"$deep": []}',
    b'{"$deep": [["l", [{"$n": 0}]]]}',
    b'{"$deep": [["l", []], ["l", [{"$n": 0}, {"$n": 0}]], ["l", [{"$n": 1}]]]}',
    b'{"$deep": [["l", []], ["l", []], ["l", [{"$n": 0}]]]}',
    b'{"$deep": [["l", [[{"$n": 0}]]]]}',
    b'{"$deep": [[[], []]]}',
    b'{"$h": 1}',
    b"[" * 1_000_000,
    b'{"a":' * 1_000_000,
    b"1" * 1_000_000,
    b"1." + b"1" * 1_000_000,
    b'"' + b'\\"' * 1_000_000 + b"[" * 1000,
    b"[" + b"[]," * 1_500_000 + b"1",
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda d: repr(d[:40]))
def test_hostile_bytes_are_malformed_and_nothing_else(data: bytes) -> None:
    started_s = clock.process_time()
    with pytest.raises(Malformed):
        decode(data)
    assert clock.process_time() - started_s < 5


def test_too_many_bytes_or_values_are_malformed() -> None:
    with pytest.raises(Malformed, match="more than 10"):
        decode(encode(list(range(100))), max_bytes=10)
    with pytest.raises(Malformed, match="more than 10 values"):
        decode(encode(list(range(100))), max_nodes=10)
    assert decode(encode("," * 100), max_nodes=10) == "," * 100


def test_random_damage_never_gets_past_malformed() -> None:
    seed = random.Random(7)
    data = encode(PLAIN)
    for _ in range(3_000):
        damaged = bytearray(data)
        for _ in range(seed.randrange(1, 5)):
            damaged[seed.randrange(len(damaged))] = seed.randrange(256)
        try:
            decode(bytes(damaged))
        except Malformed:
            continue


@pytest.mark.parametrize("shape", ["set", "dict"])
def test_colliding_keys_are_found_by_the_time_they_take(shape: str) -> None:
    prime = sys.hash_info.modulus
    keys = [prime * factor for factor in range(1, 60_000)]
    data = encode(set(keys[:100]) if shape == "set" else dict.fromkeys(keys[:100], 1))
    assert len(decode(data)) == 100
    tags = [json.loads(encode(key)) for key in keys]
    body = {"$s": tags} if shape == "set" else {"$d": [part for tag in tags for part in (tag, 1)]}
    started_s = clock.process_time()
    with pytest.raises(Malformed, match="collide"):
        decode(json.dumps(body).encode())
    assert clock.process_time() - started_s < 10


def test_honest_keys_are_never_taken_for_colliding() -> None:
    value = {"ints": set(range(200_000)), "pairs": {(i, str(i)): i for i in range(50_000)}}
    assert decode(encode(value)) == value


def test_small_values_cost_microseconds() -> None:
    value = [[1, 2, 3], "text", {"k": 2.5}]
    repeats = 2_000
    started_s = clock.process_time()
    for _ in range(repeats):
        decode(encode(value))
    assert (clock.process_time() - started_s) / repeats < 200e-6
