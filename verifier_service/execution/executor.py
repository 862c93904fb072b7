"""Run a job: lease a box, let a consumer take the facts, and tell a program that breaks boxes from boxes that break.

A box that dies under a program is replaced, and the job is run once more on a fresh one. If that dies as well, and a
harmless program lives on a third right afterwards, for longer than the program had left its box alive, and all of this
happens `ROUNDS` times in a row, then the program kills boxes. Otherwise the failure is ours: `JudgeError`. So whoever
kills boxes from outside kills the harmless ones too, and no program is charged for it.
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

BROKE_BOXES = "the program ended two fresh boxes in a row, while harmless programs lived in others"
"""What is said of a program of which `Execution.value` is None."""

ROUNDS = 2
"""How many fresh boxes have to die under a program, each time with a harmless one beside it that lives."""
HARMLESS_FACTOR = 2.0
HARMLESS_LEAST_S, HARMLESS_MOST_S = 0.1, 5.0
"""A harmless program has to live this many times as long as the box lived under the other, within these bounds."""

T = TypeVar("T")
Consumer = Callable[[AsyncIterator[Fact]], Awaitable[T]]


@dataclass
class Times:
    """Where the time of a job went, over all boxes that it was given to."""

    queue_s: float = 0.0
    start_s: float = 0.0
    run_s: float = 0.0
    waited_s: float = 0.0
    """The part of `run_s` in which the program neither computed nor stood in line for a core, as far as is known."""
    image: str = ""
    """What the last of the boxes was made from."""


@dataclass(frozen=True)
class Execution(Generic[T]):
    """What a consumer made of the facts; None if the program ended fresh boxes while harmless ones lived."""

    value: T | None
    times: Times = field(default_factory=Times)


class Executor:
    """Runs jobs in the boxes of a pool. Start and close the pool elsewhere."""

    def __init__(self, pool: BoxPool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._cache = CompileCache(settings.compile_cache_mb * 1024 * 1024)

    def others_wait(self, share: Share) -> bool:
        """Tell whether another request waits for a box."""
        return self._pool.turns.others_wait(share)

    async def run(
        self, language: Language, job: Job, consume: Consumer[T], share: Share, times: Times | None = None
    ) -> Execution[T]:
        """Run `job`, for the request of this share, and return what `consume` makes of its facts.

        `times` are added to, also when this is cancelled.

        `consume` may return before the facts end: then the job is stopped. It is called anew for each box that the job
        is given to, and what it raises passes through, but for `BoxDied`: that is taken as the box's.

        Raises:
            JudgeError: nothing may be concluded of the program.
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
        """Yield the facts of a job, with what an earlier compile of the same program made where that was kept."""
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
        """Have a harmless program live in a fresh box, for longer than the last box lived under the program.

        Raises:
            JudgeError: it does not: the machine is to blame, and not the program.
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
                await self._run_through(lease.box, harmless)
                await asyncio.sleep(ends_s - time.monotonic())
                await self._run_through(lease.box, harmless)
        except BoxDied as error:
            raise JudgeError(f"sandboxes die here, also under a harmless program: {error}", Cause.BOX_DIED) from error

    async def _run_through(self, box: Box, job: Job) -> None:
        async with aclosing(box.run(job)) as facts:
            async for _ in facts:
                pass


@dataclass(frozen=True)
class _Asked:
    """What is to be run, and for whom."""

    language: Language
    job: Job
    share: Share
    times: Times
