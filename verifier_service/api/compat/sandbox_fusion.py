"""SandboxFusion: `POST /run_code`, `POST /submit` with rows in the request, `GET /v1/ping`. Programs are run.

verl scores a 503 as a wrong answer, and retries only after a 504; it waits `compile_timeout + run_timeout + 10`
seconds. So a full queue is waited for. One second before verl's timeout the answer is 504, and so it is for all our own
failures. `SandboxError` is never used, because verl treats it as a wrong answer too.
"""

import asyncio
import base64
from dataclasses import replace
from typing import Literal, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from verifier_service.api import openapi
from verifier_service.api.access import service_of
from verifier_service.api.compat.asking import (
    Foreign,
    Listed,
    Told,
    answered,
    ask,
    ask_one,
    each,
    read,
    read_value,
    runs,
    settings_of,
)
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.refusals import Detail, Refusal, Refused, described, failed, in_details, unhonoured
from verifier_service.api.compat.running import (
    BIG_OUTPUT_CHARS,
    Asked,
    exit_code,
    limits_of,
    share_kb,
    text_of,
    timed_out,
    why_ended,
)
from verifier_service.errors import NotJson
from verifier_service.extract.code import extract_code
from verifier_service.schema import CompileResult, RunEnd, RunResult
from verifier_service.settings import Settings

LEFT_TO_CALLER_S = 9.0
MAX_FILES = 1000
LONG_COMPLETION_CHARS = 20_000

LANGUAGES = {
    "python": "python",
    "pytest": "python",
    "cpp": "cpp",
    "nodejs": "javascript",
    "go": "go",
    "java": "java",
    "bash": "bash",
    "rust": "rust",
}
"""Maps SandboxFusion's names of the supported languages to ours."""
COMPILED = frozenset({"cpp", "go", "java", "rust"})
SLOW_TO_START_S = {"cpp": 10.0, "go": 10.0, "java": 10.0}
RUN_TIMEOUT_S = 20.0
PYTEST_FILE = "test_submission.py"
PYTEST = f"import sys, pytest\nsys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '{PYTEST_FILE}']))\n"

LanguageName = Literal[
    "python", "cpp", "nodejs", "go", "go_test", "java", "php", "csharp", "bash", "typescript", "sql", "rust", "cuda",
    "lua", "R", "perl", "D_ut", "ruby", "scala", "julia", "pytest", "junit", "kotlin_script", "jest", "verilog",
    "python_gpu", "lean", "swift", "racket",
]  # fmt: skip


def _as_504(refusal: Refusal) -> Response:
    """Write a refusal; 429 and 503 become 504, because verl retries nothing else."""
    return in_details(replace(refusal, status=504) if refusal.status in (429, 503) else refusal)


router: APIRouter = router_of("SandboxFusion", _as_504)


class SandboxFusionRun(Foreign):
    """A program to run. Times are in seconds."""

    code: str
    language: LanguageName
    compile_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    run_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    memory_limit_MB: int = Field(default=-1, description="-1: the maximum allowed here")
    stdin: str | None = None
    files: dict[str, str | None] = Field(
        default_factory=dict, max_length=MAX_FILES, description="maps paths to contents in base64"
    )
    fetch_files: Listed[str] = Field(default_factory=list)


class SandboxFusionCommand(BaseModel):
    """How a compiler or a program ended."""

    status: Literal["Finished", "Error", "TimeLimitExceeded"]
    execution_time: float | None = None
    return_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it exited with status 0."""
        return self.status == "Finished" and self.return_code == 0


class SandboxFusionRan(BaseModel):
    """How a program ended."""

    status: Literal["Success", "Failed", "SandboxError"]
    message: str = ""
    compile_result: SandboxFusionCommand | None = None
    run_result: SandboxFusionCommand | None = None
    executor_pod_name: str | None = None
    files: dict[str, str] = Field(default_factory=dict)


class SandboxFusionInput(Foreign):
    """A program's input in a test."""

    stdin: str = ""


class SandboxFusionOutput(Foreign):
    """A program's expected output in a test."""

    stdout: str


class SandboxFusionCase(Foreign):
    """One test of a row."""

    input: SandboxFusionInput
    output: SandboxFusionOutput


class SandboxFusionExtra(Foreign):
    """Additional configuration."""

    run_all_cases: bool = False


class SandboxFusionConfig(Foreign):
    """How to judge a row. Times are in seconds."""

    dataset_type: str | None = None
    language: str | None = None
    compile_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    run_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    custom_extract_logic: str | None = None
    provided_data: dict[str, object] | list[object] | None = None
    extra: SandboxFusionExtra = SandboxFusionExtra()


class SandboxFusionSubmission(Foreign):
    """A completion, with its row of the data set in `config.provided_data`."""

    dataset: str
    id: int | str
    completion: str
    config: SandboxFusionConfig


class SandboxFusionTest(BaseModel):
    """The result of a test."""

    passed: bool
    exec_info: SandboxFusionRan
    test_info: dict[str, object] | None = None


class SandboxFusionJudged(BaseModel):
    """The result of a completion."""

    id: int | str
    accepted: bool
    extracted_code: str
    full_code: str | None = None
    test_code: str | None = None
    tests: list[SandboxFusionTest]
    extracted_type: Literal["fenced", "incomplete_fenced", "heuristic", "empty"] | None = None
    extra: dict[str, object] | None = None


@router.get("/v1/ping", responses=described(Detail, 401, 504))
async def ping() -> Literal["pong"]:
    """Return `pong`."""
    return "pong"


@router.post(
    "/run_code",
    response_model=SandboxFusionRan,
    responses=described(Detail, 400, 401, 413, 422, 504),
    openapi_extra=openapi.body(SandboxFusionRun),
)
async def run_code(request: Request) -> Response:
    """Run a program without judging it, and return what it did."""
    asked = await read(request, SandboxFusionRun)
    (item,) = await runs([_run(asked, settings_of(request))])
    deadline_s = asked.compile_timeout + asked.run_timeout + LEFT_TO_CALLER_S
    return answered(_ran(asked, await ask_one(request, item, deadline_s)))


def _run(asked: SandboxFusionRun, settings: Settings) -> dict[str, object]:
    """Convert a request to a run of ours.

    Raises:
        Refused: a field asks for something not supported here.
    """
    if asked.language not in LANGUAGES:
        raise unhonoured("language", asked.language, f"it must be one of {', '.join(LANGUAGES)}")
    if asked.language in COMPILED and asked.compile_timeout > settings.compile_time_limit_s:
        allowed = f"it must be at most {settings.compile_time_limit_s:g} s (VERIFIER_COMPILE_TIME_LIMIT_S)"
        raise unhonoured("compile_timeout", asked.compile_timeout, allowed)
    memory = None
    if asked.memory_limit_MB > 0:
        memory = Asked("memory_limit_MB", asked.memory_limit_MB, asked.memory_limit_MB)
    source, files = text_of(asked.code), {name: one for name, one in asked.files.items() if one is not None}
    if asked.language == "pytest":
        source, files = PYTEST, {**files, PYTEST_FILE: base64.b64encode(source.encode()).decode()}
    return {
        "language": LANGUAGES[asked.language],
        "source": source,
        "stdin": text_of(asked.stdin or ""),
        "files": files,
        "fetch_files": asked.fetch_files,
        "limits": limits_of(settings, Asked("run_timeout", asked.run_timeout, asked.run_timeout), memory),
    }


def _ran(asked: SandboxFusionRun, told: Told) -> SandboxFusionRan:
    if told.error is not None:
        raise failed(told.error, asked=400)
    result = cast(RunResult, told.result)
    compiled = None
    if asked.language in COMPILED and result.compile is not None:
        compiled = _compiled(result.compile, asked.compile_timeout)
    if compiled is not None and not compiled.succeeded:
        return SandboxFusionRan(status="Failed", compile_result=compiled)
    ran = _of_program(result)
    status = "Success" if ran.succeeded else "Failed"
    return SandboxFusionRan(status=status, compile_result=compiled, run_result=ran, files=result.files or {})


def _compiled(result: CompileResult, limit_s: float) -> SandboxFusionCommand:
    """Return how the compiler ended. Our own limit applies while it runs; theirs, which is lower, is checked here."""
    if timed_out(result.end) or result.time_s > limit_s:
        return _command(None, result.wall_s, result.stdout, result.stderr)
    return _command(exit_code(result), result.wall_s, result.stdout, result.stderr)


def _of_program(result: RunResult) -> SandboxFusionCommand:
    if (
        result.end is RunEnd.NOT_COMPILED and result.compile is not None
    ):  # e.g. a syntax error that the interpreter found
        said = result.compile
        return _command(said.exit_code or 1, said.wall_s, said.stdout, said.stderr)
    stderr = (result.stderr or "") + why_ended(result)
    code = None if timed_out(result.end) else exit_code(result)
    return _command(code, result.wall_s, result.stdout or "", stderr)


def _command(code: int | None, seconds: float | None, stdout: str, stderr: str) -> SandboxFusionCommand:
    return SandboxFusionCommand(
        status="TimeLimitExceeded" if code is None else "Finished",
        execution_time=seconds,
        return_code=code,
        stdout=stdout,
        stderr=stderr,
    )


@router.post(
    "/submit",
    response_model=SandboxFusionJudged,
    responses=described(Detail, 400, 401, 413, 422, 504),
    openapi_extra=openapi.body(SandboxFusionSubmission),
)
async def submit(request: Request) -> Response:
    """Judge a completion with the row in the request: tests of standard input and output (`CommonOJDataset`)."""
    sent = await read(request, SandboxFusionSubmission)
    language, cases = await _row(sent.config)
    program = await _program(request, sent.completion, language)
    tests = await _tests(request, sent.config, language, program, cases)
    accepted = all(one.passed for one in tests)
    return answered(SandboxFusionJudged(id=sent.id, accepted=accepted, extracted_code=program.rstrip(), tests=tests))


async def _row(config: SandboxFusionConfig) -> tuple[LanguageName, list[dict[str, object]]]:
    """Return the language and the tests of a row.

    Raises:
        Refused: it asks for something not supported here.
    """
    if config.dataset_type != "CommonOJDataset":
        raise unhonoured(
            "config.dataset_type", config.dataset_type, "it must be CommonOJDataset, the only type supported here"
        )
    if config.language is None:
        raise Refused(Refusal(400, "config.language field must exist for CommonOJDataset, got None"))
    if config.language not in LANGUAGES or config.language == "pytest":
        names = ", ".join(name for name in LANGUAGES if name != "pytest")
        raise unhonoured("config.language", config.language, f"it must be one of {names}")
    if config.custom_extract_logic is not None:
        raise unhonoured(
            "config.custom_extract_logic",
            config.custom_extract_logic,
            "it is not supported: the service does not run callers' code outside the sandbox",
        )
    if not isinstance(config.provided_data, dict):
        raise unhonoured(
            "config.provided_data", config.provided_data, "it must contain the row: data sets are not stored here"
        )
    tests = config.provided_data.get("test")
    try:
        sent = await read_value(tests.encode("utf-8", "surrogatepass"), _TEST) if isinstance(tests, str) else tests
        listed = _LIST.validate_python(sent)
        await each(listed, _CASE)
    except (ValidationError, NotJson) as error:
        allowed = 'it must be a list, or the JSON of a list, of {"input": {"stdin"}, "output": {"stdout"}}'
        raise unhonoured(_TEST, tests, allowed) from error
    return cast(LanguageName, config.language), listed


_TEST = "config.provided_data.test"
_LIST: TypeAdapter[list[dict[str, object]]] = TypeAdapter(Listed[dict[str, object]])
_CASE: TypeAdapter[SandboxFusionCase] = TypeAdapter(SandboxFusionCase)


async def _program(request: Request, completion: str, language: str) -> str:
    known = service_of(request).languages.known[LANGUAGES[language]]
    if len(completion) > LONG_COMPLETION_CHARS:
        return await asyncio.to_thread(extract_code, completion, known) or ""
    return extract_code(completion, known) or ""


async def _tests(
    request: Request, config: SandboxFusionConfig, language: LanguageName, program: str, cases: list[dict[str, object]]
) -> list[SandboxFusionTest]:
    """Run the tests, two per box at a time, until the first failure unless `run_all_cases` is set."""
    settings = settings_of(request)
    found: list[SandboxFusionTest] = []
    asked = SandboxFusionRun(
        code=program,
        language=language,
        compile_timeout=config.compile_timeout or 10.0,
        run_timeout=config.run_timeout or SLOW_TO_START_S.get(language, RUN_TIMEOUT_S),
    )
    at_once = 2 * settings.boxes
    for start in range(0, len(cases), at_once):
        some = cases[start : start + at_once]
        read_cases = await each(some, _CASE)
        sent = [
            _with_share(_run(asked.model_copy(update={"stdin": one.input.stdin}), settings), len(cases), one)
            for one in read_cases
        ]
        for case, read_case, told in zip(some, read_cases, await ask(request, await runs(sent)), strict=True):
            ran = _ran(asked, told)
            passed = ran.status == "Success" and await _is_right(read_case.output.stdout, ran)
            found.append(SandboxFusionTest(passed=passed, exec_info=ran, test_info=case))
            if not passed and not config.extra.run_all_cases:
                return found
    return found


def _with_share(run: dict[str, object], cases: int, case: SandboxFusionCase) -> dict[str, object]:
    limits = cast(dict[str, int], run["limits"])
    share = share_kb(limits["output_limit_kb"], cases, case.output.stdout)
    return {**run, "limits": {**limits, "output_limit_kb": share}}


async def _is_right(expected: str, ran: SandboxFusionRan) -> bool:
    actual = (ran.run_result.stdout if ran.run_result is not None else None) or ""
    if max(len(expected), len(actual)) > BIG_OUTPUT_CHARS:
        return await asyncio.to_thread(_same, expected, actual)
    return _same(expected, actual)


def _same(expected: str, actual: str) -> bool:
    """Compare line by line, ignoring case and surrounding white space; compare numeric lines by value."""
    wanted, got = expected.strip().split("\n"), actual.strip().split("\n")
    return len(wanted) == len(got) and all(map(_same_line, wanted, got))


def _same_line(expected: str, actual: str) -> bool:
    wanted, got = expected.strip().lower(), actual.strip().lower()
    if wanted == got:
        return True
    try:
        return abs(float(got) - float(wanted)) / max(abs(float(wanted)), 1e-10) < 1e-5
    except ValueError:
        return False


ENDPOINT = Endpoint(router, (SandboxFusionRun, SandboxFusionSubmission))
