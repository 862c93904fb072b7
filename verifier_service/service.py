"""Everything that judges and runs, put together. The HTTP app and the command line both stand on it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import Any

import structlog

from verifier_service.canaries import known
from verifier_service.canaries.gate import behind
from verifier_service.canaries.watch import Canaries
from verifier_service.dispatch import Dispatcher
from verifier_service.execution.executor import Executor
from verifier_service.execution.pool import WARM_LANGUAGE, BoxPool
from verifier_service.judges.base import Judge
from verifier_service.judges.code.judge import CodeJudge
from verifier_service.judges.math.judge import MathJudge
from verifier_service.languages import Languages, load_languages
from verifier_service.observability import build
from verifier_service.observability.metrics import Metrics
from verifier_service.runners import choose_runner
from verifier_service.runners.base import Runner
from verifier_service.running import Running
from verifier_service.settings import Settings
from verifier_service.store.queue import StoredQueue
from verifier_service.store.suites import SuiteStore

log = structlog.get_logger()

Judges = Mapping[str, Judge[Any, Any, Any]]


def math_judges(service: "Service") -> Judges:
    """Return the judge of math answers, with workers in this process's care."""
    return {"math": MathJudge(service.settings, service.metrics)}


def code_judges(service: "Service") -> Judges:
    """Return what judges and runs programs, in boxes of the service's runner."""
    settings, languages = service.settings, service.languages
    pool = BoxPool(service.runner, settings, service.metrics)
    executor = Executor(pool, settings)
    return {
        "code": CodeJudge(settings, pool, executor, languages, service.suites.get),
        "run": Running(settings, executor, languages),
    }


def all_judges(service: "Service") -> Judges:
    """Return every judge, here."""
    return {**math_judges(service), **code_judges(service)}


class Service:
    """The judges, what they run on, and the dispatcher in front of them."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        runner: Runner,
        reason: str,
        judges_of: Callable[["Service"], Judges] = all_judges,
    ) -> None:
        """`judges_of` makes the judges, by kind, of what stands before them here."""
        self.settings = settings
        self.metrics = metrics
        self.runner = runner
        self.runner_reason = reason
        self.languages = Languages(runner.known_languages, hint=runner.hint)
        self.suites = SuiteStore(settings)
        metrics.know_languages(self.languages.by_any_name)
        judges = judges_of(self)
        of_code = [known.of_language(language) for language in runner.known_languages.values()]
        canaries = [known.of_math(), *chain.from_iterable(of_code)]
        self.canaries = Canaries(judges, [one for one in canaries if one.kind in judges])
        self.judges = behind(self.canaries, judges)
        self.dispatcher = Dispatcher(settings, self.judges, metrics)
        self.stored = StoredQueue(
            settings, self.dispatcher, self.suites, self.canaries, lambda item: known.name_for(item, self.languages)
        )

    async def start(self) -> None:
        """Find out which languages can be judged here and begin to warm up."""
        self.languages.versions = await self.runner.languages()
        absent = [one for name, one in self.languages.known.items() if name not in self.languages.versions]
        self.canaries.leave_out(canary.name for one in absent for canary in known.of_language(one))
        self.metrics.build.labels(build.version(), self.runner.name).set(1)
        log.info(
            "starting",
            build=build.version(),
            runner=self.runner.name,
            why=self.runner_reason,
            languages=list(self.languages.versions),
        )
        for judge in self.judges.values():
            await judge.start()

    def watch(self) -> None:
        """Begin to judge known submissions, and go on with it: for a service that others ask whether it is ready."""
        warm = known.of_language(self.languages.known[WARM_LANGUAGE])
        self.canaries.watch([known.of_math().name, *(canary.name for canary in warm)])

    async def close(self) -> None:
        """End every process and box that was started."""
        async with AsyncExitStack() as last_first:  # where one fails to close the others are closed all the same
            last_first.push_async_callback(self.runner.close)
            for judge in self.judges.values():
                last_first.push_async_callback(judge.close)
            last_first.push_async_callback(self.canaries.close)
            last_first.push_async_callback(self.stored.close)

    async def waiting_for(self) -> dict[str, str]:
        """Return why each judge that is not warm, and each known submission that does not come to its verdict, is not
        or does not."""
        reasons = {name: await judge.ready() for name, judge in self.judges.items()}
        return self.canaries.troubles() | {name: reason for name, reason in reasons.items() if reason is not None}


@asynccontextmanager
async def running_service(
    settings: Settings,
    metrics: Metrics,
    runner: Runner | None = None,
    judges_of: Callable[[Service], Judges] = all_judges,
) -> AsyncIterator[Service]:
    """Build, start and in the end close a service; without a `runner` with the one that the settings ask for.

    Raises:
        RunnerUnavailable: no sandbox can be had on this machine; the message says what to do.
    """
    reason = "it was given"
    if runner is None:
        runner, reason = await choose_runner(settings, load_languages())
    if runner.cores is not None and "boxes" not in settings.model_fields_set:
        settings = settings.model_copy(update={"boxes": runner.cores})
    service = Service(settings, metrics, runner, reason, judges_of)
    try:
        await service.start()
        yield service
    finally:
        await service.close()
