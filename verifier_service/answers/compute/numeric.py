"""Compute trees: exactly, as fractions, and in high-precision floating point at points of our choice.

Nothing is computed whose size is not bounded first: exponents, factorials, sums and precision have limits in `bounds`.
"""

import hashlib
import math
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath

from verifier_service.answers.tree.bounds import (
    MAX_EXACT_BITS,
    MAX_EXPONENT_LOG2,
    MAX_FACTORIAL,
    MAX_SUM_TERMS,
    MAX_TREE_DEPTH,
    NotMath,
    TooComplex,
)
from verifier_service.answers.tree.nodes import Node, free_symbols, substitute, walk

MP = mpmath.mp.clone()
"""A context of our own, so that nobody else's precision changes ours."""


class Undefined(ArithmeticError):
    """The expression has no value at this point: a division by zero, a logarithm of zero."""


class NotNumeric(NotMath):
    """The tree holds something that has no numeric value, such as a word or a set."""


# --- exact ------------------------------------------------------------------------------------------------------


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
        return Fraction(base_value(args[0], args[1]))
    if op == "sum" or op == "prod":
        return _exact_series(node)
    return None


def base_value(digits: str, base: int) -> Fraction:
    """Return the value of a literal in a base.

    Raises:
        NotMath: a digit is not below the base.
    """
    whole, _, part = digits.partition(".")
    total = Fraction(0)
    for digit in whole:
        value = int(digit, 36)
        if value >= base:
            raise NotMath(f"{digit} is not a digit in base {base}")
        total = total * base + value
    scale = Fraction(1)
    for digit in part:
        scale /= base
        total += int(digit, 36) * scale
    return total


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
    return _EXACT_FUNCTIONS[name](*values)


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
    "max": max,
    "min": min,
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
    return substitute(node, name, Node("num", (value, False)))


# --- floating point ---------------------------------------------------------------------------------------------


MAX_DIGITS_COMPARED = 4_000


def digits_needed(*nodes: Node) -> int:
    """Estimate how many digits tell two such expressions apart: 40, plus what literals, powers and factorials add.

    Raises:
        TooComplex: more than `MAX_DIGITS_COMPARED`, so that agreement in digits would prove nothing.
    """
    extra = 0.0
    for root in nodes:
        for node in walk(root):
            extra += _digits_of(node)
    if extra > MAX_DIGITS_COMPARED:
        raise TooComplex("numbers too large to be compared exactly")
    return 40 + int(extra)


def _digits_of(node: Node) -> float:
    if node.op == "num":
        return (node.args[0].numerator.bit_length() + node.args[0].denominator.bit_length()) / 3
    if node.op == "pow" and not free_symbols(node):
        try:
            with MP.workdps(15):
                base, power = evaluate(node.args[0], {}, False), evaluate(node.args[1], {}, False)
                if base == 0 or isinstance(base, MP.matrix):
                    return 0.0
                size = abs(power) * (abs(MP.log(abs(base))) / 2 + (1 if abs(base) > 1 else 0))
            return float(min(size, 10**9))
        except (NotNumeric, Undefined):
            return 0.0
    if node.op in ("fact", "fact2"):
        value = exact(node.args[0])
        return 0.0 if value is None else float(min(abs(value), 10**6)) * 3
    return 0.0


Calculus = Callable[[Node, Mapping[str, Any]], Any]
"""Computes a series without end, a limit, a derivative or an integral at a point."""


def _no_calculus(node: Node, _: Mapping[str, Any]) -> Any:
    raise NotNumeric(f"{node.op} is not computed here")


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


class _Evaluator:
    def __init__(self, values: Mapping[str, Any], real: bool, calculus: Calculus) -> None:
        self.values = values
        self.real = real
        self._calculus = calculus

    @property
    def size(self) -> int:
        """Choose the size of matrices that stand for all sizes: 2 or 3, by the point."""
        return 2 + int(abs(MP.re(sum(self.values.values()))) * 1000) % 2

    def value(self, node: Node, depth: int) -> Any:  # noqa: C901 -- a flat list of operators
        if depth > MAX_TREE_DEPTH:
            raise TooComplex("nested too deeply")
        op, args = node
        if op == "num":
            value = args[0]
            return MP.mpf(value.numerator) / value.denominator if value.denominator != 1 else MP.mpf(value.numerator)
        if op == "sym":
            if args[0] not in self.values:
                raise NotNumeric(f"no value for {args[0]}")
            return self.values[args[0]]
        if op == "const":
            return self.constant(args[0])
        if op in ("add", "mul"):
            return self.combine(op, [self.value(arg, depth + 1) for arg in args])
        if op in _ARITHMETIC:
            return _ARITHMETIC[op](self, *(self.value(arg, depth + 1) for arg in args))
        if op == "pow":
            return self.power(node, depth)
        if op == "fn":
            return self.function(args, depth)
        if op == "call":
            return self.unknown(args[0], [self.value(arg, depth + 1) for arg in args[1:]])
        if op in ("sum", "prod"):
            return self.series(node, depth)
        if op == "base":
            value = base_value(args[0], args[1])
            return MP.mpf(value.numerator) / value.denominator
        if op == "matrix":
            return MP.matrix([[self.scalar(cell, depth) for cell in row] for row in args])
        if op in ("int", "lim", "diff"):
            return self.calculus(node)
        raise NotNumeric(f"a {op} has no numeric value")

    def scalar(self, node: Node, depth: int) -> Any:
        value = self.value(node, depth + 1)
        if isinstance(value, MP.matrix):
            raise NotNumeric("a matrix inside a matrix")
        return value

    def constant(self, name: str) -> Any:
        if name == "inf":
            raise NotNumeric("infinity has no numeric value")
        return {"pi": MP.pi, "e": MP.e, "i": MP.mpc(0, 1)}[name] + 0

    @staticmethod
    def combine(op: str, values: list[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            if op == "add" and isinstance(total, MP.matrix) != isinstance(value, MP.matrix):
                raise NotNumeric("a matrix plus a number")
            try:
                total = total + value if op == "add" else total * value
            except ValueError as shapes:
                raise NotNumeric(f"matrices that do not fit: {shapes}") from None
        return total

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
        size = abs(exponent) * (abs(MP.log(abs(base))) + 4)
        if size > MAX_EXPONENT_LOG2:
            raise TooComplex("a power too large to be computed")
        if self.real and not isinstance(base, MP.mpc) and base < 0:
            rational = exact(exponent_node) if not free_symbols(exponent_node) else None
            if rational is None and not (isinstance(exponent, MP.mpf) and exponent == MP.nint(exponent)):
                raise Undefined("a negative base with a real exponent")
            if rational is not None and rational.denominator != 1:
                if rational.denominator % 2 == 0:
                    raise Undefined("an even root of a negative number")
                root = -((-base) ** (MP.mpf(1) / rational.denominator))
                return root**rational.numerator
            if rational is not None:
                return base ** int(rational)
            return base ** int(exponent)
        if not isinstance(exponent, MP.mpc) and exponent == MP.nint(exponent) and abs(exponent) < 10**6:
            return base ** int(exponent)
        return base**exponent

    @staticmethod
    def matrix_power(base: Any, exponent: Any) -> Any:
        if not isinstance(exponent, MP.matrix) and exponent == 2 and base.cols == 1:
            return sum(cell * cell for cell in base)
        if (
            isinstance(exponent, MP.matrix)
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
        try:
            value = FUNCTIONS[name](self, *values)
        except (ZeroDivisionError, OverflowError) as error:
            raise Undefined(f"{name}: {error}") from None
        except (TypeError, ValueError) as error:
            raise NotNumeric(f"{name}: {error}") from None
        if not isinstance(value, MP.matrix) and not MP.isfinite(value):
            raise Undefined(f"{name} is not finite")
        return value

    def unknown(self, name: str, values: list[Any]) -> Any:
        """Give an unknown function a fixed, arbitrary, smooth value: equal arguments give equal values."""
        total = MP.mpf(0)
        for place, value in enumerate(values):
            if isinstance(value, MP.matrix):
                raise NotNumeric("an unknown function of a matrix")
            seed = random.Random(hashlib.sha256(f"{name}/{place}".encode()).digest())
            a, b, c = (MP.mpf(seed.randrange(10**9, 9 * 10**9)) / 10**10 for _ in range(3))
            total += a * MP.cos(b * value + c) + value * b / (3 + place)
        return total

    def series(self, node: Node, depth: int) -> Any:
        body, variable, low, high = node.args
        if high.op == "const" and high.args[0] == "inf":
            return self.calculus(node)
        start, stop = self.value(low, depth + 1), self.value(high, depth + 1)
        if any(
            isinstance(v, MP.mpc | MP.matrix) or abs(v - MP.nint(v)) > MP.mpf(10) ** (-MP.dps + 10)
            for v in (start, stop)
        ):
            raise NotNumeric("a series whose bounds are not whole")
        if stop - start > MAX_SUM_TERMS:
            raise TooComplex(f"a series of more than {MAX_SUM_TERMS} terms")
        total = MP.mpf(0 if node.op == "sum" else 1)
        inner = _Evaluator({**self.values, variable: MP.mpf(0)}, self.real, self._calculus)
        for index in range(int(MP.nint(start)), int(MP.nint(stop)) + 1):
            inner.values[variable] = MP.mpf(index)  # type: ignore[index]
            term = inner.value(body, depth + 1)
            total = total + term if node.op == "sum" else total * term
        return total

    def calculus(self, node: Node) -> Any:
        return self._calculus(node, self.values)


def _divide(_: _Evaluator, a: Any, b: Any) -> Any:
    if isinstance(b, MP.matrix):
        raise NotNumeric("a division by a matrix")
    if b == 0 or abs(b) < MP.mpf(10) ** (-MP.dps + 8) * (1 + (0 if isinstance(a, MP.matrix) else abs(a))):
        raise Undefined("a division by zero")
    return a / b


def _factorial(_: _Evaluator, a: Any) -> Any:
    if isinstance(a, MP.matrix):
        raise NotNumeric("a factorial of a matrix")
    if abs(a) > 10**12:
        raise TooComplex("a factorial too large to be computed")
    try:
        return MP.factorial(a)
    except ValueError:
        raise Undefined("a factorial of a negative integer") from None


def _double_factorial(_: _Evaluator, a: Any) -> Any:
    if abs(a) > 10**6:
        raise TooComplex("a factorial too large to be computed")
    return MP.fac2(a)


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
        return MP.log(a)
    if base in (0, 1):
        raise Undefined("a logarithm to that base")
    return MP.log(a) / MP.log(base)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse arguments so large that their reduction would take long."""

    def apply(_: _Evaluator, *values: Any) -> Any:
        if any(abs(value) > MP.mpf(10) ** 2000 for value in values):
            raise TooComplex("an argument too large to be computed")
        return function(*values)

    return apply


def _inside(function: Callable[..., Any], allowed: Callable[[Any], bool]) -> Callable[..., Any]:
    """Refuse real arguments outside the real domain."""

    def apply(self: _Evaluator, value: Any) -> Any:
        if self.real and not isinstance(value, MP.mpc) and not allowed(value):
            raise Undefined("outside the domain")
        return function(value)

    return apply


def _discrete(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Snap a value that is a whole number but for rounding before a jump function sees it."""

    def apply(_: _Evaluator, value: Any) -> Any:
        if isinstance(value, MP.mpc):
            raise NotNumeric("a jump function of a complex number")
        nearest = MP.nint(value)
        return function(nearest if abs(value - nearest) < MP.mpf(10) ** (-MP.dps + 10) * (1 + abs(value)) else value)

    return apply


def _binomial_value(_: _Evaluator, n: Any, k: Any) -> Any:
    if abs(n) > 10**9 or abs(k) > 10**9:
        raise TooComplex("a binomial coefficient too large to be computed")
    return MP.binomial(n, k)


def _arccot(value: Any) -> Any:
    return MP.pi / 2 - MP.atan(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "root": _real_root,
    "log": lambda self, a, base=None: _log(self, a, base if base is not None else None),
    "ln": _log,
    "abs": lambda _, a: _norm(a),
    "norm": lambda _, a: _norm(a),
    "sin": _bounded(MP.sin),
    "cos": _bounded(MP.cos),
    "tan": _bounded(MP.tan),
    "cot": _bounded(lambda a: 1 / MP.tan(a)),
    "sec": _bounded(MP.sec),
    "csc": _bounded(MP.csc),
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
    "floor": _discrete(MP.floor),
    "ceil": _discrete(MP.ceil),
    "sign": lambda _, a: MP.sign(a),
    "binom": _binomial_value,
    "max": lambda _, *a: max(a),
    "min": lambda _, *a: min(a),
    "gcd": lambda _, *a: MP.mpf(math.gcd(*(_integer(v) for v in a))),
    "lcm": lambda _, *a: MP.mpf(math.lcm(*(_integer(v) for v in a))),
    "mod": lambda _, a, m: a - m * MP.floor(a / m),
    "Re": lambda _, a: MP.re(a),
    "Im": lambda _, a: MP.im(a),
    "arg": lambda _, a: MP.arg(a),
    "conjugate": lambda _, a: MP.conj(a),
    "erf": _bounded(MP.erf),
    "gamma": _bounded(MP.gamma),
    "bar": lambda self, a: self.unknown("bar", [a]) if self.real else MP.conj(a),
    "det": lambda _, a: MP.det(_square(a)),
    "tr": lambda _, a: sum(_square(a)[k, k] for k in range(a.rows)),
    "transpose": lambda _, a: a.T if isinstance(a, MP.matrix) else a,
    "vector": lambda _, a: MP.matrix([a, MP.cos(2 * a + 1) + a / 3, MP.sin(3 * a + 2) - a / 2]),
    "unit": lambda _, place: MP.matrix([int(place == index) for index in range(3)]),
    "dot": lambda _, a, b: sum(x * y for x, y in zip(_column(a), _column(b), strict=True)),
    "cross": lambda _, a, b: _cross(_column(a), _column(b)),
    "square": lambda self, a: _arbitrary(a, self.size, self.size),
    "column": lambda self, a: _arbitrary(a, self.size, 1),
    "identity": lambda self: MP.eye(self.size),
}

_OF_MATRICES = ("det", "tr", "transpose", "norm", "abs", "dot", "cross")


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


def _integer(value: Any) -> int:
    if value != MP.nint(value):
        raise NotNumeric("a divisor of what is not whole")
    return int(value)
