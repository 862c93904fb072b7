"""Decide whether two answers are equal, and say why in one sentence. First version."""

from dataclasses import dataclass

from verifier_service.answers import expression
from verifier_service.answers.bounds import MAX_ANSWER_CHARS, NotMath, TooComplex
from verifier_service.answers.clean import clean
from verifier_service.answers.grammar import parse
from verifier_service.answers.nodes import Node


@dataclass(frozen=True)
class Answer:
    """An answer that has been read: its text, its cleaned spelling, and its tree, or the reason why it has none."""

    text: str
    cleaned: str
    tree: Node | None
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """Whether two answers are equal, and the sentence that says why."""

    equal: bool
    why: str


def read(text: str) -> Answer:
    """Read an answer; never raises."""
    if len(text) > MAX_ANSWER_CHARS:
        return Answer(text, text.strip(), None, f"longer than {MAX_ANSWER_CHARS} characters")
    cleaned = clean(text)
    try:
        return Answer(text, cleaned, parse(cleaned))
    except NotMath as error:
        return Answer(text, cleaned, None, str(error))


def compare(answer: Answer, reference: Answer) -> Outcome:
    """Compare two answers."""
    if "".join(answer.cleaned.split()) == "".join(reference.cleaned.split()):
        return Outcome(True, "the same text")
    if answer.tree is None or reference.tree is None:
        return Outcome(False, "not the same text, and not both mathematics")
    try:
        if expression.equal(answer.tree, reference.tree):
            return Outcome(True, "equal in value")
    except TooComplex as error:
        return Outcome(False, f"not proved: {error}")
    return Outcome(False, "different in value")
