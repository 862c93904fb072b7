"""What can go wrong on our side, one class for each boundary that a request crosses.

VerifierError
├── NotJson           the body is not JSON: 400
├── BadRequest        the body is not a batch: 422
│   └── DigestMismatch  it is not what its digest says: 409
├── Overloaded        the queue is full: 503 with Retry-After
└── JudgeError        ours, or the item's: becomes a `judge_error` result, never a score
    ├── BadItem       an item asks for what cannot be had
    ├── BoxDied       the sandbox broke while it ran a submission
    ├── RunnerUnavailable  no sandbox can be had at all
    └── ReferenceUnusable  the reference or the tests cannot be used

The program's own failures are not here: they are values, see `schema.Verdict`.
"""

from collections.abc import Sequence

from verifier_service.schema import ProblemField
from verifier_service.schema.problems import shown


class VerifierError(Exception):
    """Base of every error that this service raises on purpose."""


class NotJson(VerifierError):
    """The body is not JSON; the message says where it ceases to be."""


class BadRequest(VerifierError):
    """The request is not a batch; the caller has to change it.

    `problems` name each field with its value and what is allowed there.
    """

    status = 422

    def __init__(self, problems: Sequence[ProblemField]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(map(str, problems)))


class DigestMismatch(BadRequest):
    """The digest in the path is not that of the body."""

    status = 409


class Overloaded(VerifierError):
    """The queue is full: nothing was judged, and the caller should come again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class JudgeError(VerifierError):
    """We failed to judge: nothing may be concluded about the submission."""


class BadItem(JudgeError):
    """An item asks for what cannot be had here: a language, a limit above the maximum, tests that are not kept."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(str(ProblemField(field=field, value=shown(value), allowed=allowed)))


class BoxDied(JudgeError):
    """A sandbox broke (it died, or broke the protocol) while it ran a submission; a fresh one may do better."""


class RunnerUnavailable(JudgeError):
    """No sandbox can be started for this language on this machine; the message says what to do."""


class ReferenceUnusable(JudgeError):
    """The reference answer, the tests or the special judge cannot be used, whatever the submission is."""
