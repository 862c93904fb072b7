"""Compute trees in high-precision floating point at given points, and measure what the precision hides.

Nothing is computed before its size is bounded: exponents, factorials, sums and precision have limits in `bounds`, and
`WORK` counts the work of one comparison.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, assert_never

import mpmath

from verifier_service.answers.compute.context import MP, Real, Scalar, Value, magnitude
from verifier_service.answers.compute.exact import base_value, exact
from verifier_service.answers.compute.secret import secret
from verifier_service.answers.tree.bounds import (
    MAX_EXPONENT_LOG2,
    MAX_SUM_TERMS,
    MAX_TREE_DEPTH,
    NotMath,
    TooComplex,
)
from verifier_service.answers.tree.nodes import (
    INFINITY,
    Based,
    Builder,
    Call,
    Cases,
    Congruent,
    Constant,
    Degrees,
    Derivative,
    Dots,
    Factorial,
    Function,
    Integral,
    Limit,
    List,
    Logic,
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
    Ratio,
    Relation,
    Series,
    Set,
    SetOperation,
    Sum,
    Symbol,
    Text,
    Tuple,
    free_symbols,
)
from verifier_service.answers.tree.shape import operation

MAX_WORK = 500_000
"""Units of work for one comparison.

A node at up to 500 bits costs one unit, a function value ten; more bits cost more. The whole is about a second of CPU
time, far below the limit at which a worker is killed.
"""

_NOISE_BITS = 24
"""How many of the computed bits, at the end, rounding can have spoiled."""

_LOST_TO_CALCULUS = 30
"""How many bits of a numeric integral can be wrong."""

# The bits of numerator and denominator together; a literal with more can agree with another in its first digits.
_BITS_OF_A_SHORT_LITERAL = 4
_MINUS_INFINITY = Negative(INFINITY)
_SMALL_EXPONENT_BITS = 4  # only powers with exponents above 15 count as large
_MAX_FUNCTION_BITS = 6_700
"""Larger arguments of functions (above 10^2000) are refused, because reducing them would take long."""


class Undefined(ArithmeticError):
    """The expression has no value at this point, as for a division by zero or a logarithm of zero."""


class NotNumeric(NotMath):
    """The tree contains something without a numeric value, such as a word or a set."""


class Budget:
    """The work left for one comparison.

    Work is counted, not timed, so that a busy machine proves as much as an idle one.
    """

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
            TooComplex: the budget is used up.
        """
        self.left -= units
        if self.left < 0:
            raise TooComplex(f"more work than {self._at_most} {self._unit}")


WORK = Budget(MAX_WORK, "units")

OfCalculus: TypeAlias = Series | Integral | Limit | Derivative
"""Operations that need calculus; a series only if it is infinite."""

Calculus: TypeAlias = Callable[[OfCalculus, Mapping[str, Scalar]], Scalar]
"""Computes an infinite series, a limit, a derivative or an integral at a point."""


def _no_calculus(node: OfCalculus, _: Mapping[str, Scalar]) -> Scalar:
    raise NotNumeric(f"a {operation(node)} is not supported here")


class Measured(NamedTuple):
    """A value (None if undefined), and what is known of its precision, in bits.

    The last `lost` bits of the value are rounding errors, from sums that cancel or functions of large arguments. A
    change in a part of the expression can be `hidden` bits behind the first one: next to a larger term, in the tail of
    a hyperbolic function, in the last digit of a literal, at the end of a range of integration. `vanished` says that a
    part was taken for zero because rounding left nothing else of it in this precision.
    """

    value: Value | None
    lost: int
    hidden: int
    vanished: bool


def evaluate(node: Node, values: Mapping[str, Scalar], real: bool = True, calculus: Calculus = _no_calculus) -> Value:
    """Compute an expression in `MP` at the given values of its variables.

    Args:
        node: the expression.
        values: a value for each free variable.
        real: compute the real branch: the cube root of -8 is -2, and an even root of a negative number raises
            `Undefined`.
        calculus: computes what needs sympy; `algebra.evaluate` passes its own.

    Raises:
        Undefined: there is no value at this point.
        NotNumeric: it contains something without a numeric value.
        TooComplex: a limit is exceeded.
    """
    return _Evaluator(values, real, calculus).value(node, 0)


def measure(node: Node, values: Mapping[str, Scalar], real: bool = True, calculus: Calculus = _no_calculus) -> Measured:
    """Compute an expression like `evaluate`, and report how much of it the precision shows.

    Raises:
        NotNumeric: it contains something without a numeric value.
        TooComplex: a limit is exceeded.
    """
    evaluator = _Evaluator(values, real, calculus)
    try:
        value = evaluator.value(node, 0)
    except Undefined:
        value = None
    return Measured(value, evaluator.lost, evaluator.hidden, evaluator.vanished)


class _Evaluator:
    def __init__(self, values: Mapping[str, Scalar], real: bool, calculus: Calculus) -> None:
        self.values = values
        self.real = real
        self.lost = 0
        self.hidden = 0
        self.vanished = False
        self._calculus = calculus
        self._price = 1 + MP.prec // 500

    @property
    def size(self) -> int:
        """The size of matrices that stand for all sizes: 2 or 3, depending on the point."""
        return 2 + int(abs(MP.re(sum(self.values.values()))) * 1000) % 2

    def value(self, node: Node, depth: int) -> Value:  # noqa: C901 -- a flat list of operations, frequent ones first
        if depth > MAX_TREE_DEPTH:
            raise TooComplex("nested too deeply")
        WORK.charge(self._price)
        match node:
            case Number():
                return self.literal(node.value)
            case Symbol():
                known = self.values.get(node.name)
                if known is None:
                    raise NotNumeric(f"no value for {node.name}")
                return known
            case Product():
                return self.combine("prod", [self.value(factor, depth + 1) for factor in node.factors])
            case Sum():
                return self.combine("sum", [self.value(term, depth + 1) for term in node.terms])
            case Power():
                return self.power(node, depth)
            case Quotient():
                return self.value(node.numerator, depth + 1) / _divisor(self.value(node.denominator, depth + 1))
            case Negative():
                return -self.value(node.operand, depth + 1)
            case Function():
                return self.function(node.name, [self.value(operand, depth + 1) for operand in node.operands])
            case Constant(name):
                return self.constant(name)
            case Series():
                return self.series(node, depth)
            case Factorial(operand, step):
                return self.apply(_FACTORIALS[step], operation(node), [self.value(operand, depth + 1)])
            case Degrees(operand):
                return self.value(operand, depth + 1) * MP.pi / 180
            case Percent(operand):
                return self.value(operand, depth + 1) / 100
            case Call(name, operands):
                return self.unknown(name, [self.value(operand, depth + 1) for operand in operands])
            case Matrix(rows):
                return MP.matrix([[self.scalar(cell, depth) for cell in row] for row in rows])
            case Based(digits, base):
                return self.literal(base_value(digits, base))
            case Integral() | Limit() | Derivative():
                return self.calculus(node, depth)
            case (
                Text() | Dots() | PlusMinus() | Quantity() | Ratio() | Congruent() | Tuple() | Set() | Builder()
                | SetOperation() | List() | Cases() | Relation() | Logic()
            ):  # fmt: skip
                raise NotNumeric(f"a {operation(node)} has no numeric value")
            case _:
                assert_never(node)

    def literal(self, value: Fraction) -> Real:
        """Return a literal's value.

        One with many digits can agree with another in most of them, so these count as hidden.
        """
        top, bottom = value.numerator, value.denominator
        bits = top.bit_length() + bottom.bit_length()
        if bits > _BITS_OF_A_SHORT_LITERAL:
            self.hidden += bits - _BITS_OF_A_SHORT_LITERAL
        return MP.mpf(top) / bottom if bottom != 1 else MP.mpf(top)

    def scalar(self, node: Node, depth: int) -> Scalar:
        value = self.value(node, depth + 1)
        if isinstance(value, MP.matrix):
            raise NotNumeric("a matrix inside a matrix")
        return value

    def constant(self, name: Literal["pi", "e", "i", "inf"]) -> Scalar:
        if name == "inf":
            raise NotNumeric("infinity has no numeric value")
        # Adding 0 turns mpmath's lazy constant into a number of the current precision.
        return MP.mpc(0, 1) if name == "i" else (MP.pi if name == "pi" else MP.e) + 0

    def combine(self, kind: Literal["sum", "prod"], values: list[Value]) -> Value:
        total = values[0]
        for value in values[1:]:
            if kind == "sum" and isinstance(total, MP.matrix) != isinstance(value, MP.matrix):
                raise NotNumeric("a matrix plus a number")
            try:
                total = total + value if kind == "sum" else total * value
            except ValueError as shapes:
                raise NotNumeric(f"matrices of incompatible sizes: {shapes}") from None
        if isinstance(total, MP.matrix):
            sizes = [size for value in values if (size := magnitude(value)) is not None]
            return self.left_of_cells(max(sizes, default=0) if kind == "sum" else sum(sizes), total)
        return self.added(values, total) if kind == "sum" else total

    def added(self, values: Sequence[Value], total: Scalar) -> Scalar:
        """Return a sum after noting what it hides and loses. A sum that is zero up to rounding becomes zero."""
        sizes = [size for value in values if (size := magnitude(value)) is not None]
        if not sizes:
            return total
        top = max(sizes)
        self.hidden += top - min(sizes)
        return self.left_of(top, total)

    def left_of(self, top: int, total: Scalar) -> Scalar:
        """Return what is left of terms up to the magnitude `top`, after noting what cancels. Noise becomes zero."""
        if self.is_noise(total, top):
            return MP.mpf(0)
        self.note_cancelled(top, total)
        return total

    def left_of_cells(self, top: int, total: mpmath.matrix) -> mpmath.matrix:
        """Do the same for the cells of a matrix, by the largest of them: a determinant can depend on each."""
        if magnitude(total) is None:
            return total
        if self.is_noise(total, top):
            return MP.matrix([[MP.mpf(0)] * total.cols for _ in range(total.rows)])
        self.note_cancelled(top, total)
        return total

    def note_cancelled(self, top: int, total: Value) -> None:
        """Note the leading bits that cancelled between terms up to the magnitude `top` and their total."""
        cancelled = max(top - (magnitude(total) or 0), 0)
        self.lost += cancelled
        self.hidden += cancelled

    def is_noise(self, value: Value, beside: int = 0) -> bool:
        """Return whether a value computed from something of magnitude `beside` is zero up to rounding."""
        size = magnitude(value)
        noise = size is None or size < beside + self.lost + _NOISE_BITS - MP.prec
        self.vanished |= noise
        return noise

    def power(self, node: Power, depth: int) -> Value:
        base = self.value(node.base, depth + 1)
        exponent = self.value(node.exponent, depth + 1)
        if isinstance(base, MP.matrix) or isinstance(exponent, MP.matrix):
            return self.matrix_power(base, exponent)
        if base == 0:
            if MP.re(exponent) < 0:
                raise Undefined("zero to a negative power")
            return MP.mpf(0 if exponent != 0 else 1)
        if not MP.isfinite(base) or not MP.isfinite(exponent):
            raise Undefined("not finite")
        if (magnitude(exponent) or 0) + (abs(magnitude(base) or 0) + 2).bit_length() > MAX_EXPONENT_LOG2.bit_length():
            raise TooComplex("a power too large to compute")
        WORK.charge(5 * self._price)
        value = self.raised(base, exponent, node.exponent)
        whole = not isinstance(exponent, MP.mpc) and exponent == MP.nint(exponent)
        size, growth = magnitude(value), magnitude(exponent)
        if growth is not None:
            self.lost += max(growth, 0) + (0 if whole else (abs(magnitude(base) or 0)).bit_length())
            if not whole:
                self.hidden += max(-growth, 0)
        if size is not None and (growth or 0) > _SMALL_EXPONENT_BITS and not free_symbols(node):
            # the powers of some numbers are almost integers, so a large power can hide a small difference
            self.hidden += abs(size)
        return value

    def raised(self, base: Scalar, exponent: Scalar, exponent_node: Node) -> Scalar:
        if self.real and not isinstance(base, MP.mpc) and base < 0:
            return self.negative_raised(base, exponent, exponent_node)
        if not isinstance(exponent, MP.mpc) and exponent == MP.nint(exponent):
            return base ** int(exponent)
        return base**exponent

    @staticmethod
    def negative_raised(base: Real, exponent: Scalar, exponent_node: Node) -> Scalar:
        rational = exact(exponent_node) if not free_symbols(exponent_node) else None
        if rational is None:
            if isinstance(exponent, MP.mpf) and exponent == MP.nint(exponent):
                return base ** int(exponent)
            raise Undefined("a negative base with a real exponent")
        if rational.denominator == 1:
            return base**rational.numerator
        if rational.denominator % 2 == 0:
            raise Undefined("an even root of a negative number")
        root = -((-base) ** (MP.mpf(1) / rational.denominator))
        return root**rational.numerator

    def matrix_power(self, base: Value, exponent: Value) -> Value:
        if isinstance(base, MP.matrix) and not isinstance(exponent, MP.matrix) and exponent == 2 and base.cols == 1:
            # The square of a vector is its scalar product with itself.
            return self.scalar_product(base, base)
        if (
            not isinstance(base, MP.matrix)
            or isinstance(exponent, (MP.matrix, MP.mpc))
            or exponent != MP.nint(exponent)
            or abs(exponent) > 100
            or base.rows != base.cols
        ):
            raise NotNumeric("an unsupported power of a matrix")
        size, power = magnitude(base) or 0, int(exponent)
        try:
            factor = base if power >= 0 else base**-1
        except ZeroDivisionError:
            raise Undefined("a singular matrix") from None
        if power < 0:  # rounding grows by the condition of the matrix
            self.lost += max(size + (magnitude(factor) or 0), 0)
            size = magnitude(factor) or 0
        return self.left_of_cells(abs(power) * size, factor ** abs(power))

    def determinant(self, value: Value) -> Scalar:
        """Return the determinant. Its terms are products of one cell of each row and each column."""
        cells = _square(value)
        places = range(cells.rows)
        sizes = [[magnitude(cells[row, column]) or 0 for column in places] for row in places]
        top = min(sum(map(max, sizes)), sum(map(max, zip(*sizes, strict=True))))
        return self.left_of(top, MP.mpmathify(MP.det(cells)))

    def trace(self, value: Value) -> Scalar:
        """Return the sum of the diagonal."""
        cells = _square(value)
        diagonal: list[Scalar] = [cells[at, at] for at in range(cells.rows)]
        return self.added(diagonal, sum(diagonal, MP.mpf(0)))

    def scalar_product(self, one: mpmath.matrix, other: mpmath.matrix) -> Scalar:
        """Return the sum of the products of the cells."""
        products: list[Scalar] = [x * y for x, y in zip(one, other, strict=True)]
        return self.added(products, sum(products, MP.mpf(0)))

    def function(self, name: str, values: list[Value]) -> Value:
        if name not in FUNCTIONS:
            raise NotNumeric(f"the function {name} is not supported")
        scalars = [value for value in values if not isinstance(value, MP.matrix)]
        if len(scalars) < len(values) and name not in _OF_MATRICES:
            raise NotNumeric(f"{name} of a matrix")
        WORK.charge(10 * self._price)
        value = self.apply(FUNCTIONS[name], name, values)
        if isinstance(value, MP.matrix):
            return value
        if not MP.isfinite(value):
            raise Undefined(f"{name} is not finite")
        if name not in _SMOOTH:
            self.note(name, scalars, value)
        return value

    def apply(self, function: Callable[..., Value], name: str, values: Sequence[Value]) -> Value:
        """Compute a function. An operand that it does not accept has no numeric value."""
        try:
            return function(self, *values)
        except (ZeroDivisionError, OverflowError) as error:
            raise Undefined(f"{name}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, NotMath):
                raise
            raise NotNumeric(f"{name}: {error}") from None

    def note(self, name: str, operands: list[Scalar], value: Scalar) -> None:
        """Note what a function hides and loses: its tail where it is flat, the digits of large arguments."""
        for operand in operands:
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
            self.hidden += int(min(tail(abs(MP.re(operands[0]))), 1 << 40))

    def unknown(self, name: str, values: list[Value]) -> Scalar:
        """Give an unknown function a fixed, secret, smooth value. Equal arguments give equal values."""
        total: Scalar = MP.mpf(0)
        for place, value in enumerate(values):
            if isinstance(value, MP.matrix):
                raise NotNumeric("an unknown function of a matrix")
            WORK.charge(10 * self._price)
            size = magnitude(value) or 0
            if size > _MAX_FUNCTION_BITS:
                raise TooComplex("an argument too large to compute")
            self.lost += max(size, 0)
            self.hidden += abs(size)
            a, b, c = (MP.mpf(part) / 10**10 for part in _drawn(secret() + f"{name}/{place}".encode()))
            total += a * MP.cos(b * value + c) + value * b / (3 + place)
        return total

    def series(self, node: Series, depth: int) -> Value:
        if node.high == INFINITY:
            return self.calculus(node, depth)
        start, stop = (self.bound(bound, depth) for bound in (node.low, node.high))
        if stop - start > MAX_SUM_TERMS:
            raise TooComplex(f"a series of more than {MAX_SUM_TERMS} terms")
        inside = dict(self.values)
        inner = _Evaluator(inside, self.real, self._calculus)
        lost = hidden = 0
        terms: list[Value] = []
        for index in range(start, stop + 1):
            inside[node.variable] = MP.mpf(index)
            inner.lost = inner.hidden = 0
            terms.append(inner.value(node.body, depth + 1))
            lost, hidden = max(lost, inner.lost), max(hidden, inner.hidden)
        self.lost += lost
        self.hidden += hidden
        self.vanished |= inner.vanished
        if not terms:
            return MP.mpf(0 if node.kind == "sum" else 1)
        return self.combine(node.kind, terms)

    def bound(self, node: Node, depth: int) -> int:
        """Return the value of a bound of a series."""
        value = self.value(node, depth + 1)
        if isinstance(value, (MP.mpc, MP.matrix)) or not self.is_noise(value - MP.nint(value), magnitude(value) or 0):
            raise NotNumeric("a series whose bounds are not integers")
        if abs(value) > 1 << 40:
            raise TooComplex("a series whose bounds are too large")
        return int(MP.nint(value))

    def calculus(self, node: OfCalculus, depth: int) -> Scalar:
        value = self._calculus(node, self.values)
        size = magnitude(value)
        self.lost += _LOST_TO_CALCULUS
        self.hidden += abs(size or 0)
        if isinstance(node, Integral):
            for end in (node.low, node.high):
                if end not in (None, INFINITY, _MINUS_INFINITY):
                    self.cut_off(node, end, depth, size or 0)
        return value

    def cut_off(self, node: Integral, end: Node, depth: int, size: int) -> None:
        """Note how small the integrand is at an end: there, moving the end changes the integral just as little."""
        inner = _Evaluator({**self.values, node.variable: self.scalar(end, depth)}, self.real, self._calculus)
        try:
            there = magnitude(inner.value(node.body, depth + 1))
        except (Undefined, NotNumeric):
            return
        self.hidden += inner.hidden + (0 if there is None else max(size - there, 0))


@lru_cache(maxsize=256)
def _drawn(seed: bytes) -> tuple[int, int, int]:
    """Draw three numbers of ten digits from a seed."""
    source = random.Random(seed)
    return source.randrange(10**9, 9 * 10**9), source.randrange(10**9, 9 * 10**9), source.randrange(10**9, 9 * 10**9)


_TAILS: dict[str, Callable[[Real], Real]] = {
    **dict.fromkeys(("sinh", "cosh", "tanh", "coth", "sech", "csch"), lambda size: 3 * size),
    "erf": lambda size: 1.5 * size * size,
}
"""How many bits the tail of a function lies behind its value, for an argument of that size."""

_SMOOTH = frozenset(
    ("root", "abs", "max", "min", "Re", "Im", "conjugate", "norm", "det", "tr", "transpose", "dot", "cross")
)
"""Functions that hide and lose no more than their operands do, or that note it themselves."""

_OfScalar: TypeAlias = Callable[["_Evaluator", Scalar], Scalar]

_OF_MATRICES = frozenset(("det", "tr", "transpose", "norm", "abs", "dot", "cross"))


def _divisor(value: Value) -> Scalar:
    if isinstance(value, MP.matrix):
        raise NotNumeric("a division by a matrix")
    if value == 0:
        raise Undefined("a division by zero")
    return value


_GAMMA_BITS = 1_000
"""The precision up to which factorials of non-integers are computed. More takes seconds, once for each precision."""


def _bound_gamma(*values: Scalar) -> None:
    if MP.prec > _GAMMA_BITS and not all(MP.isint(value) for value in values):
        raise TooComplex("a factorial of a non-integer in too many digits")


def _factorial_by(compute: Callable[[Scalar], Scalar], largest: int) -> Callable[[_Evaluator, Value], Scalar]:
    """Return `compute` as a function of the evaluator, for operands up to `largest`."""

    def factorial(self: _Evaluator, a: Value) -> Scalar:
        if isinstance(a, MP.matrix):
            raise NotNumeric("a factorial of a matrix")
        if abs(a) > largest:
            raise TooComplex("a factorial too large to compute")
        _bound_gamma(a)
        WORK.charge(20 * self._price)
        try:
            value = compute(a)
        except ValueError:
            raise Undefined("a factorial of a negative integer") from None
        self.lost += max(magnitude(a) or 0, 0)
        return value

    return factorial


_FACTORIALS = {1: _factorial_by(MP.factorial, 10**12), 2: _factorial_by(MP.fac2, 10**6)}
"""By the step from factor to factor: `n!` and `n!!`."""


def _real_root(self: _Evaluator, a: Scalar, n: Scalar) -> Scalar:
    if n == 0:
        raise Undefined("a root of degree zero")
    if self.real and not isinstance(a, MP.mpc) and a < 0:
        if not isinstance(n, MP.mpc) and n == MP.nint(n) and abs(n) < 10**6 and int(n) % 2:
            return -((-a) ** (1 / n))
        raise Undefined("an even root of a negative number")
    if a == 0:
        return MP.mpf(0)
    return MP.sqrt(a) if n == 2 else a ** (1 / n)


def _log(self: _Evaluator, a: Scalar, base: Scalar | None = None) -> Scalar:
    if a == 0:
        raise Undefined("a logarithm of zero")
    if self.real and not isinstance(a, MP.mpc) and a < 0:
        raise Undefined("a logarithm of a negative number")
    if base is None:
        value = MP.log(_clean(self, a))
        return MP.mpf(0) if self.is_noise(value) else value
    bottom = _log(self, base)
    if bottom == 0:
        raise Undefined("a logarithm to base 1")
    return _log(self, a) / bottom


def _clean(self: _Evaluator, value: Scalar) -> Scalar:
    """Drop a real or imaginary part that is only rounding next to the other."""
    if not isinstance(value, MP.mpc):
        return value
    size = magnitude(value) or 0
    if self.is_noise(value.imag, size):
        return value.real
    return MP.mpc(0, value.imag) if self.is_noise(value.real, size) else value


def _part(take: Callable[[Scalar], Scalar]) -> _OfScalar:
    """Return a function that takes a part of a complex number after dropping rounding errors."""
    return lambda self, value: take(_clean(self, value))


def _bounded(function: Callable[[Scalar], Scalar]) -> _OfScalar:
    """Return the function, but refuse arguments so large that their reduction would take long."""

    def apply(_: _Evaluator, value: Scalar) -> Scalar:
        if (magnitude(value) or 0) > _MAX_FUNCTION_BITS:
            raise TooComplex("an argument too large to compute")
        return function(value)

    return apply


def _periodic(function: Callable[[Scalar], Scalar]) -> _OfScalar:
    """Return the function with exact zeros: `sin(pi)` is zero, whatever rounding says."""
    bounded = _bounded(function)

    def apply(self: _Evaluator, value: Scalar) -> Scalar:
        result = bounded(self, value)
        return MP.mpf(0) if self.is_noise(result, magnitude(value) or 0) else result

    return apply


_SINE, _COSINE = _periodic(MP.sin), _periodic(MP.cos)


def _over(numerator: _OfScalar, denominator: _OfScalar) -> _OfScalar:
    return lambda self, value: numerator(self, value) / _divisor(denominator(self, value))


def _one(_: _Evaluator, __: Scalar) -> Real:
    return MP.mpf(1)


def _inside(function: Callable[[Scalar], Scalar], allowed: Callable[[Real], bool]) -> _OfScalar:
    """Return the function, but refuse real arguments outside its domain, unless only rounding moved them there."""

    def apply(self: _Evaluator, value: Scalar) -> Scalar:
        if isinstance(value, MP.mpc):
            return function(value)
        for end in (1, -1):
            if self.is_noise(value - end):
                value = MP.mpf(end)
        if self.real and not allowed(value):
            raise Undefined("outside the domain")
        return function(value)

    return apply


def _nearest(self: _Evaluator, value: Scalar) -> Real:
    """Return the integer that a value is up to rounding, or else the value."""
    if isinstance(value, MP.mpc):
        value = _clean(self, value)
        if isinstance(value, MP.mpc):
            raise NotNumeric("a step function of a complex number")
    nearest = MP.nint(value)
    return nearest if self.is_noise(value - nearest, max(magnitude(value) or 0, 0)) else value


def _discrete(function: Callable[[Real], Real]) -> Callable[[_Evaluator, Scalar], Real]:
    """Return the step function, with values that are integers up to rounding snapped to them first."""
    return lambda self, value: function(_nearest(self, value))


def _remainder(self: _Evaluator, a: Scalar, m: Scalar) -> Scalar:
    return a - m * MP.floor(_nearest(self, a / _divisor(m)))


def _binomial_value(self: _Evaluator, n: Scalar, k: Scalar) -> Scalar:
    if abs(n) > 10**9 or abs(k) > 10**9:
        raise TooComplex("a binomial coefficient too large to compute")
    _bound_gamma(n, k)
    WORK.charge(30 * self._price)
    return MP.binomial(n, k)


def _arccot(value: Scalar) -> Scalar:
    return MP.pi / 2 - MP.atan(value)


def _extreme(choose: Callable[[list[Real]], Real]) -> Callable[..., Real]:
    def apply(self: _Evaluator, *values: Scalar) -> Real:
        cleaned = [_clean(self, value) for value in values]
        real = [value for value in cleaned if not isinstance(value, MP.mpc)]
        if not real or len(real) < len(cleaned):
            raise NotNumeric("a comparison of complex numbers")
        return choose(real)

    return apply


def _norm(value: Value) -> Real:
    if not isinstance(value, MP.matrix):
        return abs(value)
    if value.cols != 1 and value.rows != 1:
        raise NotNumeric("the absolute value of a matrix")
    return MP.norm(value)


def _square(value: Value) -> mpmath.matrix:
    if not isinstance(value, MP.matrix) or value.rows != value.cols:
        raise NotNumeric("the matrix is not square")
    return value


def _column(value: Value) -> mpmath.matrix:
    if not isinstance(value, MP.matrix) or (value.rows, value.cols) != (3, 1):
        raise NotNumeric("a vector product of something that is not a vector in space")
    return value


def _cross(a: mpmath.matrix, b: mpmath.matrix) -> mpmath.matrix:
    return MP.matrix([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _arbitrary(value: Scalar, rows: int, columns: int) -> mpmath.matrix:
    """Make a matrix from a letter's value, in which no relation holds by chance."""

    def cell(row: int, column: int) -> Scalar:
        return MP.cos((1 + row + 3 * column) * value + row * column) + value * (row + 1) / (column + 2)

    return MP.matrix([[cell(row, column) for column in range(columns)] for row in range(rows)])


FUNCTIONS: dict[str, Callable[..., Value]] = {
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
    "gamma": lambda self, a: _FACTORIALS[1](self, a - 1),
    "bar": lambda self, a: self.unknown("bar", [a]) if self.real else MP.conj(a),
    "det": lambda self, a: self.determinant(a),
    "tr": lambda self, a: self.trace(a),
    "transpose": lambda _, a: a.T if isinstance(a, MP.matrix) else a,
    "vector": lambda _, a: MP.matrix([a, MP.cos(2 * a + 1) + a / 3, MP.sin(3 * a + 2) - a / 2]),
    "unit": lambda _, place: MP.matrix([int(place == index) for index in range(3)]),
    "dot": lambda self, a, b: self.scalar_product(_column(a), _column(b)),
    "cross": lambda self, a, b: self.left_of_cells(
        (magnitude(a) or 0) + (magnitude(b) or 0), _cross(_column(a), _column(b))
    ),
    "square": lambda self, a: _arbitrary(a, self.size, self.size),
    "column": lambda self, a: _arbitrary(a, self.size, 1),
    "identity": lambda self: MP.eye(self.size),
}


def _integer(self: _Evaluator, value: Scalar) -> int:
    nearest = _nearest(self, value)
    if nearest != MP.nint(nearest):
        raise NotNumeric("a divisor of something that is not an integer")
    if (magnitude(nearest) or 0) > MP.prec - _NOISE_BITS:
        raise TooComplex("an integer too large for its divisors")
    return int(nearest)
