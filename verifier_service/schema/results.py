"""What a submission came to.

A score is null if and only if the verdict is `judge_error`: the types hold it, on both ends of the wire.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verifier_service.schema.base import Answered
from verifier_service.schema.explanations import MathExplanation, TestExplanation
from verifier_service.schema.verdicts import ExtractionRule, Verdict

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class MadeBy(Answered):
    """What made a result: the judge, and the sandbox's image where a program ran."""

    verifier: str = Field(description="the release, `+`, and a digest of its sources")
    image: str | None = Field(default=None, description="the image's id, or the runner that needs none")


class TestResult(Answered):
    """What one test of a code submission came to. `score` is the share that a special judge gave; 1 is accepted."""

    __test__ = False  # its name begins like a test class of pytest

    verdict: Verdict
    score: Score | None = Field(default=None, description="where it is neither 0 nor 1")
    id: str | None = Field(default=None, description="pytest's id of the test")
    guard: str | None = Field(
        default=None,
        description="for tests that share a process with the submission: `twins`, if copies that expect something else "
        "were seen to fail; `none`, if the test has nothing to change, so that it counts by its own word alone",
    )
    time_s: Seconds = Field(default=0.0, description="CPU seconds, of `assert` and `pytest` tests with the test's own")
    memory_mb: float = Field(default=0.0, description="peak MiB")
    message: str = ""


class _Judged(Answered):
    """What every result has. `kind` is that of the submission."""

    id: str | None
    verdict: Verdict
    score: Score | None = Field(description="null if and only if the verdict is judge_error")
    message: str = ""
    retryable: bool = Field(
        default=False, description="of a judge_error: the failure was ours, and the same submission may be sent again"
    )
    extracted: str | None = Field(default=None, description="the answer or the program in the completion")
    signals: list[str] = Field(
        default_factory=list, description="what the sandbox saw that may be worth a look; never a verdict by itself"
    )
    queue_s: Seconds = Field(default=0.0, description="seconds it waited for its turn")
    start_s: Seconds = Field(default=0.0, description="seconds its sandbox took to start, 0 for a warm one")
    run_s: Seconds = Field(default=0.0, description="seconds it ran, compiling included")
    judge_s: Seconds = Field(default=0.0, description="seconds that comparing its answers took")
    made_by: MadeBy | None = Field(default=None, description="null from services that did not say it yet")

    @model_validator(mode="after")
    def _score_is_null_for_judge_errors_only(self) -> Self:
        if (self.score is None) is not (self.verdict is Verdict.JUDGE_ERROR):
            raise ValueError(f"score {self.score} does not go with the verdict {self.verdict.value}")
        return self

    @classmethod
    def judge_error(cls, submission_id: str | None, reason: str) -> Self:
        """Return the result of what could not be judged, which says nothing about the submission."""
        return cls(id=submission_id, verdict=Verdict.JUDGE_ERROR, score=None, message=reason)

    @classmethod
    def no_answer(cls, submission_id: str | None, reason: str) -> Self:
        """Return the result of a completion that holds nothing to judge."""
        return cls(id=submission_id, verdict=Verdict.NO_ANSWER, score=0.0, message=reason)

    @property
    def word(self) -> str:
        """What it came to, in one word."""
        return self.verdict.value


class MathResult(_Judged):
    """What a math submission came to."""

    kind: Literal["math"] = "math"
    extracted_by: ExtractionRule | None = None
    explanation: MathExplanation | None = Field(default=None, description="null unless `explain` asked for it")


class CodeResult(_Judged):
    """What a code submission came to. `score` is the weighted share of the tests that passed."""

    kind: Literal["code"] = "code"
    passed: int = 0
    total: int = 0
    tests: list[TestResult] = Field(default_factory=list)
    explanation: list[TestExplanation] | None = Field(
        default=None,
        description="one for each of `tests`, of `stdio` and `call`; null unless `explain` asked for it",
    )


class UnreadResult(_Judged):
    """What a submission came to of which not even the kind could be read: always `judge_error`."""

    kind: Literal["unknown"] = "unknown"


Result = Annotated[MathResult | CodeResult | UnreadResult, Field(discriminator="kind")]


class VerifyResponse(Answered):
    """One result for each submission, in the order of the request."""

    results: list[Result]
