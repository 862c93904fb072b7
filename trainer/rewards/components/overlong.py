"""DAPO's soft punishment of completions that come close to the token limit."""

from typing import Literal

from pydantic import Field

from trainer.rewards.components.judged import ComponentOptions, Judged


class Overlong(ComponentOptions):
    """Give 0 while `buffer_tokens` are left, then fall in a straight line to -1 at the limit.

    Source: DAPO (arXiv:2503.14476), equation 13, with L_max = `grpo.max_completion_length`.
    """

    kind: Literal["overlong"] = "overlong"
    buffer_tokens: int = Field(gt=0, description="tokens before the length limit in which the value falls")

    def value(self, judged: Judged) -> float:
        """Return a value from -1 to 0."""
        over = judged.tokens - (judged.max_tokens - self.buffer_tokens)
        return -min(max(over / self.buffer_tokens, 0.0), 1.0)
