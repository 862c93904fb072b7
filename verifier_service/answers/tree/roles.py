r"""What letters stand for, where both answers together say so: vectors, unit vectors, matrices.

`\vec a`, `\mathbf a` and `a` are one name in most answers. They are vectors where a vector or scalar product of two
such letters occurs: then `\vec a\times\vec b` is not `\vec b\times\vec a`. A capital letter is a square matrix of
unknown size where it stands under a determinant, a trace or a transposition: then `\det(2A)` is not `2\det A`.
`2\mathbf i+3\mathbf j` is the vector `(2, 3)`.
"""

from collections.abc import Iterator

from verifier_service.answers.tree.nodes import IMAGINARY, ZERO, Node, free_symbols, number, rebuild, symbol, walk

_PRODUCTS = frozenset(["cross", "dot"])
_OF_MATRICES = frozenset(["det", "tr", "transpose"])
_ROLES = _PRODUCTS | _OF_MATRICES | {"vector", "unit"}
_UNITS = ("i", "j", "k")


def cast(left: Node, right: Node) -> tuple[Node, Node]:
    """Give the letters of two answers the roles that either of them tells."""
    roles = frozenset(name for node in (left, right) for name in _named(node))
    if not roles:
        return _with_plain_units(left, right)
    matrices = frozenset(name for node in (left, right) for name in _matrices(node)) if roles & _OF_MATRICES else None
    if matrices:
        left, right = _as_matrices(left, matrices), _as_matrices(right, matrices)
    if not roles & _PRODUCTS:
        if "rel" not in (left.op, right.op):
            left, right = _with_ordered_ends(left), _with_ordered_ends(right)
        return _without_vectors(_as_tuple(left)), _without_vectors(_as_tuple(right))
    return left, right


def _named(node: Node) -> Iterator[str]:
    return (part.args[0] for part in walk(node) if part.op == "fn" and part.args[0] in _ROLES)


def _with_ordered_ends(node: Node) -> Node:
    r"""Write `\overrightarrow{BA}` as `-\overrightarrow{AB}`."""
    if node.op == "fn" and node.args[0] == "vector":
        name = str(node.args[1].args[0])
        if len(name) == 2 and name.isupper() and name[0] > name[1]:
            return Node("neg", (Node("fn", ("vector", symbol(name[::-1]))),))
        return node
    return rebuild(node, _with_ordered_ends)


def _without_vectors(node: Node) -> Node:
    """Copy a tree with vectors as plain names."""
    if node.op == "fn" and node.args[0] == "vector":
        return node.args[1]
    if node.op == "fn" and node.args[0] == "unit":
        return symbol("unit " + _UNITS[int(node.args[1].args[0])])
    return rebuild(node, _without_vectors)


# --- matrices ---------------------------------------------------------------------------------------------------


def _matrices(node: Node) -> frozenset[str]:
    """Name the letters that can only be matrices, or columns, since they stand under a determinant and the like."""
    found: set[str] = set()
    for part in walk(node):
        if part.op == "fn" and part.args[0] in _OF_MATRICES:
            found |= {name for name in free_symbols(part) if name[0].isupper()}
            if part.args[0] == "transpose" and part.args[1].op == "sym":
                found.add(part.args[1].args[0])
    return frozenset(found)


def _as_matrices(node: Node, names: frozenset[str]) -> Node:
    if node.op == "sym":
        name: str = node.args[0]
        if name not in names:
            return node
        if name == "I":
            return Node("fn", ("identity",))
        if len(name) > 1 and name.isalpha():
            return Node("mul", tuple(Node("fn", ("square", symbol(letter))) for letter in name))
        return Node("fn", ("square" if name[0].isupper() else "column", node))
    if node.op == "fn" and node.args[0] == "vector" and node.args[1].args[0] in names:
        return _as_matrices(node.args[1], names)
    return rebuild(node, lambda child: _as_matrices(child, names))


# --- unit vectors -----------------------------------------------------------------------------------------------


def _with_plain_units(left: Node, right: Node) -> tuple[Node, Node]:
    """Read `2i + 3j` beside a vector as unit vectors."""
    if "tuple" in (left.op, right.op) or "matrix" in (left.op, right.op):
        return _as_tuple(left), _as_tuple(right)
    return left, right


def _as_tuple(node: Node) -> Node:
    """Write a sum of multiples of unit vectors as a vector, alone or beside a relation sign."""
    if node.op == "rel":
        return Node("rel", (node.args[0], tuple(_as_tuple(term) for term in node.args[1])))
    if node.op != "add":
        return node
    parts: dict[str, Node] = {}
    for term in node.args:
        multiple = _multiple_of_unit(term)
        if multiple is None or multiple[0] in parts:
            return node
        parts[multiple[0]] = multiple[1]
    items = [parts.get(name, ZERO) for name in _UNITS]
    return Node("tuple", ("(", ")", tuple(items if "k" in parts else items[:2])))


def _multiple_of_unit(node: Node) -> tuple[str, Node] | None:
    """Split `-3\\mathbf j` into the unit vector's name and its factor; None for what is no such term."""
    name = _unit(node)
    if name is not None:
        return name, number(1)
    if node.op in ("neg", "div"):
        inner = _multiple_of_unit(node.args[0])
        return inner and (inner[0], Node(node.op, (inner[1], *node.args[1:])))
    if node.op != "mul":
        return None
    units = [index for index, factor in enumerate(node.args) if _unit(factor) is not None]
    if len(units) != 1:
        return None
    rest = [factor for index, factor in enumerate(node.args) if index != units[0]]
    return _unit(node.args[units[0]]) or "", rest[0] if len(rest) == 1 else Node("mul", tuple(rest))


def _unit(node: Node) -> str | None:
    if node.op == "fn" and node.args[0] == "unit":
        return _UNITS[int(node.args[1].args[0])]
    if node == IMAGINARY:
        return "i"
    return node.args[0] if node.op == "sym" and node.args[0] in ("j", "k") else None
