"""Read relations between terms, and operations on sets."""

from verifier_service.answers.read.grammar.arithmetic import Arithmetic
from verifier_service.answers.read.grammar.signs import RELATIONS, SET_OPERATORS
from verifier_service.answers.tree.nodes import Congruent, Function, Node, Relation, SetOperation


class Relations(Arithmetic):
    """Reads chains of comparisons, unions, intersections and differences."""

    def relation(self) -> Node:
        """Read a chain `a < b <= c`. A lone term is returned unchanged."""
        return related(*self.chain())

    def chain(self) -> tuple[list[Node], list[str]]:
        """Read terms and the relation signs between them."""
        terms, operators = list[Node](), list[str]()
        if self.is_sign(RELATIONS) and self.peek().value in ("=", "approx", "in", "cong", "equiv"):
            self.at += 1
        terms.append(self.set_operation())
        while self.is_sign(RELATIONS) or (self.is_sign(("not",)) and self.is_sign(RELATIONS, 1)):
            negated = self.accept("not")
            sign = self.take().value
            name = RELATIONS[sign]
            if negated:
                name = {"=": "!=", "in": "notin"}.get(name, "not " + name)
            self.skip_blank()
            operators.append(name)
            term = self.set_operation()
            if sign == "equiv" and isinstance(term, Function) and term.name == "mod":
                term = Congruent(*term.operands)
            terms.append(term)
        return terms, operators

    def set_operation(self) -> Node:
        """Read unions, intersections and differences of sets, from left to right."""
        left = self.sum()
        while self.is_sign(SET_OPERATORS) or self.at_union(left):
            if self.peek().value == "\\" and (self.peek(1).kind, self.peek(1).value) != ("cmd", "{"):
                break  # `\\` ends a row here, unlike in the difference `A \\ \{0\}`
            kind = SET_OPERATORS.get(self.take().value, "union")
            left = SetOperation(kind, left, self.sum())
        return left


def related(terms: list[Node], operators: list[str]) -> Node:
    """Make a relation of a chain. A lone term is returned unchanged."""
    return Relation(tuple(operators), tuple(terms)) if operators else terms[0]
