"""The position in an answer's tokens with its context, and the levels that lower modules call."""

from abc import ABC, abstractmethod

from verifier_service.answers.read.grammar.signs import CLOSERS, END, NO_FACTOR
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import MAX_DEPTH, NotMath, TooComplex
from verifier_service.answers.tree.nodes import List, Node


class Cursor(ABC):
    """The state of one reading: the tokens, the position, the nesting depth and the open bars.

    `letters` says that letters after a number are variables, not units; `ambiguous`, that some were read as units.
    `opening` is the index of a bar that opens an inner pair.
    """

    def __init__(self, tokens: list[Token], letters: bool = False) -> None:
        self.tokens = tokens
        self.at = 0
        self.stop = len(tokens)
        self.depth = 0
        self.bars: list[str] = []
        self.opening: int | None = None
        self.reversed = False
        self.bound: set[str] = set()
        self.letters = letters
        self.points: bool | None = None
        self.ambiguous = False

    def peek(self, ahead: int = 0) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < self.stop else END

    def token(self, index: int) -> Token:
        """Return the token at an index of the text."""
        return self.tokens[index] if index < self.stop else END

    def take(self) -> Token:
        token = self.peek()
        if token is END:
            raise NotMath("the text ends too early")
        self.at += 1
        return token

    def accept(self, *values: str) -> bool:
        token = self.peek()
        if token.kind in ("op", "cmd") and token.value in values:
            self.at += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.accept(value):
            raise NotMath(f"expected {value!r} but saw {self.peek().value!r}")

    def is_sign(self, values: object, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind in ("op", "cmd") and token.value in values  # type: ignore[operator]

    def skip_blank(self) -> None:
        while self.is_sign(("quad", "qquad", " ")):
            self.at += 1

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooComplex(f"nested deeper than {MAX_DEPTH}")

    def at_close(self) -> bool:
        token = self.peek()
        if token is END:
            return True
        if token.kind == "end":
            return True
        return token.kind in ("op", "cmd") and (token.value in CLOSERS or token.value in ("}", "\\}", "&"))

    def starts_factor(self) -> bool:
        token = self.peek()
        if token.kind in ("num", "digits", "sym", "begin"):
            return True
        if token.kind == "word":
            return False
        if token.kind == "op":
            if token.value == "|":
                return self._at_inner_bar() if self.bars else self.peek(1).value != "+"
            if token.value == "[":
                return (
                    not self.reversed
                    and self.peek(1) is not END
                    and self.peek(1).value not in (",", "cup", "cap", ")", "}")
                )
            return token.value in ("(", "{")
        if token.kind == "cmd":
            if token.value == "|":
                return "||" not in self.bars
            return token.value not in NO_FACTOR
        return False

    def _at_inner_bar(self) -> bool:
        """Return whether a bar inside bars opens an inner pair, as in `|2|x|-3|`: |2| alone would be pointless."""
        if self.at == self.opening:
            return True
        before = self.tokens[self.at - 2 : self.at]
        if len(before) < 2 or before[0].value != "|" or before[1].kind != "num" or self.peek(1).kind != "sym":
            return False
        return sum(token.value == "|" for token in self.tokens[self.at : self.stop]) == 1 + 2 * len(self.bars)

    @abstractmethod
    def prescript(self, mark: str) -> Node:
        """Read something that begins with a small number, like `^8C_3`."""

    @abstractmethod
    def sequence(self, top: bool = False) -> Node:
        """Read items separated by commas, semicolons, `and` and `or`."""

    @abstractmethod
    def relation(self) -> Node:
        """Read a chain `a < b <= c`. A lone term is returned unchanged."""

    @abstractmethod
    def set_operation(self) -> Node:
        """Read unions, intersections and differences of sets, from left to right."""

    @abstractmethod
    def sum(self) -> Node:
        """Read terms joined by + - ± ∓."""

    @abstractmethod
    def signed_product(self) -> Node:
        """Read one term with its signs."""

    @abstractmethod
    def product(self) -> Node:
        """Read factors joined by multiplication signs, division signs or nothing."""

    @abstractmethod
    def power(self, first: bool = False) -> Node:
        """Read an atom with its exponents and postfixes."""

    @abstractmethod
    def atom(self, first: bool = False) -> Node:
        """Read a number, a name, a bracket, a function or an environment."""


def listed(node: Node) -> tuple[Node, ...]:
    """Return the items of a list, or any other node as the only item."""
    return node.items if isinstance(node, List) else (node,)
