"""REST v1: `POST /v1/verify` and `GET /v1/info`."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from verifier_service import __version__
from verifier_service.api.access import require_key, service_of
from verifier_service.api.body import gone, read_batch
from verifier_service.checkers import TEXT_CHECKERS, VALUE_CHECKERS
from verifier_service.dispatch import default_limits, maximum_limits
from verifier_service.languages import Language
from verifier_service.schema import ExtractionRule, Problem, Verdict, VerifyRequest, VerifyResponse
from verifier_service.settings import Settings

T = TypeVar("T")

CLIENT_CLOSED_REQUEST = 499

BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": VerifyRequest.model_json_schema()}}}
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The body is not JSON",
        401: "The key is missing or wrong",
        413: "The body is too large",
        422: "A field is wrong or asks for more than is allowed",
        503: "The queue is full; see Retry-After",
    }.items()
}

router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])


@router.post("/verify", response_model=VerifyResponse, responses=PROBLEMS, openapi_extra=BODY)
async def verify(request: Request) -> Response:
    """Judge a batch of submissions; the results come in the same order."""
    batch = await read_batch(request)
    results = await _unless_gone(request, service_of(request).dispatcher.verify(batch))
    if results is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    content = VerifyResponse.model_construct(results=results).model_dump_json()
    return Response(content, media_type="application/json")


@router.get("/info")
async def info(request: Request) -> dict[str, Any]:
    """Tell what this service can judge, and what may be asked of it."""
    settings: Settings = request.app.state.settings
    service = service_of(request)
    return {
        "version": __version__,
        "runner": service.runner.name,
        "isolation": settings.isolation,
        "languages": [_describe(one, service.versions.get(one.name)) for one in service.known_languages.values()],
        "checkers": {"stdio": [*TEXT_CHECKERS, "special judge"], "call": list(VALUE_CHECKERS)},
        "extraction_rules": [rule.value for rule in ExtractionRule],
        "verdicts": {verdict.value: verdict.meaning for verdict in Verdict},
        "limits": {"default": default_limits(settings), "maximum": maximum_limits(settings)},
        "max_batch": settings.max_batch,
        "max_body_mb": settings.max_body_mb,
    }


def _describe(language: Language, version: str | None) -> dict[str, Any]:
    return {
        "name": language.name,
        "title": language.title,
        "available": version is not None,
        "version": version,
        "tests": list(language.test_kinds),
        **({} if version is not None else {"hint": f"make sandboxes LANGUAGES={language.name}"}),
    }


async def _unless_gone(request: Request, judging: Awaitable[T]) -> T | None:
    """Return the result, or None if the client hangs up first: then the work is cancelled, for nobody waits for it."""
    work = asyncio.ensure_future(judging)
    watch = asyncio.ensure_future(gone(request))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        for task in (work, watch):
            task.cancel()
        await asyncio.gather(work, watch, return_exceptions=True)
