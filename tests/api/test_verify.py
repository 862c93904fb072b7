"""POST /v1/verify as a stranger would use it: the documented answers, and every kind of bad input."""

import json
import sys
from typing import Any

import httpx
import pytest

from verifier_service.schema import Info

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
    (result,) = verify(client, code(completion=ADD), deadline_s=0.000001)
    assert (result["verdict"], result["score"]) == ("judge_error", None)
    assert "deadline_s is 1e-06" in result["message"]


def test_what_slept_until_the_deadline_was_too_slow(client: httpx.Client) -> None:
    slow = code(completion="import time\ntime.sleep(30)", limits={"wall_limit_s": 30})
    (result,) = verify(client, slow, deadline_s=0.5)
    assert (result["verdict"], result["score"]) == ("time_limit_exceeded", 0.0)


def test_the_score_is_the_weighted_share(client: httpx.Client) -> None:
    cases = [{"args": [1, 1], "expected": 2, "weight": 3}, {"args": [1, 2], "expected": 0}]
    (result,) = verify(client, code(tests=ADD_TESTS | {"cases": cases}))
    assert (result["verdict"], result["score"], result["passed"], result["total"]) == ("wrong_answer", 0.75, 1, 2)
    assert result["message"] == "test 2 of 2: expected 0, got 3"


LONG = 10**4999
BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (code(colour="red"), "judge_error", "colour 'red': there is no such field"),
    (
        code(limits={"time_limit_s": 10_000}),
        "judge_error",
        "limits.time_limit_s 10000.0: the maximum is 30 (VERIFIER_MAX_TIME_LIMIT_S)",
    ),
    (code(limits={"time_limit": 1}), "judge_error", "limits.time_limit 1: there is no such field"),
    (code(limits={"time_limit_s": -1}), "judge_error", "limits.time_limit_s -1: it must be greater than 0"),
    (code(language="cobol"), "judge_error", "language 'cobol': it must be one of bash, c, cpp"),
    (code(language="pyhton"), "judge_error", "or an alias of one of them; the nearest is 'python'"),
    (code(completion=7), "judge_error", "completion 7: it must be a string"),
    (code(completion="x" * 1_000_001), "no_answer", "(1000001 characters): it must have at most 1000000 characters"),
    (
        code(completion="```python\nx = '\ud800'\n```"),
        "no_answer",
        "it contains a lone surrogate, which is not a character",
    ),
    (code(tests="nowhere"), "judge_error", "tests 'nowhere': the request defines no suites; add \"suites\""),
    (code(tests={"sha256": "0" * 64}), "judge_error", "send its tests with `PUT /v1/suites/000"),
    (code(tests={"kind": "call", "entry_point": "f", "cases": []}), "judge_error", "tests.cases an empty list: it mu"),
    (code(tests={"kind": "call", "cases": [{"expected": 1}]}), "judge_error", "tests.entry_point: this field is requ"),
    (code(tests={"kind": "stdio", "cases": [{"stdout": "\ud800"}]}), "judge_error", "tests.cases.0.stdout '\\ud800'"),
    (code(tests={"kind": "guess"}), "judge_error", "tests.kind 'guess': it must be 'stdio', 'call', 'assert'"),
    (code(tests=ADD_TESTS | {"checker": "guess"}), "judge_error", "tests.checker 'guess': it must be 'equal', 'float'"),
    (code(tests=ADD_TESTS | {"abs_tol": 1}), "judge_error", "abs_tol is an option of the checker `float`"),
    (
        code(language="cpp", tests={"kind": "stdio", "prelude": "contest", "cases": [{"stdout": ""}]}),
        "judge_error",
        "cpp",  # its sandbox is not built, or the preset is for Python
    ),
    (
        code(tests={"kind": "stdio", "cases": [{"stdout": "", "files": {"solution.py": ""}}]}),
        "judge_error",
        "this name is reserved for the program itself; choose another",
    ),
    ({"kind": "poem", "completion": ""}, "judge_error", "kind 'poem': it must be 'math' or 'code'"),
    ({"kind": "math", "completion": "1"}, "judge_error", "reference: this field is required"),
    ({"kind": "math", "completion": "1", "reference": ""}, "judge_error", "the reference is empty"),
    ({"kind": "math", "completion": "1", "reference": "1", "extract": ["eyes"]}, "judge_error", "extract.0 'eyes': it"),
    ({"kind": "math", "completion": "\udfff", "reference": "1"}, "no_answer", "a lone surrogate"),
]


@pytest.mark.parametrize(("submission", "verdict", "said"), BROKEN)
def test_bad_input_is_the_result_of_its_item_and_names_field_value_and_what_is_allowed(
    client: httpx.Client, submission: dict[str, Any], verdict: str, said: str
) -> None:
    (result,) = _sent(client, [submission | {"id": "bad"}])
    assert (result["id"], result["verdict"]) == ("bad", verdict)
    assert result["score"] == (0.0 if verdict == "no_answer" else None)
    assert said in result["message"]


def _sent(client: httpx.Client, submissions: list[Any]) -> list[dict[str, Any]]:
    """Send submissions that the client's own JSON would refuse: half surrogates and long integers."""
    sys.set_int_max_str_digits(0)
    try:
        body = json.dumps({"submissions": submissions})
    finally:
        sys.set_int_max_str_digits(4300)
    response = client.post("/v1/verify", content=body.encode(), headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    return response.json()["results"]


def test_a_batch_in_which_every_third_item_is_broken_in_another_way_judges_the_others(client: httpx.Client) -> None:
    good = code(completion="def add(a, b):\n    return a + b")
    items = [BROKEN[n // 3 % len(BROKEN)][0] if n % 3 == 0 else good for n in range(64)]
    results = _sent(client, [item | {"id": str(n)} for n, item in enumerate(items)])
    assert [one["id"] for one in results] == [str(n) for n in range(64)]
    for n, result in enumerate(results):
        wanted = BROKEN[n // 3 % len(BROKEN)][1] if n % 3 == 0 else "accepted"
        assert result["verdict"] == wanted, (n, result["message"])


def test_items_that_are_no_objects_are_items_all_the_same(client: httpx.Client) -> None:
    results = _sent(client, [None, 7, "text", [], {}, code()])
    assert [one["kind"] for one in results] == ["unknown"] * 5 + ["code"]
    assert [one["score"] for one in results] == [None] * 5 + [1.0]


def test_long_integers_and_nul_characters_are_judged_like_anything_else(client: httpx.Client) -> None:
    def returns(value: str, expected: Any) -> dict[str, Any]:
        tests = {"kind": "call", "entry_point": "f", "cases": [{"expected": expected}]}
        return {"kind": "code", "completion": f"def f():\n    return {value}", "tests": tests}

    results = _sent(
        client,
        [
            returns("10**4999", LONG),
            returns("10**4999 + 1", LONG),
            returns("'a\\0b'", "a\0b"),
            {"kind": "math", "completion": "\0 \\boxed{2}", "reference": "2"},
            {"kind": "code", "completion": "print('\\0')", "tests": {"kind": "stdio", "cases": [{"stdout": "\0"}]}},
        ],
    )
    assert [one["verdict"] for one in results] == ["accepted", "wrong_answer", "accepted", "accepted", "accepted"]


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
        (b'{"submissions": [{"kind": "math"}], "submission": []}', 422),
        (b'{"submissions": [{"kind": "math"}], "deadline_s": -1}', 422),
        (b"[" * 100_000, 400),
    ],
)
def test_a_body_that_is_not_a_batch_is_a_problem_document(client: httpx.Client, body: bytes, status: int) -> None:
    response = client.post("/v1/verify", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]
    assert client.get("/healthz").status_code == 200


def test_too_large_a_body_is_a_413(client: httpx.Client) -> None:
    response = client.post("/v1/verify", content=(b" " * 1_000_000 for _ in range(80)))
    assert response.status_code == 413
    assert "67108864" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/v1/verify", 405, "GET /v1/verify: this path accepts POST"),
        ("GET", "/v2", 404, "there is no path '/v2'; /docs lists the paths of this service"),
    ],
)
def test_other_errors_are_problem_documents_too(
    client: httpx.Client, method: str, path: str, status: int, detail: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["detail"]) == (status, detail)
    assert response.headers["content-type"] == "application/problem+json"


def test_info_tells_languages_checkers_and_limits(client: httpx.Client) -> None:
    info = Info.model_validate(client.get("/v1/info").json())
    python = next(one for one in info.languages if one.name == "python")
    assert python.available
    assert (python.version or "").startswith("Python 3")
    assert {"py", "python3"} <= set(python.aliases)
    assert info.checkers.call == ["equal", "float", "unordered"]
    assert info.checkers.protocols == ["check", "exit_code", "testlib", "kattis", "score"]
    assert info.limits.maximum["time_limit_s"] == 30.0
    assert info.limits.default["wall_limit_s"] == "3 * time_limit_s + 2"
    assert "judge_error" in info.verdicts
    assert set(info.preludes) == {"contest", "leetcode"}


@pytest.mark.parametrize("name", ["python3", "py", "Python", "PY3"])
def test_a_language_goes_by_its_other_names(client: httpx.Client, name: str) -> None:
    assert verify(client, code(language=name))[0]["verdict"] == "accepted"


def test_results_say_where_the_time_went(client: httpx.Client) -> None:
    program, math = verify(client, code(), {"kind": "math", "completion": "\\boxed{1}", "reference": "1"})
    assert program["run_s"] > 0
    assert math["judge_s"] > 0
    for result in (program, math):
        assert {"signals", "queue_s", "start_s", "run_s", "judge_s"} <= result.keys()


def test_metrics_count_verdicts(client: httpx.Client) -> None:
    verify(client, code())
    assert 'verifier_results_total{kind="code",verdict="accepted"}' in client.get("/metrics").text
