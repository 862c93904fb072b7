"""Errors as `application/problem+json` (RFC 9457), each naming the field, the value and what is allowed."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from verifier_service.errors import BadRequest, NotJson, Overloaded
from verifier_service.metrics import Metrics
from verifier_service.schema import Problem, ProblemField
from verifier_service.schema.problems import shown

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "The body cannot be read",
    401: "The key is missing or wrong",
    404: "There is no such thing here",
    405: "This method is not for this path",
    409: "The body is not what its digest says",
    413: "The body is too large",
    422: "The request asks for what cannot be had",
    500: "The service failed",
    503: "The service cannot take this now",
}


def problem(
    status: int, detail: str, errors: Sequence[ProblemField] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Return a problem document."""
    title = TITLES.get(status, "The request failed")
    body = Problem(title=title, status=status, detail=detail, errors=list(errors))
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def _fields_problem(status: int, fields: Sequence[ProblemField]) -> Response:
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    return problem(status, f"{fields[0]}{more}", fields)


def install(app: FastAPI, metrics: Metrics) -> None:
    """Answer every error of `app` with a problem document."""

    @app.exception_handler(BadRequest)
    async def bad_request(_: Request, error: BadRequest) -> Response:
        metrics.refused.labels(str(error.status)).inc()
        return _fields_problem(error.status, error.problems)

    @app.exception_handler(RequestValidationError)
    async def bad_path(_: Request, error: RequestValidationError) -> Response:
        metrics.refused.labels("422").inc()
        fields = [
            ProblemField(field=str(one["loc"][-1]), value=shown(one["input"]), allowed=one["msg"])
            for one in error.errors()
        ]
        return _fields_problem(422, fields)

    @app.exception_handler(NotJson)
    async def not_json(_: Request, error: NotJson) -> Response:
        metrics.refused.labels("400").inc()
        return problem(400, f"the body: {error}")

    @app.exception_handler(Overloaded)
    async def overloaded(_: Request, error: Overloaded) -> Response:
        metrics.refused.labels("503").inc()
        return problem(503, str(error), headers={"Retry-After": f"{error.retry_after_s:.0f}"})

    @app.exception_handler(HTTPException)
    async def http_exception(_: Request, error: HTTPException) -> Response:
        metrics.refused.labels(str(error.status_code)).inc()
        return problem(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(500)
    async def failed(_: Request, error: Exception) -> Response:
        metrics.refused.labels("500").inc()
        return problem(500, f"{type(error).__name__}; the log of the service has the details")
