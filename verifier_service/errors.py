"""What can go wrong on our side, one class for each boundary that a request crosses.

VerifierError
├── BadRequest        the caller's: answered with a 4xx problem document
├── Overloaded        the queue is full: 503 with Retry-After
└── JudgeError        ours: becomes a `judge_error` result, never a score
    ├── BoxDied       the sandbox broke while it ran a submission
    ├── RunnerUnavailable  no sandbox can be had at all
    └── ReferenceUnusable  the reference or the tests cannot be used

The program's own failures are not here: they are values, see `schema.Verdict`.
"""

from dataclasses import dataclass


class VerifierError(Exception):
    """Base of every error that this service raises on purpose."""


@dataclass(frozen=True)
class FieldProblem:
    """One thing that is wrong with a request: where it is, what was given and what is allowed."""

    path: str
    value: object
    allowed: str


class BadRequest(VerifierError):
    """The request asks for what cannot be had; the caller has to change it.

    `problems` name each field with its value and what is allowed there.
    """

    def __init__(self, problems: list[FieldProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.path}: {p.value!r} is not allowed, {p.allowed}" for p in problems))


class Overloaded(VerifierError):
    """The queue is full: nothing was judged, and the caller should come again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class JudgeError(VerifierError):
    """We failed to judge: nothing may be concluded about the submission."""


class BoxDied(JudgeError):
    """A sandbox broke (it died, or broke the protocol) while it ran a submission; a fresh one may do better."""


class RunnerUnavailable(JudgeError):
    """No sandbox can be started for this language on this machine; the message says what to do."""


class ReferenceUnusable(JudgeError):
    """The reference answer, the tests or the special judge cannot be used, whatever the submission is."""
