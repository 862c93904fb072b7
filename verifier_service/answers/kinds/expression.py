"""Compare numbers and formulas.

These are rational and irrational numbers, surds, logarithms, trigonometry, polynomials, functions of several variables,
factorials, sums, integrals, and matrices of these. Rational numbers and rational functions are compared exactly. Any
others are equal if they agree in at least 40 digits, and in as many more as could hide a part of them: a term next to a
larger one, the tail of a hyperbolic function, the last digits of a literal, the end of a sum or an integral. If more
than `MAX_DIGITS_COMPARED` are needed, nothing is proved. Expressions with letters are compared at the points of
`points`, wherever both are defined in the reals (`x/x` equals 1, `sqrt(x^2)` is not x); a difference at one point
decides "not equal". A finite decimal is the number it writes: 0.33 is not 1/3.
"""

import enum
from collections.abc import Iterator
from dataclasses import replace

from verifier_service.answers.compute import divisors
from verifier_service.answers.compute.algebra import measure
from verifier_service.answers.compute.context import MP, Value, magnitude
from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.identity import identical
from verifier_service.answers.compute.numeric import NotNumeric
from verifier_service.answers.compute.points import Corner, Letters, Point, is_costly, letters_of, points, source_for
from verifier_service.answers.tree.bounds import NotMath, TooComplex
from verifier_service.answers.tree.nodes import (
    INFINITY,
    Node,
    Product,
    Series,
    Sum,
    Symbol,
    free_symbols,
    number,
    rename,
    substitute,
)

MAX_DIGITS_COMPARED = 4_000

_BASE_BITS = 133
"""Forty digits: different values do not agree in that many by chance."""

_GUARD_BITS = 44  # computed in addition, to absorb rounding
_MAX_BITS = int(MAX_DIGITS_COMPARED * 3.3219)  # a decimal digit is 3.3219 bits
_PASSES = 4  # each pass uses the precision that the one before found necessary
_ENOUGH = 3
"""At how many points two expressions must at least both be defined."""


class _At(enum.Enum):
    """The result of comparing at one point."""

    EQUAL = enum.auto()
    DIFFERENT = enum.auto()
    NOWHERE = enum.auto()
    """One of the expressions has no value there."""
    UNDECIDED = enum.auto()
    """More digits were needed than are compared."""


def equal(left: Node, right: Node, whole: frozenset[str] = frozenset()) -> bool:
    """Decide whether two expressions have the same value.

    Args:
        left, right: the expressions.
        whole: letters that are known to stand for integers.

    Returns:
        False if they differ, or equality cannot be shown.

    Raises:
        TooComplex: a limit was exceeded before a decision.
        NotNumeric: one of them contains something without a numeric value, so nothing was decided.
    """
    if left == right:
        return True
    first, second = exact(left), exact(right)
    if first is not None and second is not None:
        return first == second
    source = source_for(left, right)
    decided = identical(left, right, source)
    if decided is not None:
        return decided
    if isinstance(left, Series) and isinstance(right, Series) and _equal_term_by_term(left, right):
        return True
    letters = letters_of(left, right)
    letters = replace(letters, whole=letters.whole | whole.intersection(letters.names)) if whole else letters
    return _open_equal(left, right, letters) if letters.names else _closed_equal(left, right, letters.real)


def _equal_term_by_term(left: Series, right: Series) -> bool:
    r"""Return whether two infinite sums or products have the same terms.

    `\sum_{n=0}^\infty (-x^2)^n` and `\sum_{k=1}^\infty (-1)^{k-1} x^{2k-2}` do. If not, they can still be equal in
    another way.
    """
    start, other = exact(left.low), exact(right.low)
    if left.kind != right.kind or not left.high == right.high == INFINITY or start is None or other is None:
        return False
    shift = other - start
    if shift.denominator != 1 or start.denominator != 1:
        return False
    index, taken = left.variable, free_symbols(right.body) - {right.variable}
    if index in taken:
        return False
    there = Sum((Symbol(index), number(shift))) if shift else Symbol(index)
    body = substitute(right.body, right.variable, there)
    try:
        return equal(left.body, body, frozenset((index,)))
    except (NotMath, NotNumeric):
        return False


def _closed_equal(left: Node, right: Node, real: bool) -> bool:
    found = _compared(left, right, {}, real)
    if found is _At.NOWHERE and real:
        found = _compared(left, right, {}, False)
    if found is _At.UNDECIDED:
        raise TooComplex(f"more than {MAX_DIGITS_COMPARED} digits would be needed")
    return found is _At.EQUAL


def _open_equal(left: Node, right: Node, letters: Letters) -> bool:
    for value in range(1, divisors.period(left, right) + 1):
        if _compared(left, right, {letters.names[0]: MP.mpf(value)}, letters.real) is _At.DIFFERENT:
            return False
    return _agree_at(left, right, letters, {}, (left, right))


def _agree_at(left: Node, right: Node, letters: Letters, fixed: Point, drawn_for: tuple[Node, Node]) -> bool:
    """Decide whether two expressions agree at all points drawn for two others, and are defined at enough of them."""
    agreed, undecided = 0, 0
    for point in _all_points(*drawn_for, letters):
        found = _compared(left, right, {**point, **fixed}, letters.real)
        if found is _At.DIFFERENT or (
            found is _At.NOWHERE and letters.real and not isinstance(point, Corner) and _ends_alone(*drawn_for, point)
        ):
            return False
        agreed += found is _At.EQUAL
        undecided += found is _At.UNDECIDED
    if agreed < _ENOUGH and letters.real and not fixed:
        return _agree_at(left, right, replace(letters, real=False), fixed, drawn_for)
    if undecided and (agreed < _ENOUGH or is_costly(*drawn_for)):
        raise TooComplex(f"more than {MAX_DIGITS_COMPARED} digits would be needed")
    return agreed >= _ENOUGH


def _all_points(left: Node, right: Node, letters: Letters) -> Iterator[Point]:
    """Draw the points in one precision, whatever precision is used for the work in between."""
    drawn = points(left, right, letters, source_for(left, right))
    while True:
        with MP.workprec(_BASE_BITS + _GUARD_BITS):
            point = next(drawn, None)
        if point is None:
            return
        yield point


def _compared(left: Node, right: Node, values: Point, real: bool) -> _At:
    """Compare at one point, in as many digits as needed."""
    bits = _BASE_BITS + _GUARD_BITS
    for _ in range(_PASSES):
        with MP.workprec(bits):
            try:
                one, other = measure(left, values, real), measure(right, values, real)
            except TooComplex:
                if not values:
                    raise
                return _At.UNDECIDED
            lost, hidden = one.lost + other.lost, one.hidden + other.hidden
            needed = _BASE_BITS + _GUARD_BITS + lost + 2 * hidden
            sharp = lost < bits - 2 * _GUARD_BITS and (needed <= bits or not (one.vanished or other.vanished))
            if sharp:
                if one.value is None or other.value is None:
                    return _At.NOWHERE
                if not _agree(one.value, other.value, bits - _GUARD_BITS - lost):
                    return _At.DIFFERENT
        if needed <= bits:
            return _At.EQUAL if sharp else _At.UNDECIDED
        if needed > _MAX_BITS:
            return _At.UNDECIDED
        bits = needed + _GUARD_BITS
    return _At.UNDECIDED


def _agree(a: Value, b: Value, bits: int) -> bool:
    """Return whether two values agree in this many bits."""
    if isinstance(a, MP.matrix) or isinstance(b, MP.matrix):
        if not (isinstance(a, MP.matrix) and isinstance(b, MP.matrix)) or (a.rows, a.cols) != (b.rows, b.cols):
            return False
        size = max(magnitude(a) or 0, magnitude(b) or 0, 0)
        return all(_within(x - y, size - bits) for x, y in zip(a, b, strict=True))
    size = max((part for part in (magnitude(a), magnitude(b)) if part is not None), default=0)
    return MP.isfinite(a) and MP.isfinite(b) and _within(a - b, size - bits)


def _within(gap: Value, size: int) -> bool:
    found = magnitude(gap)
    return found is None or found <= size


# --- points at which only one side has a real value ---------------------------------------------------------------


def _ends_alone(left: Node, right: Node, point: Point) -> bool:
    """Return whether two expressions differ because only one of them ends at this point.

    `2 ln x` is not `ln x^2`, but `e^(ln x)` is `x`, because it continues as that through the complex numbers. With
    several letters, only points with one negative variable count, so that `ln(ab)` equals `ln a + ln b` and `sqrt(ab)`
    can be written `sqrt(a) sqrt(b)`.
    """
    if len(point) > 1 and sum(MP.re(value) < 0 for value in point.values()) != 1:
        return False
    try:
        if (measure(left, point).value is None) == (measure(right, point).value is None):
            return False
    except NotNumeric:
        return False
    return _compared(left, right, point, False) is _At.DIFFERENT


# --- constant factors -------------------------------------------------------------------------------------------


_LEFT, _RIGHT = Symbol("left here"), Symbol("right here")
"""Names that no answer can have, for the values of two expressions at one point."""

_RATIO_BITS = 4_000  # enough for a ratio that is then multiplied into every comparison


def proportional(left: Node, right: Node, positive: bool = False) -> bool:
    """Decide whether one expression is a constant multiple of the other, wherever both have a value.

    With `positive`, the constant must be positive.
    """
    letters = letters_of(left, right)
    for real in dict.fromkeys((letters.real, False)):
        here = _values_somewhere(left, right, replace(letters, real=real))
        if here is not None:
            break
    else:
        return False
    if positive and not MP.re(here[_LEFT.name] / here[_RIGHT.name]) > 0:
        return False
    others = {name: f"{name} elsewhere" for name in letters.names}
    products = [Product((one, rename(other, others))) for one, other in ((left, right), (right, left))]
    decided = identical(products[0], products[1], source_for(left, right))
    if decided is not None:
        return decided
    one, other = Product((left, _RIGHT)), Product((right, _LEFT))
    return _agree_at(one, other, replace(letters, real=real), here, (left, right))


def _values_somewhere(left: Node, right: Node, letters: Letters) -> Point | None:
    """Return the values of two expressions at a point at which both have a nonzero value."""
    for point in _all_points(left, right, letters):
        with MP.workprec(_RATIO_BITS):
            try:
                one, other = measure(left, point, letters.real), measure(right, point, letters.real)
            except TooComplex:
                continue
            except NotNumeric:
                return None
            if isinstance(one.value, MP.matrix) or isinstance(other.value, MP.matrix):
                return None
            if one.value and other.value and one.lost + other.lost < _RATIO_BITS // 2:
                return {_LEFT.name: one.value, _RIGHT.name: other.value}
    return None
