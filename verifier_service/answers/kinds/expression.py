"""Numbers and formulas: rational and irrational numbers, surds, logarithms, trigonometry, polynomials, functions of
several variables, factorials, sums, integrals, matrices of these.

Two closed expressions are equal if they are the same rational number, or agree in all of at least 40 digits, with
more digits where their literals are longer. Two expressions with variables are equal if they agree to 40 digits at
several points drawn for them, wherever both are defined in the reals (`x/x` equals 1, `sqrt(x^2)` is not x);
variables of a factorial, a binomial coefficient or a power of a negative number stand for whole numbers. Difference
at one point decides "not equal". A finite decimal is the number it writes: 0.33 is not 1/3.
"""

import hashlib
import random
from typing import Any

from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.numeric import MP, NotNumeric, Undefined, digits_needed, exact
from verifier_service.answers.tree.bounds import NotMath, TooComplex
from verifier_service.answers.tree.nodes import Node, free_symbols, walk

_POINTS = 6
_TRIES = 40
_GUARD_DIGITS = 12


def equal(left: Node, right: Node) -> bool:
    """Decide whether two expressions have the same value; False also where that cannot be shown.

    Raises:
        TooComplex: a limit was exceeded before it could be decided.
        NotNumeric: one of them holds what has no numeric value, so nothing was decided.
    """
    if left == right:
        return True
    first, second = exact(left), exact(right)
    if first is not None and second is not None:
        return first == second
    names = free_symbols(left) | free_symbols(right)
    if not names:
        return _closed_equal(left, right)
    return _open_equal(left, right, sorted(names))


def _closed_equal(left: Node, right: Node) -> bool:
    real = not _is_complex(left) and not _is_complex(right)
    rough = _difference(left, right, {}, 30, real)
    if rough is None or not rough:
        return False
    digits = digits_needed(left, right)
    return bool(_difference(left, right, {}, digits + _GUARD_DIGITS, real))


def _is_complex(node: Node) -> bool:
    return any(part.op == "const" and part.args[0] == "i" for part in walk(node))


def _difference(left: Node, right: Node, values: dict[str, Any], digits: int, real: bool) -> bool | None:
    """Tell whether the two agree at a point to the given digits; None where one of them has no value."""
    with MP.workdps(digits):
        try:
            a, b = evaluate(left, values, real), evaluate(right, values, real)
        except Undefined:
            if values:
                return False if real and _one_sided(left, right, values) else None
            if not real:
                return None
            try:
                a, b = evaluate(left, values, False), evaluate(right, values, False)
            except Undefined:
                return None
        agree = _agree(a, b, digits)
    if agree is not None:
        return agree
    return _vanishes(left, right, values, digits, real)


def _one_sided(left: Node, right: Node, values: dict[str, Any]) -> bool:
    """Tell whether logarithms make one expression defined where the other is not: `2 ln x` is not `ln x^2`.

    Only points with one negative variable count, so that `ln(ab)` equals `ln a + ln b`. Roots do not count: variables
    under them are mostly lengths, and `sqrt(ab)` may be written `sqrt(a) sqrt(b)`.
    """
    if sum(MP.re(value) < 0 for value in values.values()) != 1:
        return False
    if not any(part.op == "fn" and part.args[0] in ("ln", "log") for node in (left, right) for part in walk(node)):
        return False
    defined = []
    for node in (left, right):
        try:
            evaluate(node, values)
            defined.append(True)
        except Undefined:
            defined.append(False)
    return defined[0] != defined[1]


def _agree(a: Any, b: Any, digits: int) -> bool | None:
    """Compare two values; None where their difference is so small beside 1 that rounding may hide it."""
    if isinstance(a, MP.matrix) or isinstance(b, MP.matrix):
        return _matrices_agree(a, b, digits)
    if not (MP.isfinite(a) and MP.isfinite(b)):
        return False
    gap, size = abs(a - b), max(abs(a), abs(b))
    if gap <= MP.mpf(10) ** (_GUARD_DIGITS - digits) * size:
        return True
    if size < MP.mpf(10) ** (_GUARD_DIGITS - digits):
        return None
    return False


def _matrices_agree(a: Any, b: Any, digits: int) -> bool:
    if not (isinstance(a, MP.matrix) and isinstance(b, MP.matrix)) or (a.rows, a.cols) != (b.rows, b.cols):
        return False
    scale = 1 + max((abs(cell) for cell in a), default=0)
    return all(abs(x - y) <= MP.mpf(10) ** (_GUARD_DIGITS - digits) * scale for x, y in zip(a, b, strict=True))


def _vanishes(left: Node, right: Node, values: dict[str, Any], digits: int, real: bool) -> bool:
    """Decide about two tiny values: a true zero shrinks as the precision grows, a small number does not."""
    sizes = []
    for precision in (digits, 2 * digits + 20):
        with MP.workdps(precision):
            sizes.append(abs(evaluate(left, values, real) - evaluate(right, values, real)))
    with MP.workdps(digits):
        return bool(sizes[1] == 0 or sizes[1] < sizes[0] * MP.mpf(10) ** (-digits // 2))


def whole_variables(*nodes: Node) -> set[str]:
    """Name the variables that can only be whole: under a factorial, in a binomial coefficient, a bound of a series."""
    found: set[str] = set()
    for root in nodes:
        for node in walk(root):
            if node.op in ("fact", "fact2") or (node.op == "fn" and node.args[0] in ("binom", "gcd", "lcm", "mod")):
                found |= free_symbols(node)
            elif node.op in ("sum", "prod"):
                found |= free_symbols(node.args[2]) | free_symbols(node.args[3])
            elif node.op == "pow" and free_symbols(node.args[1]) and not free_symbols(node.args[0]):
                base = exact(node.args[0])
                if base is not None and base < 0:
                    found |= free_symbols(node.args[1])
    return found


def _jumping(*nodes: Node) -> set[str]:
    """Name the variables under a floor or ceiling: they are tried at whole and at other numbers."""
    found: set[str] = set()
    for root in nodes:
        for node in walk(root):
            if node.op == "fn" and node.args[0] in ("floor", "ceil"):
                found |= free_symbols(node)
    return found


def _open_equal(left: Node, right: Node, names: list[str]) -> bool:
    digits = digits_needed(left, right)
    whole = whole_variables(left, right)
    real = not _is_complex(left) and not _is_complex(right)
    jumping = _jumping(left, right) - whole
    seed = hashlib.sha256(repr(sorted(names)).encode()).digest()
    source = random.Random(seed)
    agreed = 0
    for attempt in range(_TRIES):
        with MP.workdps(digits + 10):
            values = {}
            for place, name in enumerate(names):
                if name in whole or (name in jumping and attempt % 2 == 0):
                    values[name] = _whole_point(source, attempt // (1 if name in whole else 2), place)
                else:
                    values[name] = _point(source, attempt, real)
        agree = _difference(left, right, values, digits, real)
        if agree is False:
            return False
        if agree:
            agreed += 1
            if agreed >= (2 * _POINTS if whole or jumping else _POINTS):
                return True
    return agreed >= 3


def proportional(left: Node, right: Node, positive: bool = False) -> bool:
    """Decide whether one expression is a constant (if asked, positive) multiple of the other, wherever both have a
    value."""
    names = sorted(free_symbols(left) | free_symbols(right))
    real = not _is_complex(left) and not _is_complex(right)
    whole = whole_variables(left, right)
    source = random.Random(repr(names))
    ratio, agreed = None, 0
    with MP.workdps(50):
        for attempt in range(_TRIES):
            values = {
                name: _whole_point(source, attempt, place) if name in whole else _point(source, attempt, real)
                for place, name in enumerate(names)
            }
            try:
                a, b = evaluate(left, values, real), evaluate(right, values, real)
            except Undefined:
                continue
            except NotNumeric:
                return False
            if isinstance(a, MP.matrix) or isinstance(b, MP.matrix) or a == 0 or b == 0:
                return False
            if ratio is None:
                ratio = a / b
            elif abs(a / b - ratio) > MP.mpf(10) ** -30 * abs(ratio):
                return False
            agreed += 1
            if agreed >= _POINTS:
                break
        return ratio is not None and agreed >= 3 and not (positive and not MP.re(ratio) > 0)


def _whole_point(source: random.Random, attempt: int, place: int) -> Any:
    """Draw a whole number from 1 to 40; even and odd ones take turns, in another rhythm for each variable."""
    number = source.randrange(1, 12 if attempt < 4 else 40)
    return MP.mpf(number + (number + (attempt >> place)) % 2)


def _point(source: random.Random, attempt: int, real: bool) -> Any:
    """Draw a value: both signs, sizes from 0.04 to 9, all digits random."""
    digits = MP.mpf(source.randrange(10**30, 10**31)) / 10**31
    scale = (1, 3, 0.4, 1, 8, 2)[attempt % 6]
    value = (digits + MP.mpf("0.1")) * scale
    if attempt % 3 == 1 or (attempt % 3 == 2 and source.random() < 0.5):
        value = -value
    if not real and attempt % 2:
        return MP.mpc(value, MP.mpf(source.randrange(10**30, 10**31)) / 10**31)
    return value


__all__ = ["NotMath", "TooComplex", "equal", "whole_variables"]
