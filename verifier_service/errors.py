"""Everything that can go wrong on our side, one class for each boundary that a request crosses.

VerifierError
├── NotJson           the body is not JSON: 400
├── TooSlow           the body arrived too slowly: 408
├── BadRequest        the body is not a batch: 422
│   └── DigestMismatch  the body does not have the digest in the path: 409
├── Overloaded        the queue is full, or the service is shutting down: 503 with Retry-After
│   └── TooManyInHand   the client has as many submissions in flight as its key allows: 429 with Retry-After
├── NoRoom            the disk is full: 507
└── JudgeError        our fault, or the item's: becomes a `judge_error` result, never a score
    ├── BadItem       the item asks for something that this service does not offer
    ├── BoxDied       the box broke while it ran a submission
    ├── RunnerUnavailable  no box can be started at all
    ├── WorkerDied    math workers cannot be started, or die on any input
    ├── NodeLost      in a cluster: one node after another was lost while it judged the item
    └── ReferenceUnusable  the reference or the tests cannot be used

The program's own failures are not here: they are values, see `schema.Verdict`.
"""

from collections.abc import Sequence

from verifier_service.schema import ProblemField
from verifier_service.schema.base import Worded
from verifier_service.schema.problems import shown


class VerifierError(Exception):
    """Base of every error that this service raises on purpose."""


class NotJson(VerifierError):
    """The body is not valid JSON; the message says at which byte."""


class TooSlow(VerifierError):
    """The body arrived more slowly than the limits allow; the rest of it is not read."""


class BadRequest(VerifierError):
    """The request is not a batch; the caller has to change it.

    `problems` name each field with its value and what is allowed there.
    """

    status = 422

    def __init__(self, problems: Sequence[ProblemField]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(map(str, problems)))


class DigestMismatch(BadRequest):
    """The body does not have the digest given in the path."""

    status = 409


class Overloaded(VerifierError):
    """Nothing was judged; the caller should try again after `retry_after_s` seconds."""

    status = 503

    def __init__(self, message: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Cause(Worded):
    """Why a submission is a `judge_error`, in the few words that metrics count and alerts watch."""

    RUNNER_UNAVAILABLE = "runner_unavailable", "No box can be started."
    BOX_DIED = "box_died", "Boxes die, under harmless programs too."
    WORKER_DIED = "worker_died", "Math workers die, under harmless items too."
    NODE_LOST = "node_lost", "In a cluster: nodes are lost one after another."
    DEADLINE = "deadline", "It was not judged before its deadline."
    BAD_REQUEST = (
        "bad_request",
        "The request cannot be carried out: a language, limit, reference or tests that are unusable.",
    )
    INTERNAL = "internal", "A fault in the service."

    @property
    def is_ours(self) -> bool:
        """Whether the service failed, and not the request: the same submission can be sent again (`retryable`)."""
        return self is not Cause.BAD_REQUEST

    @property
    def may_pass(self) -> bool:
        """Whether the same submission is likely to be judged a moment later."""
        return self in (Cause.RUNNER_UNAVAILABLE, Cause.BOX_DIED, Cause.WORKER_DIED)


class TooManyInHand(Overloaded):
    """The client already has as many submissions waiting and running as its key allows."""

    status = 429


class NoRoom(VerifierError):
    """The disk is too full to store the request: nothing of it was stored, and everything stored before is safe."""


class JudgeError(VerifierError):
    """The item was not judged: nothing can be concluded about the submission. `cause` says why, for metrics."""

    cause: Cause = Cause.INTERNAL

    def __init__(self, message: str, cause: Cause | None = None) -> None:
        super().__init__(message)
        if cause is not None:
            self.cause = cause

    @property
    def may_pass(self) -> bool:
        """Whether a retry within moments is likely to succeed: only a box or worker failed."""
        return self.cause.may_pass

    @property
    def is_ours(self) -> bool:
        """Whether the submission is valid, so that sending it again later can succeed."""
        return self.cause.is_ours


class BadItem(JudgeError):
    """An item asks for something not offered here: a language, a limit above the maximum, a suite that is not kept."""

    cause = Cause.BAD_REQUEST

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(str(ProblemField(field=field, value=shown(value), allowed=allowed)))


class BoxDied(JudgeError):
    """A box died or broke the protocol while it ran a submission; a fresh one may succeed."""

    cause = Cause.BOX_DIED


class RunnerUnavailable(JudgeError):
    """No box can be started for this language on this machine; the message says what to do."""

    cause = Cause.RUNNER_UNAVAILABLE


class WorkerDied(JudgeError):
    """Math workers cannot be started, or die on any input; the message says why."""

    cause = Cause.WORKER_DIED


class NodeLost(JudgeError):
    """A node of a cluster, or its replica, was lost before it reported a result."""

    cause = Cause.NODE_LOST


class ReferenceUnusable(JudgeError):
    """The reference, the tests or the special judge cannot be used, whatever the submission is."""

    cause = Cause.BAD_REQUEST
