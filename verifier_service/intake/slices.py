"""Long work in the event loop, cut into slices of a few milliseconds, so that everybody else goes on in between.

Whoever has much to do asks for a pause between two small steps. Of all who do, one goes on in each round of the event
loop, however many there are: what a round takes stays the same.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields between two small steps, and returns what it made."""

SLICE_S = 0.004
"""How long somebody works before the others have their turn."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class Slice:
    """The slices of one piece of work."""

    def __init__(self) -> None:
        self._ends_s = time.perf_counter() + SLICE_S

    @property
    def is_over(self) -> bool:
        """Whether it is time for a pause."""
        return time.perf_counter() >= self._ends_s

    async def pause(self) -> None:
        """Let the others go on if it is time."""
        if not self.is_over:
            return
        async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            await asyncio.sleep(0)
        self._ends_s = time.perf_counter() + SLICE_S


async def in_slices(steps: Steps[T]) -> T:
    """Do work in slices and return what it made."""
    own = Slice()
    while True:
        try:
            while not own.is_over:
                next(steps)
        except StopIteration as end:
            return end.value
        await own.pause()


def at_once(steps: Steps[T]) -> T:
    """Do work without a pause and return what it made."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def stepwise(read: Callable[..., Steps[T]]) -> Callable[..., T]:
    """Return a function that does the same work at once."""
    return lambda *given: at_once(read(*given))
