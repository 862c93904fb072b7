"""Draw the points at which expressions with letters are compared. They cannot be predicted without the secret.

The points are drawn from the secret and both trees, regardless of their order, so that a pair always gets the same
ones. They cover many magnitudes and both signs, and lie on both sides of every number that occurs. On straight lines,
they lie in every interval between the zeros of whatever makes an expression bend, jump or end: the operands of absolute
values, maxima, roots and logarithms.
"""

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from verifier_service.answers.compute.context import MP, Real, Scalar
from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import NotNumeric, Undefined, evaluate
from verifier_service.answers.compute.secret import secret
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    IMAGINARY,
    INFINITY,
    Constant,
    Derivative,
    Factorial,
    Function,
    Integral,
    Limit,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Series,
    Sum,
    Symbol,
    children,
    free_symbols,
    number,
    walk,
)

Point: TypeAlias = dict[str, Scalar]


class Corner(Point):
    """A point where something can jump or bend: there, equal expressions can differ, or one can have no value."""


def source_for(left: Node, right: Node) -> random.Random:
    """Return random numbers for a pair of trees, regardless of their order."""
    digests = sorted(hashlib.sha256(_spelled(node).encode()).digest() for node in (left, right))
    return random.Random(hashlib.sha256(secret() + b"".join(digests)).digest())


def _spelled(item: object) -> str:
    """Write a tree out, with numbers in hexadecimal because Python refuses to print long decimal ones."""
    if isinstance(item, Fraction):
        return f"{item.numerator:x}/{item.denominator:x}"
    if isinstance(item, tuple):
        return f"({','.join(map(_spelled, item))})"
    names: tuple[str, ...] | None = getattr(item, "__match_args__", None)
    if names is None:
        return repr(item)
    return f"{type(item).__name__}({','.join(_spelled(getattr(item, name)) for name in names)})"


# --- what a letter stands for -----------------------------------------------------------------------------------

# Letters that by custom stand for integers, and those of them that count.
_WHOLE_NAMES = frozenset("nmkjlipqrNMKsd")
_COUNTING = frozenset("nmk")
_COMPLEX_NAMES = ("z", "w", "zeta", "omega")
_COMPLEX_PARTS = frozenset(("conjugate", "Re", "Im", "arg"))
_WAVES = frozenset(("sin", "cos", "tan", "cot", "sec", "csc", "floor", "ceil", "mod"))
_STEPS = frozenset(("floor", "ceil"))
_JUMPS = frozenset(("floor", "ceil", "mod", "binom"))


@dataclass(frozen=True)
class Letters:
    """The letters of two expressions, and what they stand for.

    `whole` letters are integers only, `often_whole` ones sometimes, and `complex` ones are complex numbers.
    """

    names: tuple[str, ...]
    whole: frozenset[str] = frozenset()
    often_whole: frozenset[str] = frozenset()
    complex: frozenset[str] = frozenset()
    real: bool = True
    """Whether the real branches of roots and logarithms are meant."""


def letters_of(left: Node, right: Node) -> Letters:
    """Find out what the letters of two expressions stand for, regardless of the order of the two."""
    names = free_symbols(left) | free_symbols(right)
    whole = frozenset(name for name in names if _is_whole(name, left, right))
    often = frozenset[str]().union(
        *(free_symbols(part) for part in (*walk(left), *walk(right)) if _is_factorial(part) or _is(part, _JUMPS))
    )
    beyond = _complex_letters(left, right, names) - whole
    imaginary = any(part == IMAGINARY for node in (left, right) for part in walk(node))
    return Letters(
        tuple(sorted(names)),
        whole,
        often & names - whole,
        beyond,
        not (beyond or imaginary),
    )


def _is(node: Node, functions: frozenset[str]) -> bool:
    return isinstance(node, Function) and node.name in functions


def _is_factorial(node: Node) -> bool:
    return isinstance(node, Factorial) and node.step == 1


def _is_whole(name: str, left: Node, right: Node) -> bool:
    """Return whether a letter stands for integers only.

    Both sides must need that, or have a step function of a letter that always counts: n, m, k. Or one side needs it,
    and neither has a wave or jump of that letter that could make it another function between the integers. By the
    custom of what n stands for, `cos(n pi)` equals `(-1)^n`.
    """
    needs = [_needs_whole(node, name) for node in (left, right)]
    if all(needs):
        return True
    if name in _COUNTING and all(_jumps(node, name) for node in (left, right)):
        return True
    if not any(needs):
        return False
    needing, other = (left, right) if needs[0] else (right, left)
    if _waves(needing, name):
        return False
    return not _waves(other, name) or name.partition("_")[0] in _WHOLE_NAMES


def _jumps(node: Node, name: str) -> bool:
    """Return whether a letter stands under a floor or a ceiling."""
    return any(_is(part, _STEPS) and name in free_symbols(part) for part in walk(node))


def _needs_whole(node: Node, name: str) -> bool:
    """Return whether a letter must be an integer for an expression to have a value: a series's bound, a power of -1."""
    for part in walk(node):
        match part:
            case Series():
                if _bounds(part, name):
                    return True
            case Factorial(step=2) | Function("gcd" | "lcm"):
                if name in free_symbols(part):
                    return True
            case Power(below, above) if name in free_symbols(above) and not free_symbols(below):
                base = exact(below)
                if base is not None and base < 0:
                    return True
            case _:
                pass
    return False


def _bounds(node: Series, name: str) -> bool:
    """Return whether a letter stands in a bound of a series."""
    return name in free_symbols(node.low) or name in free_symbols(node.high)


def _waves(node: Node, name: str) -> bool:
    """Return whether a letter stands in a sine, a jump or an imaginary power, except in a series that it bounds."""
    if name not in free_symbols(node):
        return False
    if isinstance(node, Series) and _bounds(node, name):
        return False
    if _is(node, _WAVES):
        return True
    if isinstance(node, Power) and name in free_symbols(node.exponent) and IMAGINARY in walk(node.exponent):
        return True
    return any(_waves(child, name) for child in children(node))


def _complex_letters(left: Node, right: Node, names: frozenset[str]) -> frozenset[str]:
    """Return the complex letters: z and w among complex numbers, and those in a conjugate, a real part or the like."""
    found: frozenset[str] = frozenset()
    among = False
    for part in (*walk(left), *walk(right)):
        if _is(part, _COMPLEX_PARTS):
            among = True
            if IMAGINARY not in walk(part):
                found |= free_symbols(part)
        elif part == IMAGINARY or (_is(part, frozenset(("abs", "norm"))) and not {"x", "y"} & names):
            among = True
    if among:
        found |= {name for name in names if name.partition("_")[0].strip("0123456789") in _COMPLEX_NAMES}
    return found


# --- points -----------------------------------------------------------------------------------------------------

_SCALES = (1, 3, 0.06, 9, 45, 0.4, 300, 2500, 1, 100_000)
"""Magnitudes of real values, the cheapest first."""

_WHOLE_SCALES = (4, 9, 2, 14, 30, 6, 60, 150, 4, 400)  # the same for integers, which are drawn from 1 up to these
_MOST_TERMS = 400  # how long a series can get by the value drawn for its bound
_MAX_CONSTANTS = 16  # of more numbers, the smallest and the largest are used
_MAX_POWER = 400  # numbers above 10^400 get no points of their own
_LINES = 3  # on how many lines an expression in several letters is compared
_FAR = (1e9, 1e25, 1e60)  # magnitudes far beyond the numbers that occur
_SMALL = 0.01  # a number below this may be a width, so points are drawn within it too
_FEW = 3  # how many small numbers get such points
_IN_A_ROW = 12  # how many consecutive integers are compared: periods up to this are seen whole
_MAX_COUNTED = 8  # next to how many numbers integers are drawn
_TOGETHER = 64  # up to so many pairs of places, all are drawn; otherwise some


@dataclass
class _Draw:
    """Draws points for two expressions."""

    letters: Letters
    source: random.Random
    constants: list[Real] = field(default_factory=list)
    most: int = _MOST_TERMS
    corners: bool = True
    """Whether letters can be put exactly where something jumps, and far out. Not if they fill the cells of a matrix."""

    def fraction(self) -> Real:
        """Return a number between 0 and 1 with more digits than any number that occurs by chance."""
        return (MP.mpf(self.source.getrandbits(110)) + 1) / (1 << 110)

    def value(self, scale: float, signed: bool) -> Real:
        value = (MP.mpf("0.1") + self.fraction()) * scale
        return -value if signed and self.source.random() < 0.5 else value

    def whole(self, scale: float) -> Real:
        return MP.mpf(self.source.randrange(1, int(scale) + 2))

    def of(self, name: str, attempt: int, scale: float, signed: bool) -> Scalar:
        """Draw a value for a letter."""
        if name in self.letters.whole:
            return self.whole(_WHOLE_SCALES[attempt % len(_WHOLE_SCALES)])
        value = self.value(scale, signed)
        if name in self.letters.often_whole and attempt % 2 and abs(value) > 1:
            return MP.nint(abs(value))
        if name in self.letters.complex:
            return MP.mpc(value, self.value(scale, True))
        return value

    def spread(self) -> Iterator[Point]:
        """Draw from all magnitudes: first a positive point, then any signs, finally letters of different sizes."""
        for attempt, scale in enumerate(_SCALES):
            yield self.point(attempt, [scale] * len(self.letters.names), attempt > 0)
        if len(self.letters.names) > 1:
            for attempt in range(6):
                yield self.point(attempt, [self.source.choice(_SCALES[:8]) for _ in self.letters.names], attempt > 0)

    def few(self) -> Iterator[Point]:
        """Draw a few points, some of them beyond the numbers that occur."""
        for attempt, scale in enumerate((1, 3, 9, 0.4, 45)):
            yield self.point(attempt, [scale] * len(self.letters.names), attempt > 0)
        for constant in self.constants[-2:]:
            for side in (1, -1):
                reach = side * max(constant, MP.mpf(1))
                point = self.point(0, [1.0] * len(self.letters.names), False)
                free = [name for name in self.letters.names if name not in {*self.letters.whole, *self.letters.complex}]
                whole = {name: self.countable(reach * 2) for name in self.letters.whole}
                yield {**point, **whole, **{name: reach * (MP.mpf("1.2") + 2 * self.fraction()) for name in free}}

    def point(self, attempt: int, scales: list[float], signed: bool) -> Point:
        return {
            name: self.of(name, attempt, scale, signed) for name, scale in zip(self.letters.names, scales, strict=True)
        }

    def near(self) -> Iterator[Point]:
        """Draw close to the numbers that occur and their opposites, on both sides, and midway between neighbours."""
        ordered = sorted({*self.constants, *(-constant for constant in self.constants), MP.mpf(0)})
        for place in ordered if self.corners else ():
            yield from self.at(place)
        middles = [(one + other) / 2 for one, other in itertools.pairwise(ordered)]
        for place in (*ordered, *middles):
            for side in (-1, 1):
                reach = MP.mpf(self.source.choice((1, 4, 20, 200))) / 100
                yield self.around(place, side * self.fraction() * reach * (1 + abs(place) * MP.mpf("0.02")))
        yield from self.together(ordered)
        for small in [constant for constant in self.constants if constant < _SMALL][:_FEW]:
            for place in ordered:
                yield self.around(place, self.source.choice((-1, 1)) * small * self.fraction())
                yield self.around(place, self.source.choice((-1, 1)) * small * (1 + self.fraction()))
        for scale in _FAR if self.corners else ():
            yield self.point(0, [scale] * len(self.letters.names), True)

    def at(self, place: Real) -> Iterator[Point]:
        """Put one letter after another exactly at a place."""
        for name in self.letters.names:
            if name not in self.letters.complex:
                scales = [self.source.choice(_SCALES[:4]) for _ in self.letters.names]
                others = self.point(self.source.randrange(8), scales, True)
                whole = name in self.letters.whole
                yield Corner({**others, name: max(MP.mpf(1), MP.nint(abs(place))) if whole else place})

    def around(self, place: Real, step: Real) -> Point:
        """Put one letter that is not an integer next to a place, and the others anywhere."""
        scales = [self.source.choice(_SCALES[:4]) for _ in self.letters.names]
        point = self.point(self.source.randrange(8), scales, True)
        chosen = self.source.choice(self.letters.names)
        if chosen not in self.letters.whole:
            point[chosen] = MP.mpc(place + step, step) if chosen in self.letters.complex else place + step
        return point

    def together(self, places: list[Real]) -> Iterator[Point]:
        """Put all letters next to numbers that occur."""
        if len(self.letters.names) < 2:
            return
        corners = [(place,) * len(self.letters.names) for place in places]
        if len(places) ** 2 <= _TOGETHER and len(self.letters.names) == 2:
            corners = list(itertools.product(places, repeat=2))
        corners += [tuple(self.source.choice(places) for _ in self.letters.names) for _ in range(_TOGETHER // 4)]
        for attempt, corner in enumerate(corners):
            point = self.point(attempt, [1.0] * len(self.letters.names), True)
            for name, place in zip(self.letters.names, corner, strict=True):
                if name not in self.letters.whole | self.letters.complex:
                    point[name] = place + self.value(0.2, True)
            yield point

    def countable(self, value: Real) -> Real:
        """Return an integer near a value, from 1 to the length of the longest series that is computed."""
        return max(MP.mpf(1), min(MP.nint(abs(value)), MP.mpf(self.most)))

    def counted(self) -> Iterator[Point]:
        """Draw integers: some consecutive ones, and those next to the numbers that occur.

        The consecutive ones show all values of what is periodic, and the first values of what begins at some number.
        """
        whole = [name for name in self.letters.names if name in self.letters.whole | self.letters.often_whole]
        start = self.source.randrange(1, 20)
        for step in range(_IN_A_ROW):
            row = {name: start + (step * (place + 1)) % (_IN_A_ROW + place) for place, name in enumerate(whole)}
            yield self.anywhere() | {name: MP.mpf(value) for name, value in row.items()}
        for constant in self.constants[:_MAX_COUNTED]:
            for value in (constant - 1, constant, constant + 1, 2 * constant):
                yield self.anywhere() | {self.source.choice(whole): self.countable(value)}

    def anywhere(self) -> Point:
        """Draw a point of small numbers."""
        return self.point(0, [2.0] * len(self.letters.names), False)

    def on_lines(self, turns: list[Node]) -> Iterator[Point]:
        """Draw on lines, in every interval between the zeros of the given operands."""
        for attempt in range(_LINES if len(self.letters.names) > 1 else 1):
            starts, slopes = self.line(attempt)
            zeros = sorted({zero for turn in turns for zero in _zeros(turn, starts, slopes)})
            for where in self.between(zeros):
                reached = {name: start + slopes[name] * where for name, start in starts.items()}
                yield {**reached, **{name: self.countable(reached[name]) for name in self.letters.whole}}

    def line(self, attempt: int) -> tuple[dict[str, Real], dict[str, Real]]:
        """Draw a line: through anywhere, through numbers that occur, or along one letter."""
        starts: dict[str, Real] = {}
        slopes: dict[str, Real] = {}
        along = self.source.choice(self.letters.names) if attempt == 2 else None
        for name in self.letters.names:
            start = self.value(self.source.choice((1, 3, 12)), True)
            if attempt and self.constants:
                start = self.source.choice(self.constants) * self.source.choice((1, -1)) + start / 50
            starts[name] = start
            slopes[name] = self.value(1, True) if along in (None, name) else MP.mpf(0)
        return starts, slopes

    def at_steps(self, levels: list[Node]) -> Iterator[Point]:
        """Draw on both sides of places where the given values pass an integer."""
        for attempt in range(_LINES if len(self.letters.names) > 1 else 1):
            starts, slopes = self.line(attempt)
            for level in levels:
                for where in _steps(level, starts, slopes):
                    for share in (-1, 1):
                        step = share * (abs(where) + 1) * self.fraction() / 1000
                        reached = {name: start + slopes[name] * (where + step) for name, start in starts.items()}
                        yield {**reached, **{name: self.countable(reached[name]) for name in self.letters.whole}}

    def between(self, zeros: list[Real]) -> Iterator[Real]:
        if not zeros:
            return
        width = 1 + max(abs(zero) for zero in zeros)
        for one, other in zip([zeros[0] - width, *zeros], [*zeros, zeros[-1] + width], strict=True):
            for _ in range(2):
                yield one + (other - one) * (MP.mpf("0.02") + MP.mpf("0.96") * self.fraction())


def points(left: Node, right: Node, letters: Letters, source: random.Random) -> Iterator[Point]:
    """Draw the points at which two expressions are compared, the cheap ones first.

    Smooth functions need few points, because they agree everywhere if they agree near a point. What bends, jumps or has
    a real value only in some places needs a point in every part.
    """
    draw = _Draw(letters, source)
    bends = any(_bends(part) for node in (left, right) for part in walk(node))
    if is_costly(left, right):
        draw.constants = _constants(left, right)
        yield from draw.few()
        return
    yield from draw.spread()
    if not (bends or letters.whole or letters.often_whole):
        return
    draw.constants = _constants(left, right)
    draw.corners = not any(_is(part, _OF_CELLS) for node in (left, right) for part in walk(node))
    if letters.whole or letters.often_whole:
        bounded = any(isinstance(part, Series) for node in (left, right) for part in walk(node))
        draw.most = _MOST_TERMS if bounded else 10**6
        yield from draw.counted()
    yield from draw.near()
    turns = [turn for node in (left, right) for part in walk(node) for turn in _turns(part)]
    if not letters.complex:
        yield from draw.on_lines(list(dict.fromkeys(turns))[:_MAX_CONSTANTS])
        levels = [level for node in (left, right) for part in walk(node) for level in _levels(part)]
        yield from draw.at_steps(list(dict.fromkeys(levels))[:_MAX_LEVELS])


def is_costly(left: Node, right: Node) -> bool:
    """Return whether a value needs an integral, a limit, a derivative or an infinite series."""
    return any(_takes_calculus(part) for node in (left, right) for part in walk(node))


def _takes_calculus(node: Node) -> bool:
    return isinstance(node, (Integral, Limit, Derivative)) or (isinstance(node, Series) and node.high == INFINITY)


_BENDING = frozenset(
    (
        "abs", "norm", "max", "min", "sign", "floor", "ceil", "mod", "root", "ln", "log", "arcsin", "arccos", "arctan",
        "arccot", "arcsec", "arccsc", "arsinh", "arcosh", "artanh", "arg", "Re", "Im", "conjugate",
        "binom", "gcd", "lcm",
    )
)  # fmt: skip


_OF_CELLS = frozenset(("square", "column", "vector", "unit", "cross", "dot", "transpose", "identity"))


def _bends(node: Node) -> bool:
    """Return whether a node turns an expression into different functions in different places."""
    if isinstance(node, Power):
        exponent = exact(node.exponent)
        if exponent is not None:
            return exponent.denominator != 1
        return exact(node.base) == 0 or not free_symbols(node.exponent) or bool(free_symbols(node.base))
    return _is(node, _BENDING)


def _turns(node: Node) -> list[Node]:
    """Return what vanishes where a node bends, jumps or ends."""
    if not free_symbols(node):
        return []
    match node:
        case Quotient(_, bottom):
            return _factors(bottom)
        case Power(base, exponent):
            return _factors(base) if _bends(node) or (exact(exponent) or 0) < 0 else []
        case Function("abs" | "sign" | "root" | "ln" | "log" | "norm", operands):
            return _factors(operands[0])
        case Function("arcsin" | "arccos" | "arcosh" | "artanh" | "arcsec" | "arccsc", operands):
            return [Sum((operands[0], number(end))) for end in (1, -1)]
        case Function("max" | "min", operands):
            return [Sum((one, Negative(other))) for one, other in itertools.combinations(operands, 2)]
        case _:
            return []


_MAX_LEVELS = 4  # of how many values the steps are searched, for each line
_MAX_STEPS = 6  # how many steps on each side of zero
_HALVINGS = 40  # bisection to twelve digits
_GRID = [MP.mpf(1 << power) / 16 for power in range(19)]  # 1/16, 1/8, ... 2^14: where steps are searched


def _levels(node: Node) -> list[Node]:
    """Return the values by whose integer steps a node jumps, or bends at a zero that is not a polynomial's."""
    if not free_symbols(node):
        return []
    match node:
        case Function("floor" | "ceil", (operand,)):
            return [operand]
        case Function("mod", (operand, modulus)):
            return [Quotient(operand, modulus)]
        case Function("abs" | "sign" | "max" | "min"):
            return [Function("sign", (turn,)) for turn in _turns(node) if _degree(turn) is None]
        case _:
            return []


def _steps(level: Node, starts: dict[str, Real], slopes: dict[str, Real]) -> list[Real]:
    """Return the places on a line where a value passes an integer: to twelve digits, from zero outwards each way."""

    def floor(where: Real) -> Real | None:
        try:
            value = evaluate(level, {name: start + slopes[name] * where for name, start in starts.items()})
        except (NotMath, Undefined, ValueError, TypeError):
            return None
        return MP.floor(value) if isinstance(value, MP.mpf) else None

    found: list[Real] = []
    with MP.workdps(40):
        for side in (1, -1):
            low, at_low = MP.mpf(0), floor(MP.mpf(0))
            count = 0
            for size in _GRID:
                high, at_high = side * size, floor(side * size)
                if at_low is not None and at_high is not None and at_low != at_high and count < _MAX_STEPS:
                    count += 1
                    found.append(_halved(floor, low, at_low, high))
                low, at_low = high, at_high
    return found


def _halved(floor: Callable[[Real], Real | None], low: Real, at_low: Real, high: Real) -> Real:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if floor(middle) == at_low:
            low = middle
        else:
            high = middle
    return high


def _factors(node: Node) -> list[Node]:
    """Split a product, which vanishes where one of its factors does."""
    match node:
        case Product(factors):
            return [part for factor in factors for part in _factors(factor)]
        case Quotient(top, bottom):
            return [*_factors(top), *_factors(bottom)]
        case Negative(inner) | Power(inner):
            return _factors(inner)
        case _:
            return [node] if free_symbols(node) else []


_MAX_DEGREE = 8  # bounds the work of interpolating and finding roots
_PLACE_DIGITS = 30


def bending_places(node: Node, variable: str) -> list[Node] | None:
    """Return where an expression in one letter bends or ends, to thirty digits, or None if that is not found."""
    found: list[Node] = []
    for part in walk(node):
        if variable not in free_symbols(part):
            continue
        if _is(part, _JUMPS | {"gcd", "lcm"}):
            return None
        for turn in _turns(part):
            if _degree(turn) is None or free_symbols(turn) != {variable}:
                if _is(part, _CORNERED):
                    return None
                continue
            for zero in _zeros(turn, {variable: MP.mpf(0)}, {variable: MP.mpf(1)}):
                with MP.workdps(2 * _PLACE_DIGITS):
                    found.append(number(Fraction(int(MP.nint(zero * 10**_PLACE_DIGITS)), 10**_PLACE_DIGITS)))
    return found


_CORNERED = frozenset(("abs", "norm", "sign", "max", "min"))


def _zeros(node: Node, starts: dict[str, Real], slopes: dict[str, Real]) -> list[Real]:
    """Return where a polynomial of low degree vanishes on a line. Return nothing for anything else."""
    degree = _degree(node)
    if not degree or degree > _MAX_DEGREE:
        return []
    try:
        with MP.workdps(40):
            places = [MP.mpf(2 * index - degree) for index in range(degree + 1)]
            heights = [evaluate(node, {name: starts[name] + slopes[name] * at for name in starts}) for at in places]
            real = [height for height in heights if isinstance(height, MP.mpf)]
            return _real_roots(_through(places, real)) if len(real) == len(heights) else []
    except (NotMath, Undefined, MP.NoConvergence, ValueError, ZeroDivisionError, TypeError):
        return []


def _through(places: list[Real], heights: list[Real]) -> list[Real]:
    """Return the coefficients, highest first, of the polynomial through the given points, by Newton's method."""
    table = list(heights)
    for order in range(1, len(places)):
        for index in range(len(places) - 1, order - 1, -1):
            table[index] = (table[index] - table[index - 1]) / (places[index] - places[index - order])
    coefficients = [table[-1]]
    for index in range(len(places) - 2, -1, -1):
        shifted = [*coefficients, MP.mpf(0)]
        for power, coefficient in enumerate(coefficients):
            shifted[power + 1] -= coefficient * places[index]
        shifted[-1] += table[index]
        coefficients = shifted
    return coefficients


def _real_roots(coefficients: list[Real]) -> list[Real]:
    size = max(abs(coefficient) for coefficient in coefficients)
    # Leading coefficients that are only rounding would add roots far out.
    while coefficients and abs(coefficients[0]) <= size * MP.mpf(10) ** -25:
        coefficients = coefficients[1:]
    if len(coefficients) < 2:
        return []
    if len(coefficients) == 2:
        return [-coefficients[1] / coefficients[0]]
    roots = MP.polyroots(coefficients, maxsteps=200, extraprec=200, error=False)
    # A double root comes out as two roots with small imaginary parts.
    return [MP.re(root) for root in roots if abs(MP.im(root)) < MP.mpf(10) ** -6 * (1 + abs(root))]


def _degree(node: Node) -> int | None:
    """Return the degree of a polynomial in all its letters, or None for anything else."""
    if not free_symbols(node):
        return 0
    match node:
        case Symbol():
            return 1
        case Sum(terms):
            degrees = _degrees(terms)
            return None if degrees is None else max(degrees)
        case Product(factors):
            degrees = _degrees(factors)
            return None if degrees is None else sum(degrees)
        case Negative(operand):
            return _degree(operand)
        case Quotient(top, bottom):
            return None if free_symbols(bottom) else _degree(top)
        case Power(below, above):
            base, exponent = _degree(below), exact(above)
            if base is None or exponent is None or exponent.denominator != 1 or not 0 <= exponent <= _MAX_DEGREE:
                return None
            return base * int(exponent)
        case _:
            return None


def _degrees(nodes: tuple[Node, ...]) -> list[int] | None:
    """Return the degrees of all nodes, or None if one has none."""
    degrees = [_degree(node) for node in nodes]
    known = [degree for degree in degrees if degree is not None]
    return known if len(known) == len(degrees) else None


def _constants(left: Node, right: Node) -> list[Real]:
    """Return the sizes of the numbers that occur, including those written as closed expressions."""
    found: dict[Node, None] = {}
    for root in (left, right):
        _collect(root, found)
    values: list[Real] = []
    with MP.workdps(30):
        for node in found:
            try:
                value = evaluate(node, {})
            except (NotNumeric, NotMath, Undefined):
                continue
            if isinstance(value, MP.mpf) and 0 < abs(value) < MP.mpf(10) ** _MAX_POWER:
                values.append(abs(value))
    ordered = sorted(set(values))
    return (
        ordered if len(ordered) <= _MAX_CONSTANTS else ordered[: _MAX_CONSTANTS // 2] + ordered[-_MAX_CONSTANTS // 2 :]
    )


_VALUES = (Number, Function, Power, Quotient, Product, Sum, Constant)


def _collect(node: Node, found: dict[Node, None]) -> None:
    if (isinstance(node, _VALUES) or _is_factorial(node)) and not free_symbols(node):
        found[node] = None
    for child in children(node):
        _collect(child, found)


__all__ = ["Letters", "Point", "bending_places", "letters_of", "points", "source_for"]
