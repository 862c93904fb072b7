"""The outermost middleware: notes when a request arrived, counts requests in flight, refuses new ones on shutdown.

It is plain ASGI, so that streams pass through unbuffered and nothing runs before it.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verifier_service.api.problems import problem
from verifier_service.errors import TooSlow
from verifier_service.intake import memory
from verifier_service.intake.bodies import HELD
from verifier_service.observability.metrics import PROBES
from verifier_service.schema import Readiness

ARRIVED = "arrived_s"
"""Key in a request's state: when it arrived, on the monotonic clock."""
PROBES_ONLY = "probes_only"
"""Key in a request's state: its connection exceeds the limit, and only probes such as `/healthz` are answered."""
TOO_SLOW = "too_slow"
"""Key in a request's state: why the rest of its body will not be read."""
RETRY_AFTER_S = 5
TAKE_503_FOR_A_VERDICT = frozenset({"/run_code", "/submit"})
"""Paths whose callers (verl) score a 503 as a wrong answer and retry only after a 504."""
DRAINING = "the service is shutting down: it finishes the requests in flight and accepts no new ones"


class Drain:
    """Graceful shutdown: accept nothing new, wait for requests in flight, then cut them off."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._tasks: set[asyncio.Task[object]] = set()
        self.ends_s: float | None = None
        """When requests in flight will be cut off, on the monotonic clock; None unless shutting down."""
        self.is_over = asyncio.Event()
        """Set when requests in flight must be answered with 503 now."""
        self.is_cut = False
        """Whether requests that did not react to `is_over` have been cancelled."""

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return len(self._tasks)

    @property
    def is_draining(self) -> bool:
        """Whether new requests are refused."""
        return self.ends_s is not None

    @property
    def retry_after_s(self) -> int:
        """Seconds until another instance has probably taken over."""
        return max(math.ceil((self.ends_s or 0.0) - time.monotonic()), 1)

    def begin(self) -> None:
        """Refuse new requests from now on."""
        if self.ends_s is None:
            self.ends_s = time.monotonic() + self._wait_s

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """Count the current task as a request in flight."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def cut_off(self) -> None:
        """Cancel the requests still in flight: uploads, long polls, anything that does not watch `is_over`."""
        if not self.is_cut:
            self.is_cut = True
            for task in self._tasks:
                task.cancel()


def arrived_s(request: Request) -> float:
    """Return when the request headers were complete, on the monotonic clock."""
    return getattr(request.state, ARRIVED, None) or time.monotonic()


class Arrival:
    """The middleware."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain
        self._giving_back: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})[ARRIVED] = time.monotonic()
        if scope["path"] in PROBES:
            await self._probe(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if self._drain.is_draining:
            await self._refuse(scope["path"], DRAINING, self._drain.retry_after_s)(scope, receive, send)
        elif state.get(PROBES_ONLY):
            await self._refuse(scope["path"], "the service has too many open connections", RETRY_AFTER_S)(
                scope, receive, send
            )
        else:
            await self._answer(scope, receive, send)

    @staticmethod
    def _refuse(path: str, why: str, retry_after_s: int) -> Response:
        return problem(
            504 if path in TAKE_503_FOR_A_VERDICT else 503,
            why,
            headers={"Retry-After": str(retry_after_s), "Connection": "close"},
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an accepted request; answer 503 if it is still in flight when the service has to stop."""
        state, has_begun = scope["state"], False

        async def paced() -> Message:
            message = await receive()
            if why := state.get(TOO_SLOW):
                raise TooSlow(why)
            return message

        async def noticed(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            with self._drain.in_hand():
                await self._app(scope, paced, noticed)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._drain.is_cut or task is None or task.uncancel():
                raise
            if not has_begun:
                await self._refuse(scope["path"], DRAINING, self._drain.retry_after_s)(scope, receive, send)
        finally:
            if held := state.pop(HELD, None):
                held.give_back()
            if state.get(memory.IS_LARGE):
                self._give_memory_back()

    def _give_memory_back(self) -> None:
        """Return freed memory to the system a moment later, when nothing refers to the request any more."""
        if self._giving_back is None or self._giving_back.done():
            self._giving_back = asyncio.create_task(memory.give_back(lambda: not self._drain.in_flight))

    async def _probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/readyz" and self._drain.is_draining:
            await _not_ready(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _not_ready(scope: Scope, receive: Receive, send: Send) -> None:
    body = Readiness(ready=False, reasons={"service": DRAINING}).model_dump_json()
    await Response(body, 503, media_type="application/json")(scope, receive, send)
