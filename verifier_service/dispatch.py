"""A batch from arrival to answer: admit each item, judge by kind under a cap and a deadline, keep the order.

It knows a table of judges and nothing of what they judge. This is the only place where our failures, and the faults of
a request, become results.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from verifier_service.access.clients import ANYBODY, Client, asking
from verifier_service.batch import Batch, Item, Unread
from verifier_service.errors import Cause, JudgeError
from verifier_service.intake.admission import Admission
from verifier_service.intake.slices import Slice
from verifier_service.judges.base import Judge, OnResult, ends_s, guarded
from verifier_service.observability import telemetry
from verifier_service.observability.build import made_by
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import CodeResult, MathResult, RunResult, UnreadResult
from verifier_service.settings import Settings

log = structlog.get_logger()

UNWIND_S = 0.6
"""How long after a deadline judges may take to tell what they know."""
NOT_REPORTED = "the judge did not report it"


ItemResult = MathResult | CodeResult | RunResult | UnreadResult
"""What an item came to."""

RESULTS = {"math": MathResult, "code": CodeResult, "run": RunResult, "unknown": UnreadResult}
"""The type of the results of each kind of item."""

OnItemResult = Callable[[int, ItemResult], None]
OnError = Callable[[int, JudgeError], bool | None]
"""Told of an item that met with a judge error; returns true if the caller says itself what becomes of it."""

Judges = Mapping[str, Judge[Any, Any, ItemResult]]


class Dispatcher:
    """Carries out batches. One for a process; `carry_out` may be called concurrently."""

    def __init__(self, settings: Settings, judges: Judges, metrics: Metrics) -> None:
        self._settings = settings
        self._judges = judges
        self._metrics = metrics
        self._admission = Admission(settings, metrics)
        self._unwinding: set[asyncio.Task[None]] = set()

    @property
    def metrics(self) -> Metrics:
        """Where results are counted."""
        return self._metrics

    @property
    def in_hand(self) -> int:
        """How many submissions wait or run."""
        return self._admission.in_hand

    async def carry_out(
        self,
        batch: Batch,
        client: Client = ANYBODY,
        on_result: OnItemResult | None = None,
        on_error: OnError | None = None,
    ) -> list[ItemResult]:
        """Judge (or run) a batch and return one result for each item, in the same order.

        `on_result(index, result)` is called with each of them as soon as it is there, and before that
        `on_error(index, error)` if it is a `judge_error`: if that returns true it is no result yet, and not counted.

        Raises:
            Overloaded: too many items are waiting, or TooManyInHand: of this client; nothing was judged.
            BadRequest: the client may never have so many in hand.
        """
        async with self.place(batch, client):
            return await self.judge_placed(batch, client, on_result, on_error)

    def unread(self, item: Unread) -> ItemResult:
        """Return the result of an item that no judge sees; it needs no place in the queue."""
        work = _Work(Batch([item]), self._metrics)
        work.take(0, _result_of(item))
        (result,) = work.results_so_far
        return result

    @asynccontextmanager
    async def place(self, batch: Batch, client: Client) -> AsyncIterator[None]:
        """Hold a place in the queue for a batch. Raises as `carry_out`."""
        until_s = batch.arrived_s + self._deadline_s(batch)
        async with self._admission.place(len(batch.items), client, until_s):
            yield

    async def judge_placed(
        self,
        batch: Batch,
        client: Client,
        on_result: OnItemResult | None = None,
        on_error: OnError | None = None,
    ) -> list[ItemResult]:
        """Judge a batch that has its place. See `carry_out`."""
        deadline_s = self._deadline_s(batch)
        work = _Work(batch, self._metrics, self._admission.done, on_result, on_error)
        try:
            await self._judge_in_time(work, client, deadline_s)
            results = await work.results()
            telemetry.tell_batch(batch.arrived_s, results)
            return results
        finally:
            work.is_over = True

    def _deadline_s(self, batch: Batch) -> float:
        return batch.deadline_s or self._settings.default_deadline_s

    async def _judge_in_time(self, work: "_Work", client: Client, deadline_s: float) -> None:
        """Judge until the deadline. What hangs then ends in its own time, and nobody waits for it."""
        asking.set(client)
        until_s = work.arrived_s + deadline_s
        ends_s.set(until_s)
        judging = asyncio.create_task(self._judge(work, deadline_s))
        try:
            done, _ = await asyncio.wait({judging}, timeout=max(until_s - time.monotonic(), 0.0))
            if not done:
                reason = f"the deadline passed before it was judged: deadline_s is {deadline_s:g}"
                work.left_over = JudgeError(reason, Cause.DEADLINE)
                judging.cancel()
                done, _ = await asyncio.wait({judging}, timeout=UNWIND_S)
        except asyncio.CancelledError:
            work.is_over = True  # nobody waits for it any more: nothing is to be counted or logged
            judging.cancel()
            self._let_unwind(judging)
            raise
        if not done:
            log.warning("judging_hangs", after_s=round(time.monotonic() - work.arrived_s, 3))
            self._let_unwind(judging)
        elif not judging.cancelled():
            judging.result()

    def _let_unwind(self, judging: asyncio.Task[None]) -> None:
        self._unwinding.add(judging)
        judging.add_done_callback(self._unwinding.discard)

    async def _judge(self, work: "_Work", deadline_s: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for kind, admitted in (await self._admit(work, deadline_s)).items():
                indices, items = zip(*admitted, strict=True)
                judging = self._judges[kind].judge(items, work.collector(indices))
                tasks.create_task(guarded(judging))

    async def _admit(self, work: "_Work", deadline_s: float) -> dict[str, list[tuple[int, Any]]]:
        """Return what was admitted with its index, by kind."""
        admitted: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        admissions = {kind: judge.admission(deadline_s) for kind, judge in self._judges.items()}
        own = Slice()
        for index, item in enumerate(work.items):
            await own.pause()
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

    def __init__(
        self,
        batch: Batch,
        metrics: Metrics,
        on_done: Callable[[int], None] | None = None,
        on_result: OnItemResult | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self.items = batch.items
        self.arrived_s = batch.arrived_s
        self._on_error = on_error
        self.left_over = JudgeError(NOT_REPORTED)
        """What becomes of items that were not reported."""
        self.is_over = False
        """Whether nothing more is to be taken: the answer is written, or nobody waits for it."""
        self._metrics = metrics
        self._on_done = on_done
        self._on_result = on_result
        self._results: list[ItemResult | None] = [None] * len(batch.items)

    def collector(self, indices: Sequence[int]) -> OnResult[ItemResult]:
        """Return a function that takes the results of the items at `indices`."""
        return lambda index, result: self.take(indices[index], result)

    def take(self, index: int, result: ItemResult | JudgeError) -> None:
        """Take the result of one item."""
        if self.is_over or self._results[index] is not None:
            return
        item, made = self.items[index], result
        is_counted = True
        if isinstance(made, JudgeError):
            is_counted = self._on_error is None or not self._on_error(index, made)
            if is_counted:
                self._metrics.failed(item.kind, made.cause)
            made = judge_error(item, made)
        if made.made_by is None:
            made = made.model_copy(update={"made_by": made_by()})
        self._results[index] = made
        if self._on_done is not None:
            self._on_done(1)
        if is_counted:
            self._metrics.judged(made, time.monotonic() - self.arrived_s, getattr(item, "language", ""))
        if self._on_result is not None:
            self._on_result(index, made)

    @property
    def results_so_far(self) -> list[ItemResult]:
        """The results that are there, in the order of the items."""
        return [result for result in self._results if result is not None]

    async def results(self) -> list[ItemResult]:
        """Return all results, those that did not come as judge errors."""
        own = Slice()
        for index, result in enumerate(self._results):
            if result is None:
                await own.pause()
                if self._results[index] is None:
                    self.take(index, self.left_over)
        return self.results_so_far


def judge_error(item: Item, error: JudgeError) -> ItemResult:
    """Return the result of an item of which nothing may be concluded."""
    may_quote = error.cause in (Cause.BAD_REQUEST, Cause.INTERNAL)
    log.info(
        "judge_error",
        id=item.id,
        kind=item.kind,
        cause=error.cause.value,
        **{"text" if may_quote else "reason": str(error)},
    )
    result_type: type[ItemResult] = RESULTS[item.kind]
    made = result_type.judge_error(item.id, str(error))
    return made.model_copy(update={"retryable": True}) if error.is_ours else made


def _result_of(item: Unread) -> ItemResult | JudgeError:
    """Return what an item came to that cannot be read: a completion at fault is no answer, else nothing is known."""
    result_type = RESULTS[item.kind]
    if item.is_answer and result_type is not RunResult:
        return result_type.no_answer(item.id, item.reason)
    return JudgeError(item.reason, Cause.BAD_REQUEST)


async def judge_all(kind: str, judge: Judge[Any, Any, ItemResult], items: Sequence[Item]) -> list[Any]:
    """Judge a list with one judge, started by the caller, and return the results in its order."""
    return await Dispatcher(Settings(), {kind: judge}, Metrics()).carry_out(Batch(items))
