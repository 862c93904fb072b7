r"""Greatest common divisors of letters: how many points must agree before expressions with them count as equal.

`\gcd(n^{17}+9, (n+1)^{17}+9)` is 1 for every n that anyone has tried, but not for all n, so agreement at any number of
points proves little. It is enough if the operands are linear, or products of letters. The divisor of two polynomials in
one letter is periodic with their resultant, so these are compared at every number up to that.
"""

from verifier_service.answers.compute import algebra
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.nodes import (
    Function,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    free_symbols,
    walk,
)

_MAX_PERIOD = 500  # each number of a period is compared, so a longer one is refused
_DIVISORS = ("gcd", "lcm")


def period(left: Node, right: Node) -> int:
    """Return up to which number two expressions must be compared at every integer; 0 if drawn points suffice.

    Raises:
        TooComplex: the period is too large, or unknown.
    """
    longest = 0
    for part in {*walk(left), *walk(right)}:
        if isinstance(part, Function) and part.name in _DIVISORS and not all(map(_is_plain, part.operands)):
            longest = max(longest, _period(part))
    return longest


def _period(node: Function) -> int:
    names = free_symbols(node)
    inner = any(isinstance(part, Function) for operand in node.operands for part in walk(operand))
    if len(names) == 1 and len(node.operands) == 2 and not inner:
        found = algebra.resultant(*node.operands, next(iter(names)))
        if found and abs(found) <= _MAX_PERIOD:
            return abs(found)
    raise TooComplex("the period of these divisors is too large or unknown")


def _is_plain(node: Node) -> bool:
    """Return whether an operand is linear, or a product of letters and numbers."""
    match node:
        case Sum(terms):
            return all(_degree(term) in (0, 1) for term in terms)
        case _:
            return _degree(node) is not None


def _degree(node: Node) -> int | None:
    """Return the degree of a product of letters and numbers, or None for anything else."""
    match node:
        case Number():
            return 0
        case Symbol():
            return 1
        case Negative(operand):
            return _degree(operand)
        case Product(factors):
            degrees = [_degree(factor) for factor in factors]
            return None if None in degrees else sum(degree or 0 for degree in degrees)
        case Power(Symbol(), Number(value)) if value.denominator == 1 and value > 0:
            return int(value)
        case Power() if not free_symbols(node):
            return 0
        case Function(name, operands) if name in _DIVISORS and all(map(_is_plain, operands)):
            return 1
        case _:
            return None
