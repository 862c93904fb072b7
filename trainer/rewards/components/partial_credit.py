"""Reward the share of tests that passed, for code whose whole suite is seldom passed at the start."""

from typing import Literal

from trainer.rewards.components.judged import ComponentOptions, Judged


class PartialCredit(ComponentOptions):
    """Give the verifier's score: the weighted share of tests passed; 0 or 1 for math."""

    kind: Literal["partial_credit"] = "partial_credit"

    def value(self, judged: Judged) -> float:
        """Return a value from 0 to 1. Raises ValueError for a result without a score, which is never judged here."""
        if judged.result.score is None:
            raise ValueError(f"a result with verdict {judged.result.verdict} has no score to give credit for")
        return judged.result.score
