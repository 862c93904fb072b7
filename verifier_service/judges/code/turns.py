"""The submissions of one batch take turns, so that what is quick is judged however many others are slow.

The first turns of all take at most a quarter of the deadline, if there is that much time. A submission whose turn is
over goes on while nobody waits; else it gives its box back and stands in line again, for a longer turn. What runs in
the box then is ended, and run again later: so a longer turn is also what lets a long test come to its end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from verifier_service.execution.turns import Share

LEAST_TURN_S, LONGEST_TURN_S = 1.0, 10.0
"""How long a submission may run at first while others wait."""
TURNS_GROW = 4
LOOK_AGAIN_S = 0.5
"""How often one whose turn is over, and for whose box nobody waited, looks again."""


@dataclass(kw_only=True, eq=False)
class TurnTaker:
    """What takes turns. `turns` is how many it has had to give up before it was done."""

    turns: int = 0
    has_yielded: bool = False
    """Whether it gave up its last turn."""
    waited_s: float = 0.0
    """How long it has neither computed nor stood in line for a core in its turns."""
    done_share: float = 0.0
    """The share of its tests that are done."""


W = TypeVar("W", bound=TurnTaker)


class BatchInTurns(Generic[W]):
    """Those of a batch that wait for a turn, and how long a first turn is."""

    def __init__(
        self, takers: Collection[W], deadline_s: float, boxes: int, box_wanted: Callable[[Share], bool]
    ) -> None:
        """`box_wanted` tells whether another batch than that of this share waits for a box."""
        self.share = Share()
        self._waiting = list(takers)
        self._without_box: list[W] = []  # it is their turn, and they wait for a box, or for that of a special judge
        self._box_wanted = box_wanted
        fair_s = deadline_s * boxes / (4 * max(1, len(takers)))
        self.turn_s = min(max(fair_s, LEAST_TURN_S), LONGEST_TURN_S)

    def next(self) -> W | None:
        """Return whose turn it is: of those with the fewest turns the one that is nearest to its end, and then the one
        that has slept least; None if nobody waits."""
        if not self._waiting:
            return None
        taker = min(self._waiting, key=lambda one: (one.turns, -one.done_share, one.waited_s))  # the first of equals
        self._waiting.remove(taker)
        self._without_box.append(taker)
        return taker

    def put_back(self, taker: W, *, done: bool) -> None:
        """End its turn. Unless it is done it gets another one: the next if it did not give up this one."""
        if taker in self._without_box:
            self._without_box.remove(taker)
        if not done:
            self._waiting.insert(len(self._waiting) if taker.has_yielded else 0, taker)

    def others_wait(self, taker: W) -> bool:
        """Tell whether any wait that have given up no more turns than this one, or another batch waits for a box."""
        waiting = (*self._waiting, *self._without_box)
        return any(other.turns <= taker.turns for other in waiting) or self._box_wanted(self.share)

    @asynccontextmanager
    async def turn(self, taker: W, timeout: asyncio.Timeout, more_s: float = 0.0) -> AsyncIterator[None]:
        """Hold a box, and let the timeout expire once the turn has lasted its time, and others wait; `more_s` makes a
        first turn longer."""
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
