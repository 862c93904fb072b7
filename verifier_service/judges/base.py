"""What every judge can do; the table of judges is built in `app.create_app`, because judges hold processes."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

S = TypeVar("S", contravariant=True)
R = TypeVar("R", covariant=True)


class Judge(Protocol[S, R]):
    """Judges submissions of one kind."""

    async def start(self) -> None:
        """Begin to warm up; returns before everything is warm."""
        ...

    async def close(self) -> None:
        """End every process that the judge started."""
        ...

    async def ready(self) -> str | None:
        """Return None when warm, else the reason why not."""
        ...

    async def judge(self, submissions: Sequence[S], on_result: Callable[[int, R], None]) -> None:
        """Judge a batch and call `on_result(index, result)` as results come, in any order.

        Every index is reported exactly once unless the call is cancelled. One bad submission never touches the
        others. Our own failure is a result with the verdict `judge_error`, not an exception.
        """
        ...
