"""The memory that all request bodies take together, counted from the first byte until the answer is sent.

A client may take as much as it leaves free: alone half of the total, the next client half of the rest, and so on. So
the total is never exceeded, something is always left for new clients, and sending more requests gains nothing. If
nothing is taken, a body of any size is accepted.
"""

from collections import Counter

from verifier_service.access.clients import Client
from verifier_service.errors import Overloaded
from verifier_service.observability.metrics import Metrics
from verifier_service.settings import Settings

HELD = "held"
"""Key in a request's state: its `Held`."""
SMALL_BYTES = 64 * 1024
"""Smaller bodies are not counted: a connection's buffers are as large."""
RETRY_AFTER_S = 5.0
MB = 1024 * 1024


class Held:
    """The memory taken by one body."""

    def __init__(self, bodies: "Bodies", client: Client) -> None:
        self._bodies = bodies
        self._client = client.name
        self._size = 0

    @property
    def size(self) -> int:
        """The bytes taken now."""
        return self._size

    def grow_to(self, size: int) -> None:
        """Take `size` bytes in total.

        Raises:
            Overloaded: there is not enough room; nothing more was taken.
        """
        if size > max(self._size, SMALL_BYTES):
            self._bodies.take(self._client, size - self._size)
            self._size = size

    def give_back(self) -> None:
        """Release everything."""
        self._bodies.give_back(self._client, self._size)
        self._size = 0


class Bodies:
    """The memory taken by all bodies of one service. Everything happens in one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._most = settings.max_bodies_mb * MB
        self._in_hand: Counter[str] = Counter()
        metrics.body_bytes.set_function(self._in_hand.total)

    def hold(self, client: Client) -> Held:
        """Return a `Held` for a new body of this client; it has taken nothing yet."""
        return Held(self, client)

    def take(self, client: str, size: int) -> None:
        """Take `size` more bytes for a client.

        Raises:
            Overloaded: there is not enough room.
        """
        total, own = self._in_hand.total(), self._in_hand[client]
        if total > 0 and own + size > self._most - total - size:
            raise Overloaded(
                f"bodies of {total / MB:.0f} MiB are in flight, {own / MB:.0f} of them of this client, and one of "
                f"{size / MB:.1f} more does not fit: all together may have {self._most // MB}, and a client as much "
                "as it leaves free",
                RETRY_AFTER_S,
            )
        self._in_hand[client] = own + size

    def give_back(self, client: str, size: int) -> None:
        """Release `size` bytes of a client."""
        self._in_hand[client] -= size
        if not self._in_hand[client]:
            del self._in_hand[client]
