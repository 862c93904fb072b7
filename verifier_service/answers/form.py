r"""Find what an answer leaves to be done: the operations in its tree that its reference does not have.

These leave nothing: a number, a decimal, a fraction, a power, a root, a multiple of a constant or of a unit, a sum of
unlike values (`2+\sqrt{3}`, `3+4i`, `x^2+2x`), scientific notation. These leave something: arithmetic between literals
(`12+34`, `2 \cdot 3`, `2x+3x`, a fraction over a fraction), sums, products and limits over an index, integrals,
derivatives, `\bmod`, `\gcd`, `\binom`, `5!`, multiplied matrices, a function whose value the reference writes without
one (`\sin 30^\circ` for 1/2, while `\ln 2` is a value), another base than the reference's. In a chain `12+34 = 46`,
only the value with the fewest counts.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds.relation import is_name, settle
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    EULER,
    IMAGINARY,
    INFINITY,
    ONE,
    Based,
    Call,
    Constant,
    Degrees,
    Derivative,
    Factorial,
    Function,
    Integral,
    Limit,
    Matrix,
    Negative,
    Node,
    Number,
    Percent,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Relation,
    Series,
    Set,
    SetOperation,
    Sum,
    Text,
    Tuple,
    children,
    free_symbols,
    number,
    walk,
)

_ADDITION = "an addition"
_MULTIPLICATION = "a multiplication"
_DIVISION = "a division"
_POWER = "a power of more than a literal"
_FUNCTION = "a function of numbers"
_VALUE = "a calculation"

_OPERATORS = {
    "sum": "a sum over an index",
    "prod": "a product over an index",
    "int": "an integral",
    "lim": "a limit",
    "diff": "a derivative",
    "inter": "an intersection",
}
"""Operations, whatever they are applied to."""

_COUNTING = "a factorial or a binomial coefficient"
_NAMED = {
    "binom": _COUNTING,
    "gcd": "a greatest common divisor",
    "lcm": "a least common multiple",
    "mod": "a remainder",
}
"""Functions that are operations, whatever they are applied to."""

_OF_NUMBERS = {
    "abs": "an absolute value", "norm": "a norm", "sign": "the sign of a number", "floor": "a rounding",
    "ceil": "a rounding", "max": "a greatest value", "min": "a least value", "Re": "a real part",
    "Im": "an imaginary part", "arg": "an argument", "conjugate": "a conjugate", "det": "a determinant",
    "tr": "a trace", "transpose": "a transpose", "cross": "a vector product", "dot": "a scalar product",
}  # fmt: skip
"""Functions that are operations if applied to numbers only. Applied to letters, they are values."""

_VALUES = frozenset({"root", "unit", "vector", "bar"})
"""Functions that are part of a value's notation: a root, a unit vector, a vector, a line over a letter."""

_LOGARITHMS = {"ln", "log"}
_HYPERBOLIC = {"sinh", "cosh", "tanh", "coth", "sech", "csch"}
_ADDED = (Sum, Matrix)
_RATIONAL = (Sum, Product, Quotient, Negative, Percent, PlusMinus, Factorial)


def left_to_do(answer: Node, reference: Node, rounded: bool = False) -> str | None:
    """Return an operation that an answer leaves to be done and its reference does not have, or None.

    The two are equal, or the answer was `rounded` to a decimal reference, from which no closed form can be expected.
    """
    has = operations(reference)
    left = operations(answer)
    if rounded or _has_functions(reference, has) or _functions(answer) <= _kin(reference):
        del left[_FUNCTION]
    if any(isinstance(part, Factorial) for part in walk(reference)):
        del left[_COUNTING]
    for operation in left - has:
        return operation
    rational = not rounded and not _is_irrational(reference) and not _is_angle(reference)
    return _VALUE if rational and _is_closed(answer) and _is_irrational(answer) else None


def operations(node: Node) -> Counter[str]:
    """Count the operations that a tree leaves to be done."""
    statement = settle(node)
    if isinstance(statement, Relation) and set(statement.operators) == {"="}:
        return _of_chain(statement.terms)
    found = Counter(_own(statement))
    for child in children(statement):
        found += operations(child)
    return found


def _of_chain(terms: tuple[Node, ...]) -> Counter[str]:
    """Count the operations of `name = value = value` by its simplest value; an equation has those of both sides."""
    values = terms if all(map(_is_closed, terms)) else terms[1:] if is_name(terms[0]) else ()
    if values:
        return min(map(operations, values), key=Counter.total)
    return sum(map(operations, terms), Counter[str]())


def _own(node: Node) -> Iterator[str]:
    """Yield the operations of one node, without those below it."""
    operator = _operator(node)
    if operator is not None:
        yield operator
        return
    match node:
        case Function():
            yield from _of_function(node)
        case Factorial() if _is_closed(node):
            yield _COUNTING
        case Based(_, base):
            yield f"a conversion from base {base}"
        case SetOperation(kind, Set(), Set()):
            yield f"a {kind} of finite sets"
        case Sum():
            yield from [_ADDITION] * _repeated(_like(term) for term in _terms(node))
        case Product():
            yield from [_MULTIPLICATION] * _multiplications(node)
        case Quotient(top, bottom) if _divides(top, bottom):
            yield _DIVISION
        case Power() if _is_closed(node):
            yield from _of_power(node)
        case _:
            pass


def _operator(node: Node) -> str | None:
    """Return the name of a node's operation if it is one whatever it is applied to."""
    match node:
        case Series(kind) | SetOperation("inter" as kind):
            return _OPERATORS[kind]
        case Integral():
            return _OPERATORS["int"]
        case Limit():
            return _OPERATORS["lim"]
        case Derivative():
            return _OPERATORS["diff"]
        case _:
            return None


def _of_function(node: Function) -> Iterator[str]:
    if node.name in _NAMED:
        yield _NAMED[node.name]
    elif node.name not in _VALUES and _is_closed(node):
        yield _OF_NUMBERS.get(node.name, _FUNCTION)


def _of_power(node: Power) -> Iterator[str]:
    base, exponent = node.base, node.exponent
    if base == EULER and IMAGINARY in walk(exponent):
        yield _FUNCTION
    elif _is_rational(exponent) and not _is_rational(base) and any(isinstance(part, _ADDED) for part in walk(base)):
        yield _POWER


def _repeated(keys: Iterator[Node]) -> int:
    """Count the values that can be combined with an earlier one."""
    counts = Counter(keys)
    return counts.total() - len(counts)


def _terms(node: Node) -> Iterator[Node]:
    """Yield the terms of a sum, including those of sums inside it."""
    match node:
        case Sum(terms):
            for term in terms:
                yield from _terms(term)
        case Negative(operand):
            yield from _terms(operand)
        case _:
            yield node


def _like(term: Node) -> Node:
    """Return what a term is a rational multiple of. Terms for which that is equal can be added."""
    if _is_rational(term) and not isinstance(term, Percent):
        return ONE
    match term:
        case Negative(operand) | PlusMinus(operand):
            return _like(operand)
        case Quantity():
            return replace(term, value=_like(term.value))
        case Percent() | Degrees():
            return replace(term, operand=_like(term.operand))
        case Product():
            rest = sorted((factor for factor in _factors(term) if not _is_rational(factor)), key=repr)
            return rest[0] if len(rest) == 1 else Product(tuple(rest))
        case Quotient(top, bottom):
            return _like(top) if _is_rational(bottom) else Quotient(_like(top), bottom)
        case Tuple() if _is_closed(term):
            return Tuple("", "", ())
        case Matrix() if _is_closed(term):
            return Matrix(())
        case _:
            return term


def _factors(node: Node) -> Iterator[Node]:
    """Yield the factors of a product, including those of products inside it."""
    match node:
        case Product(factors):
            for factor in factors:
                yield from _factors(factor)
        case Negative(operand):
            yield from _factors(operand)
        case _:
            yield node


def _multiplications(node: Node) -> int:
    """Count the factors that can be multiplied with an earlier one. Scientific notation is one value."""
    factors = list(_factors(node))
    keys = [key for key in map(_mates, factors) if key is not None]
    return _repeated(iter(keys)) - _is_scientific(factors)


def _mates(factor: Node) -> Node | None:
    """Return a key that factors share if they can be multiplied, or None for a factor that never can.

    They can if they are rational, or roots of one degree, powers of one constant, sums of numbers, or matrices.
    """
    if _is_rational(factor) or (isinstance(factor, Quantity) and _is_rational(factor.value)):
        return ONE
    if not _is_closed(factor):
        return None
    match factor:
        case Quotient(top, bottom):
            return ONE if any(map(_is_rational, (*_factors(top), *_factors(bottom)))) else None
        case Function("root", (_, degree)):
            return Function("root", (degree,))
        case Power(Constant() as base):
            return base
        case Sum():
            return Sum(())
        case Matrix():
            return Matrix(())
        case Constant():
            return factor
        case _:
            return None


def _is_scientific(factors: list[Node]) -> bool:
    """Return whether the rational factors are a literal and a power of ten: `1.5 \\cdot 10^{-3}`."""
    match [factor for factor in factors if _is_rational(factor)]:
        case [Number(), Power(base, exponent)] | [Power(base, exponent), Number()]:
            return base == number(10) and isinstance(_unsigned(exponent), Number)
        case _:
            return False


def _divides(top: Node, bottom: Node) -> bool:
    """Return whether a fraction is more than a value over a value: it has fractions inside, or complex numbers."""
    if _is_rational(top) and _is_rational(bottom):
        return _is_fraction(top) or _is_fraction(bottom)
    return all(_is_closed(side) and isinstance(side, Sum) and IMAGINARY in walk(side) for side in (top, bottom))


def _is_fraction(node: Node) -> bool:
    node = _unsigned(node)
    mixed = isinstance(node, Number) and node.places is None and node.value.denominator > 1
    return mixed or isinstance(node, Quotient)


def _unsigned(node: Node) -> Node:
    return _unsigned(node.operand) if isinstance(node, Negative) else node


def _is_closed(node: Node) -> bool:
    """Return whether a value has only numbers: no letters, unknown functions or words."""
    return not free_symbols(node) and not any(isinstance(part, (Call, Text)) for part in walk(node))


def _is_rational(node: Node) -> bool:
    """Return whether a value is a rational number written with arithmetic only, or an exact root."""
    if isinstance(node, Number):
        return True
    if isinstance(node, _RATIONAL):
        return all(map(_is_rational, children(node)))
    if not isinstance(node, (Power, Function)) or not all(map(_is_rational, children(node))):
        return False
    try:
        return exact(node) is not None
    except NotMath:
        return False


def _is_irrational(node: Node) -> bool:
    """Return whether irrational or imaginary numbers occur, or functions of numbers."""
    return any(map(_is_irrational_itself, walk(node)))


def _is_irrational_itself(node: Node) -> bool:
    match node:
        case Constant():
            return node != INFINITY
        case Function(name):
            return name not in _VALUES - {"root"} and not _is_rational(node)
        case Power():
            return not _is_rational(node)
        case _:
            return False


def _is_angle(node: Node) -> bool:
    """Return whether a value in degrees occurs: it equals a multiple of pi."""
    return any(isinstance(part, Degrees) or (isinstance(part, Quantity) and part.unit.holds_pi) for part in walk(node))


def _has_functions(reference: Node, has: Counter[str]) -> bool:
    """Return whether a reference has functions of numbers itself, or no closed form at all."""
    return _FUNCTION in has or any(operation in has for operation in _OPERATORS.values())


def _functions(node: Node) -> set[str]:
    """Return the names of the functions of numbers in a tree, counting complex powers of e as `exp`."""
    parts = list(walk(node))
    found = {part.name for part in parts if isinstance(part, Function) and _FUNCTION in _of_function(part)}
    return found | {"exp" for part in parts if isinstance(part, Power) and _FUNCTION in _of_power(part)}


def _kin(reference: Node) -> set[str]:
    """Return the functions related to a reference's: any logarithm to another, hyperbolic functions to e."""
    logarithms = any(isinstance(part, Function) and part.name in _LOGARITHMS for part in walk(reference))
    return (_LOGARITHMS if logarithms else set()) | (_HYPERBOLIC if EULER in walk(reference) else set())
