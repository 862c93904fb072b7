"""What a shaping sees: one completion together with what the verifier concluded of it."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from verifier_service.schema import Result, Verdict


@dataclass(frozen=True)
class Judged:
    """One completion with its result. The verdict is never `judge_error`: without a score there is nothing to shape.

    `tokens` counts the completion's tokens; `max_tokens` is the most that the policy may write.
    """

    text: str
    tokens: int
    max_tokens: int
    result: Result

    @property
    def accepted(self) -> bool:
        """Whether the answer is right, or every test passed."""
        return self.result.verdict is Verdict.ACCEPTED


class Component(BaseModel):
    """Options that every part of the reward has; `weight` multiplies what the part returns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(default=1.0, allow_inf_nan=False)


class Shaping(Protocol):
    """A part of the reward: its options, and the value it gives to one completion before the weight."""

    @property
    def kind(self) -> str:
        """The part's name in recipes and in the log."""
        ...

    @property
    def weight(self) -> float:
        """What the value is multiplied by."""
        ...

    def value(self, judged: Judged) -> float:
        """Return the part's value for one completion."""
        ...
