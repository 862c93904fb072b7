r"""Compare curves: relations between several letters, and unions of them.

`xy = 0` equals `x = 0 or y = 0`; `y = \pm x` equals `x^2 = y^2` and `|x| = |y|`, because they contain the same points.
With only one letter, an equation is a question, and its solutions are a different answer.
"""

from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.numeric import NotNumeric
from verifier_service.answers.kinds import expression, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    Builder,
    Call,
    Cases,
    Function,
    List,
    Matrix,
    Negative,
    Node,
    Product,
    Relation,
    Set,
    SetOperation,
    Sum,
    Text,
    Tuple,
    free_symbols,
)

_MAX_BRANCHES = 8  # bounds the degree of their product, which can have to be factored
_NOT_NUMBERS = (List, Set, Tuple, SetOperation, Builder, Cases, Matrix, Text, Relation, Call)


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if one side is a union of curves. Return None unless they are shown to be equal."""
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
    """Return what vanishes on each branch, or None for anything but an equation or equations joined by `or`."""
    if isinstance(node, List) and node.joiner == "or":
        found: list[Node] = []
        for item in node.items:
            branch = _branches(item)
            if branch is None or len(found) + len(branch) > _MAX_BRANCHES:
                return None
            found += branch
        return found
    if not isinstance(node, Relation) or node.operators != ("=",):
        return None
    if any(isinstance(term, _NOT_NUMBERS) for term in node.terms):
        return None
    equations = [equation for equation in signs.expand(node) if isinstance(equation, Relation)]
    return [branch for equation in equations for branch in _of_absolutes(*equation.terms)]


def _of_absolutes(one: Node, other: Node) -> list[Node]:
    """Read `|a| = |b|` as `a = b` or `a = -b`."""
    match one, other:
        case Function("abs", (a,)), Function("abs", (b,)):
            return [Sum((a, Negative(b))), Sum((a, b))]
        case _:
            return [Sum((one, Negative(other)))]


def _product(branches: list[Node]) -> Node:
    return branches[0] if len(branches) == 1 else Product(tuple(branches))
