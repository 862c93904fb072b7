"""Results of submissions.

A score is null if and only if the verdict is `judge_error`: the types enforce it, on both ends of the wire.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verifier_service.schema.base import Answered
from verifier_service.schema.explanations import MathExplanation, TestExplanation
from verifier_service.schema.verdicts import ExtractionRule, Verdict

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class MadeBy(Answered):
    """What produced a result: the judge's version, and the sandbox image if a program ran."""

    verifier: str = Field(description="the service's release, `+`, and a digest of its sources")
    image: str | None = Field(
        default=None, description="id of the sandbox image, or the name of a runner without images; null if nothing ran"
    )


class TestResult(Answered):
    """The result of one test of a code submission."""

    __test__ = False  # pytest would collect the class because of its name

    verdict: Verdict = Field(description="the verdict of this test")
    score: Score | None = Field(
        default=None, description="the share that a special judge gave, if it is neither 0 nor 1; else null"
    )
    id: str | None = Field(default=None, description="pytest's id of the test; null for other kinds of tests")
    guard: str | None = Field(
        default=None,
        description="what protects a test that shares a process with the submission: `twins` (copies that expect "
        "something else failed, as they must) or `none` (a submission can forge it); null for separate processes",
    )
    time_s: Seconds = Field(
        default=0.0, description="CPU seconds; for `assert` and `pytest` tests, those of the test code included"
    )
    memory_mb: float = Field(default=0.0, description="peak memory in MiB")
    message: str = Field(default="", description="why it failed, for people")


class JudgedResult(Answered):
    """What every result has."""

    id: str | None = Field(description="the `id` of the submission")
    verdict: Verdict = Field(description="what was concluded")
    score: Score | None = Field(description="the number for a reward; null if and only if the verdict is `judge_error`")
    message: str = Field(default="", description="why, in a sentence for people")
    retryable: bool = Field(
        default=False,
        description="for a `judge_error`: the failure was the service's, so the same submission can be sent again",
    )
    extracted: str | None = Field(
        default=None, description="the answer or the program that was found in the completion; null if there is none"
    )
    signals: list[str] = Field(
        default_factory=list, description="what the sandbox saw that is worth a look; never a verdict by itself"
    )
    queue_s: Seconds = Field(default=0.0, description="seconds that it waited for its turn")
    start_s: Seconds = Field(default=0.0, description="seconds that its box took to start; 0 for a warm one")
    run_s: Seconds = Field(default=0.0, description="seconds that it ran, compiling included")
    judge_s: Seconds = Field(default=0.0, description="seconds that comparing its answers took")
    made_by: MadeBy | None = Field(
        default=None, description="which judge and which image made the result; null from services of old versions"
    )

    @model_validator(mode="after")
    def _score_is_null_for_judge_errors_only(self) -> Self:
        if (self.score is None) is not (self.verdict is Verdict.JUDGE_ERROR):
            raise ValueError(f"score {self.score} does not go with the verdict {self.verdict.value}")
        return self

    @classmethod
    def judge_error(cls, submission_id: str | None, reason: str) -> Self:
        """Return the result of a submission that could not be judged; it says nothing about the completion."""
        return cls(id=submission_id, verdict=Verdict.JUDGE_ERROR, score=None, message=reason)

    @classmethod
    def no_answer(cls, submission_id: str | None, reason: str) -> Self:
        """Return the result of a completion that has nothing to judge."""
        return cls(id=submission_id, verdict=Verdict.NO_ANSWER, score=0.0, message=reason)

    @property
    def word(self) -> str:
        """The verdict, in one word."""
        return self.verdict.value


class MathResult(JudgedResult):
    """The result of a math submission."""

    kind: Literal["math"] = "math"
    extracted_by: ExtractionRule | None = Field(
        default=None, description="the rule that found the answer; null if there is none"
    )
    explanation: MathExplanation | None = Field(
        default=None, description="how answer and reference were read; null unless the submission has `explain`"
    )


class CodeResult(JudgedResult):
    """The result of a code submission. `score` is the weighted share of the tests that passed."""

    kind: Literal["code"] = "code"
    passed: int = Field(default=0, description="tests that passed")
    total: int = Field(default=0, description="tests that there are, whether they ran or not")
    tests: list[TestResult] = Field(default_factory=list, description="one entry for each test that ran")
    explanation: list[TestExplanation] | None = Field(
        default=None,
        description="one entry for each of `tests`, for `stdio` and `call`; null unless the submission has `explain`",
    )


class UnreadResult(JudgedResult):
    """The result of a submission whose kind could not be read: always a `judge_error`."""

    kind: Literal["unknown"] = "unknown"


Result = Annotated[MathResult | CodeResult | UnreadResult, Field(discriminator="kind")]


class VerifyResponse(Answered):
    """One result per submission, in the order of the request."""

    results: list[Result] = Field(description="the results")
