"""Finished submissions are kept within the limits on age and size, and their disk space is released."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.store.scripted import running
from verifier_service.access.clients import ANYBODY
from verifier_service.schema import StoredState
from verifier_service.settings import Settings
from verifier_service.store import records, retention
from verifier_service.store.engine import Database
from verifier_service.store.models import submissions

NAME = "submissions.sqlite"


async def test_what_is_old_goes_and_what_is_not_finished_stays(tmp_path: Path) -> None:
    async with running(tmp_path, keep_results_s=2, math_workers=1) as queue:
        (slow,) = await queue.add("sleep 60")
        (one,) = await queue.add("ok")
        await queue.finished(one)
        batch_id = (await queue.get(one)).batch_id
        for _ in range(600):
            if await queue.stored.get_many(ANYBODY, [one]) == {}:
                break
            await asyncio.sleep(0.05)
        assert await queue.stored.get_many(ANYBODY, [one]) == {}
        assert await queue.stored.batch(ANYBODY, batch_id) is None
        assert (await queue.get(slow)).state is StoredState.RUNNING


async def test_above_the_size_the_oldest_go_and_the_file_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as queue:
        ids = [(await queue.add(f"ok {n}" + " " * 200_000))[0] for n in range(40)]
        for one in ids:
            await queue.finished(one)
    file = sqlite3.connect(tmp_path / NAME)
    file.execute("UPDATE results SET result = result || CAST(zeroblob(200000) AS TEXT)")
    file.execute("UPDATE submissions SET size = size + 200000")
    file.commit()
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    before = (tmp_path / NAME).stat().st_size
    async with running(tmp_path, keep_results_mb=1) as queue:
        for _ in range(600):
            if (tmp_path / NAME).stat().st_size < before / 3:
                break
            await asyncio.sleep(0.05)
        found = await queue.stored.get_many(ANYBODY, ids)
    assert list(found) == ids[-len(found) :]
    assert 3 <= len(found) <= 5
    assert (tmp_path / NAME).stat().st_size < before / 3


async def test_a_clock_that_jumps_deletes_nothing(tmp_path: Path) -> None:
    """The last look at the clock is made a month old, as if the clock had jumped ahead by a month since."""
    for jump_s in (30 * 86400.0, -30 * 86400.0):
        async with running(tmp_path, keep_results_s=3600) as queue:
            (one,) = await queue.add("ok")
            await queue.finished(one)
        with sqlite3.connect(tmp_path / NAME) as file:
            file.execute("UPDATE clock SET ticked_at = ticked_at - ?", (jump_s,))
            before = file.execute("SELECT age_s FROM clock").fetchone()[0]
        file.close()
        async with running(tmp_path, keep_results_s=3600) as queue:
            await asyncio.sleep(1)
            assert (await queue.get(one)).state is StoredState.DONE
        with sqlite3.connect(tmp_path / NAME) as file:
            passed = file.execute("SELECT age_s FROM clock").fetchone()[0] - before
        file.close()
        assert 0 <= passed <= retention.MAX_TICK_S


async def test_what_a_request_counts_it_counts_from_an_index_of_what_is_open(tmp_path: Path) -> None:
    database = Database(Settings(state_dir=tmp_path))
    await database.open()
    async with database.read() as connection:
        plans = []
        for query in (
            select(func.count()).select_from(submissions).where(submissions.c.state.in_(records.OPEN)),
            select(func.sum(submissions.c.size)).where(submissions.c.finished_age_s.is_not(None)),
        ):
            text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")
            plans += [row[-1] for row in plan]
    await database.close()
    assert all("USING COVERING INDEX" in plan and plan.startswith("SEARCH") for plan in plans), plans
