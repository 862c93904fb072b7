r"""Compare propositions: letters with `\lnot \land \lor \to \leftrightarrow`, and Boolean algebra.

Two propositions are equal if they have the same truth table: `p \to q` equals `\lnot p \lor q` and is not `q \to p`. In
`\overline{A}B + A`, + is "or", a product is "and", the line is "not". Sets named by capital letters are compared by
which elements they contain: `A \cup (B \cap C)` equals `(A \cup B) \cap (A \cup C)`.
"""

from collections.abc import Callable, Iterator

from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.nodes import (
    Function,
    List,
    Logic,
    Node,
    Product,
    Relation,
    SetOperation,
    Sum,
    Symbol,
    walk,
)

_MAX_LETTERS = 10  # a table has 2^10 rows
_MAX_TRUTHS = 200_000  # rows times parts of the propositions
_ARROWS = frozenset(["->", "=>", "<=>"])
_JOINED: dict[str, Callable[[list[bool]], bool]] = {
    "and": all,
    "or": any,
    "xor": lambda truths: sum(truths) % 2 == 1,
    "inter": all,
    "union": any,
    "minus": lambda truths: truths[0] and not truths[1],
}


def decide(left: Node, right: Node, _: Same) -> Decision | None:
    """Compare if one side is a proposition."""
    spoken = is_spoken(left) and is_spoken(right)
    if not (spoken or any(map(is_proposition, (left, right))) or _are_boolean(left, right) or _are_sets(left, right)):
        return None
    first, second = _as_proposition(left), _as_proposition(right)
    if first == second:
        return Decision(True, "the same proposition")
    atoms = sorted({*_atoms(first), *_atoms(second)})
    size = sum(1 for node in (first, second) for _ in walk(node))
    if len(atoms) > _MAX_LETTERS or size << len(atoms) > _MAX_TRUTHS:
        raise TooComplex(f"a truth table of {len(atoms)} letters and {size} parts")
    for row in range(2 ** len(atoms)):
        truths = {atom: bool(row >> place & 1) for place, atom in enumerate(atoms)}
        if _truth(first, truths) != _truth(second, truths):
            return Decision(False, "the truth tables differ")
    return Decision(True, "the truth tables are the same")


def is_proposition(node: Node) -> bool:
    """Return whether a tree has logical signs, or consists of letters with an arrow between them."""
    if isinstance(node, Relation):
        return _ARROWS.issuperset(node.operators) and all(
            is_proposition(term) or (isinstance(term, Symbol) and len(term.name) == 1) for term in node.terms
        )
    return isinstance(node, Logic)


def is_spoken(node: Node) -> bool:
    """Return whether a tree is propositions joined by words, such as `p and ¬q`."""
    return isinstance(node, List) and node.joiner != "," and any(map(is_proposition, node.items))


def _are_sets(left: Node, right: Node) -> bool:
    r"""Return whether both are capital letters with set signs, such as `A \cap B` and `B \setminus (A \cup C)`."""
    parts = [*walk(left), *walk(right)]
    return any(isinstance(part, SetOperation) for part in parts) and all(
        isinstance(part, SetOperation)
        or _is_bar(part)
        or (isinstance(part, Symbol) and len(part.name) == 1 and part.name.isupper())
        for part in parts
    )


def _are_boolean(left: Node, right: Node) -> bool:
    """Return whether both are Boolean algebra: capitals, sums, products, and a line over a letter or a sum."""
    parts = [*walk(left), *walk(right)]
    lines = [part.operands[0] for part in parts if isinstance(part, Function) and part.name == "bar"]
    return any(isinstance(line, (Symbol, Sum)) for line in lines) and all(
        isinstance(part, (Sum, Product))
        or (isinstance(part, Logic) and part.kind == "xor")
        or _is_bar(part)
        or (isinstance(part, Symbol) and part.name[0].isupper())
        for part in parts
    )


def _is_bar(node: Node) -> bool:
    return isinstance(node, Function) and node.name == "bar"


def _as_proposition(node: Node) -> Node:
    """Read a list of letters joined by words as the proposition it can be."""
    if isinstance(node, List) and node.joiner != ",":
        return Logic(node.joiner, tuple(map(_as_proposition, node.items)))
    return node


def _parts(node: Node) -> tuple[Node, ...] | None:
    """Return the parts of a compound proposition, or None for an atomic one."""
    match node:
        case Relation(operators, terms) if _ARROWS.issuperset(operators):
            return terms
        case Logic(_, operands) | Function("bar", operands):
            return operands
        case SetOperation(_, left, right):
            return left, right
        case Sum(terms) | Product(terms):
            return terms
        case _:
            return None


def _atoms(node: Node) -> Iterator[str]:
    parts = _parts(node)
    if parts is None:
        yield repr(node)
        return
    for part in parts:
        yield from _atoms(part)


def _truth(node: Node, truths: dict[str, bool]) -> bool:
    parts = _parts(node)
    if parts is None:
        return truths[repr(node)]
    values = [_truth(part, truths) for part in parts]
    match node:
        case Logic("not") | Function():
            return not values[0]
        case Logic(kind) | SetOperation(kind):
            return _JOINED[kind](values)
        case Sum():
            return any(values)
        case Relation(operators):
            return _implied(operators, values)
        case _:
            return all(values)


def _implied(arrows: tuple[str, ...], truths: list[bool]) -> bool:
    r"""Evaluate `p \to q \to r`, which is `p \to (q \to r)`."""
    result = truths[-1]
    for truth, arrow in zip(truths[-2::-1], reversed(arrows), strict=True):
        result = result == truth if arrow == "<=>" else result or not truth
    return result
