"""The submissions of one batch take turns, so that quick ones are judged however many others are slow.

The first turns of all submissions together take at most a quarter of the deadline, if there is that much time. A
submission whose turn is over keeps its box while no other waits. Otherwise it gives its box back and waits for another,
longer turn. The test that was running then is stopped and run again later, and the longer turn lets a long test finish.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from verifier_service.execution.turns import Share

LEAST_TURN_S, LONGEST_TURN_S = 1.0, 10.0
"""How long a first turn lasts while others wait."""
TURNS_GROW = 4  # by how much each turn is longer than the one before
LOOK_AGAIN_S = 0.5
"""How often a submission whose turn is over checks whether another has begun to wait for its box."""


@dataclass(kw_only=True, eq=False)
class TurnTaker:
    """Something that takes turns. `turns` counts those it had to give up before it was done."""

    turns: int = 0
    has_yielded: bool = False
    """Whether it gave up its last turn."""
    waited_s: float = 0.0
    """How long, in its turns, it neither computed nor waited for a core."""
    done_share: float = 0.0
    """The share of its tests that are done."""


W = TypeVar("W", bound=TurnTaker)


class BatchInTurns(Generic[W]):
    """The submissions of a batch that wait for a turn, and the length of a first turn."""

    def __init__(
        self, takers: Collection[W], deadline_s: float, boxes: int, box_wanted: Callable[[Share], bool]
    ) -> None:
        """Begin with all takers waiting; `box_wanted` returns whether a batch with another share waits for a box."""
        self.share = Share()
        self._waiting = list(takers)
        self._without_box: list[W] = []  # those whose turn it is, but that wait for a box or for a special judge's
        self._box_wanted = box_wanted
        # At most a quarter of the deadline for all first turns, spread over the boxes.
        fair_s = deadline_s * boxes / (4 * max(1, len(takers)))
        self.turn_s = min(max(fair_s, LEAST_TURN_S), LONGEST_TURN_S)

    def next(self) -> W | None:
        """Return whose turn it is, or None if none waits.

        Those with the fewest turns come first; among them the one nearest to its end, then the one that has slept
        least.
        """
        if not self._waiting:
            return None
        # `min` returns the first of equals
        taker = min(self._waiting, key=lambda one: (one.turns, -one.done_share, one.waited_s))
        self._waiting.remove(taker)
        self._without_box.append(taker)
        return taker

    def put_back(self, taker: W, *, done: bool) -> None:
        """End its turn.

        Unless it is done it gets another, which is the very next one if it did not give this one up.
        """
        if taker in self._without_box:
            self._without_box.remove(taker)
        if not done:
            self._waiting.insert(len(self._waiting) if taker.has_yielded else 0, taker)

    def others_wait(self, taker: W) -> bool:
        """Return whether a submission with no more turns than this one waits, or another batch waits for a box."""
        waiting = (*self._waiting, *self._without_box)
        return any(other.turns <= taker.turns for other in waiting) or self._box_wanted(self.share)

    @asynccontextmanager
    async def turn(self, taker: W, timeout: asyncio.Timeout, more_s: float = 0.0) -> AsyncIterator[None]:
        """Hold a box, and let the timeout expire once the turn has lasted its time and others wait.

        `more_s` makes the first turn longer.
        """
        if taker in self._without_box:
            self._without_box.remove(taker)
        loop = asyncio.get_running_loop()

        def look() -> None:
            nonlocal timer
            if self.others_wait(taker):
                timeout.reschedule(loop.time())
            else:
                timer = loop.call_later(LOOK_AGAIN_S, look)

        timer = loop.call_later((self.turn_s + more_s) * TURNS_GROW**taker.turns, look)
        try:
            yield
        finally:
            timer.cancel()
            self._without_box.append(taker)
