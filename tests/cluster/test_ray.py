"""A real cluster of several raylets judges like a single machine, and a death in it costs no verdict."""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import verifier_service
from tests.cluster.waiting import WAIT_S, until

if TYPE_CHECKING:
    from tests.cluster.local import LocalCluster

pytestmark = [pytest.mark.long, pytest.mark.alone]


@pytest.fixture(scope="module")
def http(cluster: "LocalCluster") -> Iterator[httpx.Client]:
    """A client of the front, with two replicas that judge code."""
    cluster.deploy({"num_replicas": 2})
    with httpx.Client(base_url=cluster.url, timeout=300) as client:
        until(lambda: client.get("/readyz").status_code == 200, "ready")
        yield client


def call(program: str, expected: object, **more: Any) -> dict[str, Any]:
    """Return a submission whose `f(1)` should be something."""
    tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": expected}]}
    return {"kind": "code", "completion": program, "tests": tests, **more}


def sleepers(count: int, seconds: float, mark: str) -> list[dict[str, Any]]:
    """Return programs that wait; every third is wrong, and none is in a cache."""
    return [
        call(f"import time\ndef f(x):\n    time.sleep({seconds})\n    return x + {n}  # {mark}", 1 + n + (n % 3 == 0))
        for n in range(count)
    ]


def of_sleepers(count: int) -> list[str]:
    """Return the expected verdicts of this many sleepers."""
    return ["wrong_answer" if n % 3 == 0 else "accepted" for n in range(count)]


def verdicts(answer: httpx.Response) -> list[str]:
    """Return the verdicts of a batch."""
    assert answer.status_code == 200, answer.text
    return [
        f"{one['verdict']}{one['message'] if one['verdict'] == 'judge_error' else ''}"
        for one in answer.json()["results"]
    ]


@contextmanager
def sent(http: httpx.Client, submissions: list[dict[str, Any]], **more: Any) -> Iterator[Future[httpx.Response]]:
    """Send a batch, and continue when its first result has arrived."""
    with ThreadPoolExecutor(1) as pool:
        before = judged(http)
        answer = pool.submit(http.post, "/v1/verify", json={"submissions": submissions, **more})
        until(lambda: answer.done() or judged(http) > before, "the first result")
        yield answer


def judged(http: httpx.Client) -> float:
    """Return how many code submissions the front has answered for."""
    lines = http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('verifier_results_total{kind="code"'))


MIXED = [
    call("def f(x):\n    return x + 1", 2, id="right"),
    call("def f(x):\n    return x", 2, id="wrong"),
    {"kind": "math", "id": "half", "completion": r"\boxed{\frac{1}{2}}", "reference": "0.5"},
    {"kind": "code", "id": "shared", "completion": "print(int(input()) * 2)", "tests": "double"},
    {"kind": "code", "id": "shared, a part", "completion": "print(4)", "tests": "double"},
    {"kind": "code", "id": "shared, twice", "completion": "print(int(input()) * 2)", "tests": "double"},
    {"kind": "math", "id": "no answer", "completion": "I do not know", "reference": "3"},
    {
        "kind": "code",
        "id": "asserted",
        "completion": "def f(x):\n    return x * x",
        "tests": {"kind": "assert", "code": "for n in range(9):\n    assert f(n) == n * n"},
    },
    {
        "kind": "code",
        "id": "broken",
        "completion": "def f(x) return x",
        "tests": {"kind": "assert", "code": "assert f(1)"},
    },
    call("while True: pass", 1, id="for ever", limits={"time_limit_s": 0.5}),
    {"kind": "code", "id": "no language", "language": "cobol", "completion": "x", "tests": "double"},
    {"kind": "code", "id": "unread", "completion": 3, "tests": "double"},
    call("def f(x):\n    return x", 1, id="too much", limits={"time_limit_s": 100000}),
    {"kind": "math", "id": "other", "completion": r"\boxed{7}", "reference": ["6", "8"]},
]
LARGE = {"kind": "stdio", "cases": [{"stdin": str(n) + " " * 40_000, "stdout": str(2 * n)} for n in range(1, 4)]}


def told(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without its measurements."""
    measured = {"queue_s", "start_s", "run_s", "judge_s", "made_by"}
    kept = {name: value for name, value in result.items() if name not in measured}
    tests = [{name: test[name] for name in ("verdict", "score", "message")} for test in kept.pop("tests", [])]
    return {**kept, "tests": tests}


def test_a_cluster_answers_as_one_machine_does(http: httpx.Client, client: httpx.Client) -> None:
    body = {"submissions": MIXED * 3, "suites": {"double": LARGE}}
    one, many = client.post("/v1/verify", json=body), http.post("/v1/verify", json=body)
    assert one.status_code == many.status_code == 200
    expected, found = ([told(result) for result in answer.json()["results"]] for answer in (one, many))
    assert found == expected
    assert {result["made_by"]["verifier"] for result in many.json()["results"]} == {
        result["made_by"]["verifier"] for result in one.json()["results"]
    }
    runs = {"runs": [{"language": "python", "source": "print(input())", "stdin": "7"}]}
    assert http.post("/v1/run", json=runs).json()["results"][0]["stdout"] == "7\n"


def test_results_stream_as_they_come(http: httpx.Client) -> None:
    submissions = [*sleepers(4, 1.0, "streamed"), {"kind": "math", "completion": r"\boxed{1}", "reference": "1"}]
    headers = {"Accept": "application/x-ndjson"}
    with http.stream("POST", "/v1/verify", json={"submissions": submissions}, headers=headers) as answer:
        lines = [json.loads(line) for line in answer.iter_lines() if line]
    order = [line["index"] for line in lines if "index" in line]
    assert order[0] == 4
    assert sorted(order) == [0, 1, 2, 3, 4]


def test_a_replica_that_is_killed_costs_no_verdict(http: httpx.Client, cluster: "LocalCluster") -> None:
    with sent(http, sleepers(40, 0.3, "replica")) as answer:
        cluster.kill_replica()
    assert verdicts(answer.result()) == of_sleepers(40)


def test_a_node_that_is_killed_costs_no_verdict(http: httpx.Client, cluster: "LocalCluster") -> None:
    until(lambda: cluster.count() == 2, "two replicas")
    with sent(http, sleepers(40, 0.3, "node")) as answer:
        cluster.kill_node()
    try:
        assert verdicts(answer.result()) == of_sleepers(40)
    finally:
        cluster.nodes.append(cluster.add_node())
    until(lambda: cluster.count() == 2, "two replicas again")


def test_the_front_refuses_what_has_no_place_and_says_when_to_come_again(http: httpx.Client) -> None:
    with sent(http, sleepers(150, 0.05, "in hand")) as answer:
        refused = http.post("/v1/verify", json={"submissions": sleepers(150, 0.0, "refused")})
    assert refused.status_code == 503
    assert float(refused.headers["Retry-After"]) >= 1
    assert verdicts(answer.result()) == of_sleepers(150)


def test_what_is_there_at_the_deadline_is_told(http: httpx.Client) -> None:
    quick = [{"kind": "math", "completion": r"\boxed{1}", "reference": "1"}]
    answer = http.post("/v1/verify", json={"submissions": [*quick, *sleepers(40, 2.0, "slow")], "deadline_s": 20})
    found = answer.json()["results"]
    assert found[0]["verdict"] == "accepted"
    # After the deadline, a program gets an error, or a verdict if it had its fair share of the time.
    in_time = [
        (one["verdict"], right)
        for one, right in zip(found[1:], of_sleepers(40), strict=True)
        if "the deadline passed" not in one["message"]
    ]
    assert 0 < len(in_time) < 40
    assert [verdict for verdict, _ in in_time] == [right for _, right in in_time]


def test_replicas_come_and_go_with_the_load_and_no_verdict_is_lost(http: httpx.Client, cluster: "LocalCluster") -> None:
    while len(cluster.nodes) < 3:
        cluster.nodes.append(cluster.add_node())
    scaling = {"min_replicas": 1, "max_replicas": 3, "target_ongoing_requests": 1, "upscale_delay_s": 0.5}
    cluster.deploy(
        {"autoscaling_config": {**scaling, "downscale_delay_s": 2, "look_back_period_s": 2, "metrics_interval_s": 0.5}}
    )
    until(lambda: cluster.count() == 1, "one replica")
    batches = []
    with ThreadPoolExecutor(1) as pool:

        def load() -> None:
            batches.append(
                verdicts(http.post("/v1/verify", json={"submissions": sleepers(30, 0.3, str(len(batches)))}))
            )

        ends_s = time.monotonic() + WAIT_S
        loading = pool.submit(load)
        while cluster.count() < 3:
            assert time.monotonic() < ends_s
            if loading.done():
                loading.result()
                loading = pool.submit(load)
            time.sleep(0.2)
        loading.result()
        until(lambda: cluster.count() == 1, "one replica again")
        load()
    assert batches == [of_sleepers(30)] * len(batches)


def test_a_node_without_sandboxes_and_one_of_another_build_are_named_and_get_no_work(
    http: httpx.Client, cluster: "LocalCluster", tmp_path: Path
) -> None:
    fit = len(cluster.nodes)
    cluster.deploy({"num_replicas": fit})
    until(lambda: cluster.count() == fit, "a replica on each node")

    bare = cluster.add_node(VERIFIER_RUNNER="docker", DOCKER_HOST=f"unix://{tmp_path}/none")
    cluster.deploy({"num_replicas": fit + 1}, wait=False)
    until(
        lambda: "has no sandboxes and gets no work: docker is unavailable" in cluster.messages(),
        "named",
        cluster.messages,
    )
    assert verdicts(http.post("/v1/verify", json={"submissions": sleepers(12, 0.0, "no docker")})) == of_sleepers(12)
    cluster.cluster.remove_node(bare, allow_graceful=False)

    top = Path(verifier_service.__file__).parents[1]
    for name in ("verifier_service", "sandboxes"):
        shutil.copytree(top / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "verifier_service" / "checkers" / "text.py").open("a") as file:
        file.write("# another build\n")
    cluster.add_node(PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    until(lambda: "both must be the same" in cluster.messages(), "refused", cluster.messages)
    assert Counter(cluster.messages().split())["grpo-verifier"] == 2
    assert verdicts(http.post("/v1/verify", json={"submissions": sleepers(12, 0.0, "other")})) == of_sleepers(12)
    assert cluster.count() == fit
