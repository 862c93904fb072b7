r"""Subsets of the real line: intervals, unions, inequalities and chains of them, set-builder sets, exclusions.

An inequality equals the interval of its solutions (`x > 2` and `(2, \infty)`), `x \ne 0` equals `\mathbb{R} \setminus
\{0\}`, a set-builder set equals the interval it describes, a flipped or negated inequality equals itself. Open is not
closed. The name of the variable matters only if both sides name one. Inequalities joined by `or` are united, by `and`
intersected; joined by a comma they are intersected if that leaves anything, else united. `(a, b)` may be a point or
an interval: beside an interval it is one. Inequalities in several variables are equal if they differ by a positive
factor.
"""

from dataclasses import dataclass
from typing import Any

from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.numeric import MP, NotNumeric, Undefined
from verifier_service.answers.kinds import expression
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.relation import is_name
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import INFINITY, ZERO, Node, free_symbols

_LESS = {"<": False, "<=": True}
_GREATER = {">": False, ">=": True}
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!=", "=": "="}
_MINUS_INFINITY = Node("neg", (INFINITY,))
_DIGITS = 60


@dataclass(frozen=True)
class Piece:
    """One interval; an end that is infinite is open. A point is a closed piece with equal ends."""

    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


@dataclass(frozen=True)
class RealSet:
    """Pieces, as written, and the variable they are about, if one is named."""

    pieces: tuple[Piece, ...]
    variable: str | None = None


_WHOLE = RealSet((Piece(_MINUS_INFINITY, False, INFINITY, False),))


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side can only be a set of reals."""
    if not (_is_surely_set(left) or _is_surely_set(right)):
        return None
    first, second = as_set(left), as_set(right)
    if first is None or second is None:
        return _relations(left, right, same)
    if first.variable and second.variable and first.variable != second.variable:
        return Decision(False, f"one is about {first.variable}, the other about {second.variable}")
    equal = _equal_pieces(first.pieces, second.pieces, same)
    if equal is None:
        return Decision(False, "intervals whose ends cannot be compared")
    return Decision(equal, "the same set of reals" if equal else "different sets of reals")


def _is_surely_set(node: Node) -> bool:
    if node.op in ("union", "inter", "minus", "builder"):
        return True
    if node.op == "sym":
        return node.args[0].startswith("mathbb ")
    if node.op == "rel":
        return any(
            operator in _LESS or operator in _GREATER or operator in ("!=", "in", "notin") for operator in node.args[0]
        )
    if node.op == "tuple":
        return node.args[:2] in (("[", ")"), ("(", "]"), ("]", "["), ("]", "]"), ("[", "[")) or _has_infinity(node)
    if node.op == "list":
        return any(_is_surely_set(item) for item in node.args[1]) and not any(
            item.op == "rel" and item.args[0] == ("in",) for item in node.args[1]
        )
    return False


def _has_infinity(node: Node) -> bool:
    return len(node.args[2]) == 2 and any(item in (INFINITY, _MINUS_INFINITY) for item in node.args[2])


def as_set(node: Node) -> RealSet | None:
    """Read a node as a set of reals; None where it is none that is understood."""
    reader = _READERS.get(node.op)
    if reader is None:
        return None
    return reader(node)


def _interval(node: Node) -> RealSet | None:
    opener, closer, items = node.args
    if len(items) != 2 or not _ascends(items[0], items[1]):
        return None
    return RealSet((Piece(items[0], opener == "[", items[1], closer == "]"),))


def _ascends(low: Node, high: Node) -> bool:
    """Tell whether two ends stand in the order of an interval, as far as that can be computed; `(3, 1)` is no
    interval."""
    if low == INFINITY or high == _MINUS_INFINITY:
        return False
    if free_symbols(low) or free_symbols(high):
        return True
    try:
        with MP.workdps(_DIGITS):
            return bool(_number(low) <= _number(high))
    except (NotMath, Undefined):
        return False


def _points(node: Node) -> RealSet | None:
    if any(item.op not in ("num", "neg", "div", "fn", "pow", "add", "mul", "const", "sym") for item in node.args[0]):
        return None
    return RealSet(tuple(Piece(item, True, item, True) for item in node.args[0]))


def _symbol(node: Node) -> RealSet | None:
    if node.args[0] in ("mathbb R", "R"):
        return _WHOLE
    return None


def _union(node: Node) -> RealSet | None:
    first, second = (as_set(part) for part in node.args)
    if first is None or second is None:
        return None
    return RealSet(first.pieces + second.pieces, first.variable or second.variable)


def _minus(node: Node) -> RealSet | None:
    first, second = (as_set(part) for part in node.args)
    if first is None or second is None:
        return None
    return _intersect(first, _complement(second))


def _intersection(node: Node) -> RealSet | None:
    first, second = (as_set(part) for part in node.args)
    if first is None or second is None:
        return None
    return _intersect(first, second)


def _builder(node: Node) -> RealSet | None:
    head, condition = node.args
    variable = head.args[1][0] if head.op == "rel" and head.args[0] == ("in",) else head
    if variable.op != "sym":
        return None
    found = as_set(condition)
    if found is None or (found.variable and found.variable != variable.args[0]):
        return None
    return RealSet(found.pieces)


def _relation(node: Node) -> RealSet | None:
    operators, terms = node.args
    if len(operators) == 1:
        return _single(operators[0], terms[0], terms[1])
    found: RealSet | None = None
    for operator, low, high in zip(operators, terms, terms[1:], strict=False):
        part = _single(operator, low, high)
        if part is None or (found is not None and found.variable != part.variable):
            return None
        found = part if found is None else _intersect(found, part)
    return found


def _single(operator: str, left: Node, right: Node) -> RealSet | None:
    if operator == "in" and is_name(left):
        inside = as_set(right)
        return inside and RealSet(inside.pieces, left.args[0] if left.op == "sym" else None)
    if operator == "notin" and left.op == "sym":
        inside = as_set(right)
        return inside and RealSet(_complement(inside).pieces, left.args[0])
    if operator not in _FLIPPED:
        return None
    if right.op == "sym" and left.op != "sym":
        operator, left, right = _FLIPPED[operator], right, left
    if left.op == "sym" and left.args[0] not in free_symbols(right) and right.op not in ("set", "tuple", "union"):
        return RealSet(_ray(operator, right), left.args[0])
    names = free_symbols(left) | free_symbols(right)
    if len(names) != 1:
        return None
    variable = next(iter(names))
    pieces = algebra.solve_inequality(Node("add", (left, Node("neg", (right,)))), operator, variable)
    if pieces is None:
        return None
    return RealSet(tuple(Piece(*piece) for piece in pieces), variable)


def _ray(operator: str, end: Node) -> tuple[Piece, ...]:
    if operator in _LESS:
        return (Piece(_MINUS_INFINITY, False, end, _LESS[operator]),)
    if operator in _GREATER:
        return (Piece(end, _GREATER[operator], INFINITY, False),)
    if operator == "=":
        return (Piece(end, True, end, True),)
    return (Piece(_MINUS_INFINITY, False, end, False), Piece(end, False, INFINITY, False))


def _list(node: Node) -> RealSet | None:
    joiner, items = node.args
    sets = []
    variable: str | None = None
    for item in items:
        if item.op == "rel" and item.args[0] == ("in",) and item.args[1][1].op == "sym":
            continue
        if item.op == "rel":
            found = as_set(item)
        elif item.op == "sym":
            continue
        elif item.op in ("tuple", "union", "builder"):
            found = as_set(item)
        else:
            found = RealSet((Piece(item, True, item, True),)) if joiner == "or" or _excluded(items) is None else None
        if found is None or (variable and found.variable and variable != found.variable):
            return None
        variable = variable or found.variable
        sets.append(found)
    excluded = _excluded(items)
    if excluded is not None:
        return excluded
    if not sets:
        return None
    united = RealSet(tuple(piece for found in sets for piece in found.pieces), variable)
    if joiner == "or":
        return united
    met = sets[0]
    for found in sets[1:]:
        met = _intersect(met, found)
    if met.pieces or joiner == "and":
        return RealSet(met.pieces, variable)
    return united


def _excluded(items: tuple[Node, ...]) -> RealSet | None:
    """Read `x \\ne 1, 2` as a set that lacks both."""
    first = items[0]
    if first.op != "rel" or first.args[0] != ("!=",) or any(item.op == "rel" for item in items[1:]):
        return None
    found = _single("!=", first.args[1][0], first.args[1][1])
    for item in items[1:]:
        part = RealSet(_ray("!=", item))
        found = _intersect(found, part) if found else None
    return found and RealSet(found.pieces, first.args[1][0].args[0] if first.args[1][0].op == "sym" else None)


_READERS = {
    "tuple": _interval, "set": _points, "sym": _symbol, "union": _union, "minus": _minus, "inter": _intersection,
    "builder": _builder, "rel": _relation, "list": _list,
}  # fmt: skip


# --- arithmetic of pieces ---------------------------------------------------------------------------------------


def _number(node: Node) -> Any:
    """Return the value of an end as a number of `MP`, infinite ends too."""
    if node == INFINITY:
        return MP.inf
    if node == _MINUS_INFINITY:
        return -MP.inf
    with MP.workdps(_DIGITS):
        value = evaluate(node, {})
    if isinstance(value, MP.mpc | MP.matrix):
        raise NotNumeric("an end of an interval that is no real number")
    return value


def _close(a: Any, b: Any) -> bool:
    return bool(a == b or (MP.isfinite(a) and MP.isfinite(b) and abs(a - b) < MP.mpf(10) ** -40 * (1 + abs(a))))


def _merged(pieces: tuple[Piece, ...]) -> list[Piece]:
    """Sort pieces and join those that touch; an empty piece disappears."""
    with MP.workdps(_DIGITS):
        rows = []
        for piece in pieces:
            low, high = _number(piece.low), _number(piece.high)
            if _close(low, high):
                if not (piece.low_closed and piece.high_closed and MP.isfinite(low)):
                    continue
            elif low > high:
                continue
            rows.append((low, high, piece))
        rows.sort(key=lambda row: (row[0], not row[2].low_closed))
        merged: list[tuple[Any, Any, Piece]] = []
        for low, high, piece in rows:
            if merged:
                last_low, last_high, last = merged[-1]
                touches = _close(last_high, low) and (last.high_closed or piece.low_closed)
                if touches or (low < last_high and not _close(low, last_high)):
                    merged[-1] = _joined(last_low, last_high, last, high, piece)
                    continue
            merged.append((low, high, piece))
    return [piece for _, _, piece in merged]


def _joined(low: Any, last_high: Any, last: Piece, high: Any, piece: Piece) -> tuple[Any, Any, Piece]:
    if _close(last_high, high):
        closed = last.high_closed or piece.high_closed
        return low, high, Piece(last.low, last.low_closed, last.high, closed)
    if high > last_high:
        return low, high, Piece(last.low, last.low_closed, piece.high, piece.high_closed)
    return low, last_high, last


def _complement(found: RealSet) -> RealSet:
    low, low_closed = _MINUS_INFINITY, False
    pieces = []
    for piece in _merged(found.pieces):
        pieces.append(Piece(low, low_closed, piece.low, not piece.low_closed))
        low, low_closed = piece.high, not piece.high_closed
    pieces.append(Piece(low, low_closed, INFINITY, False))
    kept = tuple(
        p for p in pieces if not (p.low == p.high and (p.low in (INFINITY, _MINUS_INFINITY) or not p.low_closed))
    )
    return RealSet(tuple(p for p in kept if not (p.high == _MINUS_INFINITY or p.low == INFINITY)), found.variable)


def _intersect(first: RealSet, second: RealSet) -> RealSet:
    pieces = []
    for one in first.pieces:
        for other in second.pieces:
            pieces.append(_overlap(one, other))
    kept = tuple(piece for piece in pieces if piece is not None)
    return RealSet(kept, first.variable or second.variable)


def _overlap(one: Piece, other: Piece) -> Piece | None:
    """Intersect two pieces; an infinite end gives way to any other, so that ends may be letters."""
    low, low_closed = _inner(one.low, one.low_closed, other.low, other.low_closed, _MINUS_INFINITY, larger=True)
    high, high_closed = _inner(one.high, one.high_closed, other.high, other.high_closed, INFINITY, larger=False)
    if free_symbols(low) or free_symbols(high) or low == _MINUS_INFINITY or high == INFINITY:
        return Piece(low, low_closed, high, high_closed)
    with MP.workdps(_DIGITS):
        a, b = _number(low), _number(high)
        if _close(a, b):
            return Piece(low, True, high, True) if low_closed and high_closed else None
        return Piece(low, low_closed, high, high_closed) if a < b else None


def _inner(a: Node, a_closed: bool, b: Node, b_closed: bool, outermost: Node, larger: bool) -> tuple[Node, bool]:
    if a == outermost:
        return b, b_closed
    if b == outermost or a == b:
        return a, a_closed and (b_closed or a != b)
    with MP.workdps(_DIGITS):
        first, second = _number(a), _number(b)
        if _close(first, second):
            return a, a_closed and b_closed
        return (a, a_closed) if (first > second) == larger else (b, b_closed)


def _equal_pieces(first: tuple[Piece, ...], second: tuple[Piece, ...], same: Same) -> bool | None:
    if not any(free_symbols(end) for piece in first + second for end in (piece.low, piece.high)):
        try:
            first, second = tuple(_merged(first)), tuple(_merged(second))
        except (NotNumeric, Undefined):
            return None
    if len(first) != len(second):
        return False
    rest = list(second)
    for piece in first:
        match = next((other for other in rest if _same_piece(piece, other, same)), None)
        if match is None:
            return False
        rest.remove(match)
    return True


def _same_piece(one: Piece, other: Piece, same: Same) -> bool:
    if (one.low_closed, one.high_closed) != (other.low_closed, other.high_closed):
        return False
    return _same_end(one.low, other.low, same) and _same_end(one.high, other.high, same)


def _same_end(one: Node, other: Node, same: Same) -> bool:
    if one == other:
        return True
    if INFINITY in (one, other) or _MINUS_INFINITY in (one, other):
        return False
    return same(one, other).equal


# --- inequalities in several variables --------------------------------------------------------------------------


def _relations(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare inequalities that are no sets of reals: by a positive factor, or term by term."""
    if left.op != "rel" or right.op != "rel":
        return Decision(False, "a set of reals is not that") if left.op != "list" and right.op != "list" else None
    a, b = _upward(left), _upward(right)
    if a[0] != b[0] or len(a[1]) != len(b[1]):
        return Decision(False, "the relations differ")
    if all(same(one, other).equal for one, other in zip(a[1], b[1], strict=True)):
        return Decision(True, "the relations are equal term by term")
    if len(a[1]) != 2 or a[0][0] not in ("<", "<=", "!="):
        return Decision(False, "the relations differ")
    differences = [Node("add", (terms[1], Node("neg", (terms[0],)))) for _, terms in (a, b)]
    try:
        if free_symbols(differences[0]) == free_symbols(differences[1]) and expression.proportional(
            differences[0], differences[1], positive=a[0][0] != "!="
        ):
            return Decision(True, "the inequalities differ by a positive factor")
    except NotMath:
        return None
    return Decision(False, "the inequalities differ")


def _upward(node: Node) -> tuple[tuple[str, ...], tuple[Node, ...]]:
    operators, terms = node.args
    if all(operator in _GREATER for operator in operators):
        return tuple(_FLIPPED[operator] for operator in reversed(operators)), tuple(reversed(terms))
    return operators, terms


__all__ = ["ZERO", "RealSet", "as_set", "decide"]
