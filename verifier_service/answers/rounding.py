"""Answers that round to a decimal reference at the reference's own digits.

The reference is one decimal literal, with or without a sign, a unit, a percent or degree sign, a name (`x = 0.33`,
`x \\approx 0.33`) or a power of ten; a whole number is no decimal. The answer's value may be anything that has one:
`1/3`, `\\frac{\\sqrt3}{3}`, `0.3333`. It lies within half a unit of the reference's last digit, both ends included, as
there are two ways to round a tie. Everything else must be equal: units, names. An answer with fewer digits than the
reference does not round to it.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from verifier_service.answers.compare import Outcome, same, shown
from verifier_service.answers.compute.algebra import BUDGET, evaluate
from verifier_service.answers.compute.numeric import MP, Undefined, exact
from verifier_service.answers.kinds.relation import is_name, settle
from verifier_service.answers.read.reading import Answer
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import Node, free_symbols, number

_DIGITS = 60
_MARKS = ("quantity", "percent", "deg", "neg")


class _Decimal(NamedTuple):
    """A decimal literal and half a unit of its last digit."""

    value: Fraction
    half: Fraction


def rounds_to(answer: Answer, reference: Answer) -> Outcome | None:
    """Return that an answer rounds to the reference, and the readings of which it does; None where it does not."""
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
    """Yield `x = 1/3` and `x = 0.333` of the chain `x = 1/3 = 0.333`: the signs may mean "about"."""
    if node.op != "rel" or set(node.args[0]) != {"="}:
        yield node
        return
    first, *values = node.args[1]
    if not is_name(first):
        yield first
    for value in values:
        yield Node("rel", (("=",), (first, value))) if is_name(first) else value


def _rounds(given: Node, wanted: Node, decimal: _Decimal) -> bool:
    """Put the rounded value in the place of the answer's: what is left to compare is the dress."""
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
    """Yield what the reference's digits may be multiplied with: a percentage is also its hundredth."""
    yield 1
    if _is_percentage(wanted) and not _is_percentage(given):
        yield Fraction(1, 100)
    if _is_percentage(given) and not _is_percentage(wanted):
        yield 100


def _is_percentage(node: Node) -> bool:
    node = settle(node)
    if node.op == "rel":
        return _is_percentage(node.args[1][-1])
    return node.op == "percent" or (node.op == "quantity" and node.args[1] in ("%", "percent"))


def _core(node: Node) -> Node:
    """Return the value inside a name, a unit and a sign."""
    node = settle(node)
    if node.op == "rel" and len(node.args[1]) == 2 and node.args[0] == ("=",) and is_name(node.args[1][0]):
        return _core(node.args[1][1])
    if node.op in _MARKS:
        return _core(node.args[0]) if node.op != "neg" else _negative(_core(node.args[0]))
    return node


def _negative(node: Node) -> Node:
    return number(-node.args[0], node.args[1]) if node.op == "num" else Node("neg", (node,))


def _with_core(node: Node, value: Node) -> Node:
    """Copy a tree with another value inside its name and its unit; the sign belongs to the value."""
    if node.op == "rel":
        return Node("rel", (node.args[0], (node.args[1][0], _with_core(node.args[1][1], value))))
    if node.op == "neg":
        return _with_core(node.args[0], value)
    if node.op in _MARKS:
        return Node(node.op, (_with_core(node.args[0], value), *node.args[1:]))
    return value


def _decimal(node: Node) -> _Decimal | None:
    """Read `0.33` and `1.5 \\cdot 10^{-3}`; None for what is no decimal literal."""
    scale = Fraction(1)
    if node.op == "neg":
        node = _negative(node.args[0])
    if node.op == "mul" and len(node.args) == 2 and node.args[1].op == "pow" and node.args[1].args[0] == number(10):
        power = exact(node.args[1].args[1])
        if power is None or power.denominator != 1 or abs(power) > _DIGITS:
            return None
        node, scale = node.args[0], Fraction(10) ** int(power)
    if node.op != "num" or node.args[1] is None:
        return None
    return _Decimal(node.args[0] * scale, Fraction(10) ** -node.args[1] / 2 * scale)


def _is_near(node: Node, decimal: _Decimal) -> bool:
    """Tell whether a value lies within half a unit of the last digit; False also where that cannot be told."""
    if free_symbols(node):
        return False
    value = exact(node)
    if value is not None:
        return abs(value - decimal.value) <= decimal.half
    with MP.workdps(_DIGITS):
        found: Any = evaluate(node, {})
        if isinstance(found, MP.matrix | MP.mpc):
            return False
        gap = abs(found - MP.mpf(decimal.value.numerator) / decimal.value.denominator)
        half = MP.mpf(decimal.half.numerator) / decimal.half.denominator
        return bool(gap <= half * (1 + MP.mpf(10) ** (20 - _DIGITS)))
