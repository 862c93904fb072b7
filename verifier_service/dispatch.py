"""A batch from arrival to answer: admit each item, judge by kind under a cap and a deadline, keep the order.

It knows a table of judges and nothing of what they judge. This is the only place where our failures, and the faults of
a request, become results.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from verifier_service.batch import Batch, Item, Unread
from verifier_service.errors import JudgeError, Overloaded
from verifier_service.judges.base import Judge, OnResult, guarded
from verifier_service.metrics import Metrics
from verifier_service.schema import CodeResult, MathResult, RunResult, UnreadResult
from verifier_service.settings import Settings

log = structlog.get_logger()

RETRY_AFTER_S = 2.0
NOT_REPORTED = "the judge did not report it"


ItemResult = MathResult | CodeResult | RunResult | UnreadResult
"""What an item came to."""

RESULTS = {"math": MathResult, "code": CodeResult, "run": RunResult, "unknown": UnreadResult}
"""The type of the results of each kind of item."""

Judges = Mapping[str, Judge[Any, Any, ItemResult]]


class Dispatcher:
    """Carries out batches. One for a process; `carry_out` may be called concurrently."""

    def __init__(self, settings: Settings, judges: Judges, metrics: Metrics) -> None:
        self._settings = settings
        self._judges = judges
        self._metrics = metrics
        self._in_hand = 0

    async def carry_out(self, batch: Batch) -> list[ItemResult]:
        """Judge (or run) a batch and return one result for each item, in the same order.

        Raises:
            Overloaded: too many items are waiting; nothing was judged.
        """
        count = len(batch.items)
        if self._in_hand and self._in_hand + count > self._settings.max_queued:
            raise Overloaded(
                f"{self._in_hand} submissions are waiting, and at most {self._settings.max_queued} may", RETRY_AFTER_S
            )
        self._count(count)
        try:
            work = _Work(batch.items, self._metrics)
            await self._judge(work, batch.deadline_s or self._settings.default_deadline_s)
            return work.results()
        finally:
            self._count(-count)

    def _count(self, more: int) -> None:
        self._in_hand += more
        self._metrics.in_hand.set(self._in_hand)

    async def _judge(self, work: "_Work", deadline_s: float) -> None:
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(deadline_s) as deadline, asyncio.TaskGroup() as tasks:
                # Cancelled before its deadline, nobody waits for it any more: then nothing is to be counted or logged.
                work.is_left = lambda: task is not None and task.cancelling() > 0 and not deadline.expired()
                for kind, admitted in (await self._admit(work, deadline_s)).items():
                    indices, items = zip(*admitted, strict=True)
                    judging = self._judges[kind].judge(items, work.collector(indices))
                    tasks.create_task(guarded(judging))
        except TimeoutError:
            work.reason = f"the deadline passed before it was judged: deadline_s is {deadline_s:g}"

    async def _admit(self, work: "_Work", deadline_s: float) -> dict[str, list[tuple[int, Any]]]:
        """Return what was admitted with its index, by kind."""
        admitted: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        admissions = {kind: judge.admission(deadline_s) for kind, judge in self._judges.items()}
        for index, item in enumerate(work.items):
            if isinstance(item, Unread):
                work.take(index, _result_of(item))
                continue
            outcome = await guarded(admissions[item.kind](item))
            if isinstance(outcome, JudgeError):
                work.take(index, outcome)
            else:
                admitted[item.kind].append((index, outcome))
        return {kind: found for kind, found in admitted.items() if found}


class _Work:
    """The items of a batch and what has come of them so far."""

    def __init__(self, items: Sequence[Item], metrics: Metrics) -> None:
        self.items = items
        self.reason = NOT_REPORTED
        self.is_left: Callable[[], bool] = lambda: False
        self._metrics = metrics
        self._began_s = time.monotonic()
        self._results: list[ItemResult | None] = [None] * len(items)

    def collector(self, indices: Sequence[int]) -> OnResult[ItemResult]:
        """Return a function that takes the results of the items at `indices`."""
        return lambda index, result: self.take(indices[index], result)

    def take(self, index: int, result: ItemResult | JudgeError) -> None:
        """Take the result of one item."""
        if self.is_left():
            return
        made = judge_error(self.items[index], result) if isinstance(result, JudgeError) else result
        self._results[index] = made
        self._metrics.judged(made.kind, made.word, time.monotonic() - self._began_s)

    def results(self) -> list[ItemResult]:
        """Return all results, those that did not come as judge errors."""
        for index, result in enumerate(self._results):
            if result is None:
                self.take(index, JudgeError(self.reason))
        return [result for result in self._results if result is not None]


def judge_error(item: Item, error: JudgeError) -> ItemResult:
    """Return the result of an item of which nothing may be concluded."""
    log.info("judge_error", id=item.id, kind=item.kind, reason=str(error))
    result_type: type[ItemResult] = RESULTS[item.kind]
    return result_type.judge_error(item.id, str(error))


def _result_of(item: Unread) -> ItemResult | JudgeError:
    """Return what an item came to that cannot be read: a completion at fault is no answer, else nothing is known."""
    result_type = RESULTS[item.kind]
    if item.is_answer and result_type is not RunResult:
        return result_type.no_answer(item.id, item.reason)
    return JudgeError(item.reason)


async def judge_all(kind: str, judge: Judge[Any, Any, ItemResult], items: Sequence[Item]) -> list[Any]:
    """Judge a list with one judge, started by the caller, and return the results in its order."""
    return await Dispatcher(Settings(), {kind: judge}, Metrics()).carry_out(Batch(items))
