r"""Compare values with a unit, a noun, a currency, a percent sign or a degree sign.

What only one side has does not matter: `5 cm` equals 5, `9 chickens` equals 9, `\$5` equals 5. If both sides have a
unit, they are converted exactly (`50 cm` equals `0.5 m`, 10 °C equals 50 °F, 1 L equals 1000 cm³); units that measure
different things make the answers different. Nouns are equal if one phrase contains the other: `3 red balls` and `3
balls`, but not `3 apples` and `3 oranges`. A percentage equals its number and its hundredth: `62.5\%` is 62.5 and 5/8.
An angle in degrees equals the same angle in radians: 45° equals π/4.
"""

from verifier_service.answers.compute.exact import exact
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.read.measures import measure, times
from verifier_service.answers.tree.measure import Measure, Unit
from verifier_service.answers.tree.nodes import (
    PI,
    Degrees,
    Function,
    Negative,
    Node,
    Percent,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Sum,
    Text,
    children,
    number,
    rebuild,
    walk,
)

_MARKED = (Quantity, Percent, Degrees)
_ARITHMETIC = (Sum, Product, Negative, Quotient, PlusMinus)


def _known(text: str) -> Measure:
    found = measure(text)
    assert found is not None
    return found


_PERCENT, _DEGREE, _RADIAN = _known("%"), _known("°"), _known("rad")
_ANGLE, _TEMPERATURE = _RADIAN.units[0].dimension, _known("K").units[0].dimension


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if one side has a unit, a percent sign or a degree sign at its top."""
    left, right = _lift(left), _lift(right)
    if not isinstance(left, _MARKED) and not isinstance(right, _MARKED):
        return _degrees_inside(left, right, same)
    (a, unit_a), (b, unit_b) = _split(left), _split(right)
    if unit_a is None:
        return _with_bare(b, unit_b, a, same)
    if unit_b is None:
        return _with_bare(a, unit_a, b, same)
    return _with_units(a, unit_a, b, unit_b, same)


def _lift(node: Node) -> Node:
    """Pull a unit out of a sign, a product, a quotient, and a sum whose terms all have it."""
    match node:
        case Negative(operand):
            inner = _lift(operand)
            return rebuild(inner, Negative) if isinstance(inner, _MARKED) else node
        case Quantity(value):
            inner = _lift(value)
            return inner if isinstance(inner, (Percent, Degrees)) else node
        case Product(((Quantity() | Percent() | Degrees()) as first, Text())):
            return first
        case Product() | Quotient() if any(isinstance(part, Quantity) for part in children(node)):
            return _lift_product(node)
        case Sum(terms) if all(isinstance(term, (Quantity, Negative)) for term in terms):
            return _lift_sum(node)
        case _:
            return node


def _lift_product(node: Product | Quotient) -> Quantity:
    parts = [(part.value, part.unit) if isinstance(part, Quantity) else (part, None) for part in children(node)]
    signs = (1, *[1 if isinstance(node, Product) else -1] * (len(parts) - 1))
    factors = [(unit.units[0], sign) for (_, unit), sign in zip(parts, signs, strict=True) if unit is not None]
    nouns = frozenset[str]().union(*(unit.nouns for _, unit in parts if unit is not None))
    needed = any(unit.needed for _, unit in parts if unit is not None)
    value = rebuild(node, lambda part: part.value if isinstance(part, Quantity) else part)
    return Quantity(value, Measure((times(*factors),), nouns, needed=needed))


def _lift_sum(node: Sum) -> Sum | Quantity:
    """Add quantities of one kind in the unit of the first."""
    terms = [term for term in map(_lift, node.terms) if isinstance(term, Quantity)]
    units = [term.unit.units[0] for term in terms]
    first = units[0] if units else Unit()
    if len(units) != len(node.terms) or any(unit.dimension != first.dimension or unit.offset for unit in units):
        return node
    values = [
        Product((term.value, number(unit.scale / first.scale))) if unit.scale != first.scale else term.value
        for term, unit in zip(terms, units, strict=True)
    ]
    return Quantity(Sum(tuple(values)), terms[0].unit)


def _split(node: Node) -> tuple[Node, Measure | None]:
    """Return the value and its measure."""
    match node:
        case Percent(value):
            return value, _PERCENT
        case Degrees(value):
            return value, _DEGREE
        case Quantity(value, unit):
            return value, unit
        case _:
            return node, None


def _with_bare(value: Node, unit: Measure | None, bare: Node, same: Same) -> Decision:
    """Compare a quantity with a value that has no unit."""
    if unit is None or unit.needed:
        return Decision(False, "a letter after a number is a unit only if the other side has one")
    is_part = unit.units[0].dimension == _PERCENT.units[0].dimension
    decision = same(value, bare)
    if decision.equal and (not is_part or unit.units[0].scale == 1):
        return decision
    if is_part:
        return same(Product((value, number(unit.units[0].scale / 100))), bare)
    if unit == _DEGREE and _is_radian(bare):
        return same(_in_radians(value), bare)
    return decision


def _with_units(a: Node, unit_a: Measure, b: Node, unit_b: Measure, same: Same) -> Decision:
    """Compare two quantities in every meaning that their units have."""
    if not (unit_a.nouns <= unit_b.nouns or unit_b.nouns <= unit_a.nouns):
        return Decision(False, f"{unit_a.text} and {unit_b.text} do not count the same thing")
    alike = False
    for one in unit_a.units:
        for other in unit_b.units:
            if not _measure_alike(one, other) and not _is_remark(unit_a) and not _is_remark(unit_b):
                continue
            alike = True
            decision = _converted(a, one, b, other, same)
            if decision.equal:
                return decision
    why = "different in value after converting" if alike else "do not measure the same thing"
    return Decision(False, f"{unit_a.text} and {unit_b.text}: {why}")


def _measure_alike(one: Unit, other: Unit) -> bool:
    if one.dimension == other.dimension or _is_degrees_of_heat(one, other) or _is_degrees_of_heat(other, one):
        return True
    return _is_any(one, other) or _is_any(other, one)


def _is_remark(unit: Measure) -> bool:
    """Return whether the text after a value says nothing about it: `5 in total`."""
    return not unit.nouns and unit.units == (Unit(),)


def _is_degrees_of_heat(one: Unit, other: Unit) -> bool:
    """Return whether one side says `degrees` and the other says which."""
    return one == _DEGREE.units[0] and other.dimension == _TEMPERATURE and other.offset != 0


def _is_any(one: Unit, other: Unit) -> bool:
    """Return whether one side has `units`, `square units` or `cubic units`, and the other units they can stand for."""
    power = dict(one.dimension).get("unit") if len(one.dimension) == 1 else None
    lengths = dict(other.dimension).get("meter") if len(other.dimension) == 1 else None
    return power == 1 or (power is not None and power == lengths)


def _converted(a: Node, one: Unit, b: Node, other: Unit, same: Same) -> Decision:
    if one.dimension != other.dimension or (one.scale, one.pi, one.offset) == (other.scale, other.pi, other.offset):
        return same(a, b)
    first, second = _in_base(a, one), _in_base(b, other)
    decision = same(first, second)
    return Decision(decision.equal, f"{decision.why} after converting")


def _in_base(value: Node, unit: Unit) -> Node:
    """Convert a value to the base units."""
    plain = exact(value)
    if plain is not None and not unit.pi:
        return number((plain + unit.offset) * unit.scale)
    if unit.offset:
        value = Sum((value, number(unit.offset)))
    factors = [value, number(unit.scale), *([Power(PI, number(unit.pi))] if unit.pi else [])]
    return Product(tuple(factors))


def _in_radians(value: Node) -> Node:
    return Product((value, Quotient(PI, number(180))))


def _is_radian(node: Node) -> bool:
    return _has_pi(node) or (isinstance(node, Function) and node.name.startswith("arc"))


def _has_pi(node: Node) -> bool:
    return any(part == PI for part in walk(node))


def _degrees_inside(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if only one side has its angles in degrees, as in `30^\\circ + 360^\\circ k` and `30 + 360k`."""
    marked = [_has_degrees(left), _has_degrees(right)]
    if marked[0] == marked[1]:
        return None
    degrees, other = (left, right) if marked[0] else (right, left)
    if _has_pi(other):
        return None
    return same(_without_degrees(degrees), other)


def _has_degrees(node: Node) -> bool:
    return isinstance(node, Degrees) or (isinstance(node, _ARITHMETIC) and any(map(_has_degrees, children(node))))


def _without_degrees(node: Node) -> Node:
    if isinstance(node, Degrees):
        return node.operand
    return node if isinstance(node, Function) else rebuild(node, _without_degrees)
