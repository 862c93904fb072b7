"""NeMo-Skills' sandbox: `POST /execute`. Programs are run, not judged; there are no IPython sessions."""

from typing import Literal, cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from verifier_service.api import openapi
from verifier_service.api.compat.asking import Foreign, answered, ask_one, read, runs, settings_of
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.refusals import Refusal, described, failed, unhonoured
from verifier_service.api.compat.running import Asked, exit_code, limits_of, text_of, timed_out, why_ended
from verifier_service.schema import RunEnd, RunResult

LANGUAGES = {"python": "python", "python3": "python", "shell": "bash"}
CUT = "<output cut>"


class NeMoSkillsError(BaseModel):
    """An error in the format of this sandbox."""

    error: str


def _in_error(refusal: Refusal) -> Response:
    status = 400 if refusal.status == 422 else refusal.status
    return JSONResponse({"error": refusal.detail}, status, dict(refusal.headers))


router = router_of("NeMo-Skills", _in_error)


class NeMoSkillsProgram(Foreign):
    """A program to run; `timeout` is in seconds."""

    generated_code: str
    timeout: float
    language: str = "ipython"
    std_input: str = ""
    max_output_characters: int = Field(default=1000, ge=0)


class NeMoSkillsRan(BaseModel):
    """How a program ended."""

    process_status: Literal["completed", "error", "timeout", "failed"]
    stdout: str
    stderr: str


@router.post(
    "/execute",
    response_model=NeMoSkillsRan,
    responses=described(NeMoSkillsError, 400, 401, 413, 429, 503),
    openapi_extra=openapi.body(NeMoSkillsProgram),
)
async def execute(request: Request) -> Response:
    """Run a Python or shell program."""
    sent = await read(request, NeMoSkillsProgram)
    if sent.language == "ipython" and "x-session-id" not in request.headers:
        raise unhonoured(
            "X-Session-ID header required for ipython sessions", "", "sessions are not kept here; use python"
        )
    if sent.language not in LANGUAGES:
        raise unhonoured(
            "language", sent.language, f"it must be one of {', '.join(LANGUAGES)}; sessions are not kept here"
        )
    asked = {
        "language": LANGUAGES[sent.language],
        "source": text_of(sent.generated_code),
        "stdin": text_of(sent.std_input),
        "limits": limits_of(settings_of(request), Asked("timeout", sent.timeout, sent.timeout), None),
    }
    (item,) = await runs([asked])
    told = await ask_one(request, item)
    if told.error is not None:
        raise failed(told.error, asked=400)
    return answered(_ran(sent, cast(RunResult, told.result)))


def _ran(sent: NeMoSkillsProgram, result: RunResult) -> NeMoSkillsRan:
    if timed_out(result.end):
        late = f"Execution timed out after {sent.timeout:g} seconds\n"
        return NeMoSkillsRan(process_status="timeout", stdout="", stderr=late)
    refused = result.compile if result.end is RunEnd.NOT_COMPILED else None
    stdout, stderr = (refused.stdout, refused.stderr) if refused else (result.stdout or "", result.stderr or "")
    failed_in_shell = sent.language == "shell" and (refused is not None or exit_code(result) != 0)
    return NeMoSkillsRan(
        process_status="error" if failed_in_shell else "completed",
        stdout=_cut(stdout, sent.max_output_characters),
        stderr=_cut(stderr, sent.max_output_characters) + why_ended(result),
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + CUT


ENDPOINT = Endpoint(router, (NeMoSkillsProgram,))
