"""open-r1's routers: `POST /execute_batch`. A script runs like a notebook cell: its last expression is its value.

An item has the fields of both the E2B and the Morph router; each caller reads its own. For a script that could not be
run both are empty, and the caller omits its reward.
"""

import base64
import json
from functools import cache
from typing import cast

from fastapi import Request, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from verifier_service.api import openapi
from verifier_service.api.compat.asking import Foreign, Listed, Told, ask, read, refuse_too_many, runs, settings_of
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.refusals import Detail, described, in_details, unhonoured
from verifier_service.api.compat.running import Asked, limits_of, share_kb, text_of, timed_out, why_ended
from verifier_service.languages import SANDBOXES
from verifier_service.schema import RunResult

CELL = SANDBOXES / "programs" / "last_value.py"
VALUE = "last_value.json"
PYTHON = frozenset({"python", "python3", "py"})

router = router_of("open-r1", in_details)


class OpenR1Scripts(Foreign):
    """Scripts, each with its language. `timeout` is for each script, `request_timeout` for all, both in seconds."""

    scripts: Listed[str]
    languages: Listed[str]
    timeout: int
    request_timeout: int


class OpenR1Result(BaseModel):
    """A value as a notebook displays it."""

    text: str | None
    is_main_result: bool = True


class OpenR1Logs(BaseModel):
    """What a script wrote."""

    stdout: list[str] = Field(default_factory=list)
    stderr: list[str] = Field(default_factory=list)


class OpenR1Error(BaseModel):
    """What ended a script."""

    name: str
    value: str
    traceback: str


class OpenR1Execution(BaseModel):
    """How a script ended."""

    results: list[OpenR1Result]
    logs: OpenR1Logs
    error: OpenR1Error | None
    execution_count: int | None = 1


class OpenR1Item(BaseModel):
    """One script: `execution` is the E2B router's answer, `text` the Morph router's."""

    execution: OpenR1Execution | None
    text: str | None
    exception_str: str | None


class _Value(BaseModel):
    text: str | None = None
    error: OpenR1Error | None = None


_ITEMS: TypeAdapter[list[OpenR1Item]] = TypeAdapter(list[OpenR1Item])


@router.post(
    "/execute_batch",
    response_model=list[OpenR1Item],
    responses=described(Detail, 400, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(OpenR1Scripts),
)
async def execute_batch(request: Request) -> Response:
    """Run scripts, and return the value of each one's last expression."""
    sent = await read(request, OpenR1Scripts)
    if len(sent.scripts) != len(sent.languages):
        raise unhonoured(
            "languages", f"{len(sent.languages)}", f"there must be one for each of {len(sent.scripts)} scripts", 422
        )
    refuse_too_many(request, len(sent.scripts))
    limits = limits_of(settings_of(request), Asked("timeout", sent.timeout, sent.timeout), None)
    limits["output_limit_kb"] = share_kb(cast(int, limits["output_limit_kb"]), len(sent.scripts))
    if sent.request_timeout <= 0:
        raise unhonoured("request_timeout", sent.request_timeout, "it must be above 0")
    readable = [index for index, language in enumerate(sent.languages) if language.lower() in PYTHON]
    asked = [_run(sent.scripts[index], limits) for index in readable]
    told = dict(zip(readable, await ask(request, await runs(asked), float(sent.request_timeout)), strict=True))
    items = [
        _item(told[index], sent.timeout)
        if index in told
        else _not_run(f"language {text_of(language)[:50]!r}: it must be python")
        for index, language in enumerate(sent.languages)
    ]
    return Response(_ITEMS.dump_json(items), media_type="application/json")


@cache
def _cell() -> str:
    return CELL.read_text(encoding="utf-8")


def _run(script: str, limits: dict[str, object]) -> dict[str, object]:
    return {
        "language": "python",
        "source": _cell(),
        "files": {"script.py": base64.b64encode(text_of(script).encode()).decode()},
        "fetch_files": [VALUE],
        "limits": limits,
    }


def _not_run(why: str) -> OpenR1Item:
    return OpenR1Item(execution=None, text=None, exception_str=why)


def _item(told: Told, timeout: int) -> OpenR1Item:
    if told.error is not None:
        return _not_run(str(told.error))
    result = cast(RunResult, told.result)
    if timed_out(result.end):
        return _not_run(f"execution timed out after {timeout} s")
    value = _value(result)
    if value is None:
        return _not_run(f"the script was ended: {result.end.value}, {result.exit_code}\n{why_ended(result)}")
    logs = OpenR1Logs(stdout=_part(result.stdout), stderr=_part(result.stderr))
    results = [] if value.text is None else [OpenR1Result(text=value.text)]
    execution = OpenR1Execution(results=results, logs=logs, error=value.error)
    return OpenR1Item(execution=execution, text=value.text, exception_str=None)


def _part(text: str | None) -> list[str]:
    return [text] if text else []


def _value(result: RunResult) -> _Value | None:
    """Return the value the script left, or None if it ended early or overwrote the file with something else."""
    left = (result.files or {}).get(VALUE)
    if left is None:
        return None
    try:
        text = text_of(json.dumps(json.loads(base64.b64decode(left)), ensure_ascii=False))
        return _Value.model_validate_json(text)
    except (ValidationError, ValueError, RecursionError):
        return None


ENDPOINT = Endpoint(router, (OpenR1Scripts,))
