"""Errors of foreign endpoints, all in the shape that the stack's callers read; a wrong key too."""

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from verifier_service.api.problems import TITLES
from verifier_service.errors import BadRequest, JudgeError, NotJson, Overloaded
from verifier_service.observability.requests import CLIENT_CLOSED_REQUEST
from verifier_service.schema.problems import ProblemField, fields_of, shown

NOT_JSON = "json_invalid"
MAX_FAULTS = 50


class Fault(BaseModel):
    """One error in a body, in FastAPI's format."""

    type: str
    loc: list[str | int]
    msg: str
    input: str = ""


class Detail(BaseModel):
    """An error in FastAPI's format: a sentence, or the list of errors in the body."""

    detail: str | list[Fault]


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused. `faults` are set if the body has the wrong shape."""

    status: int
    detail: str
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A foreign request is refused."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.detail)


class HungUp(Exception):
    """The client has hung up."""


Shape = Callable[[Refusal], Response]
"""Writes a refusal in the format of one stack."""


def unhonoured(name: str, value: object, allowed: str, status: int = 400) -> Refused:
    """Return the refusal of a field whose value is not supported here."""
    return Refused(Refusal(status, str(ProblemField(field=name, value=shown(value), allowed=allowed))))


def failed(error: JudgeError, asked: int = 422) -> Refused:
    """Return the refusal for an item that could not be judged: 503, or the status `asked` if the request is at fault.

    A caller must not conclude anything about the submission from it.
    """
    if not error.is_ours:
        return Refused(Refusal(asked, str(error)))
    return Refused(Refusal(503, str(error), headers={"Retry-After": "5"}))


def misshapen(error: ValidationError, sent: object) -> Refused:
    """Return the refusal of a body whose fields have wrong types or are missing."""
    found = error.errors(include_url=False)
    faults = [
        Fault(type=one["type"], loc=["body", *one["loc"]], msg=one["msg"], input=shown(one["input"]))
        for one in found[:MAX_FAULTS]
    ]
    return Refused(Refusal(422, str(fields_of(found, sent)[0]), faults))


def in_details(refusal: Refusal) -> Response:
    """Write a refusal in FastAPI's format."""
    detail = list(refusal.faults) or refusal.detail
    body = Detail(detail=detail).model_dump(mode="json")
    return JSONResponse(body, refusal.status, dict(refusal.headers))


def route_in(shape: Shape) -> type[APIRoute]:
    """Return a route class that writes refusals in this shape."""

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handle(request)
                except HungUp:
                    return Response(status_code=CLIENT_CLOSED_REQUEST)
                except (Refused, BadRequest, NotJson, Overloaded, HTTPException) as error:
                    return shape(_refusal(error))

            return answer

    return Route


def _refusal(error: Exception) -> Refusal:
    match error:
        case Refused():
            return error.refusal
        case NotJson():
            return Refusal(422, f"the body: {error}", [Fault(type=NOT_JSON, loc=["body"], msg=str(error))])
        case BadRequest():
            return Refusal(error.status, str(error))
        case Overloaded():
            return Refusal(error.status, str(error), headers={"Retry-After": str(math.ceil(error.retry_after_s))})
        case _:
            known = cast(HTTPException, error)
            return Refusal(known.status_code, str(known.detail), headers=known.headers or {})


def described(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, object]]:
    """Return the `responses` of a route whose refusals have the shape of `model`."""
    return {status: {"description": TITLES[status], "model": model} for status in statuses}
