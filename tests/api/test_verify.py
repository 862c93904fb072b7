"""POST /v1/verify as a stranger would use it: the documented answers, and every kind of bad input."""

from typing import Any

import httpx
import pytest

ADD = "```python\ndef add(a, b):\n    return a + b\n```"
ADD_TESTS = {"kind": "call", "entry_point": "add", "cases": [{"args": [1, 2], "expected": 3}]}


def code(**fields: Any) -> dict[str, Any]:
    return {"kind": "code", "completion": ADD, "tests": ADD_TESTS} | fields


def verify(client: httpx.Client, *submissions: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    response = client.post("/v1/verify", json={"submissions": list(submissions), **fields})
    assert response.status_code == 200, response.text
    return response.json()["results"]


def test_the_documented_batch_gets_the_documented_answers(client: httpx.Client) -> None:
    math, program = verify(
        client,
        {"kind": "math", "id": "a", "completion": "... so \\boxed{\\frac{1}{2}}", "reference": "0.5"},
        code(id="b", limits={"time_limit_s": 2, "memory_limit_mb": 256}),
        deadline_s=60,
    )
    assert (math["id"], math["kind"], math["verdict"], math["score"]) == ("a", "math", "accepted", 1.0)
    assert (math["extracted"], math["extracted_by"]) == ("\\frac{1}{2}", "boxed")
    assert (program["id"], program["kind"], program["verdict"], program["score"]) == ("b", "code", "accepted", 1.0)
    assert (program["passed"], program["total"]) == (1, 1)
    assert program["tests"][0]["verdict"] == "accepted"


def test_results_keep_the_order_of_the_batch(client: httpx.Client) -> None:
    batch = [
        {"kind": "math", "id": f"m{n}", "completion": f"\\boxed{{{n}}}", "reference": "3"}
        if n % 2
        else code(id=f"c{n}", completion=f"def add(a, b):\n    return a + b + {n}")
        for n in range(20)
    ]
    results = verify(client, *batch)
    assert [one["id"] for one in results] == [one["id"] for one in batch]
    assert [one["id"] for one in results if one["verdict"] == "accepted"] == ["c0", "m3"]


def test_one_bad_item_never_touches_its_neighbours(client: httpx.Client) -> None:
    bad = code(completion="import os\nos.kill(os.getppid(), 9)\nos.kill(1, 9)\nwhile True: os.fork()")
    results = verify(client, code(), bad, {"kind": "math", "completion": "", "reference": "1"}, code())
    assert [one["verdict"] for one in (results[0], results[3])] == ["accepted", "accepted"]
    assert results[1]["score"] == 0.0
    assert results[2]["verdict"] == "no_answer"


def test_a_suite_is_sent_once_for_a_group(client: httpx.Client) -> None:
    group = [code(id=str(n), tests="p1", completion=f"def add(a, b): return a + {n}") for n in range(4)]
    results = verify(client, *group, suites={"p1": ADD_TESTS})
    assert [one["score"] for one in results] == [0.0, 0.0, 1.0, 0.0]


def test_what_the_deadline_cuts_off_is_our_failure(client: httpx.Client) -> None:
    slow = code(completion="import time\ntime.sleep(30)", limits={"wall_limit_s": 30})
    (result,) = verify(client, slow, deadline_s=0.5)
    assert (result["verdict"], result["score"]) == ("judge_error", None)
    assert "deadline_s is 0.5" in result["message"]


def test_the_score_is_the_weighted_share(client: httpx.Client) -> None:
    cases = [{"args": [1, 1], "expected": 2, "weight": 3}, {"args": [1, 2], "expected": 0}]
    (result,) = verify(client, code(tests=ADD_TESTS | {"cases": cases}))
    assert (result["verdict"], result["score"], result["passed"], result["total"]) == ("wrong_answer", 0.75, 1, 2)
    assert result["message"] == "test 2 of 2: expected 0, got 3"


@pytest.mark.parametrize(
    ("submission", "field", "named"),
    [
        (code(colour="red"), "submissions.0.colour", "red"),
        (code(limits={"time_limit_s": 10_000}), "submissions.0.limits.time_limit_s", "10000"),
        (code(limits={"time_limit": 1}), "submissions.0.limits.time_limit", "1"),
        (code(limits={"time_limit_s": -1}), "submissions.0.limits.time_limit_s", "-1"),
        (code(language="cobol"), "submissions.0.language", "cobol"),
        (code(completion=7), "submissions.0.completion", "7"),
        (code(completion="x" * 10_000_000), "submissions.0.completion", "xxx"),
        (code(tests="nowhere"), "submissions.0.tests", "nowhere"),
        (code(tests={"kind": "call", "entry_point": "f", "cases": []}), "submissions.0.tests.cases", "[]"),
        (code(tests={"kind": "call", "cases": [{"expected": 1}]}), "submissions.0.tests.entry_point", ""),
        (code(tests={"kind": "guess"}), "submissions.0.tests", "guess"),
        ({"kind": "poem", "completion": ""}, "submissions.0", "poem"),
        ({"kind": "math", "completion": "1"}, "submissions.0.reference", ""),
        ({"kind": "math", "completion": "1", "reference": ""}, "submissions.0.reference", ""),
        ({"kind": "math", "completion": "1", "reference": "1", "extract": ["eyes"]}, "submissions.0.extract.0", "eyes"),
    ],
)
def test_bad_input_is_a_422_that_names_field_and_value(
    client: httpx.Client, submission: dict[str, Any], field: str, named: str
) -> None:
    response = client.post("/v1/verify", json={"submissions": [submission]})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    errors = response.json()["errors"]
    assert errors[0]["field"] == field
    assert named in errors[0]["value"]
    assert errors[0]["allowed"]
    assert field in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b'{"submissions": [', 400),
        (b"\xff\xfe\x00", 400),
        (b'{"submissions": [{"kind": "math", "completion": "\xff", "reference": "1"}]}', 400),
        (b'{"submissions": []}', 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'"text"', 422),
        (b'{"submissions": {}}', 422),
        (b'{"submissions": [null]}', 422),
        (b"[" * 100_000, 400),
    ],
)
def test_a_body_that_is_no_request_is_a_problem_document(client: httpx.Client, body: bytes, status: int) -> None:
    response = client.post("/v1/verify", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]
    assert client.get("/healthz").status_code == 200


def test_too_large_a_body_is_a_413(client: httpx.Client) -> None:
    response = client.post("/v1/verify", content=(b" " * 1_000_000 for _ in range(80)))
    assert response.status_code == 413
    assert "67108864" in response.json()["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/verify", 405), ("GET", "/v2", 404)])
def test_other_errors_are_problem_documents_too(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_info_tells_languages_checkers_and_limits(client: httpx.Client) -> None:
    info = client.get("/v1/info").json()
    python = next(one for one in info["languages"] if one["name"] == "python")
    assert python["available"] is True
    assert python["version"].startswith("Python 3")
    assert info["checkers"]["call"] == ["equal", "float", "unordered"]
    assert info["limits"]["maximum"]["time_limit_s"] == 30.0
    assert "judge_error" in info["verdicts"]


def test_metrics_count_verdicts(client: httpx.Client) -> None:
    verify(client, code())
    assert 'verifier_results_total{kind="code",verdict="accepted"}' in client.get("/metrics").text
