"""Admission to the queue: all clients share it, and none can shut out another.

The queue has `max_queued` places. A client's share is all places divided by the number of clients that have places or
wait for some. Batches within a client's share are always admitted, even if others have filled the queue. Other batches
wait until there is room, at most `queue_wait_s` and never beyond their deadline; the client with the fewest places is
first. An empty queue accepts a batch of any size.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from verifier_service.access.clients import Client
from verifier_service.errors import BadRequest, Overloaded, TooManyInHand
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import ProblemField
from verifier_service.settings import Settings

PACE_OVER_S = 30.0
LEAST_RETRY_S, MOST_RETRY_S = 1.0, 60.0


def check_size(count: int, client: Client) -> None:
    """Refuse a batch that is larger than a client may ever have in flight.

    Raises:
        BadRequest: it is larger than its key allows.
    """
    most = client.max_in_hand
    if most is not None and count > most:
        allowed = f"the key {client.name!r} may have at most {most} submissions in flight"
        raise BadRequest([ProblemField(field="", value=f"{count} items", allowed=allowed)])


def has_room(in_hand: Mapping[str, int], client: str, count: int, most: int, share: int | None = None) -> bool:
    """Return whether `count` more submissions of a client fit into a queue of `most` places.

    If the queue is full, submissions within the client's share still fit if other clients have places. `in_hand` has
    only clients with places; `share` defaults to an equal part.
    """
    total = sum(in_hand.values())
    if not total or total + count <= most:
        return True
    others = len(in_hand) - (client in in_hand)
    share = most // len({client, *in_hand}) if share is None else share
    return others > 0 and in_hand.get(client, 0) + count <= share


@dataclass(eq=False)
class _Waiting:
    client: str
    count: int
    place: asyncio.Future[None]


class Admission:
    """The places in the queue of one service. Everything happens in one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._most = settings.max_queued
        self._wait_s = settings.queue_wait_s
        self._metrics = metrics
        self._in_hand: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._done: deque[tuple[float, int]] = deque()

    @property
    def in_hand(self) -> int:
        """The number of places taken."""
        return self._in_hand.total()

    @asynccontextmanager
    async def place(self, count: int, client: Client, until_s: float) -> AsyncIterator[None]:
        """Hold `count` places; wait for them, at the latest until `until_s` on the monotonic clock.

        Raises:
            Overloaded: there was no room in time.
            TooManyInHand: the client would have more than its key allows.
            BadRequest: `count` alone is more than its key allows.
        """
        self._check(count, client)
        if self._waits_before(client.name, count) or not self._has_place(client.name, count):
            await self._wait(count, client.name, until_s)
        else:
            self._take(client.name, count)
        try:
            yield
        finally:
            self._give_back(client.name, count)

    def done(self, count: int) -> None:
        """Count finished submissions, to know the pace for `Retry-After`."""
        now_s = time.monotonic()
        if self._done and now_s - self._done[-1][0] < 1:
            since_s, before = self._done.pop()
            self._done.append((since_s, before + count))
            return
        self._done.append((now_s, count))
        while self._done[0][0] < now_s - PACE_OVER_S:
            self._done.popleft()

    def _check(self, count: int, client: Client) -> None:
        check_size(count, client)
        most = client.max_in_hand
        if most is None:
            return
        waiting = sum(one.count for one in self._waiting if one.client == client.name)
        more = self._in_hand[client.name] + waiting + count - most
        if more > 0:
            raise TooManyInHand(
                f"the key {client.name!r} has {most - count + more} submissions in flight; the maximum is {most}",
                self._retry_after_s(more),
            )

    def _share(self, client: str) -> int:
        """Return how many places a client may always have."""
        return self._most // len({client, *self._in_hand, *(one.client for one in self._waiting)})

    def _has_place(self, client: str, count: int) -> bool:
        return has_room(self._in_hand, client, count, self._most, self._share(client))

    def _waits_before(self, client: str, count: int) -> bool:
        """Return whether a waiting batch is first: of the same client, or any other if this one is above its share."""
        if not self._waiting:
            return False
        is_above = self._in_hand[client] + count > self._share(client)
        return is_above or any(one.client == client for one in self._waiting)

    async def _wait(self, count: int, client: str, until_s: float) -> None:
        total, waiting = self._in_hand.total(), sum(one.count for one in self._waiting)
        full = f"{total} submissions are waiting or running, and at most {self._most} may be"
        retry_after_s = self._retry_after_s(total + waiting + count - self._most)
        if waiting + count > self._most:
            raise Overloaded(f"{full}; {waiting} more wait for a place", retry_after_s)
        one = _Waiting(client, count, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        wait_s = max(min(self._wait_s, until_s - time.monotonic()), 0.0)
        try:
            async with asyncio.timeout(wait_s):
                await one.place
        except TimeoutError:
            self._leave(one)
            raise Overloaded(f"{full}; none was free within {wait_s:.1f} s", retry_after_s) from None
        except asyncio.CancelledError:
            self._leave(one)
            raise

    def _leave(self, one: _Waiting) -> None:
        if one in self._waiting:
            self._waiting.remove(one)
            self._hand_out()
        elif one.place.done() and not one.place.cancelled():  # it got its place at the same moment as it gave up
            self._give_back(one.client, one.count)

    def _take(self, client: str, count: int) -> None:
        self._in_hand[client] += count
        self._metrics.in_hand.set(self._in_hand.total())

    def _give_back(self, client: str, count: int) -> None:
        self._in_hand[client] -= count
        if not self._in_hand[client]:
            del self._in_hand[client]
        self._metrics.in_hand.set(self._in_hand.total())
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free places to waiting batches: the client with the fewest first, in order within a client."""
        passed: set[str] = set()
        for one in sorted(self._waiting, key=lambda one: self._in_hand[one.client]):
            if one.client in passed or not self._has_place(one.client, one.count):
                passed.add(one.client)
                continue
            self._waiting.remove(one)
            if not one.place.done():
                self._take(one.client, one.count)
                one.place.set_result(None)

    def _retry_after_s(self, count: int) -> float:
        """Return the seconds until `count` places are free at the pace of the last half minute."""
        now_s = time.monotonic()
        recent = [(when_s, done) for when_s, done in self._done if when_s >= now_s - PACE_OVER_S]
        if not recent:
            return LEAST_RETRY_S * 5
        over_s = max(now_s - recent[0][0], 1.0)
        pace = sum(done for _, done in recent) / over_s
        return min(max(count / pace, LEAST_RETRY_S), MOST_RETRY_S)
