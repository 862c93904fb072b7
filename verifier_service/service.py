"""Build and run the service: judges, boxes, dispatcher and store. The HTTP app and the command line both use it."""

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
    """Return the judge of math answers; its workers are children of this process."""
    return {"math": MathJudge(service.settings, service.metrics)}


def code_judges(service: "Service") -> Judges:
    """Return the judges that judge and run programs, in boxes of the service's runner."""
    settings, languages = service.settings, service.languages
    pool = BoxPool(service.runner, settings, service.metrics)
    executor = Executor(pool, settings)
    return {
        "code": CodeJudge(settings, pool, executor, languages, service.suites.get),
        "run": Running(settings, executor, languages),
    }


def all_judges(service: "Service") -> Judges:
    """Return every judge, all running on this machine."""
    return {**math_judges(service), **code_judges(service)}


class Service:
    """The judges, the runner and stores they use, and the dispatcher in front of them."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        runner: Runner,
        reason: str,
        judges_of: Callable[["Service"], Judges] = all_judges,
    ) -> None:
        """`judges_of` builds the judges, by kind; it is called when runner, languages and suites are set."""
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
        """Find out which languages can be judged here, and begin to warm up."""
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
        """Start judging known submissions at intervals, so that the service can say whether it is ready."""
        warm = known.of_language(self.languages.known[WARM_LANGUAGE])
        self.canaries.watch([known.of_math().name, *(canary.name for canary in warm)])

    async def close(self) -> None:
        """End every process and box that this service started."""
        async with AsyncExitStack() as last_first:  # if one fails to close, the others are still closed
            last_first.push_async_callback(self.runner.close)
            for judge in self.judges.values():
                last_first.push_async_callback(judge.close)
            last_first.push_async_callback(self.canaries.close)
            last_first.push_async_callback(self.stored.close)

    async def waiting_for(self) -> dict[str, str]:
        """Return why the service is not ready; empty if it is.

        Maps the name of each judge that is not warm, and of each known submission without its verdict, to the reason.
        """
        reasons = {name: await judge.ready() for name, judge in self.judges.items()}
        return self.canaries.troubles() | {name: reason for name, reason in reasons.items() if reason is not None}


@asynccontextmanager
async def running_service(
    settings: Settings,
    metrics: Metrics,
    runner: Runner | None = None,
    judges_of: Callable[[Service], Judges] = all_judges,
) -> AsyncIterator[Service]:
    """Build and start a service, and close it at the end. Without `runner`, the settings choose one.

    Raises:
        RunnerUnavailable: no sandbox can be started on this machine; the message says what to do.
    """
    reason = "the caller chose it"
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
