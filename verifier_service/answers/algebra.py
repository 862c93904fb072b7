"""What needs sympy: series without end, limits, derivatives, integrals, solutions of inequalities, zeros of equations.

Trees become sympy objects node by node; no text is ever given to sympy. It runs only in workers that can be killed.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.relational import Relational

from verifier_service.answers.bounds import TooComplex
from verifier_service.answers.nodes import EULER, IMAGINARY, INFINITY, PI, Node, free_symbols, number, walk
from verifier_service.answers.numeric import MP, NotNumeric, Undefined, evaluate, exact

SYMPY_BUDGET_S = 0.8
"""CPU seconds of sympy for one comparison; then the answer counts as not proved. The worker's own limit is the hard
one."""


_QUADRATURE_BUDGET_S = 0.25


class _OutOfTime(BaseException):
    """Raised inside sympy, which catches ordinary exceptions of many kinds for its own purposes."""


class _Budget:
    """What is left of the CPU time that sympy may use for one comparison."""

    def __init__(self) -> None:
        self.left_s = SYMPY_BUDGET_S

    def refill(self) -> None:
        """Start a new comparison."""
        self.left_s = SYMPY_BUDGET_S

    @contextlib.contextmanager
    def spend(self, at_most_s: float = SYMPY_BUDGET_S) -> Iterator[None]:
        """Run the code inside on the budget; only a main thread can be interrupted, others run unlimited.

        Raises:
            TooComplex: the budget is used up.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        if self.left_s <= 0.001:
            raise TooComplex(f"sympy took more than {SYMPY_BUDGET_S} s")
        before = signal.signal(signal.SIGVTALRM, _stop)
        share_s = min(self.left_s, at_most_s)
        signal.setitimer(signal.ITIMER_VIRTUAL, share_s)
        try:
            yield
        except _OutOfTime:
            raise TooComplex(f"sympy took more than {SYMPY_BUDGET_S} s") from None
        finally:
            self.left_s -= share_s - signal.setitimer(signal.ITIMER_VIRTUAL, 0)[0]
            signal.signal(signal.SIGVTALRM, before)


def _stop(number: int, frame: object) -> None:
    raise _OutOfTime


BUDGET = _Budget()

_CONSTANTS = {PI: sympy.pi, EULER: sympy.E, IMAGINARY: sympy.I, INFINITY: sympy.oo}
_FUNCTIONS: dict[str, Any] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "arccot": sympy.acot, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth, "arsinh": sympy.asinh, "arcosh": sympy.acosh,
    "artanh": sympy.atanh, "ln": sympy.log, "log": sympy.log, "abs": sympy.Abs,
    "floor": sympy.floor, "ceil": sympy.ceiling,
    "sign": sympy.sign, "binom": sympy.binomial, "max": sympy.Max, "min": sympy.Min,
    "erf": sympy.erf, "gamma": sympy.gamma,
    "Re": sympy.re, "Im": sympy.im, "root": lambda a, n: a ** (1 / n),
}  # fmt: skip
_ARITHMETIC: dict[str, Any] = {
    "neg": lambda a: -a,
    "div": lambda a, b: a / b,
    "fact": sympy.factorial,
    "fact2": sympy.factorial2,
    "deg": lambda a: a * sympy.pi / 180,
    "percent": lambda a: a / 100,
}


def to_sympy(node: Node, real: bool = True) -> Any:
    """Build the sympy object of an expression; its variables are real.

    Raises:
        NotNumeric: it holds what has no counterpart.
        TooComplex: a power in it is too large to be built.
    """
    op, args = node
    if op == "num":
        return sympy.Rational(args[0].numerator, args[0].denominator)
    if op == "sym":
        return sympy.Symbol(args[0], real=real)
    if op == "const":
        return _CONSTANTS[node]
    if op in ("add", "mul"):
        parts = [to_sympy(arg, real) for arg in args]
        return sympy.Add(*parts) if op == "add" else sympy.Mul(*parts)
    if op == "pow":
        return _power(args[0], args[1], real)
    if op in _ARITHMETIC:
        if op in ("fact", "fact2") and (exact(args[0]) or 0) > 2000:
            raise TooComplex("a factorial too large to be computed")
        return _ARITHMETIC[op](*(to_sympy(arg, real) for arg in args))
    if op == "fn" and args[0] in _FUNCTIONS:
        return _FUNCTIONS[args[0]](*(to_sympy(arg, real) for arg in args[1:]))
    if op in ("sum", "prod", "int", "lim", "diff"):
        return _operator(node, real)
    raise NotNumeric(f"sympy is not asked about a {op}")


def _power(base: Node, exponent: Node, real: bool) -> Any:
    value, power = exact(base), exact(exponent)
    if power is not None and value is not None:
        size = max(value.numerator.bit_length(), value.denominator.bit_length())
        if abs(power) * size > 20_000:
            raise TooComplex("a power too large to be computed")
    if power is None and not free_symbols(exponent) and exponent.op == "pow":
        raise TooComplex("a tower of powers")
    if power is not None and abs(power) > 200 and free_symbols(base):
        raise TooComplex("a power too large to be expanded")
    return to_sympy(base, real) ** to_sympy(exponent, real)


def _operator(node: Node, real: bool) -> Any:
    body = to_sympy(node.args[0], real)
    variable = sympy.Symbol(node.args[1], real=real)
    if node.op == "diff":
        return sympy.diff(body, variable, node.args[2])
    if node.op == "lim":
        return sympy.limit(
            body, variable, to_sympy(node.args[2], real), "+-" if node.args[2] not in (INFINITY,) else "+"
        )
    low, high = node.args[2], node.args[3]
    if node.op == "int":
        bounds = (variable,) if low is None else (variable, to_sympy(low, real), to_sympy(high, real))
        return sympy.integrate(body, bounds if low is not None else variable)
    counter = sympy.Symbol(node.args[1], integer=True)
    body = body.subs(variable, counter)
    bounds = (counter, to_sympy(low, real), to_sympy(high, real))
    return sympy.Sum(body, bounds).doit() if node.op == "sum" else sympy.Product(body, bounds).doit()


_UNDONE = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative)


@lru_cache(maxsize=256)
def _closed_form(node: Node) -> Any:
    """Return the sympy value of a series, limit, derivative or integral, or None where it finds none."""
    try:
        with BUDGET.spend():
            found = to_sympy(node)
    except (TooComplex, NotImplementedError, ValueError, TypeError, ZeroDivisionError, AttributeError, RecursionError):
        return None
    if found.has(*_UNDONE) or found in (sympy.oo, -sympy.oo, sympy.zoo, sympy.nan) or found.has(sympy.zoo, sympy.nan):
        return None
    return found


def calculus_value(node: Node, values: Mapping[str, Any]) -> Any:
    """Compute a series without end, a limit, a derivative or an integral at a point, in the precision of `MP`.

    Raises:
        NotNumeric: no closed form was found, and numeric integration does not settle either.
    """
    if node.op == "int" and node.args[2] is not None:
        settled = _numeric_integral(node, values)
        if settled is not None:
            return settled
    found = _closed_form(node)
    if found is None:
        raise NotNumeric("no closed form was found")
    points = {sympy.Symbol(name, real=True): _rational(value) for name, value in values.items()}
    result = found.subs(points).evalf(MP.dps + 5)
    real, imaginary = result.as_real_imag()
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        raise Undefined("no value here")
    a, b = MP.mpf(str(real.evalf(MP.dps + 5))), MP.mpf(str(imaginary.evalf(MP.dps + 5)))
    return a if abs(b) < MP.mpf(10) ** (-MP.dps + 8) * (1 + abs(a)) else MP.mpc(a, b)


def _rational(value: Any) -> Any:
    if isinstance(value, MP.mpc):
        return sympy.Float(str(value.real), MP.dps + 5) + sympy.I * sympy.Float(str(value.imag), MP.dps + 5)
    return sympy.Float(str(value), MP.dps + 5)


def _numeric_integral(node: Node, values: Mapping[str, Any]) -> Any:
    """Integrate numerically; None where two precisions do not agree, as for an integrand with jumps."""
    body, variable, low, high = node.args
    if any(part.op in ("int", "lim", "sum", "prod", "diff") for part in walk(body)):
        return None
    results = []
    for precision in (MP.dps, MP.dps + 15):
        with MP.workdps(precision):
            try:
                with BUDGET.spend(_QUADRATURE_BUDGET_S):
                    ends = [_end(end, values) for end in (low, high)]
                    results.append(MP.quad(lambda x: evaluate(body, {**values, variable: x}), ends, error=True))
            except (NotNumeric, TooComplex, ValueError, ArithmeticError):
                return None
    (first, error), (second, _) = results
    if abs(first - second) > MP.mpf(10) ** (-MP.dps + 8) * (1 + abs(first)) or error > MP.mpf(10) ** (-MP.dps + 8):
        return None
    return second


def _end(node: Node, values: Mapping[str, Any]) -> Any:
    if node == INFINITY:
        return MP.inf
    if node.op == "neg" and node.args[0] == INFINITY:
        return -MP.inf
    return evaluate(node, values)


def same_zeros(left: Node, right: Node) -> bool:
    """Decide whether two polynomial or rational expressions vanish together: the same irreducible factors, same
    powers."""
    try:
        with BUDGET.spend():
            first, second = _factors(left), _factors(right)
    except (NotNumeric, sympy.PolynomialError, NotImplementedError):
        return False
    return first is not None and first == second


def _factors(node: Node) -> frozenset[Any] | None:
    expression = sympy.together(to_sympy(node))
    numerator: Any = sympy.fraction(expression)[0]
    names = sorted(numerator.free_symbols, key=str)
    if not names or not numerator.is_polynomial(*names):
        return None
    if sympy.Poly(numerator, *names).total_degree() > 20:
        raise TooComplex("a polynomial of high degree")
    factors: Any = sympy.factor_list(numerator, *names)[1]
    return frozenset((factor.as_expr() if factor.as_expr().could_extract_minus_sign() else -factor.as_expr(), power)
                     for factor, power in factors if factor.free_symbols)  # fmt: skip


def solve_inequality(difference: Node, operator: str, variable: str) -> list[tuple[Node, bool, Node, bool]] | None:
    """Solve `difference operator 0` over the reals; None where it is not solved.

    Returns pieces (low, low_closed, high, high_closed).
    """
    linear = _linear(difference, variable)
    if linear is not None:
        return _solve_linear(*linear, operator)
    try:
        with BUDGET.spend():
            found = _solve(difference, operator, variable)
    except (NotImplementedError, NotNumeric, ValueError, TypeError, sympy.PolynomialError, AttributeError):
        return None
    return found


def _linear(node: Node, variable: str) -> tuple[Fraction, Fraction] | None:
    """Return slope and intercept where the expression is linear with rational coefficients."""
    from verifier_service.answers.nodes import substitute

    if any(
        part.op in ("fn", "pow", "fact", "call", "div") and variable in free_symbols(part) and part.op != "div"
        for part in walk(node)
    ):
        return None
    values = [exact(substitute(node, variable, number(Fraction(at)))) for at in (0, 1, 2, 5)]
    if any(value is None for value in values):
        return None
    start, one, two, five = values
    slope = one - start  # type: ignore[operator]
    if two - one != slope or five - start != 5 * slope or slope == 0:  # type: ignore[operator]
        return None
    return slope, start  # type: ignore[return-value]


def _solve_linear(slope: Fraction, start: Fraction, operator: str) -> list[tuple[Node, bool, Node, bool]]:
    end = number(-start / slope)
    if operator == "=":
        return [(end, True, end, True)]
    minus_infinity = Node("neg", (INFINITY,))
    if operator == "!=":
        return [(minus_infinity, False, end, False), (end, False, INFINITY, False)]
    upward = operator.startswith(">") == (slope > 0)
    closed = operator.endswith("=")
    return [(end, closed, INFINITY, False)] if upward else [(minus_infinity, False, end, closed)]


def _solve(difference: Node, operator: str, variable: str) -> list[tuple[Node, bool, Node, bool]] | None:
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
        return [(Node("neg", (INFINITY,)), False, INFINITY, False)] if relation == sympy.true else []
    found = sympy.solveset(relation, name, sympy.S.Reals)
    return _pieces(found)


def _pieces(found: Any) -> list[tuple[Node, bool, Node, bool]] | None:
    if found is sympy.S.EmptySet:
        return []
    if found is sympy.S.Reals:
        return [(Node("neg", (INFINITY,)), False, INFINITY, False)]
    if isinstance(found, sympy.Interval):
        low, high = from_sympy(found.start), from_sympy(found.end)
        return None if low is None or high is None else [(low, not found.left_open, high, not found.right_open)]
    if isinstance(found, sympy.FiniteSet):
        points = [from_sympy(point) for point in found]
        return None if None in points else [(point, True, point, True) for point in points if point is not None]
    if isinstance(found, sympy.Union):
        parts = [_pieces(part) for part in found.args]
        return None if None in parts else [piece for part in parts for piece in part or []]
    return None


def from_sympy(value: Any) -> Node | None:
    """Return the tree of a real constant that sympy found."""
    if value is sympy.oo:
        return INFINITY
    if value is -sympy.oo:
        return Node("neg", (INFINITY,))
    if value is sympy.pi:
        return PI
    if value is sympy.E:
        return EULER
    if value.is_Rational:
        return number(Fraction(int(value.p), int(value.q)))
    if value.is_Add or value.is_Mul or value.is_Pow:
        parts = [from_sympy(part) for part in value.args]
        if None in parts:
            return None
        return Node({"Add": "add", "Mul": "mul", "Pow": "pow"}[value.func.__name__], tuple(parts))
    for name, function in _FUNCTIONS.items():
        if isinstance(function, type) and isinstance(value, function):
            parts = [from_sympy(part) for part in value.args]
            return None if None in parts else Node("fn", (name, *parts))
    return None
