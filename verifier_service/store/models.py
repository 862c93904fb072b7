"""The tables of durable submissions, and the time of the database.

What changes often is small and apart from the texts: `submissions` has a row of numbers and words, `payloads` what is
to be judged (until it is), `results` what it came to. All times are seconds since 1970 by the clock of the database, so
that services which share one agree on leases. How long results are kept is counted on another clock, `clock.age_s`,
which runs only while a service does and goes no faster than a service looks: no clock that jumps deletes anything.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    case,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from verifier_service.schema import StoredState


class RowState(StrEnum):
    """How far a row is; the first four are not finished. Clients see fewer words: `shown`."""

    QUEUED = "queued"
    DELAYED = "delayed"  # it is tried again at `due_at`
    SUSPECT = "suspect"  # a service ended while it was judged: it waits to be judged with no other suspect beside it
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def shown(self) -> StoredState:
        """The state that clients are told."""
        return StoredState.QUEUED if self in (RowState.DELAYED, RowState.SUSPECT) else StoredState(self.value)

    @classmethod
    def behind(cls, shown: StoredState) -> list["RowState"]:
        """Return the states of rows that are shown as this one."""
        return [state for state in cls if state.shown is shown]


WAITING = (RowState.QUEUED, RowState.DELAYED, RowState.SUSPECT)
OPEN = (*WAITING, RowState.RUNNING)

METADATA = MetaData()
_Serial = BigInteger().with_variant(Integer(), "sqlite")

submissions = Table(
    "submissions",
    METADATA,
    Column("serial", _Serial, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("batch_id", String, nullable=False),
    Column("client", String, nullable=False),
    Column("item_id", String),
    Column("kind", String, nullable=False),
    Column("canary", String, nullable=False, server_default=""),  # it is taken while nothing is wrong with this one
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),  # how many were begun
    Column("deaths", Integer, nullable=False),  # how many of them ended with the service
    Column("owner", String),  # the service that judges it
    # When something is due: the deadline of what waits, the next attempt of what is delayed, the lease of what runs.
    Column("due_at", Double),
    Column("deadline_at", Double, nullable=False),
    Column("deadline_s", Double),  # what the client asked for
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("finished_age_s", Double),  # `clock.age_s` when it was finished
    Column("size", Integer, nullable=False),  # bytes of what is kept of it
    Index("submissions_in_line", "state", "kind", "client", "serial", "canary"),
    Index("submissions_due", "state", "due_at"),
    Index("submissions_of_batch", "batch_id", "serial", "state"),
    Index("submissions_of_client", "client", "serial"),
    Index("submissions_by_age", "finished_age_s", "size"),
    sqlite_autoincrement=True,
)

payloads = Table(
    "payloads",
    METADATA,
    Column("serial", _Serial, ForeignKey("submissions.serial"), primary_key=True, autoincrement=False),
    Column("submission", Text, nullable=False),
)

results = Table(
    "results",
    METADATA,
    Column("serial", _Serial, ForeignKey("submissions.serial"), primary_key=True, autoincrement=False),
    Column("result", Text, nullable=False),
)

attempts = Table(
    "attempts",
    METADATA,
    Column("serial", _Serial, ForeignKey("submissions.serial"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", Double),
    Column("ended_at", Double, nullable=False),
    Column("cause", String, nullable=False),
    Column("reason", Text, nullable=False),
)

batches = Table(
    "batches",
    METADATA,
    Column("id", String, primary_key=True),
    Column("client", String, nullable=False),
    Column("label", String),
    Column("count", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("idempotency_key", String),
    Column("request_sha256", String),
    Column("callback_url", String),
    Column("callback_due_at", Double),  # when the callback is to be tried; null when there is nothing to do
    Column("callback_tries", Integer, nullable=False),
    Column("callback_done_at", Double),
    Column("callback_error", Text),
    UniqueConstraint("client", "idempotency_key"),
    Index("batches_callback", "callback_due_at"),
)

clock = Table(
    "clock",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ticked_at", Double, nullable=False),
    Column("age_s", Double, nullable=False),
)


class now(FunctionElement[float]):
    """The seconds since 1970, by the clock of the database, at the moment the statement runs."""

    name = "now"
    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(*_: object, **__: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_postgresql(*_: object, **__: object) -> str:
    return "(extract(epoch from clock_timestamp())::double precision)"


def waiting_state() -> ColumnElement[Any]:
    """Return the state in which a row waits: as a suspect after a service ended under it."""
    return case((submissions.c.deaths > 0, literal(RowState.SUSPECT.value)), else_=literal(RowState.QUEUED.value))
