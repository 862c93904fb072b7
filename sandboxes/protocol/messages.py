"""The messages between a service and a box, apart from facts."""

from dataclasses import dataclass

from sandboxes.protocol.facts import CompileFacts, TesterFacts, TestFacts
from sandboxes.protocol.job import Job


@dataclass(frozen=True, kw_only=True)
class Hello:
    """Box: it is ready. `digest` identifies its harness; a service refuses a box whose digest differs from its own."""

    digest: str
    python: str


@dataclass(frozen=True, kw_only=True)
class Start:
    """Service: run this job. Its number is larger than that of any earlier job.

    With `early`, the box reports Done as soon as the job's facts are complete, and resets afterwards. It does not begin
    another job before the reset is proved to be complete.
    """

    number: int
    job: Job
    early: bool = False


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Service: end this job now. It may have ended already."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Done:
    """Box: this job is over and nothing of it is left or, for a job with `early`, its facts are complete.

    `refused` says why the job could not run as it was sent. `spent` says why the box should not run another job: the
    program moved a counter that only grows, and a later program could read it. `waited_s` is how long the program
    neither computed nor waited for a core.
    """

    number: int
    refused: str = ""
    spent: str = ""
    waited_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Box: a job with `early` has spent this box, which will not run another one. This is its last message."""

    number: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Box: it cannot prove that nothing is left, or it has failed itself. This is its last message."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Alive:
    """Box: it is working on a job. It sends this about once a second, so a long test does not look like a dead box."""

    number: int


Message = Hello | Start | Stop | CompileFacts | TestFacts | TesterFacts | Done | Spent | Broken | Alive
