"""The wire types of REST v1: what is sent, what comes back, and the words for verdicts.

Pydantic only. This is the one module of the service that the trainer imports. Every type is frozen and refuses
unknown fields, so that a misspelt limit is an error and not a limit that was never applied.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_COMPLETION_CHARS = 1_000_000
MAX_SOURCE_CHARS = 1_000_000
MAX_CASES = 10_000


class Verdict(StrEnum):
    """What was concluded of one submission, or of one test."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    NO_ANSWER = "no_answer"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded"
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded"
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded"
    JUDGE_ERROR = "judge_error"

    @property
    def meaning(self) -> str:
        """One sentence that a person can read."""
        return _MEANINGS[self]


_MEANINGS = {
    Verdict.ACCEPTED: "Every test passed, or the answer equals the reference.",
    Verdict.WRONG_ANSWER: "The program ran or the answer was read, and it is not what was asked for.",
    Verdict.NO_ANSWER: "The completion holds no answer, or no code, that could be judged.",
    Verdict.COMPILE_ERROR: "The program could not be compiled.",
    Verdict.RUNTIME_ERROR: "The program ended with an error, ended too early, or broke the sandbox twice.",
    Verdict.TIME_LIMIT_EXCEEDED: "The program used more CPU time, or waited longer, than allowed.",
    Verdict.MEMORY_LIMIT_EXCEEDED: "The program asked for more memory than allowed.",
    Verdict.OUTPUT_LIMIT_EXCEEDED: "The program wrote more than allowed.",
    Verdict.JUDGE_ERROR: "We failed; nothing may be concluded. The score is null.",
}


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


Completion = Annotated[str, StringConstraints(max_length=MAX_COMPLETION_CHARS)]
Source = Annotated[str, StringConstraints(max_length=MAX_SOURCE_CHARS)]
Weight = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
EntryPoint = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)?$", max_length=200)]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w*$", max_length=100)]
FileName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]+(/[A-Za-z0-9_\-]+){0,5}\.[a-z]{1,8}$", max_length=200)
]


class Limits(_Wire):
    """What one test may use. A field that is left out takes the service's default; `GET /v1/info` tells both."""

    time_limit_s: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="CPU seconds for one test")
    wall_limit_s: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="seconds on the clock for one test: a net above the CPU time",
    )
    memory_limit_mb: int | None = Field(default=None, gt=0, description="MiB of memory")
    output_limit_kb: int | None = Field(
        default=None, gt=0, description="KiB of stdout and stderr, or of a returned value"
    )
    max_processes: int | None = Field(default=None, gt=0, description="processes and threads alive at once")


class StdioCase(_Wire):
    """One run of the program: what it reads, and what it should write."""

    stdin: str = ""
    stdout: str
    weight: Weight = 1.0


class SpecialJudge(_Wire):
    """A program that judges one output; it runs in a box of its own.

    Python: a function `check(stdin, expected, actual)` that returns a bool or a score from 0 to 1. Any language: a
    program that gets the paths of three files (stdin, expected, actual) as arguments and ends with 0 for accepted and
    1 for wrong; any other end is a `judge_error`.
    """

    language: Literal["python", "cpp"]
    code: Source


class StdioTests(_Wire):
    """Run the program once for each case and compare what it writes."""

    kind: Literal["stdio"]
    cases: list[StdioCase] = Field(min_length=1, max_length=MAX_CASES)
    checker: Literal["tokens", "exact", "float", "unordered_lines"] | SpecialJudge = "tokens"
    abs_tol: float = Field(default=1e-6, ge=0, allow_inf_nan=False, description="for the checker `float`")
    rel_tol: float = Field(default=1e-6, ge=0, allow_inf_nan=False, description="for the checker `float`")
    stop_on_failure: bool = False


class CallCase(_Wire):
    """One call of the entry point: what it is given, and what it should return."""

    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any
    weight: Weight = 1.0


class CallTests(_Wire):
    """Call a function (`f`) or a method of a fresh instance (`Class.method`) and compare what it returns."""

    kind: Literal["call"]
    entry_point: EntryPoint
    cases: list[CallCase] = Field(min_length=1, max_length=MAX_CASES)
    checker: Literal["equal", "float", "unordered"] = "equal"
    abs_tol: float = Field(default=1e-6, ge=0, allow_inf_nan=False, description="for the checker `float`")
    rel_tol: float = Field(default=1e-6, ge=0, allow_inf_nan=False, description="for the checker `float`")
    stop_on_failure: bool = False


class AssertTests(_Wire):
    """`assert` statements that use the submission's names, or a `check(candidate)` function with `entry_point`."""

    kind: Literal["assert"]
    code: Source
    entry_point: EntryPoint | None = None


class PytestTests(_Wire):
    """Test files for pytest, which import the submission under the name in `module`."""

    kind: Literal["pytest"]
    files: dict[FileName, Source] = Field(min_length=1, max_length=100)
    module: ModuleName = "solution"


Tests = Annotated[StdioTests | CallTests | AssertTests | PytestTests, Field(discriminator="kind")]
SuiteName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
SubmissionId = Annotated[str, StringConstraints(max_length=200)]


class ExtractionRule(StrEnum):
    """Where in a completion the answer was found; the order is the order of trust."""

    BOXED = "boxed"
    TAG = "tag"
    HASHES = "hashes"
    PHRASE = "phrase"
    LAST_LINE = "last_line"
    LAST_NUMBER = "last_number"


class MathSubmission(_Wire):
    """A completion whose final answer should equal the reference."""

    kind: Literal["math"]
    id: SubmissionId | None = None
    completion: Completion
    reference: Completion = Field(description="a bare value, or a text that holds the answer like a completion does")
    extract: list[ExtractionRule] | None = Field(
        default=None, min_length=1, description="the rules that may be used; all if left out"
    )


class CodeSubmission(_Wire):
    """A completion whose code should pass the tests."""

    kind: Literal["code"]
    id: SubmissionId | None = None
    language: str = Field(default="python", max_length=50)
    completion: Completion
    tests: Tests | SuiteName = Field(description="the tests, or the name of a suite of this request")
    limits: Limits = Limits()


Submission = Annotated[MathSubmission | CodeSubmission, Field(discriminator="kind")]


class VerifyRequest(_Wire):
    """A batch of submissions. The results come in the same order."""

    submissions: list[Submission] = Field(min_length=1)
    suites: dict[SuiteName, Tests] = Field(default_factory=dict, description="tests that several submissions share")
    deadline_s: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="seconds from arrival; what is not judged by then is a judge_error",
    )


class TestResult(_Wire):
    """What one test of a code submission came to."""

    __test__ = False  # its name begins like a test class of pytest

    verdict: Verdict
    id: str | None = Field(default=None, description="pytest's id of the test")
    time_s: float = Field(default=0.0, description="CPU seconds")
    memory_mb: float = Field(default=0.0, description="peak MiB")
    message: str = ""


class MathResult(_Wire):
    """What a math submission came to."""

    id: str | None
    kind: Literal["math"] = "math"
    verdict: Verdict
    score: float | None
    extracted: str | None = None
    extracted_by: ExtractionRule | None = None
    message: str = ""


class CodeResult(_Wire):
    """What a code submission came to. `score` is the weighted share of the tests that passed."""

    id: str | None
    kind: Literal["code"] = "code"
    verdict: Verdict
    score: float | None
    passed: int = 0
    total: int = 0
    extracted: str | None = None
    message: str = ""
    tests: list[TestResult] = Field(default_factory=list)


Result = Annotated[MathResult | CodeResult, Field(discriminator="kind")]


class VerifyResponse(_Wire):
    """One result for each submission, in the order of the request."""

    results: list[Result]


class Problem(_Wire):
    """`application/problem+json` (RFC 9457); `errors` names each field, the value given and what is allowed."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = Field(default_factory=list)
