r"""Compare relations that can be reversed.

Examples: `a \parallel b`, `a \perp b`, similar and congruent figures, `A \supseteq B`, `a \equiv b \pmod n`. `\triangle
ABC \sim \triangle DEF` equals `\triangle BCA \sim \triangle EFD`, because the same vertices correspond; it is not
`\triangle ABC \cong \triangle DEF`.
"""

from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import Congruent, Negative, Node, Relation, Sum, Symbol, free_symbols

_MUTUAL = frozenset(["parallel", "perp", "sim"])
_TRIANGLE = "triangle "


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare two relations of two terms, either of which can be reversed."""
    if not isinstance(left, Relation) or not isinstance(right, Relation):
        return None
    if len(left.operators) != 1 or len(right.operators) != 1:
        return None
    operators = {*left.operators, *right.operators}
    if "supset" in operators:
        return same(_as_subset(left), _as_subset(right))
    vertices = _vertices(left), _vertices(right)
    if vertices[0] and vertices[1]:
        equal = left.operators == right.operators and vertices[0] in (vertices[1], {pair[::-1] for pair in vertices[1]})
        return Decision(equal, "compared by corresponding vertices")
    if operators & _MUTUAL:
        return _either_way(left, right, same)
    return _congruences(left, right, same)


def _as_subset(node: Relation) -> Relation:
    """Write `A \\supseteq B` as `B \\subseteq A`."""
    return Relation(("subset",), node.terms[::-1]) if node.operators == ("supset",) else node


def _vertices(node: Relation) -> set[tuple[str, str]]:
    """Pair the vertices of two triangles. Return nothing for any other relation."""
    one, other = (term.name if isinstance(term, Symbol) else "" for term in node.terms)
    if not one.startswith(_TRIANGLE) or not other.startswith(_TRIANGLE) or len(one) != len(other):
        return set()
    return set(zip(one.removeprefix(_TRIANGLE), other.removeprefix(_TRIANGLE), strict=True))


def _either_way(left: Relation, right: Relation, same: Same) -> Decision:
    """Compare the terms of two relations in both orders."""
    if left.operators != right.operators:
        return Decision(False, "the relations differ")
    (one, other), (first, second) = left.terms, right.terms
    for a, b in ((first, second), (second, first)):
        if same(one, a).equal and same(other, b).equal:
            return Decision(True, "the same relation between the same terms")
    return Decision(False, "the terms differ")


def _congruences(left: Relation, right: Relation, same: Same) -> Decision | None:
    """Return that two congruences of letters are equal if the differences of their sides are, or None."""
    match left, right:
        case Relation(("=",), (one, Congruent() as first)), Relation(("=",), (other, Congruent() as second)):
            pass
        case _:
            return None
    if not free_symbols(first.residue) or not free_symbols(second.residue):
        return None
    if not same(first.modulus, second.modulus).equal:
        return None
    difference = Sum((one, Negative(first.residue)))
    for a, b in ((other, second.residue), (second.residue, other)):
        if same(difference, Sum((a, Negative(b)))).equal:
            return Decision(True, "the same congruence")
    return None
