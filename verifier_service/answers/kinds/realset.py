r"""Compare subsets of the real line: intervals, unions, inequalities and chains of them, set-builder sets, exclusions.

An inequality equals the interval of its solutions (`x > 2` and `(2, \infty)`), `x \ne 0` equals `\mathbb{R} \setminus
\{0\}`, a set-builder set equals the interval it describes, and a reversed or negated inequality equals itself. Open is
not closed. The name of the variable matters only if both sides name one. Inequalities joined by `or` are united, by
`and` intersected; joined by a comma they are intersected if that leaves anything, otherwise united. `(a, b)` can be a
point or an interval; if the other side is an interval, it is one too. Inequalities in several variables are equal if
they differ by a positive factor.
"""

from dataclasses import dataclass

from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.algebra import evaluate
from verifier_service.answers.compute.context import MP, Real
from verifier_service.answers.compute.numeric import NotNumeric, Undefined
from verifier_service.answers.kinds import expression, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.relation import is_name, label_of, may_be_called
from verifier_service.answers.tree.bounds import NotMath, TooComplex
from verifier_service.answers.tree.nodes import (
    INFINITY,
    ZERO,
    Builder,
    Call,
    Constant,
    Function,
    List,
    Negative,
    Node,
    Number,
    Power,
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
    rebuild,
    walk,
)

_LESS = {"<": False, "<=": True}
_GREATER = {">": False, ">=": True}
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!=", "=": "="}
_MINUS_INFINITY = Negative(INFINITY)
_OF_SETS = frozenset([*_LESS, *_GREATER, "!=", "in", "notin"])
_OF_INTERVALS = (("[", ")"), ("(", "]"), ("]", "["), ("]", "]"), ("[", "["))
"""Brackets that a point cannot have."""

_DIGITS = 60  # for the order of ends; `_close` allows for rounding in the last twenty


@dataclass(frozen=True)
class Piece:
    """One interval. An infinite end is open. A point is a closed piece with equal ends."""

    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


@dataclass(frozen=True)
class RealSet:
    """A set of real numbers.

    Attributes:
        pieces: the pieces, as written.
        variable: the variable it is about, if one is named.
        among: the numbers it is restricted to, if these are not all reals: `\\{x \\in \\mathbb{Q} : x > 3\\}`.
    """

    pieces: tuple[Piece, ...]
    variable: str | None = None
    among: str | None = None


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
    """Compare if one side can only be a set of reals."""
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
    if decision is None or (isinstance(left, Relation) and isinstance(right, Relation)):
        found = _relations(left, right, same)
        return found if decision is None or (found and found.equal) else decision
    return decision


def _compared(first: RealSet, second: RealSet, same: Same) -> Decision:
    a, b = first.variable, second.variable
    if a and b and a != b and not may_be_called(a, b):
        return Decision(False, f"one is about {a}, the other about {b}")
    if first.among != second.among:
        return Decision(False, "sets of different kinds of numbers")
    equal = _equal_pieces(first.pieces, second.pieces, same)
    if equal is None:
        return Decision(False, "intervals whose ends cannot be compared")
    return Decision(equal, "the same set of reals" if equal else "different sets of reals")


def _readings(left: Node, right: Node) -> list[tuple[Node, Node]]:
    """Return both sides unchanged, and with what is bounded in them as a mere name: `0 < f(x) < 1`, `|AB| > 3`."""
    alike = _bounded(left) & _bounded(right)
    named = _with_names(left, alike), _with_names(right, alike)
    return [(left, right)] if named == (left, right) else [(left, right), named]


def _bounded(node: Node) -> frozenset[Node]:
    """Return the terms of relations, each of which can be a name."""
    return frozenset(term for part in walk(node) if isinstance(part, Relation) for term in part.terms)


def _with_names(node: Node, alike: frozenset[Node]) -> Node:
    """Replace `f(x)`, `a_n`, `AB` by a letter if bounded by numbers, and `|x|` if both sides have it."""
    if isinstance(node, List) or _is_union(node):
        return rebuild(node, lambda child: _with_names(child, alike))
    if not isinstance(node, Relation):
        return node
    operators, terms = node.operators, node.terms
    places = [place for place, term in enumerate(terms) if not _is_closed(term)]
    if len(places) != 1 or not all(operator in _FLIPPED or operator == "in" for operator in operators):
        return node
    term = terms[places[0]]
    if isinstance(term, Symbol) or not is_name(term) or not (_is_value(term) or term in alike):
        return node
    name = _segment(term) or label_of(term)
    return Relation(operators, tuple(Symbol(name) if term == one else one for one in terms))


def _segment(term: Node) -> str:
    r"""Spell `AB`, `|AB|` and `\overline{AB}`, which are the same length, as one name. Return "" for other terms."""
    match term:
        case Function("abs" | "bar", (Product() as product,)) | (Product() as product) if _is_value(product):
            names = [part.name for part in product.factors if isinstance(part, Symbol)]
            return "".join(names) if len(names) == len(product.factors) else ""
        case _:
            return ""


def _is_closed(node: Node) -> bool:
    if isinstance(node, (Symbol, Set)) or _is_union(node):
        return True
    return not any(isinstance(part, (Symbol, Call, Text)) for part in walk(node))


def _is_union(node: Node) -> bool:
    return isinstance(node, SetOperation) and node.kind == "union"


def _is_value(node: Node) -> bool:
    """Return whether a name stands for one value, rather than for a formula in a letter."""
    match node:
        case Call() | Text() | Function("norm" | "Re" | "Im" | "arg" | "det" | "vector"):
            return True
        case Function("abs", (operand,)):
            return _is_value(operand) or operand in (Symbol("z"), Symbol("w"))
        case Function("bar", (operand,)):
            return _is_value(operand)
        case Product(factors) if all(isinstance(part, Symbol) and part.name[0].isupper() for part in factors):
            return True
        case Sum() | Product() | Quotient():
            return len(free_symbols(node)) > 1
        case _:
            return False


def _is_surely_set(node: Node) -> bool:
    match node:
        case SetOperation() | Builder():
            return True
        case Symbol(name):
            return name.startswith("mathbb ")
        case Sum((first, *rest)):
            return _is_surely_set(first) and all(isinstance(part, Negative) for part in rest)
        case Relation(operators):
            return not _OF_SETS.isdisjoint(operators)
        case Tuple(open, close, items):
            return (open, close) in _OF_INTERVALS or (len(items) == 2 and any(map(_is_infinite, items)))
        case List(_, items):
            if any(map(_range_of, items)) and not all(isinstance(item, Relation) for item in items):
                return False
            return any(_is_surely_set(item) for item in items if not _range_of(item))
        case _:
            return False


def _is_infinite(end: Node) -> bool:
    return end in (INFINITY, _MINUS_INFINITY)


def as_set(node: Node) -> RealSet | None:
    """Read a node as a set of reals, or return None."""
    match node:
        case Tuple(open, close, (low, high)) if _ascends(low, high):
            return RealSet((Piece(low, open == "[", high, close == "]"),))
        case Set(items):
            return _points(items)
        case Symbol(name):
            return _NUMBER_SETS.get(name)
        case SetOperation():
            return _operation(node)
        case Builder(head, condition):
            return _builder(head, condition)
        case Relation():
            return _relation(node)
        case List():
            return _list(node)
        case Sum((Symbol() as first, *rest)):
            return _without(first, rest)
        case _:
            return None


def _ascends(low: Node, high: Node) -> bool:
    """Return whether two ends are in the order of an interval, if that can be computed; `(3, 1)` is not an interval."""
    if low == INFINITY or high == _MINUS_INFINITY:
        return False
    if free_symbols(low) or free_symbols(high) or low == _MINUS_INFINITY or high == INFINITY:
        return True
    try:
        with MP.workdps(_DIGITS):
            return _number(low) <= _number(high)
    except TooComplex:
        return True
    except (NotMath, Undefined):
        return False


_NUMBERS = (Number, Negative, Quotient, Function, Power, Sum, Product, Constant, Symbol)
"""What can be a member of a set of reals."""


def _points(members: tuple[Node, ...]) -> RealSet | None:
    items = [value for item in members for value in signs.expand(item)]
    if not all(isinstance(item, _NUMBERS) for item in items):
        return None
    return RealSet(tuple(Piece(item, True, item, True) for item in items))


def _without(first: Symbol, rest: list[Node]) -> RealSet | None:
    """Read `\\mathbb{R} - \\{0, 1\\}`."""
    subtracted = [part.operand for part in rest if isinstance(part, Negative)]
    if len(subtracted) < len(rest):
        return None
    found = as_set(first)
    for operand in subtracted:
        taken = as_set(operand)
        found = _intersect(found, _complement(taken)) if found and taken else None
    return found


def _operation(node: SetOperation) -> RealSet | None:
    first, second = as_set(node.left), as_set(node.right)
    if first is None or second is None:
        return None
    match node.kind:
        case "union":
            return RealSet(first.pieces + second.pieces, first.variable or second.variable)
        case "inter":
            return _intersect(first, second)
        case "minus":
            return _intersect(first, _complement(second))


def _builder(head: Node, condition: Node) -> RealSet | None:
    match head:
        case Symbol(name):
            among: Node = Symbol("mathbb R")
        case Relation(("in",), (Symbol(name), among)):
            pass
        case _:
            return None
    if isinstance(condition, Relation) and condition.terms[-1] == Symbol(name):
        condition = _turned(condition)
    found = as_set(condition)
    if found is None or (found.variable and found.variable != name):
        return None
    within = as_set(among)
    if within is None:
        return RealSet(found.pieces, among=among.name) if isinstance(among, Symbol) else None
    return RealSet(_intersect(found, within).pieces)


def _turned(node: Relation) -> Relation:
    """Write `a < x` as `x > a`. A relation that cannot be reversed is returned unchanged."""
    if not all(operator in _FLIPPED for operator in node.operators):
        return node
    return Relation(tuple(_FLIPPED[operator] for operator in reversed(node.operators)), node.terms[::-1])


def _relation(node: Relation) -> RealSet | None:
    operators, terms = node.operators, node.terms
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
    if operator == "notin" and isinstance(left, Symbol):
        inside = as_set(right)
        return inside and RealSet(_complement(inside).pieces, left.name)
    if operator not in _FLIPPED:
        return None
    if operator == "!=" and isinstance(left, Symbol) and signs.has_sign(right):
        return _excluded((Relation(("!=",), (left, right)),))
    if isinstance(right, Symbol) and not isinstance(left, Symbol):
        operator, left, right = _FLIPPED[operator], right, left
    is_set = isinstance(right, (Set, Tuple)) or _is_union(right)
    if isinstance(left, Symbol) and left.name not in free_symbols(right) and not is_set:
        return RealSet(_ray(operator, right), left.name)
    return _solved(operator, left, right)


def _solved(operator: str, left: Node, right: Node) -> RealSet | None:
    """Solve a relation in one variable."""
    names = free_symbols(left) | free_symbols(right)
    if len(names) != 1:
        return None
    variable = next(iter(names))
    pieces = algebra.solve_inequality(Sum((left, Negative(right))), operator, variable)
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


def _list(node: List) -> RealSet | None:
    excluded = _excluded(node.items)
    if excluded is not None:
        return excluded
    ranges = [found for found in map(_range_of, node.items) if found]
    sets = [_member(item) for item in node.items if not _range_of(item)]
    found = _joined_sets(node.joiner, sets)
    if found is None or not ranges:
        return found
    if any(term != Symbol(found.variable or "") for term, _ in ranges):
        return None
    wholes = [_WHOLE_NUMBERS[name] for _, name in ranges if name in _WHOLE_NUMBERS]
    return _whole_points(found, max(wholes)) if wholes else found


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
"""Sets of integers: 1 if they contain no negative ones, otherwise -1."""

_REALS = ("mathbb R", "R")
_MAX_POINTS = 200  # a set of more integers is not listed


def _range_of(item: Node) -> tuple[Node, str] | None:
    """Split a statement about the kind of a number, such as `x \\in \\mathbb{Z}`. Return None for anything else."""
    match item:
        case Relation(("in",), (term, Symbol(name))) if name in _WHOLE_NUMBERS or name in _REALS:
            return term, name
        case _:
            return None


def _member(item: Node) -> RealSet | None:
    if isinstance(item, (Relation, Tuple, Builder, List, Set)) or _is_union(item):
        return as_set(item)
    return RealSet((Piece(item, True, item, True),))


def _joined_sets(joiner: str, sets: list[RealSet | None]) -> RealSet | None:
    """Unite sets joined by `or`, and intersect those joined by `and`. A comma intersects if that leaves anything."""
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
    """Return the integers of a bounded set, as points, or None if there are too many, or 0 is in doubt."""
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


def whole_span(piece: Piece) -> tuple[int | None, int | None]:
    """Return the least and the greatest integer of a piece, or None for an infinite end.

    Raises:
        NotMath, Undefined: an end has no value.
    """
    with MP.workdps(_DIGITS):
        low, high = _number(piece.low), _number(piece.high)
        return (
            int(_first_whole(low, piece.low_closed)) if MP.isfinite(low) else None,
            -int(_first_whole(-high, piece.high_closed)) if MP.isfinite(high) else None,
        )


def _first_whole(low: Real, closed: bool) -> Real:
    """Return the least integer from an end on."""
    nearest = MP.nint(low)
    if _close(low, nearest):
        return nearest if closed else nearest + 1
    return MP.ceil(low)


def _holds_between(value: int, low: Real, high: Real, piece: Piece) -> bool:
    above = piece.low_closed if _close(MP.mpf(value), low) else value > low
    below = piece.high_closed if _close(MP.mpf(value), high) else value < high
    return above and below


def _excluded(items: tuple[Node, ...]) -> RealSet | None:
    """Read `x \\ne 1, 2` as the set without both."""
    match items:
        case (Relation(("!=",), (name, value)), *others) if not any(isinstance(item, Relation) for item in others):
            head, *values = [part for item in (value, *others) for part in signs.expand(item)]
        case _:
            return None
    found = _single("!=", name, head)
    for value in values:
        found = _intersect(found, RealSet(_ray("!=", value))) if found else None
    return found and RealSet(found.pieces, name.name if isinstance(name, Symbol) else None)


# --- arithmetic of pieces ---------------------------------------------------------------------------------------


def _number(node: Node) -> Real:
    """Return the value of an end, possibly infinite, as a number of `MP`."""
    if node == INFINITY:
        return MP.inf
    if node == _MINUS_INFINITY:
        return -MP.inf
    with MP.workdps(_DIGITS):
        value = evaluate(node, {})
    if not isinstance(value, MP.mpf):
        raise NotNumeric("an end of an interval that is not a real number")
    return value


def _close(a: Real, b: Real) -> bool:
    return a == b or (MP.isfinite(a) and MP.isfinite(b) and abs(a - b) < MP.mpf(10) ** -40 * (1 + abs(a)))


_Row = tuple[Real, Real, Piece]


def _merged(pieces: tuple[Piece, ...]) -> list[Piece]:
    """Sort pieces and join those that touch. Empty pieces are dropped."""
    with MP.workdps(_DIGITS):
        rows: list[_Row] = []
        for piece in pieces:
            low, high = _number(piece.low), _number(piece.high)
            if _close(low, high):
                if not (piece.low_closed and piece.high_closed and MP.isfinite(low)):
                    continue
            elif low > high:
                continue
            rows.append((low, high, piece))
        rows.sort(key=lambda row: (row[0], not row[2].low_closed))
        merged: list[_Row] = []
        for low, high, piece in rows:
            if merged:
                last_low, last_high, last = merged[-1]
                touches = _close(last_high, low) and (last.high_closed or piece.low_closed)
                if touches or (low < last_high and not _close(low, last_high)):
                    merged[-1] = _joined(last_low, last_high, last, high, piece)
                    continue
            merged.append((low, high, piece))
    return [piece for _, _, piece in merged]


def _joined(low: Real, last_high: Real, last: Piece, high: Real, piece: Piece) -> _Row:
    if _close(last_high, high):
        closed = last.high_closed or piece.high_closed
        return low, high, Piece(last.low, last.low_closed, last.high, closed)
    if high > last_high:
        return low, high, Piece(last.low, last.low_closed, piece.high, piece.high_closed)
    return low, last_high, last


def _complement(found: RealSet) -> RealSet:
    low: Node = _MINUS_INFINITY
    low_closed = False
    pieces: list[Piece] = []
    for piece in _merged(found.pieces):
        pieces.append(Piece(low, low_closed, piece.low, not piece.low_closed))
        low, low_closed = piece.high, not piece.high_closed
    pieces.append(Piece(low, low_closed, INFINITY, False))
    kept = tuple(p for p in pieces if not (p.low == p.high and (_is_infinite(p.low) or not p.low_closed)))
    return RealSet(tuple(p for p in kept if not (p.high == _MINUS_INFINITY or p.low == INFINITY)), found.variable)


def _intersect(first: RealSet, second: RealSet) -> RealSet:
    pieces = [_overlap(one, other) for one in first.pieces for other in second.pieces]
    kept = tuple(piece for piece in pieces if piece is not None)
    return RealSet(kept, first.variable or second.variable)


def _overlap(one: Piece, other: Piece) -> Piece | None:
    """Intersect two pieces. An infinite end yields to any other without a comparison, so that ends can be letters."""
    low, low_closed = _inner(one.low, one.low_closed, other.low, other.low_closed, _MINUS_INFINITY, larger=True)
    high, high_closed = _inner(one.high, one.high_closed, other.high, other.high_closed, INFINITY, larger=False)
    if free_symbols(low) or free_symbols(high) or low == _MINUS_INFINITY or high == INFINITY:
        return Piece(low, low_closed, high, high_closed)
    with MP.workdps(_DIGITS):
        try:
            a, b = _number(low), _number(high)
        except TooComplex:  # it might be empty; kept as written, it equals only what is written alike
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
            pass  # ends too large to sort are compared as written
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
    """Compare inequalities that are not sets of reals: by a positive factor, or term by term."""
    if not isinstance(left, Relation) or not isinstance(right, Relation):
        joined = isinstance(left, List) or isinstance(right, List)
        return None if joined else Decision(False, "a set of reals cannot equal an answer of this kind")
    a, b = _upward(left), _upward(right)
    if a[0] != b[0] or len(a[1]) != len(b[1]):
        return Decision(False, "the relations differ")
    if all(same(one, other).equal for one, other in zip(a[1], b[1], strict=True)):
        return Decision(True, "the relations are equal term by term")
    if len(a[1]) != 2 or a[0][0] not in ("<", "<=", "!="):
        return Decision(False, "the relations differ")
    differences = [Sum((terms[1], Negative(terms[0]))) for _, terms in (a, b)]
    try:
        if free_symbols(differences[0]) == free_symbols(differences[1]) and expression.proportional(
            differences[0], differences[1], positive=a[0][0] != "!="
        ):
            return Decision(True, "the inequalities are equal except for a positive factor")
    except NotMath:
        return None
    return Decision(False, "the inequalities differ")


def _upward(node: Relation) -> tuple[tuple[str, ...], tuple[Node, ...]]:
    operators, terms = node.operators, node.terms
    if all(operator in _GREATER for operator in operators):
        return tuple(_FLIPPED[operator] for operator in reversed(operators)), tuple(reversed(terms))
    return operators, terms


__all__ = ["ZERO", "RealSet", "as_set", "decide"]
