"""Compare numbers in a base, ratios, and residues.

`1011_2` equals `1011_{2}` and the number 11; it is not `1011_3`, and not the bare `1011`. `5:8` equals `10:16` and
`5/8`; odds equal a ratio, but not a number. Residue classes (`7 (mod 12)`) are equal if their moduli are equal and
divide their difference. Lists of classes and of families such as `12k + 7` are equal if they contain the same integers.
A class is not one of its numbers.
"""

import math
from dataclasses import replace
from fractions import Fraction

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import (
    Based,
    Call,
    Congruent,
    Negative,
    Node,
    Number,
    Product,
    Quotient,
    Ratio,
    Sum,
    Symbol,
    free_symbols,
    number,
    substitute,
    walk,
)


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if one side is a ratio, a residue class, or a number in a base."""
    if isinstance(left, Based) or isinstance(right, Based):
        return _based(left, right)
    odds = _odds(left, right, same)
    if odds is not None:
        return odds
    if isinstance(left, Ratio) or isinstance(right, Ratio):
        return _ratios(left, right, same)
    if isinstance(left, Congruent) or isinstance(right, Congruent):
        return _residues(left, right, same)
    return None


def _residues(left: Node, right: Node, same: Same) -> Decision:
    if not isinstance(left, Congruent) or not isinstance(right, Congruent):
        decision = classes([left], [right])
        return decision or Decision(False, "a residue class is not one of its numbers")
    if not same(left.modulus, right.modulus).equal:
        return Decision(False, "the moduli differ")
    one, other, modulus = exact(left.residue), exact(right.residue), exact(left.modulus)
    if one is None or other is None or not modulus:
        return same(left.residue, right.residue)
    return Decision((one - other) % modulus == 0, "compared as residues")


_MAX_MODULUS = 10_000  # all residues are listed, so the modulus is bounded


def classes(a: list[Node], b: list[Node], families: bool = False) -> Decision | None:
    """Compare two lists of residue classes and linear families as sets of integers.

    Returns:
        None if one of them holds something else, or neither has a class, unless `families` says that their letters are
        integers.
    """
    if not families and not any(isinstance(part, Congruent) for node in (*a, *b) for part in walk(node)):
        return None
    first, second = [residue_class(node) for node in a], [residue_class(node) for node in b]
    found = [row for row in (*first, *second) if row is not None]
    if len(found) < len(a) + len(b):
        return None
    modulus = math.lcm(*(step for _, step in found))
    if modulus > _MAX_MODULUS:
        return None
    sides = [{value for start, step in rows if step for value in range(start % step, modulus, step)}
             for rows in (found[: len(a)], found[len(a) :])]  # fmt: skip
    return Decision(sides[0] == sides[1], "compared as residue classes")


def residue_class(node: Node) -> tuple[int, int] | None:
    """Return start and step of `7 (mod 12)` and of `12k + 7`, or None for anything else."""
    if isinstance(node, Negative) and isinstance(node.operand, Congruent):
        node = replace(node.operand, residue=Negative(node.operand.residue))
    if isinstance(node, Congruent):
        start, step = exact(node.residue), exact(node.modulus)
    else:
        line = linear(node)
        if line is None:
            return None
        start, step = line
    if start is None or not step or start.denominator != 1 or step.denominator != 1 or abs(step) > _MAX_MODULUS:
        return None
    return int(start), abs(int(step))


_POLYNOMIAL = (Symbol, Number, Sum, Product, Negative, Quotient)


def linear(node: Node) -> tuple[Fraction, Fraction] | None:
    """Return the value at 0 and the slope of a polynomial of degree one in one letter, or None for anything else."""
    names = free_symbols(node)
    if len(names) != 1 or not all(isinstance(part, _POLYNOMIAL) for part in walk(node)):
        return None
    name = next(iter(names))
    # Four points: a rational function could pass through three points of a line.
    at = [exact(substitute(node, name, number(point))) for point in (0, 1, 2, 5)]
    if any(value is None for value in at):
        return None
    zero, one, two, five = (value or Fraction(0) for value in at)
    slope = one - zero
    if slope == 0 or two - one != slope or five - zero != 5 * slope:
        return None
    return zero, slope


def _based(left: Node, right: Node) -> Decision:
    if isinstance(left, Based) and isinstance(right, Based) and left.base == right.base:
        equal = left.digits.lstrip("0") == right.digits.lstrip("0")
        return Decision(equal, "compared digit by digit in one base")
    first, second = exact(left), exact(right)
    equal = first is not None and first == second
    return Decision(equal, "compared by value")


def _odds(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare odds with odds or with a ratio. Return None if neither side is odds."""
    match left, right:
        case (Call("odds" | "odds in favour", (first,)), Call("odds" | "odds in favour", (second,))):
            return same(first, second)
        case (Call("odds" | "odds in favour", (odds,)), other) | (other, Call("odds" | "odds in favour", (odds,))):
            return same(odds, other) if isinstance(other, Ratio) else Decision(False, "odds are not a probability")
        case _:
            return None


def _ratios(left: Node, right: Node, same: Same) -> Decision:
    match left, right:
        case Ratio(first), Ratio(second):
            pass
        case (Ratio((top, bottom)), other) | (other, Ratio((top, bottom))):
            return same(Quotient(top, bottom), other)
        case _:
            return Decision(False, "a ratio of several terms is not a number")
    if len(first) != len(second):
        return Decision(False, "the ratios differ in length")
    for one, other in zip(first[1:], second[1:], strict=True):
        if not expression.equal(Product((first[0], other)), Product((second[0], one))):
            return Decision(False, "the ratios differ")
    return Decision(True, "the ratios are equal")
