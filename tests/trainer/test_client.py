"""The verifier over HTTP: what comes back was said by the verifier, in order, whatever the network did meanwhile."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ServiceProcess, free_port
from tests.trainer.servers import Answer, FaultServer
from trainer.client import VerifierClient, encode
from trainer.config import VerifierOptions
from trainer.errors import VerifierDown, VerifierRefused
from verifier_service.schema import MAX_COMPLETION_CHARS, Verdict


def options(url: str, **fields: Any) -> VerifierOptions:
    return VerifierOptions.model_validate({"url": url, "patience_s": 60.0, **fields})


def math(answer: object, reference: object) -> dict[str, Any]:
    return {"kind": "math", "completion": f"\\boxed{{{answer}}}", "reference": str(reference)}


def accepted(_: int, body: bytes) -> Answer:
    one = {"id": None, "kind": "math", "verdict": "accepted", "score": 1.0}
    return 200, {}, json.dumps({"results": [one] * len(json.loads(body)["submissions"])}).encode()


def test_results_come_in_the_order_of_the_submissions(verifier_url: str) -> None:
    """Many chunks, sent side by side, one answer in three right."""
    submissions = [math(n, n if n % 3 == 0 else n + 1) for n in range(200)]
    with VerifierClient(options(verifier_url, chunk=7, patience_s=600)) as client:
        results, traffic = client.verify(submissions)
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
    """Half a surrogate pair, and more text than the contract takes: both are judged, and so is what stands beside."""
    long = {"kind": "math", "completion": "x" * MAX_COMPLETION_CHARS + "\\boxed{4}", "reference": "4"}
    broken = {"kind": "math", "completion": "\ud800 \\boxed{4}", "reference": "4"}
    with VerifierClient(options(verifier_url, patience_s=600)) as client:
        results, _ = client.verify([long, broken, math(4, 4)])
    assert [result.verdict for result in results] == [Verdict.ACCEPTED] * 3


def test_retry_after_is_honoured() -> None:
    times: list[float] = []

    def busy_once(number: int, body: bytes) -> Answer:
        times.append(time.monotonic())
        return (503, {"Retry-After": "1"}, b"{}") if number == 0 else accepted(number, body)

    with FaultServer(busy_once) as server, VerifierClient(options(server.url)) as client:
        results, traffic = client.verify([math(1, 1)])
    assert [result.score for result in results] == [1.0]
    assert traffic.retries == 1
    assert times[1] - times[0] >= 1.0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(status: int) -> None:
    def script(number: int, body: bytes) -> Answer:
        return (status, {}, b"not now") if number < 2 else accepted(number, body)

    with FaultServer(script) as server, VerifierClient(options(server.url)) as client:
        results, traffic = client.verify([math(1, 1)])
    assert ([result.score for result in results], traffic.retries) == ([1.0], 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>welcome</html>",
        b'{"results": []}',
        b'{"results": [{"id": null, "kind": "math", "verdict": "fine", "score": 1}]}',
    ],
)
def test_an_answer_that_is_not_the_contracts_never_becomes_a_result(answer: bytes) -> None:
    with (
        FaultServer(lambda number, body: (200, {}, answer)) as server,
        VerifierClient(options(server.url, patience_s=0.5)) as client,
        pytest.raises(VerifierDown),
    ):
        client.verify([math(1, 1)])


def test_nobody_listening_is_down_after_the_patience_and_not_before() -> None:
    began = time.monotonic()
    with VerifierClient(options(f"http://127.0.0.1:{free_port()}", patience_s=1.5)) as client:
        with pytest.raises(VerifierDown) as raised:
            client.verify([math(1, 1)])
        assert time.monotonic() - began >= 1.5
    assert raised.value.silent_s >= 1.5
    assert "Connection refused" in raised.value.last_problem


def test_a_chunk_that_is_too_large_is_halved() -> None:
    def script(number: int, body: bytes) -> Answer:
        return (413, {}, b"{}") if len(json.loads(body)["submissions"]) > 3 else accepted(number, body)

    with FaultServer(script) as server, VerifierClient(options(server.url)) as client:
        results, _ = client.verify([math(n, n) for n in range(10)])
    assert len(results) == 10


def test_a_wrong_key_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_API_KEY": "right"})
    service.start()
    try:
        monkeypatch.setenv("VERIFIER_API_KEY", "wrong")
        with VerifierClient(options(service.url)) as client, pytest.raises(VerifierRefused) as raised:
            client.verify([math(1, 1)])
        assert raised.value.status == 401
        monkeypatch.setenv("VERIFIER_API_KEY", "right")
        with VerifierClient(options(service.url)) as client:
            assert client.verify([math(1, 1)])[0][0].score == 1.0
    finally:
        service.stop()


def test_a_submission_that_cannot_be_judged_says_which_field_is_to_blame(verifier_url: str) -> None:
    wrong = {"kind": "code", "completion": "", "language": "cobol", "tests": {"kind": "assert", "code": "assert 1"}}
    with VerifierClient(options(verifier_url)) as client:
        results, _ = client.verify([wrong, math(1, 1)])
    assert [result.score for result in results] == [None, 1.0]
    assert results[0].message.startswith("language 'cobol': it must be one of")


def test_a_refusal_names_every_field() -> None:
    def script(number: int, body: bytes) -> Answer:
        errors = [
            {"field": "deadline_s", "value": "99", "allowed": "the maximum here is 30"},
            {"field": "suites", "value": "[]", "allowed": "an object"},
        ]
        problem = {"title": "no", "status": 422, "detail": "deadline_s 99: the maximum here is 30", "errors": errors}
        return 422, {}, json.dumps(problem).encode()

    with (
        FaultServer(script) as server,
        VerifierClient(options(server.url)) as client,
        pytest.raises(VerifierRefused) as raised,
    ):
        client.verify([math(1, 1)])
    assert "deadline_s 99: the maximum here is 30 [suites []: an object]" in str(raised.value)


def test_an_answer_with_fields_of_a_newer_service_is_read() -> None:
    def script(number: int, body: bytes) -> Answer:
        status, headers, text = accepted(number, body)
        answer = json.loads(text)
        for result in answer["results"]:
            result["a_field_that_does_not_exist_yet"] = {"of": 1}
        return status, headers, json.dumps(answer | {"another": []}).encode()

    with FaultServer(script) as server, VerifierClient(options(server.url)) as client:
        results, traffic = client.verify([math(1, 1)])
    assert ([result.score for result in results], traffic.retries) == ([1.0], 0)


def test_a_verifier_that_is_killed_and_started_again_is_waited_for(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "log")
    service.start()
    try:
        with VerifierClient(options(service.url, patience_s=600)) as client:
            assert client.verify([math(1, 1)])[0][0].score == 1.0
            service.kill()
            service.start()
            results, _ = client.verify([math(n, n % 2) for n in range(4)])
            assert [result.score for result in results] == [1.0, 1.0, 0.0, 0.0]
    finally:
        service.stop()
