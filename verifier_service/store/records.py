"""The clients' view of the database: add a batch, look up, list, cancel, delete. Clients see only their own rows.

An exception: rows stored while the service had no keys can be looked up by id with any key.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from verifier_service.errors import BadRequest
from verifier_service.intake.slices import Slice
from verifier_service.schema import ProblemField, StoredAttempt, StoredBatch, StoredState, StoredSubmission
from verifier_service.schema.patterns import CURSOR
from verifier_service.schema.problems import shown
from verifier_service.store.claims import ROW_BYTES, finish_batches
from verifier_service.store.models import (
    OPEN,
    WAITING,
    RowState,
    attempts,
    batches,
    clock,
    now,
    payloads,
    results,
    submissions,
)
from verifier_service.store.rows import NewBatch, NewRow
from verifier_service.store.texts import read_result

_s = submissions.c
_b = batches.c
AT_ONCE = 64
"""Rows stored in one statement."""

LAST_S = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""Later times, such as a deadline in a million years, are shown as this one: `datetime` has no later years."""
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Filter:
    """Which submissions to list. None means any; times are seconds since 1970, `until` is exclusive."""

    state: StoredState | None = None
    kind: str | None = None
    batch_id: str | None = None
    label: str | None = None
    since: float | None = None
    until: float | None = None


# Adding


async def add(connection: AsyncConnection, batch: NewBatch, default_deadline_s: float) -> None:
    """Store a batch.

    Raises:
        IntegrityError: this client already has a batch with this idempotency key; `Database.write` turns it into
            `Conflict`.
    """
    at = round(
        (await connection.execute(select(now()))).scalar_one(), 3
    )  # rounded like the times that clients see, so that they can filter by them
    age_s: float = (await connection.execute(select(clock.c.age_s))).scalar_one()
    all_done = all(row.result is not None for row in batch.rows)
    await connection.execute(
        insert(batches).values(
            id=batch.id,
            client=batch.client,
            label=batch.label,
            count=len(batch.rows),
            created_at=at,
            finished_at=at if all_done else None,
            idempotency_key=batch.idempotency_key,
            request_sha256=batch.request_sha256,
            callback_url=batch.callback_url,
            callback_due_at=at if all_done and batch.callback_url else None,
            callback_tries=0,
        )
    )
    deadline_at = at + (batch.deadline_s or default_deadline_s)
    for start in range(0, len(batch.rows), AT_ONCE):  # one statement for a whole batch would block the event loop
        await _add_rows(connection, batch, batch.rows[start : start + AT_ONCE], at, deadline_at, age_s)


async def _add_rows(
    connection: AsyncConnection, batch: NewBatch, rows: Sequence[NewRow], at: float, deadline_at: float, age_s: float
) -> None:
    given = [
        {
            "id": row.id,
            "batch_id": batch.id,
            "client": batch.client,
            "item_id": row.item_id,
            "kind": row.kind,
            "canary": row.canary,
            "state": RowState.QUEUED if row.result is None else RowState.DONE,
            "attempt": 0,
            "deaths": 0,
            "due_at": deadline_at if row.result is None else None,
            "deadline_at": deadline_at,
            "deadline_s": batch.deadline_s,
            "created_at": at,
            "finished_at": None if row.result is None else at,
            "finished_age_s": None if row.result is None else age_s,
            "size": ROW_BYTES + len(row.submission or "") + len(row.result or ""),
        }
        for row in rows
    ]
    inserted = await connection.execute(insert(submissions).returning(_s.serial, sort_by_parameter_order=True), given)
    stored = list(zip(inserted.scalars(), rows, strict=True))
    texts = [{"serial": serial, "submission": row.submission} for serial, row in stored if row.submission is not None]
    done = [{"serial": serial, "result": row.result} for serial, row in stored if row.result is not None]
    if texts:
        await connection.execute(insert(payloads), texts)
    if done:
        await connection.execute(insert(results), done)


async def find_request(connection: AsyncConnection, client: str, key: str) -> tuple[str, str | None, list[str]] | None:
    """Return batch id, digest of the body, and submission ids of an earlier request with this idempotency key."""
    found = (
        await connection.execute(select(_b.id, _b.request_sha256).where(_b.client == client, _b.idempotency_key == key))
    ).one_or_none()
    if found is None:
        return None
    ids = await connection.execute(select(_s.id).where(_s.batch_id == found.id).order_by(_s.serial))
    return found.id, found.request_sha256, list(ids.scalars())


async def count_open(connection: AsyncConnection) -> Counter[str]:
    """Return the number of unfinished submissions of each client that has any."""
    counted = await connection.execute(
        select(_s.client, func.count().label("rows")).where(_s.state.in_(OPEN)).group_by(_s.client)
    )
    return Counter({row.client: row.rows for row in counted})


async def depth(connection: AsyncConnection) -> tuple[dict[str, int], float | None]:
    """Return the number of rows in each unfinished state, and how long the oldest has waited."""
    counted = await connection.execute(
        select(_s.state, func.count().label("rows")).where(_s.state.in_(OPEN)).group_by(_s.state)
    )
    counts = {state.value: 0 for state in OPEN} | {row.state: row.rows for row in counted}
    oldest = (
        await connection.execute(select(now() - func.min(_s.created_at)).where(_s.state.in_(WAITING)))
    ).scalar_one()
    return counts, None if oldest is None else max(oldest, 0.0)


# Looking up


def _is_for(owner: ColumnElement[str], client: str) -> ColumnElement[bool]:
    """Return the condition for rows that a client may look up by id: its own, and those stored without keys."""
    return owner.in_({client, ""})


async def find(connection: AsyncConnection, client: str, ids: Collection[str]) -> dict[str, StoredSubmission]:
    """Return the submissions that exist among these ids, by id."""
    fit = [one for one in ids if _ID.fullmatch(one)]
    if not fit:
        return {}
    found = await _stored(connection, [_is_for(_s.client, client), _s.id.in_(fit)])
    return {one.id: one for one in found}


async def position(connection: AsyncConnection, submission_id: str) -> int | None:
    """Return how many submissions of its kind and client are ahead in the queue; None if it is not queued."""
    row = (
        await connection.execute(
            select(_s.serial, _s.kind, _s.client).where(_s.id == submission_id, _s.state == RowState.QUEUED)
        )
    ).one_or_none()
    if row is None:
        return None
    line = (_s.state == RowState.QUEUED, _s.kind == row.kind, _s.client == row.client)
    before = select(func.count()).select_from(submissions).where(*line, _s.serial < row.serial)
    return (await connection.execute(before)).scalar_one()


async def page(
    connection: AsyncConnection, client: str, wanted: Filter, cursor: str | None, limit: int
) -> tuple[list[StoredSubmission], str | None]:
    """Return a page of submissions, newest first, and the cursor of the next page.

    Raises:
        BadRequest: the cursor is invalid.
    """
    conditions: list[ColumnElement[bool]] = [_s.client == client]
    if cursor is not None:
        conditions.append(_s.serial < _serial_of(cursor))
    if wanted.state is not None:
        conditions.append(_s.state.in_(RowState.behind(wanted.state)))
    if wanted.kind is not None:
        conditions.append(_s.kind == wanted.kind)
    if wanted.batch_id is not None:
        conditions.append(_s.batch_id == (wanted.batch_id if _ID.fullmatch(wanted.batch_id) else ""))
    if wanted.label is not None:
        conditions.append(_s.batch_id.in_(select(_b.id).where(_b.client == client, _b.label == wanted.label)))
    if wanted.since is not None:
        conditions.append(_s.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_s.created_at < wanted.until)
    serials = await connection.execute(select(_s.serial).where(*conditions).order_by(_s.serial.desc()).limit(limit + 1))
    listed = list(serials.scalars())
    shown_ones = await _stored(connection, [_s.serial.in_(listed[:limit])]) if listed else []
    return shown_ones[::-1], _cursor_of(listed[limit - 1]) if len(listed) > limit else None


def _cursor_of(serial: int) -> str:
    return f"s{serial}"


def _serial_of(cursor: str) -> int:
    if not re.fullmatch(CURSOR, cursor):
        allowed = "it must be the next_cursor of an earlier page"
        raise BadRequest([ProblemField(field="cursor", value=shown(cursor), allowed=allowed)])
    return int(cursor[1:])


async def _stored(connection: AsyncConnection, conditions: Sequence[ColumnElement[bool]]) -> list[StoredSubmission]:
    """Return submissions with their results and failed attempts, in the order of arrival."""
    query = (
        select(submissions, results.c.result)
        .outerjoin(results, results.c.serial == _s.serial)
        .where(*conditions)
        .order_by(_s.serial)
    )
    rows = (await connection.execute(query)).all()
    tried = [row.serial for row in rows if row.attempt > 0 or row.deaths > 0]
    failed = await _attempts(connection, tried) if tried else {}
    found: list[StoredSubmission] = []
    own = Slice()
    for row in rows:
        await own.pause()  # parsing thousands of results would block the event loop
        found.append(_shown(row, failed.get(row.serial, [])))
    return found


async def _attempts(connection: AsyncConnection, serials: Sequence[int]) -> Mapping[int, list[StoredAttempt]]:
    a = attempts.c
    found: dict[int, list[StoredAttempt]] = defaultdict(list)
    for row in await connection.execute(select(attempts).where(a.serial.in_(serials)).order_by(a.serial, a.number)):
        found[row.serial].append(
            StoredAttempt(
                number=row.number,
                started_at=_time(row.started_at),
                ended_at=_moment(row.ended_at),
                cause=row.cause,
                reason=row.reason,
            )
        )
    return found


def _shown(row: Row[Any], failed: list[StoredAttempt]) -> StoredSubmission:
    return StoredSubmission(
        id=row.id,
        state=RowState(row.state).shown,
        result=None if row.result is None else read_result(row.result),
        batch_id=row.batch_id,
        kind=row.kind,
        submission_id=row.item_id,
        created_at=_moment(row.created_at),
        started_at=_time(row.started_at),
        finished_at=_time(row.finished_at),
        deadline_at=_moment(row.deadline_at),
        attempt=row.attempt,
        attempts=failed,
    )


async def batch(
    connection: AsyncConnection, client: str, batch_id: str, *, with_submissions: bool
) -> StoredBatch | None:
    """Return a batch with its counts, and optionally with its submissions."""
    if not _ID.fullmatch(batch_id):
        return None
    row = (await connection.execute(select(batches).where(_b.id == batch_id, _is_for(_b.client, client)))).one_or_none()
    if row is None:
        return None
    counts = dict.fromkeys(StoredState, 0)
    for state, count in await connection.execute(
        select(_s.state, func.count()).where(_s.batch_id == batch_id).group_by(_s.state)
    ):
        counts[RowState(state).shown] += count
    return StoredBatch(
        id=row.id,
        label=row.label,
        created_at=_moment(row.created_at),
        finished_at=_time(row.finished_at),
        total=row._mapping[_b.count],
        counts=counts,
        submissions=await _stored(connection, [_s.batch_id == batch_id]) if with_submissions else [],
        callback_url=row.callback_url,
        callback_done_at=_time(row.callback_done_at),
        callback_tries=row.callback_tries,
        callback_error=row.callback_error,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(min(seconds, LAST_S), 3), UTC)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


# Cancelling and deleting


@dataclass(frozen=True)
class Which:
    """Submissions of one client: one by id, or all of a batch."""

    client: str
    submission_id: str | None = None
    batch_id: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions on `submissions`."""
        one = _s.id == self.submission_id if self.submission_id is not None else _s.batch_id == self.batch_id
        return [_is_for(_s.client, self.client), one]

    @property
    def is_possible(self) -> bool:
        """Whether the id is well-formed."""
        return _ID.fullmatch(self.submission_id or self.batch_id or "") is not None


async def cancel(connection: AsyncConnection, which: Which) -> dict[str, str]:
    """Cancel unfinished submissions; return the ids of those cancelled now, mapped to their batch ids."""
    if not which.is_possible:
        return {}
    rows = (
        await connection.execute(
            select(_s.serial, _s.id, _s.batch_id)
            .where(*which.conditions, _s.state.in_(OPEN))
            .order_by(_s.serial)
            .with_for_update()
        )
    ).all()
    if not rows:
        return {}
    serials = [row.serial for row in rows]
    await connection.execute(
        update(submissions)
        .where(_s.serial.in_(serials))
        .values(
            state=RowState.CANCELLED,
            owner=None,
            due_at=None,
            finished_at=now(),
            finished_age_s=select(clock.c.age_s).scalar_subquery(),
            size=ROW_BYTES,
        )
    )
    await connection.execute(delete(payloads).where(payloads.c.serial.in_(serials)))
    await finish_batches(connection, {row.batch_id for row in rows})
    return {row.id: row.batch_id for row in rows}


async def remove(connection: AsyncConnection, which: Which) -> dict[str, str]:
    """Delete submissions, finished or not, with all their texts; return ids like `cancel`. Empty batches go too."""
    if not which.is_possible:
        return {}
    rows = (
        await connection.execute(
            select(_s.serial, _s.id, _s.batch_id).where(*which.conditions).order_by(_s.serial).with_for_update()
        )
    ).all()
    if which.batch_id is not None:
        await connection.execute(
            update(batches)
            .where(_b.id == which.batch_id, _is_for(_b.client, which.client))
            .values(callback_url=None, callback_due_at=None)
        )
    await remove_serials(connection, [row.serial for row in rows], {row.batch_id for row in rows})
    return {row.id: row.batch_id for row in rows}


async def remove_serials(connection: AsyncConnection, serials: Sequence[int], batch_ids: Collection[str]) -> None:
    """Delete rows with everything that belongs to them, and batches that are then empty and have no callback due."""
    if not serials:
        return
    for table in (payloads, results, attempts):
        await connection.execute(delete(table).where(table.c.serial.in_(serials)))
    await connection.execute(delete(submissions).where(_s.serial.in_(serials)))
    await finish_batches(connection, batch_ids)
    await remove_empty(connection, batch_ids)


async def remove_empty(connection: AsyncConnection, batch_ids: Collection[str]) -> None:
    """Delete those of the batches that are empty and have no callback due."""
    has_rows = exists().where(_s.batch_id == _b.id)
    await connection.execute(
        delete(batches).where(_b.id.in_(sorted(batch_ids)), ~has_rows, _b.callback_due_at.is_(None))
    )
