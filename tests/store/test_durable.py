"""Durable submissions survive the service that took them."""

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


def test_bad_input_is_refused_and_not_stored(client: httpx.Client) -> None:
    response = client.post("/v1/submissions", json={"submissions": [{"kind": "math", "completion": "1"}]})
    assert response.status_code == 422
    assert client.get("/v1/submissions/nobody").status_code == 404
