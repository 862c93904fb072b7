"""Services share one PostgreSQL queue: each submission is judged by one, and a service that is killed loses nothing."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.conftest import ServiceProcess
from tests.store.postgres import PostgresServer, postgres_server, relay_to
from tests.store.scripted import running
from verifier_service.access.clients import ANYBODY
from verifier_service.errors import Overloaded
from verifier_service.schema import StoredState
from verifier_service.store import duties, engine
from verifier_service.store.queue import Request
from verifier_service.store.records import Filter, Which

LEASE_S = 3
CODE = {
    "kind": "code",
    "completion": "import time\ntime.sleep(0.3)\nprint(input())",
    "tests": {"kind": "stdio", "cases": [{"stdin": "1", "stdout": "1"}]},
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as one:
        yield one


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    """The URL of an unused database."""
    name = f"db_{time.monotonic_ns()}"
    server.sql(f"CREATE DATABASE {name}")
    yield server.url.removesuffix("postgres") + name
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def shared(url: str, **more: Any) -> dict[str, Any]:
    return {"database_url": url, "lease_s": LEASE_S} | more


async def test_the_queue_does_on_it_what_it_does_on_a_file(tmp_path: Path, database: str) -> None:
    async with running(tmp_path, **shared(database)) as queue:
        request = Request(ANYBODY, idempotency_key="k", sha256="a", label="l")
        ids = await queue.add("ok", "refuse", "unavailable 1", request=request)
        assert await queue.add("ok", "refuse", "unavailable 1", request=request) == ids
        found = [await queue.finished(one) for one in ids]
        assert [one.attempt for one in found] == [1, 1, 2]
        page = await queue.stored.page(ANYBODY, Filter(state=StoredState.DONE, label="l"), None, 2)
        assert [one.id for one in page.submissions] == ids[:0:-1]
        rest = await queue.stored.page(ANYBODY, Filter(kind="math"), page.next_cursor, 2)
        assert ([one.id for one in rest.submissions], rest.next_cursor) == (ids[:1], None)
        slow = await queue.add("sleep 60")
        await queue.stored.cancel(Which("", submission_id=slow[0]))
        assert (await queue.get(slow[0])).state is StoredState.CANCELLED
        batch = await queue.stored.batch(ANYBODY, found[0].batch_id)
        assert batch is not None
        assert batch.finished_at is not None
        assert await queue.stored.remove(Which("", batch_id=batch.id))
        assert await queue.stored.batch(ANYBODY, batch.id) is None
        odd = (await queue.add("ok\0"))[0]
        assert (await queue.finished(odd)).result is not None
        assert await queue.stored.get(ANYBODY, "\0") is None
        assert (await queue.stored.depth()).by_state["running"] == 0


async def test_two_services_share_the_work_and_judge_nothing_twice(tmp_path: Path, database: str) -> None:
    async with running(tmp_path / "a", **shared(database)) as a, running(tmp_path / "b", **shared(database)) as b:
        ids = [one for n in range(10) for one in await a.add(*(f"sleep 0.0{n}{m}" for m in range(20)))]
        for one in ids:
            assert (await b.finished(one)).state is StoredState.DONE
        assert set((a.judge.judged + b.judge.judged).values()) == {1}
        assert min(a.judge.judged.total(), b.judge.judged.total()) >= 10  # how evenly depends on the machine


async def test_what_a_service_lacks_it_leaves_to_the_others(tmp_path: Path, database: str) -> None:
    async with running(tmp_path / "a", **shared(database)) as a:
        a.canaries.leave_out(["left"])
        lacked, known = await a.add("left 1", "ok")
        assert (await a.finished(known)).state is StoredState.DONE
        assert (await a.get(lacked)).attempt == 0
        assert a.stored._worker._awaited == {}
        async with running(tmp_path / "b", **shared(database)) as b:
            found = await b.finished(lacked)
        assert found.result is not None
        assert found.result.message == "b"


async def test_leases_are_renewed_in_the_order_in_which_results_are_stored(
    server: PostgresServer, tmp_path: Path, database: str
) -> None:
    for way in ("indexscan", "bitmapscan"):  # then rows come in the order of their places, where none is asked for
        server.sql(f"ALTER DATABASE {database.rpartition('/')[2]} SET enable_{way} = off")
    async with running(tmp_path, **shared(database, lease_s=60)) as queue:
        await queue.add("sleep 60", "sleep 61")
        while queue.judge.at_once < 2:
            await asyncio.sleep(0.01)
        worker = queue.stored._worker
        lock = "SELECT 1 FROM submissions WHERE serial = {} FOR UPDATE NOWAIT"
        async with worker._database.write() as one:  # its place in the table is behind that of the second now
            await one.execute(text("UPDATE submissions SET size = size WHERE serial = 1"))
        async with worker._database.write() as one:
            await one.execute(text(lock.format(1)))
            renewing = asyncio.create_task(worker._renew_leases())
            while not server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                await asyncio.sleep(0.01)
            await one.execute(text(lock.format(2)))
        await renewing


async def test_who_is_silent_loses_its_lease_and_its_late_result_is_dropped(tmp_path: Path, database: str) -> None:
    async with running(tmp_path / "a", **shared(database, lease_s=1)) as a:
        (one,) = await a.add("sleep 5")
        while (await a.get(one)).state is not StoredState.RUNNING:
            await asyncio.sleep(0.02)
        for duty in a.stored._worker.duties[2:]:  # it renews no lease anymore, and is not notified that it lost them
            await duty.stop()
        async with running(tmp_path / "b", **shared(database, lease_s=1)) as b:
            found = await b.finished(one)
            assert (found.attempt, b.judge.judged["sleep 5"]) == (2, 1)
            assert found.result is not None
            assert found.result.message == "b"
            await asyncio.sleep(1)
            assert await b.get(one) == found
        assert [tried.cause for tried in (await a.get(one)).attempts] == ["service_ended"]


async def test_a_restart_of_the_database_is_survived(
    tmp_path: Path, server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "LONGEST_PAUSE_S", 1.0)
    async with running(tmp_path, **shared(database, lease_s=30)) as queue:
        ids = await queue.add(*(f"sleep 2.{n}" for n in range(8)))
        while (await queue.get(ids[0])).state is not StoredState.RUNNING:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(server.stop)
        with pytest.raises(Overloaded, match=r"Connection refused|connection failed|terminat|closed"):
            await queue.add("ok")
        await asyncio.sleep(3)  # the first are judged meanwhile, and wait in memory
        assert queue.stored.trouble() is not None
        await asyncio.to_thread(server.start)
        for one in ids:
            assert (await queue.finished(one)).attempt == 1
        while queue.stored.trouble() is not None:
            await asyncio.sleep(0.1)


async def test_a_database_that_vanishes_without_a_word_is_missed_and_survived(
    tmp_path: Path, server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "LONGEST_PAUSE_S", 0.5)
    monkeypatch.setattr(engine, "_PING_S", 0.5)
    monkeypatch.setattr(engine, "_USE_S", 1.0)
    monkeypatch.setattr(engine, "_CONNECT_TIMEOUT_S", 2)
    async with relay_to(server.port) as (relay, port):
        url = database.replace(f":{server.port}/", f":{port}/")
        async with running(tmp_path, **shared(url, lease_s=60)) as queue:
            ids = await queue.add(*(f"sleep 0.{n}" for n in range(5, 9)))
            while queue.judge.at_once < len(ids):
                await asyncio.sleep(0.01)

            async def lose() -> None:
                async with queue.stored._reading() as connection:
                    relay.lose()  # in the middle of a use, and before the next ones
                    await connection.execute(text("SELECT 1"))

            async with asyncio.timeout(20):
                with pytest.raises(Overloaded, match="it did not answer within 1 s"):
                    await lose()
            async with asyncio.timeout(20):
                with pytest.raises(Overloaded, match=r"timeout|not answered|closed"):
                    await queue.add("ok")
            while queue.stored.trouble() is None:
                await asyncio.sleep(0.05)
            relay.find()
            for one in ids:
                assert (await queue.finished(one)).attempt == 1
            while queue.stored.trouble() is not None:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/x", "refused"),
        ("mysql://root@localhost/x", "must be postgresql"),
        ("what", "not a database URL"),
    ],
)
async def test_a_wrong_database_is_told_without_its_password(tmp_path: Path, url: str, reason: str) -> None:
    async with running(tmp_path, database_url=url) as queue:
        assert reason in str(queue.stored.trouble())
        with pytest.raises(Overloaded, match=reason) as refused:
            await queue.add("ok")
        assert "secret" not in f"{refused.value} {queue.stored.trouble()}"


async def test_services_that_start_together_migrate_once(tmp_path: Path, database: str) -> None:
    async with (
        running(tmp_path / "a", **shared(database)) as a,
        running(tmp_path / "b", **shared(database)) as b,
    ):
        assert (a.stored.trouble(), b.stored.trouble()) == (None, None)
        (one,) = await a.add("ok")
        assert (await b.finished(one)).state is StoredState.DONE


def test_a_service_that_is_killed_loses_nothing_and_nothing_is_judged_twice(
    tmp_path: Path, server: PostgresServer, database: str
) -> None:
    """Two real services on one real PostgreSQL. One is killed twice with work in flight, and restarted once."""
    services = []
    for name in "ab":
        (tmp_path / name).mkdir()
        env = {"VERIFIER_DATABASE_URL": database, "VERIFIER_LEASE_S": str(LEASE_S), "VERIFIER_BOXES": "1"}
        services.append(ServiceProcess(tmp_path / name / "log", env))
    a, b = services
    a.start()
    b.start()
    try:
        accepted: list[str] = []
        math = [{"kind": "math", "completion": f"\\boxed{{{n}}}", "reference": str(n)} for n in range(40)]
        for n in range(30):
            url = (a if n % 2 else b).url
            code = CODE | {"completion": f"# {n}\n" + CODE["completion"]}
            answer = httpx.post(f"{url}/v1/submissions", json={"submissions": [code, *math]}, timeout=60)
            assert answer.status_code == 202
            accepted += answer.json()["ids"]
            if n == 12:
                a.kill()
                a.start()
        a.kill()
        found: dict[str, Any] = {}
        deadline = time.monotonic() + 300
        while len(found) < len(accepted) and time.monotonic() < deadline:
            missing = [one for one in accepted if one not in found]
            answer = httpx.post(f"{b.url}/v1/submissions/batch-get", json={"ids": missing}, timeout=60).json()
            assert answer["missing"] == []
            found |= {one["id"]: one for one in answer["submissions"] if one["finished_at"] is not None}
            time.sleep(0.2)
        verdicts = Counter(one["result"] and one["result"]["verdict"] for one in found.values())
        assert verdicts == {"accepted": len(accepted)}
    finally:
        b.stop()
    name = database.rpartition("/")[2]
    rows = ServerView(server, name)
    assert rows.count("results") == rows.count("submissions") == len(accepted)
    assert rows.count("payloads") == 0
    assert rows.count("attempts") > 0  # something was in flight when it was killed


class ServerView:
    """The contents of a database, read alongside the services."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._url = server.url.replace("+psycopg", "").removesuffix("postgres") + name

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        import psycopg

        with psycopg.connect(self._url) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return row[0]
