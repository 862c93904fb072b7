"""Accept answers that round to a decimal reference at the reference's own digits.

The reference is one decimal literal, with or without a sign, a unit, a percent or degree sign, a name (`x = 0.33`, `x
\\approx 0.33`) or a power of ten. A whole number is not a decimal. The answer can be anything with a value: `1/3`,
`\\frac{\\sqrt3}{3}`, `0.3333`. That value must lie within half a unit of the reference's last digit. Both ends are
included, because there are two ways to round a tie. Everything else must be equal: units, names. An answer with fewer
digits than the reference does not round to it.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from verifier_service.answers.compare import Outcome, same, shown
from verifier_service.answers.compute.algebra import BUDGET, evaluate
from verifier_service.answers.compute.context import MP
from verifier_service.answers.compute.exact import exact
from verifier_service.answers.compute.numeric import Undefined
from verifier_service.answers.kinds.relation import is_name, settle
from verifier_service.answers.read.reading import Answer
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import (
    Degrees,
    Negative,
    Node,
    Number,
    Percent,
    Power,
    Product,
    Quantity,
    Relation,
    free_symbols,
    number,
)

_DIGITS = 60  # the precision in which values are compared with a decimal


class _Decimal(NamedTuple):
    """A decimal literal, and half a unit of its last digit."""

    value: Fraction
    half: Fraction


def rounds_to(answer: Answer, reference: Answer) -> Outcome | None:
    """Return the outcome with the readings for which an answer rounds to the reference, or None if it does not."""
    BUDGET.refill()
    for wanted in reference.trees:
        decimal = _decimal(_core(wanted))
        if decimal is None:
            continue
        for given in answer.trees:
            if all(_rounds(statement, wanted, decimal) for statement in _statements(settle(given))):
                return Outcome(True, f"{shown(answer)} rounds to {shown(reference)}", (given, wanted))
    return None


def _statements(node: Node) -> Iterator[Node]:
    """Yield `x = 1/3` and `x = 0.333` for the chain `x = 1/3 = 0.333`, because its signs can mean "about"."""
    if not isinstance(node, Relation) or set(node.operators) != {"="}:
        yield node
        return
    first, *values = node.terms
    if not is_name(first):
        yield first
    for value in values:
        yield Relation(("=",), (first, value)) if is_name(first) else value


def _rounds(given: Node, wanted: Node, decimal: _Decimal) -> bool:
    """Compare everything but the value, by putting the rounded value in the answer's place."""
    core = _core(given)
    for scale in _scales(given, wanted):
        scaled = _Decimal(decimal.value * scale, decimal.half * scale)
        try:
            if _is_near(core, scaled) and same(_with_core(given, number(scaled.value)), wanted).equal:
                return True
        except (NotMath, Undefined, RecursionError):
            continue
    return False


def _scales(given: Node, wanted: Node) -> Iterator[int | Fraction]:
    """Yield what the reference's digits can be multiplied by: a percentage also equals its hundredth."""
    yield 1
    if _is_percentage(wanted) and not _is_percentage(given):
        yield Fraction(1, 100)
    if _is_percentage(given) and not _is_percentage(wanted):
        yield 100


def _is_percentage(node: Node) -> bool:
    node = settle(node)
    if isinstance(node, Relation):
        return _is_percentage(node.terms[-1])
    return isinstance(node, Percent)


def _core(node: Node) -> Node:
    """Return the value inside a name, a unit and a sign."""
    match settle(node):
        case Relation(("=",), (name, value)) if is_name(name):
            return _core(value)
        case Quantity(value) | Percent(value) | Degrees(value):
            return _core(value)
        case Negative(value):
            return _negative(_core(value))
        case settled:
            return settled


def _negative(node: Node) -> Node:
    return replace(node, value=-node.value) if isinstance(node, Number) else Negative(node)


def _with_core(node: Node, value: Node) -> Node:
    """Copy a tree with another value inside its name and unit. The sign belongs to the value."""
    match node:
        case Relation(terms=(name, old, *_)):
            return replace(node, terms=(name, _with_core(old, value)))
        case Negative(operand):
            return _with_core(operand, value)
        case Quantity():
            return replace(node, value=_with_core(node.value, value))
        case Percent() | Degrees():
            return replace(node, operand=_with_core(node.operand, value))
        case _:
            return value


def _decimal(node: Node) -> _Decimal | None:
    """Read `0.33` and `1.5 \\cdot 10^{-3}`. Return None for anything but a decimal literal."""
    scale = Fraction(1)
    if isinstance(node, Negative):
        node = _negative(node.operand)
    match node:
        case Product((digits, Power(base, exponent))) if base == number(10):
            power = exact(exponent)
            if power is None or power.denominator != 1 or abs(power) > _DIGITS:
                return None
            node, scale = digits, Fraction(10) ** int(power)
        case _:
            pass
    if not isinstance(node, Number) or node.places is None:
        return None
    return _Decimal(node.value * scale, Fraction(10) ** -node.places / 2 * scale)


def _is_near(node: Node, decimal: _Decimal) -> bool:
    """Return whether a value lies within half a unit of the last digit; False if that cannot be decided."""
    if free_symbols(node):
        return False
    value = exact(node)
    if value is not None:
        return abs(value - decimal.value) <= decimal.half
    with MP.workdps(_DIGITS):
        found = evaluate(node, {})
        if isinstance(found, (MP.matrix, MP.mpc)):
            return False
        gap = abs(found - MP.mpf(decimal.value.numerator) / decimal.value.denominator)
        half = MP.mpf(decimal.half.numerator) / decimal.half.denominator
        # The slack is for the rounding of the computation: 10^-40 at 60 digits.
        return bool(gap <= half * (1 + MP.mpf(10) ** (20 - _DIGITS)))
