"""Names: letters, accented letters, letters in another face, and what is called with arguments."""

from verifier_service.answers.read import words
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.nodes import EULER, IMAGINARY, Node, number, symbol, walk

_CALLABLE = frozenset(["f", "g", "h", "F", "G", "H", "P", "Q", "u"])
_FUNCTION_LETTERS = frozenset(["f", "g", "h"])
_UNITS = ("i", "j", "k")
_BOLD = ("mathbf", "boldsymbol", "bm", "pmb")

ACCENTS = (
    "hat", "widehat", "tilde", "widetilde", "dot", "ddot", "overrightarrow", "overleftrightarrow",
    "overarc", "arc", "wideparen", "check", "breve", "acute", "vec",
)  # fmt: skip
FACES = (
    *_BOLD, "mathcal", "mathfrak", "mathscr", "ensuremath", "mathop", "mathord", "underline", "boxed", "fbox",
    "mathrel", "mathbin", "vphantom", "phantom", "smash",
)  # fmt: skip

_DOTLESS = {"imath": "i", "jmath": "j"}
_ACCENTED = words.GREEK.union(_BOLD, _DOTLESS)
"""Commands that may stand under an accent with letters."""


class Names(Scripts):
    """Read a letter and what makes it another name."""

    def letter(self, token: Token) -> Node:
        name = token.value
        if name in self.bound:
            return symbol(name)
        primes = 0
        while name in _CALLABLE and self.is_sign(("'", "prime"), primes):
            primes += 1
        if primes and self.is_sign(("(",), primes):
            self.at += primes + 1
            arguments = self.sequence()
            self.expect(")")
            items = arguments.args[1] if arguments.op == "list" else (arguments,)
            return Node("call", (name + "'" * primes, *items))
        if name in _CALLABLE and "".join(self.peek(ahead).value for ahead in range(6)) == "^{-1}(":
            self.at += 6
            arguments = self.sequence()
            self.expect(")")
            return Node("call", (f"{name}^-1", *(arguments.args[1] if arguments.op == "list" else (arguments,))))
        if name == "e":
            return EULER
        if name == "i":
            return IMAGINARY
        chosen = self._combinations() if name == "C" else None
        if chosen is not None:
            return chosen
        if self.is_sign(("(",)) and self._is_called(name):
            start = self.at
            self.at += 1
            arguments = self.sequence()
            if self.accept(")"):
                items = arguments.args[1] if arguments.op == "list" else (arguments,)
                return Node("call", (name, *items))
            self.at = start
        return symbol(name)

    def _combinations(self) -> Node | None:
        """Read `C(10, 3)` as a number of combinations; None for any other bracket, as that of the point `C(1, -2)`."""
        ahead = [self.peek(index) for index in range(6)]
        values = [token.value for token in ahead]
        if values[0] != "(" or ahead[0].spaced or values[2] != "," or values[4] != ")" or values[5] == "=":
            return None
        upper, lower = ahead[1], ahead[3]
        if not (upper.kind == lower.kind == "num" and upper.value.isdigit() and lower.value.isdigit()):
            return None
        if max(len(upper.value), len(lower.value)) > 6 or int(lower.value) > int(upper.value):
            return None
        self.at += 5
        return Node("fn", ("binom", number(int(upper.value)), number(int(lower.value))))

    def _is_called(self, name: str) -> bool:
        """Tell whether the bracket after a letter holds its arguments and is no factor."""
        if self.peek().spaced:
            return name in _FUNCTION_LETTERS
        return name in _CALLABLE or self._heads_equation()

    def _heads_equation(self) -> bool:
        """Tell whether `x(t)` stands at the very beginning, with an equality sign after it."""
        if self.at != 1:
            return False
        for index in range(self.at + 1, min(self.at + 12, self.stop - 1)):
            if self.tokens[index].value == ")":
                return self.tokens[index + 1].value in ("=", ":=")
        return False

    def face(self, name: str) -> Node:
        """Read a letter in another face: a bold letter is a vector, the rest is styling."""
        node = self.argument()
        if name not in _BOLD or node.op not in ("sym", "const"):
            return node
        return _vector("i" if node == IMAGINARY else str(node.args[0]))

    def figure(self, name: str) -> Node:
        """Read `\\angle ABC` as one name."""
        parts = []
        while self.peek().kind == "sym" or (self.peek().kind == "cmd" and self.peek().value in words.GREEK):
            parts.append(self.take().value)
        if not parts and self.is_sign(("{",)):
            return self.group()
        if not parts:
            return symbol(name)
        return symbol(name + " " + "".join(parts))

    def number_set(self, _: str) -> Node:
        r"""Read `\mathbb{R}`."""
        letter = self.argument()
        if letter.op in ("sym", "const"):
            return symbol("mathbb " + letter.args[0])
        raise NotMath("an unknown set")

    def stacked(self, _: str) -> Node:
        r"""Read `\overset{mark}{base}` as its base."""
        self.argument()
        return self.argument()

    def accent(self, name: str) -> Node:
        """Read letters under an accent: the accent is part of their name."""
        text = self._accented()
        if text is None:
            raise NotMath("an accent over a formula")
        if name in ("overrightarrow", "vec") or (name in ("hat", "widehat") and text in _UNITS):
            return _vector(text)
        if name in ("overleftrightarrow", "overarc", "arc", "wideparen"):
            return symbol(text)
        return symbol(f"{name} {text}")

    def overline(self, _: str) -> Node:
        r"""Read `\bar z`, the conjugate, or `\overline{A}`, which is another thing than A: its complement, its mean."""
        start = self.at
        text = self._accented()
        if text is not None and text.isdigit():
            raise NotMath("a repeating decimal without its beginning")
        self.at = start
        inner = self.argument()
        if inner.op == "text":
            raise NotMath("a line over words")
        return Node("fn", ("conjugate" if any(map(_is_complex, walk(inner))) else "bar", inner))

    def _accented(self) -> str | None:
        """Take the letters under an accent; None where it stands over a formula."""
        if not self.accept("{"):
            return self.take().value
        parts = []
        while not self.is_sign(("}",)):
            token = self.take()
            if token.kind not in ("sym", "num") and (token.kind != "cmd" or token.value not in _ACCENTED):
                return None
            if token.value not in _BOLD:
                parts.append(_DOTLESS.get(token.value, token.value))
        self.at += 1
        return "".join(parts)


def _vector(name: str) -> Node:
    return Node("fn", ("unit", number(_UNITS.index(name))) if name in _UNITS else ("vector", symbol(name)))


def _is_complex(node: Node) -> bool:
    """Tell whether a part of a formula says that it is complex: i, or a letter that stands for complex numbers."""
    if node.op in ("sym", "call"):
        return node.args[0].partition("_")[0] in ("z", "w", "zeta")
    return node == IMAGINARY
