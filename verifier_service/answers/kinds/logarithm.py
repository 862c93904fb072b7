r"""Read a `\log` without a base: it can be the natural logarithm or the decimal one, but the same one throughout.

An equation with a single logarithm, `\ln a = b`, is `a = e^b`.
"""

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds import expression
from verifier_service.answers.tree.nodes import (
    EULER,
    Function,
    Negative,
    Node,
    Power,
    Quotient,
    Relation,
    Sum,
    free_symbols,
    number,
    rebuild,
    walk,
)


def equal(left: Node, right: Node) -> bool:
    """Decide whether two expressions are equal with every bare `log` read as natural, or every one as decimal.

    Raises:
        NotNumeric, TooComplex: as for `expression.equal`.
    """
    if expression.equal(left, right):
        return True
    return (_has_bare(left) or _has_bare(right)) and expression.equal(to_base_ten(left), to_base_ten(right))


def _has_bare(node: Node) -> bool:
    return any(isinstance(part, Function) and part.name == "log" and len(part.operands) == 1 for part in walk(node))


def to_base_ten(node: Node) -> Node:
    """Copy a tree with base 10 for each `log` without a base."""
    match node:
        case Function("log", (operand,)):
            return Function("log", (to_base_ten(operand), number(10)))
        case _:
            return rebuild(node, to_base_ten)


def solved(equation: Relation) -> Node | None:
    r"""Return what vanishes where `\log_c a = b` holds, such as `a - c^b`.

    Return None if no logarithm of letters stands alone, or the other side is not defined everywhere.
    """
    if len(equation.terms) != 2:
        return None
    for one, other in (equation.terms, equation.terms[::-1]):
        match one:
            case Function("ln", (operand,)):
                base: Node = EULER
            case Function("log", (operand, base)) if (exact(base) or 0) > 0 and exact(base) != 1:
                pass
            case _:
                continue
        if free_symbols(operand) and not any(isinstance(part, (Function, Quotient)) for part in walk(other)):
            return Sum((operand, Negative(Power(base, other))))
    return None
