"""Read a request's body under a limit, and read a batch without holding up the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from verifier_service.batch import Batch
from verifier_service.settings import Settings

T = TypeVar("T")

BIG_BODY_BYTES = 256 * 1024


async def read_batch(request: Request, read: Callable[[bytes, int], Batch]) -> Batch:
    """Return the batch that a request carries; `read` is given the body and how many items it may have.

    Raises:
        HTTPException: 413, the body is too large.
        NotJson, BadRequest: it is not a batch.
    """
    settings: Settings = request.app.state.settings
    body = await read_body(request)
    if len(body) > BIG_BODY_BYTES:
        return await asyncio.to_thread(read, body, settings.max_batch)
    return read(body, settings.max_batch)


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        HTTPException: 413, as soon as more was announced or came than the settings allow; the rest is not read.
    """
    settings: Settings = request.app.state.settings
    max_bytes = settings.max_body_mb * 1024 * 1024
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
