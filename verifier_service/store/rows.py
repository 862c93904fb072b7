"""What passes between the queue and its database: what is accepted, what was taken to be judged, what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class NewRow:
    """A submission to store: its text, or the result of one of which nothing need be judged."""

    id: str
    item_id: str | None
    kind: str
    submission: str | None
    result: str | None
    canary: str = ""
    """The name of the canary that speaks for it, if any does."""


@dataclass(frozen=True)
class NewBatch:
    """A batch to store, with what identifies the request and what shall happen in the end."""

    id: str
    client: str
    rows: Sequence[NewRow]
    label: str | None = None
    deadline_s: float | None = None
    callback_url: str | None = None
    idempotency_key: str | None = None
    request_sha256: str | None = None


@dataclass(frozen=True)
class Taken:
    """A row that this service judges now. `left_s` were left until its deadline when it was taken."""

    serial: int
    id: str
    batch_id: str
    client: str
    item_id: str | None
    kind: str
    attempt: int
    is_suspect: bool
    left_s: float
    deadline_s: float | None


@dataclass(frozen=True)
class Done:
    """It is judged: this is its result. `keeps_payload` leaves its text stored, for a person to look at."""

    row: Taken
    result: str
    failed: tuple[str, str] | None = None
    """The cause and the reason, if the last attempt failed without its fault."""
    keeps_payload: bool = False


@dataclass(frozen=True)
class Later:
    """The attempt failed without its fault; it is tried again in `delay_s`."""

    row: Taken
    cause: str
    reason: str
    delay_s: float


Outcome = Done | Later
