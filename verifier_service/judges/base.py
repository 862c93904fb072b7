"""What every judge can do. A judge raises or reports `JudgeError`; `dispatch` alone makes results of it."""

import math
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Protocol, TypeVar

import structlog

from verifier_service.errors import JudgeError

log = structlog.get_logger()

S = TypeVar("S", contravariant=True)
A = TypeVar("A")
R = TypeVar("R", covariant=True)

T = TypeVar("T")

OnResult = Callable[[int, R | JudgeError], None]

ends_s: ContextVar[float] = ContextVar("ends_s", default=math.inf)
"""When what the current task judges will be cancelled, by the monotonic clock: for a judge that has others judge."""


class Judge(Protocol[S, A, R]):
    """Judges (or runs) items of one kind."""

    async def start(self) -> None:
        """Begin to warm up; returns before everything is warm."""
        ...

    async def close(self) -> None:
        """End every process that the judge started."""
        ...

    async def ready(self) -> str | None:
        """Return None when warm, else the reason why not."""
        ...

    def admission(self, deadline_s: float, /) -> Callable[[S], Awaitable[A]]:
        """Return a function that admits the items of one batch, and makes ready once what they share.

        The batch has to be judged within `deadline_s` seconds.

        What it returns has every default filled in and every name resolved. It raises `JudgeError` (mostly `BadItem`)
        for an item that asks for what cannot be had: nothing is run for it, and its neighbours are not touched.
        """
        ...

    def canary_of(self, admitted: A, /) -> str:
        """Name the known submission (see `canaries`) whose verdict tells whether this one can be judged."""
        ...

    async def judge(self, admitted: Sequence[A], on_result: Callable[[int, R | JudgeError], None], /) -> None:
        """Judge a batch and call `on_result(index, result)` as results come, in any order.

        Every index is reported exactly once. When the deadline has passed the call is cancelled: before it ends it
        reports what is known of items by then, and may leave out the others. One bad item never touches the others.
        Our own failure is reported as a `JudgeError`.
        """
        ...


async def guarded(work: Awaitable[T]) -> T | JudgeError:
    """Return what `work` returns, or what went wrong in it: what breaks for one item breaks for that one only."""
    try:
        return await work
    except JudgeError as error:
        return error
    except Exception as error:
        log.exception("judge_broke")
        return JudgeError(f"the judge broke ({type(error).__name__}); the log of the service has the details")
