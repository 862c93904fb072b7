r"""Propositions: letters with `\lnot \land \lor \to \leftrightarrow`, and Boolean algebra with lines over letters.

Two propositions are equal if they have the same truth table: `p \to q` equals `\lnot p \lor q` and is not `q \to p`.
Of `\overline{A}B + A`, + is "or", a product is "and", the line is "not". Sets named by capital letters are compared by
what is in which of them: `A \cup (B \cap C)` equals `(A \cup B) \cap (A \cup C)`.
"""

from collections.abc import Iterator

from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.bounds import TooComplex
from verifier_service.answers.tree.nodes import Node, walk

_MAX_LETTERS = 10
_MAX_TRUTHS = 200_000
_SIGNS = frozenset(["not", "and", "or", "xor"])
_ARROWS = frozenset(["->", "=>", "<=>"])
_OF_SETS = frozenset(["union", "inter", "minus"])
_JOINED = {
    "and": all,
    "or": any,
    "mul": all,
    "add": any,
    "xor": lambda truths: sum(truths) % 2 == 1,
    "inter": all,
    "union": any,
    "minus": lambda truths: truths[0] and not truths[1],
}


def decide(left: Node, right: Node, _: Same) -> Decision | None:
    """Compare where one side is a proposition."""
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
    """Tell whether a tree is made with signs of logic, or of letters with an arrow between them."""
    if node.op == "rel":
        return _ARROWS.issuperset(node.args[0]) and all(
            is_proposition(term) or (term.op == "sym" and len(term.args[0]) == 1) for term in node.args[1]
        )
    return node.op in _SIGNS


def is_spoken(node: Node) -> bool:
    """Tell whether a tree is propositions joined by words, such as `p and ¬q`."""
    return node.op == "list" and node.args[0] in ("and", "or") and any(map(is_proposition, node.args[1]))


def _are_sets(left: Node, right: Node) -> bool:
    r"""Tell whether both are of capital letters with signs of sets, such as `A \cap B` and `B \setminus (A \cup C)`."""
    parts = [*walk(left), *walk(right)]
    return any(part.op in _OF_SETS for part in parts) and all(
        part.op in _OF_SETS
        or (part.op == "fn" and part.args[0] == "bar")
        or (part.op == "sym" and len(part.args[0]) == 1 and part.args[0].isupper())
        for part in parts
    )


def _are_boolean(left: Node, right: Node) -> bool:
    """Tell whether both are of Boolean algebra: capitals, sums, products, and a line over a letter or a sum."""
    parts = [*walk(left), *walk(right)]
    lines = [part.args[1] for part in parts if part.op == "fn" and part.args[0] == "bar"]
    return any(line.op in ("sym", "add") for line in lines) and all(
        part.op in ("add", "mul", "xor")
        or (part.op == "fn" and part.args[0] == "bar")
        or (part.op == "sym" and part.args[0][0].isupper())
        for part in parts
    )


def _as_proposition(node: Node) -> Node:
    """Read a list of letters joined by words as the proposition it may be."""
    if node.op == "list" and node.args[0] in ("and", "or"):
        return Node(node.args[0], tuple(map(_as_proposition, node.args[1])))
    return node


def _parts(node: Node) -> tuple[Node, ...] | None:
    """Return the propositions that a proposition is made of; None for one that is whole."""
    if node.op == "rel" and _ARROWS.issuperset(node.args[0]):
        return node.args[1]
    if node.op in _SIGNS or node.op in _OF_SETS or node.op in ("add", "mul"):
        return node.args
    if node.op == "fn" and node.args[0] == "bar":
        return node.args[1:]
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
    if node.op in ("not", "fn"):
        return not values[0]
    if node.op != "rel":
        return bool(_JOINED[node.op](values))
    result = values[-1]
    for value, operator in zip(values[-2::-1], reversed(node.args[0]), strict=True):
        result = result == value if operator == "<=>" else result or not value
    return result
