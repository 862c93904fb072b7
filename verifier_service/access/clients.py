"""Who asks: what a key stands for, and what it may have in hand."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """A client of the service. `name` is that of its key; without keys all requests are one client's."""

    name: str = ""
    max_in_hand: int | None = None
    """Submissions that it may have waiting and running at once; None: as many as the service takes."""
    requests_per_minute: int | None = None
    """Requests that it may send in a minute; None: as many as it likes."""


ANYBODY = Client()
"""The client of a service that asks for no key, and of the command line."""

asking: ContextVar[Client] = ContextVar("asking", default=ANYBODY)
"""The client for whom the current task works."""
