r"""Compare sets of integers, given by a condition, a formula, dots, congruences, or in words.

`\{x \in \mathbb{Z} : -2 \le x \le 1\}` equals `\{-2, -1, 0, 1\}`, `\{2k : k \in \mathbb{Z}\}` equals `even integers`
and `n \equiv 0 \pmod 2`, and `\mathbb{Z}^+` equals `\{1, 2, 3, \ldots\}`. Such a set is periodic beyond some reach, so
a finite number of members decides. The natural numbers can begin with 0 or with 1, but alike for both answers.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import Undefined
from verifier_service.answers.kinds import collection, literal, realset, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.qualified import Stated
from verifier_service.answers.kinds.relation import may_be_called
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    Builder,
    Congruent,
    Dots,
    List,
    Node,
    PlusMinus,
    Relation,
    Set,
    SetOperation,
    Symbol,
    Tuple,
    free_symbols,
    walk,
)

_MAX_MEMBERS = 20_000
"""A set with a larger period or reach is not compared here."""


@dataclass(frozen=True)
class WholeSet:
    """A set of integers or, with `real`, a set of reals seen through its integers.

    `holds` decides membership, which is periodic beyond `reach`. `variable` is the letter it is about, if one is named.
    """

    holds: Callable[[int], bool]
    period: int = 1
    reach: int = 0
    variable: str | None = None
    real: bool = False
    listed: bool = False
    """Whether it is a mere list of its members."""


def decide(left: Node, right: Node, _: Same) -> Decision | None:
    """Compare if one side can only be a set of integers, and the other is one too."""
    if all(found is None or found.listed for found in (_by_form(left, 0), _by_form(right, 0))):
        return None  # checked first, because `as_whole` solves equations
    return _decided(lambda first: (as_whole(left, first), as_whole(right, first)), _natural_numbers(left, right))


def decide_stated(one: Stated, words: str, other: Stated, other_words: str) -> Decision | None:
    """Compare two answers that name integers in words, or say in a qualifier which ones they are."""
    if not (one.qualifiers or other.qualifiers or _in_words(words) or _in_words(other_words)):
        return None
    trees = [side.tree for side in (one, other) if side.tree is not None]
    starts = _natural_numbers(*trees)
    return _decided(lambda first: (_stated(one, words, first), _stated(other, other_words, first)), starts)


_Sides = Callable[[int], tuple[WholeSet | None, WholeSet | None]]


def _decided(sides: _Sides, starts: Sequence[int]) -> Decision | None:
    """Compare two sets for each possible start of the natural numbers."""
    for first in starts:
        one, other = sides(first)
        if one is None or other is None or one.real or other.real or (one.listed and other.listed):
            return None
        a, b = one.variable, other.variable
        if a and b and a != b and not may_be_called(a, b):
            return None
        equal = _equal(one, other)
        if equal is None:
            return None
        if equal:
            return Decision(True, "the same integers")
    return Decision(False, "different integers")


def joined(sets: Sequence[WholeSet]) -> tuple[int, int] | None:
    """Return the common period of sets, and their reach, or None if these are too large."""
    period, reach = math.lcm(*(part.period for part in sets)), max((part.reach for part in sets), default=0)
    return (period, reach) if period + reach <= _MAX_MEMBERS else None


def _equal(one: WholeSet, other: WholeSet) -> bool | None:
    both = joined([one, other])
    if both is None:
        return None
    period, reach = both
    return all(one.holds(value) == other.holds(value) for value in range(-reach - period, reach + period + 1))


# --- trees --------------------------------------------------------------------------------------------------------


def _from(least: int) -> WholeSet:
    return WholeSet(lambda value: value >= least, 1, abs(least) + 1)


ALL = WholeSet(lambda _: True)
_NAMED = {
    "mathbb Z": ALL,
    "mathbb Z^+": _from(1),
    "mathbb N^*": _from(1),
    "mathbb N^+": _from(1),
    "mathbb Z>=0": _from(0),
    "mathbb Z^-": WholeSet(lambda value: value < 0, 1, 1),
    "mathbb Z<=0": WholeSet(lambda value: value <= 0, 1, 1),
    "mathbb Z^*": WholeSet(lambda value: value != 0, 1, 1),
}


def _natural_numbers(*nodes: Node) -> Sequence[int]:
    r"""Return the possible starts of the natural numbers.

    It is 1 if an answer adds 0 to them, and 0 if one removes it.
    """
    parts = [part for node in nodes for part in walk(node)]
    told = {part.kind for part in parts if isinstance(part, SetOperation) and _is_of_zero(part)}
    if told:
        return [1] if told == {"union"} else [0] if told == {"minus"} else []
    return [0, 1] if Symbol("mathbb N") in parts else [0]


def as_whole(node: Node, first: int) -> WholeSet | None:
    """Read a node as a set of integers, or of reals. Return None if it is neither, or has letters in its ends."""
    return _by_form(node, first) or _of_reals(node)


def _by_form(node: Node, first: int) -> WholeSet | None:
    """Read a node that has the form of a set of integers."""
    match node:
        case Symbol(name):
            return _from(first) if name == "mathbb N" else _NAMED.get(name)
        case Set(items):
            return _progression(items) if any(isinstance(item, Dots) for item in items) else _listed(items)
        case Builder(head, condition):
            return _builder(head, condition, first)
        case SetOperation():
            return _operation(node, first)
        case Relation():
            return _relation(node, first)
        case List():
            return _list(node, first)
        case _:
            return _line(node) if _is_lattice(node) else None


def _is_lattice(node: Node) -> bool:
    r"""Return whether a node is like `2\mathbb{Z}`, `3\mathbb{Z} + 1`."""
    return free_symbols(node) == frozenset(("mathbb Z",))


def _line(node: Node, inside: WholeSet = ALL) -> WholeSet | None:
    """Return the values of a linear formula with integer coefficients, for the numbers of a set."""
    line = literal.linear(node)
    if line is None or any(part.denominator != 1 or abs(part) > _MAX_MEMBERS for part in line):
        return None
    start, step = map(int, line)

    def holds(value: int) -> bool:
        return (value - start) % step == 0 and inside.holds((value - start) // step)

    return WholeSet(holds, abs(step) * inside.period, abs(start) + abs(step) * inside.reach)


def _listed(items: Sequence[Node]) -> WholeSet | None:
    values = [exact(value) for item in items for value in signs.expand(item)]
    members = {int(value) for value in values if value is not None and value.denominator == 1}
    if any(value is None or value.denominator != 1 or abs(value) > _MAX_MEMBERS for value in values):
        return None
    return WholeSet(lambda value: value in members, 1, max(map(abs, members), default=0) + 1, listed=True)


def _progression(items: tuple[Node, ...]) -> WholeSet | None:
    r"""Read `\{1, 2, 3, \ldots\}`, `\{\ldots, -2, 0, 2, \ldots\}`, `\{0, \pm 3, \pm 6, \ldots\}`."""
    before, after = isinstance(items[0], Dots), isinstance(items[-1], Dots)
    middle = items[before : len(items) - after]
    if not after or any(isinstance(item, Dots) for item in middle):
        return None
    signed = [item.operand if isinstance(item, PlusMinus) else item for item in middle]
    known = [exact(item) for item in signed]
    values = [int(value) for value in known if value is not None and value.denominator == 1]
    steps = {high - low for low, high in pairwise(values)}
    if len(values) < len(known) or len(steps) != 1 or 0 in steps or max(map(abs, values)) > _MAX_MEMBERS:
        return None
    (step,) = steps
    if len(values) < 3 and abs(step) != 1:
        return None
    start, twice = values[0], any(isinstance(item, PlusMinus) for item in middle)
    if twice and not (step > 0 and start >= 0 and all(isinstance(i, PlusMinus) or exact(i) == 0 for i in middle)):
        return None

    def holds(value: int) -> bool:
        size = abs(value) if twice else value
        return (size - start) % step == 0 and (before or (size - start) // step >= 0)

    return WholeSet(holds, abs(step), abs(start) + abs(step))


def _builder(head: Node, condition: Node, first: int) -> WholeSet | None:
    r"""Read `\{x \in \mathbb{Z} : x > 3\}`, `\{2k + 1 : k \in \mathbb{Z}, k \ge 0\}`."""
    conditions = condition.items if isinstance(condition, List) and condition.joiner != "or" else (condition,)
    if isinstance(head, Relation) and head.operators == ("in",):
        head, conditions = head.terms[0], (head, *conditions)
    names = free_symbols(head)
    inside = _met([as_whole(part, first) for part in conditions])
    if inside is None or inside.real or len(names) != 1 or inside.variable not in names:
        return None
    return replace(inside, variable=None) if isinstance(head, Symbol) else _line(head, inside)


def _met(parts: Sequence[WholeSet | None]) -> WholeSet | None:
    """Intersect sets of one letter."""
    known = [part for part in parts if part is not None]
    names = {part.variable for part in known if part.variable}
    if not known or len(known) < len(parts) or len(names) > 1:
        return None
    both = joined(known)
    if both is None:
        return None
    return WholeSet(
        lambda value: all(part.holds(value) for part in known),
        *both,
        names.pop() if names else None,
        all(part.real for part in known),
    )


def _operation(node: SetOperation, first: int) -> WholeSet | None:
    one, other = as_whole(node.left, first), as_whole(node.right, first)
    if one is None or other is None:
        return None
    if node.kind == "inter":
        return _met([one, other])
    if one.real or (node.kind == "union" and other.real) or one.period * other.period > _MAX_MEMBERS:
        return None

    def holds(value: int) -> bool:
        if node.kind == "union":
            return one.holds(value) or other.holds(value)
        return one.holds(value) and not other.holds(value)

    listed = node.kind == "union" and one.listed and other.listed
    return WholeSet(holds, math.lcm(one.period, other.period), max(one.reach, other.reach), listed=listed)


def _is_of_zero(node: SetOperation) -> bool:
    r"""Return whether a node is `\mathbb{N} \cup \{0\}` or `\mathbb{N} \setminus \{0\}`, which show where N begins."""
    match node:
        case SetOperation("union" | "minus", Symbol("mathbb N"), Set((zero,))):
            return exact(zero) == 0
        case SetOperation("union", Set((zero,)), Symbol("mathbb N")):
            return exact(zero) == 0
        case _:
            return False


def _relation(node: Relation, first: int) -> WholeSet | None:
    match node:
        case Relation(("in",), (Symbol(name), inside)):
            found = as_whole(inside, first)
            return found and replace(found, variable=name, listed=False)
        case Relation(("=",), (Symbol(name), value)) if any(isinstance(part, Congruent) for part in walk(value)):
            classes = [_class_of(part) for part in signs.expand(value)]
            known = [part for part in classes if part is not None]
            if len(known) < len(classes):
                return None
            modulus = math.lcm(*(step for _, step in known))
            return WholeSet(lambda at: any((at - start) % step == 0 for start, step in known), modulus, 0, name)
        case _:
            return None


def _is_value(node: Relation) -> bool:
    """Return whether a relation gives a letter one value: `x = 1`."""
    return node.operators == ("=",) and not isinstance(node.terms[-1], Congruent)


def _class_of(node: Node) -> tuple[int, int] | None:
    found = literal.residue_class(node)
    return found if found is not None and found[1] else None


def _list(node: List, first: int) -> WholeSet | None:
    if node.joiner == "and" and all(isinstance(item, Relation) and not _is_value(item) for item in node.items):
        return _met([as_whole(item, first) for item in node.items])
    found = collection.members(node)
    labels = {label for label, _ in found}
    values = _listed([value for _, value in found])
    if values is None or len(labels) != 1 or any(isinstance(item, (Set, Tuple)) for item in node.items):
        return None
    return replace(values, variable=labels.pop())


def _of_reals(node: Node) -> WholeSet | None:
    """Return a set of reals through the integers in it. If it is only integer points, return those points."""
    try:
        found = realset.as_set(node)
        if found is None or found.among:
            return None
        spans = [realset.whole_span(piece) for piece in found.pieces]
    except (NotMath, Undefined):
        return None
    reach = max((abs(end) for span in spans for end in span if end is not None), default=0) + 1
    listed = all(span[0] is not None and span[0] == span[1] and _is_point(piece)
                 for span, piece in zip(spans, found.pieces, strict=True))  # fmt: skip
    if reach > _MAX_MEMBERS or (not listed and all(map(_is_point, found.pieces))):
        return None

    def holds(value: int) -> bool:
        return any((low is None or low <= value) and (high is None or value <= high) for low, high in spans)

    return WholeSet(holds, 1, reach, found.variable, real=not listed, listed=listed)


def _is_point(piece: realset.Piece) -> bool:
    return piece.low_closed and piece.high_closed and piece.low == piece.high


# --- qualifiers and words ------------------------------------------------------------------------

_MARKS = {
    "Z": ALL,
    "odd": WholeSet(lambda value: value % 2 == 1, 2),
    "even": WholeSet(lambda value: value % 2 == 0, 2),
    "positive": _from(1),
    "nonnegative": _from(0),
    "negative": _NAMED["mathbb Z^-"],
    "nonzero": _NAMED["mathbb Z^*"],
}
# matches `>=2`, `!=-5`; not `>a`
_BOUND = re.compile(r"(<=|>=|<|>|!=)(-?\d{1,4})")
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "<": lambda value, end: value < end,
    "<=": lambda value, end: value <= end,
    ">": lambda value, end: value > end,
    ">=": lambda value, end: value >= end,
    "!=": lambda value, end: value != end,
}
_OF_WHOLE = frozenset(["Z", "N", "odd", "even"])
"""Marks that only integers have."""


def _stated(side: Stated, words: str, first: int) -> WholeSet | None:
    """Return the integers that an answer names with its qualifiers, or in words."""
    if side.tree is None or _in_words(words):
        return _in_words(words)
    said = {name: _said(marks, first) for name, marks in _by_name(side).items()}
    if None in said.values():
        return None
    match side.tree:
        case Relation(("=",), (Symbol(name), value)) if len(said) == 1 and free_symbols(value) == frozenset(said):
            inside = next(iter(said.values()))
            found = inside and _line(value, inside)
            return found and replace(found, variable=name)
        case _:
            found = as_whole(side.tree, first)
    if found is None or not said:
        return found
    return _met([found, *said.values()]) if frozenset(said) == frozenset((found.variable,)) else None


def _by_name(side: Stated) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for qualifier in side.qualifiers:
        for name in qualifier.names or ("",):
            found[name] = found.get(name, frozenset()) | qualifier.marks
    return found


def _said(marks: frozenset[str], first: int) -> WholeSet | None:
    """Return the integers that all marks of a letter allow, or None if they allow others, or are unknown."""
    if not marks & _OF_WHOLE:
        return None
    return _met([_marked(mark, first) for mark in marks])


def _marked(mark: str, first: int) -> WholeSet | None:
    if mark == "N":
        return _from(first)
    match = _BOUND.fullmatch(mark)
    if match is None:
        return _MARKS.get(mark)
    compared, end = _COMPARED[match.group(1)], int(match.group(2))
    return WholeSet(lambda value: compared(value, end), 1, abs(end) + 1)


# matches words without blanks: `theevenintegers`, `allmultiplesof3`, `niseven`, `positiveoddnumbers`,
# `nisdivisibleby3`, `integersdivisibleby4`; not `even`, `numbers`, `primes`
_SPOKEN = re.compile(
    r"(?:the|all|allthe|theset(?:of)?(?:all)?|setof(?:all)?|everyinteger|(?P<name>[a-z])(?:is|mustbe)(?:an?)?)?"
    r"(?P<sign>positive|negative|non-?negative)?(?:(?P<parity>even|odd)(?P<noun>integers?|numbers?|wholenumbers?)?"
    r"|(?P<whole>integers?)|(?:integer)?multiples?of(?P<step>\d{1,4})|(?:integers?)?divisibleby(?P<by>\d{1,4}))"
)


def _in_words(words: str) -> WholeSet | None:
    """Read `the even integers`, `n is odd`, `all multiples of 3`."""
    match = _SPOKEN.fullmatch(words) if len(words) < 60 else None
    if match is None or not (match["name"] or match["noun"] or match["whole"] or match["step"] or match["by"]):
        return None
    step = int(match["step"] or match["by"] or (2 if match["parity"] else 1))
    if not step:
        return None
    start = int(match["parity"] == "odd")
    sign = (match["sign"] or "Z").replace("-", "")
    found = _met([WholeSet(lambda value: value % step == start, step), _MARKS[sign]])
    return found and replace(found, variable=match["name"])


__all__ = ["ALL", "WholeSet", "as_whole", "decide", "decide_stated", "joined"]
