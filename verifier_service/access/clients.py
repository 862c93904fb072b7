"""Clients: whom a key identifies, and how much that client may send."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """A client of the service. `name` is its key's name; without keys, all requests belong to one client."""

    name: str = ""
    max_in_hand: int | None = None
    """The most submissions waiting and running at once; None: as many as the service accepts."""
    requests_per_minute: int | None = None
    """The most requests per minute; None: unlimited."""


ANYBODY = Client()
"""The client of a service without keys, and of the command line."""

asking: ContextVar[Client] = ContextVar("asking", default=ANYBODY)
"""The client for which the current task works."""
