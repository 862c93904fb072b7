"""Turn the text of an answer into everything it can mean: its spelling, its words, a choice, a moment, and trees.

Most texts have one tree. A comma between digits can separate thousands, decimals or items, so such a text has several
trees; two answers are equal if any of their readings are.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from verifier_service.answers.read.choice import Choice, Letters, read_choice, read_letters
from verifier_service.answers.read.clean import clean
from verifier_service.answers.read.clock import Moment, read_moment
from verifier_service.answers.read.grammar import readings
from verifier_service.answers.read.labels import without_labels
from verifier_service.answers.read.numerals import in_figures
from verifier_service.answers.read.odds import read_odds
from verifier_service.answers.read.qualifier import Qualifier, split_qualifiers
from verifier_service.answers.read.sentence import Statement, in_symbols, stated
from verifier_service.answers.read.text import is_words, normal_text, unstyled
from verifier_service.answers.tree.bounds import MAX_ANSWER_CHARS, NotMath, TooComplex
from verifier_service.answers.tree.nodes import Node, number

# `1,234`, `12,345,678`; not `1,234,5`.
_THOUSANDS = re.compile(r"(?<![\d.,_^])(\d{1,3}(?:,\d{3})+)(?![\d,]|\.\d{3}\.)")
_THOUSANDS_ONLY = re.compile(r"[^\d(\[{]{0,20}\d{1,3}(?:,\d{3})+(?:\.\d+)?(?:[^\d]|(?<=\^)\d|(?<=\^\{)\d){0,60}")
"""`1,234 m^2`; not `1,234, 5`."""
# `3,5`, `1.234,56`, `0,125`; not `1,234`, whose comma separates thousands.
_DECIMAL_COMMA = re.compile(
    r"([^\d(\[{]{0,20})((?:\d{1,3}(?:\.\d{3})+|0|\d+)),(\d{1,2}|\d{4,}|(?<=0,)\d+)([^\d,]{0,60})"
)
# Points that separate thousands: `1.234.567`.
_POINT_GROUPS = re.compile(r"([^\d(\[{]{0,20})(\d{1,3}(?:\.\d{3}){2,})([^\d.,]{0,60})")
# Blanks between digits, which keep numbers apart: `1 2` is not `12`
_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s+(?=\d)")
# A whole answer in one text command: `\text{yes}`.
_TEXT_ONLY = re.compile(
    r"\\(?:text|mathrm|textbf|mbox|textrm|textit|mathbf|textnormal|boxed|fbox)\s*\{((?:[^{}]|\\[{}])*)\}[.]?"
)
# `0.1\overline{6}`, `.\dot3`.
_REPEATING = re.compile(r"(\d+)?\.(\d*)(?:\\overline|\\dot|\\bar)\s*(?:\{(\d+)\}|(\d))(?![\d\\])")
# matches `C_9^4`, `C_{10}^{3}`, `C^4_9`, `A_5^2`; not `C_1^x`
_COMBINATIONS = re.compile(
    r"(?<![A-Za-z\\])([CAP])(?:_\s?\{?\s?(\d{1,6})\s?\}?\s?\^\s?\{?\s?(\d{1,6})\s?\}?|\^\s?\{?\s?(\d{1,6})\s?\}?\s?_\s?\{?\s?(\d{1,6})\s?\}?)"
)


class Predicate(NamedTuple):
    """What a sentence says about its subject, and whether the subject is a mere placeholder like `it`."""

    words: str
    dummy: bool


@dataclass(frozen=True)
class Answer:
    """An answer as it was read.

    Attributes:
        text: the original text.
        spelling: the cleaned text without blanks.
        words: the normal form of the text.
        is_words: whether the text is words, not a formula.
        trees: its readings as math, without the qualifiers; for a sentence that states a value, those of the value.
        reason: why there are no trees.
        choice: the choice of one option.
        moment: the time or date.
        qualifiers: what the answer says about its letters.
        predicate: what a sentence in words says about its subject.
        letters: the choice of several options.
    """

    text: str
    spelling: str
    words: str
    is_words: bool
    trees: tuple[Node, ...]
    reason: str = ""
    choice: Choice | None = None
    moment: Moment | None = None
    qualifiers: tuple[Qualifier, ...] = ()
    predicate: Predicate | None = None
    letters: Letters | None = None


def read(text: str) -> Answer:
    """Read an answer. Never raises: what cannot be read as math has no trees, and `reason` says why."""
    if len(text) > MAX_ANSWER_CHARS:
        return Answer(text, text.strip(), "", False, (), f"it is longer than {MAX_ANSWER_CHARS} characters")
    cleaned = clean(text)
    wrapped = _TEXT_ONLY.fullmatch(cleaned)
    if wrapped is not None:
        cleaned = clean(wrapped.group(1))
    cleaned = in_symbols(in_figures(cleaned))
    spelling = "".join(_BETWEEN_DIGITS.sub("\0", unstyled(cleaned)).split())
    answer, qualifiers = split_qualifiers(cleaned)
    parts = without_labels(answer)
    trees, reason = _trees(parts)
    # Without its qualifier the rest is not math, so it was not a qualifier.
    if qualifiers and not trees:
        qualifiers = ()
        parts = without_labels(cleaned)
        trees, reason = _trees(parts)
    odds = read_odds(cleaned)
    if odds is not None:
        trees, qualifiers = (odds,), ()
    statement = stated(cleaned)
    if statement is not None and (inner := read(statement.said)).trees:
        trees, qualifiers = inner.trees, inner.qualifiers
    return Answer(
        text,
        spelling,
        normal_text(cleaned),
        is_words(cleaned),
        trees,
        reason,
        read_choice(cleaned) if parts in (answer, cleaned) else None,
        read_moment(cleaned),
        qualifiers,
        _predicate(statement),
        read_letters(cleaned),
    )


def _predicate(statement: Statement | None) -> Predicate | None:
    """Return the words that a sentence says about its subject, if that is all it says."""
    if statement is None or not statement.links or not is_words(statement.said):
        return None
    return Predicate(normal_text(statement.said), statement.dummy)


def _trees(cleaned: str) -> tuple[tuple[Node, ...], str]:
    trees: list[Node] = []
    reason = ""
    for candidate in _candidates(_repeating(cleaned)):
        try:
            found = readings(candidate)
        except TooComplex as error:
            return (), str(error)
        except RecursionError:
            return (), "it is nested too deeply"
        except NotMath as error:
            reason = reason or str(error)
            continue
        trees.extend(tree for tree in found if tree not in trees)
    return tuple(trees), "" if trees else reason


def _candidates(text: str) -> list[str]:
    """Return the readings of commas and points between digits, the likeliest first."""
    found = []
    if "," in text:
        if _THOUSANDS_ONLY.fullmatch(text) or not re.search(r"[(\[{]", text):
            joined = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)
            if joined != text:
                found.append(joined)
        decimal = _DECIMAL_COMMA.fullmatch(text)
        if decimal and (len(decimal.group(3)) > 1 or decimal.group(2) == "0" or "." in decimal.group(2)):
            before, whole, part, after = decimal.groups()
            found.append(f"{before}{whole.replace('.', '')}.{part}{after}")
    text = _spelled_choice(text)
    if "_" in text and "^" in text and ("C" in text or "A" in text or "P" in text):
        chosen = _COMBINATIONS.sub(_combinations, text)
        if chosen != text:
            found.append(chosen)
    if text.count(".") > 1:
        points = _POINT_GROUPS.fullmatch(text)
        if points:
            found.append(points.group(1) + points.group(2).replace(".", "") + points.group(3))
    found.append(text)
    return found


def _combinations(match: re.Match[str]) -> str:
    """Write `C_9^4`, `C^4_9` as a binomial coefficient and `A_9^4` as arrangements, if they can be."""
    upper, lower = (match[2], match[3]) if match[2] else (match[5], match[4])
    return f"{{}}^{{{upper}}}{match[1]}_{{{lower}}}" if int(lower) <= int(upper) else match.group()


# matches `nCr(5, 2)`, `nPr(5,2)`, the letter of `5\text{C}2`; not `5\text{C}`
_CALLED_CHOICE = re.compile(r"\bn([CP])r\s?\(\s?(\d{1,6})\s?,\s?(\d{1,6})\s?\)")
# The letter of `5\text{C}2`
_SET_LETTER = re.compile(r"(?<=\d)\s?\\(?:text|mathrm|textrm)\s?\{([CP])\}\s?(?=\d)")


def _spelled_choice(text: str) -> str:
    """Write `nCr(5, 2)` and `5\\text{C}2` as `5C2`."""
    if "nCr" in text or "nPr" in text:
        text = _CALLED_CHOICE.sub(r"{}^{\2}\1_{\3}", text)
    return _SET_LETTER.sub(r"\1", text) if "{C}" in text or "{P}" in text else text


def _repeating(text: str) -> str:
    r"""Write a repeating decimal `0.1\overline{6}` as a fraction."""
    if "\\overline" not in text and "\\dot" not in text and "\\bar" not in text:
        return text

    def fraction(match: re.Match[str]) -> str:
        whole, fixed, period = match.group(1) or "0", match.group(2), match.group(3) or match.group(4)
        if len(whole + fixed + period) > 200:
            return match.group()
        nines, zeros = "9" * len(period), "0" * len(fixed)
        top = int(whole + fixed + period) - int(whole + fixed)
        return rf"\frac{{{top}}}{{{nines}{zeros}}}"

    return _REPEATING.sub(fraction, text)


__all__ = ["Answer", "number", "read"]
