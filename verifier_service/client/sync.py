"""The client for programs without asyncio: the async client, in a thread with its own event loop."""

import asyncio
import os
import queue
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import TypeVar

import httpx

from verifier_service.client.aio import AsyncVerifierClient, Submission
from verifier_service.client.options import Options
from verifier_service.client.session import Emit, Traffic
from verifier_service.schema import Info, Result, Run, RunResult

_Answer = TypeVar("_Answer")


class VerifierClient:
    """A client of one or several identically configured verifiers. It is safe to use from several threads.

    Close it, or use it as a context manager. It can be pickled, and it still works after a fork.

    ```python
    with VerifierClient("http://127.0.0.1:8000") as client:
        results = client.verify([{"kind": "math", "completion": r"\\boxed{1/2}", "reference": "0.5"}])
        assert results[0].score == 1.0  # None if the verifier failed, not the submission
    ```
    """

    def __init__(
        self,
        urls: str | Sequence[str] | None = None,
        *,
        api_key: str | None = None,
        deadline_s: float = 120.0,
        patience_s: float = 300.0,
        chunk: int = 64,
        concurrency: int = 8,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Create a client; nothing is sent yet. See `AsyncVerifierClient` for the arguments.

        Raises:
            ValueError: an argument is not allowed; the message says which and what is allowed.
        """
        self._asks = AsyncVerifierClient(
            urls,
            api_key=api_key,
            deadline_s=deadline_s,
            patience_s=patience_s,
            chunk=chunk,
            concurrency=concurrency,
            transport=transport,
        )
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()
        self._is_closed = False

    @property
    def options(self) -> Options:
        """The options of this client."""
        return self._asks.options

    @property
    def url(self) -> str:
        """The addresses, for messages."""
        return self.options.shown

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle only the options: the copy creates its own connections and thread."""
        return _made_anew, (type(self), self.options)

    def __enter__(self) -> "VerifierClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; requests in flight are cancelled."""
        with self._lock:
            loop, self._loop, self._is_closed = self._loop, None, True
        if loop is not None and self._process == os.getpid():
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._asks.aclose()

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop, starting it in a thread if necessary; a forked process starts a new one."""
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the client is closed")
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=_run, args=(self._loop,), name="verifier client", daemon=True).start()
            return self._loop

    def _wait_for(self, answer: Coroutine[None, None, _Answer]) -> _Answer:
        try:
            loop = self._own_loop()
        except RuntimeError:
            answer.close()
            raise
        asked = asyncio.run_coroutine_threadsafe(answer, loop)
        try:
            return asked.result()
        finally:
            asked.cancel()

    def info(self) -> Info:
        """Return languages, checkers and limits; see `AsyncVerifierClient.info`."""
        return self._wait_for(self._asks.info())

    def verify(
        self,
        submissions: Sequence[Submission],
        *,
        on_result: Emit | None = None,
        progress: bool = False,
        traffic: Traffic | None = None,
    ) -> list[Result]:
        """Judge a batch; see `AsyncVerifierClient.verify`. `on_result` is called in the client's thread."""
        asked = self._asks.verify(submissions, on_result=on_result, progress=progress, traffic=traffic)
        return self._wait_for(asked)

    def verify_one(self, submission: Submission) -> Result:
        """Judge one submission; see `AsyncVerifierClient.verify_one`. Calls from several threads share a request."""
        return self._wait_for(self._asks.verify_one(submission))

    def run(self, runs: Sequence[Mapping[str, object] | Run]) -> list[RunResult]:
        """Run programs without judging them; see `AsyncVerifierClient.run`."""
        return self._wait_for(self._asks.run(runs))

    def stream(self, submissions: Sequence[Submission]) -> Iterator[tuple[int, Result]]:
        """Judge a batch and yield results as they come; see `AsyncVerifierClient.stream`."""
        found: queue.SimpleQueue[tuple[int, Result] | None] = queue.SimpleQueue()

        async def pump() -> None:
            try:
                async for one in self._asks.stream(submissions):
                    found.put(one)
            finally:
                found.put(None)

        pumping = asyncio.run_coroutine_threadsafe(pump(), self._own_loop())
        try:
            while (one := found.get()) is not None:
                yield one
            pumping.result()
        finally:
            pumping.cancel()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run an event loop until it is stopped."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _made_anew(kind: type[VerifierClient], options: Options) -> VerifierClient:
    return kind(
        options.urls,
        api_key=options.api_key,
        deadline_s=options.deadline_s,
        patience_s=options.patience_s,
        chunk=options.chunk,
        concurrency=options.concurrency,
    )
