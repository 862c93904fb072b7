"""Decide who borrows a box next: the client with the fewest in flight, then its request with the fewest.

Ties go to the one served the longest ago. So clients share the boxes evenly however many requests each sends, and a
request with a thousand slow submissions leaves room for one with a single quick one. Within a request, first come,
first served.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from verifier_service.intake.fairness import Borrower, Order, Rank, Share

__all__ = ["Share", "Turns"]


@dataclass(eq=False)
class _Asked:
    """A request for a turn."""

    share: Share
    client: Borrower
    granted: asyncio.Future[None]

    @property
    def rank(self) -> Rank:
        """The lowest rank goes next."""
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
            # A turn that was granted in the same round of the event loop has to be given back, or its slot is lost.
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
        """Hand out this many turns from now on; turns that are already held are not cut short."""
        self._free += slots - self._slots
        self._slots = slots
        self._grant()

    @property
    def waiting(self) -> int:
        """The number of requests for a turn that still wait."""
        return sum(not asked.granted.done() for asked in self._waiting)

    def others_wait(self, share: Share) -> bool:
        """Return whether another request waits for a turn."""
        return any(asked.share is not share for asked in self._waiting)

    def _end(self, asked: _Asked) -> None:
        asked.share.in_hand -= 1
        asked.client.in_hand -= 1
        self._free += 1
        self._grant()

    def _forget_cancelled(self) -> None:
        self._waiting = [asked for asked in self._waiting if not asked.granted.cancelled()]

    def _grant(self) -> None:
        self._forget_cancelled()  # a cancelled waiter runs its own handler only in a later round of the event loop
        while self._free > 0 and self._waiting:
            # `min` returns the first of equals, which waited longest
            asked = min(self._waiting, key=lambda one: one.rank)
            self._waiting.remove(asked)
            self._order.serve(asked.share, asked.client)
            self._free -= 1
            asked.granted.set_result(None)
