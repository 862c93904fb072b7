"""Run a job: lease a box, let a consumer take the facts, and tell a program that breaks boxes from boxes that break.

A box that dies under a program is replaced, and the job is run once more on a fresh one. If that dies as well, and a
harmless program survives on a third, then the program killed them. Otherwise the failure is ours: `JudgeError`.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import structlog

from sandboxes.protocol.facts import CompileFacts, Fact
from sandboxes.protocol.job import Job, Mode, Run
from verifier_service import limits
from verifier_service.errors import BoxDied
from verifier_service.execution.compile_cache import CompileCache, cache_key
from verifier_service.execution.pool import BoxPool
from verifier_service.languages import Language
from verifier_service.runners.base import Box
from verifier_service.schema import Limits
from verifier_service.settings import Settings

log = structlog.get_logger()

BROKE_BOXES = "the program ended two fresh boxes in a row, in which harmless programs run"
"""What is said of a program of which `Execution.value` is None."""

T = TypeVar("T")
Consumer = Callable[[AsyncIterator[Fact]], Awaitable[T]]


@dataclass
class Times:
    """Where the time of a job went, over all boxes that it was given to."""

    queue_s: float = 0.0
    start_s: float = 0.0
    run_s: float = 0.0


@dataclass(frozen=True)
class Execution(Generic[T]):
    """What a consumer made of the facts; None if the program ended two fresh boxes in which harmless programs run."""

    value: T | None
    times: Times = field(default_factory=Times)


class Executor:
    """Runs jobs in the boxes of a pool. Start and close the pool elsewhere."""

    def __init__(self, pool: BoxPool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._cache = CompileCache(settings.compile_cache_mb * 1024 * 1024)

    async def run(self, language: Language, job: Job, consume: Consumer[T]) -> Execution[T]:
        """Run `job` and return what `consume` makes of its facts.

        `consume` may return before the facts end: then the job is stopped. It is called anew for each box that the job
        is given to, and what it raises passes through, but for `BoxDied`: that is taken as the box's.

        Raises:
            JudgeError: nothing may be concluded of the program.
        """
        times = Times()
        for fresh in (False, True):
            try:
                return Execution(await self._run_in_a_box(language, job, consume, times, fresh), times)
            except BoxDied as error:
                log.warning("box_died", language=language.name, fresh=fresh, reason=str(error))
        await self._prove_that_boxes_work(language)
        return Execution(None, times)

    async def _run_in_a_box(self, language: Language, job: Job, consume: Consumer[T], times: Times, fresh: bool) -> T:
        async with self._pool.lease(language, fresh=fresh) as lease:
            times.queue_s += lease.queue_s
            times.start_s += lease.start_s
            began_s = time.monotonic()
            try:
                async with aclosing(self._facts(lease.box, job)) as facts:
                    return await consume(facts)
            finally:
                times.run_s += time.monotonic() - began_s

    async def _facts(self, box: Box, job: Job) -> AsyncGenerator[Fact, None]:
        """Yield the facts of a job, with what an earlier compile of the same program made where that was kept."""
        if not job.toolchain.compile or not self._settings.compile_cache_mb:
            async with aclosing(box.run(job)) as facts:
                async for fact in facts:
                    yield fact
            return
        key = cache_key(job, box.image)
        kept = self._cache.find(key)
        if kept is not None:
            yield replace(kept, built=None, cached=True, time_s=0.0, wall_s=0.0)
        job = replace(job, built=kept.built if kept else None, keep_build=kept is None)
        async with aclosing(box.run(job)) as facts:
            async for fact in facts:
                if isinstance(fact, CompileFacts):
                    self._cache.keep(key, fact)
                yield replace(fact, built=None) if isinstance(fact, CompileFacts) else fact

    async def _prove_that_boxes_work(self, language: Language) -> None:
        """Run a harmless job on a fresh box: if that fails too, the machine is to blame, and not the program."""
        job = Job(
            mode=Mode.STDIO,
            source=b"",
            toolchain=language.toolchain,
            limits=limits.fill(Limits(), self._settings),
            runs=(Run(),),
        )
        async with self._pool.lease(language, fresh=True) as lease, aclosing(lease.box.run(job)) as facts:
            async for _ in facts:
                pass
