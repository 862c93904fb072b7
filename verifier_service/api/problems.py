"""Errors as `application/problem+json` (RFC 9457), each naming the field, the value and what is allowed."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from verifier_service.api.body import InvalidBody
from verifier_service.errors import BadRequest, Overloaded
from verifier_service.metrics import Metrics

MEDIA_TYPE = "application/problem+json"
SHOWN_CHARS = 200
MAX_ERRORS = 50

_TITLES = {
    400: "The body cannot be read",
    401: "The key is missing or wrong",
    404: "There is no such thing here",
    405: "This method is not for this path",
    413: "The body is too large",
    422: "The request asks for what cannot be had",
    500: "The service failed",
    503: "The service cannot take this now",
}


def problem(
    status: int, detail: str, errors: list[dict[str, Any]] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return a problem document."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "errors": errors or [],
    }
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def validation_problem(error: ValidationError, body: bytes) -> JSONResponse:
    """Return the problem document for a body that is no valid request."""
    found = error.errors(include_url=False, include_context=False)
    if found and found[0]["type"] == "json_invalid":
        return problem(400, f"the body is not JSON: {found[0]['msg']}")
    sent = json.loads(body)
    errors = []
    for one in found:
        if one["type"] == "string_type" and isinstance(one["input"], dict) and len(found) > 1:
            continue  # the other way to write a field that was not meant, for instance the name of a suite
        path = _path(sent, one["loc"], missing=one["type"] == "missing")
        value = "" if one["type"] == "missing" else _shown(one["input"])
        errors.append({"field": path, "value": value, "allowed": one["msg"]})
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    value = f" {first['value']}" if first["value"] else ""
    return problem(422, f"{first['field'] or 'the body'}{value}: {first['allowed']}{more}", errors[:MAX_ERRORS])


def _path(sent: Any, location: tuple[int | str, ...], *, missing: bool) -> str:
    """Return where the error is, in the words of the sender: pydantic's names for the arms of a union are left out."""
    parts = []
    for number, part in enumerate(location, start=1):
        table: Any = dict(enumerate(sent)) if isinstance(sent, list) else sent
        if isinstance(table, dict) and part in table:
            sent = table[part]
        elif not (missing and number == len(location)):
            continue
        parts.append(str(part))
    return ".".join(parts)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}... ({len(text)} characters)"


def install(app: FastAPI, metrics: Metrics) -> None:
    """Answer every error of `app` with a problem document."""

    @app.exception_handler(BadRequest)
    async def bad_request(_: Request, error: BadRequest) -> JSONResponse:
        metrics.refused.labels("422").inc()
        errors = [{"field": p.path, "value": _shown(p.value), "allowed": p.allowed} for p in error.problems]
        first = error.problems[0]
        return problem(422, f"{first.path} {_shown(first.value)} is not allowed: {first.allowed}", errors[:MAX_ERRORS])

    @app.exception_handler(InvalidBody)
    async def invalid_body(_: Request, invalid: InvalidBody) -> JSONResponse:
        metrics.refused.labels("422").inc()
        return validation_problem(invalid.error, invalid.body)

    @app.exception_handler(Overloaded)
    async def overloaded(_: Request, error: Overloaded) -> JSONResponse:
        metrics.refused.labels("503").inc()
        return problem(503, str(error), headers={"Retry-After": f"{error.retry_after_s:.0f}"})

    @app.exception_handler(HTTPException)
    async def http_exception(_: Request, error: HTTPException) -> JSONResponse:
        metrics.refused.labels(str(error.status_code)).inc()
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(500)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return problem(500, f"{type(error).__name__}; the log of the service has the details")
