"""Compute trees in high-precision floating point at points of our choice, and measure what the precision hides.

Nothing is computed whose size is not bounded first: exponents, factorials, sums and precision have limits in `bounds`,
and the work of one comparison is counted in `WORK`.
"""

import math
import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import mpmath

from verifier_service.answers.compute.exact import base_value, exact
from verifier_service.answers.compute.secret import secret
from verifier_service.answers.tree.bounds import (
    MAX_EXPONENT_LOG2,
    MAX_SUM_TERMS,
    MAX_TREE_DEPTH,
    NotMath,
    TooComplex,
)
from verifier_service.answers.tree.nodes import INFINITY, Node, free_symbols

MP = mpmath.mp.clone()
"""A context of our own, so that nobody else's precision changes ours."""

MAX_WORK = 500_000
"""Units of work for one comparison: a node at up to 500 bits is one, a function value is ten, more bits are more. It is
about a second of CPU time, far from the limit at which a worker is killed."""

_NOISE_BITS = 24
"""Of the bits that are computed, those at the end that rounding may have spoiled."""

_LOST_TO_CALCULUS = 30
"""Bits that a numeric integral may lack."""

_SMALL_EXPONENT_BITS = 4
_MAX_FUNCTION_BITS = 6_700
"""Arguments above 10^2000 are not reduced: that would take long."""


class Undefined(ArithmeticError):
    """The expression has no value at this point: a division by zero, a logarithm of zero."""


class NotNumeric(NotMath):
    """The tree holds something that has no numeric value, such as a word or a set."""


class Budget:
    """What is left of the work that may be done for one comparison, counted, so that a busy machine proves as much."""

    def __init__(self, at_most: int, unit: str) -> None:
        self.left = at_most
        self._at_most = at_most
        self._unit = unit

    def refill(self) -> None:
        """Start a new comparison."""
        self.left = self._at_most

    def charge(self, units: int) -> None:
        """Take work off the budget.

        Raises:
            TooComplex: it is used up.
        """
        self.left -= units
        if self.left < 0:
            raise TooComplex(f"more work than {self._at_most} {self._unit}")


WORK = Budget(MAX_WORK, "units")

Calculus = Callable[[Node, Mapping[str, Any]], Any]
"""Computes a series without end, a limit, a derivative or an integral at a point."""


def _no_calculus(node: Node, _: Mapping[str, Any]) -> Any:
    raise NotNumeric(f"{node.op} is not computed here")


class Measured(NamedTuple):
    """A value (None where it is undefined), with what is known of its precision, in bits.

    `lost` bits at the end of the value are rounding errors: sums that cancel, functions of large arguments. A change of
    a part of the expression may stand `hidden` bits behind the first one: beside a larger term, in the tail of a
    hyperbolic function, in the last digit of a literal, at the end of a range of integration. `vanished` says that a
    part was taken for zero because nothing else was left of it in this precision.
    """

    value: Any
    lost: int
    hidden: int
    vanished: bool


def evaluate(node: Node, values: Mapping[str, Any], real: bool = True, calculus: Calculus = _no_calculus) -> Any:
    """Compute an expression in `MP` at the given values of its variables.

    `calculus` computes what sympy is needed for; `algebra.evaluate` is this with its own.

    `real` asks for the real branch: the cube root of -8 is -2, and a root of a negative number raises `Undefined`
    in even degree.

    Raises:
        Undefined: no value here.
        NotNumeric: it holds what has no numeric value.
        TooComplex: a limit is exceeded.
    """
    return _Evaluator(values, real, calculus).value(node, 0)


def measure(node: Node, values: Mapping[str, Any], real: bool = True, calculus: Calculus = _no_calculus) -> Measured:
    """Compute an expression as `evaluate` does, and say how much of it the precision shows.

    Raises:
        NotNumeric: it holds what has no numeric value.
        TooComplex: a limit is exceeded.
    """
    evaluator = _Evaluator(values, real, calculus)
    try:
        value = evaluator.value(node, 0)
    except Undefined:
        value = None
    return Measured(value, evaluator.lost, evaluator.hidden, evaluator.vanished)


def magnitude(value: Any) -> int | None:
    """Return the position of the first bit of a number, 1 for 1 and 4 for 10; None for zero and what is not finite."""
    if isinstance(value, MP.mpf):
        _, digits, exponent, bits = value._mpf_
        return exponent + bits if digits else None
    if isinstance(value, MP.matrix):
        parts = [magnitude(cell) for cell in value]
    else:
        number = MP.mpmathify(value)
        parts = [magnitude(number.real), magnitude(number.imag)]
    return max((part for part in parts if part is not None), default=None)


class _Evaluator:
    def __init__(self, values: Mapping[str, Any], real: bool, calculus: Calculus) -> None:
        self.values = values
        self.real = real
        self.lost = 0
        self.hidden = 0
        self.vanished = False
        self._calculus = calculus
        self._price = 1 + MP.prec // 500

    @property
    def size(self) -> int:
        """Choose the size of matrices that stand for all sizes: 2 or 3, by the point."""
        return 2 + int(abs(MP.re(sum(self.values.values()))) * 1000) % 2

    def value(self, node: Node, depth: int) -> Any:  # noqa: C901 -- a flat list of operators
        if depth > MAX_TREE_DEPTH:
            raise TooComplex("nested too deeply")
        WORK.charge(self._price)
        op, args = node
        if op == "num":
            return self.literal(args[0])
        if op == "sym":
            if args[0] not in self.values:
                raise NotNumeric(f"no value for {args[0]}")
            return self.values[args[0]]
        if op == "const":
            return self.constant(args[0])
        if op in ("add", "mul"):
            return self.combine(op, [self.value(arg, depth + 1) for arg in args])
        if op in _ARITHMETIC:
            return self.apply(_ARITHMETIC[op], op, [self.value(arg, depth + 1) for arg in args])
        if op == "pow":
            return self.power(node, depth)
        if op == "fn":
            return self.function(args, depth)
        if op == "call":
            return self.unknown(args[0], [self.value(arg, depth + 1) for arg in args[1:]])
        if op in ("sum", "prod"):
            return self.series(node, depth)
        if op == "base":
            return self.literal(base_value(args[0], args[1]))
        if op == "matrix":
            return MP.matrix([[self.scalar(cell, depth) for cell in row] for row in args])
        if op in ("int", "lim", "diff"):
            return self.calculus(node, depth)
        raise NotNumeric(f"a {op} has no numeric value")

    def literal(self, value: Any) -> Any:
        """A number that is written with many digits may agree with another in most of them."""
        top, bottom = value.numerator, value.denominator
        self.hidden += max(top.bit_length() + bottom.bit_length() - 4, 0)
        return MP.mpf(top) / bottom if bottom != 1 else MP.mpf(top)

    def scalar(self, node: Node, depth: int) -> Any:
        value = self.value(node, depth + 1)
        if isinstance(value, MP.matrix):
            raise NotNumeric("a matrix inside a matrix")
        return value

    def constant(self, name: str) -> Any:
        if name == "inf":
            raise NotNumeric("infinity has no numeric value")
        return {"pi": MP.pi, "e": MP.e, "i": MP.mpc(0, 1)}[name] + 0

    def combine(self, op: str, values: list[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            if op == "add" and isinstance(total, MP.matrix) != isinstance(value, MP.matrix):
                raise NotNumeric("a matrix plus a number")
            try:
                total = total + value if op == "add" else total * value
            except ValueError as shapes:
                raise NotNumeric(f"matrices that do not fit: {shapes}") from None
        return self.added(values, total) if op == "add" and not isinstance(total, MP.matrix) else total

    def added(self, values: list[Any], total: Any) -> Any:
        """Note what a sum hides and loses; what is left of it but for rounding is zero."""
        sizes = [size for value in values if (size := magnitude(value)) is not None]
        if not sizes:
            return total
        top, left = max(sizes), magnitude(total)
        self.hidden += top - min(sizes)
        if left is None or left < top + self.lost + _NOISE_BITS - MP.prec:
            self.vanished = True
            return MP.mpf(0)
        self.lost += max(top - left, 0)
        self.hidden += max(top - left, 0)
        return total

    def is_noise(self, value: Any, beside: int = 0) -> bool:
        """Tell whether a value may be zero but for rounding, computed from something of that magnitude."""
        size = magnitude(value)
        noise = size is None or size < beside + self.lost + _NOISE_BITS - MP.prec
        self.vanished |= noise
        return noise

    def power(self, node: Node, depth: int) -> Any:
        base_node, exponent_node = node.args
        base = self.value(base_node, depth + 1)
        exponent = self.value(exponent_node, depth + 1)
        if isinstance(base, MP.matrix) or isinstance(exponent, MP.matrix):
            return self.matrix_power(base, exponent)
        if base == 0:
            if MP.re(exponent) < 0:
                raise Undefined("zero to a negative power")
            return MP.mpf(0 if exponent != 0 else 1)
        if not MP.isfinite(base) or not MP.isfinite(exponent):
            raise Undefined("not finite")
        if (magnitude(exponent) or 0) + (abs(magnitude(base) or 0) + 2).bit_length() > MAX_EXPONENT_LOG2.bit_length():
            raise TooComplex("a power too large to be computed")
        WORK.charge(5 * self._price)
        value = self.raised(base, exponent, exponent_node)
        whole = not isinstance(exponent, MP.mpc) and exponent == MP.nint(exponent)
        size, growth = magnitude(value), magnitude(exponent)
        if growth is not None:
            self.lost += max(growth, 0) + (0 if whole else (abs(magnitude(base) or 0)).bit_length())
            if not whole:
                self.hidden += max(-growth, 0)
        if size is not None and (growth or 0) > _SMALL_EXPONENT_BITS and not free_symbols(node):
            self.hidden += abs(size)  # the powers of some numbers are nearly whole
        return value

    def raised(self, base: Any, exponent: Any, exponent_node: Node) -> Any:
        if self.real and not isinstance(base, MP.mpc) and base < 0:
            rational = exact(exponent_node) if not free_symbols(exponent_node) else None
            if rational is None and not (isinstance(exponent, MP.mpf) and exponent == MP.nint(exponent)):
                raise Undefined("a negative base with a real exponent")
            if rational is not None and rational.denominator != 1:
                if rational.denominator % 2 == 0:
                    raise Undefined("an even root of a negative number")
                root = -((-base) ** (MP.mpf(1) / rational.denominator))
                return root**rational.numerator
            return base ** int(exponent if rational is None else rational)
        if not isinstance(exponent, MP.mpc) and exponent == MP.nint(exponent):
            return base ** int(exponent)
        return base**exponent

    @staticmethod
    def matrix_power(base: Any, exponent: Any) -> Any:
        if isinstance(base, MP.matrix) and not isinstance(exponent, MP.matrix) and exponent == 2 and base.cols == 1:
            return sum((cell * cell for cell in base), MP.mpf(0))
        if (
            not isinstance(base, MP.matrix)
            or isinstance(exponent, MP.matrix | MP.mpc)
            or exponent != MP.nint(exponent)
            or abs(exponent) > 100
            or base.rows != base.cols
        ):
            raise NotNumeric("a power of a matrix that is not computed")
        try:
            return base ** int(exponent)
        except ZeroDivisionError:
            raise Undefined("a singular matrix") from None

    def function(self, args: tuple[Any, ...], depth: int) -> Any:
        name, *operands = args
        values = [self.value(operand, depth + 1) for operand in operands]
        if name not in FUNCTIONS:
            raise NotNumeric(f"the function {name} is not computed")
        if any(isinstance(value, MP.matrix) for value in values) and name not in _OF_MATRICES:
            raise NotNumeric(f"{name} of a matrix")
        WORK.charge(10 * self._price)
        value = self.apply(FUNCTIONS[name], name, values)
        if isinstance(value, MP.matrix):
            return value
        if not MP.isfinite(value):
            raise Undefined(f"{name} is not finite")
        self.note(name, values, value)
        return value

    def apply(self, function: Callable[..., Any], name: str, values: list[Any]) -> Any:
        """Compute an operator or function; what it does not take has no numeric value."""
        try:
            return function(self, *values)
        except (ZeroDivisionError, OverflowError) as error:
            raise Undefined(f"{name}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, NotMath):
                raise
            raise NotNumeric(f"{name}: {error}") from None

    def note(self, name: str, values: list[Any], value: Any) -> None:
        """Note what a function hides and loses: its tail where it is flat, the digits of large arguments."""
        if name in _SMOOTH:
            return
        for operand in values:
            size = magnitude(operand)
            if size is not None:
                self.hidden += 2 * abs(size)
                self.lost += max(size, 0)
        result = magnitude(value)
        if result is not None:
            self.hidden += abs(result)
            self.lost += abs(result)
        tail = _TAILS.get(name)
        if tail is not None:
            self.hidden += int(min(tail(abs(MP.re(values[0]))), 1 << 40))

    def unknown(self, name: str, values: list[Any]) -> Any:
        """Give an unknown function a fixed, secret, smooth value: equal arguments give equal values."""
        total = MP.mpf(0)
        for place, value in enumerate(values):
            if isinstance(value, MP.matrix):
                raise NotNumeric("an unknown function of a matrix")
            WORK.charge(10 * self._price)
            size = magnitude(value) or 0
            if size > _MAX_FUNCTION_BITS:
                raise TooComplex("an argument too large to be computed")
            self.lost += max(size, 0)
            self.hidden += abs(size)
            a, b, c = (MP.mpf(part) / 10**10 for part in _drawn(secret() + f"{name}/{place}".encode()))
            total += a * MP.cos(b * value + c) + value * b / (3 + place)
        return total

    def series(self, node: Node, depth: int) -> Any:
        body, variable, low, high = node.args
        if high == INFINITY:
            return self.calculus(node, depth)
        start, stop = (self.bound(bound, depth) for bound in (low, high))
        if stop - start > MAX_SUM_TERMS:
            raise TooComplex(f"a series of more than {MAX_SUM_TERMS} terms")
        inner = _Evaluator({**self.values}, self.real, self._calculus)
        lost = hidden = 0
        terms: list[Any] = []
        for index in range(start, stop + 1):
            inner.values[variable] = MP.mpf(index)  # type: ignore[index]
            inner.lost = inner.hidden = 0
            terms.append(inner.value(body, depth + 1))
            lost, hidden = max(lost, inner.lost), max(hidden, inner.hidden)
        self.lost += lost
        self.hidden += hidden
        self.vanished |= inner.vanished
        if not terms:
            return MP.mpf(0 if node.op == "sum" else 1)
        return self.combine("add" if node.op == "sum" else "mul", terms)

    def bound(self, node: Node, depth: int) -> int:
        """Return the value of a bound of a series."""
        value = self.value(node, depth + 1)
        if isinstance(value, MP.mpc | MP.matrix) or not self.is_noise(value - MP.nint(value), magnitude(value) or 0):
            raise NotNumeric("a series whose bounds are not whole")
        if abs(value) > 1 << 40:
            raise TooComplex("a series whose bounds are too large")
        return int(MP.nint(value))

    def calculus(self, node: Node, depth: int) -> Any:
        value = self._calculus(node, self.values)
        size = magnitude(value)
        self.lost += _LOST_TO_CALCULUS
        self.hidden += abs(size or 0)
        if node.op == "int" and node.args[2] is not None:
            self.cut_off(node, depth, size or 0)
        return value

    def cut_off(self, node: Node, depth: int, size: int) -> None:
        """Note how little the integrand may be at the ends, where more of it would change the integral as little."""
        body, variable, *ends = node.args
        for end in ends:
            if end == INFINITY or (end.op == "neg" and end.args[0] == INFINITY):
                continue
            inner = _Evaluator({**self.values, variable: self.scalar(end, depth)}, self.real, self._calculus)
            try:
                there = magnitude(inner.value(body, depth + 1))
            except (Undefined, NotNumeric):
                continue
            self.hidden += inner.hidden + (0 if there is None else max(size - there, 0))


@lru_cache(maxsize=256)
def _drawn(seed: bytes) -> tuple[int, int, int]:
    """Draw three numbers of ten digits by a seed."""
    source = random.Random(seed)
    return source.randrange(10**9, 9 * 10**9), source.randrange(10**9, 9 * 10**9), source.randrange(10**9, 9 * 10**9)


_TAILS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("sinh", "cosh", "tanh", "coth", "sech", "csch"), lambda size: 3 * size),
    "erf": lambda size: 1.5 * size * size,
}
"""How many bits the tail of a function stands behind its value at an argument of that size."""

_SMOOTH = frozenset(
    ("root", "abs", "max", "min", "Re", "Im", "conjugate", "norm", "det", "tr", "transpose", "dot", "cross")
)
"""Functions that hide and lose no more than their operands do."""

_OF_MATRICES = frozenset(("det", "tr", "transpose", "norm", "abs", "dot", "cross"))


def _divide(_: _Evaluator, a: Any, b: Any) -> Any:
    if isinstance(b, MP.matrix):
        raise NotNumeric("a division by a matrix")
    if b == 0:
        raise Undefined("a division by zero")
    return a / b


_GAMMA_BITS = 1_000
"""In how many bits factorials between the whole numbers are computed: more take seconds, once for each precision."""


def _bound_gamma(*values: Any) -> None:
    if MP.prec > _GAMMA_BITS and not all(MP.isint(value) for value in values):
        raise TooComplex("a factorial between whole numbers in too many digits")


def _factorial_by(compute: Callable[..., Any], largest: int) -> Callable[[_Evaluator, Any], Any]:
    """Make the function that `compute` is, for operands up to `largest`."""

    def factorial(self: _Evaluator, a: Any) -> Any:
        if abs(a) > largest:
            raise TooComplex("a factorial too large to be computed")
        _bound_gamma(a)
        WORK.charge(20 * self._price)
        try:
            value = compute(a)
        except ValueError:
            raise Undefined("a factorial of a negative integer") from None
        self.lost += max(magnitude(a) or 0, 0)
        return value

    return factorial


_factorial = _factorial_by(MP.factorial, 10**12)
_double_factorial = _factorial_by(MP.fac2, 10**6)


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "neg": lambda _, a: -a,
    "div": _divide,
    "fact": _factorial,
    "fact2": _double_factorial,
    "deg": lambda _, a: a * MP.pi / 180,
    "percent": lambda _, a: a / 100,
}


def _real_root(self: _Evaluator, a: Any, n: Any) -> Any:
    if n == 0:
        raise Undefined("a root of degree zero")
    whole = not isinstance(n, MP.mpc) and n == MP.nint(n) and abs(n) < 10**6
    if self.real and not isinstance(a, MP.mpc) and a < 0:
        if whole and int(n) % 2:
            return -((-a) ** (1 / n))
        raise Undefined("an even root of a negative number")
    if a == 0:
        return MP.mpf(0)
    return MP.sqrt(a) if n == 2 else a ** (1 / n)


def _log(self: _Evaluator, a: Any, base: Any = None) -> Any:
    if a == 0:
        raise Undefined("a logarithm of zero")
    if self.real and not isinstance(a, MP.mpc) and a < 0:
        raise Undefined("a logarithm of a negative number")
    if base is None:
        value = MP.log(_clean(self, a))
        return MP.mpf(0) if self.is_noise(value) else value
    bottom = _log(self, base)
    if bottom == 0:
        raise Undefined("a logarithm to that base")
    return _log(self, a) / bottom


def _clean(self: _Evaluator, value: Any) -> Any:
    """Drop a real or imaginary part that is nothing but rounding beside the other."""
    if not isinstance(value, MP.mpc):
        return value
    size = magnitude(value) or 0
    if self.is_noise(value.imag, size):
        return value.real
    return MP.mpc(0, value.imag) if self.is_noise(value.real, size) else value


def _part(take: Callable[[Any], Any]) -> Callable[..., Any]:
    """Take a part of a complex number after dropping what is nothing but rounding."""
    return lambda self, value: take(_clean(self, value))


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse arguments so large that their reduction would take long."""

    def apply(_: _Evaluator, value: Any) -> Any:
        if (magnitude(value) or 0) > _MAX_FUNCTION_BITS:
            raise TooComplex("an argument too large to be computed")
        return function(value)

    return apply


def _periodic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the zeros of sine and cosine be zero: `sin(pi)` is, whatever rounding says."""
    bounded = _bounded(function)

    def apply(self: _Evaluator, value: Any) -> Any:
        result = bounded(self, value)
        return MP.mpf(0) if self.is_noise(result, magnitude(value) or 0) else result

    return apply


_SINE, _COSINE = _periodic(MP.sin), _periodic(MP.cos)


def _over(numerator: Callable[..., Any], denominator: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, value: _divide(self, numerator(self, value), denominator(self, value))


def _one(_: _Evaluator, __: Any) -> Any:
    return MP.mpf(1)


def _inside(function: Callable[..., Any], allowed: Callable[[Any], bool]) -> Callable[..., Any]:
    """Refuse real arguments outside the real domain, but not where rounding has moved them across its end."""

    def apply(self: _Evaluator, value: Any) -> Any:
        if isinstance(value, MP.mpc):
            return function(value)
        for end in (1, -1):
            if self.is_noise(value - end):
                value = MP.mpf(end)
        if self.real and not allowed(value):
            raise Undefined("outside the domain")
        return function(value)

    return apply


def _nearest(self: _Evaluator, value: Any) -> Any:
    """Return the whole number that a value is but for rounding, else the value."""
    if isinstance(value, MP.mpc):
        value = _clean(self, value)
        if isinstance(value, MP.mpc):
            raise NotNumeric("a jump function of a complex number")
    nearest = MP.nint(value)
    return nearest if self.is_noise(value - nearest, max(magnitude(value) or 0, 0)) else value


def _discrete(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Snap a value that is a whole number but for rounding before a jump function sees it."""
    return lambda self, value: function(_nearest(self, value))


def _remainder(self: _Evaluator, a: Any, m: Any) -> Any:
    return a - m * MP.floor(_nearest(self, _divide(self, a, m)))


def _binomial_value(self: _Evaluator, n: Any, k: Any) -> Any:
    if abs(n) > 10**9 or abs(k) > 10**9:
        raise TooComplex("a binomial coefficient too large to be computed")
    _bound_gamma(n, k)
    WORK.charge(30 * self._price)
    return MP.binomial(n, k)


def _arccot(value: Any) -> Any:
    return MP.pi / 2 - MP.atan(value)


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def apply(self: _Evaluator, *values: Any) -> Any:
        cleaned = [_clean(self, value) for value in values]
        if not cleaned or any(isinstance(value, MP.mpc) for value in cleaned):
            raise NotNumeric("an order of complex numbers")
        return choose(cleaned)

    return apply


def _norm(value: Any) -> Any:
    if not isinstance(value, MP.matrix):
        return abs(value)
    if value.cols != 1 and value.rows != 1:
        raise NotNumeric("the absolute value of a matrix")
    return MP.norm(value)


def _square(value: Any) -> Any:
    if not isinstance(value, MP.matrix) or value.rows != value.cols:
        raise NotNumeric("it is no square matrix")
    return value


def _trace(value: Any) -> Any:
    return sum((_square(value)[index, index] for index in range(value.rows)), MP.mpf(0))


def _column(value: Any) -> Any:
    if not isinstance(value, MP.matrix) or (value.rows, value.cols) != (3, 1):
        raise NotNumeric("a product of vectors with what is no vector in space")
    return value


def _cross(a: Any, b: Any) -> Any:
    return MP.matrix([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _arbitrary(value: Any, rows: int, columns: int) -> Any:
    """Make a matrix of a letter's value in which no relation holds by chance."""

    def cell(row: int, column: int) -> Any:
        return MP.cos((1 + row + 3 * column) * value + row * column) + value * (row + 1) / (column + 2)

    return MP.matrix([[cell(row, column) for column in range(columns)] for row in range(rows)])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "root": _real_root,
    "log": _log,
    "ln": _log,
    "abs": lambda _, a: _norm(a),
    "norm": lambda _, a: _norm(a),
    "sin": _SINE,
    "cos": _COSINE,
    "tan": _over(_SINE, _COSINE),
    "cot": _over(_COSINE, _SINE),
    "sec": _over(_one, _COSINE),
    "csc": _over(_one, _SINE),
    "arcsin": _inside(MP.asin, lambda a: abs(a) <= 1),
    "arccos": _inside(MP.acos, lambda a: abs(a) <= 1),
    "arctan": _bounded(MP.atan),
    "arccot": _bounded(_arccot),
    "arcsec": _inside(MP.asec, lambda a: abs(a) >= 1),
    "arccsc": _inside(MP.acsc, lambda a: abs(a) >= 1),
    "sinh": _bounded(MP.sinh),
    "cosh": _bounded(MP.cosh),
    "tanh": _bounded(MP.tanh),
    "coth": _bounded(MP.coth),
    "sech": _bounded(MP.sech),
    "csch": _bounded(MP.csch),
    "arsinh": _bounded(MP.asinh),
    "arcosh": _inside(MP.acosh, lambda a: a >= 1),
    "artanh": _inside(MP.atanh, lambda a: abs(a) < 1),
    "arcoth": _inside(MP.acoth, lambda a: abs(a) > 1),
    "arsech": _inside(MP.asech, lambda a: 0 < a <= 1),
    "arcsch": _inside(MP.acsch, lambda a: a != 0),
    "floor": _discrete(MP.floor),
    "ceil": _discrete(MP.ceil),
    "sign": _part(MP.sign),
    "binom": _binomial_value,
    "max": _extreme(max),
    "min": _extreme(min),
    "gcd": lambda self, *a: MP.mpf(math.gcd(*(_integer(self, v) for v in a))),
    "lcm": lambda self, *a: MP.mpf(math.lcm(*(_integer(self, v) for v in a))),
    "mod": _remainder,
    "Re": _part(MP.re),
    "Im": _part(MP.im),
    "arg": _part(MP.arg),
    "conjugate": lambda _, a: MP.conj(a),
    "erf": _bounded(MP.erf),
    "gamma": lambda self, a: _factorial(self, a - 1),
    "bar": lambda self, a: self.unknown("bar", [a]) if self.real else MP.conj(a),
    "det": lambda _, a: MP.det(_square(a)),
    "tr": lambda _, a: _trace(a),
    "transpose": lambda _, a: a.T if isinstance(a, MP.matrix) else a,
    "vector": lambda _, a: MP.matrix([a, MP.cos(2 * a + 1) + a / 3, MP.sin(3 * a + 2) - a / 2]),
    "unit": lambda _, place: MP.matrix([int(place == index) for index in range(3)]),
    "dot": lambda _, a, b: sum((x * y for x, y in zip(_column(a), _column(b), strict=True)), MP.mpf(0)),
    "cross": lambda _, a, b: _cross(_column(a), _column(b)),
    "square": lambda self, a: _arbitrary(a, self.size, self.size),
    "column": lambda self, a: _arbitrary(a, self.size, 1),
    "identity": lambda self: MP.eye(self.size),
}


def _integer(self: _Evaluator, value: Any) -> int:
    nearest = _nearest(self, value)
    if nearest != MP.nint(nearest):
        raise NotNumeric("a divisor of what is not whole")
    if (magnitude(nearest) or 0) > MP.prec - _NOISE_BITS:
        raise TooComplex("a whole number too large for its divisors")
    return int(nearest)
