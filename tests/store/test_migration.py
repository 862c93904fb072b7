"""The file of the first services is migrated with its rows, and releases disk space from then on."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path

from tests.store.scripted import running
from verifier_service.access.clients import ANYBODY
from verifier_service.observability.build import made_by
from verifier_service.schema import MathResult, MathSubmission, StoredState, Verdict

OLD = """
CREATE TABLE submissions (serial INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    submission TEXT NOT NULL, result TEXT, changed_at REAL NOT NULL);
CREATE INDEX by_state ON submissions (state, serial);
"""


def old_file(path: Path, more: int) -> None:
    """Make a file as the first services made it."""
    item = MathSubmission(kind="math", id="mine", completion="ok", reference="1").model_dump_json()
    result = MathResult(id="was", verdict=Verdict.WRONG_ANSWER, score=0.0).model_dump_json()
    bad = json.dumps({"kind": "unknown", "id": None, "verdict": "judge_error", "score": None, "message": "no kind"})
    at = time.time() - 3600
    rows = [
        ("a" * 32, "done", item, result, at),
        ("b" * 32, "done", "null", bad, at),
        ("c" * 32, "running", item, None, at),
        ("d" * 32, "queued", item, None, at),
        ("e" * 32, "queued", "from a version that nobody knows", None, at),
        *((f"{n:032x}", "done", item, result, at) for n in range(more)),
    ]
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.executescript(OLD)
    file.execute("BEGIN")
    file.executemany("INSERT INTO submissions (id, state, submission, result, changed_at) VALUES (?, ?, ?, ?, ?)", rows)
    file.execute("COMMIT")
    file.close()


async def test_an_old_file_is_taken_over_with_its_rows(tmp_path: Path) -> None:
    old_file(tmp_path / "submissions.sqlite", more=2000)
    async with running(tmp_path) as queue:
        done, unread = await queue.get("a" * 32), await queue.get("b" * 32)
        assert done.result == MathResult(id="was", verdict=Verdict.WRONG_ANSWER, score=0.0)
        assert (done.kind, done.submission_id, unread.kind) == ("math", "was", "unknown")
        assert unread.result is not None
        assert unread.result.message == "no kind"
        for one in ("c" * 32, "d" * 32):
            found = await queue.finished(one)
            assert found.result == MathResult(
                id="mine", verdict=Verdict.ACCEPTED, score=1.0, message=tmp_path.name, made_by=made_by()
            )
        lost = await queue.finished("e" * 32)
        assert lost.result is not None
        assert lost.result.verdict is Verdict.JUDGE_ERROR
        assert (await queue.get(f"{1999:032x}")).state is StoredState.DONE
        assert (await queue.finished((await queue.add("ok"))[0])).state is StoredState.DONE
    with sqlite3.connect(tmp_path / "submissions.sqlite") as file:
        assert file.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT version_num FROM alembic_version").fetchone() == ("0003",)
    file.close()


async def test_its_rows_are_as_old_as_they_were(tmp_path: Path) -> None:
    old_file(tmp_path / "submissions.sqlite", more=0)
    async with running(tmp_path, keep_results_s=7200) as queue:
        await asyncio.sleep(1)
        assert (await queue.get("a" * 32)).state is StoredState.DONE
    async with running(tmp_path, keep_results_s=1800) as queue:
        for _ in range(600):
            if await queue.stored.get_many(ANYBODY, ["a" * 32, "b" * 32]) == {}:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("they are still there")


async def test_rows_that_name_no_canary_yet_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "submissions.sqlite"
    async with running(tmp_path, math_workers=1) as queue:
        await queue.add(*["sleep 60"] * 8)
        (one,) = await queue.add("right 1")
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM payloads WHERE submission LIKE '%sleep%'")
        file.execute("DELETE FROM submissions WHERE id <> ?", (one,))
        file.executescript(
            "DROP INDEX submissions_in_line; ALTER TABLE submissions DROP COLUMN canary;"
            "CREATE INDEX submissions_in_line ON submissions (state, kind, client, serial);"
            "UPDATE alembic_version SET version_num = '0002'"
        )
    file.close()
    async with running(tmp_path, ill=["right"]) as queue:
        while not (await queue.get(one)).attempts:  # it is tried, instead of waiting in the queue
            await asyncio.sleep(0.02)
        queue.judge.ill.clear()
        assert (await queue.finished(one)).state is StoredState.DONE
