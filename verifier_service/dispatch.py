"""Take a batch from arrival to answer: admit each item, judge by kind under a cap and a deadline, keep the order.

The dispatcher knows a table of judges and nothing about what they judge. Only here do our own failures, and faults in
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
"""How long after a deadline judges may take to report what they have."""
NOT_REPORTED = "the judge did not report it"


ItemResult = MathResult | CodeResult | RunResult | UnreadResult
"""The result of one item."""

RESULTS = {"math": MathResult, "code": CodeResult, "run": RunResult, "unknown": UnreadResult}
"""The result type for each kind of item."""

OnItemResult = Callable[[int, ItemResult], None]
OnError = Callable[[int, JudgeError], bool | None]
"""Called with the index of an item and its judge error; returns true if the caller handles the item itself."""

Judges = Mapping[str, Judge[Any, Any, ItemResult]]


class Dispatcher:
    """Carries out batches. One per process; `carry_out` may be called concurrently."""

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
        """How many submissions are waiting or running."""
        return self._admission.in_hand

    async def carry_out(
        self,
        batch: Batch,
        client: Client = ANYBODY,
        on_result: OnItemResult | None = None,
        on_error: OnError | None = None,
    ) -> list[ItemResult]:
        """Judge (or run) a batch and return one result per item, in the same order.

        Args:
            on_result: called as `on_result(index, result)` as soon as each result is available.
            on_error: called as `on_error(index, error)` before that, for a `judge_error`. If it returns true, the error
                is not counted as a result: the caller will judge the item again.

        Raises:
            Overloaded: too many items are waiting; nothing was judged.
            TooManyInHand: too many items of this client are waiting or running; nothing was judged.
            BadRequest: the batch is larger than the client's key ever allows.
        """
        async with self.place(batch, client):
            return await self.judge_placed(batch, client, on_result, on_error)

    def unread(self, item: Unread) -> ItemResult:
        """Return the result of an item that cannot be read; no judge sees it and it takes no place in the queue."""
        work = _Work(Batch([item]), self._metrics)
        work.take(0, _result_of(item))
        (result,) = work.results_so_far
        return result

    @asynccontextmanager
    async def place(self, batch: Batch, client: Client) -> AsyncIterator[None]:
        """Hold places in the queue for a batch. Raises like `carry_out`."""
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
        """Judge a batch that already has its places. See `carry_out`."""
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
        """Judge until the deadline. Judging that hangs is cancelled and left to end by itself; the answer goes out."""
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
            work.is_over = True  # the caller has gone: count and log nothing more
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
        """Return the admitted items with their indices, by kind."""
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
    """The items of a batch and their results so far."""

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
        """The error for items that no judge reported."""
        self.is_over = False
        """Whether to ignore further results: the answer is written, or the caller has gone."""
        self._metrics = metrics
        self._on_done = on_done
        self._on_result = on_result
        self._results: list[ItemResult | None] = [None] * len(batch.items)

    def collector(self, indices: Sequence[int]) -> OnResult[ItemResult]:
        """Return a function that takes the results of the items at `indices`."""
        return lambda index, result: self.take(indices[index], result)

    def take(self, index: int, result: ItemResult | JudgeError) -> None:
        """Record the result of one item; the first result counts."""
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
        """The results that have arrived, in the order of the items."""
        return [result for result in self._results if result is not None]

    async def results(self) -> list[ItemResult]:
        """Return one result per item; items without a result get a judge error."""
        own = Slice()
        for index, result in enumerate(self._results):
            if result is None:
                await own.pause()
                if self._results[index] is None:
                    self.take(index, self.left_over)
        return self.results_so_far


def judge_error(item: Item, error: JudgeError) -> ItemResult:
    """Return the result of an item about which nothing can be concluded."""
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
    """Return the result of an unreadable item: `no_answer` if its completion is the reason, else a judge error."""
    result_type = RESULTS[item.kind]
    if item.is_answer and result_type is not RunResult:
        return result_type.no_answer(item.id, item.reason)
    return JudgeError(item.reason, Cause.BAD_REQUEST)


async def judge_all(kind: str, judge: Judge[Any, Any, ItemResult], items: Sequence[Item]) -> list[Any]:
    """Judge a list with one judge, which the caller has started; return the results in the same order."""
    return await Dispatcher(Settings(), {kind: judge}, Metrics()).carry_out(Batch(items))
