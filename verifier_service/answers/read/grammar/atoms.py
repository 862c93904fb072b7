"""Read the smallest values: a number, a name, a bracket, a function or an environment."""

from collections.abc import Callable
from fractions import Fraction

from verifier_service.answers.read import measures, words
from verifier_service.answers.read.grammar.calculus import Calculus
from verifier_service.answers.read.grammar.environments import Environments
from verifier_service.answers.read.grammar.functions import Functions
from verifier_service.answers.read.grammar.names import FACES, Names
from verifier_service.answers.read.grammar.sets import Sets
from verifier_service.answers.read.grammar.signs import DOTS, OPENERS, RELATIONS
from verifier_service.answers.read.grammar.units import MONEY
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.greek import GREEK
from verifier_service.answers.tree.nodes import (
    EULER,
    IMAGINARY,
    INFINITY,
    PI,
    Dots,
    Function,
    Logic,
    Negative,
    Node,
    Quantity,
    Set,
    Symbol,
    Text,
    number,
)


class Atoms(Functions, Calculus, Sets, Environments, Names):
    """Reads one value, identified by its first token."""

    def atom(self, first: bool = False) -> Node:
        """Read a number, a name, a bracket, a function or an environment."""
        token = self.take()
        if token.kind == "num":
            return number(_decimal(token.value), _places(token.value) if "." in token.value else None)
        if token.kind == "sym":
            return self.letter(token)
        if token.kind == "digits":
            return self.numeral(token.value)
        if token.kind == "begin":
            return self.environment(token.value)
        if token.kind in ("text", "word"):
            return self._words(token)
        if token.kind == "op":
            return self.bracket(token.value)
        if token.kind == "cmd":
            return self._command(token.value)
        raise NotMath(f"unexpected {token.value!r}")

    def _words(self, token: Token) -> Node:
        """Read a text command as a value: a label before a relation, or a word that stands for a value."""
        value = token.value.strip()
        if self.is_sign(RELATIONS) or self.is_sign((":",)):
            return Symbol(value)
        if token.kind == "text" and len(value) == 1 and value.isalpha():
            return self.letter(Token("sym", value, token.spaced))
        if value in words.NAMED and self.is_sign(("(", "[")):
            return self.of(value)
        if token.kind == "text":
            return Text(value.lower() if len(value) > 3 else value)
        raise NotMath(f"the word {value!r} stands where a value is needed")

    def _command(self, name: str) -> Node:
        """Read a command with its arguments: one of the table below, a known function, or a Greek letter."""
        reader = COMMANDS.get(name)
        if reader is not None:
            return reader(self, name)
        if name in words.FUNCTIONS:
            return self.function(name)
        if name in GREEK:
            return Symbol(name)
        raise NotMath(f"unknown command \\{name}")

    def dots(self, _: str) -> Node:
        """Read three dots."""
        return Dots()

    def negation(self, _: str) -> Node:
        r"""Read `\lnot p`."""
        return Logic("not", (self.power(),))

    def money(self, name: str) -> Node:
        """Read the value after a currency sign."""
        negative = self.accept("-")
        value = Quantity(self.power(), measures.unit(MONEY[name]))
        return Negative(value) if negative else value

    def binomial(self, _: str) -> Node:
        r"""Read `\binom{n}{k}`."""
        return Function("binom", (self.argument(), self.argument()))

    def constant(self, name: str) -> Node:
        """Return the constant that a command stands for."""
        return _CONSTANTS[name]


_CONSTANTS = {"pi": PI, "complement": Symbol("complement"),
              "infty": INFINITY, "imath": IMAGINARY, "exponentialE": EULER,
              "emptyset": Set(()), "varnothing": Set(())}  # fmt: skip

COMMANDS: dict[str, Callable[[Atoms, str], Node]] = {
    **dict.fromkeys(_CONSTANTS, Atoms.constant),
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac", "sfrac", "nicefrac"), Atoms.fraction),
    "sqrt": Atoms.root,
    **dict.fromkeys(OPENERS, Atoms.enclosed),
    "{": Atoms.braced_set,
    **dict.fromkeys(("sum", "prod"), Atoms.series),
    "lim": Atoms.limit,
    "bigcup": Atoms.union,
    **dict.fromkeys(("int", "oint", "iint", "iiint"), Atoms.integral),
    **dict.fromkeys(("lfloor", "lceil", "lvert", "lVert"), Atoms.floor),
    **dict.fromkeys(words.ACCENTS, Atoms.accent),
    **dict.fromkeys(("overline", "bar"), Atoms.overline),
    **dict.fromkeys(("overset", "underset"), Atoms.stacked),
    **dict.fromkeys(("binom", "dbinom", "tbinom"), Atoms.binomial),
    **dict.fromkeys(DOTS, Atoms.dots),
    **dict.fromkeys(MONEY, Atoms.money),
    **dict.fromkeys(FACES, Atoms.face),
    "mathbb": Atoms.number_set,
    "textcircled": Atoms.circled,
    **dict.fromkeys(("angle", "triangle", "measuredangle", "odot", "square", "Box"), Atoms.figure),
    **dict.fromkeys(("lnot", "neg", "sim"), Atoms.negation),
    "mid": Atoms.middle,
    "nabla": Atoms.nabla,
    "|": Atoms.norm,
    **dict.fromkeys(("Pr", "dim"), Atoms.named),
}
"""The reader of each command; it gets the command's name."""


_DIGITS_AT_ONCE = 4_000
"""Python reads at most 4300 digits of one number."""


def _decimal(numeral: str) -> Fraction:
    """Return the value of `12`, `0.50` or `1.5e-3`, however many digits it has."""
    digits, _, exponent = numeral.lower().partition("e")
    whole, _, part = digits.partition(".")
    digits, value = whole + part, 0
    for start in range(0, len(digits), _DIGITS_AT_ONCE):
        chunk = digits[start : start + _DIGITS_AT_ONCE]
        value = value * 10 ** len(chunk) + int(chunk)
    places = len(part) - int(exponent or 0)
    return Fraction(value, 10**places) if places > 0 else Fraction(value * 10**-places)


def _places(numeral: str) -> int:
    """Count the digits after the point, less the exponent: 2 for `0.50`, 4 for `1.5e-3`."""
    digits, _, exponent = numeral.lower().partition("e")
    return len(digits.partition(".")[2]) - int(exponent or 0)
