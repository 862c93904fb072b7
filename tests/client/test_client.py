"""The client returns exactly the verifier's results, in order, whatever the network does meanwhile."""

import json
import time
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.client.servers import Answer, DrippingServer, FaultServer
from tests.conftest import ServiceProcess, free_port
from verifier_service.client import Traffic, VerifierClient, VerifierDown, VerifierRefused
from verifier_service.client.wire import encode
from verifier_service.schema import MAX_COMPLETION_CHARS, Verdict


def client_of(*urls: str, **options: Any) -> VerifierClient:
    return VerifierClient(urls, **{"patience_s": 60.0, **options})


def math(answer: object, reference: object) -> dict[str, Any]:
    return {"kind": "math", "completion": f"\\boxed{{{answer}}}", "reference": str(reference)}


def accepted(_: int, body: bytes) -> Answer:
    one = {"kind": "math", "verdict": "accepted", "score": 1.0}
    ids = [sent["id"] for sent in json.loads(body)["submissions"]]
    return 200, {}, json.dumps({"results": [one | {"id": sent} for sent in ids]}).encode()


def test_results_come_in_the_order_of_the_submissions(verifier_url: str) -> None:
    """Many chunks in parallel, with one answer in three right."""
    submissions = [math(n, n if n % 3 == 0 else n + 1) for n in range(200)]
    with client_of(verifier_url, chunk=7, patience_s=600) as client:
        traffic = Traffic()
        results = client.verify(submissions, traffic=traffic)
    assert [result.score for result in results] == [float(n % 3 == 0) for n in range(200)]
    assert (traffic.requests, traffic.retries) == (29, 0)


def test_tests_that_are_shared_travel_once() -> None:
    tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 2}]}
    other = {"kind": "call", "entry_point": "g", "cases": [{"args": [1], "expected": 2}]}
    submissions = [{"kind": "code", "completion": f"# {n}", "tests": tests} for n in range(8)]
    body = json.loads(encode([*submissions, {"kind": "code", "completion": "", "tests": other}], 1.0))
    assert list(body["suites"].values()) == [tests]
    assert {s["tests"] for s in body["submissions"][:8]} == set(body["suites"])
    assert body["submissions"][8]["tests"] == other


def test_no_completion_makes_the_verifier_refuse_its_neighbours(verifier_url: str) -> None:
    """Half a surrogate pair, and more text than the API accepts: both are judged, and so are their neighbors."""
    long = {"kind": "math", "completion": "x" * MAX_COMPLETION_CHARS + "\\boxed{4}", "reference": "4"}
    broken = {"kind": "math", "completion": "\ud800 \\boxed{4}", "reference": "4"}
    with client_of(verifier_url, patience_s=600) as client:
        results = client.verify([long, broken, math(4, 4)])
    assert [result.verdict for result in results] == [Verdict.ACCEPTED] * 3


def test_retry_after_is_honoured() -> None:
    times: list[float] = []

    def busy_once(number: int, body: bytes) -> Answer:
        times.append(time.monotonic())
        return (503, {"Retry-After": "1"}, b"{}") if number == 0 else accepted(number, body)

    with FaultServer(busy_once) as server, client_of(server.url) as client:
        traffic = Traffic()
        results = client.verify([math(1, 1)], traffic=traffic)
    assert [result.score for result in results] == [1.0]
    assert traffic.retries == 1
    assert times[1] - times[0] >= 1.0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(status: int) -> None:
    def script(number: int, body: bytes) -> Answer:
        return (status, {}, b"not now") if number < 2 else accepted(number, body)

    with FaultServer(script) as server, client_of(server.url) as client:
        traffic = Traffic()
        results = client.verify([math(1, 1)], traffic=traffic)
    assert ([result.score for result in results], traffic.retries) == ([1.0], 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>welcome</html>",
        b'{"results": []}',
        b'{"results": [{"id": "%s", "kind": "math", "verdict": "fine", "score": 1}]}',
        b'{"results": [{"id": "%s", "kind": "math", "verdict": "accepted", "score": NaN}]}',
        b'{"results": [{"id": "%s", "kind": "math", "verdict": "accepted", "score": 7.0}]}',
        b'{"results": [{"id": "%s", "kind": "math", "verdict": "accepted", "score": null}]}',
        b'{"results": [{"id": "%s", "kind": "code", "verdict": "accepted", "score": 1}]}',
        b'{"results": [{"id": "%s", "kind": "unknown", "verdict": "judge_error", "score": null}]}',
        b'{"results": [{"id": null, "kind": "math", "verdict": "accepted", "score": 1}]}',
        b'{"results": [{"id": "another", "kind": "math", "verdict": "accepted", "score": 1}]}',
    ],
)
def test_an_answer_that_is_not_the_contracts_never_becomes_a_result(answer: bytes) -> None:
    with (
        FaultServer(lambda number, body: (200, {}, answer.replace(b"%s", _first_id(body)))) as server,
        client_of(server.url, patience_s=0.5) as client,
        pytest.raises(VerifierDown),
    ):
        client.verify([math(1, 1)])


def _first_id(body: bytes) -> bytes:
    return json.loads(body)["submissions"][0]["id"].encode()


def test_results_of_another_chunk_or_in_another_order_never_become_this_one_s() -> None:
    def other_order(number: int, body: bytes) -> Answer:
        status, headers, text = accepted(number, body)
        results = json.loads(text)["results"]
        return status, headers, json.dumps({"results": results if number > 1 else results[::-1]}).encode()

    with FaultServer(other_order) as server, client_of(server.url) as client:
        traffic = Traffic()
        results = client.verify([math(1, 1) | {"id": "mine"}, math(2, 2)], traffic=traffic)
    assert ([result.id for result in results], traffic.retries) == (["mine", None], 2)


@pytest.mark.parametrize("drips", ["head", "body"])
def test_an_answer_that_comes_byte_by_byte_ends_with_the_patience(drips: Literal["head", "body"]) -> None:
    began = time.monotonic()
    with (
        DrippingServer(drips, every_s=0.1) as server,
        client_of(server.url, patience_s=1.5) as client,
        pytest.raises(VerifierDown),
    ):
        client.verify([math(1, 1)])
    assert time.monotonic() - began < 60  # it would drip for a quarter of an hour


@pytest.mark.parametrize("status", [302, 307, 400, 401, 403, 404, 405])
def test_what_something_else_than_the_verifier_refuses_is_tried_again(status: int) -> None:
    def script(number: int, body: bytes) -> Answer:
        page = {"Content-Type": "text/html", "Location": "/login"}
        return (status, page, b"<html>no</html>") if number < 2 else accepted(number, body)

    with FaultServer(script) as server, client_of(server.url) as client:
        traffic = Traffic()
        results = client.verify([math(1, 1)], traffic=traffic)
    assert ([result.score for result in results], traffic.retries) == ([1.0], 2)


def test_what_the_verifier_could_not_judge_for_its_own_reasons_is_asked_once_more() -> None:
    def script(number: int, body: bytes) -> Answer:
        status, headers, text = accepted(number, body)
        results = json.loads(text)["results"]
        for result, sent in zip(results, json.loads(body)["submissions"], strict=True):
            if sent["reference"] in ("2", "3") or (sent["reference"] == "1" and number == 0):
                result |= {"verdict": "judge_error", "score": None, "retryable": sent["reference"] != "3"}
        return status, headers, json.dumps({"results": results}).encode()

    with FaultServer(script) as server, client_of(server.url) as client:
        results = client.verify([math(n, n) | {"id": str(n)} for n in range(4)])
        asked = [[one["reference"] for one in json.loads(body)["submissions"]] for body in server.bodies]
    assert [(result.id, result.score) for result in results] == [("0", 1.0), ("1", 1.0), ("2", None), ("3", None)]
    assert asked == [["0", "1", "2", "3"], ["1", "2"]]


def test_results_come_one_by_one(verifier_url: str) -> None:
    slow = {
        "kind": "code",
        "completion": "import time\ntime.sleep(2)\nprint(1)",
        "tests": {"kind": "stdio", "cases": [{"stdout": "1"}]},
    }
    with client_of(verifier_url, patience_s=600) as client:
        found = list(client.stream([slow, math(1, 1) | {"id": "quick"}, math(1, 2)]))
    assert found[-1][0] == 0
    assert {index: (one.id, one.score) for index, one in found} == {0: (None, 1.0), 1: ("quick", 1.0), 2: (None, 0.0)}


def _line(index: int, body: bytes) -> bytes:
    sent = json.loads(body)["submissions"][index]["id"]
    one = {"index": index, "id": sent, "kind": "math", "verdict": "accepted", "score": 1.0}
    return json.dumps(one).encode() + b"\n"


def test_what_a_stream_lacks_when_it_is_cut_off_is_asked_again() -> None:
    def script(number: int, body: bytes) -> Answer:
        return 200, {"Content-Type": "application/x-ndjson"}, _line(0, body)

    with FaultServer(script) as server, client_of(server.url) as client:
        found = dict(client.stream([math(1, 1) | {"id": "a"}, math(2, 2) | {"id": "b"}]))
        asked = [[one["reference"] for one in json.loads(body)["submissions"]] for body in server.bodies]
    assert {index: (one.id, one.score) for index, one in found.items()} == {0: ("a", 1.0), 1: ("b", 1.0)}
    assert asked == [["1", "2"], ["2"]]


def test_a_stream_whose_rest_never_comes_says_so_after_what_there_was() -> None:
    def script(number: int, body: bytes) -> Answer:
        return 200, {"Content-Type": "application/x-ndjson"}, _line(0, body) if number == 0 else b""

    with FaultServer(script) as server, client_of(server.url, patience_s=0.5) as client:
        found = []
        with pytest.raises(VerifierDown, match="without 1 of 1 results"):
            found.extend(client.stream([math(1, 1), math(2, 2)]))
    assert [index for index, _ in found] == [0]


def test_the_same_line_twice_is_one_result() -> None:
    def script(number: int, body: bytes) -> Answer:
        return 200, {"Content-Type": "application/x-ndjson"}, _line(0, body) * 2 if number == 0 else _line(0, body)

    with FaultServer(script) as server, client_of(server.url) as client:
        found = list(client.stream([math(1, 1), math(2, 2)]))
    assert sorted(index for index, _ in found) == [0, 1]


def test_nobody_listening_is_down_after_the_patience_and_not_before() -> None:
    began = time.monotonic()
    with client_of(f"http://127.0.0.1:{free_port()}", patience_s=1.5) as client:
        with pytest.raises(VerifierDown) as raised:
            client.verify([math(1, 1)])
        assert time.monotonic() - began >= 1.5
    assert raised.value.silent_s >= 1.5
    assert "Connection refused" in raised.value.last_problem


def test_a_chunk_that_is_too_large_is_halved() -> None:
    def script(number: int, body: bytes) -> Answer:
        return (413, {}, b"{}") if len(json.loads(body)["submissions"]) > 3 else accepted(number, body)

    with FaultServer(script) as server, client_of(server.url) as client:
        results = client.verify([math(n, n) for n in range(10)])
    assert len(results) == 10


def test_a_wrong_key_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_API_KEY": "right"})
    service.start()
    try:
        monkeypatch.setenv("VERIFIER_API_KEY", "wrong")
        with client_of(service.url) as client, pytest.raises(VerifierRefused) as raised:
            client.verify([math(1, 1)])
        assert raised.value.status == 401
        monkeypatch.setenv("VERIFIER_API_KEY", "right")
        with client_of(service.url) as client:
            assert client.verify([math(1, 1)])[0].score == 1.0
    finally:
        service.stop()


def test_a_submission_that_cannot_be_judged_says_which_field_is_to_blame(verifier_url: str) -> None:
    wrong = {"kind": "code", "completion": "", "language": "cobol", "tests": {"kind": "assert", "code": "assert 1"}}
    with client_of(verifier_url) as client:
        results = client.verify([wrong, math(1, 1)])
    assert [result.score for result in results] == [None, 1.0]
    assert results[0].message.startswith("language 'cobol': it must be one of")


def test_a_refusal_names_every_field() -> None:
    def script(number: int, body: bytes) -> Answer:
        errors = [
            {"field": "deadline_s", "value": "99", "allowed": "the maximum is 30"},
            {"field": "suites", "value": "[]", "allowed": "an object"},
        ]
        problem = {"title": "no", "status": 422, "detail": "deadline_s 99: the maximum is 30", "errors": errors}
        return 422, {}, json.dumps(problem).encode()

    with (
        FaultServer(script) as server,
        client_of(server.url) as client,
        pytest.raises(VerifierRefused) as raised,
    ):
        client.verify([math(1, 1)])
    assert "deadline_s 99: the maximum is 30 [suites []: an object]" in str(raised.value)


def test_an_answer_with_fields_of_a_newer_service_is_read() -> None:
    def script(number: int, body: bytes) -> Answer:
        status, headers, text = accepted(number, body)
        answer = json.loads(text)
        for result in answer["results"]:
            result["a_field_that_does_not_exist_yet"] = {"of": 1}
        return status, headers, json.dumps(answer | {"another": []}).encode()

    with FaultServer(script) as server, client_of(server.url) as client:
        traffic = Traffic()
        results = client.verify([math(1, 1)], traffic=traffic)
    assert ([result.score for result in results], traffic.retries) == ([1.0], 0)


def test_a_verifier_that_is_killed_and_started_again_is_waited_for(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "log")
    service.start()
    try:
        with client_of(service.url, patience_s=600) as client:
            assert client.verify([math(1, 1)])[0].score == 1.0
            service.kill()
            service.start()
            results = client.verify([math(n, n % 2) for n in range(4)])
            assert [result.score for result in results] == [1.0, 1.0, 0.0, 0.0]
    finally:
        service.stop()
