"""Read a request's body within limits, and parse batches without blocking the event loop."""

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
    """Return the batch in a request's body. `read` parses it, given the body and the maximum number of items.

    Raises:
        HTTPException: 413 or 415, see `read_body`.
        Overloaded, TooSlow: see `read_body`.
        NotJson, BadRequest: the body is not a batch.
    """
    return await parse_batch(request, await read_body(request), read)


async def parse_batch(request: Request, body: bytes, read: Callable[[bytes, int], Steps[B]]) -> B:
    """Return the batch in a body; see `read_batch`.

    Raises:
        NotJson, BadRequest: the body is not a batch.
    """
    settings: Settings = request.app.state.settings
    batch = await in_slices(read(body, settings.max_batch))
    return replace(batch, arrived_s=arrived_s(request))


async def read_body(request: Request) -> bytes:
    """Return the body. Its memory counts against the limits until the request is answered.

    Raises:
        HTTPException: 413 as soon as Content-Length or the bytes received exceed the limit; 415 if it is compressed.
        Overloaded: the bodies of all requests together would take too much memory.
        TooSlow: it arrives too slowly.
    """
    settings: Settings = request.app.state.settings
    max_bytes = settings.max_body_mb * 1024 * 1024
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        said = f"Content-Encoding {encoding[:60]!r}: the body must not be compressed; omit the header"
        raise HTTPException(415, said, {"Accept-Encoding": "identity"})
    bodies: Bodies = request.app.state.bodies
    held = bodies.hold(sharer_of(request))
    setattr(request.state, HELD, held)
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        if int(announced) > max_bytes:
            raise HTTPException(
                413, f"the body has {announced} bytes; the maximum is {max_bytes} (VERIFIER_MAX_BODY_MB)"
            )
        held.grow_to(int(announced))
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise HTTPException(
                413, f"the body has more than {max_bytes} bytes, which is the maximum (VERIFIER_MAX_BODY_MB)"
            )
        held.grow_to(size)
        parts.append(part)
    if size > memory.LARGE_BYTES:
        setattr(request.state, memory.IS_LARGE, True)
    return b"".join(parts)


async def gone(request: Request) -> None:
    """Wait until the client hangs up. Call this only after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
