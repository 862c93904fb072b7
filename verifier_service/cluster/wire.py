"""Messages between the front of a cluster and its nodes. Both run the same build; a node checks that at its start."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verifier_service.dispatch import ItemResult
from verifier_service.errors import Cause, JudgeError
from verifier_service.observability import build
from verifier_service.schema import CodeSubmission, MathSubmission, Run

Item = CodeSubmission | MathSubmission | Run


@dataclass(frozen=True)
class Build:
    """The versions of the judge and of Python. Verdicts of different builds must not be mixed."""

    verifier: str = field(default_factory=build.version)
    python: str = field(default_factory=platform.python_version)

    def __str__(self) -> str:
        return f"grpo-verifier {self.verifier} on Python {self.python}"


@dataclass(frozen=True)
class Packed:
    """Serialized tests that several submissions share. `body` is the bytes, or a reference to fetch them by."""

    sha256: str
    body: object


@dataclass(frozen=True)
class Sent:
    """A submission in a part. `suite` is the key of its tests in `Part.suites`, if they are not inline."""

    item: Item
    suite: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of a batch, with submissions of one kind.

    Time budgets are derived from `deadline_s`, as for a batch that is not split. After `left_s` the node reports the
    outcomes it has and stops.
    """

    kind: str
    items: Sequence[Sent]
    suites: Mapping[str, Packed]
    deadline_s: float
    left_s: float
    client: str


@dataclass(frozen=True)
class Hello:
    """A node's description of itself; the first message of every answer."""

    node: str
    slots: int
    """How many programs, or comparisons, can run there at once."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """The languages that can be judged there, with their versions."""


@dataclass(frozen=True)
class Failed:
    """A `JudgeError` for sending: its message and cause."""

    message: str
    cause: Cause

    @classmethod
    def of(cls, error: JudgeError) -> "Failed":
        """Convert an error for sending."""
        return cls(str(error), error.cause)

    @property
    def error(self) -> JudgeError:
        """The error for the front."""
        return JudgeError(self.message, self.cause)


Outcome = tuple[int, ItemResult | Failed]
"""The outcome of the submission at an index of the part."""
Told = Hello | Sequence[Outcome]
"""A message of an answer: first the node's hello, then lists of outcomes."""
