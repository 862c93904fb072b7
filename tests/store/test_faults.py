"""Whatever happens to the database, no accepted submission is lost, and the service recovers by itself."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ServiceProcess
from tests.store.scripted import running
from verifier_service.access.clients import ANYBODY
from verifier_service.errors import NoRoom, Overloaded
from verifier_service.schema import StoredState, Verdict
from verifier_service.store import claims, engine, worker
from verifier_service.store.rows import Done

NAME = "submissions.sqlite"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Write until the disk is full."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return filler


async def test_a_full_disk_refuses_what_is_new_keeps_what_is_old_and_is_survived(small_disk: Path) -> None:
    async with running(small_disk, math_workers=4) as queue:
        old = await queue.add("ok")
        await queue.finished(old[0])
        in_hand = await queue.add(*(f"sleep 1.{n}" for n in range(8)))
        while (await queue.get(in_hand[-1])).state is not StoredState.RUNNING:
            await asyncio.sleep(0.01)
        filler = fill(small_disk)
        with pytest.raises(NoRoom, match="database or disk is full"):
            await queue.add(*(["x" * 100_000] * 10))
        await asyncio.sleep(2.5)  # submissions in flight are judged meanwhile, but cannot be stored
        assert queue.stored.trouble() is not None
        assert "full" in queue.stored.trouble().__str__()
        assert (await queue.get(old[0])).state is StoredState.DONE
        filler.unlink()
        for one in in_hand:
            assert (await queue.finished(one)).state is StoredState.DONE
        new = await queue.add("ok")
        assert (await queue.finished(new[0])).state is StoredState.DONE
        for _ in range(200):
            if queue.stored.trouble() is None:
                break
            await asyncio.sleep(0.1)
        assert queue.stored.trouble() is None
        assert max(queue.judge.judged.values()) <= 2  # "ok" twice; nothing was judged again


def test_a_full_disk_is_507_and_the_service_goes_on(small_disk: Path, tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_STATE_DIR": str(small_disk)})
    service.start()
    math = {"kind": "math", "completion": "\\boxed{1}", "reference": "1"}
    try:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            ids = http.post("/v1/submissions", json={"submissions": [math] * 50}).json()["ids"]
            assert http.get(f"/v1/submissions/{ids[-1]}", params={"wait_s": 30}).json()["state"] == "done"
            filler = fill(small_disk)
            big = {"submissions": [math | {"completion": "x" * 200_000}] * 10}
            refused = http.post("/v1/submissions", json=big)
            assert refused.status_code == 507
            assert refused.headers["content-type"] == "application/problem+json"
            assert "everything stored before is safe" in refused.json()["detail"]
            assert http.post("/v1/verify", json={"submissions": [math]}).json()["results"][0]["score"] == 1.0
            found = http.post("/v1/submissions/batch-get", json={"ids": ids}).json()
            assert [one["result"]["score"] for one in found["submissions"] if one["state"] == "done"].count(1.0) >= 49
            filler.unlink()
            again = http.post("/v1/submissions", json={"submissions": [math]})
            assert again.status_code == 202
            done = http.get(f"/v1/submissions/{again.json()['ids'][0]}", params={"wait_s": 60}).json()
            assert done["result"]["score"] == 1.0
    finally:
        service.stop()


async def test_without_a_database_the_service_refuses_with_the_reason_and_tries_again(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"this is no database" * 100)
    async with running(tmp_path) as queue:
        assert "file is not a database" in str(queue.stored.trouble())
        with pytest.raises(Overloaded, match="file is not a database"):
            await queue.add("ok")
        (tmp_path / NAME).unlink()
        while queue.stored.trouble() is not None:
            await asyncio.sleep(0.1)
        assert (await queue.finished((await queue.add("ok"))[0])).state is StoredState.DONE


async def test_a_second_service_on_the_same_file_waits_for_the_first_to_end(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        (one,) = await first.add("ok")
        await first.finished(one)
        async with running(tmp_path) as second:
            with pytest.raises(Overloaded, match="another service uses"):
                await second.add("ok")
            await first.stored.close()
            while second.stored.trouble() is not None:
                await asyncio.sleep(0.1)
            assert (await second.get(one)).state is StoredState.DONE


async def test_a_locked_database_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 200)
    async with running(tmp_path) as queue:
        (one,) = await queue.add("sleep 0.5")
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(2)
        with pytest.raises(Overloaded, match="database is locked"):
            await queue.add("ok")
        assert "database is locked" in str(queue.stored.trouble())
        other.execute("ROLLBACK")
        other.close()
        assert (await queue.finished(one)).attempt == 1
        while queue.stored.trouble() is not None:
            await asyncio.sleep(0.1)


async def test_damaged_pages_cost_what_lies_there_and_are_no_server_error(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        ids = await queue.add(*(f"ok {n}" for n in range(300)))
        for one in ids:
            await queue.finished(one)
    path = tmp_path / NAME
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root, size = (
            file.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'results'").fetchone()[0],
            file.execute("PRAGMA page_size").fetchone()[0],
        )
    file.close()
    with path.open("r+b") as raw:
        raw.seek((root - 1) * size)
        raw.write(b"\xff" * size)
    async with running(tmp_path) as queue:
        for one in ids[:5]:
            with pytest.raises(Overloaded, match="malformed"):
                await queue.get(one)
        assert (await queue.stored.depth()).by_state["queued"] == 0


def break_rows(tmp_path: Path, serials: Sequence[int], when: str) -> None:
    """Make the database refuse results of these rows, as it does when a constraint is violated."""
    with sqlite3.connect(tmp_path / NAME) as file:
        file.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON results WHEN NEW.serial IN ({','.join(map(str, serials))}) "
            f"AND {when} BEGIN SELECT RAISE(ABORT, 'this row is refused'); END"
        )
    file.close()


async def test_a_row_whose_result_is_refused_is_set_aside_and_its_neighbours_are_stored(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        await asyncio.to_thread(break_rows, tmp_path, [2], "NEW.result LIKE '%accepted%'")
        first, refused, *others = await queue.add(*(f"ok {n}" for n in range(10)))
        for one in (first, *others):
            assert (await queue.finished(one)).attempt == 1
        found = await queue.finished(refused)
        assert found.result is not None
        why = "it was set aside because its result could not be stored: this row is refused"
        assert found.result.message == why
        assert (found.result.verdict, found.result.retryable) == (Verdict.JUDGE_ERROR, False)
        assert [tried.cause for tried in found.attempts] == ["internal"]
        assert queue.stored.trouble() is None
        assert queue.judge.judged["ok 1"] == 1
        assert queue.counted("verifier_judge_errors_total", cause="internal") == 1


async def test_a_row_of_which_nothing_can_be_stored_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWEEP_S", 0.1)
    monkeypatch.setattr(worker, "FIRST_RETRY_S", 0.1)
    monkeypatch.setattr(claims, "MAX_DEATHS", 2)
    async with running(tmp_path, math_workers=1, lease_s=1) as queue:
        await asyncio.to_thread(break_rows, tmp_path, [1, 2], "1")
        refused, late, *_ = await queue.add("ok", "unavailable 99", "sleep 60", deadline_s=4)
        again, last = await queue.add("unavailable 1", "ok 2")
        for one in (again, last):
            assert (await queue.finished(one)).state is StoredState.DONE
        while queue.judge.judged["ok"] < 2:  # its lease has expired, and it was judged again
            await asyncio.sleep(0.05)
        await asyncio.sleep(3.5)  # the second one's deadline passes, but cannot be recorded
        (due,) = await queue.add("sleep 60", deadline_s=0.3)
        assert "deadline" in str((await queue.finished(due)).result)
        assert [(await queue.get(one)).result for one in (refused, late)] == [None, None]
        assert queue.stored.trouble() is None
    with sqlite3.connect(tmp_path / NAME) as file:
        file.execute("DROP TRIGGER refuse")
    file.close()
    async with running(tmp_path) as queue:
        for one in (refused, late):
            assert (await queue.finished(one)).state is StoredState.DONE


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running(tmp_path / "file" / "state") as queue:
        assert "Not a directory" in str(queue.stored.trouble())
        with pytest.raises(Overloaded, match="Not a directory"):
            await queue.stored.get(ANYBODY, "0" * 32)


async def test_the_death_of_a_duty_is_seen(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        assert queue.stored.trouble() is None
        (task,) = [one for one in asyncio.all_tasks() if one.get_name() == "durable: taking"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert str(queue.stored.trouble()).endswith("taking: it has ended")


async def test_a_copy_of_the_file_is_a_backup(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as queue:
        (one,) = await queue.add("ok")
        await queue.finished(one)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    async with running(tmp_path / "b") as queue:
        assert (await queue.get(one)).state is StoredState.DONE


async def test_what_cannot_be_stored_in_the_end_does_not_keep_the_rest_from_being_given_back(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        refused, other = await queue.add("sleep 60", "sleep 61")
        while queue.judge.at_once < 2:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(break_rows, tmp_path, [1], "1")
        worker_of = queue.stored._worker
        for duty in worker_of.duties:
            await duty.stop()
        held = worker_of._in_hand[1]
        worker_of._outcomes.append(Done(held.row, "{}"))
    with sqlite3.connect(tmp_path / NAME) as file:
        states = dict(file.execute("SELECT id, state FROM submissions").fetchall())
    file.close()
    assert states == {refused: "queued", other: "queued"}


async def test_a_short_absence_of_the_database_is_held_against_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, away = claims.store, [True, False, False, False, True]  # call by call

    async def store(*given: Any) -> None:
        if away.pop(0):
            raise engine.DatabaseTrouble("it is away")
        await stored(*given)

    async with running(tmp_path, math_workers=1) as queue:
        await queue.add(*(f"sleep 6{n}" for n in range(4)))
        while queue.judge.at_once < 4:
            await asyncio.sleep(0.01)
        worker_of = queue.stored._worker
        for duty in worker_of.duties:
            await duty.stop()
        worker_of._outcomes += [Done(worker_of._in_hand[n].row, "{}") for n in range(1, 5)]
        monkeypatch.setattr(claims, "store", store)
        trouble = engine.DatabaseTrouble("one of them is refused")
        await worker_of._store_each(worker_of._outcomes[:2], trouble)  # the first is refused, and stored again
        with pytest.raises(engine.DatabaseTrouble, match="it is away"):
            await worker_of._store_each(worker_of._outcomes[:2], trouble)
        assert [one.row.serial for one in worker_of._outcomes] == [4]
        assert worker_of._refused[4] == 0  # nothing was stored after it
        away.append(False)
