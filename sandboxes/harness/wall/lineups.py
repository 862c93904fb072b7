"""Values to question an object about: line-ups for `==`, far values for order and membership, changed arguments.

Theory of operation. A submission's class can claim that its objects equal plain values (`Money(5) == 5`). The claim is
accepted if the object is shown a line-up, that is, the expected value among others that look like it, and affirms
exactly the expected one. So a line-up must not reveal which of its members the tests expect. It is built from groups
(see `alternatives`): some places of the value are selected, each gets values of its group, and the members of the
line-up are combinations of these. The set of combinations is the same whichever member the tests expect, so it cannot
reveal that member. Equal elements change together, sorted integers stay sorted with equal steps, and a permutation
stays a permutation.

Known limit. A line-up cannot hide what makes one value more likely than its neighbors before any question is asked: it
is a word, a power of two, a date in this year, close to a rough estimate, or it fits the argument that the submission
was called with. A submission that guesses by such hints succeeds more often than once in sixteen times.
"""

import itertools
import re
from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate, islice, pairwise, permutations
from random import Random
from typing import Any

from sandboxes.harness.wall.alternatives import (
    FEW,
    Place,
    alternatives,
    combinations,
    is_blank,
    is_scalar,
    random_of,
    some,
)

LEAST = 16
"""The minimum number of members of a line-up."""

_MANY_LEAVES = 5000  # a value with more gets the smallest line-up
_DEEP = 100
_SORTED_LEAVES = 500
_FAR_ITEMS = 100
_FLAT = frozenset({int, float, str, bool, bytes, type(None)})
_MAPPINGS = (dict, OrderedDict, Counter)
_CONTAINERS = (list, tuple, deque, set, frozenset, *_MAPPINGS)


def line_up(value: Any, key: bytes) -> list[Any] | None:
    """Return 16 to 32 different values of the same type and shape, including `value`.

    The same value and key give the same line-up in the same order. Return None if there are not sixteen such values
    (`None`, `True`, `[]`, `"?!"`), or the type is unknown here.
    """
    if not _is_plain(value):
        return None
    chance = random_of(key, b"order", _canonical(value))
    members = _members(value, key, FEW, chance)
    if len(members) < LEAST:
        return None
    chance.shuffle(members)
    return members


def _members(value: object, key: bytes, most: int, chance: Random) -> list[object]:
    salt = key + type(value).__name__.encode()
    if is_scalar(value):
        return some(alternatives(value, 2 * FEW, salt), value, most, chance)
    return _Shape(value).members(salt, most, chance)


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Return whether `value` is plain data throughout: nothing here may use an object of the submission."""
    if type(value) not in _CONTAINERS:
        return value is None or is_scalar(value)
    if depth > _DEEP:
        return False
    items = [*value, *value.values()] if type(value) in _MAPPINGS else value
    return set(map(type, items)) <= _FLAT or all(_is_plain(item, depth + 1) for item in items)


# Containers
@dataclass(frozen=True)
class _Node:
    """A container, the range of its leaves among all leaves, and its children, where None means a leaf."""

    value: Any
    start: int
    stop: int
    children: tuple["_Node | None", ...] | None


class _Shape:
    """A container taken apart: its leaves in one list, and its structure for building it again with changed leaves."""

    def __init__(self, value: object) -> None:
        self.leaves: list[Any] = []
        self.keys: set[int] = set()
        self.in_sets: set[int] = set()
        self.root = self._grown(value)
        """None if the value is a leaf itself."""

    def _grown(self, value: Any) -> _Node | None:
        if type(value) not in _CONTAINERS:
            self.leaves.append(value)
            return None
        items, start = _items(value), len(self.leaves)
        children = None
        if set(map(type, items)) <= _FLAT:
            self.leaves.extend(items)
        else:
            children = tuple(self._grown(item) for item in items)
        if type(value) in _MAPPINGS:
            keys = start + len(value) if children is None else self._end_of(children[: len(value)], start)
            self.keys.update(range(start, keys))
        if type(value) in (set, frozenset):
            self.in_sets.update(range(start, len(self.leaves)))
        return _Node(value, start, len(self.leaves), children)

    def _end_of(self, children: Iterable[_Node | None], start: int) -> int:
        for child in children:
            start = start + 1 if child is None else child.stop
        return start

    def _unlike(self, parts: Sequence["_Part"], choices: list[dict[int, object]]) -> list[dict[int, object]]:
        """Omit choices that turn a set into the same set, such as exchanging both numbers of `{1, 2}`."""
        if not self.in_sets or {} not in choices:
            return choices
        found: dict[object, dict[int, object]] = {frozenset(): {}}
        for choice in choices:
            changes = _spread(parts, choice)
            if self.in_sets.issuperset(changes):
                found.setdefault(frozenset(changes.values()) ^ {self.leaves[index] for index in changes}, choice)
            else:
                found.setdefault(len(found), choice)
        return list(found.values())

    def with_changes(self, changes: Mapping[int, object]) -> Any:
        """Return the value with the leaves at these indices changed. Unchanged parts are shared."""
        return None if self.root is None else _rebuilt(self.root, changes, sorted(changes))

    def members(self, salt: bytes, most: int, chance: Random) -> list[object]:
        """Return at most `most` members of a line-up; none if there are too few."""
        most = most if len(self.leaves) <= _MANY_LEAVES else LEAST
        values = [index for index in range(len(self.leaves)) if index not in self.keys]
        for parts in _ways(self.leaves, values, self.in_sets):
            for want in (8 * FEW,) if any(part.picky for part in parts) else (2 * FEW, 8 * FEW):
                choices = self._unlike(parts, _choices(parts, want, salt))
                if len(choices) >= LEAST:
                    chosen = some(choices, {}, most, chance)
                    members = [self.with_changes(_spread(parts, choice)) for choice in chosen]
                    members = [member for member in members if member is not None]
                    if len(members) >= LEAST:
                        return members
        return []


def _items(value: Any) -> list[Any]:
    if type(value) in _MAPPINGS:
        return [*value, *value.values()]
    if type(value) in (set, frozenset):
        return sorted(value) if set(map(type, value)) in ({int}, {str}, {float}) else sorted(value, key=_canonical)
    return list(value)


def _rebuilt(node: _Node, changes: Mapping[int, object], order: Sequence[int]) -> Any:
    first, last = bisect_left(order, node.start), bisect_left(order, node.stop)
    if first == last:
        return node.value
    items = _items(node.value)
    if node.children is None:
        for index in order[first:last]:
            items[index - node.start] = changes[index]
    else:
        index = node.start
        for number, child in enumerate(node.children):
            items[number] = changes.get(index, items[number]) if child is None else _rebuilt(child, changes, order)
            index = index + 1 if child is None else child.stop
    return _filled(node.value, items)


def _filled(container: Any, items: list[Any]) -> Any:
    """Return a container like `container` with these items; None if two of them became equal."""
    kind = type(container)
    if kind is deque:
        return deque(items, container.maxlen)
    half = len(container)
    made = kind(dict(zip(items[:half], items[half:], strict=True))) if kind in _MAPPINGS else kind(items)
    return made if len(made) == half else None


# What may vary in a container
@dataclass(frozen=True)
class _Part:
    """Places that vary together: which choices preserve the look of the value, and how a choice changes the leaves.

    A choice contains only changes: the index of each changed place, and its new content.
    """

    places: Sequence[Place]
    fits: Callable[[Mapping[int, Any]], bool]
    spread: Callable[[Mapping[int, Any]], dict[int, Any]]
    picky: bool = False
    """Few choices fit."""


def _ways(leaves: Sequence[Any], values: Sequence[int], in_sets: set[int]) -> Iterator[list[_Part]]:
    """Yield ways to vary the leaves, the best first. The later ones reveal more, and are for values without another."""
    everything = range(len(leaves))
    ints = [index for index in values if type(leaves[index]) is int]
    for blanks in (False, True):
        found = _steps(leaves, ints, blanks) or _permutation(leaves, ints, blanks)
        others = values if found is None else [index for index in values if type(leaves[index]) is not int]
        rest = _distinct(leaves, others, in_sets, blanks, True)
        yield [rest] if found is None else [found, rest]
    yield [_distinct(leaves, values, in_sets, True, False)]
    yield [_distinct(leaves, everything, in_sets, True, False)]
    yield [_each(leaves, values)]
    yield [_each(leaves, everything)]


def _choices(parts: Sequence[_Part], want: int, salt: bytes) -> list[dict[int, object]]:
    """Return the choices that fit, with the places of all parts numbered in one sequence; {} is the unchanged value."""
    places = [place for part in parts for place in part.places]
    found = []
    for combination in combinations(places, want, salt) if places else ():
        choice = {index: item for index, item in combination.items() if not _same(item, places[index].value)}
        if all(part.fits(own) for part, own in _divided(parts, choice)):
            found.append(choice)
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _spread(parts: Sequence[_Part], choice: Mapping[int, object]) -> dict[int, object]:
    changes: dict[int, object] = {}
    for part, own in _divided(parts, choice):
        changes.update(part.spread(own))
    return changes


def _divided(parts: Sequence[_Part], choice: Mapping[int, object]) -> Iterator[tuple[_Part, dict[int, object]]]:
    start = 0
    for part in parts:
        stop = start + len(part.places)
        yield part, {index - start: item for index, item in choice.items() if start <= index < stop}
        start = stop


def _place(value: object, in_set: bool = False) -> Place:
    return Place(value, lambda want, salt: alternatives(value, want, salt), in_set)


def _distinct(leaves: Sequence[Any], indices: Sequence[int], in_sets: set[int], blanks: bool, ordered: bool) -> _Part:
    """Return a part in which equal leaves change together, and different ones stay different (and in order)."""
    spots: dict[object, list[int]] = {}
    for index in indices:
        leaf = leaves[index]
        if is_scalar(leaf) and (blanks or not is_blank(leaf)):
            spots.setdefault(_name(leaf, index), []).append(index)
    where = list(spots.values())
    places = [_place(leaves[found[0]], found[0] in in_sets) for found in where]
    taken = {_hashable(leaves[index]) for index in indices if type(leaves[index]) is not bool}
    ordered = ordered and 1 < len(indices) <= _SORTED_LEAVES and in_sets.isdisjoint(indices)
    order = _order([leaves[index] for index in indices]) if ordered else None

    def spread(choice: Mapping[int, Any]) -> dict[int, Any]:
        changes: dict[int, Any] = {}
        for number, item in choice.items():
            changes.update(dict.fromkeys(where[number], item))
        return changes

    def fits(choice: Mapping[int, Any]) -> bool:
        made = [_hashable(item) for item in choice.values() if type(item) is not bool]
        gone = {_hashable(places[number].value) for number in choice}
        if len(set(made)) < len(made) or any(item in taken and item not in gone for item in made):
            return False
        changes = spread(choice) if ordered else {}
        return not ordered or _order([changes.get(index, leaves[index]) for index in indices]) == order

    return _Part(places, fits, spread, picky=order is not None)


def _name(leaf: object, index: int) -> object:
    """Return a key that equal leaves share. Each truth value gets its own."""
    if type(leaf) is bool:
        return index
    return type(leaf), repr(leaf) if isinstance(leaf, float | complex | Decimal) else _hashable(leaf)


def _hashable(leaf: Any) -> object:
    return bytes(leaf) if type(leaf) is bytearray else leaf


def _order(values: Sequence[Any]) -> str | None:
    """Return the visible order of the texts, the floats, or the integers among the values."""
    kinds = set(map(type, values))
    if kinds not in ({str}, {float}):
        values = [value for value in values if type(value) is int]
    pairs = list(pairwise(values))
    if all(a <= b for a, b in pairs):
        return "rising"
    if all(a >= b for a, b in pairs):
        return "falling"
    return "permutation" if _is_permutation(values) else None


def _is_permutation(values: Sequence[Any]) -> bool:
    distinct = type(values[0]) is int and len(values) > 2 and len(set(values)) == len(values)
    return distinct and max(values) - min(values) == len(values) - 1


def _each(leaves: Sequence[Any], indices: Sequence[int]) -> _Part:
    """Return a part in which each leaf changes on its own."""
    spots = [index for index in indices if is_scalar(leaves[index])]
    places = [_place(leaves[index]) for index in spots]
    return _Part(places, lambda choice: True, lambda choice: {spots[number]: item for number, item in choice.items()})


def _steps(leaves: Sequence[Any], ints: Sequence[int], blanks: bool) -> _Part | None:
    """Return a part for rising or falling integers: the first one varies, and so do the steps, equal ones together."""
    values = [leaves[index] for index in ints]
    gaps = [after - before for before, after in pairwise(values)]
    if not any(gaps) or (min(gaps) < 0 < max(gaps)):
        return None
    sign = 1 if max(gaps) > 0 else -1
    sizes = [size for size in dict.fromkeys(map(abs, gaps)) if size]
    places = list(map(_place, sizes))
    if values[0] or blanks:
        places.append(_place(values[0]))

    def fits(choice: Mapping[int, Any]) -> bool:
        made = {size: choice.get(number, size) for number, size in enumerate(sizes)}
        return all(made.values()) and len(set(made.values())) == len(sizes)

    def spread(choice: Mapping[int, Any]) -> dict[int, Any]:
        if not choice:
            return {}
        made = {0: 0, **{sign * size: sign * choice.get(number, size) for number, size in enumerate(sizes)}}
        first = choice.get(len(sizes), values[0])
        return dict(zip(ints, accumulate(map(made.__getitem__, gaps), initial=first), strict=True))

    return _Part(places, fits, spread)


def _permutation(leaves: Sequence[Any], ints: Sequence[int], blanks: bool) -> _Part | None:
    """Return a part for consecutive integers in any order: four of them swap places, and all of them shift together."""
    values = [leaves[index] for index in ints]
    if not values or not _is_permutation(values):
        return None
    start, count = min(values), min(4, len(values))
    spots = list(range(0, len(values), len(values) // count))[:count]
    offsets = tuple(values[spot] - start for spot in spots)

    def arrangements(want: int, salt: bytes) -> list[object]:
        return list(permutations(sorted(offsets)))

    def made(choice: Mapping[int, Any]) -> list[int]:
        moved = choice.get(1, start) - start
        found = [value + moved for value in values]
        for spot, offset in zip(spots, choice.get(0, offsets), strict=True):
            found[spot] = start + moved + offset
        return found

    def fits(choice: Mapping[int, Any]) -> bool:
        found = made(choice)
        return len(found) > 8 or sorted(found) not in (found, found[::-1])

    places = [Place(offsets, arrangements), *([_place(start)] if start or blanks else [])]
    return _Part(places, fits, lambda choice: dict(zip(ints, made(choice), strict=True)) if choice else {})


# Far values
_LADDER = (10, 1000, 10**6, 10**12, 10**20, 10**30)
_WORDS = ("", "!", "0", "A", "Zz", "a", "n", "zzzz", "~~~~", "\uffee\uffee", "\U0001fffd" * 3)


def with_swaps(members: list[Any], key: bytes) -> list[Any]:
    """Return a line-up of sequences with each member also in other orders: up to two pairs of places are swapped.

    Otherwise, an object that only knows which items belong to the value could affirm the right one. If all items are
    alike, nothing is swapped. Values that are not sequences stay as they are.
    """
    first = members[0]
    if not isinstance(first, (list, tuple, str, bytes, bytearray, deque)) or len(first) < 2:
        return members
    chance = random_of(key, b"swaps", len(first).to_bytes(8, "big"))
    places = chance.sample(range(len(first)), min(len(first) // 2 * 2, 4))
    pairs = list(zip(places[0::2], places[1::2], strict=True))
    found: list[Any] = []
    for member in members[:: 2 if len(pairs) > 1 and len(members) > 2 * LEAST else 1]:
        found += [
            _swapped(member, chosen) for n in range(len(pairs) + 1) for chosen in itertools.combinations(pairs, n)
        ]
    distinct: list[Any] = []
    for one in found + members:
        if one not in distinct:
            distinct.append(one)
    chance.shuffle(distinct)
    return distinct


def _swapped(value: Any, pairs: Iterable[tuple[int, int]]) -> Any:
    items = list(value)
    for one, other in pairs:
        items[one], items[other] = items[other], items[one]
    if isinstance(value, str):
        return "".join(items)
    return deque(items, value.maxlen) if isinstance(value, deque) else type(value)(items)


def far_values(value: Any, key: bytes) -> list[Any]:
    """Return values of the same type that are far from `value` on both sides, for which an order must be denied.

    There are at least twelve if possible, and none equals `value`. The same value and key give the same list.
    """
    found: list[Any] = []
    if not _is_plain(value):
        return found
    chance = random_of(key, b"far", _canonical(value))
    try:
        for other in _far(value, chance):
            if other != value and other not in found:
                found.append(other)
    except ArithmeticError:  # a Decimal at the limits of its context
        return found
    return found


def _far(value: Any, chance: Random) -> Iterable[Any]:
    kind = type(value)
    if kind in _FAR:
        return _FAR[kind](value, chance)
    if kind in (list, tuple, deque):
        return _far_items(value, chance)
    if kind in (set, frozenset):
        return [kind(items) for items in _far_items(sorted(value, key=_canonical), chance)]
    if kind in _MAPPINGS:
        return [kind(dict(zip(value, items, strict=False))) for items in _far_items(list(value.values()), chance)]
    return []


def _far_items(value: Any, chance: Random) -> Iterator[Any]:
    """Yield sequences in which every element is far below or above, then one element, then those of other lengths."""
    kind = type(value)
    head = [(item, list(_far(item, chance))) for item in islice(value, _FAR_ITEMS)]
    rest = list(value)[_FAR_ITEMS:]
    for rung in range(max((len(others) for _, others in head), default=0)):
        yield kind([*(others[rung % len(others)] if others else item for item, others in head), *rest])
    for index, (_, others) in enumerate(head[:4]):
        for other in others[-2:]:
            yield kind([*(other if at == index else item for at, (item, _) in enumerate(head)), *rest])
    yield kind([])
    yield kind([*value, *value])


def _far_numbers(value: Any, chance: Random) -> Iterator[Any]:
    kind = type(value)
    finite = kind(0) if kind is not int and not _finite(value) else value
    for rung in _LADDER:
        step = kind(rung * chance.randrange(10, 30) // 10 + rung)
        yield from (finite - step, finite + step)
    size = 7 + 2 * abs(finite)
    yield from (-size, size, size * 1000, -size * 1000, kind(0), -finite)


def _finite(value: Any) -> bool:
    return value - value == 0


def _far_floats(value: float, chance: Random) -> Iterator[float]:
    yield from _far_numbers(value, chance)
    yield from (-1e100, 1e100, -1e300, 1e300, -1e250, 1e250, -1e200, 1e200)


def _far_complexes(value: complex, chance: Random) -> Iterator[complex]:
    for step in _far_numbers(0.0, chance):
        yield from (value + step, value + 1j * step)


def _far_texts(value: str, chance: Random) -> Iterator[str]:
    yield from _WORDS
    for digits in ("0", "999", "100000"):
        yield re.sub(r"\d+", digits, value)
    if value:
        first = ord(value[0])
        yield from (chr(max(1, first - 1)) + value[1:], "~" + value, value * 2 + "~")


def _far_bytes(value: Any, chance: Random) -> Iterator[Any]:
    kind = type(value)
    for word in ("", "\0", "!", "0", "A", "Zz", "a", "n", "zzzz", "~~~~", "\xee\xee", "\xff" * 9):
        yield kind(word.encode("latin-1"))


def _far_dates(value: Any, chance: Random) -> Iterator[Any]:
    for days in (40, 400, 4000, 40_000, 400_000):
        for step in (timedelta(days=-days - chance.randrange(days)), timedelta(days=days + chance.randrange(days))):
            try:
                yield value + step
            except OverflowError:
                continue
    for year in (1, 1000, 1583, 3000, 9000, 9999):
        yield value.replace(year=year, day=min(value.day, 28))


def _far_times(value: time, chance: Random) -> Iterator[time]:
    for hour in range(24):
        yield value.replace(hour=hour, minute=chance.randrange(60))


def _far_ranges(value: range, chance: Random) -> Iterator[range]:
    yield range(0)
    for rung in _LADDER[:4]:
        step = rung + chance.randrange(rung)
        yield range(value.start - step, value.stop - step, value.step)
        yield range(value.start + step, value.stop + step, value.step)
        yield range(value.start, value.stop + step * value.step, value.step)


def _far_spans(value: timedelta, chance: Random) -> Iterator[timedelta]:
    for days in (1, 30, 1000, 30_000, 1_000_000, 500_000_000):
        yield from (timedelta(days=-days - chance.randrange(days)), timedelta(days=days + chance.randrange(days)))


_FAR: dict[type, Callable[[Any, Random], Iterable[Any]]] = {
    bool: lambda value, chance: [not value],
    int: _far_numbers,
    float: _far_floats,
    complex: _far_complexes,
    Decimal: _far_numbers,
    Fraction: _far_numbers,
    str: _far_texts,
    bytes: _far_bytes,
    bytearray: _far_bytes,
    date: _far_dates,
    datetime: _far_dates,
    time: _far_times,
    timedelta: _far_spans,
    range: _far_ranges,
}

# Changed arguments
VARIANTS = 16
"""Changes of one argument that `changed_arguments` tries."""
MOST_CHANGED = 4
"""Arguments of one call that it changes."""
_FIRST_OF = {
    str: "q",
    bytes: b"q",
    bytearray: bytearray(b"q"),
    list: [7],
    tuple: (7,),
    set: {7},
    frozenset: frozenset({7}),
}


def changed_arguments(
    args: Sequence[Any], kwargs: Mapping[str, Any], key: bytes
) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return calls in which one plain argument, or a part of it, is replaced by another value of the same type.

    There are up to 16 for each of the first four arguments that can change. Handles, functions and `None` stay.
    """
    names: list[int | str] = [*range(len(args)), *kwargs]
    found = []
    changed = 0
    for name in names:
        value = args[name] if isinstance(name, int) else kwargs[name]
        others = _others(value, key)
        for other in others:
            if isinstance(name, int):
                found.append(((*args[:name], other, *args[name + 1 :]), dict(kwargs)))
            else:
                found.append((tuple(args), {**kwargs, name: other}))
        changed += bool(others)
        if changed == MOST_CHANGED:
            break
    return found


def _others(value: Any, key: bytes) -> list[Any]:
    if not _is_plain(value):
        return []
    members = line_up(value, key) or []
    others = [member for member in members if member is not value and member != value]
    far = far_values(value, key) if type(value) in _FAR or not others else []
    others = others[: VARIANTS - min(4, len(far))] + far
    if not others and type(value) in _FIRST_OF:
        others = [_FIRST_OF[type(value)]]
    return others[:VARIANTS]


def _canonical(value: object) -> bytes:
    """Return a digest of the value: equal for equal values, and in practice for no others."""
    digest = sha256()
    _feed(value, digest.update)
    return digest.digest()


def _feed(value: Any, feed: Callable[[bytes], None]) -> None:
    kind = type(value)
    feed(b"(" + kind.__name__.encode())
    if kind is int:
        feed(b"%x" % value)
    elif kind in (bytes, bytearray):
        feed(b"%d:" % len(value) + value)
    elif kind not in _CONTAINERS:
        feed(ascii(value).encode())
    else:
        _feed_items(_items(value), feed)
    feed(b")")


def _feed_items(items: Sequence[Any], feed: Callable[[bytes], None]) -> None:
    if set(map(type, items)) <= _FLAT:
        try:
            return feed(ascii(items).encode())
        except ValueError:  # Python refuses to write long integers in decimal
            pass
    for item in items:
        _feed(item, feed)
    return None
