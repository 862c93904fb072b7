"""Compute what needs sympy: infinite series, limits, derivatives, integrals, inequalities, zeros of equations.

Trees become sympy objects node by node; sympy never gets text to parse. It runs only in workers that can be killed.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache, lru_cache
from types import FrameType
from typing import Any, TypeAlias

import sympy
from sympy.core.cache import clear_cache
from sympy.core.random import seed
from sympy.core.relational import Relational

from verifier_service.answers.compute import numeric
from verifier_service.answers.compute.context import MP, Real, Scalar, Value
from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import WORK, Budget, Measured, NotNumeric, OfCalculus, Undefined
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.nodes import (
    EULER,
    INFINITY,
    PI,
    Call,
    Constant,
    Degrees,
    Derivative,
    Factorial,
    Function,
    Integral,
    Limit,
    Negative,
    Node,
    Number,
    Percent,
    Power,
    Product,
    Quotient,
    Series,
    Sum,
    Symbol,
    free_symbols,
    number,
    substitute,
    walk,
)
from verifier_service.answers.tree.shape import operation

MAX_CALLS = 1_000_000
"""How many Python functions one comparison can call before the answer counts as not proved.

Work is counted, not timed, so that a slow or busy machine proves what an idle one proves. The limit is about a second
of CPU time, far below the limit at which a worker is killed.
"""

_NODE_CALLS = 10
"""What the value of one node of an integrand costs, in calls that take as long."""

_QUADRATURE_CALLS = 300_000
"""What one numeric integration can use of the budget, so that something is left for finding a closed form."""


class _OutOfCalls(BaseException):
    """Raised inside sympy to stop it. A BaseException, because sympy catches many kinds of ordinary exceptions."""


class _Count:
    """Counts the Python functions called inside it, and stops code that calls more than allowed.

    sympy starts with empty caches and the same random numbers each time, so that the same question takes the same work
    whatever was asked before. Only the numbering of its dummy symbols continues, which changes the work by about one
    percent.
    """

    def __init__(self, at_most: int) -> None:
        self.calls = 0
        self._at_most = at_most

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count while the code inside runs.

        Raises:
            TooComplex: it called more functions than allowed.
        """
        warm_up()
        clear_cache()
        seed(0)
        before = sys.getprofile()
        sys.setprofile(self._note)
        try:
            yield
        except _OutOfCalls:
            pass  # reported below, which also covers code inside that caught and swallowed it
        finally:
            sys.setprofile(before)
        if self.calls > self._at_most:
            raise TooComplex(f"sympy took more than {self._at_most} calls")

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.calls += 1
            if self.calls > self._at_most:
                raise _OutOfCalls


class _Calls(Budget):
    """The budget of calls inside sympy. Refilling it also refills the budget of floating point work."""

    def refill(self) -> None:
        """Start a new comparison."""
        super().refill()
        WORK.refill()

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        """Run the code inside on what is left of the budget.

        Raises:
            TooComplex: the budget is used up.
        """
        count = _Count(max(self.left, 0))
        try:
            with count.running():
                yield
        finally:
            self.left -= count.calls


BUDGET = _Calls(MAX_CALLS, "calls")


@cache
def warm_up() -> None:
    """Have sympy build the tables that it builds on first use, before any comparison is charged for them."""
    x, n = sympy.Symbol("x", real=True), sympy.Symbol("n", integer=True)
    sympy.limit(sympy.sin(x) / x, x, 0)
    sympy.integrate(sympy.cos(x) / (1 + x**2), (x, -sympy.oo, sympy.oo))
    sympy.integrate(x * sympy.sin(x), x)
    sympy.Sum(n * sympy.Rational(1, 3) ** n, (n, 1, sympy.oo)).doit()
    sympy.solveset(sympy.Lt((x - 1) / (x - 2), 0), x, sympy.S.Reals)


Piece: TypeAlias = tuple[Node, bool, Node, bool]
"""A part of the real line: its low end, whether that belongs to it, its high end, whether that belongs to it."""

_MINUS_INFINITY = Negative(INFINITY)
_LINE: Piece = (_MINUS_INFINITY, False, INFINITY, False)

_CONSTANTS: dict[str, sympy.Expr] = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}
_FUNCTIONS: dict[str, Callable[..., sympy.Expr]] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "arccot": sympy.acot, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth, "arsinh": sympy.asinh, "arcosh": sympy.acosh,
    "artanh": sympy.atanh, "ln": sympy.log, "log": sympy.log, "abs": sympy.Abs,
    "floor": sympy.floor, "ceil": sympy.ceiling,
    "sign": sympy.sign, "binom": sympy.binomial, "max": sympy.Max, "min": sympy.Min,
    "erf": sympy.erf, "gamma": sympy.gamma,
    "Re": sympy.re, "Im": sympy.im, "root": lambda a, n: a ** (1 / n),
}  # fmt: skip


def to_sympy(node: Node, real: bool = True) -> sympy.Expr:  # noqa: C901 -- a flat list of operations
    """Build the sympy object of an expression. Its variables are real unless `real` is false.

    Raises:
        NotNumeric: it contains something without a counterpart in sympy.
        TooComplex: a power in it is too large.
    """
    match node:
        case Number(value):
            return sympy.Rational(value.numerator, value.denominator)
        case Symbol(name):
            return sympy.Symbol(name, real=real)
        case Constant(name):
            return _CONSTANTS[name]
        case Sum(terms):
            return sympy.Add(*(to_sympy(term, real) for term in terms))
        case Product(factors):
            return sympy.Mul(*(to_sympy(factor, real) for factor in factors))
        case Negative(operand):
            return -to_sympy(operand, real)
        case Quotient(top, bottom):
            return to_sympy(top, real) / to_sympy(bottom, real)
        case Power(base, exponent):
            return _power(base, exponent, real)
        case Factorial(operand, step):
            return _factorial(operand, step, real)
        case Degrees(operand):
            return to_sympy(operand, real) * sympy.pi / 180
        case Percent(operand):
            return to_sympy(operand, real) / 100
        case Function(name, operands) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(to_sympy(operand, real) for operand in operands))
        case Series() | Integral() | Limit() | Derivative():
            return _of_calculus(node, real)
        case _:
            raise NotNumeric(f"a {operation(node)} has no counterpart in sympy")


def _factorial(operand: Node, step: int, real: bool) -> sympy.Expr:
    if (exact(operand) or 0) > 2000:
        raise TooComplex("a factorial too large to compute")
    return (sympy.factorial if step == 1 else sympy.factorial2)(to_sympy(operand, real))


def _power(base: Node, exponent: Node, real: bool) -> sympy.Expr:
    value, power = exact(base), exact(exponent)
    if power is not None and value is not None:
        size = max(value.numerator.bit_length(), value.denominator.bit_length())
        if abs(power) * size > 20_000:
            raise TooComplex("a power too large to compute")
    if power is None and not free_symbols(exponent) and isinstance(exponent, Power):
        raise TooComplex("a tower of powers")
    if power is not None and abs(power) > 200 and free_symbols(base):
        raise TooComplex("a power too large to expand")
    return to_sympy(base, real) ** to_sympy(exponent, real)


def _of_calculus(node: OfCalculus, real: bool) -> sympy.Expr:
    body = to_sympy(node.body, real)
    variable = sympy.Symbol(node.variable, real=real)
    match node:
        case Derivative():
            return sympy.diff(body, variable, node.order)
        case Limit():
            return sympy.limit(body, variable, to_sympy(node.point, real), "+" if node.point == INFINITY else "+-")
        case Integral(_, _, low, high):
            if low is None or high is None:
                return sympy.integrate(body, variable)
            return sympy.integrate(body, (variable, to_sympy(low, real), to_sympy(high, real)))
        case Series():
            counter = sympy.Symbol(node.variable, integer=True)
            bounds = (counter, to_sympy(node.low, real), to_sympy(node.high, real))
            over = sympy.Sum if node.kind == "sum" else sympy.Product
            return over(body.subs(variable, counter), bounds).doit()  # type: ignore[return-value] -- an Expr, not typed


_UNDONE = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative)


def _closed_form(node: OfCalculus) -> sympy.Expr | None:
    """Return sympy's value of a series, limit, derivative or integral, or None if it finds none."""
    if BUDGET.left <= 0:
        return None
    found, calls = _searched(node)
    try:
        BUDGET.charge(calls)
    except TooComplex:
        return None
    return found


@lru_cache(maxsize=256)
def _searched(node: OfCalculus) -> tuple[sympy.Expr | None, int]:
    """Search for a closed form with a whole budget, and return it with its cost.

    A remembered result is charged as if it were computed again. Otherwise, what can be proved would depend on what came
    before.
    """
    count = _Count(MAX_CALLS)
    try:
        with count.running():
            found = to_sympy(node)
    except (TooComplex, *_UNKNOWN_TO_SYMPY):
        return None, count.calls
    if found.has(*_UNDONE) or found in (sympy.oo, -sympy.oo, sympy.zoo, sympy.nan) or found.has(sympy.zoo, sympy.nan):
        return None, count.calls
    return found, count.calls


def calculus_value(node: OfCalculus, values: Mapping[str, Scalar]) -> Scalar:
    """Compute an infinite series, a limit, a derivative or an integral at a point, in the precision of `MP`.

    Raises:
        NotNumeric: no closed form was found, and numeric integration does not converge either.
    """
    if isinstance(node, Integral) and MP.dps <= _FEW_DIGITS:
        settled = _numeric_integral(node, values)
        if settled is not None:
            return settled
    found = _closed_form(node)
    if found is not None:
        return _value_of(found, values)
    if isinstance(node, Integral) and MP.dps > _FEW_DIGITS:
        settled = _numeric_integral(node, values)
        if settled is not None:
            return settled
    raise NotNumeric("no closed form was found")


_FEW_DIGITS = 120
"""With more digits than this, an integral is computed numerically only if it has no closed form."""

_MAX_DIGITS_INTEGRATED = 250  # with more digits, numeric integration is not tried
_DIGIT_CALLS = 200
"""What the nodes of one numeric integration cost per digit, in calls that take as long."""

_OF_CALCULUS = (Series, Integral, Limit, Derivative)
_UNKNOWN_TO_SYMPY = (TypeError, ValueError, AttributeError, ZeroDivisionError, NotImplementedError, RecursionError)


def _value_of(found: sympy.Expr, values: Mapping[str, Scalar]) -> Scalar:
    """Compute sympy's result at a point."""
    points: dict[sympy.Basic | complex, sympy.Basic | complex] = {
        sympy.Symbol(name, real=True): _rational(value) for name, value in values.items()
    }
    try:
        with BUDGET.spend():
            result: Any = found.subs(points)
            real, imaginary = (part.evalf(MP.dps + 5) for part in result.evalf(MP.dps + 5).as_real_imag())
    except _UNKNOWN_TO_SYMPY as error:
        raise NotNumeric(f"sympy does not compute it: {error}") from None
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        raise Undefined("no value here")
    a, b = MP.mpf(str(real)), MP.mpf(str(imaginary))
    return a if abs(b) < MP.mpf(10) ** (-MP.dps + 8) * (1 + abs(a)) else MP.mpc(a, b)


def evaluate(node: Node, values: Mapping[str, Scalar], real: bool = True) -> Value:
    """Compute an expression at a point; see `numeric.evaluate`."""
    return numeric.evaluate(node, values, real, calculus_value)


def measure(node: Node, values: Mapping[str, Scalar], real: bool = True) -> Measured:
    """Compute an expression at a point and report how much of it the precision shows; see `numeric.measure`."""
    return numeric.measure(node, values, real, calculus_value)


def _rational(value: Scalar) -> sympy.Expr:
    if isinstance(value, MP.mpc):
        return sympy.Float(str(value.real), MP.dps + 5) + sympy.I * sympy.Float(str(value.imag), MP.dps + 5)
    return sympy.Float(str(value), MP.dps + 5)


def _numeric_integral(node: Integral, values: Mapping[str, Scalar]) -> Scalar | None:
    """Integrate numerically.

    Returns:
        None if the integral is indefinite, or two precisions disagree, as they do for an integrand with jumps.
    """
    body, low, high = node.body, node.low, node.high
    if low is None or high is None:
        return None
    if MP.dps > _MAX_DIGITS_INTEGRATED or any(isinstance(part, _OF_CALCULUS) for part in walk(body)):
        return None
    BUDGET.charge(MP.dps * _DIGIT_CALLS)
    cost = _NODE_CALLS * sum(1 for _ in walk(body))
    results: list[tuple[Scalar, Real]] = []
    for precision in (MP.dps, MP.dps + 15):
        left = _QUADRATURE_CALLS

        def integrand(x: Real) -> Scalar:
            nonlocal left
            left -= cost
            BUDGET.charge(cost)
            if left < 0:
                raise TooComplex(f"more than {_QUADRATURE_CALLS // cost} values of an integrand")
            value = evaluate(body, {**values, node.variable: x})
            if isinstance(value, MP.matrix):
                raise NotNumeric("an integral of a matrix")
            return value

        with MP.workdps(precision):
            try:
                ends = [_end(end, values) for end in (low, high)]
                results.append(MP.quad(integrand, ends, error=True))
            except (NotNumeric, TooComplex, ValueError, ArithmeticError):
                return None
    (first, error), (second, _) = results
    if abs(first - second) > MP.mpf(10) ** (-MP.dps + 8) * (1 + abs(first)) or error > MP.mpf(10) ** (-MP.dps + 8):
        return None
    return second


def _end(node: Node, values: Mapping[str, Scalar]) -> Scalar:
    if node == INFINITY:
        return MP.inf
    if node == _MINUS_INFINITY:
        return -MP.inf
    value = evaluate(node, values)
    if isinstance(value, MP.matrix):
        raise NotNumeric("a matrix as a bound")
    return value


def same_zeros(left: Node, right: Node) -> bool:
    """Decide whether two polynomial or rational expressions have the same irreducible factors with the same powers.

    If so, they vanish together.
    """
    try:
        with BUDGET.spend():
            first, second = _factors(left), _factors(right)
    except (NotNumeric, sympy.PolynomialError, *_UNKNOWN_TO_SYMPY):
        return False
    return first is not None and first == second


def _factors(node: Node) -> frozenset[tuple[sympy.Expr, int]] | None:
    expression = sympy.together(to_sympy(node))
    numerator: Any = sympy.fraction(expression)[0]
    names = sorted(numerator.free_symbols, key=str)
    if not names or not numerator.is_polynomial(*names):
        return None
    if sympy.Poly(numerator, *names).total_degree() > 20:
        raise TooComplex("a polynomial of high degree")
    factors: Any = sympy.factor_list(numerator, *names)[1]
    # A factor and its negative vanish together, so both get the sign that sympy considers negative.
    return frozenset((factor.as_expr() if factor.as_expr().could_extract_minus_sign() else -factor.as_expr(), power)
                     for factor, power in factors if factor.free_symbols)  # fmt: skip


_MAX_RESULTANT_DEGREE = 8  # bounds sympy's work


def resultant(one: Node, other: Node, variable: str) -> int | None:
    """Return the resultant of two polynomials with integer coefficients, or None if they are not, or of high degree."""
    try:
        with BUDGET.spend():
            name = sympy.Symbol(variable, real=True)
            polynomials = [sympy.Poly(to_sympy(node), name) for node in (one, other)]
            if any(poly.degree() > _MAX_RESULTANT_DEGREE or not poly.domain.is_ZZ for poly in polynomials):
                return None
            return int(sympy.resultant(*polynomials))
    except (NotNumeric, sympy.PolynomialError, *_UNKNOWN_TO_SYMPY):
        return None


def solve_inequality(difference: Node, operator: str, variable: str) -> list[Piece] | None:
    """Solve `difference operator 0` over the reals. Return None if that fails."""
    linear = _linear(difference, variable)
    if linear is not None:
        return _solve_linear(*linear, operator)
    try:
        with BUDGET.spend():
            found = _solve(difference, operator, variable)
    except (NotNumeric, sympy.PolynomialError, *_UNKNOWN_TO_SYMPY):
        return None
    return found


def _linear(node: Node, variable: str) -> tuple[Fraction, Fraction] | None:
    """Return slope and intercept of an expression that is linear with rational coefficients, or None."""
    if any(
        isinstance(part, (Function, Power, Factorial, Call)) and variable in free_symbols(part) for part in walk(node)
    ):
        return None
    # Four points: a rational function could pass through three points of a line.
    values = [exact(substitute(node, variable, number(at))) for at in (0, 1, 2, 5)]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    start, one, two, five = known
    slope = one - start
    if two - one != slope or five - start != 5 * slope or slope == 0:
        return None
    return slope, start


def _solve_linear(slope: Fraction, start: Fraction, operator: str) -> list[Piece]:
    end = number(-start / slope)
    if operator == "=":
        return [(end, True, end, True)]
    if operator == "!=":
        return [(_MINUS_INFINITY, False, end, False), (end, False, INFINITY, False)]
    upward = operator.startswith(">") == (slope > 0)
    closed = operator.endswith("=")
    return [(end, closed, INFINITY, False)] if upward else [(_MINUS_INFINITY, False, end, closed)]


def _solve(difference: Node, operator: str, variable: str) -> list[Piece] | None:
    name = sympy.Symbol(variable, real=True)
    expression = to_sympy(difference)
    relation: Relational = {
        "<": sympy.Lt,
        "<=": sympy.Le,
        ">": sympy.Gt,
        ">=": sympy.Ge,
        "!=": sympy.Ne,
        "=": sympy.Eq,
    }[operator](expression, 0)
    if relation in (sympy.true, sympy.false):
        return [_LINE] if relation == sympy.true else []
    found = sympy.solveset(relation, name, sympy.S.Reals)
    return _pieces(found)


def _pieces(found: sympy.Basic) -> list[Piece] | None:
    if found is sympy.S.EmptySet:
        return []
    if found is sympy.S.Reals:
        return [_LINE]
    if isinstance(found, sympy.Interval):
        low, high = from_sympy(found.start), from_sympy(found.end)
        return None if low is None or high is None else [(low, not found.left_open, high, not found.right_open)]
    if isinstance(found, sympy.FiniteSet):
        points = _all_from_sympy(found)
        return None if points is None else [(point, True, point, True) for point in points]
    if isinstance(found, sympy.Union):
        parts = [_pieces(part) for part in found.args]
        return None if None in parts else [piece for part in parts for piece in part or []]
    return None


def from_sympy(value: sympy.Basic) -> Node | None:
    """Return the tree of a real constant found by sympy, or None."""
    if value is sympy.oo:
        return INFINITY
    if value is -sympy.oo:
        return _MINUS_INFINITY
    if value is sympy.pi:
        return PI
    if value is sympy.E:
        return EULER
    if isinstance(value, sympy.Rational):
        return number(Fraction(int(value.p), int(value.q)))
    parts = _all_from_sympy(value.args)
    if parts is None:
        return None
    if isinstance(value, sympy.Add):
        return Sum(parts)
    if isinstance(value, sympy.Mul):
        return Product(parts)
    if isinstance(value, sympy.Pow):
        return Power(*parts)
    for name, function in _FUNCTIONS.items():
        if isinstance(function, type) and isinstance(value, function):
            return Function(name, parts)
    return None


def _all_from_sympy(values: Iterable[sympy.Basic]) -> tuple[Node, ...] | None:
    """Return the trees of all values, or None if one has none."""
    trees = [from_sympy(value) for value in values]
    known = [tree for tree in trees if tree is not None]
    return tuple(known) if len(known) == len(trees) else None
