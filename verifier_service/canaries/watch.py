"""Judge the known submissions again and again, and report which ways of judging work.

Each canary has its own task, so one that hangs does not hide the others. Those of the first language and of math are
watched from the server's start, the others from when they are first needed.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from verifier_service.canaries.known import Canary
from verifier_service.errors import JudgeError
from verifier_service.judges.base import Judge, guarded

log = structlog.get_logger()

AGAIN_S, LATEST_AGAIN_S = 0.5, 5.0
"""The pause after a failed check, at first and at most."""
LIMIT_S = 120.0
"""How long a check can take on a busy machine before it counts as failed."""
DEADLINE_S = 600.0  # far above any check, so that `LIMIT_S` decides
NOT_YET = "its self-check has not run yet"


@dataclass(eq=False)
class _Watched:
    canary: Canary
    trouble: str | None = NOT_YET
    fit: asyncio.Event = field(default_factory=asyncio.Event)
    doubted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    is_awaited: bool = False
    """Whether "not tried yet" counts as trouble too."""


class Canaries:
    """The canaries of one service. A way of judging without a canary counts as working."""

    def __init__(self, judges: Mapping[str, Judge[Any, Any, Any]], canaries: Iterable[Canary]) -> None:
        self._judges = judges
        self._watched = {one.name: _Watched(one) for one in canaries}
        self.left_out: frozenset[str] = frozenset()
        """The canaries of what can never be judged by this service."""

    def leave_out(self, names: Iterable[str]) -> None:
        """Forget canaries that are not watched yet, because this service can never judge what they speak for."""
        self.left_out |= frozenset(names)
        for name in self.left_out:
            self._watched.pop(name, None)

    def watch(self, names: Iterable[str]) -> None:
        """Begin to judge some of them, whether or not they are needed."""
        for name in names:
            if name in self._watched:
                self._watched[name].is_awaited = True
                self._begin(self._watched[name])

    async def close(self) -> None:
        """Stop judging them."""
        tasks = [one.task for one in self._watched.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def troubles(self) -> dict[str, str]:
        """Return what is wrong with each watched way of judging, by the canary's name."""
        return {
            name: NOT_YET if one.trouble == NOT_YET else f"its self-check failed: {one.trouble}"
            for name, one in self._watched.items()
            if one.task is not None and one.trouble is not None and (one.is_awaited or one.trouble != NOT_YET)
        }

    def trouble(self, name: str) -> str | None:
        """Return what is wrong with one way of judging, or None."""
        return self._watched[name].trouble if name in self._watched else None

    def unfit(self) -> frozenset[str]:
        """Return the names of those that fail or have not been tried yet."""
        return frozenset(name for name, one in self._watched.items() if one.trouble is not None)

    async def fit(self, name: str) -> None:
        """Wait until one way of judging works."""
        one = self._watched.get(name)
        if one is not None:
            self._begin(one)
            await one.fit.wait()

    def doubt(self, name: str) -> None:
        """Have one checked at once, because a submission ran into trouble."""
        if name in self._watched:
            self._begin(self._watched[name])
            self._watched[name].doubted.set()

    def _begin(self, one: _Watched) -> None:
        if one.task is None:
            # An empty context: the task must not inherit the deadline and the client of the request that happened to
            # start it.
            nobodys = contextvars.Context()
            one.task = asyncio.create_task(self._watch(one), name=f"canary {one.canary.name}", context=nobodys)

    async def _watch(self, one: _Watched) -> None:
        again_s = AGAIN_S
        while True:
            one.doubted.clear()
            before, one.trouble = one.trouble, await self._check(one.canary)
            if one.trouble != before and not (before == NOT_YET and one.trouble is None):
                log.warning("canary", of=one.canary.name, trouble=one.trouble)
            if one.trouble is None:
                one.fit.set()
                again_s = AGAIN_S
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(one.doubted.wait(), one.canary.every_s)
            else:
                one.fit.clear()
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, LATEST_AGAIN_S)

    async def _check(self, canary: Canary) -> str | None:
        """Judge a canary; return None if it got its verdicts, otherwise what went wrong."""
        outcomes: dict[int, Any] = {}
        try:
            async with asyncio.timeout(LIMIT_S):
                failed = await guarded(self._judge(canary, outcomes))
        except TimeoutError:
            return f"no verdict within {LIMIT_S:.0f} s"
        if isinstance(failed, JudgeError):
            return str(failed)
        for index, (_, expected) in enumerate(canary.submissions):
            outcome = outcomes.get(index, JudgeError("the judge did not report it"))
            if isinstance(outcome, JudgeError):
                return str(outcome)
            if outcome.verdict is not expected:
                what = "a right" if index == 0 else "a wrong"
                return f"{what} submission got {outcome.verdict.value}: {outcome.message[:300]}"
        return None

    async def _judge(self, canary: Canary, outcomes: dict[int, Any]) -> None:
        judge = self._judges[canary.kind]
        admit = judge.admission(DEADLINE_S)
        admitted = [await admit(submission) for submission, _ in canary.submissions]
        await judge.judge(admitted, outcomes.__setitem__)
