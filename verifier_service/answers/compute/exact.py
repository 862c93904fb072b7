"""Compute closed trees exactly as fractions, as long as their size is bounded."""

import math
from collections.abc import Callable
from fractions import Fraction
from operator import add, mul

from verifier_service.answers.tree.bounds import (
    MAX_EXACT_BITS,
    MAX_FACTORIAL,
    MAX_SUM_TERMS,
    NotMath,
    TooComplex,
)
from verifier_service.answers.tree.nodes import (
    Based,
    Factorial,
    Function,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Series,
    Sum,
    number,
    substitute,
)


def exact(node: Node) -> Fraction | None:
    """Return the rational value of a closed expression, or None if it has none that is cheap to compute."""
    try:
        return _exact(node)
    except (ZeroDivisionError, TooComplex):
        return None


def _small(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_EXACT_BITS or value.denominator.bit_length() > MAX_EXACT_BITS:
        raise TooComplex("a number too large to compute exactly")
    return value


def _exact(node: Node) -> Fraction | None:
    match node:
        case Number():
            return node.value
        case Sum():
            return _combined(add, node.terms, _NOTHING)
        case Product():
            return _combined(mul, node.factors, _ONE)
        case Negative():
            value = _exact(node.operand)
            return None if value is None else -value
        case Quotient():
            return _applied(_exact_quotient, (node.numerator, node.denominator))
        case Power():
            return _applied(_exact_power, (node.base, node.exponent))
        case Factorial():
            value = _exact(node.operand)
            return None if value is None else _exact_factorial(value, node.step)
        case Function():
            return _exact_function(node)
        case Based():
            return base_value(node.digits, node.base)
        case Series():
            return _exact_series(node)
        case _:
            return None


_NOTHING, _ONE = Fraction(0), Fraction(1)


def _applied(function: Callable[..., Fraction | None], operands: tuple[Node, ...]) -> Fraction | None:
    """Apply a function to the values of all operands. Return None if one has no value."""
    values = [_exact(operand) for operand in operands]
    return None if None in values else function(*values)


def _combined(
    combine: Callable[[Fraction, Fraction], Fraction], operands: tuple[Node, ...], total: Fraction
) -> Fraction | None:
    for value in [_exact(operand) for operand in operands]:
        if value is None:
            return None
        total = _small(combine(total, value))
    return total


def base_value(digits: str, base: int) -> Fraction:
    """Return the value of a literal in a base.

    Raises:
        NotMath: a digit is not below the base.
    """
    whole, _, part = digits.partition(".")
    total = 0
    for digit in whole + part:
        value = int(digit, 36) if digit.isalnum() else base
        if value >= base:
            raise NotMath(f"{digit} is not a digit in base {base}")
        total = total * base + value
    return Fraction(total, base ** len(part))


def _exact_quotient(top: Fraction, bottom: Fraction) -> Fraction:
    return _small(top / bottom)


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return _exact_root(base, exponent)
    # These have powers of any size, so the limit below does not apply.
    if base in (0, 1, -1):
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        # (-1)**n depends only on the parity of n; the exponent 2 stands for every even one.
        return base ** (int(exponent) % 2 or 2) if base else Fraction(0 if exponent else 1)
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * size > MAX_EXACT_BITS:
        raise TooComplex("a power too large to compute exactly")
    return base ** int(exponent)


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """Return base ** exponent if it is rational and real, or None."""
    degree = exponent.denominator
    if degree > 64 or (base < 0 and degree % 2 == 0):
        return None
    sign = -1 if base < 0 else 1
    top, bottom = _integer_root(abs(base.numerator), degree), _integer_root(base.denominator, degree)
    if top is None or bottom is None:
        return None
    return _exact_power(Fraction(sign * top, bottom), Fraction(exponent.numerator))


def _integer_root(value: int, degree: int) -> int | None:
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() > 4096:
        return None
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < value:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == value else None


def _exact_factorial(value: Fraction, step: int) -> Fraction | None:
    if value.denominator != 1 or value < 0:
        return None
    if value > MAX_FACTORIAL:
        raise TooComplex("a factorial too large to compute exactly")
    return Fraction(math.factorial(int(value)) if step == 1 else math.prod(range(int(value), 0, -step)))


def _exact_function(node: Function) -> Fraction | None:
    function = _EXACT_FUNCTIONS.get(node.name)
    if function is None:
        return None
    try:
        return _applied(function, node.operands)
    except TypeError:  # it was given the wrong number of operands
        return None


def _binomial(top: Fraction, bottom: Fraction) -> Fraction | None:
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        return None
    if top > 100_000 or min(bottom, top - bottom) > MAX_FACTORIAL:
        raise TooComplex("a binomial coefficient too large to compute exactly")
    return _small(Fraction(math.comb(int(top), int(bottom))))


def _whole(function: Callable[..., int]) -> Callable[..., Fraction | None]:
    def apply(*values: Fraction) -> Fraction | None:
        if any(value.denominator != 1 for value in values):
            return None
        return Fraction(function(*(int(value) for value in values)))

    return apply


_EXACT_FUNCTIONS: dict[str, Callable[..., Fraction | None]] = {
    "root": lambda a, n: None if n == 0 else _exact_power(a, 1 / n) if n.numerator == 1 or n.denominator == 1 else None,
    "abs": Fraction.__abs__,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
    "sign": lambda a: Fraction((a > 0) - (a < 0)),
    "binom": _binomial,
    "gcd": _whole(math.gcd),
    "lcm": _whole(math.lcm),
    "max": lambda *values: max(values),
    "min": lambda *values: min(values),
    "mod": lambda a, m: None if m == 0 else a % m,
}


def _exact_series(node: Series) -> Fraction | None:
    start, stop = _exact(node.low), _exact(node.high)
    if start is None or stop is None or start.denominator != 1 or stop.denominator != 1:
        return None
    if stop - start > MAX_SUM_TERMS:
        raise TooComplex(f"a series of more than {MAX_SUM_TERMS} terms")
    total = Fraction(0 if node.kind == "sum" else 1)
    for index in range(int(start), int(stop) + 1):
        term = _exact(substitute(node.body, node.variable, number(index)))
        if term is None:
            return None
        total = _small(total + term if node.kind == "sum" else total * term)
    return total
