"""The paths of durable submissions, against a real service."""

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.store.scripted import running
from verifier_service.access.clients import ANYBODY, Client
from verifier_service.store.queue import Request
from verifier_service.store.records import Filter, Which

SLEEPER = {
    "kind": "code",
    "completion": "import time\ntime.sleep(600)",
    "limits": {"wall_limit_s": 60},
    "tests": {"kind": "stdio", "cases": [{"stdout": "never"}]},
}


def math(number: int) -> dict[str, Any]:
    return {"kind": "math", "id": str(number), "completion": f"\\boxed{{{number}}}", "reference": "1"}


def post(client: httpx.Client, count: int, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    batch = {"submissions": [math(n) for n in range(count)]} | more
    return client.post("/v1/submissions", json=batch, headers=headers)


def test_the_same_key_with_the_same_body_is_the_same_request(client: httpx.Client) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = post(client, 3, key), post(client, 3, key)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert len(set(first.json()["ids"])) == 3
    other = post(client, 2, key)
    assert other.status_code == 422
    (problem,) = other.json()["errors"]
    assert problem["field"] == "Idempotency-Key"
    assert key["Idempotency-Key"] in problem["value"]
    assert f"it was used before with a different body (batch {first.json()['batch_id']})" in problem["allowed"]


def test_a_key_that_comes_many_times_at_once_stores_once(client: httpx.Client) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: post(client, 2, key), range(16)))
    assert sorted(one.status_code for one in answers) == [200] * 15 + [202]
    assert len({tuple(one.json()["ids"]) for one in answers}) == 1


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    answer = post(client, 1, {"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].lower() == "idempotency-key"


def test_a_batch_is_waited_for_and_told_as_a_whole(client: httpx.Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer = post(client, 4, label="group 1").json()
    batch = client.get(f"/v1/batches/{answer['batch_id']}", params={"wait_s": 60}).json()
    assert (batch["label"], batch["total"]) == ("group 1", 4)
    assert batch["counts"] == {"queued": 0, "running": 0, "done": 4, "cancelled": 0}
    assert [one["id"] for one in batch["submissions"]] == answer["ids"]
    assert [one["result"]["score"] for one in batch["submissions"]] == [0.0, 1.0, 0.0, 0.0]
    assert [one["submission_id"] for one in batch["submissions"]] == ["0", "1", "2", "3"]
    for one in batch["submissions"]:
        times = [datetime.fromisoformat(one[name]) for name in ("created_at", "started_at", "finished_at")]
        assert [before, *times, datetime.fromisoformat(one["deadline_at"])] == sorted(
            [before, *times, datetime.fromisoformat(one["deadline_at"])]
        )
    short = client.get(f"/v1/batches/{answer['batch_id']}", params={"submissions": False}).json()
    assert (short["counts"]["done"], short["submissions"]) == (4, [])


def test_submissions_are_listed_page_by_page(client: httpx.Client) -> None:
    label = uuid.uuid4().hex
    ids = [one for _ in range(3) for one in post(client, 3, label=label).json()["ids"]]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/submissions", params={"label": label, "limit": 4} | cursor).json()
        seen += [one["id"] for one in page["submissions"]]
        if page["next_cursor"] is None:
            break
        assert len(page["submissions"]) == 4
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ids[::-1]

    def listed(**filters: str) -> list[str]:
        page = client.get("/v1/submissions", params={"label": label} | filters).json()
        return [one["id"] for one in page["submissions"]]

    one = client.get(f"/v1/submissions/{ids[-1]}", params={"wait_s": 60}).json()
    assert listed(batch_id=one["batch_id"]) == ids[:5:-1]
    assert listed(kind="code") == []
    assert listed(state="cancelled") == []
    assert ids[-1] in listed(state="done")
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert listed(since=soon) == []
    assert len(listed(until=soon)) == 9
    assert listed(since=one["created_at"])[:3] == ids[:5:-1]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"state": "lost"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-01-01T00:00:00"}, "until"),
    ],
)
def test_a_filter_that_is_none_is_named(client: httpx.Client, parameters: dict[str, str], field: str) -> None:
    answer = client.get("/v1/submissions", params=parameters)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_many_are_looked_up_at_once(client: httpx.Client) -> None:
    ids = post(client, 3).json()["ids"]
    asked = [ids[2], "nobody", ids[0], "\0", "f" * 32]
    found = client.post("/v1/submissions/batch-get", json={"ids": asked}).json()
    assert [one["id"] for one in found["submissions"]] == [ids[2], ids[0]]
    assert found["missing"] == ["nobody", "\0", "f" * 32]
    assert client.post("/v1/submissions/batch-get", json={"ids": []}).status_code == 422
    assert client.post("/v1/submissions/batch-get", content=b"{").status_code == 400
    assert client.post("/v1/submissions/batch-get", json={"ids": ["a"] * 4097}).status_code == 422


def test_a_running_submission_is_cancelled_and_its_place_is_free(client: httpx.Client) -> None:
    answer = client.post("/v1/submissions", json={"submissions": [SLEEPER] * 12}).json()
    first = answer["ids"][0]
    while client.get(f"/v1/submissions/{first}").json()["state"] != "running":
        time.sleep(0.05)
    last = client.get(f"/v1/submissions/{answer['ids'][-1]}").json()
    assert (last["state"], last["position"] >= 1) == ("queued", True)
    assert client.post(f"/v1/submissions/{first}/cancel").json()["state"] == "cancelled"
    batch = client.post(f"/v1/batches/{answer['batch_id']}/cancel").json()
    assert batch["counts"] == {"queued": 0, "running": 0, "done": 0, "cancelled": 12}
    assert batch["finished_at"] is not None
    quick = {"kind": "code", "completion": "print(1)", "tests": {"kind": "stdio", "cases": [{"stdout": "1"}]}}
    (one,) = client.post("/v1/submissions", json={"submissions": [quick]}).json()["ids"]
    done = client.get(f"/v1/submissions/{one}", params={"wait_s": 50}).json()
    assert done["result"]["verdict"] == "accepted"
    assert client.post(f"/v1/submissions/{one}/cancel").json()["state"] == "done"  # too late


def test_what_is_deleted_is_gone(client: httpx.Client) -> None:
    answer = post(client, 3).json()
    assert client.delete(f"/v1/submissions/{answer['ids'][0]}").status_code == 204
    assert client.get(f"/v1/submissions/{answer['ids'][0]}").status_code == 404
    assert client.delete(f"/v1/submissions/{answer['ids'][0]}").status_code == 404
    assert client.delete(f"/v1/batches/{answer['batch_id']}").status_code == 204
    assert client.get(f"/v1/batches/{answer['batch_id']}").status_code == 404
    assert client.post("/v1/submissions/batch-get", json=answer["ids"] and {"ids": answer["ids"]}).json() == {
        "submissions": [],
        "missing": answer["ids"],
    }
    assert client.post(f"/v1/batches/{answer['batch_id']}/cancel").status_code == 404


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"callback_url": "http://127.0.0.1/"}, "callback_url"),
        ({"callback_url": "ftp://example.com/"}, "callback_url"),
        ({"callback_url": 3}, "callback_url"),
        ({"label": ""}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"webhook": "x"}, "webhook"),
    ],
)
def test_what_a_batch_may_not_say_is_named(client: httpx.Client, more: dict[str, Any], field: str) -> None:
    answer = post(client, 1, **more)
    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]


def test_a_verify_request_has_none_of_that(client: httpx.Client) -> None:
    answer = client.post("/v1/verify", json={"submissions": [math(1)], "label": "x"})
    assert answer.status_code == 422


async def test_a_client_sees_its_own_and_no_others(tmp_path: Path) -> None:
    alice, bob = Client("alice"), Client("bob", max_in_hand=3)
    async with running(tmp_path) as queue:
        same = {"idempotency_key": "key", "sha256": "a"}
        (hers,) = await queue.add("ok", request=Request(alice, **same))
        (his,) = await queue.add("ok", request=Request(bob, **same))
        (nobodys,) = await queue.add("ok")
        assert await queue.stored.get(bob, nobodys) is not None  # stored before there were keys
        assert hers != his
        seen = await queue.stored.get(alice, hers)
        assert seen is not None
        assert await queue.stored.get(bob, hers) is None
        assert await queue.stored.get(ANYBODY, hers) is None
        assert await queue.stored.batch(bob, seen.batch_id) is None
        assert list(await queue.stored.get_many(bob, [hers, his])) == [his]
        page = await queue.stored.page(bob, Filter(), None, 10)
        assert [one.id for one in page.submissions] == [his]
        await queue.stored.cancel(Which(bob.name, batch_id=seen.batch_id))
        assert not await queue.stored.remove(Which(bob.name, submission_id=hers))
        assert not await queue.stored.remove(Which(bob.name, batch_id=seen.batch_id))
        await asyncio.sleep(0.2)
        assert (await queue.stored.get(alice, hers, 10)) is not None
