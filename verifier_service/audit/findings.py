"""The findings of an audit about one row, and their explanations."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from verifier_service.store.texts import fit

Shown = Annotated[str, AfterValidator(fit)]
"""A text of a row, made storable: JSON can contain lone surrogates, UTF-8 cannot."""


class Flag(StrEnum):
    """A problem with a row. The first group makes it unfit for training; the second is only worth knowing."""

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
        """Whether rows with this flag are omitted from the filtered data set."""
        return self not in (Flag.SLOW, Flag.NEAR_LIMIT, Flag.NO_SOLUTION, Flag.UNFINISHED)

    @property
    def meaning(self) -> str:
        """One sentence of explanation."""
        return _MEANINGS[self]


_MEANINGS = {
    Flag.UNREADABLE: "The row cannot be read in this format.",
    Flag.REFERENCE_UNREADABLE: "The reference or the tests cannot be used to judge anything.",
    Flag.REJECTED: "None of the row's own solutions is accepted.",
    Flag.FLAKY: "The same solution was accepted in one run and rejected in another.",
    Flag.ONLY_SHARED: "Accepted only when tests and solution share a process: set `process` to `shared`.",
    Flag.CHEATED: "A completion that solves nothing is accepted.",
    Flag.SLOW: "The row's own solution takes longer than --slow-s for one test.",
    Flag.NEAR_LIMIT: "The row's own solution uses more than half of a limit: other solutions may exceed it.",
    Flag.NO_SOLUTION: "The row has no solution, so only cheats were tried.",
    Flag.UNFINISHED: "An answer without its last step is accepted: 84/2 for 42.",
}


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(_Kept):
    """A completion that was judged, and its result."""

    what: str
    completion: Shown
    verdict: str
    message: Shown = ""


class CheatScore(_Kept):
    """The result of one cheat."""

    name: str
    score: float | None
    accepted: bool


class Finding(_Kept):
    """The finding about one row. `number` counts from 0."""

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
        """Whether the row is fit for training."""
        return not any(flag.is_unfit for flag in self.flags)
