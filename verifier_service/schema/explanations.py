"""What a result says beyond its verdict when a submission has `explain`, for a person who looks at it."""

from typing import Annotated

from pydantic import Field

from verifier_service.schema.base import Answered

MAX_SHOWN_CHARS = 16_384
"""How much of one text of a program is shown, in characters."""
MAX_SHOWN_CHARS_OF_ALL = 1_048_576
"""How much of all texts of one submission is shown, in characters; later ones are null."""


class TestExplanation(Answered):
    """What the program did in one test of `stdio` or `call`."""

    __test__ = False

    output: str | None = Field(
        default=None,
        description="beginning of what was compared: the output, or the returned value (as JSON where possible)",
    )
    stderr: str | None = Field(default=None, description="beginning of its standard error; null for `call`")
    wall_s: Annotated[float, Field(ge=0)] = Field(default=0.0, description="seconds on the clock")


class MathExplanation(Answered):
    """How answer and reference were read, and a point at which they differ, if one was found.

    The point is an illustration; other points decide.
    """

    answer: str | None = Field(default=None, description="the answer as it was read, in LaTeX; null if it is not math")
    reference: str | None = Field(
        default=None,
        description="the reference as it was read, in LaTeX: the equal one of several, else the first; null if it is "
        "not math",
    )
    point: dict[str, str] = Field(
        default_factory=dict, description="a value for each variable at which the two differ; empty without variables"
    )
    answer_value: str | None = Field(default=None, description="value of the answer at `point`")
    reference_value: str | None = Field(default=None, description="value of the reference at `point`")
