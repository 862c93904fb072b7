"""What a math worker does with one item: extract, read, compare. Runs in the worker process only."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from verifier_service.answers.compare import compare
from verifier_service.answers.reading import Answer, read
from verifier_service.extract.math import Extracted, extract_answer, extract_reference
from verifier_service.schema import ExtractionRule, Verdict

MAX_REPORTED_CHARS = 2_000
MAX_CACHED_CHARS = 20_000


def judge_item(item: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """Judge `{"completion", "reference", "rules"}` and report a `result`: verdict, extracted, rule, message.

    The stage `reference` is reported first when the reference had to be read, so that a death before it is charged to the
    reference and not to the completion.
    """
    reference = _reference(item["reference"])
    if isinstance(reference, str):
        report("result", [Verdict.JUDGE_ERROR, None, None, reference])
        return
    report("reference", None)
    rules = None if item["rules"] is None else [ExtractionRule(rule) for rule in item["rules"]]
    extracted = extract_answer(item["completion"], rules)
    if extracted is None:
        report("result", [Verdict.NO_ANSWER, None, None, "no answer was found in the completion"])
        return
    report("result", _verdict(extracted, reference))


@lru_cache(maxsize=256)
def _reference(text: str) -> Answer | str:
    """Read a reference, or say why it cannot be used."""
    if not text.strip():
        return "the reference is empty"
    return read(extract_reference(text).text)


def _verdict(extracted: Extracted, reference: Answer) -> list[Any]:
    outcome = compare(read(extracted.text), reference)
    verdict = Verdict.ACCEPTED if outcome.equal else Verdict.WRONG_ANSWER
    return [verdict, extracted.text[:MAX_REPORTED_CHARS], extracted.rule, outcome.why]
