"""The first thing that every request meets: when it arrived, whether the service is ending, how many are under way.

Plain ASGI, so that it stands before everything else, and streams pass through it untouched.
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
"""What the state of a request says of when it arrived, by the monotonic clock."""
PROBES_ONLY = "probes_only"
"""What it says where the connection is one too many: it may ask whether the service lives, and nothing else."""
TOO_SLOW = "too_slow"
"""Why the rest of its body is not waited for."""
RETRY_AFTER_S = 5
TAKE_503_FOR_A_VERDICT = frozenset({"/run_code", "/submit"})
"""Paths whose callers (verl) score a 503 as a wrong answer, and send again after a 504 alone."""
DRAINING = "the service is ending: it finishes what is in hand and takes nothing new"


class Drain:
    """How the service ends: it takes nothing new, waits for what is in hand, and then cuts that off."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._tasks: set[asyncio.Task[object]] = set()
        self.ends_s: float | None = None
        """When what is in hand will be cut off, by the monotonic clock; None while the service goes on."""
        self.is_over = asyncio.Event()
        """What is in hand is to be answered with 503 now."""
        self.is_cut = False
        """What had not heard that is cancelled."""

    @property
    def in_flight(self) -> int:
        """How many requests are in hand."""
        return len(self._tasks)

    @property
    def is_draining(self) -> bool:
        """Whether nothing new is taken."""
        return self.ends_s is not None

    @property
    def retry_after_s(self) -> int:
        """In how many seconds another instance is likely to be there."""
        return max(math.ceil((self.ends_s or 0.0) - time.monotonic()), 1)

    def begin(self) -> None:
        """Take nothing new from now on."""
        if self.ends_s is None:
            self.ends_s = time.monotonic() + self._wait_s

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """Count the current task as a request in hand."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def cut_off(self) -> None:
        """Cancel what is still in hand: uploads, long polls, whatever does not look at `is_over` by itself."""
        if not self.is_cut:
            self.is_cut = True
            for task in self._tasks:
                task.cancel()


def arrived_s(request: Request) -> float:
    """Return when the head of a request was there, by the monotonic clock."""
    return getattr(request.state, ARRIVED, None) or time.monotonic()


class Arrival:
    """Stands before an app."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain
        self._giving_back: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
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
            await self._refuse(scope["path"], "there are too many connections", RETRY_AFTER_S)(scope, receive, send)
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
        """Answer a request that is let in, with 503 if it is still in hand when the service ends."""
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
        """Give it back a moment later, once nothing of the request is held any more."""
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
