"""Punish a wrong answer that is also long, so that a policy which does not know does not ramble."""

from typing import Literal

from pydantic import Field

from trainer.rewards.components.judged import ComponentOptions, Judged


class LongWrongAnswer(ComponentOptions):
    """Give -`penalty` to a completion that is not accepted and longer than `over_chars` characters, else 0."""

    kind: Literal["long_wrong_answer"] = "long_wrong_answer"
    penalty: float = Field(default=0.1, ge=0, allow_inf_nan=False, description="what such a completion loses")
    over_chars: int = Field(default=200, ge=0, description="length above which a wrong answer is punished")

    def value(self, judged: Judged) -> float:
        """Return 0.0 or -`penalty`."""
        return -self.penalty if not judged.accepted and len(judged.text) > self.over_chars else 0.0
