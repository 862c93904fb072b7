"""Piston: `POST /api/v2/execute` and `GET /api/v2/runtimes`. Programs are run, not judged.

A job with a file `grader_config` is judged instead, like in open-r1's Piston runtimes for Codeforces: the tests are
files of the job, and the output is the score (`1` if it passed).
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals
from typing import Literal, cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from verifier_service.api import openapi
from verifier_service.api.access import service_of
from verifier_service.api.compat import versions
from verifier_service.api.compat.asking import Foreign, Listed, answered, ask_one, read, runs, settings_of, submissions
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.refusals import NOT_JSON, Refusal, Refused, described, failed
from verifier_service.api.compat.running import Asked, limits_of, text_of, timed_out
from verifier_service.languages import Language
from verifier_service.schema import CodeResult, CompileResult, RunEnd, RunResult, Verdict
from verifier_service.settings import Settings

MS = 1000
MIB = 1024 * 1024
GRADER = "grader_config"
CODEFORCES_PYTHON = "cf_python3"
_WORDS = {"language": "language is required as a string", "version": "version is required as a string"}
_NO_LIST = frozenset({"missing", "list_type", "too_short"})


class PistonError(BaseModel):
    """An error in Piston's format; `stack` is set if the body is not JSON."""

    message: str | None = None
    stack: str | None = None


def _in_message(refusal: Refusal) -> Response:
    if refusal.faults and refusal.faults[0].type == NOT_JSON:
        return JSONResponse({"stack": refusal.detail}, 400)
    status = 400 if refusal.status == 422 else refusal.status
    return JSONResponse({"message": _said(refusal)}, status, dict(refusal.headers))


def _said(refusal: Refusal) -> str:
    """Return Piston's own message for the errors that Piston itself reports, and ours for all others."""
    if not refusal.faults:
        return refusal.detail
    match refusal.faults[0].loc[1:]:
        case ["language" | "version" as name, *_]:
            return _WORDS[str(name)]
        case ["files", int(index), "content", *_]:
            return f"files[{index}].content is required as a string"
        case ["files"] if refusal.faults[0].type in _NO_LIST:
            return "files is required as an array"
        case _:
            return refusal.detail


router = router_of("Piston", _in_message)


class PistonFile(Foreign):
    """A file; the first one in UTF-8 is the program."""

    name: str | None = None
    content: str
    encoding: Literal["utf8", "base64", "hex"] = "utf8"


class PistonJob(Foreign):
    """A program to run. Times are in milliseconds, memory in bytes; -1 means no limit."""

    language: str
    version: str
    files: Listed[PistonFile] = Field(min_length=1)
    stdin: str = ""
    args: Listed[str] = Field(default_factory=list)
    run_timeout: float = 3000
    run_cpu_time: float | None = Field(default=None, description="default: `run_timeout`")
    run_memory_limit: int = -1
    compile_timeout: float = 10_000
    compile_cpu_time: float = 10_000
    compile_memory_limit: int = -1


class PistonStage(BaseModel):
    """How a compiler or a program ended. `output` is stdout followed by stderr."""

    stdout: str = ""
    stderr: str = ""
    output: str = ""
    code: int | None = None
    signal: str | None = None
    message: str | None = None
    status: Literal["RE", "SG", "TO", "OL", "EL", "XX"] | None = None
    cpu_time: int = 0
    wall_time: int = 0
    memory: int = 0


class PistonRan(BaseModel):
    """How a program ended."""

    language: str
    version: str
    run: PistonStage
    compile: PistonStage | None = None


class PistonRuntime(BaseModel):
    """A language that can be run."""

    language: str
    version: str
    aliases: list[str]


@dataclass(frozen=True)
class _Runtime:
    asked: str
    """The language's name in the request, which the answer repeats."""
    language: Language
    version: str


@router.get("/api/v2/runtimes", responses=described(PistonError, 401, 429))
async def runtimes(request: Request) -> list[PistonRuntime]:
    """List the languages that can be run here."""
    known = service_of(request).languages
    return [
        PistonRuntime(
            language=name,
            version=versions.number_of(version),
            aliases=[*known.known[name].aliases, *([CODEFORCES_PYTHON] if name == "python" else [])],
        )
        for name, version in known.versions.items()
    ]


@router.post(
    "/api/v2/execute",
    response_model=PistonRan,
    responses=described(PistonError, 400, 401, 413, 415, 429, 503),
    openapi_extra=openapi.body(PistonJob),
)
async def execute(request: Request) -> Response:
    """Run a program and return what it did."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(Refusal(415, "requests must be of type application/json"))
    job = await read(request, PistonJob)
    runtime = _runtime(request, job)
    main = next((one for one in job.files if one.encoding == "utf8"), None)
    if main is None:
        raise _refused("files must include at least one utf8 encoded file")
    _check(job, settings_of(request))
    others = [one for one in job.files if one is not main]
    if any(one.name == GRADER for one in others):
        return answered(await _graded(request, job, runtime, main.content, others))
    (item,) = await runs([_run(job, runtime, main, settings_of(request))])
    told = await ask_one(request, item)
    if told.error is not None:
        raise failed(told.error, asked=400)
    ran = _ran(runtime, cast(RunResult, told.result), job)
    return answered(ran, {"compile"} if ran.compile is None else None)


def _refused(message: str) -> Refused:
    return Refused(Refusal(400, message))


def _runtime(request: Request, job: PistonJob) -> _Runtime:
    known = service_of(request).languages
    language = known.find("python" if job.language == CODEFORCES_PYTHON else job.language)
    version = versions.number_of(known.versions.get(language.name, "")) if language is not None else ""
    if language is None or language.name not in known.versions or not versions.is_in(version, job.version):
        raise _refused(f"{text_of(job.language)[:100]}-{text_of(job.version)[:100]} runtime is unknown")
    return _Runtime(job.language, language, version)


def _check(job: PistonJob, settings: Settings) -> None:
    """Refuse limits that cannot be enforced here.

    Raises:
        Refused: the message names the limit and the allowed values.
    """
    most_ms = {
        "run_timeout": (settings.max_wall_limit_s - 1) * MS,
        "run_cpu_time": settings.max_time_limit_s * MS,
        "compile_timeout": settings.compile_time_limit_s * MS,
        "compile_cpu_time": settings.compile_time_limit_s * MS,
    }
    for name, most in most_ms.items():
        asked = getattr(job, name)
        if asked is not None and asked <= 0:
            raise _refused(f"{name} must be above 0")
        if asked is not None and asked > most:
            raise _refused(f"{name} cannot exceed the configured limit of {most:g}")
    if job.run_memory_limit > settings.max_memory_limit_mb * MIB:
        raise _refused(f"run_memory_limit cannot exceed the configured limit of {settings.max_memory_limit_mb * MIB}")
    if job.run_memory_limit != -1 and job.run_memory_limit < MIB:
        raise _refused(f"run_memory_limit must be -1 or at least {MIB}")
    if job.compile_memory_limit != -1:
        raise _refused("compile_memory_limit cannot be set here: it must be -1")


def _limits(job: PistonJob, settings: Settings) -> dict[str, object]:
    wall_s = job.run_timeout / MS
    cpu_s = min(job.run_cpu_time / MS if job.run_cpu_time is not None else wall_s, wall_s, settings.max_time_limit_s)
    memory = None
    if job.run_memory_limit != -1:
        memory = Asked("run_memory_limit", job.run_memory_limit / MIB, job.run_memory_limit)
    asked = limits_of(settings, Asked("run_cpu_time", cpu_s, cpu_s * MS), memory)
    return asked | {"wall_limit_s": wall_s + 1}


def _run(job: PistonJob, runtime: _Runtime, main: PistonFile, settings: Settings) -> dict[str, object]:
    return {
        "language": runtime.language.name,
        "source": text_of(main.content),
        "stdin": text_of(job.stdin if job.stdin.endswith("\n") or not job.stdin else job.stdin + "\n"),
        "argv": job.args,
        "files": {one.name or f"file{n}.code": _base64(one, n) for n, one in enumerate(job.files) if one is not main},
        "limits": _limits(job, settings),
    }


def _base64(file: PistonFile, number: int) -> str:
    if file.encoding == "base64":
        return file.content
    try:
        content = bytes.fromhex(file.content) if file.encoding == "hex" else text_of(file.content).encode()
    except ValueError as error:
        raise _refused(f"files[{number}].content is not hex: {error}") from error
    return base64.b64encode(content).decode()


def _ran(runtime: _Runtime, result: RunResult, job: PistonJob) -> PistonRan:
    compiled = None
    if result.compile is not None and runtime.language.compile:
        slow = min(job.compile_timeout, job.compile_cpu_time) < result.compile.time_s * MS
        compiled = _stage(result.compile, too_slow=slow)
    if compiled is not None and (compiled.status is not None or result.end is RunEnd.NOT_COMPILED):
        run = compiled
    elif result.end is RunEnd.NOT_COMPILED and result.compile is not None:
        run = _stage(result.compile)
    else:
        run = _stage(result)
    return PistonRan(language=runtime.language.name, version=runtime.version, run=run, compile=compiled)


def _stage(result: RunResult | CompileResult, *, too_slow: bool = False) -> PistonStage:
    stdout, stderr = result.stdout or "", result.stderr or ""
    stage = PistonStage(
        stdout=stdout,
        stderr=stderr,
        output=stdout + stderr,
        code=result.exit_code,
        cpu_time=round((result.time_s or 0.0) * MS),
        wall_time=round((result.wall_s or 0.0) * MS),
        memory=round((result.memory_mb or 0.0) * MIB),
    )
    return stage.model_copy(update=_end(result, too_slow))


def _end(result: RunResult | CompileResult, too_slow: bool) -> dict[str, object]:
    """Return how a stage ended, in Piston's fields."""
    if too_slow or timed_out(result.end):
        return {"code": None, "signal": "SIGKILL", "status": "TO", "message": "Time limit exceeded"}
    if result.end is RunEnd.OUTPUT_LIMIT:
        return {"code": None, "signal": "SIGKILL", "status": "OL", "message": "Output limit exceeded"}
    if result.end is RunEnd.MEMORY_LIMIT:
        return {"code": None, "signal": "SIGKILL", "status": "SG", "message": "Memory limit exceeded"}
    if result.signal is not None:
        return {"signal": _name(result.signal), "status": "SG", "message": f"Caught fatal signal {result.signal}"}
    if result.exit_code:
        return {"status": "RE", "message": f"Exited with error status {result.exit_code}"}
    return {}


def _name(signal: int) -> str:
    try:
        return Signals(signal).name
    except ValueError:
        return f"SIG{signal}"


# Programs that are judged


async def _graded(
    request: Request, job: PistonJob, runtime: _Runtime, program: str, others: Sequence[PistonFile]
) -> PistonRan:
    """Judge a program like open-r1's runtimes for Codeforces."""
    files = {one.name: _text(one) for one in others if one.name is not None}
    config = dict(line.split("=", 1) for line in files[GRADER].splitlines() if "=" in line)
    try:
        given, expected = files["input.txt"], files["correct_output.txt"]
        limits = {
            "time_limit_s": float(config["TIME_LIMIT"]),
            "memory_limit_mb": int(float(config["MEMORY_LIMIT"])),
        }
    except (KeyError, ValueError, OverflowError) as error:
        needed = "input.txt, correct_output.txt, and TIME_LIMIT and MEMORY_LIMIT in grader_config"
        raise _refused(f"a program with grader_config needs {needed}: {error}") from error
    case: dict[str, object] = {"stdin": given, "stdout": expected}
    if config.get("INPUT_MODE", "stdio").strip() == "file":
        case |= {"stdin_file": "input.txt", "stdout_file": "output.txt"}
    tests: dict[str, object] = {"kind": "stdio", "cases": [case]}
    if "checker.py" in files:
        tests["checker"] = {"language": "python", "code": files["checker.py"], "protocol": "score"}
    fenced = program if "```" in program else f"```{runtime.language.name}\n{program}\n```"
    sent = {"kind": "code", "language": runtime.language.name, "completion": fenced, "tests": tests, "limits": limits}
    (item,) = await submissions([sent])
    told = await ask_one(request, item)
    if told.error is not None:
        raise failed(told.error, asked=400)
    return _judged(runtime, cast(CodeResult, told.result))


def _judged(runtime: _Runtime, result: CodeResult) -> PistonRan:
    said = result.message or next((one.message for one in result.tests), "")
    failed_to_compile = result.verdict is Verdict.COMPILE_ERROR
    refused = PistonStage(stderr=said, output=said, code=1, status="RE", message="Exited with error status 1")
    score = f"{result.score or 0.0:g}\n"
    told = PistonStage(stdout=score, stderr=said, output=score + said, code=0, wall_time=round(result.run_s * MS))
    return PistonRan(
        language=runtime.asked,
        version=runtime.version,
        compile=refused if failed_to_compile else PistonStage(code=0),
        run=refused if failed_to_compile else told,
    )


def _text(file: PistonFile) -> str:
    if file.encoding == "utf8":
        return file.content
    try:
        content = (
            bytes.fromhex(file.content) if file.encoding == "hex" else base64.b64decode(file.content, validate=True)
        )
        return content.decode()
    except (ValueError, binascii.Error) as error:
        raise _refused(f"the content of {file.name} cannot be read: {error}") from error


ENDPOINT = Endpoint(router, (PistonJob,))
