"""What a result tells beyond its verdict where a submission asks for it with `explain`: for a person who looks."""

from typing import Annotated

from pydantic import Field

from verifier_service.schema.base import Answered

MAX_SHOWN_CHARS = 16_384
"""How much of one text of a program is told."""
MAX_SHOWN_CHARS_OF_ALL = 1_048_576
"""How much of all texts of one submission is told; what comes later is null."""


class TestExplanation(Answered):
    """What the program did in one test of `stdio` or `call`."""

    __test__ = False

    output: str | None = Field(
        default=None,
        description="the beginning of what was compared: the output, or what was returned (as JSON where it can be)",
    )
    stderr: str | None = Field(default=None, description="the beginning of its standard error; null for `call`")
    wall_s: Annotated[float, Field(ge=0)] = Field(default=0.0, description="seconds on the clock")


class MathExplanation(Answered):
    """How answer and reference were read, in LaTeX, and a point at which they differ, where one was found.

    `point` has a value for each letter, and is empty where there are none. The values are those of both there.
    """

    answer: str | None = None
    reference: str | None = None
    point: dict[str, str] = Field(default_factory=dict)
    answer_value: str | None = None
    reference_value: str | None = None
