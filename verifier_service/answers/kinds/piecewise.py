r"""Functions given by cases.

Two piecewise functions are equal if they have the same values at every break point, between any two neighbouring ones
and beyond the outermost, wherever at least one of them is defined. The order of the cases, `otherwise`, and which
case holds a break point where both give the same value do not matter.
"""

from itertools import pairwise

from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.numeric import MP, NotNumeric, Undefined
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.realset import RealSet, as_set
from verifier_service.answers.kinds.relation import assignment
from verifier_service.answers.tree.nodes import INFINITY, Node, free_symbols, number, substitute

_MINUS_INFINITY = Node("neg", (INFINITY,))


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side is a case distinction."""
    left, right = assignment(left)[1], assignment(right)[1]
    if left.op != "cases" and right.op != "cases":
        return None
    if left.op != "cases" or right.op != "cases":
        return Decision(False, "a case distinction is not a single formula")
    literal = _by_rows(left, right, same)
    if literal.equal:
        return literal
    try:
        return _by_values(left, right)
    except (NotNumeric, Undefined):
        return literal


def _is_rest(condition: Node | None) -> bool:
    return condition is None or condition.op == "text"


def _by_rows(left: Node, right: Node, same: Same) -> Decision:
    if len(left.args) != len(right.args):
        return Decision(False, "the numbers of cases differ")
    rest = list(right.args)
    for value, condition in left.args:
        for row in rest:
            alike = _is_rest(condition) and _is_rest(row[1])
            if not alike and not _is_rest(condition) and not _is_rest(row[1]):
                alike = condition == row[1] or same(condition, row[1]).equal
            if alike and same(value, row[0]).equal:
                rest.remove(row)
                break
        else:
            return Decision(False, "a case of the answer is not among those of the reference")
    return Decision(True, "the same cases")


def _by_values(left: Node, right: Node) -> Decision:
    first, second = _rows(left), _rows(right)
    variable = _variable(left) or _variable(right)
    if first is None or second is None or variable is None:
        return Decision(False, "the cases differ, and their conditions are not all inequalities in one variable")
    for point in _points(first + second):
        a, b = _value_at(first, point), _value_at(second, point)
        if (a is None) != (b is None):
            return Decision(False, "the functions are not defined at the same points")
        if a is not None and b is not None:
            at = {variable: point}
            if not expression.equal(substitute(a, variable, at[variable]), substitute(b, variable, at[variable])):
                return Decision(False, "the functions differ at a point")
    return Decision(True, "the functions agree at all break points and between them")


def _variable(node: Node) -> str | None:
    for _, condition in node.args:
        if condition is not None and condition.op != "text":
            names = free_symbols(condition)
            if len(names) == 1:
                return next(iter(names))
    return None


Row = tuple[Node, RealSet | None]


def _rows(node: Node) -> list[Row] | None:
    rows: list[Row] = []
    for value, condition in node.args:
        if condition is None or condition.op == "text":
            rows.append((value, None))
            continue
        found = as_set(condition)
        if found is None:
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
        ends = sorted(((evaluate(end, {}), end) for end in _ends(rows)), key=lambda pair: pair[0])
        values = [value for value, _ in ends]
        points = [end for _, end in ends]
        edges = [values[0] - 7, *values, values[-1] + 7] if values else [MP.mpf(-5), MP.mpf(5)]
        for low, high in pairwise(edges):
            if high - low > MP.mpf(10) ** -20:
                for share in ("0.137", "0.391", "0.618", "0.893"):
                    scaled = int(MP.floor((low + (high - low) * MP.mpf(share)) * 10**12))
                    points.append(Node("div", (number(scaled), number(10**12))))
    return points


def _value_at(rows: list[Row], point: Node) -> Node | None:
    for value, found in rows:
        if found is None or _holds(found, point):
            return value
    return None


def _holds(found: RealSet, point: Node) -> bool:
    with MP.workdps(50):
        at = evaluate(point, {})
        for piece in found.pieces:
            above = piece.low == _MINUS_INFINITY or _beyond(at, evaluate(piece.low, {}), piece.low_closed)
            below = piece.high == INFINITY or _beyond(-at, -evaluate(piece.high, {}), piece.high_closed)
            if above and below:
                return True
    return False


def _beyond(value: object, end: object, closed: bool) -> bool:
    if abs(value - end) < MP.mpf(10) ** -35:  # type: ignore[operator]
        return closed
    return bool(value > end)  # type: ignore[operator]
