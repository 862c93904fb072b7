r"""Lists with an ellipsis: `1, 2, \ldots, 10` equals `1, 2, 3, \ldots, 10`, or all ten.

What stands before the dots must be two members with one difference, or three with one ratio; else such lists are
compared in order.
"""

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import Dots, Node

_MAX_MEMBERS = 10_000


class _Progression(NamedTuple):
    """Its first member, its step, whether steps are added, and what stands after the dots."""

    first: Fraction
    step: Fraction
    adds: bool
    after: tuple[Node, ...]

    def next(self, value: Fraction) -> Fraction:
        return value + self.step if self.adds else value * self.step


def decide(a: list[Node], b: list[Node], same: Same) -> Decision | None:
    """Compare two lists of which one has an ellipsis; None where it is not known how the dots go on."""
    first, second = _read(a), _read(b)
    if first and second:
        return _both(first, second, same)
    for found, members in ((first, b), (second, a)):
        if found and not any(isinstance(node, Dots) for node in members):
            values = _members(found)
            return None if values is None else Decision(values == [exact(node) for node in members], "spelled out")
    return None


def decide_sums(a: list[Node], b: list[Node], same: Same) -> Decision | None:
    """Compare the terms of two sums, or the factors of two products, which may be written backwards."""
    if a == b:
        return Decision(True, "the same terms")
    decision = decide(a, b, same)
    first, second = _read(a), _read(b)
    left, right = first and _members(first), second and _members(second)
    if left and right and left == right[::-1]:
        return Decision(True, "the same terms, backwards")
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
    """Spell a progression out up to what stands after its dots; None where that is not reached, or has letters."""
    ends = [exact(node) for node in found.after]
    if not ends or any(end is None for end in ends):
        return None
    size = len(ends)
    members = [found.first]
    while members[-size:] != ends and len(members) < _MAX_MEMBERS and abs(members[-1]) < 10**12:
        members.append(found.next(members[-1]))
    return members if members[-size:] == ends else None
