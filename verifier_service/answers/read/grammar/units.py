"""Read what follows a value in words: units, nouns, multipliers, a base, and a second number."""

import re
from dataclasses import replace

from verifier_service.answers.read import measures, words
from verifier_service.answers.read.grammar.cursor import Cursor
from verifier_service.answers.read.grammar.signs import END
from verifier_service.answers.read.tokens import Token
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.measure import Measure
from verifier_service.answers.tree.nodes import (
    Based,
    Degrees,
    Factorial,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Sum,
    Symbol,
    free_symbols,
    number,
)

MONEY = {"dollar": "$", "euro": "€", "pounds": "£", "pound": "£", "yen": "¥", "rupee": "₹"}

_LETTERS = frozenset("mgshLNJWVAK")
"""Letters that are a unit if separated from the number, as in `5 m`."""

_FAINT_LETTERS = frozenset("tlCTFH")
"""Letters that are a unit only if the other answer has one. So is every letter that touches the number."""

_LETTER_PRODUCTS = frozenset({"N m", "N s", "J s", "W h", "A h", "V A", "W s", "A s", "V s", "C V", "A m"})
_SQUARED_LETTERS = frozenset({"m"})

# `base 8`, `(base 8)`, `in base eight`, `(binary)`; not `base of 8`
_BASE = re.compile(r"\(? ?(?:in )?(?:base[ -]?(?P<base>\w+)|(?P<name>[a-z]+))(?: ?\))?")
_QUOTIENT_WORDS = frozenset({"out of", "in", "in every", "out of every"})
_RATIO_WORDS = frozenset({"to", "for every", "is to"})
# `a day`, `each week` after money
_RATE = re.compile(r"^(?:an?|each|every) ")
_TEMPERATURES = frozenset({"C", "F", "celsius", "fahrenheit", "centigrade"})
_ARC_PARTS = {"minute": "arcminute", "min": "arcminute", "second": "arcsecond", "sec": "arcsecond", "s": "arcsecond"}
_DEGREES = measures.unit("°")
_VALUES = (Number, Sum, Quotient, Product)
"""The values of a quantity after which a smaller part can follow."""


class Units(Cursor):
    """Reads the words after a value and applies them to it."""

    def with_words(self, left: Node) -> Node | None:
        """Read the words after a value together with it: a measure, a multiplier, a base, a ratio.

        Returns:
            None if no such words follow; then nothing is taken.
        """
        token, start = self.peek(), self.at
        if token.kind in ("word", "text"):
            node = self._worded(left)
        elif token.kind == "sym":
            node = self._lettered(left)
        elif token.kind == "num":
            node = self._second_part(left)
        elif token.kind == "cmd":
            node = self._signed_unit(left)
        elif token.value == "(" and self.peek(1).kind in ("word", "text"):
            node = self._bracketed(left)
        else:
            return None
        if node is None:
            self.at = start
        return node

    # --- words ------------------------------------------------------------------------------------------------

    def _worded(self, left: Node) -> Node | None:
        if _opens_condition(self.peek()):
            return None
        based = self._based(left)
        if based is not None:
            return based
        text = self._unit_text()
        if self.peek().kind == "num" and isinstance(left, Number):
            if text.strip().lower() in _QUOTIENT_WORDS:
                return Quotient(left, self.power())
            if text.strip().lower() in _RATIO_WORDS:
                return Ratio((left, self.power()))
        return _measured(left, text)

    def _unit_text(self) -> str:
        """Take words, letters and signs as long as they can belong to one unit, and return their text."""
        parts = [self._unit_word()]
        while True:
            token = self.peek()
            if token.kind in ("word", "text") and not _is_joiner(token):
                parts.append(self._unit_word())
            elif self.is_sign(("/", "cdot", "*", "-", "times")) and self._is_unit_word(1):
                sign = self.take().value
                parts.append(sign if sign in ("/", "-") else "*")
                parts.append(self._unit_word())
            elif self.is_sign(("/",)) and self.is_sign(("(",), 1) and self._is_unit_word(2):
                self.at += 2
                parts.append("/")
                parts.append(self._unit_word())
                while self._is_unit_word() or (self.is_sign(("cdot", "*")) and self._is_unit_word(1)):
                    parts.append(self._unit_word())
                self.expect(")")
            elif (token.kind == "sym" or self.is_sign(("mu", "Omega"))) and self._is_unit_word():
                parts.append(self._unit_word())
            elif self.is_sign((".",)) and self.peek(1).kind in ("word", "text"):
                self.at += 1
            else:
                return " ".join(parts)

    def _is_unit_word(self, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        if token.kind in ("word", "text"):
            return True
        if token.kind == "sym":
            return token.value == "a" or measures.known(token.value) is not None
        return token.kind == "cmd" and token.value in ("mu", "Omega", "circ", "degree")

    def _unit_word(self) -> str:
        """Take a word of a unit with its exponent."""
        token = self.take()
        text = {"mu": "µ", "Omega": "Ω", "cdot": "*", "circ": "°", "degree": "°"}.get(token.value, token.value)
        if text == "µ" and self._is_unit_word():
            text += self.take().value.strip()
        elif token.kind == "sym" and self.is_sign(("Omega",)):
            self.at += 1
            text += "Ω"
        if self.is_sign(("^",)):
            self.at += 1
            text += "^" + self._plain_script()
        return text

    def _plain_script(self) -> str:
        """Take an exponent that belongs to a unit, and return its text."""
        if self.accept("{"):
            parts: list[str] = []
            while not self.is_sign(("}",)):
                parts.append(self.take().value)
            self.at += 1
            return "".join(parts)
        sign = "-" if self.accept("-") else ""
        return sign + self.take().value

    def _bracketed(self, left: Node) -> Node | None:
        """Read `5 (apples)`, `13 (base 8)`."""
        based = self._based(left)
        if based is not None:
            return based
        self.at += 1
        if _opens_condition(self.peek()):
            return None
        text = self._unit_text()
        return _measured(left, text) if self.accept(")") else None

    def _based(self, left: Node) -> Node | None:
        """Read `(base 8)` and the like after digits."""
        literal = self.tokens[self.at - 1]
        if not isinstance(left, Number) or literal.kind != "num":
            return None
        text, taken, found = "", 0, 0
        for ahead in range(min(6, self.stop - self.at)):
            text = f"{text} {self.peek(ahead).value}".strip().lower()
            match = _BASE.fullmatch(text)
            base = _base_of(match) if match else None
            if base is not None and not (text[0] == "(" and text[-1] != ")"):
                taken, found = ahead + 1, base
        if not taken:
            return None
        self.at += taken
        return Based(literal.value, found)

    # --- letters, signs and second parts ----------------------------------------------------------------------

    def _lettered(self, left: Node) -> Node | None:
        """Read letters after a number as a unit, if the item ends after them: `5 m`, `3 kg`, `2 m s^{-1}`."""
        first = self.peek()
        if isinstance(left, Degrees) and first.value in ("C", "F") and self._ends_item(1):
            self.at += 1
            return _measured(left, first.value)
        prefixed = first.value in "mkMG" and self.is_sign(("Omega",), 1)
        if self.letters or self.depth > 2 or free_symbols(left):
            return None
        if first.value not in _LETTERS | _FAINT_LETTERS and not prefixed:
            return None
        touching = not first.spaced or self.tokens[self.at - 1].kind != "num"
        text = self._unit_text()
        if not self._ends_item() or not _is_plausible(text):
            return None
        self.ambiguous = True
        node = _measured(left, text)
        if isinstance(node, Quantity) and (touching or text[0] in _FAINT_LETTERS):
            return replace(node, unit=replace(node.unit, needed=True))
        return node

    def _ends_item(self, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        if token is END or token.kind in ("text", "word", "num"):
            return True
        return token.value in (",", ";", ")", "]", "quad", "qquad", "\\", "&")

    def _signed_unit(self, left: Node) -> Node | None:
        """Read a unit that is a sign: money, `\\Omega`, `\\mu m`, a fraction of units."""
        name = self.peek().value
        if name in MONEY:
            self.at += 1
            return _measured(left, MONEY[name])
        if free_symbols(left):
            return None
        if name == "Omega" or (name == "mu" and self._is_unit_word(1)):
            self.ambiguous = True
            text = self._unit_text()
            return _measured(left, text) if not self.letters and self._ends_item() else None
        return self._fraction_of_units(left) if name in ("frac", "dfrac", "tfrac") else None

    def _fraction_of_units(self, left: Node) -> Node | None:
        r"""Read `\frac{\text{m}}{\text{s}}` after a value."""
        if self.peek(1).value != "{" or self.peek(2).kind != "text":
            return None
        self.at += 2
        parts = [self._unit_text()]
        if not (self.accept("}") and self.accept("{") and self._is_unit_word()):
            return None
        parts.append(self._unit_text())
        return _measured(left, f"{parts[0]}/({parts[1]})") if self.accept("}") else None

    def _second_part(self, left: Node) -> Node | None:
        """Read the smaller part of a quantity: `1 hour 30 minutes`, `5 ft 6 in`, `60 degrees 42 minutes`."""
        measured = _measure_of(left)
        if measured is None:
            return None
        value = self.power()
        if self.is_sign(("/",)) and self.peek(1).kind == "num":
            self.at += 1
            value = Quotient(value, self.power())
        if not isinstance(value, (Number, Quotient)):
            return None
        if measured == _DEGREES and self.peek().kind in ("word", "text"):
            word = measures.singular(self.peek().value.strip(" .").lower())
            if word in _ARC_PARTS:
                self.at += 1
                return joined(left, Quantity(value, measures.unit(_ARC_PARTS[word])))
        part = self.with_words(value)
        return None if part is None else joined(left, part)

    def arc_parts(self, degrees: Degrees) -> Degrees:
        """Read the minutes and seconds of an angle after its degrees: `60^\\circ 42'`, `30^\\circ 15' 20''`."""
        terms = [degrees.operand]
        for marks, size in ((1, 60), (2, 3600)):
            if self.peek().kind == "num":
                start, value = self.at, self.atom()
                if self._primes() == marks:
                    terms.append(Quotient(value, number(size)))
                else:
                    self.at = start
        if len(terms) == 1:
            return degrees
        negative = isinstance(terms[0], Number) and terms[0].value < 0
        return degrees if negative else Degrees(Sum(tuple(terms)))

    def _primes(self) -> int:
        """Take the primes after a number, and return how many."""
        braced = self.is_sign(("^",)) and self.is_sign(("{",), 1) and self.is_sign(("prime", "'"), 2)
        self.at += 2 if braced else self.is_sign(("^",)) and self.is_sign(("prime", "'"), 1)
        count = 0
        while self.is_sign(("'", "prime")):
            self.at += 1
            count += 1
        if not count and self.accept('"'):
            return 2
        return count if not braced or self.accept("}") else 0


def joined_items(items: list[Node]) -> Node | None:
    """Add up the parts of one quantity that are written as a list: `2 dollars and 50 cents`, `5 feet, 6 inches`."""
    whole: Node | None = items[0]
    for item in items[1:]:
        whole = joined(whole, item) if isinstance(whole, Quantity) else None
    return whole


def joined(left: Node, right: Node) -> Node | None:
    """Add a smaller part to a quantity: 5 ft and 6 in. Return None if it is not a part of it."""
    first, second = _measure_of(left), _measure_of(right)
    if not isinstance(left, (Degrees, Quantity)) or not isinstance(right, Quantity):
        return None
    if first is None or second is None or first.nouns or second.nouns:
        return None
    large, small = left.operand if isinstance(left, Degrees) else left.value, right.value
    for one in first.units:
        for other in second.units:
            ratio = other.scale / one.scale
            fits = one.dimension == other.dimension and one.pi == other.pi and one.dimension and ratio < 1
            if fits and isinstance(small, Number) and small.value * ratio < 1 and not one.offset:
                value = Sum((large, Product((small, number(ratio)))))
                return Quantity(value, Measure((one,), text=f"{first.text} {second.text}"))
    return None


def _measure_of(node: Node) -> Measure | None:
    if isinstance(node, Degrees):
        return _DEGREES
    return node.unit if isinstance(node, Quantity) and isinstance(node.value, _VALUES) else None


def _is_joiner(token: Token) -> bool:
    return token.value.strip(" ,.").lower() in words.JOINERS


def _opens_condition(token: Token) -> bool:
    """Return whether a text joins items or begins a condition: `and`, `if x > 0`, `for all n`."""
    first = token.value.split()[0].strip(" ,.:").lower() if token.value.strip() else ""
    return _is_joiner(token) or (first in words.CONDITION_WORDS and first != "in")


def _base_of(match: re.Match[str]) -> int | None:
    name = match["name"]
    if name is not None:
        return measures.BASES.get(name)
    text = match["base"]
    base = int(text) if text.isdecimal() and len(text) < 3 else words.NUMBER_NAMES.get(text)
    return base if base is not None and 2 <= base <= 36 else None


def _is_plausible(text: str) -> bool:
    """Return whether letters look like a unit: `m`, `m^2`, `m/s^2`, `N m`, `m s^{-1}`; not `s t`, `t^2`."""
    above, _, below = text.partition("/")
    parts = above.split()
    if any("^-" in part or "*" in part or len(part.partition("^")[0]) > 1 for part in parts):
        return True
    if below and len(parts) == 1:
        return "^" not in parts[0] or parts[0][0] in _SQUARED_LETTERS
    if len(parts) > 1:
        return " ".join(part.partition("^")[0] for part in parts) in _LETTER_PRODUCTS
    letter, _, power = text.partition("^")
    return not power or (letter in _SQUARED_LETTERS and power in ("2", "3"))


# --- what words do to a value -------------------------------------------------------------------------------------


def _measured(left: Node, text: str) -> Node | None:
    """Apply the text after a value to it. Return None if the text is neither a unit nor a plain noun phrase."""
    if isinstance(left, Degrees):
        if text.strip(" .").lower() in _TEMPERATURES or text.strip() in _TEMPERATURES:
            return Quantity(left.operand, measures.unit("°" + text.strip(" .")[0].upper()))
        return left if measures.measure(text) == _DEGREES else None
    left, text = _multiplied(left, text)
    if not text.strip("()[]"):
        return left
    if text in ("factorial", "squared", "cubed", "repeating", "recurring"):
        return _changed(left, text)
    if isinstance(left, Quantity):
        text = _RATE.sub("per ", text)
    unit = measures.measure(text, _is_at_most_one(left))
    if unit is None or (free_symbols(left) and not any(meaning.dimension for meaning in unit.units)):
        return None
    return _measured_again(left, unit) if isinstance(left, Quantity) else Quantity(left, unit)


def _multiplied(left: Node, text: str) -> tuple[Node, str]:
    """Multiply the value by the multipliers at the beginning of a text: `million people`, `thirds`."""
    text = text.strip(" .,")
    rest = text
    while rest:
        word, _, after = rest.partition(" ")
        lower = word.lower().strip(".,-")
        singular = measures.singular(lower)
        size = measures.TIMES.get(singular)
        value = left.value if isinstance(left, Quantity) else left
        if size is None or not isinstance(value, (*_VALUES, Negative)):
            return left, rest
        if size < 1 and lower == singular and value != number(1):
            return left, text
        value = Product((value, number(size)))
        left = replace(left, value=value) if isinstance(left, Quantity) else value
        rest = after.strip()
    return left, rest


def _changed(left: Node, word: str) -> Node | None:
    """Read `5 squared`, `5 factorial`, `0.3 repeating`."""
    if not isinstance(left, (Number, Symbol)):
        return None
    if word in measures.POWERS:
        return Power(left, number(measures.POWERS[word]))
    if word == "factorial":
        return Factorial(left)
    if isinstance(left, Symbol) or not left.places or not left.value or (left.value * 10).denominator != 1:
        return None
    # The last digit repeats: 0.3 becomes 3/9.
    size = abs(left.value)
    size = int(size) + (size - int(size)) * 10 / 9
    return number(size if left.value > 0 else -size)


def _is_at_most_one(value: Node) -> bool:
    match value:
        case Number(top):
            return abs(top) <= 1
        case Quotient(Number(top), Number(bottom)):
            return abs(top) <= abs(bottom)
        case _:
            return False


def _measured_again(left: Quantity, unit: Measure) -> Quantity | None:
    """Read a second text after a unit: `\\$5 per hour`, `\\$5 dollars`."""
    first = left.unit
    if any(meaning in first.units for meaning in unit.units):
        return Quantity(left.value, Measure(first.units, first.nouns | unit.nouns, first.text))
    if not unit.text.startswith(("per ", "/")) and any(u.dimension for u in unit.units):
        return None
    units = tuple(measures.times((one, 1), (other, 1)) for one in first.units for other in unit.units)
    return Quantity(left.value, Measure(units, first.nouns | unit.nouns, f"{first.text} {unit.text}"))


__all__ = ["MONEY", "NotMath", "Units", "joined_items"]
