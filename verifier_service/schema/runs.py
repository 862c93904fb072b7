"""`POST /v1/run`: run a program and tell what happened, without judging it."""

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from verifier_service.schema.base import Answered, Asked
from verifier_service.schema.limits import Limits
from verifier_service.schema.requests import Deadline, FilePath, LanguageName, Source, SubmissionId, Text
from verifier_service.schema.results import MadeBy, Seconds


def _from_base64(text: object) -> object:
    """Read base64 strictly: what is not it is an error, and not a file with other content."""
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"it must be base64: {error}") from error


FileContent = Annotated[
    bytes, BeforeValidator(_from_base64), WithJsonSchema({"type": "string", "contentEncoding": "base64"})
]
MAX_ARGUMENT_CHARS = 500_000
"""In four bytes each they are still below what the kernel takes as the arguments of a program."""
Argument = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]


class Run(Asked):
    """One program with its input."""

    kind: Literal["run"] = Field(default="run", description="may be left out")
    id: SubmissionId | None = None
    language: LanguageName = "python"
    source: Source
    stdin: Text = ""
    files: dict[FilePath, FileContent] = Field(
        default_factory=dict, max_length=1000, description="files beside the program: path to content in base64"
    )
    argv: list[Argument] = Field(default_factory=list, max_length=1000)
    fetch_files: list[FilePath] = Field(
        default_factory=list, max_length=1000, description="paths to return when the program has ended"
    )
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _arguments_fit(self) -> Self:
        size = sum(len(argument) for argument in self.argv)
        if size > MAX_ARGUMENT_CHARS:
            raise ValueError(f"argv has {size} characters, and at most {MAX_ARGUMENT_CHARS} are allowed")
        return self


class RunRequest(Asked):
    """A batch of runs. The results come in the same order."""

    runs: list[Run] = Field(min_length=1)
    deadline_s: Deadline | None = Field(
        default=None, description="seconds from arrival; what has not run by then ends as judge_error"
    )


class RunEnd(StrEnum):
    """How a run ended."""

    EXITED = "exited"
    SIGNALED = "signaled"
    NOT_COMPILED = "not_compiled"
    TIME_LIMIT = "time_limit"
    WALL_LIMIT = "wall_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    JUDGE_ERROR = "judge_error"


class CompileResult(Answered):
    """What the compiler did; `cached` tells that an earlier compile of the same program was used."""

    end: RunEnd
    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    time_s: Seconds
    wall_s: Seconds
    memory_mb: float
    cached: bool = False


class RunResult(Answered):
    """What happened. With `judge_error` (ours: `error` says why) all else is null; with `not_compiled` what would run.

    Text that is not UTF-8 comes with `\\xNN` for each byte that is not.
    """

    id: str | None
    end: RunEnd
    exit_code: int | None = Field(default=None, description="set if it ended by itself")
    signal: int | None = Field(default=None, description="set if a signal ended it that we did not send")
    stdout: str | None = None
    stderr: str | None = None
    time_s: Seconds | None = Field(default=None, description="CPU seconds")
    wall_s: Seconds | None = Field(default=None, description="seconds on the clock")
    memory_mb: float | None = Field(default=None, description="peak MiB")
    compile: CompileResult | None = None
    files: dict[str, str] | None = Field(default=None, description="the fetched files that exist, in base64")
    signals: list[str] = Field(default_factory=list)
    retryable: bool = Field(
        default=False, description="of a judge_error: the failure was ours, and the same run may be sent again"
    )
    queue_s: Seconds = 0.0
    start_s: Seconds = 0.0
    made_by: MadeBy | None = Field(default=None, description="null from services that did not say it yet")
    error: str | None = None

    @model_validator(mode="after")
    def _error_is_set_for_judge_errors_only(self) -> Self:
        if (self.error is None) is (self.end is RunEnd.JUDGE_ERROR):
            raise ValueError(f"error {self.error!r} does not go with the end {self.end.value}")
        return self

    @classmethod
    def judge_error(cls, run_id: str | None, reason: str) -> Self:
        """Return the result of a run of which nothing may be concluded."""
        return cls(id=run_id, end=RunEnd.JUDGE_ERROR, error=reason)

    @property
    def kind(self) -> str:
        """What this is a result of."""
        return "run"

    @property
    def word(self) -> str:
        """What it came to, in one word."""
        return self.end.value


class RunResponse(Answered):
    """One result for each run, in the order of the request."""

    results: list[RunResult]
