"""What an audit finds of one row, and the words for it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from verifier_service.store.texts import fit

Shown = Annotated[str, AfterValidator(fit)]
"""A text of a row as it is kept: JSON may hold half surrogates, and UTF-8 may not."""


class Flag(StrEnum):
    """What is the matter with a row. The first group makes it unfit to train on, the second is worth knowing."""

    UNREADABLE = "unreadable"
    REFERENCE_UNREADABLE = "reference unreadable"
    REJECTED = "own solution rejected"
    FLAKY = "flaky"
    ONLY_SHARED = "only in a shared process"
    CHEATED = "lets a cheat through"

    SLOW = "slow"
    NEAR_LIMIT = "near a limit"
    NO_SOLUTION = "no solution of its own"
    UNFINISHED = "takes what is not worked out"

    @property
    def is_unfit(self) -> bool:
        """Whether a row with this flag is left out of the filtered data set."""
        return self not in (Flag.SLOW, Flag.NEAR_LIMIT, Flag.NO_SOLUTION, Flag.UNFINISHED)

    @property
    def meaning(self) -> str:
        """One sentence that a person can read."""
        return _MEANINGS[self]


_MEANINGS = {
    Flag.UNREADABLE: "The row cannot be read in this format.",
    Flag.REFERENCE_UNREADABLE: "The reference, or the tests, cannot be used: nothing can be judged with them.",
    Flag.REJECTED: "None of its own solutions is accepted.",
    Flag.FLAKY: "The same solution was accepted once and not another time.",
    Flag.ONLY_SHARED: "Accepted only when tests and solution share a process: set `process` to `shared`.",
    Flag.CHEATED: "A completion that solves nothing is accepted.",
    Flag.SLOW: "One test takes its own solution longer than --slow-s.",
    Flag.NEAR_LIMIT: "Its own solution uses more than half of a limit: others may exceed it.",
    Flag.NO_SOLUTION: "The row has no solution, so that only cheats were tried.",
    Flag.UNFINISHED: "An answer whose last step is left to be done is accepted: 84/2 for 42.",
}


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(_Kept):
    """A completion that was judged, and what came of it."""

    what: str
    completion: Shown
    verdict: str
    message: Shown = ""


class CheatScore(_Kept):
    """What one cheat got."""

    name: str
    score: float | None
    accepted: bool


class Finding(_Kept):
    """What was found of one row. `number` counts from 0."""

    number: int
    id: Shown = ""
    prompt: Shown = ""
    flags: Sequence[Flag] = ()
    reasons: Sequence[Shown] = ()
    cheats: Sequence[CheatScore] = ()
    examples: Sequence[Example] = ()
    time_s: float = 0.0
    memory_mb: float = 0.0

    @property
    def is_fit(self) -> bool:
        """Whether the row is fit to train on."""
        return not any(flag.is_unfit for flag in self.flags)
