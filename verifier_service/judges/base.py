"""The interface of every judge. A judge raises or reports `JudgeError`; only `dispatch` turns it into a result."""

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
"""When the current task's work will be cancelled, on the monotonic clock. For judges that delegate to others."""


class Judge(Protocol[S, A, R]):
    """Judges (or runs) items of one kind."""

    async def start(self) -> None:
        """Begin to warm up; return before everything is warm."""
        ...

    async def close(self) -> None:
        """End every process that the judge started."""
        ...

    async def ready(self) -> str | None:
        """Return None when warm, otherwise why not."""
        ...

    def admission(self, deadline_s: float, /) -> Callable[[S], Awaitable[A]]:
        """Return a function that admits the items of one batch; work they share is done once.

        The batch has to be judged within `deadline_s` seconds. An admitted item has every default filled in and every
        name resolved. For an item that cannot be judged as requested, the function raises `JudgeError` (mostly
        `BadItem`): nothing runs for that item, and the others are not affected.
        """
        ...

    def canary_of(self, admitted: A, /) -> str:
        """Return the name of the known submission (see `canaries`) that shows whether this item can be judged."""
        ...

    async def judge(self, admitted: Sequence[A], on_result: Callable[[int, R | JudgeError], None], /) -> None:
        """Judge a batch and call `on_result(index, result)` as results come, in any order.

        Every index is reported exactly once. When the deadline passes, this call is cancelled; before it ends, it
        reports the items it knows about and can omit the others. One bad item never affects the others. Our own
        failures are reported as `JudgeError`.
        """
        ...


async def guarded(work: Awaitable[T]) -> T | JudgeError:
    """Return what `work` returns, or its failure as a `JudgeError`, so that a bug affects one item only."""
    try:
        return await work
    except JudgeError as error:
        return error
    except Exception as error:
        log.exception("judge_broke")
        return JudgeError(f"the judge broke ({type(error).__name__}); the log of the service has the details")
