r"""Lists, sets, tuples and points.

A list (`1, 3`, `1 and 3`, `x = 1 or x = 3`) and a set (`\{1, 3\}`) have no order; a repeated member of a set counts
once. A tuple or point (`(1, 3)`, `\langle 1, 3\rangle`) is ordered; a list without brackets equals a tuple only in
the same order; a set is not a tuple. A set or list of one member equals the member. Labels do not matter on one side
(`p = 3, q = 4` equals `3, 4`); where both sides have them, each label must have its value. A list with an ellipsis is
compared in order. Members are compared by their own kinds; ± stands for two members.
"""

from verifier_service.answers.kinds import family, literal, parameters, progression, signs
from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.kinds.relation import assignment, base_name, is_family, unzipped
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.nodes import Node, free_symbols, walk

_COLLECTIONS = ("list", "set", "tuple")


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare where one side is a list, set or tuple, or has ±."""
    parts = _of_parts(left, right, same)
    if parts is not None:
        return parts
    if (
        left.op not in _COLLECTIONS
        and right.op not in _COLLECTIONS
        and not (signs.has_sign(left) or signs.has_sign(right))
    ):
        return family.decide([left], [right])
    grouped = _by_groups(left, right, same)
    if grouped is not None:
        return grouped
    if left.op == "tuple" and right.op == "tuple":
        return _tuples(left, right, same)
    for point, other in ((left, right), (right, left)):
        if point.op == "tuple" and len(point.args[2]) == 1 and other.op != "tuple":
            return same(point.args[2][0], other)
    if "tuple" in (left.op, right.op):
        return _tuple_and_other(*((left, right) if left.op == "tuple" else (right, left)), same)
    a, b = members(left), members(right)
    for options, others in ((left, b), (right, a)):
        if options.op == "list" and options.args[0] == "or" and _distinct_labels([label for label, _ in others]):
            return Decision(False, "alternatives are not the values of several unknowns")
    return _members(a, b, left, right, same)


def _of_parts(left: Node, right: Node, same: Same) -> Decision | None:
    r"""Compare `1 + 2 + \\cdots + n` with `n + \\cdots + 2 + 1`, and columns whose parameters have other names."""
    if left.op != right.op or left.op not in ("add", "mul", "matrix"):
        return None
    if left.op == "matrix":
        a, b = ([cell for row in side.args for cell in row] for side in (left, right))
        shapes = {(len(side.args), len(side.args[0])) for side in (left, right)}
        found = len(shapes) == 1 and 1 in shapes.pop() and parameters.renamed(a, b, same)
        return Decision(True, "equal but for the names of the parameters") if found else None
    a, b = list(left.args), list(right.args)
    if not all(any(part.op == "dots" for part in parts) for parts in (a, b)):
        return None
    return progression.decide_sums(a, b, same)


def _by_groups(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare solutions that are given as groups of assignments, such as `p = 5, q = 2; p = 7, q = 2`."""
    first, second = _groups(left), _groups(right)
    if first is not None and second is not None:
        if first[0] != second[0]:
            return Decision(False, "the groups are about different unknowns")
        return same(first[1], second[1])
    for found, other in ((first, right), (second, left)):
        if found is not None and other.op in _COLLECTIONS and _holds_tuples(other):
            return same(found[1], other)
    return None


def _holds_tuples(node: Node) -> bool:
    items = node.args[1] if node.op == "list" else node.args[0] if node.op == "set" else (node,)
    return all(item.op == "tuple" for item in items)


def _groups(node: Node) -> tuple[list[str], Node] | None:
    """Return the unknowns and the tuples of their values; None where the answer is not made of such groups."""
    if node.op == "set" and all(item.op == "rel" for item in node.args[0]):
        items: tuple[Node, ...] = (node,)
    elif node.op in ("list", "set"):
        items = node.args[1] if node.op == "list" else node.args[0]
    else:
        return None
    if all(item.op == "rel" for item in items):
        groups = _periods([unzipped(item) or item for item in items])
    elif unzipped(items[0]) and all(item.op == "tuple" for item in items[1:]):
        names = items[0].args[1][0]
        groups = _periods([unzipped(Node("rel", (("=",), (names, value)))) or value
                           for value in (items[0].args[1][1], *items[1:])])  # fmt: skip
    else:
        groups = [_assignments(item) for item in items]
    if not groups or not all(groups):
        return None
    names = sorted({label for label, _ in groups[0]})
    if len(names) < 2 or not all(sorted(label for label, _ in group) == names for group in groups):
        return None
    order = names if all(len(name) == 1 for name in names) else [label for label, _ in groups[0]]
    tuples = tuple(Node("tuple", ("(", ")", tuple(dict(group)[name] for name in order))) for group in groups)
    return names, tuples[0] if len(tuples) == 1 else Node("list", (",", tuples))


def _assignments(node: Node) -> list[tuple[str, Node]]:
    """Return the labels and values of `x = 1, y = 2`; nothing where a part is no assignment."""
    if node.op == "rel":
        items: tuple[Node, ...] = (node,)
    elif node.op in _COLLECTIONS:
        items = node.args[_PLACES[node.op]]
    else:
        return []
    found = [assignment(item) for item in items]
    return [(label, value) for label, value in found if label] if all(label for label, _ in found) else []


_PLACES = {"list": 1, "set": 0, "tuple": 2}


def _periods(items: list[Node]) -> list[list[tuple[str, Node]]]:
    """Cut `p = 5, q = 2, p = 7, q = 2` into groups that each give every unknown one value."""
    flat = [pair for item in items for pair in _assignments(item)]
    size = len({label for label, _ in flat})
    if size < 2 or len(flat) < 2 * size or len(flat) % size or len(flat) < len(items):
        return []
    return [flat[start : start + size] for start in range(0, len(flat), size)]


Member = tuple[str | None, Node]


def members(node: Node) -> list[Member]:
    """Return the members of a list or set with their labels; ± gives two, `n = 1, 2, 3` three with one label."""
    items = list(node.args[1] if node.op in ("list",) else node.args[0] if node.op == "set" else (node,))
    items = _of_one_modulus(_spread(items))
    found: list[Member] = []
    for item in items:
        if _is_remark(item):
            continue
        label, value = assignment(item)
        if value.op == "list" and label is not None:
            found += [(label, part) for part in value.args[1]]
        elif value.op == "set" and label is not None and len(items) == 1:
            found += [(None, part) for part in value.args[0]]
        else:
            found += [(label, part) for part in signs.expand(value)]
    return found


def _spread(items: list[Node]) -> list[Node]:
    """Read `x, y = 1, 2` as `x = 1, y = 2`."""
    middle = [index for index, item in enumerate(items) if item.op == "rel"]
    if len(items) >= 3 and len(items) % 2 and middle == [len(items) // 2]:
        half = len(items) // 2
        relation = items[half]
        names = [*items[:half], relation.args[1][0]]
        values = [relation.args[1][-1], *items[half + 1 :]]
        if relation.args[0] == ("=",) and all(name.op == "sym" for name in names):
            return [Node("rel", (("=",), pair)) for pair in zip(names, values, strict=True)]
    return items


def _of_one_modulus(items: list[Node]) -> list[Node]:
    """Read `x = 1, 3 (mod 8)` as `x = 1 (mod 8), 3 (mod 8)`: the modulus belongs to all that stands before it."""
    if len(items) < 2 or items[-1].op != "congruent":
        return items
    modulus = items[-1].args[1]
    if any(part.op == "congruent" for item in items[:-1] for part in walk(item)):
        return items
    spread: list[Node] = []
    for place, item in enumerate(items[:-1]):
        if item.op == "rel" and item.args[0] == ("=",) and not place:
            spread.append(Node("rel", (item.args[0], (item.args[1][0], Node("congruent", (item.args[1][1], modulus))))))
        elif item.op == "rel":
            return items
        else:
            spread.append(Node("congruent", (item, modulus)))
    return [*spread, items[-1]]


def _is_remark(item: Node) -> bool:
    """Tell whether a member only says what a parameter ranges over, as in `k \\in \\mathbb{Z}`."""
    if item.op == "text":
        return True
    if item.op != "rel" or item.args[0] != ("in",):
        return False
    return item.args[1][1].op == "sym" and item.args[1][1].args[0] in (
        "mathbb Z", "mathbb N", "Z", "N", "mathbb R", "mathbb Z^+", "mathbb C", "mathbb Q",
    )  # fmt: skip


def _tuples(left: Node, right: Node, same: Same) -> Decision:
    (open_a, close_a, a), (open_b, close_b, b) = left.args, right.args
    if len(a) != len(b):
        return Decision(False, f"the answer has {len(a)} coordinates and the reference {len(b)}")
    if len(a) == 2 and (open_a, close_a) != (open_b, close_b) and {open_a, close_a, open_b, close_b} & {"[", "]"}:
        return Decision(False, "the brackets differ")
    return _ordered(list(a), list(b), same)


def _ordered(a: list[Node], b: list[Node], same: Same) -> Decision:
    """Compare coordinates one by one, whatever their parameters are called."""
    decision = _in_order(a, b, same)
    if not decision.equal and parameters.renamed(a, b, same):
        return Decision(True, "equal but for the names of the parameters")
    return decision


def _in_order(a: list[Node], b: list[Node], same: Same) -> Decision:
    for place, (one, other) in enumerate(zip(a, b, strict=True), start=1):
        decision = same(one, other)
        if not decision.equal:
            return Decision(False, f"item {place} differs: {decision.why}")
    return Decision(True, "all items are equal, in order")


def _tuple_and_other(point: Node, other: Node, same: Same) -> Decision | None:
    items = list(point.args[2])
    if other.op == "set":
        return Decision(False, "a tuple is not a set")
    if other.op == "list":
        found = members(other)
        if found and all(label is not None for label, _ in found):
            found = _by_label(found)
        if len(found) != len(items):
            if len(found) == 1:
                return same(point, found[0][1])
            if point.args[:2] == ("[", "]"):
                return Decision(False, "the lists differ in length")
            return Decision(False, f"{len(items)} coordinates against {len(found)} items")
        return _ordered(items, [value for _, value in found], same)
    if other.op == "matrix":
        cells = [cell for row in other.args for cell in row]
        if all(item.op == "tuple" and len(item.args[2]) == len(other.args[0]) for item in items):
            rows = [cell for item in items for cell in item.args[2]]
            return _in_order(rows, cells, same) if len(rows) == len(cells) else Decision(False, "the sizes differ")
        if len(other.args) != 1 and len(other.args[0]) != 1:
            return Decision(False, "a tuple is not a matrix of several rows and columns")
        if len(cells) != len(items):
            return Decision(False, "the vectors differ in length")
        return _ordered(items, cells, same)
    if signs.has_sign(point) and other.op == "tuple":
        return None
    return None


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
    if left.op == "set" and right.op == "set":
        a, b = _distinct(a, same), _distinct(b, same)
    if any(value.op == "dots" for _, value in a + b):
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


def _are_families(found: list[Member]) -> bool:
    """Tell whether the members are `n = 3k + 1, n = 3k + 2`: one unknown, in a letter for whole numbers."""
    letters = {name for _, value in found for name in free_symbols(value)}
    return all(label and is_family(label, value) for label, value in found) and len(letters) == 1


def _if_labelled(found: list[Member]) -> list[Member]:
    return _by_label(found) if all(label for label, _ in found) else found


def _distinct_labels(labels: list[str | None]) -> bool:
    """Tell whether the labels name different things; `x_1, x_2` and `x, x` name one unknown."""
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
        return Decision(True, "equal but for the names of the parameters")
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
    left = []
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
    """Compare two items that may not belong together; what is too large to be compared is not the same."""
    try:
        return same(one, other).equal
    except TooComplex:
        return False


def _may_match(one: Node, other: Node) -> bool:
    """Skip pairs of items that cannot be equal, so that long lists stay cheap."""
    if one.op == "num" and other.op == "num":
        return one.args[0] == other.args[0]
    return (
        (one.op == "tuple") == (other.op == "tuple")
        or "matrix" in (one.op, other.op)
        or not free_symbols(one) ^ free_symbols(other)
    )
