"""Put a judge behind its canaries: what cannot be judged now waits, within its deadline, until it can be.

While a canary fails, the submissions it speaks for are kept from the judge. Submissions that fail for a temporary
reason (no sandbox starts; workers or boxes die whatever they run) are judged again once the canary succeeds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from verifier_service.canaries.watch import Canaries
from verifier_service.errors import Cause, JudgeError
from verifier_service.judges.base import Judge

MOST_TRIES = 6  # with the pauses below, about 16 s in all
PAUSE_S = 0.25
"""The pause before the first retry; each later one is twice as long."""

waits_here: ContextVar[bool] = ContextVar("waits_here", default=True)
"""Whether a submission that cannot be judged now waits at the gate.

If not, it is a judge error at once and the caller waits.
"""

S = TypeVar("S")
A = TypeVar("A")
R = TypeVar("R")


class Gated(Generic[S, A, R]):
    """A judge that gets no submissions while its canaries fail."""

    def __init__(self, judge: Judge[S, A, R], canaries: Canaries) -> None:
        self._judge = judge
        self._canaries = canaries

    async def start(self) -> None:
        """See `Judge.start`."""
        await self._judge.start()

    async def close(self) -> None:
        """See `Judge.close`."""
        await self._judge.close()

    async def ready(self) -> str | None:
        """See `Judge.ready`."""
        return await self._judge.ready()

    def admission(self, deadline_s: float, /) -> Callable[[S], Awaitable[A]]:
        """See `Judge.admission`."""
        return self._judge.admission(deadline_s)

    def canary_of(self, admitted: A, /) -> str:
        """See `Judge.canary_of`."""
        return self._judge.canary_of(admitted)

    async def judge(self, admitted: Sequence[A], on_result: Callable[[int, R | JudgeError], None], /) -> None:
        """See `Judge.judge`."""
        await _Gate(self._judge, self._canaries, admitted, on_result).open()


def behind(canaries: Canaries, judges: Mapping[str, Judge[Any, Any, Any]]) -> dict[str, Judge[Any, Any, Any]]:
    """Return the judges behind their canaries, by kind."""
    return {kind: Gated(judge, canaries) for kind, judge in judges.items()}


class _Gate(Generic[S, A, R]):
    """One batch at the gate."""

    def __init__(
        self,
        judge: Judge[S, A, R],
        canaries: Canaries,
        admitted: Sequence[A],
        on_result: Callable[[int, R | JudgeError], None],
    ) -> None:
        self._judge = judge
        self._canaries = canaries
        self._admitted = admitted
        self._on_result = on_result
        self._names = [judge.canary_of(one) for one in admitted]
        self._waits_here = waits_here.get()
        self._tries = [0] * len(admitted)
        self._met: dict[int, JudgeError] = {}
        """The failures of those to be judged again."""
        self._waiting: set[int] = set()

    async def open(self) -> None:
        """Have all of them judged. On cancellation, report why those that still wait were waiting."""
        try:
            await self._until_judged(range(len(self._admitted)))
        except asyncio.CancelledError:
            for index in sorted(self._waiting):
                self._on_result(index, self._why_it_waits(index))
            raise

    def _why_it_waits(self, index: int) -> JudgeError:
        met, trouble = self._met.get(index), self._canaries.trouble(self._names[index])
        if met is not None or trouble is None:
            return met or JudgeError("the deadline passed before it was judged")
        return JudgeError(f"{self._names[index]} cannot be judged here: {trouble}", Cause.RUNNER_UNAVAILABLE)

    async def _until_judged(self, indices: Sequence[int]) -> None:
        fit, unfit = [], defaultdict[str, list[int]](list)
        for index in indices:
            name = self._names[index]
            fit.append(index) if self._canaries.trouble(name) is None else unfit[name].append(index)
        async with asyncio.TaskGroup() as tasks:
            for name, group in unfit.items():
                tasks.create_task(self._when_fit(name, group))
            if fit:
                tasks.create_task(self._try_and_again(fit))

    async def _try_and_again(self, indices: Sequence[int]) -> None:
        again = await self._try(indices)
        if again:
            for name in {self._names[index] for index in again}:
                self._canaries.doubt(name)
            await asyncio.sleep(PAUSE_S * 2 ** (self._tries[again[0]] - 1))
            await self._until_judged(again)

    async def _when_fit(self, name: str, indices: Sequence[int]) -> None:
        if not self._waits_here:
            self._canaries.doubt(name)
            for index in indices:
                self._on_result(index, self._why_it_waits(index))
            return
        self._waiting.update(indices)
        await self._canaries.fit(name)
        self._waiting.difference_update(indices)
        await self._until_judged(indices)

    def _may_try_again(self, index: int) -> bool:
        if self._waits_here:
            return self._tries[index] < MOST_TRIES
        self._canaries.doubt(self._names[index])
        return False

    async def _try(self, indices: Sequence[int]) -> list[int]:
        """Have some of them judged, and return those to judge again."""
        again: list[int] = []
        self._waiting.difference_update(indices)

        def take(place: int, outcome: R | JudgeError) -> None:
            index = indices[place]
            if isinstance(outcome, JudgeError) and outcome.may_pass and self._may_try_again(index):
                self._tries[index] += 1
                self._met[index] = outcome
                self._waiting.add(index)
                again.append(index)
            else:
                self._on_result(index, outcome)

        await self._judge.judge([self._admitted[index] for index in indices], take)
        return again
