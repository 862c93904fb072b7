"""Everything that judges and runs, put together. The HTTP app and the command line both stand on it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from verifier_service.dispatch import Dispatcher
from verifier_service.execution.executor import Executor
from verifier_service.execution.pool import BoxPool
from verifier_service.judges.base import Judge
from verifier_service.judges.code.judge import CodeJudge
from verifier_service.judges.math.judge import MathJudge
from verifier_service.languages import Languages, load_languages
from verifier_service.metrics import Metrics
from verifier_service.runners import choose_runner
from verifier_service.runners.base import Runner
from verifier_service.running import Running
from verifier_service.settings import Settings
from verifier_service.store.queue import StoredQueue
from verifier_service.store.suites import SuiteStore

log = structlog.get_logger()


class Service:
    """The judges, what they run on, and the dispatcher in front of them."""

    def __init__(self, settings: Settings, metrics: Metrics, runner: Runner, reason: str) -> None:
        self.settings = settings
        self.runner = runner
        self.runner_reason = reason
        self.languages = Languages(runner.known_languages)
        self.suites = SuiteStore(settings)
        pool = BoxPool(runner, settings)
        executor = Executor(pool, settings)
        self.judges: Mapping[str, Judge[Any, Any, Any]] = {
            "math": MathJudge(settings),
            "code": CodeJudge(settings, pool, executor, self.languages, self.suites.get),
            "run": Running(settings, executor, self.languages),
        }
        self.dispatcher = Dispatcher(settings, self.judges, metrics)
        self.stored = StoredQueue(settings, self.dispatcher, self.suites)

    async def start(self) -> None:
        """Find out which languages can be judged here and begin to warm up."""
        self.languages.versions = await self.runner.languages()
        log.info("starting", runner=self.runner.name, why=self.runner_reason, languages=list(self.languages.versions))
        for judge in self.judges.values():
            await judge.start()

    async def close(self) -> None:
        """End every process and box that was started."""
        await self.stored.close()
        await asyncio.gather(*(judge.close() for judge in self.judges.values()))
        await self.runner.close()

    async def waiting_for(self) -> dict[str, str]:
        """Return why each judge that is not warm yet is not."""
        reasons = {name: await judge.ready() for name, judge in self.judges.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}


@asynccontextmanager
async def running_service(settings: Settings, metrics: Metrics) -> AsyncIterator[Service]:
    """Build, start and in the end close a service.

    Raises:
        RunnerUnavailable: no sandbox can be had on this machine; the message says what to do.
    """
    languages = load_languages()
    runner, reason = await choose_runner(settings, languages)
    service = Service(settings, metrics, runner, reason)
    try:
        await service.start()
        yield service
    finally:
        await service.close()
