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
from verifier_service.answers.kinds import expression, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.relation import is_name, label_of, may_be_called
from verifier_service.answers.tree.bounds import NotMath, TooComplex
from verifier_service.answers.tree.nodes import INFINITY, ZERO, Node, free_symbols, number, rebuild, symbol, walk

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
_ABOVE, _BELOW = Piece(ZERO, False, INFINITY, False), Piece(_MINUS_INFINITY, False, ZERO, False)
_NUMBER_SETS = {
    "mathbb R": _WHOLE,
    "R": _WHOLE,
    "mathbb R^+": RealSet((_ABOVE,)),
    "mathbb R^-": RealSet((_BELOW,)),
    "mathbb R^*": RealSet((_BELOW, _ABOVE)),
    "mathbb R>=0": RealSet((Piece(ZERO, True, INFINITY, False),)),
    "mathbb R<=0": RealSet((Piece(_MINUS_INFINITY, False, ZERO, True),)),
}


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side can only be a set of reals."""
    if not (_is_surely_set(left) or _is_surely_set(right)):
        return None
    decision: Decision | None = None
    for one, other in _readings(left, right):
        first, second = as_set(one), as_set(other)
        if first is None or second is None:
            continue
        found = _compared(first, second, same)
        if found.equal:
            return found
        decision = decision or found
    if decision is None or left.op == right.op == "rel":
        found = _relations(left, right, same)
        return found if decision is None or (found and found.equal) else decision
    return decision


def _compared(first: RealSet, second: RealSet, same: Same) -> Decision:
    a, b = first.variable, second.variable
    if a and b and a != b and not may_be_called(a, b):
        return Decision(False, f"one is about {a}, the other about {b}")
    equal = _equal_pieces(first.pieces, second.pieces, same)
    if equal is None:
        return Decision(False, "intervals whose ends cannot be compared")
    return Decision(equal, "the same set of reals" if equal else "different sets of reals")


def _readings(left: Node, right: Node) -> list[tuple[Node, Node]]:
    """Return both sides as they are, and with what is bounded in them as a mere name: `0 < f(x) < 1`, `|AB| > 3`."""
    alike = _bounded(left) & _bounded(right)
    named = _with_names(left, alike), _with_names(right, alike)
    return [(left, right)] if named == (left, right) else [(left, right), named]


def _bounded(node: Node) -> frozenset[Node]:
    """Return the terms of relations, of which each may be a name."""
    return frozenset(term for part in walk(node) if part.op == "rel" for term in part.args[1])


def _with_names(node: Node, alike: frozenset[Node]) -> Node:
    """Put one letter for each `f(x)`, `a_n`, `AB` that has numbers for bounds; for `|x|` only if both sides have it."""
    if node.op in ("list", "union"):
        return rebuild(node, lambda child: _with_names(child, alike))
    if node.op != "rel":
        return node
    operators, terms = node.args
    places = [place for place, term in enumerate(terms) if not _is_closed(term)]
    if len(places) != 1 or not all(operator in _FLIPPED or operator == "in" for operator in operators):
        return node
    term = terms[places[0]]
    if term.op == "sym" or not is_name(term) or not (_is_value(term) or term in alike):
        return node
    name = _segment(term) or label_of(term)
    return Node("rel", (operators, tuple(symbol(name) if term == one else one for one in terms)))


def _segment(term: Node) -> str:
    r"""Spell `AB`, `|AB|` and `\overline{AB}`, which are one length, as one name; nothing for other terms."""
    if term.op == "fn" and term.args[0] in ("abs", "bar"):
        term = term.args[1]
    if term.op != "mul" or not _is_value(term):
        return ""
    return "".join(part.args[0] for part in term.args)


def _is_closed(node: Node) -> bool:
    return not any(part.op in ("sym", "call", "text") for part in walk(node)) or node.op in ("sym", "set", "union")


def _is_value(node: Node) -> bool:
    """Tell whether a name is that of one value, and no formula in a letter."""
    if node.op == "fn" and node.args[0] == "abs":
        return _is_value(node.args[1]) or node.args[1] in (symbol("z"), symbol("w"))
    if node.op == "mul" and all(part.op == "sym" and part.args[0][0].isupper() for part in node.args):
        return True
    if node.op in ("add", "mul", "div"):
        return len(free_symbols(node)) > 1
    if node.op == "fn" and node.args[0] == "bar":
        return _is_value(node.args[1])
    return node.op in ("call", "text") or (
        node.op == "fn" and node.args[0] in ("norm", "Re", "Im", "arg", "det", "vector")
    )


def _is_surely_set(node: Node) -> bool:
    if node.op in ("union", "inter", "minus", "builder"):
        return True
    if node.op == "sym":
        return node.args[0].startswith("mathbb ")
    if node.op == "add":
        return _is_surely_set(node.args[0]) and all(part.op == "neg" for part in node.args[1:])
    if node.op == "rel":
        return any(
            operator in _LESS or operator in _GREATER or operator in ("!=", "in", "notin") for operator in node.args[0]
        )
    if node.op == "tuple":
        return node.args[:2] in (("[", ")"), ("(", "]"), ("]", "["), ("]", "]"), ("[", "[")) or _has_infinity(node)
    if node.op == "list":
        items = node.args[1]
        if any(map(_is_range, items)) and not all(item.op == "rel" for item in items):
            return False
        return any(_is_surely_set(item) for item in items if not _is_range(item))
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
    if free_symbols(low) or free_symbols(high) or low == _MINUS_INFINITY or high == INFINITY:
        return True
    try:
        with MP.workdps(_DIGITS):
            return bool(_number(low) <= _number(high))
    except TooComplex:
        return True
    except (NotMath, Undefined):
        return False


def _points(node: Node) -> RealSet | None:
    items = [value for item in node.args[0] for value in signs.expand(item)]
    if any(item.op not in ("num", "neg", "div", "fn", "pow", "add", "mul", "const", "sym") for item in items):
        return None
    return RealSet(tuple(Piece(item, True, item, True) for item in items))


def _symbol(node: Node) -> RealSet | None:
    return _NUMBER_SETS.get(node.args[0])


def _difference(node: Node) -> RealSet | None:
    """Read `\\mathbb{R} - \\{0, 1\\}`."""
    first, *rest = node.args
    if first.op != "sym" or any(part.op != "neg" for part in rest):
        return None
    found = as_set(first)
    for part in rest:
        taken = as_set(part.args[0])
        found = _intersect(found, _complement(taken)) if found and taken else None
    return found


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
        return inside and RealSet(inside.pieces, label_of(left))
    if operator == "=" and is_name(left) and _is_surely_set(right):
        return as_set(right)
    if operator == "notin" and left.op == "sym":
        inside = as_set(right)
        return inside and RealSet(_complement(inside).pieces, left.args[0])
    if operator not in _FLIPPED:
        return None
    if operator == "!=" and left.op == "sym" and signs.has_sign(right):
        return _excluded((Node("rel", (("!=",), (left, right))),))
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
    excluded = _excluded(items)
    if excluded is not None:
        return excluded
    ranges = [item.args[1] for item in items if _is_range(item)]
    sets = [_member(item) for item in items if not _is_range(item)]
    found = _joined_sets(joiner, sets)
    if found is None or not ranges:
        return found
    if any(term != symbol(found.variable or "") for term, _ in ranges):
        return None
    wholes = {_WHOLE_NUMBERS.get(number_set.args[0]) for _, number_set in ranges} - {None}
    return _whole_points(found, max(wholes)) if wholes else found  # type: ignore[type-var]


_WHOLE_NUMBERS = {
    "mathbb Z": -1,
    "Z": -1,
    "mathbb N": 1,
    "N": 1,
    "mathbb Z^+": 1,
    "mathbb Z>=0": 1,
    "mathbb N^*": 1,
    "mathbb N^+": 1,
}
"""Sets of whole numbers: 1 where they hold no negative ones."""

_REALS = ("mathbb R", "R")
_MAX_POINTS = 200


def _is_range(item: Node) -> bool:
    """Tell whether an item only says what kind of number a letter is: `x \\in \\mathbb{Z}`."""
    if item.op != "rel" or item.args[0] != ("in",) or item.args[1][1].op != "sym":
        return False
    return item.args[1][1].args[0] in (*_WHOLE_NUMBERS, *_REALS)


def _member(item: Node) -> RealSet | None:
    if item.op in ("rel", "tuple", "union", "builder", "list", "set"):
        return as_set(item)
    return RealSet((Piece(item, True, item, True),))


def _joined_sets(joiner: str, sets: list[RealSet | None]) -> RealSet | None:
    """Unite what is joined by `or`, intersect what is joined by `and`; a comma intersects if that leaves anything."""
    found = [one for one in sets if one is not None]
    variables = {one.variable for one in found if one.variable}
    if not found or len(found) < len(sets) or len(variables) > 1:
        return None
    variable = variables.pop() if variables else None
    united = RealSet(tuple(piece for one in found for piece in one.pieces), variable)
    if joiner == "or":
        return united
    met = found[0]
    for one in found[1:]:
        met = _intersect(met, one)
    if met.pieces or joiner == "and":
        return RealSet(met.pieces, variable)
    return united


def _whole_points(found: RealSet, least: int) -> RealSet | None:
    """Return the whole numbers of a bounded set, as points; None where there are too many, or 0 is in doubt."""
    points: set[int] = set()
    with MP.workdps(_DIGITS):
        for piece in found.pieces:
            low, high = _number(piece.low), _number(piece.high)
            if not (MP.isfinite(low) and MP.isfinite(high) and high - low <= _MAX_POINTS):
                return None
            inside = range(int(MP.floor(low)), int(MP.ceil(high)) + 1)
            points.update(value for value in inside if _holds_between(value, low, high, piece))
    if least > 0 and any(value <= 0 for value in points):
        return None
    ends = [number(value) for value in sorted(points)]
    return RealSet(tuple(Piece(end, True, end, True) for end in ends), found.variable)


def _holds_between(value: int, low: Any, high: Any, piece: Piece) -> bool:
    above = piece.low_closed if _close(MP.mpf(value), low) else value > low
    below = piece.high_closed if _close(MP.mpf(value), high) else value < high
    return bool(above and below)


def _excluded(items: tuple[Node, ...]) -> RealSet | None:
    """Read `x \\ne 1, 2` as a set that lacks both."""
    first = items[0]
    if first.op != "rel" or first.args[0] != ("!=",) or any(item.op == "rel" for item in items[1:]):
        return None
    name, value = first.args[1]
    head, *values = [part for item in (value, *items[1:]) for part in signs.expand(item)]
    found = _single("!=", name, head)
    for value in values:
        found = _intersect(found, RealSet(_ray("!=", value))) if found else None
    return found and RealSet(found.pieces, first.args[1][0].args[0] if first.args[1][0].op == "sym" else None)


_READERS = {
    "tuple": _interval, "set": _points, "sym": _symbol, "union": _union, "minus": _minus, "inter": _intersection,
    "builder": _builder, "rel": _relation, "list": _list, "add": _difference,
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
        try:
            a, b = _number(low), _number(high)
        except TooComplex:  # it may be empty, and then equals nothing but what is written alike
            return Piece(low, low_closed, high, high_closed)
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
        except TooComplex:
            pass  # ends too large to be ordered are compared as they are written
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
