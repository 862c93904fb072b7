r"""Functions given by cases.

Two piecewise functions are equal if they have the same values at every break point, between any two neighbouring ones
and beyond the outermost, wherever at least one of them is defined. The order of the cases, `otherwise`, and which
case holds a break point where both give the same value do not matter.
"""

from itertools import pairwise

from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.context import MP, Real
from verifier_service.answers.compute.numeric import NotNumeric, Undefined
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.realset import RealSet, as_set
from verifier_service.answers.kinds.relation import assignment
from verifier_service.answers.tree.nodes import (
    INFINITY,
    Cases,
    Negative,
    Node,
    Quotient,
    Text,
    free_symbols,
    number,
    substitute,
)

_MINUS_INFINITY = Negative(INFINITY)


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side is a case distinction."""
    left, right = assignment(left)[1], assignment(right)[1]
    if not isinstance(left, Cases) and not isinstance(right, Cases):
        return None
    if not isinstance(left, Cases) or not isinstance(right, Cases):
        return Decision(False, "a case distinction is not a single formula")
    literal = _by_rows(left, right, same)
    if literal.equal:
        return literal
    try:
        return _by_values(left, right)
    except (NotNumeric, Undefined):
        return literal


def _conditions(node: Cases) -> list[tuple[Node, Node | None]]:
    """Return the values with their conditions, None for `otherwise`."""
    return [(value, None if isinstance(condition, Text) else condition) for value, condition in node.rows]


def _by_rows(left: Cases, right: Cases, same: Same) -> Decision:
    if len(left.rows) != len(right.rows):
        return Decision(False, "the numbers of cases differ")
    rest = _conditions(right)
    for value, condition in _conditions(left):
        for row in rest:
            other, its = row
            if condition is None or its is None:
                alike = condition is its
            else:
                alike = condition == its or same(condition, its).equal
            if alike and same(value, other).equal:
                rest.remove(row)
                break
        else:
            return Decision(False, "a case of the answer is not among those of the reference")
    return Decision(True, "the same cases")


def _by_values(left: Cases, right: Cases) -> Decision:
    first, second = _rows(left), _rows(right)
    variable = _variable(left) or _variable(right)
    if first is None or second is None or variable is None:
        return Decision(False, "the cases differ, and their conditions are not all inequalities in one variable")
    for point in _points(first + second):
        a, b = _value_at(first, point), _value_at(second, point)
        if (a is None) != (b is None):
            return Decision(False, "the functions are not defined at the same points")
        if a is None or b is None:
            continue
        if not expression.equal(substitute(a, variable, point), substitute(b, variable, point)):
            return Decision(False, "the functions differ at a point")
    return Decision(True, "the functions agree at all break points and between them")


def _variable(node: Cases) -> str | None:
    for _, condition in _conditions(node):
        if condition is not None:
            names = free_symbols(condition)
            if len(names) == 1:
                return next(iter(names))
    return None


Row = tuple[Node, RealSet | None]


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


def _points(rows: list[Row]) -> list[Node]:
    """Return break points, and four points in each gap between them and on either side."""
    with MP.workdps(50):
        ends = sorted(((_real(end), end) for end in _ends(rows)), key=lambda pair: pair[0])
        values = [value for value, _ in ends]
        points = [end for _, end in ends]
        edges = [values[0] - 7, *values, values[-1] + 7] if values else [MP.mpf(-5), MP.mpf(5)]
        for low, high in pairwise(edges):
            if high - low > MP.mpf(10) ** -20:
                for share in ("0.137", "0.391", "0.618", "0.893"):
                    scaled = int(MP.floor((low + (high - low) * MP.mpf(share)) * 10**12))
                    points.append(Quotient(number(scaled), number(10**12)))
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
        raise NotNumeric("a condition on what is no real number")
    return value
