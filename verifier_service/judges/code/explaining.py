"""Explain to a person what a program did in a test, if the submission asks for it: output, stderr, seconds."""

import json
from dataclasses import dataclass

from sandboxes.protocol import plain
from sandboxes.protocol.facts import End, TestFacts
from sandboxes.protocol.job import Mode
from verifier_service.checkers.base import shown
from verifier_service.judges.code.tests import Suite, output_of
from verifier_service.schema import TestExplanation
from verifier_service.schema.explanations import MAX_SHOWN_CHARS, MAX_SHOWN_CHARS_OF_ALL

# UTF-8 takes up to four bytes per character.
_UTF8_MOST = 4


@dataclass(frozen=True)
class Explainer:
    """Explains the tests of one submission, as far as there is room."""

    suite: Suite

    def explain(self, fact: TestFacts, used_chars: int) -> TestExplanation:
        """Explain one test, after `used_chars` were spent on the others."""
        output = stderr = None
        if used_chars < MAX_SHOWN_CHARS_OF_ALL:
            output = self._output(fact)
            stderr = _text(fact.stderr) if self.suite.mode is Mode.STDIO else None
        return TestExplanation(output=output, stderr=stderr, wall_s=round(fact.wall_s, 6))

    def _output(self, fact: TestFacts) -> str | None:
        if self.suite.mode is Mode.CALL:
            return _returned(fact.value) if fact.end is End.RETURNED else None
        written = output_of(self.suite.cases[fact.index], fact)
        return None if written is None else _text(written)


def chars_of(explanation: TestExplanation) -> int:
    """Return how many characters an explanation takes."""
    return len(explanation.output or "") + len(explanation.stderr or "")


def _text(written: bytes) -> str:
    """Return the beginning of a program's output; bytes that are not UTF-8 become `\\xNN`."""
    beginning = written[: _UTF8_MOST * MAX_SHOWN_CHARS].decode("utf-8", "backslashreplace")
    return beginning[:MAX_SHOWN_CHARS]


def _returned(value: bytes) -> str:
    """Return a returned value as JSON, or as Python shows it.

    Of a long one, return the beginning of its encoded form.
    """
    if len(value) > _UTF8_MOST * MAX_SHOWN_CHARS:
        return _text(value)
    try:
        found = plain.decode(value)
    except plain.Malformed:
        return _text(value)
    try:
        text = json.dumps(found, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # for instance a set, or an integer of thousands of digits
        text = shown(found)
    return text.encode("utf-8", "backslashreplace").decode()[:MAX_SHOWN_CHARS]
