"""How a route answers: with results that are ready to be written out, unless the client has hung up."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from verifier_service.api.access import service_of
from verifier_service.api.body import gone
from verifier_service.batch import Batch

T = TypeVar("T")

CLIENT_CLOSED_REQUEST = 499


async def carry_out(request: Request, batch: Batch, response_type: type[BaseModel]) -> Response:
    """Judge or run a batch, and answer with its results. They were checked when they were made and are not again.

    Raises:
        Overloaded: the queue is full.
    """
    results = await _unless_gone(request, service_of(request).dispatcher.carry_out(batch))
    if results is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return written(response_type.model_construct(results=results))


def written(answer: BaseModel, status: int = 200) -> Response:
    """Return an answer as JSON."""
    return Response(answer.model_dump_json(), status, media_type="application/json")


async def _unless_gone(request: Request, judging: Awaitable[T]) -> T | None:
    """Return the result, or None if the client hangs up first: then the work is cancelled, for nobody waits for it."""
    work: asyncio.Future[T] = asyncio.ensure_future(judging)
    watch: asyncio.Future[Any] = asyncio.ensure_future(gone(request))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        for task in (work, watch):
            task.cancel()
        await asyncio.gather(work, watch, return_exceptions=True)
