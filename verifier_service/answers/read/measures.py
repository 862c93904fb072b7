"""Read units: what they measure, their size, and the nouns that are counted.

The tables are in `units.toml` and `nouns.toml` next to this file. The text after a value is a measure if it consists of
known units (`kg m/s^2`, `miles per hour`, `fl. oz.`), of a noun phrase (`red balls`, `bags of sand`), or of both (`cups
of flour`). Any other words are not a measure: they might deny the value or change it.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice, product
from pathlib import Path

from verifier_service.answers.tree.measure import Measure, Unit

_MAX_MEANINGS = 8  # units with several meanings multiply: `oz` alone has two
_MAX_PIECES = 40  # a longer text after a value is not a measure


def _table(name: str) -> dict[str, dict[str, dict[str, object]]]:
    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))  # type: ignore[return-value]


def times(*factors: tuple[Unit, int]) -> Unit:
    """Multiply powers of units."""
    dimension: dict[str, int] = {}
    scale, pi = Fraction(1), 0
    for unit, power in factors:
        for name, exponent in unit.dimension:
            dimension[name] = dimension.get(name, 0) + exponent * power
        scale *= unit.scale**power
        pi += unit.pi * power
    offset = factors[0][0].offset if len(factors) == 1 and factors[0][1] == 1 else Fraction(0)
    return Unit(tuple(sorted((n, p) for n, p in dimension.items() if p)), scale, pi, offset)


# --- the tables ---------------------------------------------------------------------------------------------------

Meanings = tuple[Unit, ...]


class _Tables:
    """The symbols and words of all units, read from `units.toml` once."""

    def __init__(self) -> None:
        data = _table("units.toml")
        self.symbols: dict[str, Meanings] = {}
        self.words: dict[str, Meanings] = {}
        for name, row in data["units"].items():
            meanings = self._meanings(name, row)
            words = (name, *row.get("words", ()))  # type: ignore[misc]
            self.words.update((word.lower(), meanings) for word in words)
            self.symbols.update((symbol, meanings) for symbol in row.get("symbols", ()))  # type: ignore[attr-defined]
            prefixes = str(row.get("prefixes", "")).split()
            for prefix in prefixes:
                scaled = _scaled(meanings, str(data["prefixes"][prefix]))
                for symbol in row["symbols"]:  # type: ignore[attr-defined]
                    self.symbols.setdefault(prefix + symbol, scaled)
            for prefix, size in data["prefix_words"].items() if prefixes else ():
                scaled = _scaled(meanings, str(size))
                for word in words:
                    self.words.setdefault(prefix + word, scaled)
        self.folded = self._folded()

    def _meanings(self, name: str, row: dict[str, object]) -> Meanings:
        stated = row.get("is")
        if stated is None:
            return (Unit(((name, 1),)),)
        offset = Fraction(str(row.get("offset", "0")))
        units = [self._defined(text) for text in ([stated] if isinstance(stated, str) else stated)]  # type: ignore[attr-defined]
        return tuple(Unit(unit.dimension, unit.scale, unit.pi, offset) for unit in units)

    def _defined(self, text: str) -> Unit:
        """Read a definition from the table: `1/180 pi rad`, `1000 g m / s^2`."""
        factors: list[tuple[Unit, int]] = []
        sign = 1
        for part in re.findall(r"\d+(?:/\d+)?(?=\s)|/|[^\s/]+(?:\s(?:sterling|ounce))?", text):
            if part == "/":
                sign = -1
            elif part[0].isdigit():
                factors.append((Unit((), Fraction(part)), sign))
            elif part == "pi":
                factors.append((Unit((), Fraction(1), 1), sign))
            else:
                word, _, power = part.partition("^")
                unit = (self.symbols.get(word) or self.words[word])[0]
                factors.append((unit, sign * int(power or 1)))
        return times(*factors)

    def _folded(self) -> dict[str, Meanings]:
        """Return the symbols in lower case that belong to only one unit."""
        folded: dict[str, Meanings | None] = {}
        for symbol, meanings in self.symbols.items():
            lower = symbol.lower()
            folded[lower] = meanings if folded.get(lower, meanings) == meanings else None
        return {symbol: meanings for symbol, meanings in folded.items() if meanings and len(symbol) > 1}


def _scaled(meanings: Meanings, size: str) -> Meanings:
    return tuple(Unit(unit.dimension, unit.scale * Fraction(size), unit.pi) for unit in meanings)


_TABLES = _Tables()
_NOUNS = _table("nouns.toml")
_SINGULAR: dict[str, str] = _NOUNS["singular"]  # type: ignore[assignment]
_WORDS = {kind: frozenset(str(text).split()) for kind, text in _NOUNS["words"].items()}
TIMES = {name: Fraction(str(size)) for name, size in _NOUNS["times"].items()}
POWERS: dict[str, int] = _NOUNS["powers"]  # type: ignore[assignment]
BASES: dict[str, int] = _NOUNS["bases"]  # type: ignore[assignment]
_POWER_WORDS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}


@lru_cache(maxsize=4096)
def singular(word: str) -> str:
    """Return a noun without its plural ending."""
    if word in _SINGULAR:
        return _SINGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("xes", "ches", "shes", "sses", "zes")) else word[:-1]


@lru_cache(maxsize=4096)
def known(word: str) -> Meanings | None:
    """Return the meanings of a unit's symbol or name, or None if it is unknown."""
    found = _TABLES.symbols.get(word)
    if found is None:
        lower = word.lower()
        found = _TABLES.words.get(lower) or _TABLES.words.get(singular(lower)) or _TABLES.folded.get(lower)
    return found


def is_unit(word: str) -> bool:
    """Return whether a word names a known unit, or squares or cubes one (`square`, `cubic`)."""
    return known(word) is not None or word.lower() in _POWER_WORDS


def is_foreign(word: str) -> bool:
    """Return whether a word in another script names a unit or counts things: `元`, `км`, `个`, `个苹果`."""
    return known(word) is not None or _counted(word) is not None


def _counted(word: str) -> tuple[str, ...] | None:
    """Split a counter from the few characters of its noun: `个苹果`. Return None if they might change the value."""
    if word in _WORDS["counters"]:
        return (word,)
    if word[:1] not in _WORDS["counters"] or len(word) > 5 or _WORDS["bounding"].intersection(word):
        return None
    return word[0], word[1:]


def is_plural(word: str) -> bool:
    """Return whether a word is a plural noun, or one that is counted without a plural."""
    lower = word.lower()
    if lower in _WORDS["counted"] or lower in _SINGULAR:
        return True
    return len(lower) > 2 and lower.endswith("s") and not lower.endswith(("ss", "us", "is"))


# --- reading a text -----------------------------------------------------------------------------------------------

_PIECE = re.compile(
    # `°C`, `apples`, `driver's`; the currency signs
    r"\s*(?:(?P<word>°\s?[CF](?![A-Za-z])|[^\W\d_]+(?:'[a-z]{1,2})?|[°%$€£¥₹₩₽¢])"
    # `^2`, `^{-1}`
    r"|\^\s?\{?\s?(?P<power>[-+]?\d{1,2})\s?\}?"
    r"|(?P<sign>[-/*()])|[.,;{}~\\])"
)
_SPELLED = (
    ("^{\\circ}", "°"), ("^\\circ", "°"), ("\\circ", "°"), ("\\degree", "°"), ("\\mu ", "µ"), ("\\mu", "µ"),
    ("μ", "µ"), ("\\Omega", "Ω"), ("\\cdot", "*"), ("\\times", "*"), ("·", "*"), ("\\%", "%"), ("\\dollar", "$"),
    ("\\mathrm", " "), ("\\text", " "),
)  # fmt: skip
_ADJECTIVE_ENDS = ("ly", "ed", "ing", "able", "ible", "ive", "ful", "less", "ary", "ent", "ant", "ous", "al", "ic")


@dataclass(frozen=True)
class _Piece:
    kind: str
    value: str

    @property
    def lower(self) -> str:
        return self.value.lower()


def _pieces(text: str) -> list[_Piece] | None:
    for spelled, sign in _SPELLED:
        if spelled[0] != "\\" or "\\" in text:
            text = text.replace(spelled, sign)
    pieces, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None or len(pieces) > _MAX_PIECES:
            return None
        at = match.end()
        if match.lastgroup:
            pieces.append(_Piece(match.lastgroup, match.group(match.lastgroup).replace(" ", "")))
    return pieces


@lru_cache(maxsize=4096)
def measure(text: str, one: bool = False) -> Measure | None:
    """Read the text after a value. Return None if it is neither a unit nor a plain noun phrase.

    `one` says that the value is at most one, so that a noun can be singular.
    """
    pieces = _pieces(text)
    if not pieces:
        return None
    if pieces[0].value == "(" and pieces[-1].value == ")":
        pieces = pieces[1:-1]
    if not pieces or any(piece.lower in _WORDS["refused"] for piece in pieces):
        return None
    reader = _Reader(pieces, one)
    return reader.read(text) if reader.understood() else None


def unit(text: str) -> Measure:
    """Return a unit of the tables by its name.

    Raises:
        LookupError: there is no such unit.
    """
    found = measure(text)
    if found is None:
        raise LookupError(f"no unit {text!r}")
    return found


class _Reader:
    """One reading of the pieces of a text: the factors and nouns so far."""

    def __init__(self, pieces: list[_Piece], one: bool) -> None:
        self.pieces = pieces
        self.one = one
        self.at = 0
        self.factors: list[tuple[Meanings, int]] = []
        self.nouns: set[str] = set()
        self.sign = 1
        self.pending = 1
        self.remarked = False

    def read(self, text: str) -> Measure:
        """Multiply the factors, in all their meanings."""
        signs = [power for _, power in self.factors]
        choices: Iterator[tuple[Unit, ...]] = product(*(meanings for meanings, _ in self.factors))
        units = tuple(times(*zip(choice, signs, strict=True)) for choice in islice(choices, _MAX_MEANINGS))
        return Measure(units if self.factors else (Unit(),), frozenset(self.nouns), " ".join(text.split()))

    def understood(self) -> bool:
        """Read all pieces. Return False if one of them does not fit."""
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            step = {"power": self._power, "sign": self._sign}.get(piece.kind, self._word)
            if not step(piece):
                return False
        return bool(self.factors or self.nouns or self.remarked) and self.pending == 1

    def _power(self, piece: _Piece) -> bool:
        if not self.factors or abs(int(piece.value)) > 9:
            return False
        meanings, power = self.factors[-1]
        self.factors[-1] = (meanings, power * int(piece.value))
        self.at += 1
        return True

    def _sign(self, piece: _Piece) -> bool:
        if piece.value == "/":
            self.sign = -1
        self.at += 1
        return bool(self.factors or self.nouns) or piece.value in "(/"

    def _word(self, piece: _Piece) -> bool:
        lower = piece.lower if len(piece.value) > 1 else piece.value
        if lower in _POWER_WORDS or (lower in POWERS and self.factors):
            return self._power_word(lower)
        if lower in _WORDS["prepositions"] and not self._is_inch(lower):
            return self._prepositional(lower)
        if lower in _WORDS["remarks"]:
            return self._remark()
        if lower in _WORDS["determiners"] and not (lower == "per" and self._unit()):
            return self._determiner(lower)
        if lower == "per":
            return True
        return self._unit() or self._counter(piece.value) or self._noun_phrase()

    def _power_word(self, lower: str) -> bool:
        self.at += 1
        if lower in _POWER_WORDS:
            self.pending = _POWER_WORDS[lower]
            return True
        meanings, power = self.factors[-1]
        self.factors[-1] = (meanings, power * POWERS[lower])
        return True

    def _is_inch(self, lower: str) -> bool:
        return lower == "in" and not (self.at + 1 < len(self.pieces) and self.pieces[self.at + 1].kind == "word")

    def _prepositional(self, lower: str) -> bool:
        """Skip `of flour`, `in the class`. At the beginning, `of a mile` is the mile itself."""
        self.at += 1
        if lower == "of" and not self.factors and not self.nouns:
            return self.at < len(self.pieces)
        start = self.at
        while self.at < len(self.pieces) and self.pieces[self.at].lower not in ("per", "/"):
            self.at += 1
        skipped = self.pieces[start : self.at]
        if lower == "of":
            self.nouns.update(singular(piece.lower) for piece in skipped if piece.lower not in _WORDS["determiners"])
        self.remarked = True
        return bool(skipped) and all(piece.kind == "word" or piece.value == "-" for piece in skipped)

    def _remark(self) -> bool:
        following = self.pieces[self.at + 1].value if self.at + 1 < len(self.pieces) else ""
        if self.pieces[self.at].lower == "each" and known(following):
            self.sign = -1
        self.at += 1
        self.remarked = True
        return True

    def _determiner(self, lower: str) -> bool:
        """Read `per hour`, `a day`, `more apples`. The first two divide, if a unit or a noun stands before them."""
        self.at += 1
        if self.at == len(self.pieces):
            return False
        if lower == "per" or (lower in ("a", "an", "every", "each") and (self.factors or self.nouns)):
            self.sign = -1
        elif lower not in ("some", "more"):
            self.one = True
        return True

    def _unit(self) -> bool:
        """Read a known unit of one or two words."""
        pair = [piece.value for piece in self.pieces[self.at : self.at + 3] if piece.value != "-"][:2]
        gap = 2 + (self.at + 1 < len(self.pieces) and self.pieces[self.at + 1].value == "-")
        meanings, taken = (known(" ".join(map(singular, map(str.lower, pair)))) if len(pair) == 2 else None), gap
        if meanings is None:
            meanings, taken = known(self.pieces[self.at].value), 1
        if meanings is None:
            return False
        self.factors.append((meanings, self.sign * self.pending))
        self.pending = 1
        self.at += taken
        return True

    def _counter(self, word: str) -> bool:
        counted = _counted(word)
        if counted is None:
            return False
        self.nouns.update(counted)
        self.at += 1
        return True

    def _noun_phrase(self) -> bool:
        """Read words up to the next unit, preposition or remark. The last of them must be a countable noun."""
        start = self.at
        while self.at < len(self.pieces) and self._goes_on():
            self.at += 1
        phrase = [piece.lower for piece in self.pieces[start : self.at] if piece.kind == "word"]
        if not phrase or not all(word.replace("'", "").isascii() for word in phrase):
            return False
        unit_follows = self.at < len(self.pieces) and self.pieces[self.at].kind == "word" and self._unit_at(self.at)
        if not unit_follows and not self._is_noun(phrase[-1]):
            return False
        if self.sign < 0:
            self.nouns.add("/" + singular(phrase[-1]))
        elif unit_follows and self.pieces[self.at - 1].value == "-":
            self.factors.append(((Unit(((f"#{singular(phrase[-1])}", 1),)),), 1))
        else:
            self.nouns.update(map(singular, phrase))
        return True

    def _goes_on(self) -> bool:
        piece = self.pieces[self.at]
        if piece.kind != "word":
            return piece.value == "-"
        stops = _WORDS["prepositions"] | _WORDS["remarks"] | _WORDS["determiners"]
        return piece.lower not in stops and not self._unit_at(self.at)

    def _unit_at(self, at: int) -> bool:
        word = self.pieces[at].value
        return len(word) > 2 and known(word) is not None

    def _is_noun(self, word: str) -> bool:
        if is_plural(word):
            return True
        in_singular = self.one or self.sign < 0
        return in_singular and len(word) > 2 and not word.endswith(_ADJECTIVE_ENDS)
