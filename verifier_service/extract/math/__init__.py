r"""Find the final answer in a completion, or in a reference that is a whole solution.

These are the rules, the most trusted first. The first that finds something decides, and a request can restrict them:

| rule | what it takes |
|---|---|
| boxed | the last `\boxed{}` or `\fbox{}`; boxes joined only by `and`, `or`, commas and blanks form one list |
| tag | the last `<answer>...</answer>` (also `<final_answer>`); if it holds a sentence, the rules below read it |
| hashes | what follows the last `####` on its line |
| phrase | what follows the last "the answer is", "Final Answer:", "A:" and the like |
| last_line | the last line, if it is a formula or a displayed formula |
| last_number | the last number with its sign, currency, unit and list, or the value in bold |

The model's thoughts and comments are ignored (`thoughts`, `visible`). An answer that its own sentence denies, asks
about or merely offers does not count (`denial`). If an answer is retracted later, only what follows is searched, and it
counts if it is an answer (`retraction`). The same goes for a different answer announced after a box (`later`). Marks
and reasons around an answer are cut (`remark`, `reason`). Every scan is linear in the length of the text.
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
"""Each rule with its finder, the most trusted first."""

_AFTER_RETRACTION = FINDERS | {
    ExtractionRule.LAST_LINE: correction.find,
    ExtractionRule.LAST_NUMBER: correction.find,
}
"""What can follow a retracted answer. A number that is only mentioned there is not an answer."""

_MARKED = frozenset([ExtractionRule.BOXED, ExtractionRule.TAG, ExtractionRule.HASHES])
"""Rules that find an answer between marks, wherever it stands. An answer announced later can replace it."""

_MAX_RETRACTIONS = 4  # an author who retracts more often has no answer


@dataclass(frozen=True)
class Extracted:
    """The answer as written in the text, and the rule that found it."""

    text: str
    rule: ExtractionRule


def extract_answer(text: str, rules: Sequence[ExtractionRule] | None) -> Extracted | None:
    """Return the final answer of a text by the first rule that finds one, or None.

    `rules` are the allowed rules, in any order; None allows all. A hedge, a denied answer and an empty box are not
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
    """Return the answer of a reference.

    It is the content of its box or tag, or what follows `####`, if it is a solution; the value, if it is a sentence
    that states one; otherwise the text itself.
    """
    found, rule = reference.find(text)
    return Extracted(found[:MAX_EXTRACTED_CHARS], rule)


def _first(
    text: str, finders: Sequence[tuple[ExtractionRule, Callable[[str], Found | None]]]
) -> tuple[ExtractionRule, Found | None]:
    """Return the answer of the first rule that finds anything."""
    for rule, find in finders:
        found = find(text)
        if found is not None:
            return rule, found
    return ExtractionRule.LAST_NUMBER, None


def _says_anything(text: str) -> bool:
    return text.strip() != ""


__all__ = ["FINDERS", "Extracted", "extract_answer", "extract_reference"]
