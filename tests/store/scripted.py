"""A queue in this process, whose judge does what the completion says. As a program, it is a service that dies.

python -m tests.store.scripted STATE_DIR     judges the submissions stored there until none is left
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from verifier_service.access.clients import ANYBODY
from verifier_service.batch import Batch, Item
from verifier_service.canaries.gate import behind
from verifier_service.canaries.known import Canary
from verifier_service.canaries.watch import Canaries
from verifier_service.dispatch import Dispatcher
from verifier_service.errors import BadItem, JudgeError, RunnerUnavailable
from verifier_service.judges.base import guarded
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import MathResult, MathSubmission, StoredSubmission, Verdict
from verifier_service.settings import Settings
from verifier_service.store.queue import Request, StoredQueue
from verifier_service.store.suites import SuiteStore

OURS = Request(ANYBODY)
CANARIES = ("left", "right")
"""The words with canaries; all others count as healthy."""


class ScriptedJudge:
    """Judges by the first word of the completion: ok, sleep S, unavailable N, refuse, broken, die, left, right."""

    def __init__(self, name: str) -> None:
        self.name = name
        """The message of its results."""
        self.judged: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.ill: set[str] = set()
        """The words that cannot be judged now."""

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ready(self) -> str | None:
        return None

    def canary_of(self, admitted: MathSubmission) -> str:
        return word_of(admitted)

    def admission(self, deadline_s: float) -> Callable[[MathSubmission], Awaitable[MathSubmission]]:
        async def admit(submission: MathSubmission) -> MathSubmission:
            if submission.completion == "refuse":
                raise BadItem("limits.time_limit_s", 99, "the maximum is 30")
            return submission

        return admit

    async def judge(
        self, admitted: Sequence[MathSubmission], on_result: Callable[[int, MathResult | JudgeError], None], /
    ) -> None:
        for index, submission in enumerate(admitted):
            on_result(index, await guarded(self._judge(submission)))

    async def _judge(self, submission: MathSubmission) -> MathResult:
        word, _, number = submission.completion.partition(" ")
        self.judged[submission.completion] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if word in self.ill:
                raise RunnerUnavailable(f"{word} cannot be judged")
            if word == "sleep":
                await asyncio.sleep(float(number))
            elif word == "unavailable" and self.judged[submission.completion] <= int(number):
                raise RunnerUnavailable("Docker does not answer")
            elif word == "broken":
                raise ZeroDivisionError
            elif word == "die":
                os._exit(9)
        except asyncio.CancelledError:
            self.cancelled.append(submission.completion)
            raise
        finally:
            self.at_once -= 1
        return MathResult(id=submission.id, verdict=Verdict.ACCEPTED, score=1.0, message=self.name)


def asked(completion: str) -> MathSubmission:
    """Return a submission that is judged as its completion says."""
    return MathSubmission(kind="math", id=completion[:200], completion=completion, reference="1")


def word_of(item: Item) -> str:
    """Return the first word, which says how to judge an item. Each word has its own canary, if any."""
    return item.completion.partition(" ")[0].strip("\0") if isinstance(item, MathSubmission) else ""


def _canary(word: str) -> Canary:
    submission = MathSubmission(kind="math", completion=f"{word} 0", reference="1")
    return Canary(word, "math", ((submission, Verdict.ACCEPTED),), every_s=60.0)


class Queue:
    """A running queue, its judge, and the actions of tests."""

    def __init__(self, settings: Settings) -> None:
        self.judge = ScriptedJudge(settings.state_dir.name)
        judges = {"math": self.judge}
        self._metrics = Metrics()
        self.canaries = Canaries(judges, map(_canary, CANARIES))
        self.dispatcher = Dispatcher(settings, behind(self.canaries, judges), self._metrics)
        self.stored = StoredQueue(settings, self.dispatcher, SuiteStore(settings), self.canaries, word_of)

    async def add(self, *completions: str, deadline_s: float | None = None, request: Request = OURS) -> list[str]:
        """Store a batch and return its ids."""
        items = [asked(one) for one in completions]
        return (await self.stored.add(Batch(items, deadline_s), request))[0].ids

    def counted(self, name: str, **labels: str) -> float:
        """Return the sum of the counters with this name and these labels."""
        samples = [one for family in self._metrics.registry.collect() for one in family.samples if one.name == name]
        return sum(one.value for one in samples if labels.items() <= one.labels.items())

    async def get(self, submission_id: str, wait_s: float = 0.0) -> StoredSubmission:
        """Return a submission, which must exist."""
        found = await self.stored.get(ANYBODY, submission_id, wait_s)
        assert found is not None
        return found

    async def finished(self, submission_id: str, patience_s: float = 60.0) -> StoredSubmission:
        """Wait until a submission is finished, and return it."""
        found = await self.get(submission_id, patience_s)
        assert found.finished_at is not None, found
        return found


@asynccontextmanager
async def running(state_dir: Path, ill: Collection[str] = (), **settings: Any) -> AsyncIterator[Queue]:
    """Run a queue on this folder; the `ill` words cannot be judged at first."""
    given = {"state_dir": state_dir, "boxes": 1, "math_workers": 2} | settings
    queue = Queue(Settings(**given))
    queue.judge.ill.update(ill)
    await queue.stored.start()
    try:
        yield queue
    finally:
        await queue.stored.close()
        await queue.canaries.close()


async def judge_all(state_dir: Path) -> None:
    """Judge until nothing is pending."""
    async with running(state_dir) as queue:
        while any((await queue.stored.depth()).by_state.values()):
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(judge_all(Path(sys.argv[1])))
