"""Answer a batch with all results at once or as a stream of lines, and stop working when the client hangs up."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar, cast

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from verifier_service.api.access import client_of, service_of, sharer_of
from verifier_service.api.arrival import DRAINING, Drain
from verifier_service.api.body import gone
from verifier_service.api.openapi import LINES
from verifier_service.api.problems import document
from verifier_service.batch import Batch
from verifier_service.dispatch import ItemResult, OnError
from verifier_service.errors import Overloaded
from verifier_service.intake import memory
from verifier_service.intake.slices import Slice
from verifier_service.observability.metrics import Metrics
from verifier_service.observability.requests import CLIENT_CLOSED_REQUEST
from verifier_service.schema import CallTests, CodeSubmission, StdioTests

T = TypeVar("T")

PART_BYTES = 256 * 1024

_letting_go: set[asyncio.Task[None]] = set()


async def carry_out(request: Request, batch: Batch) -> Response:
    """Judge or run a batch, and answer with its results.

    The results are valid models already, so they are written directly instead of through FastAPI's response model.

    Raises:
        Overloaded: the queue is full, or the service is shutting down.
    """
    if _accepts_lines(request):
        request.state.items = len(batch.items)
        return await _Lines(request, batch).begin()
    try:
        results = await judged(request, batch)
    finally:
        let_go(batch)
    return Response(status_code=CLIENT_CLOSED_REQUEST) if results is None else await _written(results)


async def judged(request: Request, batch: Batch, on_error: OnError | None = None) -> list[ItemResult] | None:
    """Return the results of a batch, or None if the client hangs up first. `on_error`: see `Dispatcher.carry_out`.

    Raises:
        Overloaded: the queue is full, or the service is shutting down.
    """
    request.state.items = len(batch.items)
    metrics: Metrics = request.app.state.metrics
    dispatcher = service_of(request).dispatcher
    work = asyncio.ensure_future(dispatcher.carry_out(batch, sharer_of(request), on_error=on_error))
    with metrics.holding(client_of(request).name, len(batch.items)):
        return await _unless_gone(request, work)


def let_go(batch: Batch) -> None:
    """Free the cases of a finished batch in the background, in steps: freeing millions at once blocks the loop."""
    cases = [
        item.tests.cases
        for item in batch.items
        if isinstance(item, CodeSubmission) and isinstance(item.tests, (CallTests, StdioTests))
    ]
    task = asyncio.create_task(memory.let_go(cases))
    _letting_go.add(task)
    task.add_done_callback(_letting_go.discard)


def _drain(request: Request) -> Drain:
    return request.app.state.drain


def _accepts_lines(request: Request) -> bool:
    """Return whether the client asks for one line per result."""
    accepted = request.headers.get("accept", "")
    return any(one.split(";")[0].strip().lower() == LINES for one in accepted.split(","))


async def _unless_gone(request: Request, work: asyncio.Future[T]) -> T | None:
    """Return the result, or None if the client hangs up first; then the work is cancelled.

    Raises:
        Overloaded: the service is shutting down and the grace period is over.
    """
    watch: asyncio.Future[Any] = asyncio.ensure_future(gone(request))
    cut: asyncio.Future[Any] = asyncio.ensure_future(_drain(request).is_over.wait())
    try:
        await asyncio.wait({work, watch, cut}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if watch.done():
            return None
        raise Overloaded(DRAINING, _drain(request).retry_after_s)
    finally:
        await _end(work, watch, cut)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Parts(Response):
    """An answer of known length, written in parts and freed as it is sent: a slow client keeps no second copy."""

    def __init__(self, parts: list[bytes]) -> None:
        super().__init__(media_type="application/json")
        self.headers["content-length"] = str(sum(map(len, parts)))
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        if sum(map(len, self._parts)) > memory.LARGE_BYTES:
            scope.setdefault("state", {})[memory.IS_LARGE] = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._parts.reverse()
        while self._parts:
            body = self._parts.pop()
            await send({"type": "http.response.body", "body": body, "more_body": bool(self._parts)})
            await asyncio.sleep(0)


async def _written(results: list[ItemResult]) -> Response:
    """Return an answer with results as JSON."""
    return await _in_parts(b'{"results":[', cast(list[BaseModel], results), b"]}")


async def written_with(answer: BaseModel, name: str, listed: Sequence[BaseModel]) -> Response:
    """Return `answer` as JSON with `listed` as its field `name`, which is empty in `answer`: it can be long."""
    before, empty, after = answer.model_dump_json().encode().rpartition(f'"{name}":[]'.encode())
    return await _in_parts(before + empty[:-1], list(listed), b"]" + after)


async def _in_parts(before: bytes, listed: list[BaseModel], after: bytes) -> Response:
    """Return a list as JSON between two texts, serialized in slices; the list is emptied on the way."""
    parts, part = [], bytearray(before)
    own = Slice()
    listed.reverse()
    if not listed:
        part += after
    while listed:
        await own.pause()
        part += listed.pop().model_dump_json().encode()
        part += b"," if listed else after
        if len(part) >= PART_BYTES:
            parts.append(bytes(part))
            part.clear()
    if part:
        parts.append(bytes(part))
    return _Parts(parts)


class _Lines:
    """Results as lines of JSON, each sent as soon as it is available: `{"index": 3, ...}`.

    The last line is a summary; a stream without it was cut off.
    """

    def __init__(self, request: Request, batch: Batch) -> None:
        self._request = request
        self._batch = batch
        self._news: asyncio.Queue[tuple[int, ItemResult] | None] = asyncio.Queue()
        """Results in the order they arrive; None marks the end."""
        self._has_place = asyncio.Event()
        self._words: Counter[str] = Counter()
        self._work: asyncio.Future[Any] = asyncio.ensure_future(self._judge())
        self._work.add_done_callback(lambda _: self._news.put_nowait(None))
        self._cut: asyncio.Future[Any] = asyncio.ensure_future(self._watch_the_end())

    async def begin(self) -> Response:
        """Wait for places in the queue, then start the answer; before that, a refusal is still a plain error."""
        answer: Response | None = None
        try:
            if await _unless_gone(self._request, asyncio.ensure_future(self._has_place.wait())):
                if self._work.done():
                    self._work.result()  # raises if it was refused
                answer = _Stream(self)
        finally:
            if answer is None:
                await self.end()
        return answer or Response(status_code=CLIENT_CLOSED_REQUEST)

    async def end(self) -> None:
        """Cancel what is still running, and free the batch."""
        try:
            await _end(self._work, self._cut)
        finally:
            let_go(self._batch)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the lines."""
        while (told := await self._news.get()) is not None:
            yield self._line(*told)
        if self._work.done():
            self._work.result()
            yield self._summary()
        else:
            yield document(503, DRAINING).model_dump_json().join(('{"problem":', "}\n")).encode()

    async def _judge(self) -> None:
        dispatcher, client = service_of(self._request).dispatcher, sharer_of(self._request)
        try:
            metrics: Metrics = self._request.app.state.metrics
            async with dispatcher.place(self._batch, client):
                self._has_place.set()
                with metrics.holding(client_of(self._request).name, len(self._batch.items)):
                    await dispatcher.judge_placed(self._batch, client, lambda *result: self._news.put_nowait(result))
        finally:
            self._has_place.set()

    async def _watch_the_end(self) -> None:
        await _drain(self._request).is_over.wait()
        self._news.put_nowait(None)

    def _line(self, index: int, result: ItemResult) -> bytes:
        self._words[result.word] += 1
        return f'{{"index":{index},{cast(BaseModel, result).model_dump_json()[1:]}\n'.encode()

    def _summary(self) -> bytes:
        seconds = round(time.monotonic() - self._batch.arrived_s, 3)
        told = {"results": self._words.total(), "counts": dict(self._words), "seconds": seconds}
        return json.dumps({"summary": told}).encode() + b"\n"


class _Stream(StreamingResponse):
    """An answer in lines. Its work ends with it, even if the client stops reading."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__(aiter(lines), media_type=LINES, headers={"X-Accel-Buffering": "no"})
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._lines.end()
