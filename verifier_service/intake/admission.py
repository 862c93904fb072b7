"""Who gets a place in the queue: all clients share it, and nobody is shut out by what another one sends.

The queue takes `max_queued` submissions. What one client has below its share of it (all places, divided by the clients
that have any in hand or wait) always gets in, even when others fill the queue: they came while there was room. Whoever
finds no place waits for one, the client with the fewest in hand first, for `queue_wait_s` at most and never beyond the
deadline. An empty queue takes any batch.
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
    """Refuse what a client may never have in hand.

    Raises:
        BadRequest: they are more than its key allows at all.
    """
    most = client.max_in_hand
    if most is not None and count > most:
        allowed = f"the key {client.name!r} may have {most} submissions in hand"
        raise BadRequest([ProblemField(field="", value=f"{count} items", allowed=allowed)])


def has_room(in_hand: Mapping[str, int], client: str, count: int, most: int, share: int | None = None) -> bool:
    """Tell whether `count` more of a client fit into a queue of `most` places; `in_hand` has no client with none.

    Above that, what is within its share fits as long as others have some; `share` is an equal part if it is not given.
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
    """The places of one service. Everything happens in one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._most = settings.max_queued
        self._wait_s = settings.queue_wait_s
        self._metrics = metrics
        self._in_hand: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._done: deque[tuple[float, int]] = deque()

    @property
    def in_hand(self) -> int:
        """How many places are taken."""
        return self._in_hand.total()

    @asynccontextmanager
    async def place(self, count: int, client: Client, until_s: float) -> AsyncIterator[None]:
        """Hold `count` places; wait for them until `until_s` by the monotonic clock at the latest.

        Raises:
            Overloaded: there were none in time.
            TooManyInHand: the client has as many as its key allows.
            BadRequest: they are more than its key allows at all.
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
        """Count what was judged: that is the pace."""
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
                f"the key {client.name!r} has {most - count + more} submissions in hand, and at most {most} may be",
                self._retry_after_s(more),
            )

    def _share(self, client: str) -> int:
        """Return how many places a client may have in any case."""
        return self._most // len({client, *self._in_hand, *(one.client for one in self._waiting)})

    def _has_place(self, client: str, count: int) -> bool:
        return has_room(self._in_hand, client, count, self._most, self._share(client))

    def _waits_before(self, client: str, count: int) -> bool:
        """Tell whether somebody waits who comes first: of the same client, or of another if this is above its share."""
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
        elif one.place.done() and not one.place.cancelled():  # it got a place at the moment at which it gave up
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
        """Give places to those who wait; who has the fewest in hand is first, and nobody overtakes within a client."""
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
        """Return in how many seconds `count` places will be free, at the pace of the last half minute."""
        now_s = time.monotonic()
        recent = [(when_s, done) for when_s, done in self._done if when_s >= now_s - PACE_OVER_S]
        if not recent:
            return LEAST_RETRY_S * 5
        over_s = max(now_s - recent[0][0], 1.0)
        pace = sum(done for _, done in recent) / over_s
        return min(max(count / pace, LEAST_RETRY_S), MOST_RETRY_S)
