"""Durable submissions survive the service that accepted them."""

import hashlib
import time
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import ServiceProcess


def wait_until_done(url: str, submission_id: str) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for _ in range(600):
        stored = httpx.get(f"{url}/v1/submissions/{submission_id}").json()
        if stored["state"] == "done":
            return stored
        time.sleep(0.1)
    raise AssertionError(f"not done after a minute: {stored}")


def test_a_stored_batch_is_judged_later(client: httpx.Client) -> None:
    batch = [{"kind": "math", "id": str(n), "completion": f"\\boxed{{{n}}}", "reference": "1"} for n in range(3)]
    response = client.post("/v1/submissions", json={"submissions": batch})
    assert response.status_code == 202
    results = [wait_until_done(str(client.base_url), one)["result"] for one in response.json()["ids"]]
    assert [(one["id"], one["score"]) for one in results] == [("0", 0.0), ("1", 1.0), ("2", 0.0)]


def test_what_was_running_in_a_crash_is_judged_by_the_next_service(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "log")
    service.start()
    slow = {
        "kind": "code",
        "completion": "import time\ntime.sleep(3)\nprint('done')",
        "tests": {"kind": "stdio", "cases": [{"stdout": "done"}]},
    }
    ids = httpx.post(f"{service.url}/v1/submissions", json={"submissions": [slow]}).json()["ids"]
    while httpx.get(f"{service.url}/v1/submissions/{ids[0]}").json()["state"] == "queued":
        time.sleep(0.05)
    state = httpx.get(f"{service.url}/v1/submissions/{ids[0]}").json()["state"]
    service.kill()
    assert state == "running"
    service.start()
    try:
        assert wait_until_done(service.url, ids[0])["result"]["verdict"] == "accepted"
    finally:
        service.stop()


def test_a_bad_item_is_done_at_once_beside_its_neighbours(client: httpx.Client) -> None:
    good = {"kind": "math", "completion": "\\boxed{1}", "reference": "1"}
    batch = [good, {"kind": "math", "id": "bad", "completion": "1"}, good]
    ids = client.post("/v1/submissions", json={"submissions": batch}).json()["ids"]
    bad = client.get(f"/v1/submissions/{ids[1]}").json()
    assert (bad["state"], bad["result"]["id"], bad["result"]["verdict"]) == ("done", "bad", "judge_error")
    assert bad["result"]["message"] == "reference: this field is required"
    done = [wait_until_done(str(client.base_url), one)["result"]["score"] for one in (ids[0], ids[2])]
    assert done == [1.0, 1.0]


def test_what_is_not_a_batch_is_refused_and_not_stored(client: httpx.Client) -> None:
    assert client.post("/v1/submissions", json={"submissions": []}).status_code == 422
    assert client.get("/v1/submissions/nobody").status_code == 404


def test_the_tests_of_a_kept_suite_are_stored_with_the_submission(client: httpx.Client) -> None:
    body = b'{"kind": "stdio", "cases": [{"stdout": "durable"}]}'
    digest = hashlib.sha256(body).hexdigest()
    assert client.put(f"/v1/suites/{digest}", content=body).status_code == 200
    code = {"kind": "code", "completion": "print('durable')", "tests": {"sha256": digest}}
    unknown = code | {"tests": {"sha256": "0" * 64}}
    ids = client.post("/v1/submissions", json={"submissions": [code, unknown]}).json()["ids"]
    results = [wait_until_done(str(client.base_url), one)["result"] for one in ids]
    assert [result["verdict"] for result in results] == ["accepted", "judge_error"]
    assert "PUT /v1/suites/" in results[1]["message"]
