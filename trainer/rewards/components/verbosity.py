"""Punish length beyond what is free, in proportion to it."""

from typing import Literal

from pydantic import Field, model_validator

from trainer.rewards.components.judged import ComponentOptions, Judged


class Verbosity(ComponentOptions):
    """Give 0 up to `free_tokens`, then fall in a straight line to -1 at `full_tokens` and stay there."""

    kind: Literal["verbosity"] = "verbosity"
    free_tokens: int = Field(ge=0, description="length up to which the value is 0")
    full_tokens: int = Field(gt=0, description="length from which the value is -1")
    applies_to: Literal["all", "right", "wrong"] = Field(default="all", description="completions whose length counts")

    @model_validator(mode="after")
    def _ordered(self) -> "Verbosity":
        if self.full_tokens <= self.free_tokens:
            raise ValueError(f"full_tokens {self.full_tokens} is not above free_tokens {self.free_tokens}")
        return self

    def value(self, judged: Judged) -> float:
        """Return a value from -1 to 0."""
        if self.applies_to != "all" and judged.accepted != (self.applies_to == "right"):
            return 0.0
        beyond = (judged.tokens - self.free_tokens) / (self.full_tokens - self.free_tokens)
        return -min(max(beyond, 0.0), 1.0)
