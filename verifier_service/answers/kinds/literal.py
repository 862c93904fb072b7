"""Numbers in a base, ratios, and residues.

`1011_2` equals `1011_{2}` and the number 11; it is not `1011_3`, and not the bare `1011`. `5:8` equals `10:16` and
`5/8`. Residues are equal if their moduli are and they differ by a multiple of it; the modulus may be missing on one
side.
"""

from verifier_service.answers.compute.numeric import exact
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import Node


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
        residue, other = (left, right) if left.op == "congruent" else (right, left)
        return same(residue.args[0], other)
    if not same(left.args[1], right.args[1]).equal:
        return Decision(False, "the moduli differ")
    values = [exact(node) for node in (left.args[0], right.args[0], left.args[1])]
    if any(value is None for value in values) or not values[2]:
        return same(left.args[0], right.args[0])
    return Decision((values[0] - values[1]) % values[2] == 0, "compared as residues")  # type: ignore[operator]


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
