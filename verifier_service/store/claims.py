"""What a service does with the queue: take rows under a lease, renew it, store what became of them, sweep up.

Of services that share a database each takes rows that no other holds (`FOR UPDATE SKIP LOCKED`). A row that is taken
has an owner, the number of the attempt, and a lease. Who is silent for longer than the lease loses it: then another one
takes the row, with the next number. What became of a row is stored only for the owner and attempt that hold it, so of
two who judged it the first that ends wins, and exactly one result is stored.
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
"""Rows that are swept up in one transaction."""
MAX_DEATHS = 5
"""How many services may end while a row is judged before it is set aside."""
KEPT_ATTEMPTS = 20
ROW_BYTES = 500
"""About what a row takes without its texts."""

SERVICE_ENDED = "service_ended"
"""The cause of an attempt that ended with the service that judged."""

_s = submissions.c


@dataclass(frozen=True)
class Line:
    """Rows that wait for the same places: those of a kind, or without one those that a service ended under before.

    `unfit` names the canaries with which something is wrong here: what they speak for is left in line.
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
        """Those of its rows that may be taken."""
        return [*self.all_of_it, *([_s.canary.not_in(self.unfit)] if self.unfit else [])]


async def take(
    connection: AsyncConnection, owner: str, lease_s: float, line: Line, places: int, held: Mapping[str, int]
) -> list[Taken]:
    """Take up to so many rows from a line, the oldest of each client first. They are `owner`'s from now on.

    Clients share the places of a kind: the next one goes to who has the fewest, where `held` says how many each has.
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
    """Return who has rows in line: one look at the index for each, however many rows they have."""
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
    """Return which of the canaries that are not fit speak for rows of a line."""
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
    """Return the texts of submissions that are not judged yet, by serial."""
    found = await connection.execute(select(payloads).where(payloads.c.serial.in_(serials)))
    return {row.serial: row.submission for row in found}


async def renew(connection: AsyncConnection, owner: str, lease_s: float, serials: Collection[int]) -> set[int]:
    """Renew the lease of these rows, and return those of them that `owner` still holds.

    What it took without knowing (the answer of the database was lost) is not renewed, and so comes back by itself.
    """
    held = await connection.execute(  # in the order in which `store` locks them
        select(_s.serial)
        .where(_s.state == RowState.RUNNING, _s.owner == owner, _s.serial.in_(serials))
        .order_by(_s.serial)
        .with_for_update()
    )
    ours = set(held.scalars())
    await connection.execute(update(submissions).where(_s.serial.in_(ours)).values(due_at=now() + lease_s))
    return ours


async def store(connection: AsyncConnection, owner: str, outcomes: Sequence[Outcome]) -> None:
    """Store what became of rows, as far as `owner` still holds them with that attempt; the rest is dropped."""
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
    """Note attempts that failed, each given as serial, number, cause and reason; the oldest of a row go."""
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
    await connection.execute(delete(results).where(results.c.serial.in_(serials)))  # there should be none
    await connection.execute(insert(results), [{"serial": one.row.serial, "result": one.result} for one in done])
    judged = [one.row.serial for one in done if not one.keeps_payload]
    if judged:
        await connection.execute(delete(payloads).where(payloads.c.serial.in_(judged)))
    await finish_batches(connection, {one.row.batch_id for one in done})


async def finish_batches(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Note of each batch whether all of it is finished, and that its callback is due then.

    The batches are locked first: of two services that finish the last two of one, the second sees what the first did.
    """
    b = batches.c
    listed = sorted(ids)
    if connection.dialect.name != "sqlite":  # there nobody else writes meanwhile
        await connection.execute(select(b.id).where(b.id.in_(listed)).order_by(b.id).with_for_update())
    is_open = exists().where(_s.batch_id == b.id, _s.state.in_(OPEN))
    await connection.execute(
        update(batches)
        .where(b.id.in_(listed), b.finished_at.is_(None), ~is_open)
        .values(finished_at=now(), callback_due_at=case((b.callback_url.is_not(None), now())))
    )


async def give_back(connection: AsyncConnection, owner: str) -> None:
    """Let others have what `owner` judges, as if it had not been begun: the service ends in order."""
    await connection.execute(
        update(submissions)
        .where(_s.state == RowState.RUNNING, _s.owner == owner)
        .values(state=waiting_state(), owner=None, attempt=_s.attempt - 1, due_at=_s.deadline_at)
    )


# Sweeping up


async def wake(connection: AsyncConnection) -> None:
    """Put in line again what was to be tried later, when it is time."""
    await connection.execute(
        update(submissions)
        .where(_s.state == RowState.DELAYED, _s.due_at <= now())
        .values(state=waiting_state(), due_at=_s.deadline_at)
    )


@dataclass(frozen=True)
class Among:
    """Which rows to look at, by their serials: all but some, or only one."""

    but_not: Collection[int] = ()
    only: int | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """As a condition on `submissions`."""
        return _s.serial.not_in(self.but_not) if self.only is None else _s.serial == self.only


@dataclass(frozen=True)
class Swept:
    """Rows that were swept up, and which of them are finished by that, with the cause."""

    rows: Sequence[Taken]
    finished: Sequence[Taken]
    cause: Cause

    @property
    def names(self) -> set[str]:
        """The ids of the submissions and of their batches."""
        return {name for row in self.rows for name in (row.id, row.batch_id)}


def together(parts: Sequence[Swept]) -> Swept:
    """Return what was swept up in several goes."""
    rows = [row for part in parts for row in part.rows]
    finished = [row for part in parts for row in part.finished]
    return Swept(rows, finished, parts[0].cause if parts else Cause.INTERNAL)


async def to_sweep(connection: AsyncConnection, among: Among) -> list[int]:
    """Return the serials of rows that `expire` and `take_back` look at, and of some that they leave alone."""
    looked_at = (_s.state == RowState.RUNNING) | (_s.state.in_(OPEN) & (_s.due_at <= now()))
    query = select(_s.serial).where(looked_at, among.condition).order_by(_s.serial).limit(SLICE)
    return list((await connection.execute(query)).scalars())


async def expire(connection: AsyncConnection, among: Among) -> Swept:
    """Finish some of what was not judged before its deadline."""
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
    """Queue again some of what runs under a lease that has ended, and set aside what services keep ending under.

    `everything` asks for all that runs, where nobody else can be judging it. Else leave out what this service has in
    hand: after a freeze its own leases have ended, and it is alive. What was set aside has used up its `MAX_DEATHS`.
    """
    rows = await _due(connection, (RowState.RUNNING,), true() if everything else _s.due_at <= now(), among)
    if not rows:
        return Swept([], [], Cause.INTERNAL)
    reason = "the service that judged it ended, or was silent for longer than its lease"
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
    reason = f"it was set aside: {MAX_DEATHS} times a service ended while it was judged"
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
    """Say which deadline a row had."""
    if row.deadline_s is None:
        return "VERIFIER_DURABLE_DEADLINE_S has passed since it was accepted"
    return f"deadline_s is {row.deadline_s:g}"
