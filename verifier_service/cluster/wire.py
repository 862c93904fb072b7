"""What travels between the front of a cluster and its nodes. Both ends are the same build: a node sees to that."""

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
    """Which judge this is, and the Python that it runs on: verdicts of two that differ are not to be mixed."""

    verifier: str = field(default_factory=build.version)
    python: str = field(default_factory=platform.python_version)

    def __str__(self) -> str:
        return f"grpo-verifier {self.verifier} on Python {self.python}"


@dataclass(frozen=True)
class Packed:
    """Tests that several submissions share, written once. `body` is the bytes, or what a node gets them by."""

    sha256: str
    body: object


@dataclass(frozen=True)
class Sent:
    """A submission on its way. `suite` names its tests among those of the part, if they are not in it."""

    item: Item
    suite: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of a batch. All of them are of one kind.

    What a submission may take follows from `deadline_s`, as it does where a batch is not cut; after `left_s` the node
    tells what it knows and ends.
    """

    kind: str
    items: Sequence[Sent]
    suites: Mapping[str, Packed]
    deadline_s: float
    left_s: float
    client: str


@dataclass(frozen=True)
class Hello:
    """A node as it says what it is. It comes first in each answer."""

    node: str
    slots: int
    """Programs, or comparisons, that run there at once."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """With the version of each, those that can be judged there."""


@dataclass(frozen=True)
class Failed:
    """A `JudgeError`, without what only its own class knows."""

    message: str
    cause: Cause

    @classmethod
    def of(cls, error: JudgeError) -> "Failed":
        """Return what travels of an error."""
        return cls(str(error), error.cause)

    @property
    def error(self) -> JudgeError:
        """The error, as the front takes it."""
        return JudgeError(self.message, self.cause)


Outcome = tuple[int, ItemResult | Failed]
"""What the submission at a place of the part came to."""
Told = Hello | Sequence[Outcome]
"""What an answer is made of: a node's hello, and then outcomes, as many as are there."""
