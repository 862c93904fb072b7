"""What passes between the queue and its database: new rows, rows taken for judging, and their outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class NewRow:
    """A submission to store: its text, or the result if it need not be judged."""

    id: str
    item_id: str | None
    kind: str
    submission: str | None
    result: str | None
    canary: str = ""
    """The name of the canary on which it depends, or ""."""


@dataclass(frozen=True)
class NewBatch:
    """A batch to store, with the request's idempotency key and callback."""

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
    """A row that this service is judging. `left_s` is the time from taking it until its deadline."""

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
    """A finished row with its result. `keeps_payload` keeps its text stored, for a person to look at."""

    row: Taken
    result: str
    failed: tuple[str, str] | None = None
    """Cause and reason if the last attempt failed because of the service."""
    keeps_payload: bool = False


@dataclass(frozen=True)
class Later:
    """The attempt failed because of the service; the row is retried in `delay_s`."""

    row: Taken
    cause: str
    reason: str
    delay_s: float


Outcome = Done | Later
