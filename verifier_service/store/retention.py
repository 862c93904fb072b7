"""Retention of finished submissions by age and total size. Deletion is done in slices, so that nothing waits for it.

Age is counted on a clock in the database that services advance while they run, by at most `MAX_TICK_S` at a time. So a
system clock that jumps ahead deletes nothing, and results are still there after a service was down for a month.
"""

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from verifier_service.store.models import clock, now, submissions
from verifier_service.store.records import remove_serials

MAX_TICK_S = 120.0
SLICE = 200
"""Submissions deleted in one transaction."""

_s = submissions.c


async def tick(connection: AsyncConnection) -> None:
    """Advance the retention clock by the time since the last call, within bounds."""
    passed = now() - clock.c.ticked_at
    counted = case((passed < 0, 0.0), (passed > MAX_TICK_S, MAX_TICK_S), else_=passed)
    await connection.execute(update(clock).values(age_s=clock.c.age_s + counted, ticked_at=now()))


async def forget_old(connection: AsyncConnection, keep_s: float) -> int:
    """Delete a slice of submissions that finished more than `keep_s` ago; return how many."""
    age = select(clock.c.age_s).scalar_subquery()
    query = (
        select(_s.serial, _s.batch_id)
        .where(_s.finished_age_s < age - keep_s)
        .order_by(_s.finished_age_s)
        .limit(SLICE)
        .with_for_update(skip_locked=True)
    )
    rows = (await connection.execute(query)).all()
    await remove_serials(connection, [row.serial for row in rows], {row.batch_id for row in rows})
    return len(rows)


async def total_bytes(connection: AsyncConnection) -> int:
    """Return the total size of finished submissions. The query needs only an index."""
    query = select(func.coalesce(func.sum(_s.size), 0)).where(_s.finished_age_s.is_not(None))
    return int((await connection.execute(query)).scalar_one())


async def forget_much(connection: AsyncConnection, surplus_bytes: int) -> int:
    """Delete the oldest finished submissions until the surplus is gone, at most a slice; return the bytes freed."""
    query = (
        select(_s.serial, _s.batch_id, _s.size)
        .where(_s.finished_age_s.is_not(None))
        .order_by(_s.finished_age_s, _s.serial)
        .limit(SLICE)
        .with_for_update(skip_locked=True)
    )
    freed, serials, batch_ids = 0, [], set()
    for row in (await connection.execute(query)).all():
        if freed >= surplus_bytes:
            break
        freed += row.size
        serials.append(row.serial)
        batch_ids.add(row.batch_id)
    await remove_serials(connection, serials, batch_ids)
    return freed
