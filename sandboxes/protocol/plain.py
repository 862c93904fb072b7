"""The wire format for values, between the processes of a box and between a box and the service: tagged JSON.

Values that JSON can represent exactly are plain JSON (null, booleans, integers below 2**62, floats with NaN and
Infinity, strings, lists, objects with string keys). Everything else is an object with one key that begins with `$`:

    {"$i": "0x1f.."}  big integer               {"$D": "1.50"}              Decimal
    {"$c": [re, im]}  complex                   {"$F": [n, d]}              Fraction
    {"$b": base64}    bytes                     {"$date": "2024-02-29"}     date
    {"$B": base64}    bytearray                 {"$time": [iso, fold, zone]}
    {"$u": hex}       text with surrogates      {"$datetime": [iso, fold, zone]}
    {"$t": [..]}      tuple                     {"$delta": [days, s, us]}   timedelta
    {"$s": [..]}      set                       {"$zone": [delta, name]}    timezone
    {"$z": [..]}      frozenset                 {"$r": [start, stop, step]} range
    {"$d": [k, v, k, v ..]}  dict               {"$h": value}               a handle, see `encode`
    {"$m": [number, value]}, {"$m": number}   a container that both ends share: the first time, and later
    {"$deep": [[kind, [..]] ..]}  a tree too deep for nested JSON: its nodes, children first; {"$n": index} is a node

Security. Only this data crosses, never pickle or repr, so decoding the output of a hostile program cannot run code.
`decode` takes time and memory linear in the number of bytes, limits depth and count, and raises `Malformed` for
anything else. Keys that were chosen to collide in a hash table are detected by the CPU time they take. Values arrive as
exact builtin types: the encoder reads a subclass with the methods of its builtin base, whatever it overrides.
"""

import builtins
import json
import re
import sys
import time as clock
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from types import NoneType
from typing import Any, Protocol
from zoneinfo import ZoneInfo

# This module's own copy of the builtins. Otherwise a submission that patches `len` would also patch it here, and an
# encoder that calls the submission's `len` could wait for itself forever.
__builtins__ = dict(vars(builtins))

MAX_DEPTH = 5_000
MAX_NODES = 4_000_000
MAX_BYTES = 64 * 1024 * 1024

_SMALL_INT = 1 << 62
_NESTED = 60  # up to this depth, containers are written as nested JSON; deeper trees become a table of nodes
_JSON_DEPTH = 4 * _NESTED  # tags add levels of JSON
_EASY_KEYS = 256  # hash tables up to this size are fast whatever their keys are
_KEY_CPU_S = 20e-6  # maximum CPU time per key in a larger one; an honest key takes a hundredth of it
_KEYS_CPU_S = 0.25


class NotPlain(TypeError):
    """A value is not plain data; the message names the offending type."""


class Malformed(ValueError):
    """Bytes that our encoder cannot have written; a hostile program may have written them."""


class Row(list[Any]):
    """A list that belongs to the protocol itself: it crosses as a list, and is never shared."""


class Fields(dict[str, Any]):
    """A dict that belongs to the protocol itself, with names as keys: it crosses as a dict, and is never shared."""


class Shared(Protocol):
    """The containers that two ends share: each is one object at each end, identified by a number. See `encode`."""

    def restart(self) -> None:
        """Forget the numbers assigned since the last message was sent, because the encoder starts again."""
        ...

    def number_of(self, value: Any) -> tuple[int, bool] | None:
        """Return a container's number and whether it is new; None if it crosses as a copy."""
        ...

    def known(self, number: int) -> Any:
        """Return the container with this number.

        Raises:
            Malformed: There is none.
        """
        ...

    def add(self, number: int, value: Any) -> None:
        """Add a container that has just arrived.

        Raises:
            Malformed: Its number is impossible.
        """
        ...


class _TooDeep(Exception):
    """The fast recursive encoder gives up, and the one without recursion takes over."""


_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_loads = json.JSONDecoder().decode

# The builtin base as which a subclass is read. The order matters: a datetime is also a date, and an OrderedDict, which
# keeps its own order, is also a dict.
BASES: tuple[type, ...] = (
    str, int, float, tuple, list, OrderedDict, dict, set, frozenset, bytes, bytearray, complex, Decimal,
    Fraction, datetime, date, time, timedelta,
)  # fmt: skip
_FLAT = frozenset({NoneType, bool, float, str})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_SHARED = frozenset({list, dict, set})
_TAG_OF = {tuple: "$t", set: "$s", frozenset: "$z"}


# Encoding


class _Encoder:
    def __init__(
        self, handle: Callable[[Any], Any] | None, careful: bool, max_nodes: int, shared: Shared | None = None
    ) -> None:
        self.handle = handle
        self.shared = shared
        self.writing: set[int] = set()  # numbers of the containers that are currently being written
        self.careful = careful  # there is a string with surrogates somewhere
        self.nodes_left = max_nodes

    def count(self, size: int) -> None:
        self.nodes_left -= size
        if self.nodes_left < 0:
            raise NotPlain("the value holds too many values")

    def tree(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _FLAT:
            return self.text(value) if self.careful and kind is str else value
        if kind is int:
            return value if -_SMALL_INT < value < _SMALL_INT else {"$i": hex(value)}
        if kind not in _CONTAINERS:
            return self.other(value, kind, depth)
        if self.shared is not None and kind in _SHARED:
            return self.one_of_both(value, kind, depth)
        return self.container(value, kind, depth)

    def one_of_both(self, value: Any, kind: type, depth: int) -> Any:
        """Write a container that may be shared."""
        assert self.shared is not None
        found = self.shared.number_of(value)
        if found is None:
            return _LEAVES[kind](value) if kind is bytearray else self.container(value, kind, depth)
        number, is_new = found
        if not is_new:
            if number in self.writing:
                raise NotPlain(f"the value contains itself: a {kind.__name__} inside of itself")
            return {"$m": number}
        self.writing.add(number)
        content = _LEAVES[kind](value) if kind is bytearray else self.container(value, kind, depth)
        self.writing.discard(number)
        return {"$m": [number, content]}

    def container(self, value: Any, kind: type, depth: int) -> Any:
        if depth == 0:
            raise _TooDeep
        self.count(len(value))
        if kind is dict:
            return self.mapping(value, depth - 1)
        items = value if self.flat(value) else [self.tree(item, depth - 1) for item in value]
        return items if kind is list else {_TAG_OF[kind]: list(items)}

    def flat(self, items: Iterable[Any]) -> bool:
        """Return whether all items are scalars that JSON represents exactly. This runs at the speed of C."""
        kinds = set(map(type, items))
        if kinds == {int}:
            return min(items) > -_SMALL_INT and max(items) < _SMALL_INT
        return not self.careful and kinds <= _FLAT

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if (
            set(map(type, value)) <= {str}
            and not self.careful
            and not (len(value) == 1 and next(iter(value))[:1] == "$")
        ):
            return {key: self.tree(item, depth) for key, item in value.items()}
        flat: list[Any] = []
        for key, item in value.items():
            flat += self.tree(key, depth), self.tree(item, depth)
        return {"$d": flat}

    def other(self, value: Any, kind: type, depth: int) -> Any:
        leaf = _LEAVES.get(kind)
        if leaf is not None:
            return (
                self.one_of_both(value, kind, depth) if kind is bytearray and self.shared is not None else leaf(value)
            )
        if depth == 0:
            raise _TooDeep
        if kind is Row:
            return [self.tree(item, depth - 1) for item in value]
        if kind is Fields:
            return {name: self.tree(item, depth - 1) for name, item in value.items()}
        if self.handle is not None:
            token = self.handle(value)
            if token is not None:
                return {"$h": self.tree(Row(token) if type(token) is list else token, depth - 1)}
        return self.tree(as_base(value, kind), depth)

    def text(self, value: str) -> Any:
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"$u": value.encode("utf-8", "surrogatepass").hex()}
        return value

    def deep(self, value: Any) -> Any:
        """Encode a tree as a table of its nodes, children first, without recursion."""
        nodes: list[Any] = []
        path: list[tuple[str, Any, list[Any], int]] = [self.open([value])]
        on_path = {path[0][3]}
        while True:
            kind, rest, done, identity = path[-1]
            for child in rest:
                opened = self.step(child, done)
                if opened is not None:
                    if opened[3] in on_path:
                        raise NotPlain(f"the value contains itself: a {type(child).__name__} inside of itself")
                    if len(path) > MAX_DEPTH:
                        raise NotPlain(f"the value is nested deeper than {MAX_DEPTH}")
                    on_path.add(opened[3])
                    path.append(opened)
                    break
            else:
                path.pop()
                on_path.discard(identity)
                if not path:
                    return {"$deep": [*nodes, ["l", done]]}
                nodes.append([kind, done])
                path[-1][2].append({"$n": len(nodes) - 1})

    def step(self, child: Any, done: list[Any]) -> tuple[str, Any, list[Any], int] | None:
        """Append a leaf to `done`, or return an opened container."""
        kind = type(child)
        if kind in _CONTAINERS:
            return self.open(child)
        if kind in _FLAT or kind is int or kind in _LEAVES:
            done.append(self.tree(child, 1))
            return None
        if kind is Row or kind is Fields:
            return self.open(list(child) if kind is Row else dict(child))
        token = self.handle(child) if self.handle is not None else None
        if token is not None:
            return "h", iter((token,)), [], id(child)
        plain = as_base(child, kind)
        if type(plain) not in _CONTAINERS:
            done.append(self.tree(plain, 1))
            return None
        return (*self.open(plain)[:3], id(child))

    def open(self, value: Any) -> tuple[str, Any, list[Any], int]:
        self.count(len(value))
        if type(value) is dict:
            return "d", iter([part for pair in value.items() for part in pair]), [], id(value)
        return {list: "l", tuple: "t", set: "s", frozenset: "z"}[type(value)], iter(value), [], id(value)


def as_base(value: Any, kind: type) -> Any:
    """Convert a value to the exact builtin type that its class extends, using only that type's own methods.

    Raises:
        NotPlain: The class does not extend one of these types.
    """
    for base in BASES:
        if issubclass(kind, base):
            return _READ[base](value)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if issubclass(kind, numpy.generic):
            item = value.item()
            if type(item) is not kind:
                return item
        elif issubclass(kind, numpy.ndarray):
            return value.tolist()
    name = f"{type.__dict__['__module__'].__get__(kind)}.{type.__dict__['__qualname__'].__get__(kind)}"
    raise NotPlain(f"{name.removeprefix('builtins.')} is not plain data")


_READ: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    tuple: lambda v: tuple(tuple.__iter__(v)),
    list: lambda v: list(list.__iter__(v)),
    OrderedDict: lambda v: {key: dict.__getitem__(v, key) for key in OrderedDict.__iter__(v)},
    dict: lambda v: dict(dict.items(v)),
    set: lambda v: set(set.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
    bytes: lambda v: bytes.__getitem__(v, slice(None)),
    bytearray: lambda v: bytearray(bytearray.__iter__(v)),
    complex: complex.__complex__,
    Decimal: lambda v: Decimal(Decimal.__str__(v)),
    Fraction: lambda v: Fraction(_exact_int(v._numerator), _exact_int(v._denominator)),
    datetime: lambda v: datetime.combine(datetime.date(v), datetime.timetz(v)),
    date: lambda v: date.fromordinal(date.toordinal(v)),
    time: lambda v: time(
        *(time.__dict__[f].__get__(v) for f in ("hour", "minute", "second", "microsecond", "tzinfo")),
        fold=time.__dict__["fold"].__get__(v),
    ),
    timedelta: lambda v: timedelta(*(timedelta.__dict__[f].__get__(v) for f in ("days", "seconds", "microseconds"))),
}


def _exact_int(value: Any) -> int:
    return int.__int__(value)


def _zone(zone: tzinfo | None, at: datetime | None) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        return [_delta(zone.utcoffset(None))["$delta"], zone.tzname(None)]
    if type(zone) is ZoneInfo:
        offset = zone.utcoffset(at)
        return None if offset is None else [_delta(offset)["$delta"], zone.tzname(at) or ""]
    raise NotPlain(f"the time zone {type(zone).__name__} is not plain data")


def _delta(value: timedelta) -> Any:
    return {"$delta": [value.days, value.seconds, value.microseconds]}


def _fraction(value: Fraction) -> Any:
    return {"$F": [hex(_exact_int(value.numerator)), hex(_exact_int(value.denominator))]}


def _datetime(value: datetime) -> Any:
    naive = value.replace(tzinfo=None, fold=0).isoformat()
    return {"$datetime": [naive, value.fold, _zone(value.tzinfo, value)]}


def _time(value: time) -> Any:
    return {"$time": [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo, None)]}


_LEAVES: dict[type, Callable[[Any], Any]] = {
    bytes: lambda v: {"$b": b2a_base64(v, newline=False).decode()},
    bytearray: lambda v: {"$B": b2a_base64(v, newline=False).decode()},
    complex: lambda v: {"$c": [v.real, v.imag]},
    Decimal: lambda v: {"$D": str(v)},
    Fraction: _fraction,
    datetime: _datetime,
    date: lambda v: {"$date": v.isoformat()},
    time: _time,
    timedelta: _delta,
    timezone: lambda v: {"$zone": _zone(v, None)},
    range: lambda v: {"$r": [hex(v.start), hex(v.stop), hex(v.step)]},
}


def encode(
    value: Any,
    *,
    handle: Callable[[Any], Any] | None = None,
    max_nodes: int = MAX_NODES,
    shared: Shared | None = None,
) -> bytes:
    """Encode plain data as UTF-8 JSON.

    Args:
        value: The value.
        handle: Called for every object whose type is not exactly one of the builtin types. Plain data that it returns
            crosses as a handle, which `decode` passes to `resolve`. If it returns None, the object crosses as its
            builtin base.
        max_nodes: The maximum number of values.
        shared: Called for the number of each list, dict, set and bytearray, in the order in which they are written.
            Nothing is shared in trees that are too deep for nested JSON. Its `restart` is called whenever encoding
            starts again.

    Raises:
        NotPlain: Some value is not plain data, contains itself, or is too deep or too large.
    """
    for careful in (False, True):
        encoder = _Encoder(handle, careful, max_nodes, shared)
        if shared is not None:
            shared.restart()
        try:
            tree = encoder.tree(value, _NESTED)
        except _TooDeep:
            if shared is not None:
                shared.restart()
            encoder = _Encoder(handle, careful, max_nodes)
            tree = encoder.deep(value)
        try:
            return _dumps(tree).encode()
        except UnicodeEncodeError:
            continue
    raise NotPlain("the text cannot be encoded")


# Decoding

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{40}")
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LEVEL = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class _Ref:
    """A node of the table of `$deep`, not yet resolved."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class _Decoder:
    def __init__(self, resolve: Callable[[Any], Any] | None, max_depth: int, shared: Shared | None) -> None:
        self.resolve = resolve
        self.shared = shared
        self.max_depth = max_depth
        self.open_refs = 0

    def hook(self, found: dict[str, Any]) -> Any:
        if len(found) != 1:
            return found
        ((tag, body),) = found.items()
        if tag[:1] != "$":
            return found
        if tag == "$h":
            if self.resolve is None:
                raise Malformed("a handle where none is allowed")
            return self.resolve(body)
        if tag == "$m":
            return self.one_of_both(body)
        if tag == "$n":
            self.open_refs += 1
            return _Ref(_is(body, int))
        if tag == "$deep":
            return self.deep(_is(body, list))
        build = _BUILD.get(tag)
        if build is None:
            raise Malformed(f"the tag {tag[:20]!r} is not known")
        return build(body)

    def one_of_both(self, body: Any) -> Any:
        if self.shared is None:
            raise Malformed("a shared container where none is allowed")
        if type(body) is int:
            return self.shared.known(body)
        number, value = _two(body)
        if type(value) not in _SHARED and type(value) is not bytearray:
            raise Malformed("this cannot be shared")
        self.shared.add(_is(number, int), value)
        return value

    def deep(self, table: list[Any]) -> Any:
        built: list[Any] = []
        depths: list[int] = []
        used: set[int] = set()
        for row in table:
            kind, children = _two(row)
            depth = 0
            for place, child in enumerate(_is(children, list)):
                if type(child) is not _Ref:
                    continue
                if not 0 <= child.index < len(built) or child.index in used:
                    raise Malformed("a node is used before it is built, or twice")
                used.add(child.index)
                self.open_refs -= 1
                children[place] = built[child.index]
                depth = max(depth, depths[child.index])
            if depth > self.max_depth:
                raise Malformed(f"the value is nested deeper than {self.max_depth}")
            depths.append(depth + 1)
            if kind == "h":
                (token,) = children
                built.append(self.hook({"$h": token}))
            elif kind in _DEEP_KINDS:
                built.append(_DEEP_KINDS[kind](children))
            else:
                raise Malformed("a node of unknown kind")
        if len(used) != len(built) - 1:
            raise Malformed("a node is not used")
        (value,) = built[-1]
        return value


def _is(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise Malformed(f"{kind.__name__} expected, {type(value).__name__} found")
    return value


def _two(value: Any) -> tuple[Any, Any]:
    first, second = _is(value, list)
    return first, second


def _big(value: Any) -> int:
    return int(_is(value, str), 16)


def _dict(flat: Any) -> dict[Any, Any]:
    keys, values = _is(flat, list)[0::2], flat[1::2]
    if len(keys) != len(values):
        raise Malformed("a key without a value")
    if len(keys) <= _EASY_KEYS:
        return dict(zip(keys, values, strict=True))
    built: dict[Any, Any] = {}
    for start, stop in _spans(len(keys)):
        built.update(zip(keys[start:stop], values[start:stop], strict=True))
    return built


def _set(items: Any) -> set[Any]:
    if len(_is(items, list)) <= _EASY_KEYS:
        return set(items)
    built: set[Any] = set()
    for start, stop in _spans(len(items)):
        built.update(items[start:stop])
    return built


def _spans(size: int) -> Iterable[tuple[int, int]]:
    """Yield small spans of `range(size)`.

    Raises:
        Malformed: Filling a span took so much CPU time that only colliding keys can explain it.
    """
    allowed_s = clock.thread_time() + _KEYS_CPU_S
    for start in range(0, size, 64):
        yield start, min(start + 64, size)
        if clock.thread_time() > allowed_s + start * _KEY_CPU_S:
            raise Malformed("the keys were chosen to collide")


def _text(body: Any) -> str:
    return bytes.fromhex(_is(body, str)).decode("utf-8", "surrogatepass")


def _unzone(body: Any) -> timezone | None:
    if body is None:
        return None
    delta, name = _two(body)
    offset, name = _undelta(delta), _is(name, str)
    plain = timezone(offset)
    return plain if plain.tzname(None) == name else timezone(offset, name)


def _undelta(body: Any) -> timedelta:
    days, seconds, microseconds = (_is(part, int) for part in _is(body, list))
    return timedelta(days, seconds, microseconds)


def _undatetime(body: Any) -> datetime:
    text, fold, zone = _is(body, list)
    return datetime.fromisoformat(_is(text, str)).replace(fold=_is(fold, int), tzinfo=_unzone(zone))


def _untime(body: Any) -> time:
    text, fold, zone = _is(body, list)
    return time.fromisoformat(_is(text, str)).replace(fold=_is(fold, int), tzinfo=_unzone(zone))


def _unfraction(body: Any) -> Fraction:
    numerator, denominator = (_big(part) for part in _two(body))
    if max(numerator.bit_length(), denominator.bit_length()) > 65_536:
        raise Malformed(
            "a fraction too long to be reduced"
        )  # computing the greatest common divisor takes quadratic time
    return Fraction(numerator, denominator)


def _unrange(body: Any) -> range:
    start, stop, step = (_big(part) for part in _is(body, list))
    return range(start, stop, step)


def _undecimal(body: Any) -> Decimal:
    return Decimal(_is(body, str))


_BUILD: dict[str, Callable[[Any], Any]] = {
    "$i": _big,
    "$c": lambda body: complex(*(_is(part, float) for part in _two(body))),
    "$b": lambda body: a2b_base64(_is(body, str), strict_mode=True),
    "$B": lambda body: bytearray(a2b_base64(_is(body, str), strict_mode=True)),
    "$u": _text,
    "$t": lambda body: tuple(_is(body, list)),
    "$s": _set,
    "$z": lambda body: frozenset(_set(body)),
    "$d": _dict,
    "$D": _undecimal,
    "$F": _unfraction,
    "$date": lambda body: date.fromisoformat(_is(body, str)),
    "$time": _untime,
    "$datetime": _undatetime,
    "$delta": _undelta,
    "$zone": _unzone,
    "$r": _unrange,
}
_DEEP_KINDS: dict[Any, Callable[[list[Any]], Any]] = {
    "l": list, "t": tuple, "s": _set, "z": lambda items: frozenset(_set(items)), "d": _dict,
}  # fmt: skip


def _number(text: str) -> int:
    if len(text) > 40:
        raise Malformed("a number with more than 40 digits")
    return int(text)


def _float(text: str) -> float:
    if len(text) > 400:
        raise Malformed("a float with more than 400 digits")
    return float(text)


def _check_size(data: bytes, max_nodes: int) -> None:
    """Check, without parsing, that the JSON is neither too deep for the C parser nor has too many values.

    Raises:
        Malformed: It is.
    """
    opened = data.count(b"[") + data.count(b"{")
    if opened <= _JSON_DEPTH and opened + data.count(b",") <= max_nodes:
        return
    bare = _STRINGS.sub(b"", data)
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > max_nodes:
        raise Malformed(f"more than {max_nodes} values")
    brackets = bare.translate(None, delete=_BUT_BRACKETS)
    if brackets and max(accumulate(map(_LEVEL.__getitem__, brackets))) > _JSON_DEPTH:
        raise Malformed("the JSON is nested too deep")


def decode(
    data: bytes,
    *,
    resolve: Callable[[Any], Any] | None = None,
    max_depth: int = MAX_DEPTH,
    max_nodes: int = MAX_NODES,
    max_bytes: int = MAX_BYTES,
    shared: Shared | None = None,
) -> Any:
    """Decode the output of `encode`. The bytes can be hostile: no code runs, and time and memory are linear in them.

    Args:
        data: The bytes.
        resolve: Converts the plain data of a handle into an object. It can raise `Malformed`. None refuses handles.
        max_depth: The maximum depth.
        max_nodes: The maximum number of values.
        max_bytes: The maximum length of `data`.
        shared: Resolves shared containers; None refuses them.

    Raises:
        Malformed: `encode` cannot have written the bytes, or they exceed a maximum.
    """
    if len(data) > max_bytes:
        raise Malformed(f"{len(data)} bytes are more than {max_bytes}")
    _check_size(data, max_nodes)
    decoder = _Decoder(resolve, max_depth, shared)
    long_number = _LONG_NUMBER.search(data) is not None
    try:
        if b'"$' not in data and not long_number:
            return _loads(data.decode())
        value = json.loads(
            data.decode(),
            object_hook=decoder.hook,
            parse_int=_number if long_number else None,
            parse_float=_float if long_number else None,
        )
    except Malformed:
        raise
    except (ValueError, TypeError, ArithmeticError, RecursionError, LookupError, Base64Error) as problem:
        raise Malformed(f"{type(problem).__name__}: {str(problem)[:200]}") from None
    if decoder.open_refs or type(value) is _Ref:
        raise Malformed("a reference to a node outside of a table")
    return value
