"""Read names: letters, accented letters, letters in another typeface, and functions with their arguments."""

from verifier_service.answers.read.grammar.cursor import listed
from verifier_service.answers.read.grammar.scripts import Scripts
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.greek import GREEK
from verifier_service.answers.tree.nodes import (
    EULER,
    IMAGINARY,
    ZERO,
    Call,
    Constant,
    Factorial,
    Function,
    Matrix,
    Negative,
    Node,
    Number,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Text,
    number,
    walk,
)

_CALLABLE = frozenset(["f", "g", "h", "F", "G", "H", "P", "Q", "u"])
_FUNCTION_LETTERS = frozenset(["f", "g", "h"])
_POINTS = frozenset("ABDEFGHIJKLMNOQRSTUVWXYZ")
_MOMENTS = frozenset(["E", "V", "D"])
_RANDOM = frozenset(["X", "Y", "Z"])
"""Letters of random variables. A bracket after E, V or D that contains one is not a factor."""
_UNITS = ("i", "j", "k")
_BOLD = ("mathbf", "boldsymbol", "bm", "pmb")

_MAX_DIAGONAL = 20  # the matrix has the square of this many cells
_SET_MARKS = {
    "+": "^+", ">0": "^+", "gt0": "^+", "++": "^+", "-": "^-", "<0": "^-", "lt0": "^-", "*": "^*", "ast": "^*",
    "times": "^*", "!=0": "^*", "ne0": "^*", "neq0": "^*", ">=0": ">=0", "ge0": ">=0", "geq0": ">=0",
    "geqslant0": ">=0", "<=0": "<=0", "le0": "<=0", "leq0": "<=0", "leqslant0": "<=0", "0": "0",
}  # fmt: skip
FACES = (
    *_BOLD, "mathcal", "mathfrak", "mathscr", "ensuremath", "mathop", "mathord", "underline", "boxed", "fbox",
    "mathrel", "mathbin", "vphantom", "phantom", "smash",
)  # fmt: skip

_DOTLESS = {"imath": "i", "jmath": "j"}
_ACCENTED = GREEK.union(_BOLD, _DOTLESS)
"""Commands that can stand under an accent together with letters."""


class Names(Scripts):
    """Reads a letter and what makes it another name."""

    def letter(self, token: Token) -> Node:
        name = token.value
        if name in self.bound:
            return Symbol(name)
        primes = 0
        while name.isalpha() and self.is_sign(("'", "prime"), primes):
            primes += 1
        if primes and self.is_sign(("(",), primes) and (name in _CALLABLE or self._is_derived(name, primes + 1)):
            self.at += primes + 1
            arguments = self.sequence()
            self.expect(")")
            return Call(name + "'" * primes, listed(arguments))
        order = self._order() if name in _CALLABLE and self.is_sign(("^",)) else None
        if order is not None:
            return self._call(name + order) or Symbol(name)
        if name in _CALLABLE and "".join(self.peek(ahead).value for ahead in range(6)) == "^{-1}(":
            self.at += 6
            arguments = self.sequence()
            self.expect(")")
            return Call(f"{name}^-1", listed(arguments))
        if name == "e":
            return EULER
        if name == "i":
            return IMAGINARY
        choice = self._choice(name) if name in ("C", "P") else None
        if choice is not None:
            return choice
        if self.is_sign(("(",)) and self._is_called(name):
            return self._call(name) or Symbol(name)
        if self._is_moment(name):
            called = self._call(name)
            if called is not None and name == "E" and len(called.operands) == 1:
                return _mean(called.operands[0])
            return called or Symbol(name)
        return Symbol(name)

    def _is_derived(self, name: str, ahead: int) -> bool:
        """Return whether a bracket after primes holds one letter, as in `y'(x)` and `V'(t)`."""
        argument = self.peek(ahead)
        known = name.islower() or argument.value in ("t", "x", "r", "s")
        return known and argument.kind == "sym" and self.is_sign((")",), ahead + 1)

    def _is_moment(self, name: str) -> bool:
        """Return whether a bracket right after a capital letter holds its argument.

        It does in `E(X)`, `V[2X + 1]`, `N(A)`, but not in `E(R + r)` and `A(B + C)`, whose brackets are factors.
        """
        if not name.isupper() or not self.is_sign(("(", "[")) or self.peek().spaced:
            return False
        closer = ")" if self.peek().value == "(" else "]"
        if closer == ")" and self.peek(1).kind == "sym" and self.peek(1).value.isupper() and self._ends_after_letter():
            return True
        if name not in _MOMENTS:
            return False
        for index in range(self.at + 1, min(self.at + 24, self.stop)):
            token = self.tokens[index]
            if token.value == closer:
                return False
            if token.kind == "sym" and token.value in _RANDOM:
                return True
        return False

    def _ends_after_letter(self) -> bool:
        """Return whether a bracket holds one letter, perhaps with a power, as in `N(A)` and `N(A^2)`."""
        if self.is_sign(("^",), 2):
            return self.peek(3).kind == "num" and self.is_sign((")",), 4)
        return self.is_sign((")",), 2)

    def _call(self, name: str) -> Call | None:
        """Read the bracket with a function's arguments. Return None if it is not closed by its own kind."""
        start = self.at
        closer = "]" if self.take().value == "[" else ")"
        given = self._condition_bar()
        arguments = self.sequence() if given is None else self._conditional(given)
        if self.accept(closer):
            return Call(name, listed(arguments))
        self.at = start
        return None

    def _condition_bar(self) -> int | None:
        """Find the one bar of `P(A | B)`. Return None if the bracket has none, or two as in `f(|x|)`."""
        depth, bars = 1, list[int]()
        for index in range(self.at, min(self.at + 40, self.stop)):
            value = self.tokens[index].value
            depth += (value in ("(", "[")) - (value in (")", "]"))
            if depth == 0:
                return bars[0] if len(bars) == 1 else None
            if value == "|":
                bars.append(index)
        return None

    def _conditional(self, bar: int) -> Node:
        """Read `A | B` inside the bracket of a probability."""
        stop, self.stop = self.stop, bar
        event = self.sequence()
        if self.at != bar:
            raise NotMath("a condition is not understood")
        self.stop = stop
        self.at += 1
        return Relation(("mid",), (event, self.sequence()))

    def _choice(self, name: str) -> Node | None:
        """Read `C(10, 3)` as a binomial coefficient, and in the second reading `P(10, 3)` as arrangements.

        Return None for any other bracket, like that of the point `C(1, -2)`.
        """
        pair = self._pair_to_choose()
        if pair is None:
            return None
        if name == "P" and not self.letters:
            self.ambiguous = True
            return None
        self.at += 5
        return chosen(name, *map(number, pair))

    def _pair_to_choose(self) -> tuple[int, int] | None:
        """Return the two numbers in a bracket if it can be a choice of the second from the first, or None."""
        ahead = [self.peek(index) for index in range(6)]
        values = [token.value for token in ahead]
        if values[0] != "(" or ahead[0].spaced or values[2] != "," or values[4] != ")" or values[5] == "=":
            return None
        upper, lower = ahead[1], ahead[3]
        if not (upper.kind == lower.kind == "num" and upper.value.isdigit() and lower.value.isdigit()):
            return None
        if max(len(upper.value), len(lower.value)) > 6 or int(lower.value) > int(upper.value):
            return None
        return None if self._among_points() else (int(upper.value), int(lower.value))

    def _among_points(self) -> bool:
        """Return whether another capital letter than C and P is used like a point: `A(0, 0), B(4, 0), C(4, 3)`."""
        if self.points is None:
            rows = zip(self.tokens, self.tokens[1:], self.tokens[3:], strict=False)
            self.points = any(
                (opener.value, comma.value) == ("(", ",") and name.kind == "sym" and name.value in _POINTS
                for name, opener, comma in rows
            )
        return self.points

    def prescript(self, mark: str) -> Node:
        r"""Read `^8C_3`, `{}_nC_r` as a binomial coefficient, and `^nP_r` as a number of arrangements."""
        upper = self.script(bound=True)
        name = self.take().value
        if name not in ("C", "P", "A") or not self.accept("_", "^" if mark == "^" else "_"):
            raise NotMath(f"{mark!r} without a letter that it belongs to")
        return chosen(name, upper, self.script(bound=True))

    def _is_called(self, name: str) -> bool:
        """Return whether the bracket after a letter holds its arguments, rather than a factor."""
        if self.peek().spaced:
            return name in _FUNCTION_LETTERS
        return name in _CALLABLE or self._heads_equation()

    def _heads_equation(self) -> bool:
        """Return whether `x(t)` begins an item of the answer, with an equality sign after its bracket."""
        before = self.tokens[self.at - 2] if self.at > 1 else None
        if before is not None and before.value.strip(" ,.") not in ("", ";", "and", "or"):
            return False
        depth = 0
        for index in range(self.at, min(self.at + 24, self.stop - 1)):
            value = self.tokens[index].value
            depth += (value == "(") - (value == ")")
            if depth == 0:
                return self.tokens[index + 1].value in ("=", ":=")
        return False

    def _order(self) -> str | None:
        """Take the order of a derivative in brackets before its argument, and return it as a suffix of the name.

        Examples: `f^{(2)}(x)`, `f^{(n)}(x)`. Return None for a power.
        """
        values = [self.peek(ahead).value for ahead in range(7)]
        if values[1:3] != ["{", "("] or values[4:] != [")", "}", "("]:
            return None
        if len(values[3]) > 1 or not values[3].isalnum():
            return None
        self.at += 6
        return "'" * int(values[3]) if values[3].isdecimal() else f"^({values[3]})"

    def of(self, name: str) -> Node:
        r"""Read `\operatorname{Var}(X)`. A covariance is the same in both orders; `diag(1, 2)` is a matrix."""
        called = self._call(name)
        if called is None:
            return Text(name)
        items = called.operands
        if name == "diag":
            return _diagonal(items) if len(items) <= _MAX_DIAGONAL else called
        name = name[0].upper() + name[1:] if name in ("var", "cov", "corr") else name
        return Call(name, tuple(sorted(items, key=repr)) if name in ("Cov", "Corr") else items)

    def nabla(self, name: str) -> Node:
        r"""Read the operand of `\nabla`. `\nabla f`, `\nabla\times F` and `\nabla\cdot F` all differ."""
        if self.is_sign(("times", "cdot", "bullet")):
            sign = "times" if self.take().value == "times" else "cdot"
            return Call(f"{name} {sign}", (self.power(),))
        return Call(name, (self.power(),)) if self.starts_factor() else Symbol(name)

    def named(self, name: str) -> Node:
        r"""Read `\Pr[A]`, `\dim V`: names that have a value only with their argument."""
        called = self._call(name) if self.is_sign(("(",)) else None
        return called or Call(name, (self.power(),))

    def face(self, name: str) -> Node:
        """Read a letter in another typeface. A bold letter is a vector; anything else is styling."""
        node = self.argument()
        return _vector(node.name) if name in _BOLD and isinstance(node, (Symbol, Constant)) else node

    def figure(self, name: str) -> Node:
        """Read `\\angle ABC` as one name."""
        parts = []
        while self.peek().kind == "sym" or (self.peek().kind == "cmd" and self.peek().value in GREEK):
            parts.append(self.take().value)
        if not parts and self.is_sign(("{",)):
            return self.group()
        return Symbol(f"{name} {''.join(parts)}" if parts else name)

    def number_set(self, _: str) -> Node:
        r"""Read `\mathbb{R}` and its parts: `\mathbb{R}^+`, `\mathbb{R}_{>0}`, `\mathbb{R}_0^+`."""
        letter = self.argument()
        if not isinstance(letter, (Symbol, Constant)):
            raise NotMath("an unknown set")
        if letter.name in ("P", "E") and self.is_sign(("(", "[")):
            return self._call(letter.name) or Symbol("mathbb " + letter.name)
        first = self._mark_of_set()
        second = self._mark_of_set() if first else ""
        mark = ">=0" if {first, second} == {"0", "^+"} else first
        if letter.name == "N" and mark:
            return Symbol("mathbb Z" + ("^+" if mark in ("^+", "^*") else ">=0" if mark in ("0", ">=0") else mark))
        return Symbol("mathbb " + letter.name + mark)

    def _mark_of_set(self) -> str:
        """Take the sign that restricts a set of numbers and return its name, or "" if none follows."""
        if not self.is_sign(("^", "_")):
            return ""
        size = 1
        text = self.peek(1).value
        if text == "{":
            size = next((ahead for ahead in range(2, 6) if self.peek(ahead).value == "}"), 0)
            text = "".join(self.peek(ahead).value for ahead in range(2, size))
        mark = _SET_MARKS.get(text, "") if text != "0" or self.peek().value == "_" else ""
        if mark:
            self.at += size + 1
        return mark

    def circled(self, _: str) -> Node:
        r"""Read `\textcircled{1}`: a number, or the mark of a statement if several are glued together."""
        behind = self.at >= 5 and self.tokens[self.at - 5].value == "textcircled"
        label = self.argument()
        glued = behind or self.is_sign(("textcircled",))
        return Symbol(f"circled {_label(label)}") if glued else label

    def stacked(self, _: str) -> Node:
        r"""Read `\overset{mark}{base}` as its base."""
        self.argument()
        return self.argument()

    def accent(self, name: str) -> Node:
        """Read letters under an accent. The accent is part of their name."""
        text = self._accented()
        if text is None:
            raise NotMath("an accent over a formula")
        if name in ("overrightarrow", "vec") or (name in ("hat", "widehat") and text in _UNITS):
            return _vector(text)
        if name in ("overleftrightarrow", "overarc", "arc", "wideparen"):
            return Symbol(text)
        return Symbol(f"{name} {text}")

    def overline(self, _: str) -> Node:
        r"""Read `\bar z`, the conjugate, or `\overline{A}`, which differs from A: its complement, its mean."""
        start = self.at
        text = self._accented()
        if text is not None and text.isdigit():
            raise NotMath("a repeating decimal without its beginning")
        self.at = start
        inner = self.argument()
        if isinstance(inner, Text):
            raise NotMath("a line over words")
        return Function("conjugate" if any(map(_is_complex, walk(inner))) else "bar", (inner,))

    def _accented(self) -> str | None:
        """Take the letters under an accent. Return None if it stands over a formula."""
        if not self.accept("{"):
            return self.take().value
        parts = []
        while not self.is_sign(("}",)):
            token = self.take()
            if token.kind not in ("sym", "num") and (token.kind != "cmd" or token.value not in _ACCENTED):
                return None
            if token.value in _BOLD and self.accept("{"):
                parts.append(self.take().value)
                if not self.accept("}"):
                    return None
            elif token.value not in _BOLD:
                parts.append(_DOTLESS.get(token.value, token.value))
        self.at += 1
        return "".join(parts)


def chosen(name: str, upper: Node, lower: Node) -> Node:
    """Return the number of ways to choose; in order if the name is P or A."""
    if name == "C":
        return Function("binom", (upper, lower))
    rest = Sum((upper, Negative(lower)))
    if isinstance(upper, Number) and isinstance(lower, Number):
        if lower.value > upper.value:
            raise NotMath("an arrangement of more items than there are")
        rest = number(upper.value - lower.value)
    return Quotient(Factorial(upper), Factorial(rest))


def _mean(node: Node) -> Node:
    """Expand the expected value of a sum: `E(aX + 2)` is `aE(X) + 2`."""
    match node:
        case Sum(terms):
            return Sum(tuple(map(_mean, terms)))
        case Negative(operand):
            return Negative(_mean(operand))
        case Product(factors) if any(map(_is_constant, factors)):
            rest = tuple(factor for factor in factors if not _is_constant(factor))
            inner = rest[0] if len(rest) == 1 else Product(rest)
            return Product((*filter(_is_constant, factors), Call("E", (inner,))))
        case _:
            return node if _is_constant(node) else Call("E", (node,))


def _is_constant(node: Node) -> bool:
    """Return whether a term of an expected value is a number or a lower-case letter."""
    return isinstance(node, Number) or (isinstance(node, Symbol) and node.name.islower())


def _diagonal(items: tuple[Node, ...]) -> Matrix:
    places = range(len(items))
    return Matrix(tuple(tuple(items[row] if row == column else ZERO for column in places) for row in places))


def _label(node: Node) -> object:
    """Return what stands in a circle."""
    match node:
        case Number(value):
            return value
        case Symbol(text) | Constant(text) | Text(text):
            return text
        case _:
            return node


def _vector(name: str) -> Node:
    return Function("unit", (number(_UNITS.index(name)),)) if name in _UNITS else Function("vector", (Symbol(name),))


def _is_complex(node: Node) -> bool:
    """Return whether a part of a formula shows that it is complex: i, or a letter for complex numbers."""
    if isinstance(node, (Symbol, Call)):
        return node.name.partition("_")[0] in ("z", "w", "zeta")
    return node == IMAGINARY
