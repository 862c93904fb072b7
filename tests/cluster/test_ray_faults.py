"""Two fronts on one PostgreSQL, and a node that loses its daemon: nothing is lost, and no submission is blamed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

import docker
from tests.cluster.test_ray import of_sleepers, sleepers, verdicts
from tests.cluster.waiting import until
from tests.store.postgres import postgres_server
from verifier_service.runners.docker import OWNER_LABEL

if TYPE_CHECKING:
    from tests.cluster.local import LocalCluster

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.docker]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A link through which one of the nodes finds the Docker daemon, so that it can be cut."""
    link = tmp_path_factory.mktemp("daemon") / "docker.sock"
    link.symlink_to("/var/run/docker.sock")
    if not link.exists():
        pytest.skip("no Docker daemon listens on /var/run/docker.sock")
    return link


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, daemon: Path) -> Iterator["LocalCluster"]:
    """A head and two nodes with one box each. The second node's daemon can be taken away."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from tests.cluster.local import LocalCluster

    with postgres_server() as database:
        settings = {"VERIFIER_BOXES": "1", "VERIFIER_RUNNER": "docker", "VERIFIER_DATABASE_URL": database.url}
        made = LocalCluster(tmp_path_factory.mktemp("ray"), 1, settings)
        try:
            made.add_node(DOCKER_HOST=f"unix://{daemon}")
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def http(cluster: "LocalCluster") -> Iterator[httpx.Client]:
    """A client of the fronts."""
    cluster.deploy({"num_replicas": 2}, fronts=2)
    with httpx.Client(base_url=cluster.url, timeout=300) as client:
        until(lambda: client.get("/readyz").status_code == 200, "ready")
        yield client


def stored(http: httpx.Client, batch_id: str) -> dict[str, Any]:
    """Return a batch as any front reports it. A front that was just lost does not answer."""
    answer = http.get(f"/v1/batches/{batch_id}")
    return answer.json() if answer.status_code == 200 else {"counts": {}}


def kill_boxes() -> None:
    """Kill the boxes of all nodes. Nodes with a daemon start new ones."""
    ours = {str(process.pid) for process in psutil.Process().children(recursive=True)}
    killed = 0
    for box in docker.from_env().containers.list(filters={"label": OWNER_LABEL}, ignore_removed=True):
        if box.labels[OWNER_LABEL].split(":")[2] in ours:
            box.kill()
            killed += 1
    assert killed >= 2


def test_a_front_that_is_killed_loses_nothing_that_is_stored(http: httpx.Client, cluster: "LocalCluster") -> None:
    body = {"submissions": sleepers(30, 0.3, "stored")}
    key = {"Idempotency-Key": "once"}
    batch = http.post("/v1/submissions", json=body, headers=key).json()
    until(lambda: stored(http, batch["batch_id"])["counts"].get("done"), "the first result")
    cluster.kill_replica("Front")
    last = until(
        lambda: (found := stored(http, batch["batch_id"])) and found["counts"].get("done") == 30 and found,
        "all results",
        lambda: json.dumps(stored(http, batch["batch_id"])["counts"]),
    )
    assert [one["result"]["verdict"] for one in last["submissions"]] == of_sleepers(30)
    assert http.post("/v1/submissions", json=body, headers=key).json() == batch, "any front knows what is stored"
    until(lambda: cluster.count("Front") == 2, "two fronts again")


def test_a_node_that_loses_its_sandboxes_is_named_and_ended_and_no_verdict_is_lost(
    http: httpx.Client, cluster: "LocalCluster", daemon: Path
) -> None:
    assert cluster.count() == 2
    daemon.unlink()
    kill_boxes()
    assert verdicts(http.post("/v1/verify", json={"submissions": sleepers(20, 0.3, "cut off")})) == of_sleepers(20)
    until(lambda: "docker is unavailable" in cluster.messages(), "named", cluster.messages)
    assert cluster.count() == 1
    assert verdicts(http.post("/v1/verify", json={"submissions": sleepers(6, 0.0, "the other")})) == of_sleepers(6)
    daemon.symlink_to("/var/run/docker.sock")
    until(lambda: cluster.count() == 2, "both nodes again", cluster.messages)
