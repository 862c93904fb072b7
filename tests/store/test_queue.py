"""Stored submissions are judged one by one. Our failures are retried, and rows that cannot be judged are set aside."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.store.scripted import OURS, asked, running
from verifier_service.access.clients import ANYBODY, Client
from verifier_service.batch import Batch, Unread
from verifier_service.errors import BadRequest, Overloaded
from verifier_service.observability.build import made_by
from verifier_service.schema import StoredState, Verdict
from verifier_service.store import claims, records, worker
from verifier_service.store.queue import Request
from verifier_service.store.records import Which

ALL_PLACES = ["sleep 60"] * worker.MATH_PLACES
"""What takes every place of a queue with one worker."""
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between attempts than a service."""
    monkeypatch.setattr(worker, "FIRST_RETRY_S", 0.1)
    monkeypatch.setattr(worker, "SWEEP_S", 0.1)


async def test_a_slow_one_holds_up_nothing_and_each_result_is_stored_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        slow, *quick = await queue.add("sleep 60", *(f"ok {n}" for n in range(20)))
        for one in quick:
            assert (await queue.finished(one)).state is StoredState.DONE
        assert (await queue.get(slow)).state is StoredState.RUNNING


async def test_no_more_are_in_hand_than_there_are_places(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=2) as queue:
        ids = await queue.add(*(f"sleep 0.3{n}" for n in range(40)))
        for one in ids:
            await queue.finished(one)
        assert queue.judge.most_at_once == 2 * worker.MATH_PLACES


async def test_our_failure_is_tried_again_and_its_attempts_are_told(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        (one,) = await queue.add("unavailable 3")
        found = await queue.finished(one)
        assert queue.counted("verifier_judge_errors_total") == 0
        assert queue.counted("verifier_results_total") == 1
        assert queue.counted("verifier_durable_attempts_failed_total", cause="runner_unavailable") == 3
    assert found.result is not None
    assert found.result.verdict is Verdict.ACCEPTED
    assert found.attempt == 4
    assert [(tried.number, tried.cause, tried.reason) for tried in found.attempts] == [
        (number, "runner_unavailable", "Docker does not answer") for number in (1, 2, 3)
    ]
    assert all(tried.started_at is not None and tried.started_at <= tried.ended_at for tried in found.attempts)


async def test_a_service_that_stood_still_for_longer_than_its_lease_keeps_what_it_judges(tmp_path: Path) -> None:
    async with running(tmp_path, lease_s=1.0) as queue:
        ids = await queue.add(*(f"sleep 1.{n}" for n in range(4)))
        while queue.judge.at_once < len(ids):
            await asyncio.sleep(0.01)
        for _ in range(3):  # at different moments of its duties
            time.sleep(1.2)
            await asyncio.sleep(0.05)
        found = [await queue.finished(one) for one in ids]
    assert [(one.state, one.attempt, one.attempts) for one in found] == [(StoredState.DONE, 1, [])] * len(ids)


async def test_our_failure_is_tried_until_the_deadline_and_no_longer(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        (one,) = await queue.add("unavailable 999", deadline_s=1.5)
        found = await queue.finished(one)
    assert found.result is not None
    assert (found.result.verdict, found.result.score) == (Verdict.JUDGE_ERROR, None)
    assert found.attempt == len(found.attempts) >= 2
    assert {tried.cause for tried in found.attempts[:-1]} == {"runner_unavailable"}
    assert found.attempts[-1].cause in ("runner_unavailable", "deadline")
    assert found.deadline_at is not None
    assert all(tried.started_at is not None and tried.started_at <= found.deadline_at for tried in found.attempts)


async def test_the_fault_of_a_request_is_not_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        (one,) = await queue.add("refuse")
        found = await queue.finished(one)
    assert found.result is not None
    assert found.result.message == "limits.time_limit_s 99: the maximum is 30"
    assert (found.attempt, found.attempts) == (1, [])


async def test_what_breaks_the_judge_again_and_again_is_set_aside(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        broken, good = await queue.add("broken", "ok")
        assert (await queue.finished(good)).attempt == 1
        found = await queue.finished(broken)
        assert queue.counted("verifier_judge_errors_total") == queue.counted("verifier_results_total") - 1 == 1
        assert queue.counted("verifier_durable_attempts_failed_total") == worker.MAX_BROKEN - 1
    assert found.result is not None
    assert found.result.message.startswith("it was set aside after 5 attempts: the judge broke (ZeroDivisionError)")
    assert not found.result.retryable
    assert [tried.cause for tried in found.attempts] == ["internal"] * worker.MAX_BROKEN


async def test_a_deadline_may_be_later_than_any_date(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        (one,) = await queue.add("ok", deadline_s=1e300)
        found = await queue.finished(one)
    assert found.state is StoredState.DONE
    assert found.deadline_at is not None
    assert found.deadline_at.year == 9999


async def test_a_deadline_passes_also_while_nothing_is_free(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        await queue.add(*ALL_PLACES)
        (one,) = await queue.add("ok", deadline_s=0.5)
        found = await queue.finished(one)
        assert queue.counted("verifier_judge_errors_total", cause="deadline") == 1
        assert queue.counted("verifier_results_total", verdict="judge_error") == 1
    assert found.result is not None
    assert found.result.retryable
    assert found.result.message == "the deadline passed before it was judged: deadline_s is 0.5"
    assert found.started_at is None


@pytest.mark.parametrize("damage", ["'no JSON at all'", "x'ff00ff'", '\'{"kind": "math", "renamed": 1}\''])
async def test_a_row_that_cannot_be_read_is_set_aside_beside_its_neighbours(tmp_path: Path, damage: str) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        await queue.add(*["sleep 1"] * worker.MATH_PLACES)
        bad, good = await queue.add("ok", "ok")
        with sqlite3.connect(tmp_path / "submissions.sqlite") as file:
            # CAST leaves bytes that are not UTF-8 in a text: the driver fails to read them.
            file.execute(
                f"UPDATE payloads SET submission = CAST({damage} AS TEXT) WHERE serial = "
                "(SELECT serial FROM submissions WHERE id = ?)",
                (bad,),
            )
        file.close()
        assert (await queue.finished(good)).attempt == 1
        found = await queue.finished(bad)
    assert found.result is not None
    assert (found.result.verdict, found.result.score) == (Verdict.JUDGE_ERROR, None)


async def test_what_services_die_under_is_set_aside_and_its_neighbours_are_judged(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        await queue.add(*ALL_PLACES)  # the next ones stay in the queue
        ids = await queue.add("ok", "die", *(f"sleep 0.{n}" for n in range(3)))
    with sqlite3.connect(tmp_path / "submissions.sqlite") as file:
        file.execute("DELETE FROM payloads WHERE submission LIKE '%sleep 60%'")
        file.execute("DELETE FROM submissions WHERE item_id = 'sleep 60'")
    file.close()
    ends = []
    while not ends or ends[-1] != 0:
        service = subprocess.run(
            [sys.executable, "-m", "tests.store.scripted", str(tmp_path)], cwd=ROOT, timeout=60, check=False
        )
        ends.append(service.returncode)
    assert ends == [9] * claims.MAX_DEATHS + [0]
    async with running(tmp_path) as queue:
        found = [await queue.get(one) for one in ids]
    verdicts = [one.result.verdict for one in found if one.result is not None]
    assert verdicts == [Verdict.ACCEPTED, Verdict.JUDGE_ERROR, *[Verdict.ACCEPTED] * 3]
    assert [tried.cause for tried in found[1].attempts] == [claims.SERVICE_ENDED] * claims.MAX_DEATHS
    assert found[1].result is not None
    assert found[1].result.message == "it was set aside: a service ended 5 times while it was judged"


async def test_cancelled_while_it_is_judged_it_is_judged_no_longer(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1, lease_s=3600) as queue:  # no renewal notifies it of the cancellation
        running_one, other, *_ = await queue.add("sleep 61", "sleep 62", *ALL_PLACES[2:])
        waiting = (await queue.add("ok"))[0]
        while (await queue.get(other)).state is not StoredState.RUNNING:
            await asyncio.sleep(0.01)
        assert (await queue.get(waiting)).position == 0
        await queue.stored.cancel(Which(ANYBODY.name, submission_id=running_one))
        found = await queue.get(running_one)
        assert (found.state, found.result) == (StoredState.CANCELLED, None)
        assert found.finished_at is not None
        assert (await queue.finished(waiting)).state is StoredState.DONE
        assert queue.judge.cancelled == ["sleep 61"]
        assert await queue.stored.remove(Which(ANYBODY.name, submission_id=other))
        assert await queue.stored.get(ANYBODY, other) is None
    assert queue.judge.cancelled[:2] == ["sleep 61", "sleep 62"]
    with sqlite3.connect(tmp_path / "submissions.sqlite") as file:
        kept = [file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("payloads", "submissions")]
    file.close()
    assert kept == [worker.MATH_PLACES - 2, worker.MATH_PLACES]


async def test_who_ends_in_order_leaves_what_it_judged_as_if_it_had_not_begun(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        (one,) = await queue.add("sleep 60")
        while (await queue.get(one)).state is not StoredState.RUNNING:
            await asyncio.sleep(0.01)
    async with running(tmp_path, math_workers=1) as queue:
        found = await queue.get(one)
        while found.state is not StoredState.RUNNING:
            await asyncio.sleep(0.01)
            found = await queue.get(one)
        assert (found.attempt, found.attempts) == (1, [])


async def test_clients_share_the_places(tmp_path: Path) -> None:
    """Two submissions that come after a crowd are done long before it."""
    async with running(tmp_path, math_workers=1) as queue:
        crowd = await queue.add(*(f"sleep 0.2{n}" for n in range(100, 200)), request=Request(Client("a crowd")))
        few = [await queue.add(f"sleep 0.2{name}", request=Request(Client(f"alone {name}"))) for name in range(2)]
        for (one,) in few:
            found = await queue.stored.get(Client(f"alone {few.index([one])}"), one, 30)
            assert found is not None
            assert found.state is StoredState.DONE
        done = await queue.stored.get_many(Client("a crowd"), crowd)
        assert sum(one.state is StoredState.DONE for one in done.values()) <= 5 * worker.MATH_PLACES


async def test_a_client_may_have_so_many_in_hand(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        request = Request(Client("small", max_in_hand=3))
        await queue.add("sleep 60", "sleep 60", request=request)
        with pytest.raises(Overloaded, match="the key 'small' has 2 durable submissions waiting; the maximum is 3"):
            await queue.add("ok", "ok", request=request)
        await queue.add("ok", request=request)
        with pytest.raises(BadRequest, match="4 items: the key 'small' may have at most 3 submissions in flight"):
            await queue.add(*["ok"] * 4, request=request)


async def test_who_fills_the_queue_shuts_nobody_out(tmp_path: Path) -> None:
    """A client fills all free places with simultaneous requests, but other clients still get their share."""
    async with running(tmp_path, math_workers=1, max_queued=40) as queue:
        crowd, alone, third = (Request(Client(name)) for name in ("a crowd", "alone", "third"))
        requests = (queue.add(*["sleep 60"] * 10, request=crowd) for _ in range(8))
        stored = [one for one in await asyncio.gather(*requests, return_exceptions=True) if isinstance(one, list)]
        assert len(stored) == 4
        await queue.add(*["sleep 60"] * 20, request=alone)  # half of the places
        with pytest.raises(Overloaded, match="60 durable submissions are waiting; the maximum is 40"):
            await queue.add("ok", request=alone)
        await queue.add(*["sleep 60"] * 13, request=third)
        with pytest.raises(Overloaded, match="73 durable submissions are waiting; the maximum is 40"):
            await queue.add("ok", request=third)


async def test_what_cannot_be_read_is_done_also_while_the_queue_of_judging_is_full(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1, max_queued=4, queue_wait_s=60) as queue:
        judging = asyncio.create_task(queue.dispatcher.carry_out(Batch([asked("sleep 60")] * 4)))
        while queue.judge.at_once < 1:
            await asyncio.sleep(0.01)
        bad = Unread("math", "bad", "reference: this field is required")
        async with asyncio.timeout(20):
            stored, _ = await queue.stored.add(Batch([bad]), OURS)
        found = await queue.get(stored.ids[0])
        assert found.result is not None
        assert (found.result.message, found.result.retryable) == (bad.reason, False)
        assert found.result.made_by == made_by()
        assert queue.counted("verifier_judge_errors_total", cause="bad_request") == 1
        judging.cancel()


async def test_who_waits_is_woken_and_looks_no_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Counter[str] = Counter()
    batch = records.batch

    async def counted(connection: AsyncConnection, client: str, name: str, *, with_submissions: bool) -> object:
        looks[name] += 1
        return await batch(connection, client, name, with_submissions=with_submissions)

    monkeypatch.setattr(records, "batch", counted)
    async with running(tmp_path) as queue:
        cancelled, ends = await queue.add("sleep 60", "sleep 2.5")
        batch_id = (await queue.get(ends)).batch_id
        waiting = asyncio.create_task(queue.stored.batch(ANYBODY, batch_id, 60))
        await queue.finished(ends)
        await queue.stored.cancel(Which("", submission_id=cancelled))  # nothing is reported about the batch
        async with asyncio.timeout(20):
            found = await waiting
        assert found is not None
        assert found.counts == {"queued": 0, "running": 0, "done": 1, "cancelled": 1}
        assert looks[batch_id] == 3


async def test_above_what_may_wait_a_batch_is_refused_as_a_whole(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1, max_queued=5) as queue:
        await queue.add(*["sleep 60"] * 4)
        with pytest.raises(Overloaded, match="4 durable submissions are waiting; the maximum is 5"):
            await queue.add("ok", "ok")
        depth = await queue.stored.depth()
        assert sum(depth.by_state.values()) == 4
        assert 0 <= (depth.oldest_queued_s or 0.0) < 60


async def test_what_cannot_be_judged_now_takes_no_place_and_is_judged_when_it_can_be(tmp_path: Path) -> None:
    """There are far more of them than places, and they came first. Later submissions are judged all the same."""
    async with running(tmp_path, math_workers=1) as queue:
        queue.judge.ill = {"left"}
        ill = await queue.add(*(f"left {n}" for n in range(1, 40)))
        for one in await queue.add("right 1", "right 2", "ok"):
            assert (await queue.finished(one)).attempt == 1
        found = [await queue.get(one) for one in ill]
        assert {(one.state, one.attempt) for one in found} == {(StoredState.QUEUED, 0)}
        assert set(queue.judge.judged) == {"left 0", "right 0", "right 1", "right 2", "ok"}
        queue.judge.ill.clear()
        for one in ill:
            assert (await queue.finished(one)).attempt == 1


async def test_what_was_in_hand_when_its_canary_failed_gives_up_its_place(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        first = await queue.add("left 1")
        await queue.finished(first[0])  # its canary is fit
        queue.judge.ill = {"left"}
        ill = await queue.add(*(f"left 1{n}" for n in range(2 * worker.MATH_PLACES)))
        for one in await queue.add("right 1"):
            assert (await queue.finished(one)).attempt == 1
        queue.judge.ill.clear()
        for one in ill:
            found = await queue.finished(one)
            assert found.result is not None
            assert found.result.verdict is Verdict.ACCEPTED


async def test_what_services_died_under_and_cannot_be_judged_now_takes_no_place_either(tmp_path: Path) -> None:
    async with running(tmp_path, math_workers=1) as queue:
        await queue.add(*ALL_PLACES)
        ill, well = await queue.add("left 1", "right 1")
    with sqlite3.connect(tmp_path / "submissions.sqlite") as file:
        file.execute("UPDATE submissions SET state = 'suspect', deaths = 1 WHERE id IN (?, ?)", (ill, well))
    file.close()
    async with running(tmp_path, math_workers=1, ill=["left"]) as queue:
        assert (await queue.finished(well)).attempt == 1
        assert (await queue.get(ill)).attempt == 0
        queue.judge.ill.clear()
        assert (await queue.finished(ill)).attempt == 1
