"""Requests in one event loop: sent concurrently, bounded in time as a whole, and retried after temporary failures."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from verifier_service.client.errors import PassingTrouble, VerifierDown, sentence
from verifier_service.client.options import Options
from verifier_service.client.servers import CONNECT_TIMEOUT_S, PROBE_AFTER_S, Server, Servers, pause_s
from verifier_service.client.wire import JSON, LINES, TOO_LARGE, Plain, Sent, encode, require_ok
from verifier_service.schema import Result

READ_SLACK_S = 15.0
"""Time for the network in addition to the deadline, by which the verifier answers."""

Emit = Callable[[int, Result], None]
"""Called with a submission's index in its batch, and its result."""
_Answer = TypeVar("_Answer")


@dataclass
class Traffic:
    """Statistics of the requests for one batch. `latencies_s` has an entry for each answered request."""

    requests: int = 0
    retries: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def __add__(self, other: "Traffic") -> "Traffic":
        """Return the sum of both."""
        latencies_s = self.latencies_s + other.latencies_s
        return Traffic(self.requests + other.requests, self.retries + other.retries, latencies_s)

    def quantile_s(self, q: float) -> float:
        """Return a quantile of the latencies; 0.0 if no request was answered."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class Session:
    """A client's connections and its knowledge about the verifiers, in one event loop."""

    def __init__(self, options: Options, transport: httpx.AsyncBaseTransport | None) -> None:
        self.options = options
        self.servers = Servers(options, transport)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._answered_at = time.monotonic()

    async def close(self) -> None:
        """Close the connections."""
        await self.servers.close()

    async def judge(self, batch: dict[int, Plain], emit: Emit, traffic: Traffic, accept: str = JSON) -> None:
        """Judge submissions, given by index, and call `emit` with each result.

        Submissions that the verifier could not judge through its own fault (`retryable`) are sent once more.

        Raises:
            VerifierDown: there was no answer for `patience_s`.
            VerifierRefused: the verifier will never accept this request.
        """
        lost: dict[int, Result] = {}

        def take(index: int, result: Result) -> None:
            if result.retryable:
                lost[index] = result
            else:
                emit(index, result)

        await self._ask(batch, take, traffic, accept)
        if not lost:
            return
        again = dict(lost)

        def take_again(index: int, result: Result) -> None:
            del again[index]
            emit(index, result)

        await asyncio.sleep(pause_s(1, None))
        try:
            await self._ask({index: batch[index] for index in lost}, take_again, traffic, accept)
        except VerifierDown:
            for index, result in list(again.items()):  # the first results are better than none
                emit(index, result)

    async def _ask(self, batch: dict[int, Plain], emit: Emit, traffic: Traffic, accept: str) -> None:
        """Judge submissions; retry those without a result until they have one or `patience_s` is over."""
        left = dict(batch)
        began, tries = time.monotonic(), 0

        def take(index: int, result: Result) -> None:
            del left[index]
            self._answered_at = time.monotonic()
            emit(index, result)

        while left:
            try:
                async with self._slots:
                    sent_at = time.monotonic()
                    is_whole = await self._request(dict(left), take, accept)
            except PassingTrouble as problem:
                tries += 1
                await self.be_patient(began, tries, problem)
                traffic.retries += 1
                continue
            if not is_whole:
                parts = list(left.items())
                half = len(parts) // 2
                for part in (parts[:half], parts[half:]):
                    await self._ask(dict(part), take, traffic, accept)
                return
            traffic.requests += 1
            traffic.latencies_s.append(time.monotonic() - sent_at)

    async def _request(self, batch: dict[int, Plain], take: Emit, accept: str) -> bool:
        """Send one request to one verifier; return False if it is too large and has to be halved.

        Raises:
            PassingTrouble: there was no answer, or an incomplete one.
            VerifierRefused: the verifier will never accept it.
        """
        indices, sent = list(batch), Sent.of(list(batch.values()))
        body = encode(sent.submissions, self.options.deadline_s)

        async def post(server: Server) -> bool:
            headers = {"Content-Type": JSON, "Accept": accept}
            async with server.http.stream("POST", "/v1/verify", content=body, headers=headers) as response:
                if response.status_code == TOO_LARGE and len(batch) > 1:
                    return False
                if response.headers.get("Content-Type", "").startswith(LINES) and response.status_code == 200:
                    await _take_lines(response, sent, lambda index, result: take(indices[index], result))
                    return True
                content = await response.aread()
                require_ok(server.url, response)
            for index, result in zip(indices, sent.results_of(content), strict=True):
                take(index, result)
            return True

        return await self.send(post)

    async def send_once(self, request: Callable[[Server], Coroutine[None, None, _Answer]]) -> _Answer:
        """Send one request to one verifier after another until one answers; each has only the connect timeout.

        Raises:
            VerifierDown: none answered.
            VerifierRefused: one of them will never accept it.
        """
        last = PassingTrouble("")
        for server in self.servers.in_order():
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    return await self._send_to(server, request)
            except TimeoutError:
                server.failed(None)
                last = PassingTrouble(f"no answer within {CONNECT_TIMEOUT_S:.0f} s", url=server.url)
            except PassingTrouble as problem:
                last = problem
        raise VerifierDown(self.options.shown, 0.0, sentence(last)) from last

    async def send(self, request: Callable[[Server], Coroutine[None, None, _Answer]]) -> _Answer:
        """Send one request to the verifier with the fewest requests in flight, bounded in time.

        Raises:
            PassingTrouble: there was no usable answer, but a retry may succeed.
            VerifierRefused: the verifier will never accept it.
        """
        return await self._send_to(self.servers.choose(), request)

    async def _send_to(self, server: Server, request: Callable[[Server], Coroutine[None, None, _Answer]]) -> _Answer:
        server.in_hand += 1
        try:
            answer = await self._bounded(server, request(server))
        except httpx.HTTPError as problem:
            server.failed(None)
            raise PassingTrouble(sentence(problem), url=server.url) from problem
        except PassingTrouble as trouble:
            trouble.url = server.url
            server.failed(trouble.retry_after_s)
            raise
        finally:
            server.in_hand -= 1
        server.answered()
        return answer

    async def _bounded(self, server: Server, request: Coroutine[None, None, _Answer]) -> _Answer:
        """Bound a request's total time, even if its answer keeps trickling in.

        It is given up when it has taken too long, when no request was answered for `patience_s`, or when its verifier
        is dead and there is another one.
        """
        began = time.monotonic()
        sending = asyncio.create_task(request)
        try:
            while True:
                patience_ends = max(began, self._answered_at) + self.options.patience_s
                left_s = min(began + self.options.deadline_s + READ_SLACK_S, patience_ends) - time.monotonic()
                if left_s <= 0:
                    raise PassingTrouble(f"the answer was not complete within {time.monotonic() - began:.0f} s")
                if (await asyncio.wait({sending}, timeout=min(left_s, self._probe_after_s)))[0]:
                    return sending.result()
                if self.servers.are_several and not await server.lives():
                    raise PassingTrouble("it accepts connections but does not answer /healthz")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    @property
    def _probe_after_s(self) -> float:
        return PROBE_AFTER_S if self.servers.are_several else float("inf")

    async def be_patient(self, began: float, tries: int, problem: PassingTrouble) -> None:
        """Wait before the next attempt; not at all if another verifier works.

        Raises:
            VerifierDown: no request was answered for `patience_s`.
        """
        silent_s = time.monotonic() - max(began, self._answered_at)
        wait_s = 0.0 if self.servers.another_is_well(problem.url) else pause_s(tries, problem.retry_after_s)
        if silent_s + wait_s > self.options.patience_s:
            await asyncio.sleep(max(self.options.patience_s - silent_s, 0.0))
            silent_s = time.monotonic() - max(began, self._answered_at)
            if silent_s >= self.options.patience_s:
                raise VerifierDown(self.options.shown, silent_s, sentence(problem)) from problem
        else:
            await asyncio.sleep(wait_s)


async def _take_lines(response: httpx.Response, sent: Sent, take: Emit) -> None:
    """Read results from a stream as they come.

    Raises:
        PassingTrouble: the stream ends early, or has an unknown format.
    """
    left = set(range(len(sent.submissions)))
    async for line in response.aiter_lines():
        found = sent.result_of(line)
        if found is None:
            break
        if found[0] not in left:
            raise PassingTrouble(f"a second result for submission {found[0]}")
        left.remove(found[0])
        take(*found)
    if left:
        raise PassingTrouble(f"the answer ended without {len(left)} of {len(sent.submissions)} results")
