r"""Compare lists, sets, tuples and points.

A list (`1, 3`, `1 and 3`, `x = 1 or x = 3`) and a set (`\{1, 3\}`) have no order; a repeated member of a set counts
once. A tuple or point (`(1, 3)`, `\langle 1, 3\rangle`) is ordered. A list without brackets equals a tuple only in the
same order, and a set is not a tuple. A set or list with one member equals that member. If only one side has labels,
they do not matter (`p = 3, q = 4` equals `3, 4`); if both sides have them, each label must have its value. A list with
an ellipsis is compared in order. Members are compared by their own kinds; ± stands for two members.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from verifier_service.answers.kinds import family, literal, parameters, progression, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.relation import assignment, base_name, is_family, unzipped
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.nodes import (
    ONE,
    Call,
    Congruent,
    Derivative,
    Dots,
    Integral,
    List,
    Matrix,
    Negative,
    Node,
    Number,
    PlusMinus,
    Product,
    Quotient,
    Relation,
    Series,
    Set,
    Sum,
    Symbol,
    Text,
    Tuple,
    free_symbols,
    number,
    walk,
)

_COLLECTIONS = (List, Set, Tuple)


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare if one side is a list, set or tuple, or contains ±."""
    one, other = _multiplied(left), _multiplied(right)
    if (one, other) != (left, right):
        return same(one, other)
    parts = _of_parts(left, right, same)
    if parts is not None:
        return parts
    if (
        not isinstance(left, _COLLECTIONS)
        and not isinstance(right, _COLLECTIONS)
        and not (signs.has_sign(left) or signs.has_sign(right))
    ):
        return family.decide([left], [right])
    left, right = _as_alternatives(left, right), _as_alternatives(right, left)
    grouped = _by_groups(left, right, same)
    if grouped is not None:
        return grouped
    if isinstance(left, Tuple):
        return _tuples(left, right, same) if isinstance(right, Tuple) else _tuple_and_other(left, right, same)
    if isinstance(right, Tuple):
        return _tuple_and_other(right, left, same)
    a, b = members(left), members(right)
    for options, others in ((left, b), (right, a)):
        if isinstance(options, List) and options.joiner == "or" and _distinct_labels([label for label, _ in others]):
            return Decision(False, "alternatives are not the values of several unknowns")
    return _members(a, b, left, right, same)


def _as_alternatives(node: Node, other: Node) -> Node:
    r"""Write the point `(1, \pm 2)` as two points, if the other side has several."""
    if isinstance(node, Tuple) and isinstance(other, List) and _are_tuples(other.items):
        return List(",", tuple(signs.expand(node))) if signs.has_one_sign(node) else node
    return node


def _multiplied(node: Node) -> Node:
    r"""Write `\frac12 (1, 2)` and `-(1, 2)` as one vector."""
    match node:
        case Negative(operand):
            vector, factor = _multiplied(operand), number(-1)
        case Quotient(operand, divisor) if _is_scalar(divisor):
            vector, factor = _multiplied(operand), Quotient(ONE, divisor)
        case Product(factors):
            vectors = [_multiplied(factor) for factor in factors if not _is_scalar(factor)]
            if len(vectors) != 1:
                return node
            vector, factor = vectors[0], Product(tuple(part for part in factors if _is_scalar(part)))
        case Integral(body) | Series(_, body) | Derivative(body):
            return _by_coordinates(node, _multiplied(body))
        case _:
            return node
    return _times(vector, factor) if isinstance(vector, Tuple) and vector.open == "(" else node


_NO_SCALARS = (Tuple, List, Set, Text, Dots, Matrix, Relation, Call, PlusMinus)


def _is_scalar(node: Node) -> bool:
    """Return whether a factor is a number or a lower-case letter. A capital letter can be the name of a point."""
    return not any(isinstance(part, _NO_SCALARS) for part in walk(node)) and not any(
        name[0].isupper() for name in free_symbols(node)
    )


def _by_coordinates(node: Integral | Series | Derivative, body: Node) -> Node:
    """Integrate, sum or differentiate a vector or a matrix by its coordinates."""
    match body:
        case Tuple(open="(" | "<", items=items):
            return replace(body, items=tuple(replace(node, body=item) for item in items))
        case Matrix(rows):
            return Matrix(tuple(tuple(replace(node, body=cell) for cell in row) for row in rows))
        case _:
            return node


def _times(vector: Tuple, factor: Node) -> Tuple:
    return replace(vector, items=tuple(Product((factor, item)) for item in vector.items))


def _of_parts(left: Node, right: Node, same: Same) -> Decision | None:
    r"""Compare `1 + 2 + \\cdots + n` with `n + \\cdots + 2 + 1`, and columns whose parameters have different names."""
    match left, right:
        case Matrix(rows), Matrix(others):
            shapes = {(len(side), len(side[0])) for side in (rows, others)}
            found = len(shapes) == 1 and 1 in shapes.pop() and parameters.renamed(_cells(left), _cells(right), same)
            return Decision(True, "equal except for the names of the parameters") if found else None
        case (Sum(a), Sum(b)) | (Product(a), Product(b)):
            dotted = [any(isinstance(part, Dots) for part in parts) for parts in (a, b)]
            if all(dotted):
                return progression.decide_sums(list(a), list(b), same)
        case _:
            pass
    one, other = progression.as_series(left), progression.as_series(right)
    return same(one, other) if (one, other) != (left, right) else None


def _cells(matrix: Matrix) -> list[Node]:
    return [cell for row in matrix.rows for cell in row]


def _by_groups(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare solutions given as groups of assignments, such as `p = 5, q = 2; p = 7, q = 2`."""
    first, second = _groups(left), _groups(right)
    if first is not None and second is not None:
        if first.names != second.names:
            return Decision(False, "the groups are about different unknowns")
        return same(first.by_name, second.by_name)
    for found, other in ((first, right), (second, left)):
        if found is not None and isinstance(other, _COLLECTIONS) and _holds_tuples(other):
            return same(found.given, other)
    return None


def _holds_tuples(node: Node) -> bool:
    return _are_tuples(node.items if isinstance(node, (List, Set)) else (node,))


def _are_tuples(items: Sequence[Node]) -> bool:
    return all(isinstance(item, Tuple) for item in items)


Group = list[tuple[str, Node]]


class _Groups(NamedTuple):
    """The unknowns, and the tuples of their values: in the order of the names, and in the order given."""

    names: list[str]
    by_name: Node
    given: Node


def _groups(node: Node) -> _Groups | None:
    """Read an answer that consists of such groups, or return None."""
    match node:
        case Set(items) if all(isinstance(item, Relation) for item in items):
            groups = [_assignments(node)]
        case List(items=items) | Set(items):
            groups = _grouped(items)
        case _:
            return None
    if not groups or not all(groups):
        return None
    names = sorted({label for label, _ in groups[0]})
    if len(names) < 2 or not all(sorted(label for label, _ in group) == names for group in groups):
        return None
    alphabetical = all(len(name) == 1 for name in names) and not _heads_with_names(node)
    given = names if alphabetical else [label for label, _ in groups[0]]
    return _Groups(names, _rows(groups, names), _rows(groups, given))


def _rows(groups: list[Group], order: list[str]) -> Node:
    """Write groups of assignments as tuples of the values in this order."""
    tuples = tuple(Tuple("(", ")", tuple(dict(group)[name] for name in order)) for group in groups)
    return tuples[0] if len(tuples) == 1 else List(",", tuples)


def _heads_with_names(node: List | Set) -> bool:
    """Return whether the order of the unknowns is given, as in `(n, k) = (1, 1), (3, 2)`."""
    first = node.items[0]
    return isinstance(first, Relation) and isinstance(first.terms[0], Tuple)


def _grouped(items: tuple[Node, ...]) -> list[Group]:
    """Split the items of a list into groups of assignments, including `(p, q) = (5, 2), (7, 2)`."""
    if all(isinstance(item, Relation) for item in items):
        return _periods([unzipped(item) or item for item in items])
    match items:
        case (Relation(terms=(names, value)) as first, *others) if unzipped(first) and _are_tuples(others):
            return _periods([unzipped(Relation(("=",), (names, point))) or point for point in (value, *others)])
        case _:
            return [_assignments(item) for item in items]


def _assignments(node: Node) -> Group:
    """Return the labels and values of `x = 1, y = 2`, or nothing if a part is not an assignment."""
    if isinstance(node, Relation):
        items: tuple[Node, ...] = (node,)
    elif isinstance(node, _COLLECTIONS):
        items = node.items
    else:
        return []
    found = [assignment(item) for item in items]
    return [(label, value) for label, value in found if label] if all(label for label, _ in found) else []


def _periods(items: list[Node]) -> list[Group]:
    """Split `p = 5, q = 2, p = 7, q = 2` into groups that each give every unknown one value."""
    flat = [pair for item in items for pair in _assignments(item)]
    size = len({label for label, _ in flat})
    if size < 2 or len(flat) < 2 * size or len(flat) % size or len(flat) < len(items):
        return []
    return [flat[start : start + size] for start in range(0, len(flat), size)]


Member = tuple[str | None, Node]


def members(node: Node) -> list[Member]:
    """Return the members of a list or set with their labels. ± gives two; `n = 1, 2, 3` gives three with one label."""
    items = _of_one_modulus(_spread(list(node.items) if isinstance(node, (List, Set)) else [node]))
    found: list[Member] = []
    for item in items:
        if _is_remark(item):
            continue
        label, value = assignment(item)
        if isinstance(value, List) and label is not None:
            found += [(label, part) for part in value.items]
        elif isinstance(value, Set) and label is not None and len(items) == 1:
            found += [(None, part) for part in value.items]
        else:
            found += [(label, part) for part in signs.expand(value)]
    return found


def _spread(items: list[Node]) -> list[Node]:
    """Read `x, y = 1, 2` as `x = 1, y = 2`."""
    half = len(items) // 2
    relations = [(index, item) for index, item in enumerate(items) if isinstance(item, Relation)]
    if len(items) < 3 or len(items) % 2 == 0 or len(relations) != 1:
        return items
    place, relation = relations[0]
    if place != half or relation.operators != ("=",):
        return items
    names = [*items[:half], relation.terms[0]]
    values = [relation.terms[-1], *items[half + 1 :]]
    if not all(isinstance(name, Symbol) for name in names):
        return items
    return [Relation(("=",), pair) for pair in zip(names, values, strict=True)]


def _of_one_modulus(items: list[Node]) -> list[Node]:
    """Read `x = 1, 3 (mod 8)` as `x = 1 (mod 8), 3 (mod 8)`: the modulus applies to everything before it."""
    if len(items) < 2:
        return items
    *before, last = items
    if not isinstance(last, Congruent):
        return items
    if any(isinstance(part, Congruent) for item in before for part in walk(item)):
        return items
    spread: list[Node] = []
    for place, item in enumerate(before):
        match item:
            case Relation(("=",), (name, residue)) if not place:
                spread.append(Relation(("=",), (name, Congruent(residue, last.modulus))))
            case Relation():
                return items
            case _:
                spread.append(Congruent(item, last.modulus))
    return [*spread, last]


_NUMBER_SETS = frozenset(["mathbb Z", "mathbb N", "Z", "N", "mathbb R", "mathbb Z^+", "mathbb C", "mathbb Q"])


def _is_remark(item: Node) -> bool:
    """Return whether a member only says what a parameter ranges over, as in `k \\in \\mathbb{Z}`."""
    match item:
        case Text():
            return True
        case Relation(("in",), (_, Symbol(name))):
            return name in _NUMBER_SETS
        case _:
            return False


def _tuples(left: Tuple, right: Tuple, same: Same) -> Decision:
    a, b = list(left.items), list(right.items)
    if len(a) != len(b):
        return Decision(False, f"the answer has {len(a)} coordinates and the reference {len(b)}")
    brackets, others = (left.open, left.close), (right.open, right.close)
    if len(a) == 2 and brackets != others and {*brackets, *others} & {"[", "]"}:
        return Decision(False, "the brackets differ")
    return _ordered(a, b, same)


def _ordered(a: list[Node], b: list[Node], same: Same) -> Decision:
    """Compare coordinates one by one, whatever their parameters are called."""
    decision = _in_order(a, b, same)
    if not decision.equal and parameters.renamed(a, b, same):
        return Decision(True, "equal except for the names of the parameters")
    return decision


def _in_order(a: list[Node], b: list[Node], same: Same) -> Decision:
    for place, (one, other) in enumerate(zip(a, b, strict=True), start=1):
        decision = same(one, other)
        if not decision.equal:
            return Decision(False, f"item {place} differs: {decision.why}")
    return Decision(True, "all items are equal, in order")


def _tuple_and_other(point: Tuple, other: Node, same: Same) -> Decision | None:
    if len(point.items) == 1:
        return same(point.items[0], other)
    match other:
        case Set(items):
            if (point.open, point.close) == ("[", "]") and len(items) == 1 and len(point.items) == 2:
                return _ordered(list(point.items), [items[0], items[0]], same)
            return Decision(False, "a tuple is not a set")
        case List():
            return _tuple_and_list(point, other, same)
        case Matrix():
            return _tuple_and_matrix(list(point.items), other, same)
        case _:
            return None


def _tuple_and_list(point: Tuple, other: List, same: Same) -> Decision:
    items, found = list(point.items), members(other)
    if found and all(label is not None for label, _ in found):
        found = _by_label(found)
    if len(found) == len(items):
        return _ordered(items, [value for _, value in found], same)
    if len(found) == 1:
        return same(point, found[0][1])
    if (point.open, point.close) == ("[", "]"):
        return Decision(False, "the lists differ in length")
    return Decision(False, f"{len(items)} coordinates are not {len(found)} items")


def _tuple_and_matrix(items: list[Node], matrix: Matrix, same: Same) -> Decision:
    cells, width = _cells(matrix), len(matrix.rows[0])
    rows = [item.items for item in items if isinstance(item, Tuple) and len(item.items) == width]
    if len(rows) == len(items):
        flat = [cell for row in rows for cell in row]
        return _in_order(flat, cells, same) if len(flat) == len(cells) else Decision(False, "the sizes differ")
    if len(matrix.rows) != 1 and width != 1:
        return Decision(False, "a tuple is not a matrix of several rows and columns")
    if len(cells) != len(items):
        return Decision(False, "the vectors differ in length")
    return _ordered(items, cells, same)


def _by_label(found: list[Member]) -> list[Member]:
    labels = [label for label, _ in found]
    if len(set(labels)) == len(labels) and all(label and len(label) == 1 for label in labels):
        return sorted(found, key=lambda member: member[0] or "")
    return found


def _members(a: list[Member], b: list[Member], left: Node, right: Node, same: Same) -> Decision:
    as_classes = literal.classes([value for _, value in a], [value for _, value in b])
    if as_classes is None and _are_families(a) and _are_families(b) and a != b:
        as_classes = literal.classes([value for _, value in a], [value for _, value in b], families=True)
    if as_classes is not None and len({base_name(label) for label, _ in a + b if label}) < 2:
        return as_classes
    if isinstance(left, Set) and isinstance(right, Set):
        same = _between_members(same)
        a, b = _distinct(a, same), _distinct(b, same)
    if any(isinstance(value, Dots) for _, value in a + b):
        decision = progression.decide([value for _, value in a], [value for _, value in b], same)
        if decision is not None:
            return decision
        if len(a) != len(b):
            return Decision(False, "the sequences differ in length")
        return _in_order([value for _, value in a], [value for _, value in b], same)
    labels_a, labels_b = [label for label, _ in a], [label for label, _ in b]
    if len(a) != len(b):
        as_family = family.decide([value for _, value in a], [value for _, value in b])
        if as_family is not None and as_family.equal:
            return as_family
        return Decision(False, f"the answer has {len(a)} items and the reference {len(b)}")
    if all(labels_a) and all(labels_b) and len(a) > 1:
        return _labelled(a, b, same)
    if len(a) > 1 and (_distinct_labels(labels_a) or _distinct_labels(labels_b)):
        decision = _in_order([value for _, value in _if_labelled(a)], [value for _, value in _if_labelled(b)], same)
        if decision.equal:
            return decision
        return _in_order([value for _, value in a], [value for _, value in b], same)
    return _unordered([value for _, value in a], [value for _, value in b], same)


def _between_members(same: Same) -> Same:
    """Compare members of sets, where `\\{2\\}` is not the member 2."""

    def compared(one: Node, other: Node) -> Decision:
        if isinstance(one, Set) != isinstance(other, Set):
            return Decision(False, "a set is not its member")
        return same(one, other)

    return compared


def _are_families(found: list[Member]) -> bool:
    """Return whether the members are like `n = 3k + 1, n = 3k + 2`: one unknown, in one integer letter."""
    letters = {name for _, value in found for name in free_symbols(value)}
    return all(label and is_family(label, value) for label, value in found) and len(letters) == 1


def _if_labelled(found: list[Member]) -> list[Member]:
    return _by_label(found) if all(label for label, _ in found) else found


def _distinct_labels(labels: list[str | None]) -> bool:
    """Return whether the labels name different things. `x_1, x_2` and `x, x` name one unknown."""
    if not all(labels):
        return False
    return len({base_name(label or "") for label in labels}) > 1


def _labelled(a: list[Member], b: list[Member], same: Same) -> Decision:
    bases_a, bases_b = {base_name(label or "") for label, _ in a}, {base_name(label or "") for label, _ in b}
    if len(bases_a) == 1 and len(bases_b) == 1:
        return _unordered([value for _, value in a], [value for _, value in b], same)
    if sorted(label or "" for label, _ in a) != sorted(label or "" for label, _ in b):
        return Decision(False, "the answers name different unknowns")
    rest = list(b)
    for label, value in a:
        match = next((m for m in rest if m[0] == label and _are_same(value, m[1], same)), None)
        if match is None:
            return _renamed_labels(a, b, same) or Decision(False, f"the values of {label} differ")
        rest.remove(match)
    return Decision(True, "every unknown has the same value")


def _renamed_labels(a: list[Member], b: list[Member], same: Same) -> Decision | None:
    """Compare `x = 4 + 3k, y = 5k` with `x = 4 + 3n, y = 5n`."""
    left, right = ([value for _, value in sorted(found, key=lambda member: member[0] or "")] for found in (a, b))
    if len({label for label, _ in a}) == len(a) and parameters.renamed(left, right, same):
        return Decision(True, "equal except for the names of the parameters")
    return None


def _distinct(found: list[Member], same: Same) -> list[Member]:
    kept: list[Member] = []
    for member in found:
        if not any(_are_same(member[1], other[1], same) for other in kept):
            kept.append(member)
    return kept


def _unordered(a: list[Node], b: list[Node], same: Same) -> Decision:
    if len(a) == 1:
        return same(a[0], b[0])
    as_family = family.decide(a, b)
    if as_family is not None and as_family.equal:
        return as_family
    rest = list(b)
    left: list[Node] = []
    for one in a:
        if one in rest:
            rest.remove(one)
        else:
            left.append(one)
    for one in left:
        match = next(
            (index for index, other in enumerate(rest) if _may_match(one, other) and _are_same(one, other, same)), None
        )
        if match is None:
            return Decision(False, "an item of the answer is not among those of the reference")
        del rest[match]
    return Decision(True, "the same items")


def _are_same(one: Node, other: Node, same: Same) -> bool:
    """Compare two items that might not belong together. What is too large to compare counts as different."""
    try:
        return same(one, other).equal
    except TooComplex:
        return False


def _may_match(one: Node, other: Node) -> bool:
    """Return False for items that cannot be equal, so that long lists stay cheap."""
    if isinstance(one, Number) and isinstance(other, Number):
        return one.value == other.value
    return (
        isinstance(one, Tuple) == isinstance(other, Tuple)
        or isinstance(one, Matrix)
        or isinstance(other, Matrix)
        or not free_symbols(one) ^ free_symbols(other)
    )
