"""Fair order for scarce resources: the borrower with the fewest is next; among equals, the one served longest ago."""

from itertools import count
from weakref import WeakValueDictionary

from verifier_service.access.clients import asking

Rank = tuple[tuple[int, int], tuple[int, int]]


class Borrower:
    """The counts of a client, or of one of its requests."""

    def __init__(self) -> None:
        self.in_hand = 0
        self.served_last = 0

    @property
    def rank(self) -> tuple[int, int]:
        """The borrower with the lowest rank is next."""
        return self.in_hand, self.served_last


class Share(Borrower):
    """One request, or a part of one, of the current client."""

    def __init__(self) -> None:
        super().__init__()
        self.client = asking.get().name


class Order:
    """Ranks shares by their client first, so that a client gains nothing by sending many requests."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._clients: WeakValueDictionary[str, Borrower] = WeakValueDictionary()

    def client_of(self, share: Share) -> Borrower:
        """Return the counts of the share's client; they are forgotten when nothing refers to them."""
        return self._clients.setdefault(share.client, Borrower())

    @staticmethod
    def rank(share: Share, client: Borrower) -> Rank:
        """The borrower with the lowest rank is next."""
        return client.rank, share.rank

    def serve(self, *borrowers: Borrower) -> None:
        """Note that these borrowers were served."""
        number = next(self._numbers)
        for one in borrowers:
            one.in_hand += 1
            one.served_last = number
