"""Find a point at which two expressions differ, with small values that a person can substitute by hand.

It decides nothing: equality was decided before, at points that cannot be predicted.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from verifier_service.answers.compute.context import MP, Scalar
from verifier_service.answers.compute.numeric import WORK, Undefined, evaluate
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import Node, free_symbols, walk

MAX_LETTERS = 6  # a person substitutes no more
MAX_NODES = 500  # a larger formula is not checked by hand
_BITS = 100
_DIGITS = 12  # how many are shown, and must differ
_FROM = (2, 3, 1, 5, 0, -1, -2, 10, Fraction(1, 2), Fraction(-1, 2), 7, 20)
"""The value of the first letter; each further letter is one more than the one before it."""


class Witness(NamedTuple):
    """The value of each letter, and of the two expressions there."""

    point: dict[str, str]
    left: str
    right: str


def witness(left: Node, right: Node) -> Witness | None:
    """Return a point at which both have a value and the values differ, or None if a few tries find none."""
    names = sorted(free_symbols(left) | free_symbols(right))
    if len(names) > MAX_LETTERS or sum(1 for node in (left, right) for _ in walk(node)) > MAX_NODES:
        return None
    WORK.refill()  # the comparison might have used the budget up
    for point in _points(names):
        with MP.workprec(_BITS):
            values = {name: MP.mpf(value.numerator) / value.denominator for name, value in point.items()}
            try:
                one, other = evaluate(left, values), evaluate(right, values)
            except Undefined:
                continue
            except (NotMath, ValueError, TypeError, ArithmeticError):
                return None
            if isinstance(one, MP.matrix) or isinstance(other, MP.matrix):
                return None
            shown = _shown(one), _shown(other)
        if None not in shown and shown[0] != shown[1]:
            return Witness({name: str(value) for name, value in point.items()}, shown[0] or "", shown[1] or "")
    return None


def _points(names: list[str]) -> Iterator[dict[str, Fraction]]:
    for start in _FROM if names else _FROM[:1]:
        yield {name: Fraction(start) + index for index, name in enumerate(names)}


def _shown(value: Scalar) -> str | None:
    """Return a value in a few digits, or None if it has none."""
    if not MP.isfinite(value):
        return None
    real, imaginary = MP.re(value), MP.im(value)
    if abs(imaginary) < MP.mpf(10) ** -_DIGITS * (1 + abs(real)):
        return _digits(real)
    if not real:
        return f"{_digits(imaginary)}i"
    sign = "-" if imaginary < 0 else "+"
    return f"{_digits(real)} {sign} {_digits(abs(imaginary))}i"


def _digits(value: Scalar) -> str:
    text = MP.nstr(value, _DIGITS)
    return text.removesuffix(".0")
