r"""Compare lists with an ellipsis: `1, 2, \ldots, 10` equals `1, 2, 3, \ldots, 10`, or all ten.

At least two members with a common difference, or three with a common ratio, must come before the dots. Other lists are
compared in order.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import (
    ZERO,
    Dots,
    Node,
    Number,
    Product,
    Series,
    Sum,
    Symbol,
    free_symbols,
    number,
    rename,
    substitute,
)

_MAX_MEMBERS = 10_000  # a longer progression is not written out


class _Progression(NamedTuple):
    """A progression: its first member, its step, whether steps are added, and what follows the dots."""

    first: Fraction
    step: Fraction
    adds: bool
    after: tuple[Node, ...]

    def next(self, value: Fraction) -> Fraction:
        return value + self.step if self.adds else value * self.step


def decide(a: list[Node], b: list[Node], same: Same) -> Decision | None:
    """Compare two lists, one of which has an ellipsis. Return None if it is unknown how the dots continue."""
    first, second = _read(a), _read(b)
    if _same_general_term(a, b, same):
        return Decision(True, "the same first and general members")
    if first and second:
        return _both(first, second, same)
    for found, members in ((first, b), (second, a)):
        if found and not any(isinstance(node, Dots) for node in members):
            values = _members(found)
            return (
                None
                if values is None
                else Decision(values == [exact(node) for node in members], "compared with all members written out")
            )
    return None


def as_series(node: Node) -> Node:
    r"""Write `1 + 2 + \cdots + 50` and `1^2 + 2^2 + \cdots + n^2` as sums over an index, and products likewise.

    A node whose terms can continue in more than one way is returned unchanged.
    """
    match node:
        case Sum(terms):
            kind: Literal["sum", "prod"] = "sum"
        case Product(factors):
            kind, terms = "prod", tuple(_flat(factors))
        case _:
            return node
    places = [place for place, term in enumerate(terms) if isinstance(term, Dots)]
    if len(places) != 1 or places[0] != len(terms) - 2 or places[0] < 2:
        return node
    known, last = terms[:-2], terms[-1]
    general = _general_term(known, last)
    if general is not None:
        name, start = general
        return Series(kind, rename(last, {name: _INDEX}), _INDEX, number(start), Symbol(name))
    line = _arithmetic(known, last)
    if line is None:
        return node
    first, step, count = line
    return Series(kind, Sum((number(first), Product((number(step), Symbol(_INDEX))))), _INDEX, ZERO, number(count))


_INDEX = "index of dots"


def _flat(factors: tuple[Node, ...]) -> Iterator[Node]:
    for factor in factors:
        if isinstance(factor, Product):
            yield from _flat(factor.factors)
        else:
            yield factor


def _arithmetic(known: tuple[Node, ...], last: Node) -> tuple[Fraction, Fraction, int] | None:
    """Return the first term, the step and the number of steps of terms that are written as numbers, or None."""
    values = [exact(node) for node in (*known, last) if isinstance(node, Number)]
    steps = {high - low for low, high in pairwise(value for value in values[:-1] if value is not None)}
    end = values[-1] if values else None
    if len(values) <= len(known) or len(steps) != 1 or end is None or values[0] is None:
        return None
    (step,) = steps
    count = (end - values[0]) / step if step else Fraction(-1)
    if count.denominator != 1 or not len(known) <= count < _MAX_MEMBERS:
        return None
    return None if len(known) == 2 and _goes_on_otherwise(*known, last) else (values[0], step, int(count))


def _goes_on_otherwise(one: Node, other: Node, last: Node) -> bool:
    """Return whether the terms can be powers or squares: `1 + 2 + \\cdots + 64`, `1 + 4 + \\cdots + 100`."""
    first, second, end = (exact(node) or Fraction(0) for node in (one, other, last))
    if all(value > 0 and math.isqrt(int(value)) ** 2 == value for value in (first, second, end)):
        return True
    ratio = second / first if first else Fraction(0)
    value = second
    while abs(ratio) > 1 and abs(value) < abs(end):
        value *= ratio
    return value == end and abs(ratio) > 1


def _general_term(known: tuple[Node, ...], last: Node) -> tuple[str, int] | None:
    """Return the letter of the last term, and the number that gives the first one.

    For `1 + 2 + 4 + ... + 2^{n-1}`, these are n and 1. Return None if there is no unique such number.
    """
    names = free_symbols(last)
    if len(names) != 1:
        return None
    name = next(iter(names))
    values = [exact(node) for node in known]
    if None in values:
        return None
    found = [
        start
        for start in range(3)
        if [exact(substitute(last, name, number(start + place))) for place in range(len(values))] == values
    ]
    return (name, found[0]) if len(found) == 1 else None


def _same_general_term(a: list[Node], b: list[Node], same: Same) -> bool:
    """Return whether two sequences begin alike and end alike, and the end is the general member of both."""
    ends: list[tuple[int, Node]] = []
    for nodes in (a, b):
        if len(nodes) < 4 or not isinstance(nodes[-2], Dots) or any(isinstance(node, Dots) for node in nodes[:-2]):
            return False
        found = _general_term(tuple(nodes[:-2]), nodes[-1])
        if found is None:
            return False
        ends.append((found[1], nodes[-1]))
    return ends[0][0] == ends[1][0] and same(ends[0][1], ends[1][1]).equal


def decide_sums(a: list[Node], b: list[Node], same: Same) -> Decision | None:
    """Compare the terms of two sums, or the factors of two products, which can be in reverse order."""
    if a == b:
        return Decision(True, "the same terms")
    decision = decide(a, b, same)
    first, second = _read(a), _read(b)
    left, right = first and _members(first), second and _members(second)
    if left and right and left == right[::-1]:
        return Decision(True, "the same terms in reverse order")
    if decision is None or not decision.equal:
        for one, other in ((a, b[::-1]), (a[::-1], b)):
            backwards = decide(one, other, same)
            if backwards is not None and backwards.equal:
                return backwards
    return decision


def _both(first: _Progression, second: _Progression, same: Same) -> Decision:
    left, right = _members(first), _members(second)
    if left is not None and right is not None:
        return Decision(left == right, "compared member by member")
    if first[:3] != second[:3] or len(first.after) != len(second.after):
        return Decision(False, "the sequences differ")
    alike = all(same(one, other).equal for one, other in zip(first.after, second.after, strict=True))
    return Decision(alike, "the same beginning and the same end" if alike else "the sequences end differently")


def _read(nodes: list[Node]) -> _Progression | None:
    places = [place for place, node in enumerate(nodes) if isinstance(node, Dots)]
    if len(places) != 1:
        return None
    known = [exact(node) for node in nodes[: places[0]]]
    values = [value for value in known if value is not None]
    if len(values) < 2 or len(values) < len(known):
        return None
    after = tuple(nodes[places[0] + 1 :])
    steps = {high - low for low, high in pairwise(values)}
    if len(steps) == 1 and 0 not in steps:
        return _Progression(values[0], steps.pop(), True, after)
    if len(values) > 2 and 0 not in values:
        ratios = {high / low for low, high in pairwise(values)}
        if len(ratios) == 1:
            return _Progression(values[0], ratios.pop(), False, after)
    return None


def _members(found: _Progression) -> list[Fraction] | None:
    """Write a progression out up to what follows its dots, or return None if that is not reached, or has letters."""
    ends = [exact(node) for node in found.after]
    if not ends or any(end is None for end in ends):
        return None
    size = len(ends)
    members = [found.first]
    while members[-size:] != ends and len(members) < _MAX_MEMBERS and abs(members[-1]) < 10**12:
        members.append(found.next(members[-1]))
    return members if members[-size:] == ends else None
