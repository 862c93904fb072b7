"""Extract, read and compare one item. Runs in the worker process only.

An item never ends the worker by an exception. An unexpected exception makes an answer "not proved" or a reference
unusable, and is reported as the stage `failed`, for the service's log: what was being done, the exception, where, and
the shape of the input.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from verifier_service.answers.compare import Outcome, accept
from verifier_service.answers.compute.algebra import warm_up
from verifier_service.answers.compute.secret import keep_secret
from verifier_service.answers.form import left_to_do
from verifier_service.answers.read.reading import Answer, read
from verifier_service.answers.rounding import rounds_to
from verifier_service.answers.tree.shape import shape
from verifier_service.extract.math import Extracted, extract_answer, extract_reference
from verifier_service.judges.math.explaining import explained
from verifier_service.judges.math.reference import FAILED, READING_REFERENCE, why_unusable
from verifier_service.schema import ExtractionRule, Form, MathExplanation, Rounding, Verdict

MAX_REPORTED_CHARS = 2_000  # how much of an extracted answer a result shows
MAX_SHOWN_CHARS = 200  # how much of a reference a message shows
MAX_REFERENCES = 256  # how many are kept, for the submissions of their groups

MAX_OUTCOMES = 1024  # how many comparisons are kept
MAX_REMEMBERED_CHARS = 2_000  # longer answers are not kept, to bound the memory

# Braces that group, which no backslash makes signs of a set.
_OPENED, _CLOSED = (rf"(?<!\\)(?:\\\\)*{re.escape(brace)}" for brace in "{}")

Report = Callable[[str, Any], None]
T = TypeVar("T")


class _Asked(NamedTuple):
    """What an answer must be besides equal."""

    form: Form
    rounding: Rounding


class _Failure(NamedTuple):
    """An unexpected exception."""

    doing: str
    error: str
    at: str

    def __str__(self) -> str:
        return f"{self.doing} failed with {self.error} at {self.at}"


_REFERENCES: dict[str, Answer | str] = {}
_OUTCOMES: dict[tuple[str, str, _Asked], Outcome] = {}


def judge_item(item: dict[str, Any], report: Report) -> None:
    """Judge one item and report a `result`.

    Args:
        item: `completion`, `references`, `rules`, `form`, `rounding`, and optionally `explain` and `secret`.
        report: called with a stage and its value. The value of `result` is a list: verdict, extracted answer, rule,
            message, seconds, explanation (if `explain` is set).

    The verdict is null if no reference can be used, or if one that might have been equal cannot; the message says why.
    Around the first reading of a reference, the stages `reading reference` and `reference read` are reported, so that a
    death between the two is charged to the reference and not to the completion.
    """
    began_s = time.perf_counter()
    if "secret" in item:
        keep_secret(item["secret"])

    def conclude(verdict: Verdict | None, answer: Extracted | None, message: str) -> None:
        explanation = told.model_dump() if isinstance(told, MathExplanation) else None
        text, rule = (answer.text[:MAX_REPORTED_CHARS], answer.rule) if answer else (None, None)
        report("result", [verdict, text, rule, message, time.perf_counter() - began_s, explanation])

    told: MathExplanation | _Failure | None = None
    references: list[Answer] = []
    unusable = ""
    for text in item["references"]:
        reference = _read_reference(text, report)
        if isinstance(reference, str):
            unusable = unusable or reference
        else:
            references.append(reference)
            unusable = unusable or _why_truncated(reference) or ""
    if not references:
        conclude(None, None, unusable)
        return
    completion: str = item["completion"]
    rules = None if item["rules"] is None else [ExtractionRule(rule) for rule in item["rules"]]
    extracted = _attempt(
        "looking for the answer", lambda: extract_answer(completion, rules), report, lambda: _text_shape(completion)
    )
    if extracted is None:
        tried = ", ".join(rule for rule in ExtractionRule if rules is None or rule in rules)
        conclude(Verdict.NO_ANSWER, None, f"no answer was found in the completion by {tried}")
        return
    if isinstance(extracted, _Failure):
        conclude(Verdict.WRONG_ANSWER, None, f"it was not proved: {extracted}")
        return
    asked = _Asked(Form(item["form"]), Rounding(item["rounding"]))
    outcome, reference = _first_right(extracted, references, asked, report)
    if not outcome.equal and unusable:
        conclude(None, None, unusable)
        return
    if item.get("explain"):
        told = _attempt(
            "explaining",
            lambda: explained(extracted.text, reference, outcome),
            report,
            lambda: _text_shape(completion),
        )
    conclude(Verdict.ACCEPTED if outcome.equal else Verdict.WRONG_ANSWER, extracted, outcome.why)


def _attempt(doing: str, work: Callable[[], T], report: Report, shaped: Callable[[], str]) -> T | _Failure:
    """Do a part of the work. Report an unexpected exception with the shape of its input, and return it as a failure."""
    try:
        return work()
    # The worker's memory limit: the pool has to see the worker fail.
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - one strange input must not cost its neighbours the worker
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        place = f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}" if traceback else "?"
        failure = _Failure(doing, type(error).__name__, place)
        report(FAILED, {**failure._asdict(), "input": shaped()})
        return failure


def _read_reference(text: str, report: Report) -> Answer | str:
    """Return a reference, or why it cannot be used."""
    reference = _REFERENCES.get(text)
    if reference is None:
        report(READING_REFERENCE, None)
        reference = _remember(text, report)
        report("reference read", None)
    return reference


def _remember(text: str, report: Report) -> Answer | str:
    """Read a reference, or say why it cannot be used, and keep it for the rest of its group."""
    if len(_REFERENCES) >= MAX_REFERENCES:
        _REFERENCES.clear()

    def work() -> Answer | str:
        return why_unusable(text) or read(extract_reference(text).text)

    reference = _attempt("reading the reference", work, report, lambda: _text_shape(text))
    _REFERENCES[text] = str(reference) if isinstance(reference, _Failure) else reference
    return _REFERENCES[text]


def _why_truncated(reference: Answer) -> str | None:
    """Return why a reference must be truncated, or None if it may be whole.

    Unbalanced braces give it away. `\\frac{1}{2`, as left by a pattern that ends at the first closing brace, cannot be
    read as math. Only the same text equals it, but any other answer might be the right one.
    """
    if reference.trees:
        return None
    opened, closed = (len(re.findall(pattern, reference.text)) for pattern in (_OPENED, _CLOSED))
    if opened == closed:
        return None
    return (
        f"the reference {reference.text[:MAX_SHOWN_CHARS]!r} cannot be read as math: "
        f"it opens {opened} braces and closes {closed}"
    )


def _first_right(
    extracted: Extracted, references: Sequence[Answer], asked: _Asked, report: Report
) -> tuple[Outcome, Answer]:
    """Compare with one reference after another until one is right.

    Returns:
        The outcome and its reference. If none is right, prefer one that is equal but, for instance, in the wrong form;
        otherwise the first.
    """
    found: list[tuple[Outcome, Answer]] = []
    for reference in references:
        found.append((_remembered(extracted.text, reference, asked, report), reference))
        if found[-1][0].equal:
            return found[-1]
    return max(found, key=lambda one: one[0].readings is not None)


def _remembered(text: str, reference: Answer, asked: _Asked, report: Report) -> Outcome:
    """Compare, or reuse the outcome for the same answer and reference: answers repeat within a group."""
    key = text, reference.text, asked
    outcome = _OUTCOMES.get(key)
    if outcome is None:
        outcome = _compare(text, reference, asked, report)
        if len(_OUTCOMES) >= MAX_OUTCOMES:
            _OUTCOMES.clear()
        if len(text) + len(reference.text) <= MAX_REMEMBERED_CHARS:
            _OUTCOMES[key] = outcome
    return outcome


def _compare(text: str, reference: Answer, asked: _Asked, report: Report) -> Outcome:
    """Compare an answer with a reference as requested. An unexpected exception proves nothing."""
    answer = _attempt("reading the answer", lambda: read(text), report, lambda: _text_shape(text))
    if isinstance(answer, _Failure):
        return Outcome(False, f"it was not proved: {answer}")
    found = _attempt(
        "comparing",
        lambda: _right(answer, reference, asked),
        report,
        lambda: f"{_shape(answer)} and {_shape(reference)}",
    )
    return Outcome(False, f"it was not proved: {found}") if isinstance(found, _Failure) else found


def _right(answer: Answer, reference: Answer, asked: _Asked) -> Outcome:
    """Return whether an answer is equal, or rounded as allowed, and in the required form."""
    outcome = accept(answer, reference)
    rounded = None if outcome.equal or asked.rounding is Rounding.NONE else rounds_to(answer, reference)
    outcome = rounded or outcome
    if outcome.readings is not None and asked.form is Form.FINAL:
        left = left_to_do(*outcome.readings, rounded=rounded is not None)
        if left is not None:
            return replace(outcome, equal=False, why=f"{outcome.why}; but it leaves {left} to be done")
    return outcome


def _shape(answer: Answer) -> str:
    """Describe an answer without its text."""
    return " or ".join(map(shape, answer.trees)) or _text_shape(answer.text)


def _text_shape(text: str) -> str:
    return f"a text of {len(text)} characters"


__all__ = ["judge_item", "warm_up"]
