r"""Curves: relations between several letters, and unions of them.

`xy = 0` equals `x = 0 or y = 0`, `y = \pm x` equals `x^2 = y^2` and `|x| = |y|`: the same points. With one letter only
an equation is a question, and its solutions are another answer.
"""

from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.numeric import NotNumeric
from verifier_service.answers.kinds import expression, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import Node, free_symbols

_MAX_BRANCHES = 8
_NOT_NUMBERS = ("list", "set", "tuple", "union", "inter", "minus", "builder", "cases", "matrix", "text", "rel", "call")


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side is a union of curves; None where they are not shown to be equal."""
    first, second = _branches(left), _branches(right)
    if first is None or second is None or len(first) == len(second) == 1:
        return None
    names = [frozenset[str]().union(*map(free_symbols, side)) for side in (first, second)]
    if names[0] != names[1] or len(names[0]) < 2:
        return None
    a, b = _product(first), _product(second)
    try:
        if expression.proportional(a, b) or algebra.same_zeros(a, b):
            return Decision(True, "the same points")
    except (NotMath, NotNumeric):
        return None
    return None


def _branches(node: Node) -> list[Node] | None:
    """Return what vanishes on each branch; None for what is no equation, and no equations joined by `or`."""
    if node.op == "list" and node.args[0] == "or":
        found: list[Node] = []
        for item in node.args[1]:
            branch = _branches(item)
            if branch is None or len(found) + len(branch) > _MAX_BRANCHES:
                return None
            found += branch
        return found
    if node.op != "rel" or node.args[0] != ("=",) or any(term.op in _NOT_NUMBERS for term in node.args[1]):
        return None
    return [branch for equation in signs.expand(node) for branch in _of_absolutes(*equation.args[1])]


def _of_absolutes(one: Node, other: Node) -> list[Node]:
    """Read `|a| = |b|` as `a = b` or `a = -b`."""
    if all(term.op == "fn" and term.args[0] == "abs" for term in (one, other)):
        one, other = one.args[1], other.args[1]
        return [Node("add", (one, Node("neg", (other,)))), Node("add", (one, other))]
    return [Node("add", (one, Node("neg", (other,))))]


def _product(branches: list[Node]) -> Node:
    return branches[0] if len(branches) == 1 else Node("mul", tuple(branches))
