"""Punish a completion that says the same thing again and again."""

from typing import Literal

from pydantic import Field

from trainer.rewards.components.judged import ComponentOptions, Judged


class Repetition(ComponentOptions):
    """Give minus the share of word n-grams that occurred before in the same completion."""

    kind: Literal["repetition"] = "repetition"
    ngram: int = Field(default=8, ge=2, description="length of the word sequences that are compared")

    def value(self, judged: Judged) -> float:
        """Return a value from -1 to 0."""
        words = judged.text.split()
        ngrams = [tuple(words[i : i + self.ngram]) for i in range(len(words) - self.ngram + 1)]
        if not ngrams:
            return 0.0
        return -(1 - len(set(ngrams)) / len(ngrams))
