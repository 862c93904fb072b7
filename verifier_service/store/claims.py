"""Work on the queue: take rows under a lease, renew it, store outcomes, and sweep up expired rows.

Services that share a database each take rows that no other service holds (`FOR UPDATE SKIP LOCKED`). A taken row has an
owner, an attempt number, and a lease. If the owner does not renew the lease in time, another service takes the row with
the next number. An outcome is stored only for the owner and attempt that hold the row. So if two services judge the
same row, exactly one result is stored.
"""

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Row, bindparam, case, delete, exists, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from verifier_service.errors import Cause, JudgeError
from verifier_service.store.models import (
    OPEN,
    RowState,
    attempts,
    batches,
    clock,
    now,
    payloads,
    results,
    submissions,
    waiting_state,
)
from verifier_service.store.rows import Done, Later, Outcome, Taken
from verifier_service.store.texts import failed_result, fit

SLICE = 100
"""Rows swept up in one transaction."""
MAX_DEATHS = 5
"""A row during which this many services ended is set aside."""
KEPT_ATTEMPTS = 20
ROW_BYTES = 500
"""The approximate size of a row without its texts."""

SERVICE_ENDED = "service_ended"
"""The cause of an attempt during which the service ended."""

_s = submissions.c


@dataclass(frozen=True)
class Line:
    """Rows that wait for the same places: those of one kind, or if `kind` is None, suspects (see `RowState`).

    `unfit` names the canaries that fail here; rows that depend on them stay in the queue.
    """

    kind: str | None
    unfit: Collection[str] = ()

    @property
    def state(self) -> RowState:
        """The state of its rows."""
        return RowState.SUSPECT if self.kind is None else RowState.QUEUED

    @property
    def all_of_it(self) -> list[ColumnElement[bool]]:
        """Its rows, as conditions on `submissions`."""
        return [_s.state == self.state, *([] if self.kind is None else [_s.kind == self.kind])]

    @property
    def fit(self) -> list[ColumnElement[bool]]:
        """Conditions for the rows that may be taken."""
        return [*self.all_of_it, *([_s.canary.not_in(self.unfit)] if self.unfit else [])]


async def take(
    connection: AsyncConnection, owner: str, lease_s: float, line: Line, places: int, held: Mapping[str, int]
) -> list[Taken]:
    """Take up to `places` rows from a line for `owner`, the oldest of each client first.

    Clients share the places: the next one goes to the client with the fewest. `held` says how many each has already.
    """
    if line.kind is None:
        return await _hold(connection, owner, lease_s, await _oldest(connection, places, *line.fit))
    found: list[Taken] = []
    waiting = await _clients(connection, line.kind)
    have = dict(held)
    while waiting and len(found) < places:
        wanted: Counter[str] = Counter()
        for _ in range(places - len(found)):
            client = min(waiting, key=lambda name: (have.get(name, 0), random.random()))
            have[client] = have.get(client, 0) + 1
            wanted[client] += 1
        for client, count in wanted.items():
            more = await _oldest(connection, count, *line.fit, _s.client == client)
            found += await _hold(connection, owner, lease_s, more)
            if len(more) < count:
                waiting.remove(client)
    return found


async def _clients(connection: AsyncConnection, kind: str) -> list[str]:
    """Return the clients with queued rows, with one index lookup per client however many rows they have."""
    in_line = (_s.state == RowState.QUEUED, _s.kind == kind)
    first = select(func.min(_s.client).label("client")).where(*in_line).cte("clients", recursive=True)
    other = submissions.alias()
    next_one = select(func.min(other.c.client)).where(
        other.c.state == RowState.QUEUED, other.c.kind == kind, other.c.client > first.c.client
    )
    clients = first.union_all(select(next_one.scalar_subquery()).where(first.c.client.is_not(None)))
    found = await connection.execute(select(clients.c.client).where(clients.c.client.is_not(None)))
    return list(found.scalars())


async def held_up(connection: AsyncConnection, line: Line) -> set[str]:
    """Return the unfit canaries on which rows of the line depend."""
    if not line.unfit:
        return set()
    query = select(_s.canary).where(*line.all_of_it, _s.canary.in_(line.unfit)).distinct()
    return set((await connection.execute(query)).scalars())


async def _oldest(connection: AsyncConnection, count: int, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
    query = select(submissions, now().label("now")).where(*conditions).order_by(_s.serial)
    return list((await connection.execute(query.limit(count).with_for_update(skip_locked=True))).all())


async def _hold(connection: AsyncConnection, owner: str, lease_s: float, rows: Sequence[Row[Any]]) -> list[Taken]:
    if rows:
        await connection.execute(
            update(submissions)
            .where(_s.serial.in_([row.serial for row in rows]))
            .values(
                state=RowState.RUNNING,
                owner=owner,
                attempt=_s.attempt + 1,
                started_at=now(),
                due_at=now() + lease_s,
            )
        )
    return [_taken(row) for row in rows]


def _taken(row: Row[Any]) -> Taken:
    return Taken(
        serial=row.serial,
        id=row.id,
        batch_id=row.batch_id,
        client=row.client,
        item_id=row.item_id,
        kind=row.kind,
        attempt=row.attempt + 1,
        is_suspect=row.deaths > 0,
        left_s=row.deadline_at - row.now,
        deadline_s=row.deadline_s,
    )


async def texts(connection: AsyncConnection, serials: Collection[int]) -> dict[int, str]:
    """Return the texts of unfinished submissions, by serial."""
    found = await connection.execute(select(payloads).where(payloads.c.serial.in_(serials)))
    return {row.serial: row.submission for row in found}


async def renew(connection: AsyncConnection, owner: str, lease_s: float, serials: Collection[int]) -> set[int]:
    """Renew the lease of these rows; return those that `owner` still holds.

    Rows that it took without knowing, because the database's answer was lost, are not renewed and so become free.
    """
    held = await connection.execute(  # same order as in `store`, or the two could deadlock
        select(_s.serial)
        .where(_s.state == RowState.RUNNING, _s.owner == owner, _s.serial.in_(serials))
        .order_by(_s.serial)
        .with_for_update()
    )
    ours = set(held.scalars())
    await connection.execute(update(submissions).where(_s.serial.in_(ours)).values(due_at=now() + lease_s))
    return ours


async def store(connection: AsyncConnection, owner: str, outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes of rows that `owner` still holds with the same attempt; drop the others."""
    held = await connection.execute(
        select(_s.serial, _s.attempt, _s.started_at)
        .where(_s.serial.in_([one.row.serial for one in outcomes]), _s.state == RowState.RUNNING, _s.owner == owner)
        .order_by(_s.serial)
        .with_for_update()
    )
    started = {(row.serial, row.attempt): row.started_at for row in held}
    ours = [one for one in outcomes if (one.row.serial, one.row.attempt) in started]
    failed = [(one, one.failed) for one in ours if isinstance(one, Done) and one.failed is not None]
    await _note_attempts(
        connection,
        [(one.row.serial, one.row.attempt, *cause_and_reason) for one, cause_and_reason in failed]
        + [(one.row.serial, one.row.attempt, one.cause, one.reason) for one in ours if isinstance(one, Later)],
        {serial: at for (serial, _), at in started.items()},
    )
    later = [one for one in ours if isinstance(one, Later)]
    if later:
        await connection.execute(
            update(submissions)
            .where(_s.serial == bindparam("key"))
            .values(state=RowState.DELAYED, owner=None, due_at=now() + bindparam("delay_s")),
            [{"key": one.row.serial, "delay_s": one.delay_s} for one in later],
        )
    await _finish(connection, [one for one in ours if isinstance(one, Done)])


async def _note_attempts(
    connection: AsyncConnection, found: Sequence[tuple[int, int, str, str]], started: Mapping[int, float | None]
) -> None:
    """Record failed attempts, given as serial, number, cause and reason; keep only the latest of each row."""
    if not found:
        return
    at = (await connection.execute(select(now()))).scalar_one()
    a = attempts.c
    await connection.execute(
        delete(attempts).where(a.serial == bindparam("key"), a.number == bindparam("attempt")),
        [{"key": serial, "attempt": number} for serial, number, *_ in found],
    )
    await connection.execute(
        insert(attempts),
        [
            {
                "serial": serial,
                "number": number,
                "started_at": started.get(serial),
                "ended_at": at,
                "cause": cause,
                "reason": fit(reason)[:2000],
            }
            for serial, number, cause, reason in found
        ],
    )
    long = [{"key": serial, "last": number - KEPT_ATTEMPTS} for serial, number, *_ in found if number > KEPT_ATTEMPTS]
    if long:
        await connection.execute(
            delete(attempts).where(a.serial == bindparam("key"), a.number <= bindparam("last")), long
        )


async def _finish(connection: AsyncConnection, done: Sequence[Done]) -> None:
    if not done:
        return
    await connection.execute(
        update(submissions)
        .where(_s.serial == bindparam("key"))
        .values(
            state=RowState.DONE,
            owner=None,
            due_at=None,
            finished_at=now(),
            finished_age_s=select(clock.c.age_s).scalar_subquery(),
            size=_s.size * bindparam("keeps", type_=Integer) + bindparam("bytes", type_=Integer),
        ),
        [
            {"key": one.row.serial, "keeps": int(one.keeps_payload), "bytes": len(one.result) + ROW_BYTES}
            for one in done
        ],
    )
    serials = [one.row.serial for one in done]
    await connection.execute(delete(results).where(results.c.serial.in_(serials)))  # none expected
    await connection.execute(insert(results), [{"serial": one.row.serial, "result": one.result} for one in done])
    judged = [one.row.serial for one in done if not one.keeps_payload]
    if judged:
        await connection.execute(delete(payloads).where(payloads.c.serial.in_(judged)))
    await finish_batches(connection, {one.row.batch_id for one in done})


async def finish_batches(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Mark the batches that are completely finished, and make their callbacks due.

    The batches are locked first: when two services finish the last two rows of a batch, the second must see the first.
    """
    b = batches.c
    listed = sorted(ids)
    if connection.dialect.name != "sqlite":  # SQLite has only one writer
        await connection.execute(select(b.id).where(b.id.in_(listed)).order_by(b.id).with_for_update())
    is_open = exists().where(_s.batch_id == b.id, _s.state.in_(OPEN))
    await connection.execute(
        update(batches)
        .where(b.id.in_(listed), b.finished_at.is_(None), ~is_open)
        .values(finished_at=now(), callback_due_at=case((b.callback_url.is_not(None), now())))
    )


async def give_back(connection: AsyncConnection, owner: str) -> None:
    """Return `owner`'s rows to the queue as if they had not been started. For an orderly shutdown."""
    await connection.execute(
        update(submissions)
        .where(_s.state == RowState.RUNNING, _s.owner == owner)
        .values(state=waiting_state(), owner=None, attempt=_s.attempt - 1, due_at=_s.deadline_at)
    )


# Sweeping up


async def wake(connection: AsyncConnection) -> None:
    """Return delayed rows to the queue when their time has come."""
    await connection.execute(
        update(submissions)
        .where(_s.state == RowState.DELAYED, _s.due_at <= now())
        .values(state=waiting_state(), due_at=_s.deadline_at)
    )


@dataclass(frozen=True)
class Among:
    """Which rows to consider, by serial: all except some, or only one."""

    but_not: Collection[int] = ()
    only: int | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition on `submissions`."""
        return _s.serial.not_in(self.but_not) if self.only is None else _s.serial == self.only


@dataclass(frozen=True)
class Swept:
    """Rows that were swept up, those among them that are finished now, and the cause."""

    rows: Sequence[Taken]
    finished: Sequence[Taken]
    cause: Cause

    @property
    def names(self) -> set[str]:
        """The ids of the submissions and of their batches."""
        return {name for row in self.rows for name in (row.id, row.batch_id)}


def together(parts: Sequence[Swept]) -> Swept:
    """Combine the results of several sweeps."""
    rows = [row for part in parts for row in part.rows]
    finished = [row for part in parts for row in part.finished]
    return Swept(rows, finished, parts[0].cause if parts else Cause.INTERNAL)


async def to_sweep(connection: AsyncConnection, among: Among) -> list[int]:
    """Return the serials of rows that `expire` or `take_back` might change."""
    looked_at = (_s.state == RowState.RUNNING) | (_s.state.in_(OPEN) & (_s.due_at <= now()))
    query = select(_s.serial).where(looked_at, among.condition).order_by(_s.serial).limit(SLICE)
    return list((await connection.execute(query)).scalars())


async def expire(connection: AsyncConnection, among: Among) -> Swept:
    """Finish rows that were not judged before their deadline, up to a slice."""
    rows = await _due(connection, (RowState.QUEUED, RowState.SUSPECT), _s.due_at <= now(), among)
    last = await _last_reasons(connection, [row.serial for row in rows])
    done = []
    for row in rows:
        tried = f", and attempt {row.attempt} failed: {last[row.serial]}" if row.serial in last else ""
        error = JudgeError(f"the deadline passed before it was judged: {deadline_of(row)}{tried}", Cause.DEADLINE)
        done.append(Done(_taken(row), failed_result(row.kind, row.item_id, error)))
    await _finish(connection, done)
    expired = [one.row for one in done]
    return Swept(expired, expired, Cause.DEADLINE)


async def take_back(connection: AsyncConnection, among: Among, *, everything: bool = False) -> Swept:
    """Queue rows with an expired lease again, up to a slice; set aside those during which services keep ending.

    With `everything`, take back all running rows; use it only if no other service can be judging them. Otherwise
    `among` must exclude the rows that this service is judging: after a freeze its own leases have expired although it
    is alive. A row is set aside after `MAX_DEATHS`.
    """
    rows = await _due(connection, (RowState.RUNNING,), true() if everything else _s.due_at <= now(), among)
    if not rows:
        return Swept([], [], Cause.INTERNAL)
    reason = "the service that judged it ended, or did not renew its lease in time"
    await _note_attempts(
        connection,
        [(row.serial, row.attempt, SERVICE_ENDED, reason) for row in rows],
        {row.serial: row.started_at for row in rows},
    )
    await connection.execute(
        update(submissions)
        .where(_s.serial.in_([row.serial for row in rows]))
        .values(state=RowState.SUSPECT, owner=None, deaths=_s.deaths + 1, due_at=_s.deadline_at)
    )
    aside = [_set_aside(row) for row in rows if row.deaths + 1 >= MAX_DEATHS]
    await _finish(connection, aside)
    return Swept([_taken(row) for row in rows], [one.row for one in aside], Cause.INTERNAL)


def _set_aside(row: Row[Any]) -> Done:
    reason = f"it was set aside: a service ended {MAX_DEATHS} times while it was judged"
    result = failed_result(row.kind, row.item_id, JudgeError(reason), is_set_aside=True)
    return Done(_taken(row), result, keeps_payload=True)


async def _due(
    connection: AsyncConnection, states: Sequence[RowState], when: ColumnElement[bool], among: Among
) -> list[Row[Any]]:
    query = (
        select(submissions, now().label("now"))
        .where(_s.state.in_(states), when, among.condition)
        .order_by(_s.serial)
        .limit(SLICE)
        .with_for_update(skip_locked=True)
    )
    return list((await connection.execute(query)).all())


async def _last_reasons(connection: AsyncConnection, serials: Sequence[int]) -> dict[int, str]:
    a = attempts.c
    found = await connection.execute(
        select(a.serial, a.reason).where(a.serial.in_(serials)).order_by(a.serial, a.number)
    )
    return {row.serial: row.reason for row in found}


def deadline_of(row: Row[Any] | Taken) -> str:
    """Return a row's deadline in words."""
    if row.deadline_s is None:
        return "VERIFIER_DURABLE_DEADLINE_S has passed since it was accepted"
    return f"deadline_s is {row.deadline_s:g}"
