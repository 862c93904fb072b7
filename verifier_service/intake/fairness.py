"""Who is next where many want the same few things: who has the fewest, and of equals who was served longest ago."""

from itertools import count
from weakref import WeakValueDictionary

from verifier_service.access.clients import asking

Rank = tuple[tuple[int, int], tuple[int, int]]


class Borrower:
    """What is counted of a client, and of each of its requests."""

    def __init__(self) -> None:
        self.in_hand = 0
        self.served_last = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Whoever has the least rank is next."""
        return self.in_hand, self.served_last


class Share(Borrower):
    """One request, or one part of it, of the client that asks. Everybody else is another one."""

    def __init__(self) -> None:
        super().__init__()
        self.client = asking.get().name


class Order:
    """Ranks shares by their clients first, so that a client gets no more by asking in many requests."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._clients: WeakValueDictionary[str, Borrower] = WeakValueDictionary()

    def client_of(self, share: Share) -> Borrower:
        """Return what is counted of the client; it is forgotten once nobody holds it."""
        return self._clients.setdefault(share.client, Borrower())

    @staticmethod
    def rank(share: Share, client: Borrower) -> Rank:
        """Whoever has the least rank is next."""
        return client.rank, share.rank

    def serve(self, *borrowers: Borrower) -> None:
        """Count that they were given something."""
        number = next(self._numbers)
        for one in borrowers:
            one.in_hand += 1
            one.served_last = number
