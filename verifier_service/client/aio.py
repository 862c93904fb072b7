"""The client for programs that use asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from weakref import WeakKeyDictionary

import httpx
from pydantic import ValidationError

from verifier_service.client.errors import NotAVerifier, PassingTrouble
from verifier_service.client.options import Options, addresses
from verifier_service.client.progress import shown
from verifier_service.client.servers import Server
from verifier_service.client.session import Emit, Session, Traffic
from verifier_service.client.wire import JSON, LINES, plain, require_ok
from verifier_service.schema import CodeSubmission, Info, MathSubmission, Result, Run, RunResponse, RunResult

Submission = Mapping[str, object] | MathSubmission | CodeSubmission
"""A submission: a model from `verifier_service.schema`, or a dict in the format of the API."""

GATHER_S = 0.01
"""How long a single submission waits for others to share its request."""


class AsyncVerifierClient:
    """A client of one or several identically configured verifiers. Close it, or use it as an async context manager.

    ```python
    async with AsyncVerifierClient("http://127.0.0.1:8000") as client:
        results = await client.verify([{"kind": "math", "completion": r"\\boxed{1/2}", "reference": "0.5"}])
        assert results[0].score == 1.0  # None if the verifier failed, not the submission
    ```

    It can be used in several event loops, also at the same time; each has its own connections.
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
        """Create a client; nothing is sent yet.

        Args:
            urls: one or several addresses; a string can contain several, separated by commas. Default: `VERIFIER_URL`,
                else http://127.0.0.1:8000.
            api_key: the key, if the verifiers require one. Default: `VERIFIER_API_KEY`.
            deadline_s: seconds within which each request is answered; submissions not judged by then are
                `judge_error`s.
            patience_s: seconds without any answer after which calls raise `VerifierDown`.
            chunk: submissions per request.
            concurrency: requests in flight at the same time.
            transport: an httpx transport to use instead of the network, for instance in tests.

        Raises:
            ValueError: an argument is not allowed; the message says which and what is allowed.
        """
        self.options = Options(addresses(urls), api_key, deadline_s, patience_s, chunk, concurrency)
        self._transport = transport
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, Session] = WeakKeyDictionary()
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()

    @property
    def _session(self) -> Session:
        loop = asyncio.get_running_loop()
        found = self._sessions.get(loop)
        if found is None:
            found = self._sessions[loop] = Session(self.options, self._transport)
        return found

    async def __aenter__(self) -> "AsyncVerifierClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def info(self) -> Info:
        """Return the answer of `GET /v1/info`: languages, checkers, limits. There are no retries.

        Raises:
            VerifierDown: no verifier could be reached.
            VerifierRefused: the verifier refused the request, for instance because the key is wrong.
            NotAVerifier: something other than a verifier answers at the address.
        """

        async def get(server: Server) -> tuple[str, bytes]:
            response = await server.http.get("/v1/info")
            if response.status_code == 200:
                return server.url, response.content
            require_ok(server.url, response)
            raise PassingTrouble(f"status {response.status_code}")

        url, content = await self._session.send_once(get)
        try:
            return Info.model_validate_json(content)
        except ValidationError as problem:
            raise NotAVerifier(url, f"/v1/info answered {content[:100].decode(errors='replace')!r}") from problem

    async def verify(
        self,
        submissions: Sequence[Submission],
        *,
        on_result: Emit | None = None,
        progress: bool = False,
        traffic: Traffic | None = None,
    ) -> list[Result]:
        """Judge a batch; it is split into requests that are sent concurrently.

        Args:
            submissions: submissions with inline tests; tests that several of them share are sent only once per
                request. Deduplicate equal submissions before, to save work.
            on_result: called with the index and the result of each submission as its request is answered.
            progress: show a progress bar on stderr.
            traffic: filled with statistics about the requests.

        Returns:
            One result per submission, in the same order. If the verdict is `judge_error`, `score` is None: nothing is
            known about the submission.

        Raises:
            VerifierDown: there was no answer for `patience_s`; nothing may be concluded about any submission.
            VerifierRefused: the verifier will never accept this request.
        """
        found: dict[int, Result] = {}
        with shown(len(submissions), on=progress) as advance:

            def take(index: int, result: Result) -> None:
                found[index] = result
                advance()
                if on_result is not None:
                    on_result(index, result)

            await _together(self._chunks(submissions, take, traffic or Traffic(), JSON))
        return [found[index] for index in range(len(submissions))]

    async def stream(self, submissions: Sequence[Submission]) -> AsyncIterator[tuple[int, Result]]:
        """Judge a batch, and yield each result with its index as soon as it is available.

        Results that were yielded are valid even if an error follows.

        ```python
        async for index, result in client.stream(submissions):
            rewards[index] = result.score  # None for a judge_error
        ```

        Raises:
            VerifierDown, VerifierRefused: see `verify`.
        """
        queue: asyncio.Queue[tuple[int, Result] | None] = asyncio.Queue()

        async def judge() -> None:
            try:
                await _together(
                    self._chunks(submissions, lambda index, result: queue.put_nowait((index, result)), Traffic(), LINES)
                )
            finally:
                queue.put_nowait(None)

        judging = asyncio.create_task(judge())
        try:
            while (one := await queue.get()) is not None:
                yield one
            await judging
        finally:
            judging.cancel()
            await asyncio.gather(judging, return_exceptions=True)

    async def verify_one(self, submission: Submission) -> Result:
        """Judge one submission; calls made at about the same time share a request.

        Raises:
            VerifierDown, VerifierRefused: see `verify`.
        """
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = _Waiting(self.verify, self.options.chunk)
        return await waiting.add(submission)

    async def run(self, runs: Sequence[Mapping[str, object] | Run]) -> list[RunResult]:
        """Run programs without judging them, in one request; see `POST /v1/run`.

        ```python
        (ran,) = await client.run([{"source": "print(input())", "stdin": "hello"}])
        assert ran.stdout == "hello\\n"
        ```

        Returns:
            One result per run, in the same order. If `end` is `judge_error`, nothing is known about the run.

        Raises:
            VerifierDown, VerifierRefused: see `verify`.
        """
        body = {"runs": [plain(one) for one in runs], "deadline_s": self.options.deadline_s}

        async def post(server: Server) -> list[RunResult]:
            response = await server.http.post("/v1/run", json=body)
            require_ok(server.url, response)
            try:
                results = RunResponse.model_validate_json(response.content).results
            except ValidationError as problem:
                raise PassingTrouble("an answer with an unknown format") from problem
            if len(results) != len(runs):
                raise PassingTrouble(f"{len(results)} results for {len(runs)} runs")
            return results

        began, tries = time.monotonic(), 0
        session = self._session
        while True:
            try:
                return await session.send(post)
            except PassingTrouble as problem:
                tries += 1
                await session.be_patient(began, tries, problem)

    def _chunks(
        self, submissions: Sequence[Submission], take: Emit, traffic: Traffic, accept: str
    ) -> list[Coroutine[None, None, None]]:
        """Return the requests of a batch."""
        size, session = self.options.chunk, self._session
        batch = [plain(one) for one in submissions]
        cut = [range(start, min(start + size, len(batch))) for start in range(0, len(batch), size)]
        return [session.judge({index: batch[index] for index in part}, take, traffic, accept) for part in cut]


class _Waiting:
    """Collects single submissions into one request."""

    def __init__(self, verify: Callable[[list[Submission]], Coroutine[None, None, list[Result]]], most: int) -> None:
        self._verify = verify
        self._most = most
        self._ahead: list[Submission] = []
        self._is_full = asyncio.Event()
        self._results: asyncio.Task[list[Result]] | None = None

    async def add(self, submission: Submission) -> Result:
        """Add a submission to the next request; return its result."""
        if not self._ahead or self._results is None:
            self._is_full = asyncio.Event()
            self._results = asyncio.create_task(self._send(self._ahead, self._is_full))
        results, index = self._results, len(self._ahead)
        self._ahead.append(submission)
        if len(self._ahead) >= self._most:
            self._is_full.set()
            self._ahead = []
        return (await asyncio.shield(results))[index]

    async def _send(self, ahead: list[Submission], is_full: asyncio.Event) -> list[Result]:
        with suppress(TimeoutError):
            await asyncio.wait_for(is_full.wait(), GATHER_S)
        if self._ahead is ahead:
            self._ahead = []
        return await self._verify(ahead)


async def _together(requests: Iterable[Coroutine[None, None, None]]) -> None:
    """Wait for all requests; if one fails, cancel the others."""
    tasks = [asyncio.create_task(request) for request in requests]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
