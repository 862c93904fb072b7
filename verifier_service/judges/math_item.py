"""What a math worker does with one item: extract, read, compare. Runs in the worker process only."""

from collections.abc import Callable
from typing import Any

from verifier_service.answers.algebra import warm_up
from verifier_service.answers.compare import Outcome, compare
from verifier_service.answers.reading import Answer, read
from verifier_service.extract.math import Extracted, extract_answer, extract_reference
from verifier_service.judges.math_reference import READING_REFERENCE, why_unusable
from verifier_service.schema import ExtractionRule, Verdict

MAX_REPORTED_CHARS = 2_000
MAX_REFERENCES = 256

MAX_OUTCOMES = 1024
MAX_REMEMBERED_CHARS = 2_000

_REFERENCES: dict[str, Answer | str] = {}
_OUTCOMES: dict[tuple[str, str], Outcome] = {}


def judge_item(item: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Judge `{"completion", "reference", "rules"}` and report a `result`: verdict, extracted, rule, message.

    Where the reference was not read before, the stages `reading reference` and `reference read` are reported around
    it, so that a death between the two is charged to the reference and not to the completion.
    """
    reference = _REFERENCES.get(item["reference"])
    if reference is None:
        report(READING_REFERENCE, None)
        reference = _remember(item["reference"])
        report("reference read", None)
    if isinstance(reference, str):
        report("result", [Verdict.JUDGE_ERROR, None, None, reference])
        return
    rules = None if item["rules"] is None else [ExtractionRule(rule) for rule in item["rules"]]
    extracted = extract_answer(item["completion"], rules)
    if extracted is None:
        report("result", [Verdict.NO_ANSWER, None, None, "no answer was found in the completion"])
        return
    report("result", _verdict(extracted, reference))


def _remember(text: str) -> Answer | str:
    """Read a reference, or say why it cannot be used, and keep it for the rest of its group."""
    if len(_REFERENCES) >= MAX_REFERENCES:
        _REFERENCES.clear()
    unusable = why_unusable(text)
    _REFERENCES[text] = unusable if unusable else read(extract_reference(text).text)
    return _REFERENCES[text]


def _verdict(extracted: Extracted, reference: Answer) -> list[Any]:
    """Compare, or repeat what was found for the same answer and reference before: groups repeat their answers."""
    key = extracted.text, reference.text
    outcome = _OUTCOMES.get(key)
    if outcome is None:
        outcome = compare(read(extracted.text), reference)
        if len(_OUTCOMES) >= MAX_OUTCOMES:
            _OUTCOMES.clear()
        if len(extracted.text) + len(reference.text) <= MAX_REMEMBERED_CHARS:
            _OUTCOMES[key] = outcome
    verdict = Verdict.ACCEPTED if outcome.equal else Verdict.WRONG_ANSWER
    return [verdict, extracted.text[:MAX_REPORTED_CHARS], extracted.rule, outcome.why]


__all__ = ["judge_item", "warm_up"]
