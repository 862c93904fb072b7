"""Background duties, which a service repeats for ever, whatever happens to the database.

A duty that fails is retried after increasing pauses; `trouble` returns the reason for as long as it fails.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from verifier_service.store.engine import DatabaseTrouble

log = structlog.get_logger()

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
HANGS_AFTER_S = 300.0
"""A step that takes longer than this is reported as trouble, too."""


class Duty:
    """One step, repeated every `every_s` seconds and whenever it is woken."""

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], every_s: float) -> None:
        """`step` returns whether to repeat it at once."""
        self.name = name
        self._step = step
        self._every_s = every_s
        self._news = asyncio.Event()
        self._reason: str | None = None
        self._failures = 0
        self._began_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the background task."""
        self._task = asyncio.create_task(self._keep_on(), name=f"durable: {self.name}")

    def wake(self) -> None:
        """Run the next step now, or when the pause after a failure is over."""
        self._news.set()

    async def stop(self) -> None:
        """Stop, even in the middle of a step."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def trouble(self) -> str | None:
        """Return why it fails or hangs, or None."""
        if self._reason is not None:
            return self._reason
        if self._task is not None and self._task.done():
            return "it has ended"
        hangs_s = 0.0 if self._began_s is None else time.monotonic() - self._began_s
        return f"it has made no progress for {hangs_s:.0f} s" if hangs_s > HANGS_AFTER_S else None

    async def _keep_on(self) -> None:
        while True:
            self._news.clear()
            goes_on = await self._make_step()
            if self._failures:
                await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** (self._failures - 1), LONGEST_PAUSE_S))
            elif not goes_on:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._every_s)

    async def _make_step(self) -> bool:
        self._began_s = time.monotonic()
        try:
            goes_on = await self._step()
        except DatabaseTrouble as error:
            self._fail(str(error))
            log.warning("durable_duty_failed", duty=self.name, reason=str(error), failures=self._failures)
            return True
        except Exception as error:
            self._fail(f"{type(error).__name__}; the log of the service has the details")
            log.exception("durable_duty_broke", duty=self.name, failures=self._failures)
            return True
        finally:
            self._began_s = None
        if self._failures:
            log.info("durable_duty_goes_on", duty=self.name, failures=self._failures)
        self._failures, self._reason = 0, None
        return goes_on

    def _fail(self, reason: str) -> None:
        self._failures = min(self._failures + 1, 30)
        self._reason = reason
