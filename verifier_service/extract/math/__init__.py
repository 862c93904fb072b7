r"""Find the final answer in a completion, or in a reference that is a whole solution.

The rules, in order of trust; the first that finds something decides, and a request may restrict them:

| rule | what it takes |
|---|---|
| boxed | the last `\boxed{}` or `\fbox{}`; boxes joined by nothing but `and`, `or`, commas and blanks are one list |
| tag | the last `<answer>...</answer>` (also `<final_answer>`), read by the rules below if it holds a sentence |
| hashes | what follows the last `####` on its line |
| phrase | what follows the last "the answer is", "Final Answer:", "A:" and the like |
| last_line | the last line, if it is a formula or a displayed formula |
| last_number | the last number, with its sign, currency and unit, what it is listed with, or the value in bold |

What the model thought to itself is not looked at, nor are comments (`thoughts`, `visible`). An answer that its own
sentence denies, asks for or only offers is none (`denial`). One that is taken back later counts no more: then what
follows is looked at, and counts if it is an answer (`retraction`); so it is with one that is announced after a box and
differs from it (`later`). Marks and reasons around an answer are cut (`remark`, `reason`). Every scan is linear in the
length of the text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verifier_service.extract.math import boxed, correction, last, later, marked, phrase, reference
from verifier_service.extract.math.found import MAX_EXTRACTED_CHARS, Found
from verifier_service.extract.math.remark import is_crossed, without_remark
from verifier_service.extract.math.retraction import taken_back
from verifier_service.extract.math.visible import is_turned, seen
from verifier_service.extract.thoughts import without_thoughts
from verifier_service.schema import ExtractionRule

FINDERS: dict[ExtractionRule, Callable[[str], Found | None]] = {
    ExtractionRule.BOXED: boxed.find,
    ExtractionRule.TAG: marked.tag,
    ExtractionRule.HASHES: marked.hashes,
    ExtractionRule.PHRASE: phrase.find,
    ExtractionRule.LAST_LINE: last.last_line,
    ExtractionRule.LAST_NUMBER: last.last_value,
}
"""Each rule, the most trusted first."""

_AFTER_RETRACTION = FINDERS | {
    ExtractionRule.LAST_LINE: correction.find,
    ExtractionRule.LAST_NUMBER: correction.find,
}
"""What may follow an answer that was taken back; a number that is only mentioned there is none."""

_MARKED = frozenset([ExtractionRule.BOXED, ExtractionRule.TAG, ExtractionRule.HASHES])
"""Rules that find an answer which stands between marks, wherever that is: one announced later may replace it."""

_MAX_RETRACTIONS = 4


@dataclass(frozen=True)
class Extracted:
    """The answer as it stands in the text, and the rule that found it."""

    text: str
    rule: ExtractionRule


def extract_answer(text: str, rules: Sequence[ExtractionRule] | None) -> Extracted | None:
    """Return the final answer of a text by the first of the rules that finds one, or None.

    `rules` are those that may be used, in any order; None means all. A hedge, a denied answer and an empty box are not
    answers.
    """
    allowed = set(ExtractionRule) if rules is None else set(rules)
    visible = seen(without_thoughts(text, _says_anything))
    finders = FINDERS
    for _ in range(_MAX_RETRACTIONS):
        rule, found = _first(visible, [(rule, find) for rule, find in finders.items() if rule in allowed])
        if found is None or not found.text or is_crossed(found.text) or is_turned(visible, found.end, found.text):
            return None
        place = taken_back(visible, found.end, found.text)
        if place is None and rule in _MARKED and ExtractionRule.PHRASE in allowed:
            replaced = later.announced(visible, found.end, found.text)
            if replaced is not None:
                rule, found = ExtractionRule.PHRASE, replaced
                place = taken_back(visible, found.end, found.text)
        if place is None:
            return Extracted(without_remark(found.text[:MAX_EXTRACTED_CHARS]), rule)
        visible, finders = visible[place:], _AFTER_RETRACTION
    return None


def extract_reference(text: str) -> Extracted:
    """Return the answer of a reference: from its box, tag or `####` where it is a solution, the value that it states
    where it is a sentence that states one, else the text itself."""
    found, rule = reference.find(text)
    return Extracted(found[:MAX_EXTRACTED_CHARS], rule)


def _first(
    text: str, finders: Sequence[tuple[ExtractionRule, Callable[[str], Found | None]]]
) -> tuple[ExtractionRule, Found | None]:
    """Return what the first rule finds that finds anything."""
    for rule, find in finders:
        found = find(text)
        if found is not None:
            return rule, found
    return ExtractionRule.LAST_NUMBER, None


def _says_anything(text: str) -> bool:
    return text.strip() != ""


__all__ = ["FINDERS", "Extracted", "extract_answer", "extract_reference"]
