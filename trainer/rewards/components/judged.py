"""What a component of the reward sees: one completion together with what the verifier concluded of it."""

from dataclasses import dataclass
from typing import Literal, Protocol

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


class ComponentOptions(BaseModel):
    """Options that every component of a reward has; `weight` multiplies what the component returns.

    `only_when: any_right` counts it only in groups in which some completion is accepted; elsewhere it is 0. Without,
    a group of nothing but wrong answers is moved by length or form alone, as far as right and wrong move a mixed one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(default=1.0, allow_inf_nan=False, description="multiplies the component's value")
    only_when: Literal["any_right"] | None = Field(
        default=None, description="count it only in groups with an accepted completion; in all groups when omitted"
    )


class Component(Protocol):
    """A component of a reward: its options, and the value it gives to one completion before the weight."""

    @property
    def kind(self) -> str:
        """The component's name in recipes and in the log."""
        ...

    @property
    def weight(self) -> float:
        """What the value is multiplied by."""
        ...

    @property
    def only_when(self) -> Literal["any_right"] | None:
        """In which groups it counts; in all of them when None."""
        ...

    def value(self, judged: Judged) -> float:
        """Return the component's value for one completion."""
        ...
