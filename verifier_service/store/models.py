"""The tables of durable submissions, and the database's clock.

Columns that change often are kept apart from large texts: `submissions` has short columns, `payloads` the texts to be
judged (until they are), and `results` the results. All times are seconds since 1970 on the database's clock, so that
services that share a database agree on leases. Retention is counted on another clock, `clock.age_s`. It advances only
while a service runs, and by a bounded step, so that a system clock that jumps deletes nothing.
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
    """The state of a row; the first four are unfinished. Clients see fewer states, see `shown`."""

    QUEUED = "queued"
    DELAYED = "delayed"  # retried at `due_at`
    SUSPECT = "suspect"  # a service ended while judging it; suspects are judged one at a time
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def shown(self) -> StoredState:
        """The state that clients see."""
        return StoredState.QUEUED if self in (RowState.DELAYED, RowState.SUSPECT) else StoredState(self.value)

    @classmethod
    def behind(cls, shown: StoredState) -> list["RowState"]:
        """Return the row states that clients see as `shown`."""
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
    Column("canary", String, nullable=False, server_default=""),  # the row is taken only while this canary is fit
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),  # attempts started
    Column("deaths", Integer, nullable=False),  # attempts during which the service ended
    Column("owner", String),  # the service that is judging it
    # Waiting: the deadline. Delayed: the next attempt. Running: the end of the lease.
    Column("due_at", Double),
    Column("deadline_at", Double, nullable=False),
    Column("deadline_s", Double),  # as requested by the client
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("finished_age_s", Double),  # `clock.age_s` when it finished
    Column("size", Integer, nullable=False),  # bytes stored for it
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
    Column("callback_due_at", Double),  # when to try the callback next; null if there is nothing to do
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
    """Seconds since 1970 on the database's clock, at the moment when the statement runs."""

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
    """Return the state of a waiting row: suspect if a service ended while judging it, else queued."""
    return case((submissions.c.deaths > 0, literal(RowState.SUSPECT.value)), else_=literal(RowState.QUEUED.value))
