"""Read a request's body under a limit and validate it without holding up the event loop."""

import asyncio
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException

BIG_BODY_BYTES = 256 * 1024

Model = TypeVar("Model", bound=BaseModel)


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


async def parse(body: bytes, model: type[Model]) -> Model:
    """Return the body as `model`; a large one is parsed in a thread. Raises pydantic's ValidationError."""
    if len(body) > BIG_BODY_BYTES:
        return await asyncio.to_thread(model.model_validate_json, body)
    return model.model_validate_json(body)


async def gone(request: Request) -> None:
    """Return when the client has hung up. To be called after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
