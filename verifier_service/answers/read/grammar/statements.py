r"""Read statements: relations and propositions joined by logical signs, `\land` closest, then `\lor`, then arrows."""

from itertools import pairwise

from verifier_service.answers.read.grammar.relations import Relations, related
from verifier_service.answers.tree.bounds import MAX_ITEMS, TooComplex
from verifier_service.answers.tree.nodes import Call, List, Logic, Node, Relation, Symbol

_CONNECTIVES = {"land": "and", "wedge": "and", "lor": "or", "vee": "or", "oplus": "xor", "veebar": "xor"}
_STRENGTH = {"and": 5, "xor": 4, "or": 3, "->": 2, "=>": 2, "<=>": 1}
_ARROWS = frozenset(["->", "=>", "<=>"])
_PROPOSITIONS = (Symbol, Call, Logic)


class Statements(Relations):
    r"""Reads statements. With relations, `x > 1 \land x < 2` is a list, just like `x > 1` and `x < 2`."""

    def statement(self) -> Node:
        """Read a relation, or several with logical signs between them."""
        first = self.chain()
        if not self.is_sign(_CONNECTIVES):
            return related(*first)
        parts, joiners = _at_arrows(*first)
        while self.is_sign(_CONNECTIVES):
            joiners.append(_CONNECTIVES[self.take().value])
            self.skip_blank()
            more, arrows = _at_arrows(*self.chain())
            parts += more
            joiners += arrows
            if len(parts) > MAX_ITEMS:
                raise TooComplex(f"more than {MAX_ITEMS} statements")
        return _joined(parts, joiners, not any(isinstance(part, _PROPOSITIONS) for part in parts))


def _at_arrows(terms: list[Node], operators: list[str]) -> tuple[list[Node], list[str]]:
    """Split a chain of relations at its arrows, which bind more loosely than the logical signs."""
    cuts = [index for index, operator in enumerate(operators) if operator in _ARROWS]
    parts = [
        related(terms[start + 1 : stop + 1], operators[start + 1 : stop])
        for start, stop in pairwise((-1, *cuts, len(operators)))
    ]
    return parts, [operators[index] for index in cuts]


def _joined(parts: list[Node], joiners: list[str], as_lists: bool) -> Node:
    """Build one node from the parts, the closest signs first. Arrows group from the right."""
    values, waiting = [parts[0]], list[str]()
    for part, joiner in zip(parts[1:], joiners, strict=True):
        while waiting and _STRENGTH[waiting[-1]] > _STRENGTH[joiner]:
            _reduce(values, waiting, as_lists)
        waiting.append(joiner)
        values.append(part)
    while waiting:
        _reduce(values, waiting, as_lists)
    return values[0]


def _reduce(values: list[Node], waiting: list[str], as_lists: bool) -> None:
    """Join the last values that have the same sign between them."""
    joiner, count = waiting.pop(), 2
    while joiner not in _ARROWS and waiting and waiting[-1] == joiner:
        waiting.pop()
        count += 1
    items = tuple(values[-count:])
    del values[-count:]
    if joiner == "xor" or (joiner in ("and", "or") and not as_lists):
        values.append(Logic(joiner, items))
    elif joiner in ("and", "or"):
        values.append(List(joiner, items))
    else:
        values.append(Relation((joiner,), items))
