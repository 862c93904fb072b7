r"""Compare piecewise functions.

Two piecewise functions are equal if they have the same values at every break point, between neighbouring break points
and beyond the outermost, wherever at least one of them is defined. The order of the cases, `otherwise`, and which case
contains a break point at which both give the same value do not matter. A formula is a function with one case: `|x|`
equals `x` for `x \ge 0` and `-x` for `x < 0`; it has break points of its own. If a condition is about integers, such as
`n` even, the functions are compared for each residue.
"""

import random
from itertools import pairwise

from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.context import MP, Real
from verifier_service.answers.compute.numeric import NotNumeric, Undefined
from verifier_service.answers.compute.points import bending_places, source_for
from verifier_service.answers.kinds import expression, whole
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.realset import RealSet, as_set
from verifier_service.answers.kinds.relation import assignment
from verifier_service.answers.tree.nodes import (
    INFINITY,
    Builder,
    Call,
    Cases,
    List,
    Logic,
    Matrix,
    Negative,
    Node,
    Product,
    Quotient,
    Relation,
    Set,
    SetOperation,
    Sum,
    Symbol,
    Text,
    Tuple,
    free_symbols,
    number,
    rename,
    substitute,
    walk,
)

_MINUS_INFINITY = Negative(INFINITY)
_NO_FORMULA = (Relation, List, Set, Tuple, SetOperation, Builder, Matrix, Text, Logic)


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if one side is a case distinction."""
    one, other = _value(left), _value(right)
    if not isinstance(one, Cases) and not isinstance(other, Cases):
        return None
    if isinstance(one, _NO_FORMULA) or isinstance(other, _NO_FORMULA):
        return Decision(False, "a case distinction cannot equal an answer of this kind")
    first, second = _as_cases(one), _as_cases(other)
    name, other_name = _argument(left) or _variable(first), _argument(right) or _variable(second)
    if name and other_name and name != other_name and name not in free_symbols(second):
        second = _as_cases(rename(second, {other_name: name}))
    literal = _by_rows(first, second, same)
    if literal.equal:
        return literal
    try:
        return _by_residues(first, second) or _by_values(first, second) or literal
    except (NotNumeric, Undefined):
        return literal


def _value(node: Node) -> Node:
    """Return the expression for a function, without its name."""
    return assignment(node)[1]


def _argument(node: Node) -> str | None:
    """Return the x of `f(x) = ...`."""
    match node:
        case Relation(("=",), (Call(_, (Symbol(name),)), _)):
            return name
        case _:
            return None


def _as_cases(node: Node) -> Cases:
    return node if isinstance(node, Cases) else Cases(((node, None),))


def _conditions(node: Cases) -> list[tuple[Node, Node | None]]:
    """Return the values with their conditions, None for `otherwise`."""
    return [(value, None if condition == Text("otherwise") else condition) for value, condition in node.rows]


def _by_rows(left: Cases, right: Cases, same: Same) -> Decision:
    if len(left.rows) != len(right.rows):
        return Decision(False, "the numbers of cases differ")
    rest = _conditions(right)
    for value, condition in _conditions(left):
        for row in rest:
            other, its = row
            alike = condition == its
            if not alike and condition is not None and its is not None and not _is_worded(condition, its):
                alike = same(condition, its).equal
            if alike and same(value, other).equal:
                rest.remove(row)
                break
        else:
            return Decision(False, "a case of the answer is not among those of the reference")
    return Decision(True, "the same cases")


Row = tuple[Node, RealSet | None]


def _is_worded(*conditions: Node) -> bool:
    """Return whether a condition contains words, which are then compared as words."""
    return any(isinstance(part, Text) for condition in conditions for part in walk(condition))


def _by_values(left: Cases, right: Cases) -> Decision | None:
    """Compare at points in each part of the line. Return None if a condition is not an inequality in one variable."""
    first, second = _rows(left), _rows(right)
    variable = _variable(left) or _variable(right)
    if first is None or second is None or variable is None or not {*_names(left), *_names(right)} <= {variable}:
        return None
    bends: list[Node] = []
    for value, _ in first + second:
        places = bending_places(value, variable)
        if places is None:
            return Decision(False, "it was not proved: the break points of a case were not found")
        bends += places
    for point in _points(_ends(first + second) + bends, source_for(left, right)):
        a, b = (_at(side, variable, point) for side in (first, second))
        if a is None and b is None:
            continue
        if a is None or b is None:
            return Decision(False, "the functions are not defined at the same points")
        if not expression.equal(a, b):
            return Decision(False, "the functions differ at a point")
    return Decision(True, "the functions agree at all break points and between them")


def _at(rows: list[Row], variable: str, point: Node) -> Node | None:
    """Return the value at a point, as an expression, or None if the function has none."""
    value = _value_at(rows, point)
    if value is None:
        return None
    here = substitute(value, variable, point)
    if not free_symbols(here):
        try:
            evaluate(here, {})
        except Undefined:
            return None
    return here


_MAX_RESIDUES = 60  # each is one comparison of expressions


def _by_residues(left: Cases, right: Cases) -> Decision | None:
    """Compare functions of an integer. Return None if a condition is not a set of integers."""
    variable = _variable(left) or _variable(right)
    if variable is None or not {*_names(left), *_names(right)} <= {variable}:
        return None
    sets = [[_numbers_of(condition) for _, condition in _conditions(side)] for side in (left, right)]
    both = whole.joined([part for side in sets for part in side if part is not None])
    if all(part is None or part.real or part.listed or part is whole.ALL for part in sets[0] + sets[1]):
        return None
    if both is None or None in sets[0] + sets[1] or both[0] + 2 * both[1] > _MAX_RESIDUES:
        return None
    for at, value in _numbers(*both, variable):
        a, b = (_row_of(side, its, at) for side, its in ((left, sets[0]), (right, sets[1])))
        if (a is None) != (b is None):
            return Decision(False, "the functions are not defined for the same numbers")
        if a is None or b is None:
            continue
        if not expression.equal(substitute(a, variable, value), substitute(b, variable, value), frozenset((variable,))):
            return Decision(False, "the functions differ")
    return Decision(True, "the functions agree for each residue")


def _numbers_of(condition: Node | None) -> whole.WholeSet | None:
    return whole.ALL if condition is None else whole.as_whole(condition, 1)


def _numbers(period: int, reach: int, variable: str) -> list[tuple[int, Node]]:
    """Return the integers to compare at: those within reach, and beyond it the residues.

    Each residue beyond the reach is represented by one number, and by all its numbers as an expression in a letter.
    """
    inside: list[tuple[int, Node]] = [(value, number(value)) for value in range(-reach, reach + 1)]
    beyond = [*range(reach + 1, reach + 1 + period), *range(-reach - period, -reach)]
    steps = Product((number(period), Symbol(variable)))
    return inside + [(value, Sum((steps, number(value)))) for value in beyond]


def _names(node: Cases) -> frozenset[str]:
    return frozenset[str]().union(*(free_symbols(condition) for _, condition in _conditions(node) if condition))


def _row_of(node: Cases, sets: list[whole.WholeSet | None], value: int) -> Node | None:
    """Return the case that holds for an integer."""
    for (row, _), found in zip(node.rows, sets, strict=True):
        if found is None or found.holds(value):
            return row
    return None


def _variable(node: Cases) -> str | None:
    """Return the letter of the first condition that has only one."""
    for _, condition in _conditions(node):
        if condition is not None:
            names = free_symbols(condition)
            if len(names) == 1:
                return next(iter(names))
    return None


def _rows(node: Cases) -> list[Row] | None:
    rows: list[Row] = []
    for value, condition in _conditions(node):
        found = None if condition is None else as_set(condition)
        if found is None and condition is not None:
            return None
        rows.append((value, found))
    return rows


def _ends(rows: list[Row]) -> list[Node]:
    ends: list[Node] = []
    for _, found in rows:
        if found is not None:
            for piece in found.pieces:
                ends += [end for end in (piece.low, piece.high) if end not in (INFINITY, _MINUS_INFINITY)]
    return ends


def _points(places: list[Node], source: random.Random) -> list[Node]:
    """Return break points, and four points in each gap between them and on either side."""
    with MP.workdps(50):
        ends = sorted(((_real(end), end) for end in places), key=lambda pair: pair[0])
        values = [value for value, _ in ends]
        points = [end for _, end in ends]
        edges = [values[0] - 7, *values, values[-1] + 7] if values else [MP.mpf(-5), MP.mpf(5)]
        for low, high in pairwise(edges):
            if high - low > MP.mpf(10) ** -20:
                for quarter in range(4):
                    share = (quarter + MP.mpf(source.getrandbits(40) + 1) / (1 << 41)) / 4
                    scaled = int(MP.floor((low + (high - low) * share) * 10**24))
                    points.append(Quotient(number(scaled), number(10**24)))
    return points


def _value_at(rows: list[Row], point: Node) -> Node | None:
    for value, found in rows:
        if found is None or _holds(found, point):
            return value
    return None


def _holds(found: RealSet, point: Node) -> bool:
    with MP.workdps(50):
        at = _real(point)
        for piece in found.pieces:
            above = piece.low == _MINUS_INFINITY or _beyond(at, _real(piece.low), piece.low_closed)
            below = piece.high == INFINITY or _beyond(-at, -_real(piece.high), piece.high_closed)
            if above and below:
                return True
    return False


def _beyond(value: Real, end: Real, closed: bool) -> bool:
    return closed if abs(value - end) < MP.mpf(10) ** -35 else value > end


def _real(node: Node) -> Real:
    value = evaluate(node, {})
    if not isinstance(value, MP.mpf):
        raise NotNumeric("a condition on something that is not a real number")
    return value
