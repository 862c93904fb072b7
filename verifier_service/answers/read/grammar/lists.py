"""Read lists: items joined by commas, semicolons, `and` and `or`."""

from typing import Literal, TypeAlias

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.signs import END, RELATIONS
from verifier_service.answers.read.grammar.statements import Statements
from verifier_service.answers.read.grammar.units import joined_items
from verifier_service.answers.tree.bounds import MAX_ITEMS, NotMath, TooComplex
from verifier_service.answers.tree.nodes import (
    Call,
    List,
    Node,
    Product,
    Quantity,
    Relation,
    Symbol,
    Text,
    Tuple,
    free_symbols,
)

_Joiner: TypeAlias = Literal[",", "and", "or"]

_SEPARATORS = {",", ";"}


class Lists(Statements):
    """Reads the loosest level: items and their separators."""

    def sequence(self, top: bool = False) -> Node:
        """Read items separated by commas, semicolons, `and` and `or`."""
        self.deeper()
        items: list[Node] = []
        joiner: _Joiner = ","
        joiners: list[_Joiner] = []
        while True:
            self.skip_blank()
            if self.at_close() and not (top and not items and self.is_sign(("]",))):
                break
            items.append(self.statement())
            if len(items) > MAX_ITEMS:
                raise TooComplex(f"more than {MAX_ITEMS} items")
            found = self._separator(top)
            if found is None:
                break
            joiner = found if joiner == "," else joiner
            joiners.append(found)
        self.depth -= 1
        if not items:
            raise NotMath("nothing between the brackets")
        if len(items) == 1:
            return _point(items[0], alone=True) if top else items[0]
        if top:
            items = list(map(_point, items))
        if {"and", "or"} <= set(joiners) and all(isinstance(item, Relation) for item in items):
            return _alternatives(items, joiners)
        whole = joined_items(items) if joiner in ("and", ",") and isinstance(items[0], Quantity) else None
        return whole or List(joiner, tuple(items))

    def _separator(self, top: bool) -> _Joiner | None:
        """Take the separator between two items and return its kind, or None at the end."""
        joiner: _Joiner | Literal["quad"] | None = None
        start = self.at
        while True:
            token = self.peek()
            if token.kind == "op" and token.value in _SEPARATORS:
                joiner = joiner or ","
            elif token.kind == "word" and token.value in words.JOINERS:
                joiner = words.JOINERS[token.value]
            elif token.kind == "text" and token.value.strip(" ,.").lower() in words.JOINERS:
                joiner = words.JOINERS[token.value.strip(" ,.").lower()]
            elif token.value == "&" and token.kind in ("cmd", "op") and top:
                joiner = "and"
            elif token.kind == "cmd" and token.value in ("quad", "qquad", "\\", "newline", "cr"):
                if token.value == "\\" and not top:
                    break
                joiner = joiner or "quad"
            else:
                break
            self.at += 1
        if joiner == "quad":
            if self.peek() is END or self.at_close() or self.is_sign(RELATIONS) or self.peek().kind == "text":
                return None
            joiner = ","
        if joiner is not None and (self.peek() is END or self.at_close()) and start + 1 == self.at:
            return None
        return joiner


def _point(item: Node, alone: bool = False) -> Node:
    """Read the point `A(2, 3)` as `A = (2, 3)`. Any other item, like the distribution `N(0, 1)`, stays unchanged."""
    match item:
        case Product((Text("point" | "点"), *factors)):
            return _point(Product(tuple(factors)) if len(factors) > 1 else factors[0])
        case Product((Symbol("N" | "U"), _)) if alone:
            return item
        case Product((Symbol(name), Tuple("(", ")", items) as place)) if len(items) > 1 and _is_label(name):
            return Relation(("=",), (Symbol(name), place))
        case Call(name, items) if len(items) > 1 and _is_label(name):
            if any(name[:1].isupper() for operand in items for name in free_symbols(operand)):
                return item
            return Relation(("=",), (Symbol(name), Tuple("(", ")", items)))
        case _:
            return item


def _is_label(name: str) -> bool:
    """Return whether a name is that of a point: `A`, `A'`, `P_1`."""
    return name[:1].isupper() and name[1:2] in ("", "'", "_") and not name.endswith("_")


def _alternatives(items: list[Node], joiners: list[_Joiner]) -> Node:
    """Join relations by `and` first: `x > 0 and x < 1 or x > 5` are two alternatives."""
    groups: list[list[Node]] = [[items[0]]]
    for item, joiner in zip(items[1:], joiners, strict=False):
        if joiner == "or":
            groups.append([])
        groups[-1].append(item)
    return List("or", tuple(List("and", tuple(one)) if len(one) > 1 else one[0] for one in groups))
