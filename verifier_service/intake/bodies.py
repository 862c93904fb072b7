"""What the bodies of requests take together, from the first byte to the answer: what is made of them is there as long.

A client may have as much in hand as it leaves free for others: one alone half of all, the next one half of the rest. So
what there is is never exceeded, something is always left for whoever comes, and nobody gets more by asking more often.
Where nothing is in hand any body is taken.
"""

from collections import Counter

from verifier_service.access.clients import Client
from verifier_service.errors import Overloaded
from verifier_service.observability.metrics import Metrics
from verifier_service.settings import Settings

HELD = "held"
"""What the state of a request has as its `Held`."""
SMALL_BYTES = 64 * 1024
"""Bodies up to here are not counted: a connection has as much in its buffers."""
RETRY_AFTER_S = 5.0
MB = 1024 * 1024


class Held:
    """What one body takes."""

    def __init__(self, bodies: "Bodies", client: Client) -> None:
        self._bodies = bodies
        self._client = client.name
        self._size = 0

    @property
    def size(self) -> int:
        """How much it takes now, in bytes."""
        return self._size

    def grow_to(self, size: int) -> None:
        """Take so much altogether.

        Raises:
            Overloaded: it is too much beside the others; nothing more was taken.
        """
        if size > max(self._size, SMALL_BYTES):
            self._bodies.take(self._client, size - self._size)
            self._size = size

    def give_back(self) -> None:
        """Take nothing any more."""
        self._bodies.give_back(self._client, self._size)
        self._size = 0


class Bodies:
    """The bytes of all bodies of one service. Everything happens in one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._most = settings.max_bodies_mb * MB
        self._in_hand: Counter[str] = Counter()
        metrics.body_bytes.set_function(self._in_hand.total)

    def hold(self, client: Client) -> Held:
        """Return what a body of this client takes: nothing yet."""
        return Held(self, client)

    def take(self, client: str, size: int) -> None:
        """Take `size` more bytes for a client.

        Raises:
            Overloaded: they are too many.
        """
        total, own = self._in_hand.total(), self._in_hand[client]
        if total > 0 and own + size > self._most - total - size:
            raise Overloaded(
                f"bodies of {total / MB:.0f} MiB are in hand, {own / MB:.0f} of them of this client, and one of "
                f"{size / MB:.1f} more does not fit: all together may have {self._most // MB}, and a client as much "
                "as it leaves free",
                RETRY_AFTER_S,
            )
        self._in_hand[client] = own + size

    def give_back(self, client: str, size: int) -> None:
        """Take `size` bytes less for a client."""
        self._in_hand[client] -= size
        if not self._in_hand[client]:
            del self._in_hand[client]
