"""At the deadline, a judge reports what it knows. A batch whose client is gone is not counted."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from verifier_service.batch import Batch
from verifier_service.dispatch import Dispatcher
from verifier_service.errors import JudgeError
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import MathResult, MathSubmission, Verdict
from verifier_service.settings import Settings

ITEM = MathSubmission(kind="math", id="a", completion="4", reference="4")


class SlowJudge:
    """When it is cancelled, it knows something about the first item, and nothing about the others."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ready(self) -> str | None:
        return None

    def canary_of(self, admitted: MathSubmission, /) -> str:
        return "slow"

    def admission(self, deadline_s: float) -> Callable[[MathSubmission], Awaitable[MathSubmission]]:
        self.deadlines.append(deadline_s)

        async def admit(submission: MathSubmission) -> MathSubmission:
            return submission

        return admit

    async def judge(
        self, admitted: Sequence[MathSubmission], on_result: Callable[[int, MathResult | JudgeError], None], /
    ) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            on_result(0, MathResult(id="a", verdict=Verdict.WRONG_ANSWER, score=0.0))
            raise


class RepeatingJudge(SlowJudge):
    """Reports its first item twice, the second time with another result."""

    async def judge(
        self, admitted: Sequence[MathSubmission], on_result: Callable[[int, MathResult | JudgeError], None], /
    ) -> None:
        on_result(0, MathResult(id="a", verdict=Verdict.ACCEPTED, score=1.0))
        on_result(0, MathResult(id="a", verdict=Verdict.WRONG_ANSWER, score=0.0))


def counted(metrics: Metrics, verdict: str) -> float | None:
    return metrics.registry.get_sample_value("verifier_results_total", {"kind": "math", "verdict": verdict})


async def test_what_a_judge_knows_at_the_deadline_is_the_result() -> None:
    judge, metrics = SlowJudge(), Metrics()
    dispatcher = Dispatcher(Settings(), {"math": judge}, metrics)
    results = await dispatcher.carry_out(Batch([ITEM, ITEM], deadline_s=0.05))
    assert [one.word for one in results] == ["wrong_answer", "judge_error"]
    assert (judge.deadlines, counted(metrics, "wrong_answer")) == ([0.05], 1.0)


async def test_of_a_batch_that_is_given_up_nothing_is_counted() -> None:
    metrics = Metrics()
    batch = asyncio.create_task(Dispatcher(Settings(), {"math": SlowJudge()}, metrics).carry_out(Batch([ITEM])))
    await asyncio.sleep(0.05)
    batch.cancel()
    await asyncio.gather(batch, return_exceptions=True)
    assert counted(metrics, "wrong_answer") is None


class HangingJudge(SlowJudge):
    """Does not end when it is cancelled, as one whose box hangs."""

    async def judge(
        self, admitted: Sequence[MathSubmission], on_result: Callable[[int, MathResult | JudgeError], None], /
    ) -> None:
        on_result(0, MathResult(id="a", verdict=Verdict.ACCEPTED, score=1.0))
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(60)
            on_result(1, MathResult(id="a", verdict=Verdict.WRONG_ANSWER, score=0.0))


async def test_a_judge_that_hangs_keeps_nobody_beyond_the_deadline() -> None:
    metrics = Metrics()
    began = time.monotonic()
    batch = Batch([ITEM, ITEM], deadline_s=0.05)
    results = await Dispatcher(Settings(), {"math": HangingJudge()}, metrics).carry_out(batch)
    assert time.monotonic() - began < 30
    assert [(one.word, one.retryable) for one in results] == [("accepted", False), ("judge_error", True)]
    assert counted(metrics, "wrong_answer") is None


async def test_the_deadline_counts_from_arrival() -> None:
    batch = Batch([ITEM], deadline_s=60, arrived_s=time.monotonic() - 61)
    began = time.monotonic()
    await Dispatcher(Settings(), {"math": SlowJudge()}, Metrics()).carry_out(batch)
    assert time.monotonic() - began < 30


async def test_results_are_told_as_they_come() -> None:
    told: list[tuple[int, str]] = []
    dispatcher = Dispatcher(Settings(), {"math": SlowJudge()}, Metrics())
    await dispatcher.carry_out(
        Batch([ITEM, ITEM], deadline_s=0.05), on_result=lambda n, one: told.append((n, one.word))
    )
    assert told == [(0, "wrong_answer"), (1, "judge_error")]


async def test_what_was_told_once_is_not_told_otherwise() -> None:
    metrics, told = Metrics(), list[tuple[int, str]]()
    dispatcher = Dispatcher(Settings(), {"math": RepeatingJudge()}, metrics)
    (result,) = await dispatcher.carry_out(Batch([ITEM]), on_result=lambda index, one: told.append((index, one.word)))
    assert (result.word, told) == ("accepted", [(0, "accepted")])
    assert (counted(metrics, "accepted"), counted(metrics, "wrong_answer")) == (1.0, None)
