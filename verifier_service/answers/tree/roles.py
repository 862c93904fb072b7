r"""Find out what letters stand for, if both answers together show it: vectors, unit vectors, matrices.

`\vec a`, `\mathbf a` and `a` are one name in most answers. They are vectors if a vector or scalar product of two such
letters occurs: then `\vec a\times\vec b` is not `\vec b\times\vec a`. A capital letter is a square matrix of unknown
size if it stands under a determinant, a trace or a transposition: then `\det(2A)` is not `2\det A`. `2\mathbf
i+3\mathbf j` is the vector `(2, 3)`. If one answer has `E(X)`, then `EX` in the other is that moment too.
"""

from collections.abc import Callable, Iterator

from verifier_service.answers.tree.derivatives import with_primes
from verifier_service.answers.tree.events import of_events
from verifier_service.answers.tree.nodes import (
    ONE,
    ZERO,
    Call,
    Constant,
    Function,
    Matrix,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Tuple,
    free_symbols,
    rebuild,
    walk,
)

_PRODUCTS = frozenset(["cross", "dot"])
_OF_MATRICES = frozenset(["det", "tr", "transpose"])
_ROLES = _PRODUCTS | _OF_MATRICES | {"vector", "unit"}
_UNITS = ("i", "j", "k")


def cast(left: Node, right: Node) -> tuple[Node, Node]:
    """Rewrite two answers so that their letters have the roles that either answer shows."""
    left, right = with_primes(left, right)
    left, right = of_events(left), of_events(right)
    moments = _moments(left) | _moments(right)
    if moments:
        left, right = _with_moments(left, moments), _with_moments(right, moments)
    roles = frozenset(name for node in (left, right) for name in _named(node))
    if not roles:
        return _with_plain_units(left, right)
    matrices = frozenset(name for node in (left, right) for name in _matrices(node)) if roles & _OF_MATRICES else None
    if matrices:
        left, right = _as_matrices(left, matrices), _as_matrices(right, matrices)
    if not roles & _PRODUCTS:
        if not isinstance(left, Relation) and not isinstance(right, Relation):
            left, right = _with_ordered_ends(left), _with_ordered_ends(right)
        left, right = _as_tuples(left, right)
        return _without_vectors(left), _without_vectors(right)
    return left, right


def _named(node: Node) -> Iterator[str]:
    return (part.name for part in walk(node) if isinstance(part, Function) and part.name in _ROLES)


def _with_ordered_ends(node: Node) -> Node:
    r"""Write `\overrightarrow{BA}` as `-\overrightarrow{AB}`."""
    match node:
        case Function("vector", (Symbol(name),)) if len(name) == 2 and name.isupper() and name[0] > name[1]:
            return Negative(Function("vector", (Symbol(name[::-1]),)))
        case Function("vector"):
            return node
        case _:
            return rebuild(node, _with_ordered_ends)


def _without_vectors(node: Node) -> Node:
    """Copy a tree with vectors as plain names."""
    match node:
        case Function("vector", (name,)):
            return name
        case Function("unit", (Number(place),)):
            return Symbol("unit " + _UNITS[int(place)])
        case _:
            return rebuild(node, _without_vectors)


# --- moments ----------------------------------------------------------------------------------------------------

_OF_CHANCE = frozenset("EDV")


def _moments(node: Node) -> frozenset[str]:
    """Return the letters that an answer puts before a random variable in brackets: the E of `E(X)`."""
    return frozenset(
        part.name
        for part in walk(node)
        if isinstance(part, Call) and part.name in _OF_CHANCE and _is_variable(part.operands)
    )


def _with_moments(node: Node, names: frozenset[str]) -> Node:
    """Read `EX` as `E(X)` if the other answer writes it so."""
    match node:
        case Product((Symbol(name), Symbol() as variable, *rest)) if name in names and _is_variable((variable,)):
            moment = Call(name, (variable,))
            return Product((moment, *rest)) if rest else moment
        case Product((first, Symbol(name), Symbol() as variable)) if name in names and _is_variable((variable,)):
            return Product((first, Call(name, (variable,))))
        case _:
            return rebuild(node, lambda child: _with_moments(child, names))


def _is_variable(operands: tuple[Node, ...]) -> bool:
    """Return whether the operand is one capital letter."""
    match operands:
        case (Symbol(name),):
            return name[0].isupper() and name not in _OF_CHANCE
        case _:
            return False


# --- matrices ---------------------------------------------------------------------------------------------------


def _matrices(node: Node) -> frozenset[str]:
    """Return the letters that can only be matrices or columns, because they stand under a determinant or the like."""
    found: set[str] = set()
    for part in walk(node):
        if isinstance(part, Function) and part.name in _OF_MATRICES:
            found |= {name for name in free_symbols(part) if name[0].isupper()}
            if part.name == "transpose" and isinstance(part.operands[0], Symbol):
                found.add(part.operands[0].name)
    return frozenset(found)


def _as_matrices(node: Node, names: frozenset[str]) -> Node:
    match node:
        case Symbol(name):
            return _as_matrix(node) if name in names else node
        case Power(Symbol(name), exponent) if name in names and len(name) > 1 and name.isalpha():
            # A power belongs to the last letter: `ABA^{-1}`.
            last = Power(_as_matrix(Symbol(name[-1])), exponent)
            return Product((*map(_as_matrix, map(Symbol, name[:-1])), last))
        case Function("vector", (Symbol(name) | Call(name) as letter,)) if name in names:
            return _as_matrices(letter, names)
        case _:
            return rebuild(node, lambda child: _as_matrices(child, names))


def _as_matrix(symbol: Symbol) -> Node:
    name = symbol.name
    if name == "I":
        return Function("identity", ())
    if len(name) > 1 and name.isalpha():
        return Product(tuple(_as_matrix(Symbol(letter)) for letter in name))
    return Function("square" if name[0].isupper() else "column", (symbol,))


# --- unit vectors -----------------------------------------------------------------------------------------------


def _with_plain_units(left: Node, right: Node) -> tuple[Node, Node]:
    """Read `2i + 3j` as unit vectors if the other answer is a vector."""
    if isinstance(left, (Tuple, Matrix)) or isinstance(right, (Tuple, Matrix)):
        return _as_tuples(left, right)
    return left, right


def _as_tuples(left: Node, right: Node) -> tuple[Node, Node]:
    r"""Write multiples of unit vectors as vectors. If one has a third coordinate, both get one."""
    in_space = any(
        _is_in_space(term) for node in (left, right) for term in (node.terms if isinstance(node, Relation) else (node,))
    )
    return _as_tuple(left, in_space), _as_tuple(right, in_space)


def _is_in_space(node: Node) -> bool:
    """Return whether a vector has three coordinates."""
    match node:
        case Tuple(items=items):
            return len(items) == 3
        case Matrix(rows):
            return {len(rows), len(rows[0])} == {1, 3}
        case _:
            return "k" in (_coordinates(node) or ())


def _as_tuple(node: Node, in_space: bool) -> Node:
    """Write a sum of multiples of unit vectors as a vector, alone or in a relation."""
    if isinstance(node, Relation):
        return Relation(node.operators, tuple(_as_tuple(term, in_space) for term in node.terms))
    parts = _coordinates(node)
    if parts is None:
        return node
    items = [parts.get(name, ZERO) for name in _UNITS]
    return Tuple("(", ")", tuple(items if in_space else items[:2]))


def _coordinates(node: Node) -> dict[str, Node] | None:
    """Return the coordinates in a sum of multiples of unit vectors, by unit vector; None for anything else."""
    match node:
        case Sum(terms):
            multiples = [_multiple_of_unit(term) for term in terms]
            parts = dict(multiple for multiple in multiples if multiple is not None)
            return parts if len(parts) == len(terms) else None
        case Negative(Sum() as inner):
            return _each(_coordinates(inner), Negative)
        case Quotient(Sum() as inner, divisor):
            return _each(_coordinates(inner), lambda part: Quotient(part, divisor))
        case Product((factor, Sum() as inner)):
            return _each(_coordinates(inner), lambda part: Product((factor, part)))
        case _:
            multiple = _multiple_of_unit(node) if _holds_unit(node) else None
            return multiple and dict((multiple,))


def _each(parts: dict[str, Node] | None, change: Callable[[Node], Node]) -> dict[str, Node] | None:
    return parts and {name: change(part) for name, part in parts.items()}


def _holds_unit(node: Node) -> bool:
    return any(isinstance(part, Function) and part.name == "unit" for part in walk(node))


def _multiple_of_unit(node: Node) -> tuple[str, Node] | None:
    """Split `-3\\mathbf j` into the unit vector's name and its factor. Return None for any other term."""
    name = _unit(node)
    if name is not None:
        return name, ONE
    match node:
        case Negative(operand):
            inner = _multiple_of_unit(operand)
            return inner and (inner[0], Negative(inner[1]))
        case Quotient(numerator, denominator):
            inner = _multiple_of_unit(numerator)
            return inner and (inner[0], Quotient(inner[1], denominator))
        case Product(factors):
            names = [name for name in map(_unit, factors) if name is not None]
            rest = tuple(factor for factor in factors if _unit(factor) is None)
            if len(names) != 1:
                return None
            return names[0], rest[0] if len(rest) == 1 else Product(rest)
        case _:
            return None


def _unit(node: Node) -> str | None:
    match node:
        case Function("unit", (Number(place),)):
            return _UNITS[int(place)]
        case Constant("i"):
            return "i"
        case Symbol("j" | "k" as name):
            return name
        case _:
            return None
