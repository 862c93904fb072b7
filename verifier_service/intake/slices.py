"""Cut long work in the event loop into slices of a few milliseconds, so that other tasks run in between.

Long work calls `pause` between small steps. However many tasks do so, only one of them continues in each round of the
event loop, so a round's duration does not grow with their number.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields between small steps and returns its result."""

SLICE_S = 0.004
"""How long one task works before the others have their turn."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class Slice:
    """The current slice of one task."""

    def __init__(self) -> None:
        self._ends_s = time.perf_counter() + SLICE_S

    @property
    def is_over(self) -> bool:
        """Whether it is time for a pause."""
        return time.perf_counter() >= self._ends_s

    async def pause(self) -> None:
        """Let other tasks run if the slice is over."""
        if not self.is_over:
            return
        async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            await asyncio.sleep(0)
        self._ends_s = time.perf_counter() + SLICE_S


async def in_slices(steps: Steps[T]) -> T:
    """Run work in slices and return its result."""
    own = Slice()
    while True:
        try:
            while not own.is_over:
                next(steps)
        except StopIteration as end:
            return end.value
        await own.pause()


def at_once(steps: Steps[T]) -> T:
    """Run work without pauses and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def stepwise(read: Callable[..., Steps[T]]) -> Callable[..., T]:
    """Return a function that runs the same work without pauses."""
    return lambda *given: at_once(read(*given))
