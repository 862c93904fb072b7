"""code-judge: `POST /judge/batch` and `POST /judge/long-batch`. Programs are run and their output is compared.

Our own failures have a `reason`; failures of the program have none.
"""

import asyncio
import uuid
from typing import Literal, cast

from fastapi import Request, Response
from pydantic import BaseModel, Field

from verifier_service.api import openapi
from verifier_service.api.compat.asking import (
    Foreign,
    Listed,
    Told,
    answered,
    ask,
    read,
    refuse_too_many,
    runs,
    settings_of,
    submissions,
)
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.refusals import Detail, described, in_details
from verifier_service.api.compat.running import BIG_OUTPUT_CHARS, share_kb, text_of
from verifier_service.batch import Item
from verifier_service.checkers import text
from verifier_service.errors import Cause, JudgeError
from verifier_service.intake.slices import Slice
from verifier_service.schema import MathResult, RunResult, Verdict
from verifier_service.schema.requests import ExactChecker

router = router_of("code-judge", in_details)

Reason = Literal["", "internal_error", "worker_timeout", "queue_timeout", "invalid_input"]
_REASONS: dict[Cause, Reason] = {Cause.DEADLINE: "queue_timeout", Cause.BAD_REQUEST: "invalid_input"}


class CodeJudgeSubmission(Foreign):
    """A program with its input, or a math answer, and the `expected_output`."""

    sub_id: str | None = None
    type: Literal["python", "cpp", "math"]
    solution: str
    input: str | None = None
    expected_output: str | None = None


class CodeJudgeBatch(Foreign):
    """Submissions to judge together."""

    sub_id: str | None = None
    type: Literal["batch"]
    submissions: Listed[CodeJudgeSubmission] = Field(min_length=1)


class CodeJudgeResult(BaseModel):
    """The result of a submission. `cost` is in seconds."""

    sub_id: str
    success: bool
    run_success: bool
    cost: float
    reason: Reason


class CodeJudgeResults(BaseModel):
    """One result for each submission, in order."""

    sub_id: str
    results: list[CodeJudgeResult]


@router.post(
    "/judge/batch",
    response_model=CodeJudgeResults,
    responses=described(Detail, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(CodeJudgeBatch),
)
@router.post(
    "/judge/long-batch",
    response_model=CodeJudgeResults,
    responses=described(Detail, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(CodeJudgeBatch),
)
async def judge_batch(request: Request) -> Response:
    """Judge a batch of submissions."""
    batch = await read(request, CodeJudgeBatch)
    refuse_too_many(request, len(batch.submissions))
    most_kb = settings_of(request).default_output_limit_kb
    shares_kb = [share_kb(most_kb, len(batch.submissions), one.expected_output or "") for one in batch.submissions]
    items = [await _item(one, share) for one, share in zip(batch.submissions, shares_kb, strict=True)]
    told = await ask(request, items)
    own, results = Slice(), list[CodeJudgeResult]()
    for one, what in zip(batch.submissions, told, strict=True):
        await own.pause()
        results.append(await _result(one, what))
    return answered(CodeJudgeResults(sub_id=_id(batch.sub_id), results=results))


async def _item(one: CodeJudgeSubmission, output_limit_kb: int) -> Item:
    if one.type == "math":
        sent = {"kind": "math", "completion": one.solution, "reference": one.expected_output or ""}
        return (await submissions([sent]))[0]
    sent: dict[str, object] = {
        "language": one.type,
        "source": text_of(one.solution),
        "stdin": text_of(one.input or ""),
        "limits": {"output_limit_kb": output_limit_kb},
    }
    return (await runs([sent]))[0]


async def _result(one: CodeJudgeSubmission, told: Told) -> CodeJudgeResult:
    if told.error is not None:
        return _made(one, reason=_reason(told.error))
    if isinstance(told.result, MathResult):
        return _made(one, success=told.result.verdict is Verdict.ACCEPTED, run_success=True, cost=told.result.run_s)
    result = cast(RunResult, told.result)
    ran = result.exit_code == 0
    right = one.expected_output is None or await _is_right(one.expected_output, result.stdout or "")
    return _made(one, success=ran and right, run_success=ran, cost=result.wall_s or 0.0)


def _made(
    one: CodeJudgeSubmission,
    *,
    success: bool = False,
    run_success: bool = False,
    cost: float = 0.0,
    reason: Reason = "",
) -> CodeJudgeResult:
    return CodeJudgeResult(sub_id=_id(one.sub_id), success=success, run_success=run_success, cost=cost, reason=reason)


async def _is_right(expected: str, actual: str) -> bool:
    if max(len(expected), len(actual)) > BIG_OUTPUT_CHARS:
        return await asyncio.to_thread(_same, expected, actual)
    return _same(expected, actual)


def _same(expected: str, actual: str) -> bool:
    return text.exact(text_of(expected).encode(), actual.encode(), ExactChecker()).ok


def _reason(error: JudgeError) -> Reason:
    return _REASONS.get(error.cause, "internal_error")


def _id(given: str | None) -> str:
    return given if given is not None else uuid.uuid4().hex


ENDPOINT = Endpoint(router, (CodeJudgeBatch,))
