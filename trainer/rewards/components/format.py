"""Reward the required form of an answer, right or wrong. Keep its weight small: it is easier to learn than the task."""

import re
from functools import cached_property
from typing import Literal

from pydantic import Field, field_validator

from trainer.rewards.components.judged import ComponentOptions, Judged


class Format(ComponentOptions):
    """Give 1 when the pattern is found in the completion, else 0."""

    kind: Literal["format"] = "format"
    pattern: str = Field(default=r"\\boxed\{", max_length=1000, description="a regular expression")
    once: bool = Field(default=False, description="the pattern must be found exactly once")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as problem:
            raise ValueError(f"{pattern!r} is not a regular expression: {problem}") from problem
        return pattern

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.DOTALL)

    def value(self, judged: Judged) -> float:
        """Return 1.0 or 0.0."""
        found = sum(1 for _ in self._compiled.finditer(judged.text))
        return 1.0 if found == 1 or (found > 1 and not self.once) else 0.0
