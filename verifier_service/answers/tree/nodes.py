"""The tree that an answer is read into: immutable nodes, compared by structure.

| op | args |
|---|---|
| num | (Fraction, places): a mixed number is one too; places are the digits after its point, None without a point |
| sym | (name,) |
| const | ("pi" \\| "e" \\| "i" \\| "inf",) |
| add, mul | terms, factors |
| neg, fact, fact2, pm, mp, deg, percent | (operand,) |
| div, pow | (numerator, denominator), (base, exponent) |
| fn | (name, *operands): a known function; also bar, conjugate, vector, unit (number of the axis), cross, dot |
| call | (name, *operands): an unknown function, `f(x)`, `a_{n+1}` |
| sum, prod, int | (body, variable, low, high); an indefinite integral has None for both |
| lim | (body, variable, point, side): side is -1, 0 or 1 |
| diff | (body, variable, order) |
| matrix | rows, each a tuple of nodes |
| tuple | (open, close, items): brackets as written, so `[0,1)` is an interval and `(0,1)` may be one |
| set | items |
| builder | (head, condition) |
| list | (joiner, items): joiner is "," or "and" or "or" |
| rel | (operators, terms): a chain has one operator fewer than terms |
| union, inter, minus | (left, right): of sets |
| not, and, or, xor | propositions |
| text | (string,) |
| quantity | (value, unit) |
| base | (digits, base) |
| ratio | terms |
| congruent | (residue, modulus) |
| cases | rows: (value, condition or None) |
| dots | () |
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple


class Node(NamedTuple):
    """One node of the tree; `args` holds nodes, strings and numbers as the table above says."""

    op: str
    args: tuple[Any, ...]


def number(value: int | Fraction, places: int | None = None) -> Node:
    """Make a literal; `places` counts the digits after its decimal point, less the exponent in `1.50e3`."""
    return Node("num", (Fraction(value), places))


ZERO, ONE = number(0), number(1)
PI, EULER, IMAGINARY, INFINITY = (Node("const", (name,)) for name in ("pi", "e", "i", "inf"))


def symbol(name: str) -> Node:
    """Make a variable."""
    return Node("sym", (name,))


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below, also those in tuples of items or rows."""
    stack = list(reversed(node.args))
    while stack:
        item = stack.pop()
        if isinstance(item, Node):
            yield item
        elif isinstance(item, tuple):
            stack.extend(reversed(item))


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(children(current))


_BINDERS = {"sum": 1, "prod": 1, "int": 1, "lim": 1}


def free_symbols(node: Node) -> frozenset[str]:
    """Name the variables that are not bound by a sum, product, integral or limit."""
    if node.op == "sym":
        return frozenset((node.args[0],))
    below: frozenset[str] = frozenset()
    if node.op in _BINDERS:
        body, variable, *rest = node.args
        below = free_symbols(body)
        if node.op != "int" or rest[0] is not None:
            below -= {variable}
        for bound in rest:
            if isinstance(bound, Node):
                below |= free_symbols(bound)
        return below
    for child in children(node):
        below |= free_symbols(child)
    return below


def rebuild(node: Node, change: Any) -> Node:
    """Copy a node with `change` applied to each child node."""

    def visit(item: Any) -> Any:
        if isinstance(item, Node):
            return change(item)
        if isinstance(item, tuple):
            return tuple(visit(part) for part in item)
        return item

    return Node(node.op, tuple(visit(item) for item in node.args))


def rename(node: Node, names: dict[str, str]) -> Node:
    """Copy a tree with free and bound variables renamed."""
    if node.op == "sym":
        name: str = node.args[0]
        return symbol(names.get(name, name))
    renamed = rebuild(node, lambda child: rename(child, names))
    if node.op in _BINDERS or node.op == "diff":
        args = list(renamed.args)
        args[1] = names.get(args[1], args[1])
        return Node(node.op, tuple(args))
    return renamed


def substitute(node: Node, name: str, value: Node) -> Node:
    """Copy a tree with a free variable replaced by an expression."""
    if node.op == "sym":
        return value if node.args[0] == name else node
    if node.op in _BINDERS and node.args[1] == name:
        return node
    return rebuild(node, lambda child: substitute(child, name, value))
