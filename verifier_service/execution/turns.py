"""Whose turn it is to borrow a box: that of the request which has the fewest in hand, and of those the longest waiting.

So a request of a thousand slow submissions and one of a single quick one share the boxes; the order inside of a request
is that of asking.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Share:
    """Who borrows: one request, or one part of it. Everybody else is another one."""

    def __init__(self) -> None:
        self.in_hand = 0
        self.served_last = 0


class Turns:
    """Hands out `slots` turns. Everything happens in one event loop."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: list[tuple[Share, asyncio.Future[None]]] = []
        self._numbers = count(1)

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((share, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                self._forget_cancelled()
            else:
                self._end(share)
            raise
        try:
            yield
        finally:
            self._end(share)

    def others_wait(self, share: Share) -> bool:
        """Tell whether anybody else waits for a turn."""
        return any(one is not share for one, _ in self._waiting)

    def _end(self, share: Share) -> None:
        share.in_hand -= 1
        self._free += 1
        self._grant()

    def _forget_cancelled(self) -> None:
        self._waiting = [entry for entry in self._waiting if not entry[1].cancelled()]

    def _grant(self) -> None:
        self._forget_cancelled()  # whoever is cancelled learns of it only in a later round of the event loop
        while self._free and self._waiting:
            entry = min(self._waiting, key=lambda one: (one[0].in_hand, one[0].served_last))  # the first of equals
            self._waiting.remove(entry)
            share, granted = entry
            share.in_hand += 1
            share.served_last = next(self._numbers)
            self._free -= 1
            granted.set_result(None)
