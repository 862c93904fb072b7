"""Read a request's body under a limit, and read a batch without holding up the event loop."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from verifier_service.api.access import sharer_of
from verifier_service.api.arrival import arrived_s
from verifier_service.batch import Batch
from verifier_service.intake import memory
from verifier_service.intake.bodies import HELD, Bodies
from verifier_service.intake.slices import Steps, in_slices
from verifier_service.settings import Settings

B = TypeVar("B", bound=Batch)


async def read_batch(request: Request, read: Callable[[bytes, int], Steps[B]]) -> B:
    """Return the batch that a request carries; `read` is given the body and how many items it may have.

    Raises:
        HTTPException: 413, the body is too large.
        NotJson, BadRequest: it is not a batch.
    """
    return await parse_batch(request, await read_body(request), read)


async def parse_batch(request: Request, body: bytes, read: Callable[[bytes, int], Steps[B]]) -> B:
    """Return the batch that a body holds; see `read_batch`.

    Raises:
        NotJson, BadRequest: it is not a batch.
    """
    settings: Settings = request.app.state.settings
    batch = await in_slices(read(body, settings.max_batch))
    return replace(batch, arrived_s=arrived_s(request))


async def read_body(request: Request) -> bytes:
    """Return the body; what it takes is given back when the request is answered.

    Raises:
        HTTPException: 413, as soon as more was announced or came than the settings allow; the rest is not read. 415, it
            is compressed.
        Overloaded: there is no room for it beside the others.
        TooSlow: it comes too slowly.
    """
    settings: Settings = request.app.state.settings
    max_bytes = settings.max_body_mb * 1024 * 1024
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        said = f"Content-Encoding {encoding[:60]!r}: bodies are read as they come, so it must be left out"
        raise HTTPException(415, said, {"Accept-Encoding": "identity"})
    bodies: Bodies = request.app.state.bodies
    held = bodies.hold(sharer_of(request))
    setattr(request.state, HELD, held)
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        if int(announced) > max_bytes:
            raise HTTPException(413, f"the body has {announced} bytes, and at most {max_bytes} are allowed")
        held.grow_to(int(announced))
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise HTTPException(413, f"the body has more than the {max_bytes} bytes that are allowed")
        held.grow_to(size)
        parts.append(part)
    if size > memory.LARGE_BYTES:
        setattr(request.state, memory.IS_LARGE, True)
    return b"".join(parts)


async def gone(request: Request) -> None:
    """Return when the client has hung up. To be called after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
