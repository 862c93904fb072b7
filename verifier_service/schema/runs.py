"""`POST /v1/run`: run a program and report what happened, without judging it."""

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from verifier_service.schema.base import Answered, Asked, Worded
from verifier_service.schema.limits import Limits
from verifier_service.schema.patterns import ARGUMENT
from verifier_service.schema.requests import AN_ID, Deadline, FilePath, LanguageName, Source, SubmissionId, Text
from verifier_service.schema.results import MadeBy, Seconds


def _from_base64(text: object) -> object:
    """Read base64 strictly: anything else is an error, never a file with other content."""
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
"""At four bytes each they still fit into what the kernel accepts as the arguments of a program."""
Argument = Annotated[str, StringConstraints(max_length=10_000, pattern=ARGUMENT)]


class Run(Asked):
    """One program with its input."""

    kind: Literal["run"] = Field(default="run", description="optional")
    id: SubmissionId | None = Field(default=None, description=AN_ID)
    language: LanguageName = Field(
        default="python", description="a language that `GET /v1/info` lists, by its name or an alias, in any case"
    )
    source: Source = Field(description="the program, exactly as it is to run")
    stdin: Text = Field(default="", description="the program's standard input")
    files: dict[FilePath, FileContent] = Field(
        default_factory=dict, max_length=1000, description="files next to the program: path to content in base64"
    )
    argv: list[Argument] = Field(
        default_factory=list,
        max_length=1000,
        description=f"the program's arguments, together at most {MAX_ARGUMENT_CHARS:,} characters",
    )
    fetch_files: list[FilePath] = Field(
        default_factory=list,
        max_length=1000,
        description="files to return when the program has ended, if they exist, are plain files, and fit into the "
        "output limit together with the output",
    )
    limits: Limits = Field(default=Limits(), description="how much the program can use")

    @model_validator(mode="after")
    def _arguments_fit(self) -> Self:
        size = sum(len(argument) for argument in self.argv)
        if size > MAX_ARGUMENT_CHARS:
            raise ValueError(f"argv has {size} characters; the maximum is {MAX_ARGUMENT_CHARS}")
        return self


class RunRequest(Asked):
    """A batch of runs. Results come in the same order."""

    runs: list[Run] = Field(min_length=1, description="what to run; at most `VERIFIER_MAX_BATCH` (4096 by default)")
    deadline_s: Deadline | None = Field(
        default=None,
        description="seconds from arrival after which what has not run ends as `judge_error`; "
        "`VERIFIER_DEFAULT_DEADLINE_S` (600 by default) when omitted",
    )


class RunEnd(Worded):
    """How a run ended."""

    EXITED = "exited", "The program ended by itself; see `exit_code`."
    SIGNALED = "signaled", "A signal that the service did not send ended it; see `signal`."
    NOT_COMPILED = "not_compiled", "The compiler failed, or hit a limit; see `compile`."
    TIME_LIMIT = "time_limit", "It used more CPU time than `time_limit_s`."
    WALL_LIMIT = "wall_limit", "It took longer than `wall_limit_s`."
    MEMORY_LIMIT = "memory_limit", "It asked for more memory than `memory_limit_mb`."
    OUTPUT_LIMIT = "output_limit", "It wrote more than `output_limit_kb`; the beginning is returned, and no files."
    JUDGE_ERROR = "judge_error", "The service failed, or the request cannot be carried out; see `error`."


class CompileResult(Answered):
    """What the compiler did."""

    end: RunEnd = Field(description="how it ended")
    exit_code: int | None = Field(description="its exit code; null unless it ended by itself")
    signal: int | None = Field(description="the signal that ended it; null unless one did")
    stdout: str = Field(description="its whole standard output")
    stderr: str = Field(description="its whole standard error")
    time_s: Seconds = Field(description="CPU seconds")
    wall_s: Seconds = Field(description="seconds on the clock")
    memory_mb: float = Field(description="peak memory in MiB")
    cached: bool = Field(
        default=False, description="an earlier compilation of the same program was used (`VERIFIER_COMPILE_CACHE_MB`)"
    )


class RunResult(Answered):
    """What happened when a program ran.

    With `judge_error`, what the program did is null; with `not_compiled`, only `compile` says something. In texts, each
    byte that is not UTF-8 is shown as `\\xNN`.
    """

    id: str | None = Field(description="the `id` of the run")
    end: RunEnd = Field(description="how it ended")
    exit_code: int | None = Field(default=None, description="its exit code; null unless it ended by itself")
    signal: int | None = Field(
        default=None, description="the signal that ended it; null unless one did that the service did not send"
    )
    stdout: str | None = Field(default=None, description="its standard output")
    stderr: str | None = Field(default=None, description="its standard error")
    time_s: Seconds | None = Field(default=None, description="CPU seconds")
    wall_s: Seconds | None = Field(default=None, description="seconds on the clock")
    memory_mb: float | None = Field(default=None, description="peak memory in MiB")
    compile: CompileResult | None = Field(
        default=None, description="what the compiler did; null for languages that are not compiled"
    )
    files: dict[str, str] | None = Field(
        default=None, description="the files of `fetch_files` that exist: path to content in base64"
    )
    signals: list[str] = Field(
        default_factory=list, description="what the sandbox saw that is worth a look; not an error by itself"
    )
    retryable: bool = Field(
        default=False,
        description="for a `judge_error`: the failure was the service's, so the same run can be sent again",
    )
    queue_s: Seconds = Field(default=0.0, description="seconds that it waited for its turn")
    start_s: Seconds = Field(default=0.0, description="seconds that its box took to start; 0 for a warm one")
    made_by: MadeBy | None = Field(
        default=None, description="which service and which image made the result; null from services of old versions"
    )
    error: str | None = Field(
        default=None, description="why there is no result; set if and only if `end` is `judge_error`"
    )

    @model_validator(mode="after")
    def _error_is_set_for_judge_errors_only(self) -> Self:
        if (self.error is None) is (self.end is RunEnd.JUDGE_ERROR):
            raise ValueError(f"error {self.error!r} does not go with the end {self.end.value}")
        return self

    @classmethod
    def judge_error(cls, run_id: str | None, reason: str) -> Self:
        """Return the result of a run that could not be carried out."""
        return cls(id=run_id, end=RunEnd.JUDGE_ERROR, error=reason)

    @property
    def kind(self) -> str:
        """The kind of item that this is a result of."""
        return "run"

    @property
    def word(self) -> str:
        """How it ended, in one word."""
        return self.end.value


class RunResponse(Answered):
    """One result per run, in the order of the request."""

    results: list[RunResult] = Field(description="the results")
