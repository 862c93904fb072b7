r"""A `\log` without a base: it may be the natural logarithm or the decimal one, but one of them throughout."""

from verifier_service.answers.kinds import expression
from verifier_service.answers.tree.nodes import Function, Node, number, rebuild, walk


def equal(left: Node, right: Node) -> bool:
    """Decide whether two expressions are equal with `log` read as natural throughout, or as decimal throughout.

    Raises:
        NotNumeric, TooComplex: as `expression.equal`.
    """
    if expression.equal(left, right):
        return True
    return (_has_bare(left) or _has_bare(right)) and expression.equal(to_base_ten(left), to_base_ten(right))


def _has_bare(node: Node) -> bool:
    return any(isinstance(part, Function) and part.name == "log" and len(part.operands) == 1 for part in walk(node))


def to_base_ten(node: Node) -> Node:
    """Copy a tree with the base 10 at each `log` that has none."""
    match node:
        case Function("log", (operand,)):
            return Function("log", (to_base_ten(operand), number(10)))
        case _:
            return rebuild(node, to_base_ten)
