"""Values that look like a given one: alternatives for numbers, texts, bytes, dates and times.

A value and its alternatives form a group, and every member of the group has the same group for the same salt. So the
group does not reveal which member it was built from. All members of a group share the features that make a value look
deliberate: the sign, trailing zeros, inner zeros, equal digits and letters (`1221` becomes `4774`), vowels and
consonants, capitals, the denominator of a fraction or of a float that is one (`0.3333333333333333`), and the day 1 or
the minute 00.
"""

import hmac
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice, product
from random import Random
from string import ascii_uppercase
from typing import TypeVar

MOST = 1024
"""The maximum number of combinations to examine for one group."""
FEW = 32
"""The number of members of a group to build if each takes much memory; also the maximum to show."""

Item = TypeVar("Item")

_BARE = [number for number in range(1, 100) if number % 10]  # without trailing zeros
_HEX = "123456789abcdef"
_DIGITS = "123456789"
_VOWELS = "aeiou"
_CONSONANTS = "bcdfghjklmnpqrstvwxyz"
_LETTERS = _VOWELS + _CONSONANTS
_CONTROLS = "".join(chr(code) for code in range(1, 32) if chr(code) not in "\t\n\r")
_SIGNS = "!#$%&*+-/:;<=>?@^_|~"
_LONG_INT_BITS = 12_000  # Python refuses to convert longer ones to decimal
_LEADING = 8  # digits of a number that can change; a later change could be lost in an honest tolerance
_EXACT_DIGITS = 14  # a float has at most 17 digits, and 15 survive reading and writing
_LEAST_POWER = -1074  # 2**-1074 is the smallest float above 0
_NOISE = 8  # differences of up to this many units in the last place count as the rounding error of a sum
_TEXT = 200  # characters of a text that can change
_LONG_TEXT = 4000  # longer texts get only a few alternatives
_DENOMINATORS = (3, 6, 7, 9, 11, 12, 13, 14, 15)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")  # 2024-02-29
_PLAIN_INT = re.compile(r"0|-?[1-9]\d{0,30}")  # -12


@dataclass(frozen=True)
class Place:
    """One place in a value: its current content, and a function that returns its group for a size and a salt."""

    value: object
    group: Callable[[int, bytes], Sequence[object]]
    in_set: bool = False
    """Whether it is an element of a set. Its position changes with its value, so its group must not depend on the
    position: equal values have the same group wherever they are."""


def alternatives(value: object, want: int, salt: bytes) -> Sequence[object]:
    """Return the group of a scalar `value`, including itself, with at least `want` members if there are that many.

    A value without alternatives (None, NaN, an empty text, an unknown type) is alone in its group.
    """
    family = _FAMILIES.get(type(value))
    return [value] if family is None else family(value, want, salt)


def is_scalar(value: object) -> bool:
    """Return whether `alternatives` knows the type of `value`."""
    return type(value) in _FAMILIES


def is_blank(value: object) -> bool:
    """Return whether `value` is zero or an empty text: these change only if nothing else can."""
    return not value and type(value) is not bool and not isinstance(value, time)


def random_of(*parts: bytes) -> Random:
    """Return a random generator that is seeded by `parts`; the first one is the key."""
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts[1:])
    return Random(hmac.digest(parts[0], message, "sha256"))


def combine(places: Sequence[Place], want: int, salt: bytes) -> dict[int, Sequence[object]]:
    """Choose places by `salt`, and alternatives for each, so that there are `want` combinations if possible.

    Few alternatives in many places are better than many in one: knowing one place of the answer then helps little.
    """
    order = list(range(len(places)))
    random_of(salt, b"places", str(len(places)).encode()).shuffle(order)
    chosen = order[: max(1, math.ceil(math.log2(want)))]
    groups: dict[int, Sequence[object]] = {}
    size = 2 if len(chosen) > 2 else max(2, math.ceil(want ** (1 / max(1, len(chosen)))))
    before, total = 0, 1
    while total < want and (total != before or size <= 2 * want):
        groups = {index: _group(places[index], index, size, salt) for index in chosen}
        # Groups of one pool differ in size by one, but the count must be the same for all of them.
        before, total = total, math.prod(min(len(group), size) for group in groups.values())
        size = size * 2 if total == before else size + 1
    return groups


def _group(place: Place, index: int, want: int, salt: bytes) -> Sequence[object]:
    return place.group(want, salt if place.in_set else salt + str(index).encode())


def combinations(places: Sequence[Place], want: int, salt: bytes) -> list[dict[int, object]]:
    """Return, for each member of the group, what to put at which place: at most `MOST`, including the original."""
    groups = combine(places, want, salt)
    if (
        math.prod(map(len, groups.values())) > MOST
    ):  # too many to list, but the places that were chosen first are enough
        kept, size = {}, 1
        for index, group in groups.items():
            if size * len(group) <= MOST:
                kept[index], size = group, size * len(group)
        groups = kept
    return [dict(zip(groups, choice, strict=True)) for choice in islice(product(*groups.values()), MOST)]


def pick(pool: Iterable[Item], item: Item, want: int, salt: bytes) -> list[Item]:
    """Split `pool`, shuffled by `salt`, into groups of at least `want`, and return the one that contains `item`."""
    shuffled = list(pool)
    random_of(salt, b"pool", str(len(shuffled)).encode()).shuffle(shuffled)
    count = max(1, len(shuffled) // want)
    return shuffled[shuffled.index(item) % count :: count]


def _block(pool: Sequence[int], item: int, want: int, salt: bytes) -> list[int]:
    """Split `pool` into runs of about 30 neighbors, and `pick` from the one that contains `item`."""
    count = max(1, len(pool) // 30)
    number = pool.index(item) * count // len(pool)
    stretch = [pool[index] for index in range(len(pool)) if index * count // len(pool) == number]
    return pick(stretch, item, want, salt + str(number).encode())


def some(members: Sequence[Item], kept: Item, most: int, chance: Random) -> list[Item]:
    """Return `kept` and other `members`, `most` in total, in their original order.

    The others are drawn independently of `kept`, so the choice reveals no more about it than the group does.
    """
    if len(members) <= most:
        return list(members)
    place = members.index(kept)
    drawn = {place, *chance.sample([index for index in range(len(members)) if index != place], most - 1)}
    return [member for index, member in enumerate(members) if index in drawn]


# Numbers
def _ints(value: int, want: int, salt: bytes) -> list[int]:
    if value < 0:
        return [-number for number in _ints(-value, want, salt + b"-")]
    if value < 100 and (value == 0 or value % 10):
        return _small(value, want, salt)
    if value.bit_length() > _LONG_INT_BITS:
        return _long_ints(value, want, salt)
    digits = str(value)
    bare = digits.rstrip("0")
    zeros = len(digits) - len(bare)
    return [int(text) * 10**zeros for text in _significant(bare, want, salt + b"z")]


def _small(value: int, want: int, salt: bytes) -> list[int]:
    """Return small numbers as alternatives: few have the same length, but many have one or two digits."""
    if want > 9:
        return _block([0, *_BARE], value, want, salt)
    return pick(range(10), value, want, salt) if value == 0 else _of_length(value, want, salt)


def _of_length(number: int, want: int, salt: bytes) -> list[int]:
    return _block([other for other in _BARE if (other < 10) == (number < 10)], number, want, salt)


def _significant(bare: str, want: int, salt: bytes) -> list[str]:
    """Return alternatives for the digits of a number without its trailing zeros."""
    number = int(bare)
    if number >= 100:
        return _texts(bare, want, salt, _LEADING)
    return list(map(str, _of_length(number, want, salt) if want <= 9 else _block(_BARE, number, want, salt)))


def _long_ints(value: int, want: int, salt: bytes) -> list[int]:
    """Change the leading hexadecimal digits of the number, which takes no longer than copying it."""
    shift = 4 * (-(-value.bit_length() // 4) - _LEADING)
    head = f"{value >> shift:x}"
    heads = _changed(head, want, salt, _LEADING, False, lambda char: _HEX if char in _HEX else char)
    tail = value & ((1 << shift) - 1)
    return [(int(other, 16) << shift) | tail for other in some(heads, head, FEW, random_of(salt, head.encode()))]


def _digit_place(char: str, pool: str) -> Place:
    return Place(char, lambda want, salt: pick(pool, char, want, salt))


def _floats(value: float, want: int, salt: bytes) -> list[float]:
    if not math.isfinite(value):
        return [value]
    if value < 0:
        return [-number for number in _floats(-value, want, salt + b"-")]
    if value < 1e15 and value.is_integer():
        return [float(number) for number in _ints(int(value), want, salt)]
    if (
        value < sys.float_info.min
    ):  # subnormal floats are multiples of the smallest one, and few decimals are distinguishable
        return [math.ldexp(number, _LEAST_POWER) for number in _ints(int(math.ldexp(value, -_LEAST_POWER)), want, salt)]
    for denominator in _DENOMINATORS if value < 1e8 else ():
        numerator = round(value * denominator)
        if numerator / denominator == value and math.gcd(numerator, denominator) == 1:
            return [n / denominator for n in _numerators(numerator, denominator, want, salt)]
    return _decimal_floats(value, want, salt)


def _decimal_floats(value: float, want: int, salt: bytes) -> list[float]:
    short = float(f"{value:.12g}")
    steps = round((value - short) / math.ulp(short))
    if (
        0 < abs(steps) <= _NOISE
    ):  # 0.30000000000000004 is 0.3 plus a rounding error: the alternatives get the same error
        return [number + steps * math.ulp(number) for number in _floats(short, want, salt)]
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = whole + ("" if part == "0" else part)
    bare = digits.strip("0")
    # 0.05 and 5e-05 have different zeros: only the digits count, and the position of the last one.
    last = int(exponent or 0) - (len(digits) - len(whole)) + len(digits) - len(digits.rstrip("0"))
    salt += str(last).encode()
    if len(bare) > _EXACT_DIGITS:
        return _long_floats(value, bare, last, want, salt)
    found = [float(f"{text}e{last}") for text in _significant(bare, want, salt)]
    return [number for number in dict.fromkeys(found) if math.isfinite(number)]


def _long_floats(value: float, bare: str, last: int, want: int, salt: bytes) -> list[float]:
    """Change the leading digits, and draw the last ones at random: not all digits of a float can be preserved."""
    chance = random_of(salt, bare.encode())
    head, tail = bare[:_LEADING], len(bare) - _LEADING
    made = {head: value}
    for other in _texts(head, want, salt, _LEADING):
        made.setdefault(other, float(f"{other}{chance.randrange(10**tail):0{tail}}e{last}"))
    found = {text: made[text] for text in sorted(made)}
    return [number for number in found.values() if math.isfinite(number)]


def _numerators(numerator: int, denominator: int, want: int, salt: bytes) -> list[int]:
    """Return numerators around `numerator` that share no factor with `denominator`."""
    if numerator >= 1000:
        found = _ints(numerator, 8 * want, salt)
    else:
        start = numerator // 100 * 100
        found = list(range(start, start + 100))
    coprime = [n for n in found if math.gcd(n, denominator) == 1]
    return _block(coprime, numerator, want, salt + str(denominator).encode())


def _fractions(value: Fraction, want: int, salt: bytes) -> list[Fraction]:
    sign = -1 if value < 0 else 1
    return [
        Fraction(sign * n, value.denominator) for n in _numerators(abs(value.numerator), value.denominator, want, salt)
    ]


def _decimals(value: Decimal, want: int, salt: bytes) -> list[Decimal]:
    if not value.is_finite():
        return [value]
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # NaN and Infinity have letters there
    number = int("".join(map(str, digits)))
    return [
        Decimal((sign, tuple(map(int, str(other))), exponent))
        for other in _ints(number, want, salt + str(exponent).encode())
    ]


def _complexes(value: complex, want: int, salt: bytes) -> list[complex]:
    parts = [value.real, value.imag]
    changing = [index for index, part in enumerate(parts) if part] or [0, 1]
    places = [Place(parts[index], _group_of(parts[index])) for index in changing]
    found = []
    for choice in combinations(places, want, salt):
        chosen = {changing[index]: part for index, part in choice.items()}
        found.append(complex(*(chosen.get(index, part) for index, part in enumerate(parts))))  # type: ignore[arg-type]
    return found


def _group_of(value: object) -> Callable[[int, bytes], Sequence[object]]:
    return lambda want, salt: alternatives(value, want, salt)


# Texts
def _strings(value: str, want: int, salt: bytes) -> list[str]:
    if _PLAIN_INT.fullmatch(value):
        return list(map(str, _ints(int(value), want, salt)))
    if _ISO_DATE.fullmatch(value):
        try:
            return [day.isoformat() for day in _dates(date.fromisoformat(value), want, salt)]
        except ValueError:
            pass  # the 30th of February is a text like any other
    return _texts(value, want, salt, _TEXT)


def _bytes(value: bytes, want: int, salt: bytes) -> list[bytes]:
    return [text.encode("latin-1") for text in _texts(value.decode("latin-1"), want, salt, _TEXT)]


def _bytearrays(value: bytearray, want: int, salt: bytes) -> list[bytearray]:
    return [bytearray(other) for other in _bytes(bytes(value), want, salt)]


def _texts(text: str, want: int, salt: bytes, reach: int) -> list[str]:
    """Return texts in which some of the first `reach` changeable characters are replaced by others of the same kind.

    There are three ways, tried in order: equal characters change together (unless there are too many different ones
    for that); each character changes on its own; or characters also change to other kinds. A later way only keeps texts
    that would use the same way, because any other text would reveal that it is not the original. If too few are left,
    all are kept, and the original can stand out: `111` with its equal digits among 117 and 714.
    """
    number = _way_of(text, reach)
    found = _changed(text, want, salt + bytes([number]), reach, *_way(text, number))
    if number:
        alike = [other for other in found if _way_of(other, reach) == number]
        found = alike if len(alike) >= min(want, 16) else found
    return found


def _way_of(text: str, reach: int) -> int:
    """Return the number of the first way that gives enough texts. Only the counts of characters by kind matter."""
    for number in range(len(_WAYS) - 1):
        together, kinds = _way(text, number)
        pools = Counter(kinds(char) for char in _changing(text, reach, together, kinds).values())
        crowded = together and any(2 * count > len(pool) for pool, count in pools.items())
        possible = math.perm if together else pow
        if not crowded and math.prod(possible(len(pool), count) for pool, count in pools.items()) >= 16:
            return number
    return len(_WAYS) - 1


def _way(text: str, number: int) -> tuple[bool, Callable[[str], str]]:
    together, kinds = _WAYS[number]
    letters = {char for char in text[:_TEXT].lower() if char in _LETTERS}
    few = len(letters) < 3 and kinds is _kind  # too few to look like a word
    return together, _letter_or_kind if few else kinds


def _changing(text: str, reach: int, together: bool, kinds: Callable[[str], str]) -> dict[int, str]:
    """Return the characters that change, in lower case, by the index of their first occurrence."""
    found: dict[int, str] = {}
    for index, char in enumerate(text[: 4 * reach]):
        small = char.lower() if char in ascii_uppercase else char
        if len(found) < reach and len(kinds(small)) > 1 and not (together and small in found.values()):
            found[index] = small
    return found


def _changed(text: str, want: int, salt: bytes, reach: int, together: bool, kinds: Callable[[str], str]) -> list[str]:
    changing = _changing(text, reach, together, kinds)
    where, chars = list(changing), list(changing.values())
    want *= 2 if together and len(chars) > 1 else 1
    choices = combinations([_digit_place(char, kinds(char)) for char in chars], want, salt + str(len(text)).encode())
    if together:  # two different characters stay different
        choices = [c for c in choices if len({c.get(i, char) for i, char in enumerate(chars)}) == len(chars)]
    if len(text) > _LONG_TEXT:
        original = next(c for c in choices if all(chars[place] == char for place, char in c.items()))
        choices = some(choices, original, FEW, random_of(salt, text.encode(errors="surrogatepass")))
    if together:
        return [text.translate(_table(chars, choice)) for choice in choices]
    return [_written(text, where, choice) for choice in choices]


def _table(chars: Sequence[str], choice: Mapping[int, object]) -> dict[int, str]:
    """Return the table with which `str.translate` changes the characters, and their capitals, according to `choice`."""
    table: dict[int, str] = {}
    for place, other in choice.items():
        table[ord(chars[place])] = str(other)
        if chars[place] in _LETTERS:
            table[ord(chars[place].upper())] = str(other).upper()
    return table


def _written(text: str, spots: Sequence[int], choice: Mapping[int, object]) -> str:
    made = list(text)
    for place, char in choice.items():
        made[spots[place]] = str(char).upper() if text[spots[place]] in ascii_uppercase else str(char)
    return "".join(made)


def _kind(char: str) -> str:
    """Return the characters of the same kind as `char` (ASCII letters in lower case); only `char` if it must stay."""
    for pool in (_VOWELS, _CONSONANTS, _DIGITS):
        if char in pool:
            return pool
    return _beyond_ascii(char) if char > "\x7f" else char


def _letter_or_kind(char: str) -> str:
    return _LETTERS if char in _LETTERS else _kind(char)


def _wide_kind(char: str) -> str:
    for pool in (_LETTERS, "0" + _DIGITS, _SIGNS):
        if char in pool:
            return pool
    return _CONTROLS if char in _CONTROLS else _kind(char)


_WAYS: tuple[tuple[bool, Callable[[str], str]], ...] = ((True, _kind), (False, _kind), (False, _wide_kind))


def _beyond_ascii(char: str) -> str:
    category = unicodedata.category(char)
    start = ord(char) & ~63
    pool = "".join(other for other in map(chr, range(start, start + 64)) if unicodedata.category(other) == category)
    return char if category in ("Cs", "Cn", "Co") else pool


# Dates and times
def _parts(
    parts: Sequence[int], pools: Sequence[Sequence[int]], want: int, salt: bytes, make: Callable[..., Item]
) -> list[Item]:
    places = [Place(part, _part_group(part, pool)) for part, pool in zip(parts, pools, strict=True)]
    found = []
    for choice in combinations(places, want, salt):
        try:
            found.append(make(*(choice.get(index, part) for index, part in enumerate(parts))))
        except (ValueError, OverflowError):
            continue  # the 30th of February
    return found


def _part_group(part: int, pool: Sequence[int]) -> Callable[[int, bytes], Sequence[object]]:
    return lambda want, salt: pick(pool, part, want, salt)


def _day_pools(day: date) -> list[Sequence[int]]:
    start = max(1, day.year // 40 * 40)
    days = [1] if day.day == 1 else range(2, 29) if day.day < 29 else range(29, 32)
    return [range(start, min(start + 40, 10_000)), range(1, 13), days]


def _clock_pools(clock: time | datetime) -> list[Sequence[int]]:
    """Return the alternatives for hour, minute, second and microsecond: 0 stays 0, and round numbers stay round."""
    pools: list[Sequence[int]] = [range(1, 24) if clock.hour else [0]]
    for part in (clock.minute, clock.second):
        pools.append([n for n in range(1, 60) if (n % 5 == 0) == (part % 5 == 0)] if part else [0])
    micro = clock.microsecond
    step = next(size for size in (100_000, 10_000, 1000, 100, 10, 1) if micro % size == 0)
    block = micro // (100 * step) * 100
    pools.append([n * step for n in range(block, block + 100) if n and n * step < 10**6] if micro else [0])
    return pools


def _dates(value: date, want: int, salt: bytes) -> list[date]:
    return _parts((value.year, value.month, value.day), _day_pools(value), want, salt, date)


def _datetimes(value: datetime, want: int, salt: bytes) -> list[datetime]:
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")

    def make(*made: int) -> datetime:
        return value.replace(**dict(zip(names, made, strict=True)))

    return _parts(parts, [*_day_pools(value), *_clock_pools(value)], want, salt, make)


def _times(value: time, want: int, salt: bytes) -> list[time]:
    parts = (value.hour, value.minute, value.second, value.microsecond)
    pools = _clock_pools(value)
    if math.prod(map(len, pools)) < 32:
        pools[0] = range(24)

    def make(hour: int, minute: int, second: int, microsecond: int) -> time:
        return value.replace(hour, minute, second, microsecond)

    return _parts(parts, pools, want, salt, make)


def _timedeltas(value: timedelta, want: int, salt: bytes) -> list[timedelta]:
    for unit in _UNITS:
        if value % unit == timedelta(0):
            return [
                unit * number for number in _ints(value // unit, want, salt) if abs(number) <= timedelta.max // unit
            ]
    return [value]


_UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1), timedelta(microseconds=1))


def _ranges(value: range, want: int, salt: bytes) -> list[range]:
    """Change the length, and the start if it is not 0, so that the members differ as sequences."""
    if not value:
        return [value]
    parts = [len(value), value.start]
    places = [Place(part, _group_of(part)) for part in (parts if value.start else parts[:1])]
    found = [
        [choice.get(index, part) for index, part in enumerate(parts)] for choice in combinations(places, want, salt)
    ]
    return [range(start, start + value.step * length, value.step) for length, start in found if length]  # type: ignore[operator]


_FAMILIES: dict[type, Callable[..., Sequence[object]]] = {
    int: _ints,
    float: _floats,
    complex: _complexes,
    str: _strings,
    bytes: _bytes,
    bytearray: _bytearrays,
    bool: lambda value, want, salt: [False, True],
    Decimal: _decimals,
    Fraction: _fractions,
    date: _dates,
    datetime: _datetimes,
    time: _times,
    timedelta: _timedeltas,
    range: _ranges,
}
