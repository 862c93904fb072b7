"""Compute closed trees exactly, as fractions, as far as their size is bounded."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verifier_service.answers.tree.bounds import (
    MAX_EXACT_BITS,
    MAX_FACTORIAL,
    MAX_SUM_TERMS,
    NotMath,
    TooComplex,
)
from verifier_service.answers.tree.nodes import Node, number, substitute


def exact(node: Node) -> Fraction | None:
    """Return the rational value of a closed expression, or None where it has none that is cheap to compute."""
    try:
        return _exact(node)
    except (ZeroDivisionError, TooComplex):
        return None


def _small(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_EXACT_BITS or value.denominator.bit_length() > MAX_EXACT_BITS:
        raise TooComplex("a number too large to be computed exactly")
    return value


def _exact(node: Node) -> Fraction | None:
    op, args = node
    if op == "num":
        return args[0]
    if op in ("add", "mul"):
        values = [_exact(arg) for arg in args]
        total = Fraction(0 if op == "add" else 1)
        for value in values:
            if value is None:
                return None
            total = _small(total + value if op == "add" else total * value)
        return total
    if op in ("neg", "div", "pow", "fact", "fact2"):
        values = [_exact(arg) for arg in args]
        if any(value is None for value in values):
            return None
        return _EXACT[op](*values)  # type: ignore[arg-type]
    if op == "fn":
        return _exact_function(args)
    if op == "base":
        return base_value(args[0], args[1])
    if op == "sum" or op == "prod":
        return _exact_series(node)
    return None


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


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return _exact_root(base, exponent)
    if base in (0, 1, -1):
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        return base ** (int(exponent) % 2 or 2) if base else Fraction(0 if exponent else 1)
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * size > MAX_EXACT_BITS:
        raise TooComplex("a power too large to be computed exactly")
    return base ** int(exponent)


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """Return base ** exponent where it is rational and real; None otherwise."""
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


def _exact_factorial(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or value < 0:
        return None
    if value > MAX_FACTORIAL:
        raise TooComplex("a factorial too large to be computed exactly")
    return Fraction(math.factorial(int(value)))


def _exact_double_factorial(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or value < 0:
        return None
    if value > MAX_FACTORIAL:
        raise TooComplex("a factorial too large to be computed exactly")
    return Fraction(math.prod(range(int(value), 0, -2)))


_EXACT: dict[str, Callable[..., Any]] = {
    "neg": lambda a: -a,
    "div": lambda a, b: _small(a / b),
    "pow": _exact_power,
    "fact": _exact_factorial,
    "fact2": _exact_double_factorial,
}


def _exact_function(args: tuple[Any, ...]) -> Fraction | None:
    name, *operands = args
    if name not in _EXACT_FUNCTIONS or not all(isinstance(operand, Node) for operand in operands):
        return None
    values = [_exact(operand) for operand in operands]
    if any(value is None for value in values):
        return None
    try:
        return _EXACT_FUNCTIONS[name](*values)
    except TypeError:  # more or fewer operands than it takes
        return None


def _binomial(top: Fraction, bottom: Fraction) -> Fraction | None:
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        return None
    if top > 100_000 or min(bottom, top - bottom) > MAX_FACTORIAL:
        raise TooComplex("a binomial coefficient too large to be computed exactly")
    return _small(Fraction(math.comb(int(top), int(bottom))))


def _whole(function: Callable[..., int]) -> Callable[..., Fraction | None]:
    def apply(*values: Fraction) -> Fraction | None:
        if any(value.denominator != 1 for value in values):
            return None
        return Fraction(function(*(int(value) for value in values)))

    return apply


_EXACT_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "root": lambda a, n: None if n == 0 else _exact_power(a, 1 / n) if n.numerator == 1 or n.denominator == 1 else None,
    "abs": abs,
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


def _exact_series(node: Node) -> Fraction | None:
    body, variable, low, high = node.args
    start, stop = _exact(low), _exact(high) if high.op != "const" else None
    if start is None or stop is None or start.denominator != 1 or stop.denominator != 1:
        return None
    if stop - start > MAX_SUM_TERMS:
        raise TooComplex(f"a series of more than {MAX_SUM_TERMS} terms")
    total = Fraction(0 if node.op == "sum" else 1)
    for index in range(int(start), int(stop) + 1):
        term = _exact(_put(body, variable, Fraction(index)))
        if term is None:
            return None
        total = _small(total + term if node.op == "sum" else total * term)
    return total


def _put(node: Node, name: str, value: Fraction) -> Node:
    return substitute(node, name, number(value))
