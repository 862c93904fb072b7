"""Read a request's body under a limit and validate it without holding up the event loop."""

import asyncio

from fastapi import Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from verifier_service.schema import VerifyRequest
from verifier_service.settings import Settings

BIG_BODY_BYTES = 256 * 1024


class InvalidBody(Exception):
    """The body is no valid batch; `error` says what is wrong with `body`."""

    def __init__(self, error: ValidationError, body: bytes) -> None:
        self.error = error
        self.body = body
        super().__init__(str(error))


async def read_batch(request: Request) -> VerifyRequest:
    """Return the batch that a request carries.

    Raises:
        HTTPException: 413, the body is too large.
        InvalidBody: it is no valid batch.
    """
    settings: Settings = request.app.state.settings
    body = await read_body(request, settings.max_body_mb * 1024 * 1024)
    try:
        if len(body) > BIG_BODY_BYTES:
            return await asyncio.to_thread(VerifyRequest.model_validate_json, body)
        return VerifyRequest.model_validate_json(body)
    except ValidationError as error:
        raise InvalidBody(error, body) from error


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body.

    Raises:
        HTTPException: 413, as soon as more than `max_bytes` were announced or came; the rest is not read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise HTTPException(413, f"the body has {announced} bytes, and at most {max_bytes} are allowed")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise HTTPException(413, f"the body has more than the {max_bytes} bytes that are allowed")
        parts.append(part)
    return b"".join(parts)


async def gone(request: Request) -> None:
    """Return when the client has hung up. To be called after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
