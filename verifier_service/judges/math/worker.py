"""What a math worker does with one item: extract, read, compare. Runs in the worker process only."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from verifier_service.answers.compare import Outcome, accept
from verifier_service.answers.compute.algebra import warm_up
from verifier_service.answers.read.reading import Answer, read
from verifier_service.extract.math import Extracted, extract_answer, extract_reference
from verifier_service.judges.math.reference import READING_REFERENCE, why_unusable
from verifier_service.schema import ExtractionRule, Verdict

MAX_REPORTED_CHARS = 2_000
MAX_REFERENCES = 256

MAX_OUTCOMES = 1024
MAX_REMEMBERED_CHARS = 2_000

_REFERENCES: dict[str, Answer | str] = {}
_OUTCOMES: dict[tuple[str, str], Outcome] = {}


def judge_item(item: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Judge `{"completion", "references", "rules"}` and report a `result`: verdict, extracted, rule,
    message, seconds.

    The verdict is null if none of the references can be used; the message says why. Where one was not read before, the
    stages `reading reference` and `reference read` are reported around it, so that a death between the two is charged
    to the reference and not to the completion.
    """
    began_s = time.perf_counter()

    def conclude(verdict: Verdict | None, answer: Extracted | None, message: str) -> None:
        text, rule = (answer.text[:MAX_REPORTED_CHARS], answer.rule) if answer else (None, None)
        report("result", [verdict, text, rule, message, time.perf_counter() - began_s])

    references: list[Answer] = []
    unusable = ""
    for text in item["references"]:
        reference = _read_reference(text, report)
        if isinstance(reference, str):
            unusable = unusable or reference
        else:
            references.append(reference)
    if not references:
        conclude(None, None, unusable)
        return
    rules = None if item["rules"] is None else [ExtractionRule(rule) for rule in item["rules"]]
    extracted = extract_answer(item["completion"], rules)
    if extracted is None:
        conclude(Verdict.NO_ANSWER, None, "no answer was found in the completion")
        return
    outcome = _first_equal(extracted, references)
    if not outcome.equal and unusable:
        conclude(None, None, unusable)
        return
    conclude(Verdict.ACCEPTED if outcome.equal else Verdict.WRONG_ANSWER, extracted, outcome.why)


def _read_reference(text: str, report: Callable[[str, Any], None]) -> Answer | str:
    """Return a reference, or why it cannot be used."""
    reference = _REFERENCES.get(text)
    if reference is None:
        report(READING_REFERENCE, None)
        reference = _remember(text)
        report("reference read", None)
    return reference


def _first_equal(extracted: Extracted, references: Sequence[Answer]) -> Outcome:
    """Compare with one reference after the other, until one is equal."""
    outcomes: list[Outcome] = []
    for reference in references:
        outcomes.append(_compare(extracted, reference))
        if outcomes[-1].equal:
            return outcomes[-1]
    return outcomes[0]


def _remember(text: str) -> Answer | str:
    """Read a reference, or say why it cannot be used, and keep it for the rest of its group."""
    if len(_REFERENCES) >= MAX_REFERENCES:
        _REFERENCES.clear()
    unusable = why_unusable(text)
    _REFERENCES[text] = unusable if unusable else read(extract_reference(text).text)
    return _REFERENCES[text]


def _compare(extracted: Extracted, reference: Answer) -> Outcome:
    """Compare, or repeat what was found for the same answer and reference before: groups repeat their answers."""
    key = extracted.text, reference.text
    outcome = _OUTCOMES.get(key)
    if outcome is None:
        outcome = accept(read(extracted.text), reference)
        if len(_OUTCOMES) >= MAX_OUTCOMES:
            _OUTCOMES.clear()
        if len(extracted.text) + len(reference.text) <= MAX_REMEMBERED_CHARS:
            _OUTCOMES[key] = outcome
    return outcome


__all__ = ["judge_item", "warm_up"]
