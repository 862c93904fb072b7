"""The tree that an answer is read into: immutable nodes, compared by structure, one class for each operation.

`Node` is the union of all of them. Code that must handle every operation is a `match` over a node that ends with
`assert_never`, so that pyright finds every place to extend for a new operation. Code that handles a few uses
`isinstance` or `match`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cache
from typing import Any, Literal, TypeAlias, TypeVar

from verifier_service.answers.tree.measure import Measure


class _Node:
    __slots__ = ()


# --- numbers and names --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(_Node):
    """A literal, possibly a mixed number.

    `places` counts the digits after its decimal point, less the exponent in `1.50e3`; it is None without a point.
    """

    value: Fraction
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Based(_Node):
    """A literal in a base other than ten: `1011_2`."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Symbol(_Node):
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant(_Node):
    """A number that has a name."""

    name: Literal["pi", "e", "i", "inf"]


@dataclass(frozen=True, slots=True)
class Text(_Node):
    """Words that are not math."""

    text: str


@dataclass(frozen=True, slots=True)
class Dots(_Node):
    """The `…` in a sequence that continues."""


# --- arithmetic ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sum(_Node):
    """Terms that are added."""

    terms: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Product(_Node):
    """Factors that are multiplied."""

    factors: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Negative(_Node):
    """`-x`."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class PlusMinus(_Node):
    """`\\pm x`, or `\\mp x` if `upper` is "-"."""

    operand: "Node"
    upper: Literal["+", "-"]


@dataclass(frozen=True, slots=True)
class Quotient(_Node):
    """A fraction or a division."""

    numerator: "Node"
    denominator: "Node"


@dataclass(frozen=True, slots=True)
class Power(_Node):
    """`x^n`."""

    base: "Node"
    exponent: "Node"


@dataclass(frozen=True, slots=True)
class Factorial(_Node):
    """`n!`, and `n!!` with a step of 2."""

    operand: "Node"
    step: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Degrees(_Node):
    """`30^\\circ`."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Percent(_Node):
    """`5\\%`."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Quantity(_Node):
    """A value with its unit."""

    value: "Node"
    unit: Measure


@dataclass(frozen=True, slots=True)
class Ratio(_Node):
    """`2:3:4`."""

    terms: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Congruent(_Node):
    """A class of numbers: `3 \\pmod 7`."""

    residue: "Node"
    modulus: "Node"


# --- functions and calculus ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function(_Node):
    """A known function of its operands.

    Also bar, conjugate, vector, unit (with the axis as a number), cross and dot.
    """

    name: str
    operands: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Call(_Node):
    """An unknown function of its operands: `f(x)`, `a_{n+1}`."""

    name: str
    operands: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Series(_Node):
    """A sum or product over an index."""

    kind: Literal["sum", "prod"]
    body: "Node"
    variable: str
    low: "Node"
    high: "Node"


@dataclass(frozen=True, slots=True)
class Integral(_Node):
    """An integral; an indefinite one has None for both ends."""

    body: "Node"
    variable: str
    low: "Node | None"
    high: "Node | None"


@dataclass(frozen=True, slots=True)
class Limit(_Node):
    """A limit from below (-1), from above (1) or from both sides (0)."""

    body: "Node"
    variable: str
    point: "Node"
    side: Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class Derivative(_Node):
    """A derivative of some order."""

    body: "Node"
    variable: str
    order: int


# --- collections --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matrix(_Node):
    """Rows of equal length."""

    rows: "tuple[tuple[Node, ...], ...]"


@dataclass(frozen=True, slots=True)
class Tuple(_Node):
    """Items with their brackets as written: `[0,1)` is an interval, `(0,1)` might be one."""

    open: str
    close: str
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Set(_Node):
    """A set of the items listed."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Builder(_Node):
    """The set of all `head` for which the condition holds: `\\{2k \\mid k \\in \\mathbb Z\\}`."""

    head: "Node"
    condition: "Node"


@dataclass(frozen=True, slots=True)
class SetOperation(_Node):
    """A union, intersection or difference of two sets."""

    kind: Literal["union", "inter", "minus"]
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class List(_Node):
    """Several answers side by side."""

    joiner: Literal[",", "and", "or"]
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Cases(_Node):
    """A piecewise function: rows of a value and its condition, or None for "otherwise"."""

    rows: "tuple[tuple[Node, Node | None], ...]"


# --- statements ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Relation(_Node):
    """A chain such as `0 < x \\le 1`: one operator fewer than terms."""

    operators: tuple[str, ...]
    terms: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Logic(_Node):
    """Propositions joined together, or a negated one."""

    kind: Literal["not", "and", "or", "xor"]
    operands: "tuple[Node, ...]"


Node: TypeAlias = (
    Number | Based | Symbol | Constant | Text | Dots
    | Sum | Product | Negative | PlusMinus | Quotient | Power | Factorial | Degrees | Percent | Quantity | Ratio
    | Congruent
    | Function | Call | Series | Integral | Limit | Derivative
    | Matrix | Tuple | Set | Builder | SetOperation | List | Cases
    | Relation | Logic
)  # fmt: skip

_BINDERS = (Series, Integral, Limit)
"""Nodes that bind a variable."""

_NONE: frozenset[str] = frozenset()

_Some = TypeVar("_Some", bound=_Node)


# --- making -------------------------------------------------------------------------------------------------------


def number(value: int | Fraction, places: int | None = None) -> Number:
    """Make a literal."""
    return Number(Fraction(value), places)


ZERO, ONE = number(0), number(1)
PI, EULER, IMAGINARY, INFINITY = Constant("pi"), Constant("e"), Constant("i"), Constant("inf")


# --- walking ------------------------------------------------------------------------------------------------------


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _fields_with_nodes(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if "Node" in str(field.type))


def children(node: Node) -> list[Node]:
    """Return the nodes directly below, including those in tuples of items or rows."""
    found: list[Node] = []
    for name in _fields_with_nodes(type(node)):
        _gather(getattr(node, name), found)
    return found


_Below: TypeAlias = "Node | tuple[_Below, ...] | None"


def _gather(item: _Below, found: list[Node]) -> None:
    if isinstance(item, tuple):
        for part in item:
            _gather(part, found)
    elif item is not None:
        found.append(item)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all nodes below it."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(children(current))


def free_symbols(node: Node) -> frozenset[str]:
    """Return the variables that are not bound by a sum, product, integral or limit."""
    if isinstance(node, Symbol):
        return frozenset((node.name,))
    if not isinstance(node, _BINDERS):
        return _NONE.union(*map(free_symbols, children(node)))
    bounds = (node.point,) if isinstance(node, Limit) else (node.low, node.high)
    bound = {node.variable} if any(end is not None for end in bounds) else set[str]()
    outer = (free_symbols(end) for end in bounds if end is not None)
    return (free_symbols(node.body) - bound).union(*outer)


def rebuild(node: _Some, change: Callable[[Node], Node]) -> _Some:
    """Copy a node with `change` applied to each child node."""

    def visit(item: Any) -> Any:
        if isinstance(item, _Node):
            return change(item)  # type: ignore[arg-type]
        if isinstance(item, tuple):
            return tuple(map(visit, item))  # type: ignore[arg-type]
        return item

    return type(node)(*(visit(getattr(node, name)) for name in _fields(type(node))))


def rename(node: Node, names: dict[str, str]) -> Node:
    """Copy a tree with free and bound variables renamed."""
    if isinstance(node, Symbol):
        return Symbol(names.get(node.name, node.name))
    renamed = rebuild(node, lambda child: rename(child, names))
    if isinstance(renamed, (*_BINDERS, Derivative)):
        return replace(renamed, variable=names.get(renamed.variable, renamed.variable))
    return renamed


def substitute(node: Node, name: str, value: Node) -> Node:
    """Copy a tree with a free variable replaced by an expression."""
    if isinstance(node, Symbol):
        return value if node.name == name else node
    if isinstance(node, _BINDERS) and node.variable == name:
        return node
    return rebuild(node, lambda child: substitute(child, name, value))
