"""Reward 1 for a right answer, 0 for any other."""

from typing import Literal

from trainer.rewards.components.judged import ComponentOptions, Judged


class Correctness(ComponentOptions):
    """Give 1 when the verdict is `accepted`, else 0."""

    kind: Literal["correctness"] = "correctness"

    def value(self, judged: Judged) -> float:
        """Return 1.0 or 0.0."""
        return 1.0 if judged.accepted else 0.0
