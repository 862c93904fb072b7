"""Whose turn it is to borrow a box: the client's with the fewest in hand, and of its requests the one with the fewest;
of equals, the one that was served the longest time ago.

So clients share the boxes however many requests each sends, and a request of a thousand slow submissions shares them
with one of a single quick one; the order inside of a request is that of asking.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from verifier_service.intake.fairness import Borrower, Order, Rank, Share

__all__ = ["Share", "Turns"]


@dataclass(eq=False)
class _Asked:
    """A wish for a turn."""

    share: Share
    client: Borrower
    granted: asyncio.Future[None]

    @property
    def rank(self) -> Rank:
        """Whoever has the least rank is next."""
        return Order.rank(self.share, self.client)


class Turns:
    """Hands out `slots` turns. Everything happens in one event loop."""

    def __init__(self, slots: int) -> None:
        self._slots = self._free = slots
        self._waiting: list[_Asked] = []
        self._order = Order()

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        asked = _Asked(share, self._order.client_of(share), asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._grant()
        try:
            await asked.granted
        except asyncio.CancelledError:
            if asked.granted.cancelled():
                self._forget_cancelled()
            else:
                self._end(asked)
            raise
        try:
            yield
        finally:
            self._end(asked)

    def resize(self, slots: int) -> None:
        """Hand out so many turns from now on; those that are held are held to their end."""
        self._free += slots - self._slots
        self._slots = slots
        self._grant()

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return sum(not asked.granted.done() for asked in self._waiting)

    def others_wait(self, share: Share) -> bool:
        """Tell whether anybody else waits for a turn."""
        return any(asked.share is not share for asked in self._waiting)

    def _end(self, asked: _Asked) -> None:
        asked.share.in_hand -= 1
        asked.client.in_hand -= 1
        self._free += 1
        self._grant()

    def _forget_cancelled(self) -> None:
        self._waiting = [asked for asked in self._waiting if not asked.granted.cancelled()]

    def _grant(self) -> None:
        self._forget_cancelled()  # whoever is cancelled learns of it only in a later round of the event loop
        while self._free > 0 and self._waiting:
            asked = min(self._waiting, key=lambda one: one.rank)  # the first of equals
            self._waiting.remove(asked)
            self._order.serve(asked.share, asked.client)
            self._free -= 1
            asked.granted.set_result(None)
