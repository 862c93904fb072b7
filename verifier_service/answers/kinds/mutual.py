r"""Relations that may be turned round: `a \parallel b`, `a \perp b`, similar and congruent figures, `A \supseteq B`,
`a \equiv b \pmod n`.

`\triangle ABC \sim \triangle DEF` equals `\triangle BCA \sim \triangle EFD`, since the same vertices correspond; it
is not `\triangle ABC \cong \triangle DEF`.
"""

from verifier_service.answers.kinds.decision import Decision, Same
from verifier_service.answers.tree.nodes import Node, free_symbols

_MUTUAL = frozenset(["parallel", "perp", "sim"])
_TRIANGLE = "triangle "


def decide(left: Node, right: Node, same: Same) -> Decision | None:
    """Compare two relations of two terms, one of which may be turned round."""
    if left.op != "rel" or right.op != "rel" or len(left.args[0]) != 1 or len(right.args[0]) != 1:
        return None
    if "supset" in (left.args[0][0], right.args[0][0]):
        return same(_as_subset(left), _as_subset(right))
    vertices = _vertices(left), _vertices(right)
    if vertices[0] and vertices[1]:
        equal = left.args[0] == right.args[0] and vertices[0] in (vertices[1], {pair[::-1] for pair in vertices[1]})
        return Decision(equal, "compared by the vertices that correspond")
    if left.args[0][0] in _MUTUAL or right.args[0][0] in _MUTUAL:
        return _either_way(left, right, same)
    return _congruences(left, right, same)


def _as_subset(node: Node) -> Node:
    """Write `A \\supseteq B` as `B \\subseteq A`."""
    return Node("rel", (("subset",), node.args[1][::-1])) if node.args[0] == ("supset",) else node


def _vertices(node: Node) -> set[tuple[str, str]]:
    """Pair the vertices of two triangles; nothing for any other relation."""
    one, other = (term.args[0] if term.op == "sym" else "" for term in node.args[1])
    if not one.startswith(_TRIANGLE) or not other.startswith(_TRIANGLE) or len(one) != len(other):
        return set()
    return set(zip(one.removeprefix(_TRIANGLE), other.removeprefix(_TRIANGLE), strict=True))


def _either_way(left: Node, right: Node, same: Same) -> Decision:
    """Compare the terms of two relations in both orders."""
    if left.args[0] != right.args[0]:
        return Decision(False, "the relations differ")
    (one, other), (first, second) = left.args[1], right.args[1]
    for a, b in ((first, second), (second, first)):
        if same(one, a).equal and same(other, b).equal:
            return Decision(True, "the same relation between the same terms")
    return Decision(False, "the terms differ")


def _congruences(left: Node, right: Node, same: Same) -> Decision | None:
    """Find two congruences of letters equal where their sides differ by the same; None where that is not seen."""
    terms = left.args[1], right.args[1]
    if any(node.args[0] != ("=",) or node.args[1][1].op != "congruent" for node in (left, right)):
        return None
    residues = tuple(second.args[0] for _, second in terms)
    if not all(free_symbols(residue) for residue in residues):
        return None
    if not same(terms[0][1].args[1], terms[1][1].args[1]).equal:
        return None
    one = Node("add", (terms[0][0], Node("neg", (residues[0],))))
    for a, b in ((terms[1][0], residues[1]), (residues[1], terms[1][0])):
        if same(one, Node("add", (a, Node("neg", (b,))))).equal:
            return Decision(True, "the same congruence")
    return None
