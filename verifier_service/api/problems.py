"""Errors as `application/problem+json` (RFC 9457), each with the field, its value, and what is allowed."""

import math
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from structlog.contextvars import get_contextvars

from verifier_service.errors import BadRequest, NoRoom, NotJson, Overloaded, TooSlow
from verifier_service.observability.requests import CLIENT_CLOSED_REQUEST
from verifier_service.schema import Problem, ProblemField
from verifier_service.schema.problems import in_words, shown

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "The body cannot be read",
    401: "The key is missing or wrong",
    403: "Pages of other sites may not send this request",
    404: "Not found",
    405: "This path does not accept this method",
    408: "The request arrived too slowly",
    409: "The body does not match its digest",
    413: "The body is too large",
    415: "The body has the wrong type",
    421: "The Host header does not name this service",
    422: "The request is not valid",
    431: "The request headers are too large",
    429: "Too many requests",
    500: "The service failed",
    503: "The service cannot accept this now",
    504: "The request was not finished in time",
    507: "There is not enough disk space to store this",
}


def problem(
    status: int, detail: str, errors: Sequence[ProblemField] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Return a problem document as an answer."""
    return Response(document(status, detail, errors).model_dump_json(), status, headers, MEDIA_TYPE)


def document(status: int, detail: str, errors: Sequence[ProblemField] = ()) -> Problem:
    """Return a problem document with the id of the current request."""
    title = TITLES.get(status, "The request failed")
    request_id = get_contextvars().get("request_id")
    return Problem(title=title, status=status, detail=detail, errors=list(errors), request_id=request_id)


def _fields_problem(status: int, fields: Sequence[ProblemField]) -> Response:
    more = f" (and {len(fields) - 1} more wrong)" if len(fields) > 1 else ""
    return problem(status, f"{fields[0]}{more}", fields)


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""

    @app.exception_handler(BadRequest)
    async def bad_request(_: Request, error: BadRequest) -> Response:
        return _fields_problem(error.status, error.problems)

    @app.exception_handler(RequestValidationError)
    async def bad_path(_: Request, error: RequestValidationError) -> Response:
        fields = [
            ProblemField(field=str(one["loc"][-1]), value=shown(one["input"]), allowed=in_words(one))
            for one in error.errors()
        ]
        return _fields_problem(422, fields)

    @app.exception_handler(NotJson)
    async def not_json(_: Request, error: NotJson) -> Response:
        return problem(400, f"the body: {error}")

    @app.exception_handler(Overloaded)
    async def overloaded(_: Request, error: Overloaded) -> Response:
        return problem(error.status, str(error), headers={"Retry-After": str(math.ceil(error.retry_after_s))})

    @app.exception_handler(TooSlow)
    async def too_slow(_: Request, error: TooSlow) -> Response:
        return problem(408, str(error), headers={"Connection": "close"})

    @app.exception_handler(ClientDisconnect)
    async def hung_up(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_CLOSED_REQUEST)  # for logs and metrics; the client is gone

    @app.exception_handler(NoRoom)
    async def no_room(_: Request, error: NoRoom) -> Response:
        return problem(507, str(error))

    @app.exception_handler(HTTPException)
    async def http_exception(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, _detail(request, error), headers=error.headers)


def _detail(request: Request, error: HTTPException) -> str:
    """Return the message of an error; for an unknown path or method, more than Starlette's bare phrase."""
    path = request.url.path[:200]
    match error.status_code, error.detail:
        case 404, "Not Found":
            return f"there is no path {path!r}; /docs lists the paths of this service"
        case 405, "Method Not Allowed":
            allowed = (error.headers or {}).get("Allow", "another method")
            return f"{request.method} {path}: this path accepts {allowed}"
        case _:
            return str(error.detail)
