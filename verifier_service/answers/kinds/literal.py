"""Numbers in a base, ratios, and residues.

`1011_2` equals `1011_{2}` and the number 11; it is not `1011_3`, and not the bare `1011`. `5:8` equals `10:16` and
`5/8`. Classes of residues (`7 (mod 12)`) are equal if their moduli are and they differ by a multiple of it; lists of
classes and of families such as `12k + 7` are equal if they hold the same whole numbers. A class is not one of its
numbers.
"""

import math
from fractions import Fraction

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import Node, free_symbols, number, substitute, walk


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side is a ratio or a number in a base."""
    if "base" in (left.op, right.op):
        return _based(left, right)
    if "ratio" in (left.op, right.op):
        return _ratios(left, right, same)
    if "congruent" in (left.op, right.op):
        return _residues(left, right, same)
    return None


def _residues(left: Node, right: Node, same: Same) -> Decision:
    if left.op != right.op:
        decision = classes([left], [right])
        return decision or Decision(False, "a class of numbers is not one of them")
    if not same(left.args[1], right.args[1]).equal:
        return Decision(False, "the moduli differ")
    values = [exact(node) for node in (left.args[0], right.args[0], left.args[1])]
    if any(value is None for value in values) or not values[2]:
        return same(left.args[0], right.args[0])
    return Decision((values[0] - values[1]) % values[2] == 0, "compared as residues")  # type: ignore[operator]


_MAX_MODULUS = 10_000


def classes(a: list[Node], b: list[Node], families: bool = False) -> Decision | None:
    """Compare two lists of classes and linear families as sets of whole numbers; None where one holds something else,
    or neither a class, unless their letters are known to be whole."""
    if not families and not any(node.op == "congruent" for node in (*a, *b)):
        return None
    first, second = [_progression(node) for node in a], [_progression(node) for node in b]
    found = [row for row in (*first, *second) if row is not None]
    if len(found) < len(a) + len(b):
        return None
    modulus = math.lcm(*(step for _, step in found))
    if modulus > _MAX_MODULUS:
        return None
    sides = [{value for start, step in rows if step for value in range(start % step, modulus, step)}
             for rows in (found[: len(a)], found[len(a) :])]  # fmt: skip
    return Decision(sides[0] == sides[1], "compared as classes of whole numbers")


def _progression(node: Node) -> tuple[int, int] | None:
    """Return start and step of `7 (mod 12)` and of `12k + 7`; None for anything else."""
    if node.op == "congruent":
        start, step = exact(node.args[0]), exact(node.args[1])
    else:
        line = linear(node)
        if line is None:
            return None
        start, step = line
    if start is None or not step or start.denominator != 1 or step.denominator != 1 or abs(step) > _MAX_MODULUS:
        return None
    return int(start), abs(int(step))


def linear(node: Node) -> tuple[Fraction, Fraction] | None:
    """Return the value at 0 and the slope of a polynomial of degree one in one letter; None for anything else."""
    names = free_symbols(node)
    if len(names) != 1 or any(part.op not in ("sym", "num", "add", "mul", "neg", "div") for part in walk(node)):
        return None
    name = next(iter(names))
    at = [exact(substitute(node, name, number(point))) for point in (0, 1, 2, 5)]
    if any(value is None for value in at):
        return None
    zero, one, two, five = (value or Fraction(0) for value in at)
    slope = one - zero
    if slope == 0 or two - one != slope or five - zero != 5 * slope:
        return None
    return zero, slope


def _based(left: Node, right: Node) -> Decision:
    if left.op == right.op and left.args[1] == right.args[1]:
        equal = left.args[0].lstrip("0") == right.args[0].lstrip("0")
        return Decision(equal, "compared digit by digit in one base")
    first, second = exact(left), exact(right)
    equal = first is not None and first == second
    return Decision(equal, "compared by value")


def _ratios(left: Node, right: Node, same: Same) -> Decision:
    if left.op != right.op:
        ratio, other = (left, right) if left.op == "ratio" else (right, left)
        if len(ratio.args) != 2:
            return Decision(False, "a ratio of several terms is not a number")
        return same(Node("div", ratio.args), other)
    if len(left.args) != len(right.args):
        return Decision(False, "the ratios differ in length")
    first, second = left.args, right.args
    for one, other in zip(first[1:], second[1:], strict=True):
        if not expression.equal(Node("mul", (first[0], other)), Node("mul", (second[0], one))):
            return Decision(False, "the ratios differ")
    return Decision(True, "the ratios are equal")
