"""The messages between a service and a box, besides facts."""

from dataclasses import dataclass

from sandboxes.protocol.facts import CompileFacts, TesterFacts, TestFacts
from sandboxes.protocol.job import Job


@dataclass(frozen=True, kw_only=True)
class Hello:
    """Box: it is warm. `digest` is that of its harness: a service refuses a box with another one than its own."""

    digest: str
    python: str


@dataclass(frozen=True, kw_only=True)
class Start:
    """Service: run this job; its number is larger than that of any job before. With `early` the job is told to be over
    as soon as its facts are complete, and the box is reset after that: it begins no other job before that is proved."""

    number: int
    job: Job
    early: bool = False


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Service: end this job now; it may be over already."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Done:
    """Box: this job is over and nothing of it is left; if that was to be told early, its facts are complete. `refused`
    says why it could not be run as it was sent, `spent` why the box should run no other: something that only grows was
    moved, which a later program could read.

    `waited_s` is how long the program has neither computed nor been kept waiting for a core.
    """

    number: int
    refused: str = ""
    spent: str = ""
    waited_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Box: the job that was told to be over early has spent it, and it runs no other. Its last message."""

    number: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Box: it cannot be proved that nothing is left, or the box itself failed. Its last message."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Alive:
    """Box: it is at work on a job, told about once a second so that a long test is not taken for a dead box."""

    number: int


Message = Hello | Start | Stop | CompileFacts | TestFacts | TesterFacts | Done | Spent | Broken | Alive
