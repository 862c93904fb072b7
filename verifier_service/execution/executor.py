"""Run a job: lease a box, hand the facts to a consumer, and tell programs that break boxes from boxes that break.

A box that dies under a program is replaced, and the job runs again on a fresh one. A program is found to kill boxes if
the fresh box dies too, and a harmless program then survives in another fresh box for longer than the program's box
lived, `ROUNDS` times in a row. Otherwise the failure is ours: `JudgeError`. If something outside kills boxes, it kills
the harmless programs' boxes too, so no program is blamed for it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import structlog

from sandboxes.protocol.facts import CompileFacts, Fact
from sandboxes.protocol.job import Job, Mode, Run
from verifier_service import limits
from verifier_service.errors import BoxDied, Cause, JudgeError
from verifier_service.execution.compile_cache import CompileCache, cache_key
from verifier_service.execution.pool import BoxPool
from verifier_service.execution.turns import Share
from verifier_service.languages import Language
from verifier_service.runners.base import Box
from verifier_service.schema import Limits
from verifier_service.settings import Settings

log = structlog.get_logger()

BROKE_BOXES = "the program killed two fresh boxes in a row, while harmless programs kept running in others"
"""The message for a program whose `Execution.value` is None."""

ROUNDS = 2
"""How many fresh boxes have to die under a program while a harmless program survives in another each time."""
HARMLESS_FACTOR = 2.0
HARMLESS_LEAST_S, HARMLESS_MOST_S = 0.1, 5.0
"""A harmless program has to survive this many times as long as the other program's box did, within these bounds."""

T = TypeVar("T")
Consumer = Callable[[AsyncIterator[Fact]], Awaitable[T]]


@dataclass
class Times:
    """Where a job's time went, summed over all boxes it ran in."""

    queue_s: float = 0.0
    start_s: float = 0.0
    run_s: float = 0.0
    waited_s: float = 0.0
    """The part of `run_s` in which the program neither computed nor waited for a core, as far as known."""
    image: str = ""
    """The image of the last box."""


@dataclass(frozen=True)
class Execution(Generic[T]):
    """What a consumer made of the facts; None if the program kills boxes (see the module's docstring)."""

    value: T | None
    times: Times = field(default_factory=Times)


class Executor:
    """Runs jobs in a pool's boxes. The pool's owner starts and closes it."""

    def __init__(self, pool: BoxPool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._cache = CompileCache(settings.compile_cache_mb * 1024 * 1024)

    def others_wait(self, share: Share) -> bool:
        """Return whether another request waits for a box."""
        return self._pool.turns.others_wait(share)

    async def run(
        self, language: Language, job: Job, consume: Consumer[T], share: Share, times: Times | None = None
    ) -> Execution[T]:
        """Run `job` on behalf of `share` and return what `consume` makes of its facts.

        `consume` can return before the facts end; the job is then stopped. It is called again for each box the job is
        tried in. What it raises passes through, except `BoxDied`, which counts as the box's death.

        Args:
            language: whose box the job needs.
            job: what to run.
            consume: turns the facts of one attempt into a value.
            share: the request's place in the queue for boxes.
            times: added to while the job runs, so the numbers are there even if this call is cancelled.

        Raises:
            JudgeError: nothing can be concluded about the program.
        """
        asked = _Asked(language, job, share, Times() if times is None else times)
        for round_ in range(ROUNDS + 1):
            before_s = asked.times.run_s
            try:
                return Execution(await self._run_in_a_box(asked, consume, fresh=round_ > 0), asked.times)
            except BoxDied as error:
                log.warning("box_died", language=language.name, fresh=round_ > 0, reason=str(error))
            if round_ > 0:
                await self._prove_that_boxes_live(asked, asked.times.run_s - before_s)
        return Execution(None, asked.times)

    async def _run_in_a_box(self, asked: "_Asked", consume: Consumer[T], fresh: bool) -> T:
        times = asked.times
        async with self._pool.lease(asked.language, asked.share, fresh=fresh) as lease:
            times.queue_s += lease.queue_s
            times.start_s += lease.start_s
            times.image = lease.box.image
            began_s = time.monotonic()
            try:
                async with aclosing(self._facts(lease.box, asked.job)) as facts:
                    return await consume(facts)
            finally:
                times.run_s += time.monotonic() - began_s
                times.waited_s += lease.box.waited_s

    async def _facts(self, box: Box, job: Job) -> AsyncGenerator[Fact, None]:
        """Yield a job's facts, reusing what an earlier compile of the same program produced."""
        if not job.toolchain.compile or not self._settings.compile_cache_mb:
            async with aclosing(box.answer(job)) as facts:
                async for fact in facts:
                    yield fact
            return
        key = cache_key(job, box.image)
        kept = self._cache.find(key)
        if kept is not None:
            yield replace(kept, built=None, cached=True, time_s=0.0, wall_s=0.0)
        job = replace(job, built=kept.built if kept else None, keep_build=kept is None)
        async with aclosing(box.answer(job)) as facts:
            async for fact in facts:
                if isinstance(fact, CompileFacts):
                    self._cache.keep(key, fact)
                yield replace(fact, built=None) if isinstance(fact, CompileFacts) else fact

    async def _prove_that_boxes_live(self, asked: "_Asked", lived_s: float) -> None:
        """Run a harmless program in a fresh box for longer than the last box lived under the submitted one.

        Raises:
            JudgeError: the harmless program's box died too, so the fault lies with the machine.
        """
        harmless = Job(
            mode=Mode.STDIO,
            source=b"",
            toolchain=asked.language.toolchain,
            limits=limits.fill(Limits(), self._settings),
            runs=(Run(),),
        )
        try:
            async with self._pool.lease(asked.language, asked.share, fresh=True) as lease:
                ends_s = time.monotonic() + min(max(HARMLESS_FACTOR * lived_s, HARMLESS_LEAST_S), HARMLESS_MOST_S)
                # Once before the wait and once after: the box must work at both ends of the time in which the other one
                # died.
                await self._run_through(lease.box, harmless)
                await asyncio.sleep(ends_s - time.monotonic())
                await self._run_through(lease.box, harmless)
        except BoxDied as error:
            raise JudgeError(
                f"sandboxes die on this machine even under a harmless program: {error}", Cause.BOX_DIED
            ) from error

    async def _run_through(self, box: Box, job: Job) -> None:
        async with aclosing(box.run(job)) as facts:
            async for _ in facts:
                pass


@dataclass(frozen=True)
class _Asked:
    """What to run, and for which request."""

    language: Language
    job: Job
    share: Share
    times: Times
