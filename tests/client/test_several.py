"""Several verifiers behind one client: the work goes to the healthy ones, whatever happens to the others."""

import asyncio
import json
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.client.servers import Answer, FaultServer
from tests.client.test_client import accepted, client_of, math
from tests.conftest import free_port
from verifier_service.client import AsyncVerifierClient, Traffic, VerifierClient, VerifierRefused
from verifier_service.client import servers as room
from verifier_service.schema import MathSubmission, Verdict


@contextmanager
def hanging() -> Iterator[str]:
    """A server whose connections the kernel accepts, but which never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_the_work_is_spread_over_all() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(accepted)) for _ in range(3)]
        client = stack.enter_context(client_of(*(one.url for one in servers), chunk=4, concurrency=6))
        results = client.verify([math(n, n) for n in range(120)])
        requests = [len(one.bodies) for one in servers]
    assert len(results) == 120
    assert sum(requests) == 30
    assert min(requests) >= 4


def test_one_that_hangs_one_that_is_dead_and_one_that_fails_cost_no_result(
    verifier_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PROBE_AFTER_S", 0.2)
    monkeypatch.setattr("verifier_service.client.session.PROBE_AFTER_S", 0.2)
    with hanging() as silent, FaultServer(lambda *_: (500, {}, b"no")) as failing:
        dead = f"http://127.0.0.1:{free_port()}"
        with client_of(silent, dead, failing.url, verifier_url, chunk=5, patience_s=600) as client:
            results = client.verify([math(n, n % 2) for n in range(60)])
    assert [result.score for result in results] == [float(n == n % 2) for n in range(60)]


def test_one_that_dies_in_the_middle_costs_no_result() -> None:
    ended = threading.Event()

    def dies(number: int, body: bytes) -> Answer:
        if number >= 2:
            ended.set()
            raise ConnectionAbortedError  # the connection ends without an answer
        return accepted(number, body)

    with (
        FaultServer(dies) as dying,
        FaultServer(accepted) as well,
        client_of(dying.url, well.url, chunk=2, concurrency=4) as client,
    ):
        results = client.verify([math(n, n) for n in range(40)])
    assert ended.is_set()
    assert len(results) == 40


def test_one_that_refuses_says_which_it_was() -> None:
    def refuses(number: int, body: bytes) -> Answer:
        return 401, {}, json.dumps({"title": "no", "status": 401, "detail": "wrong key", "errors": []}).encode()

    with (
        FaultServer(refuses) as server,
        client_of(server.url, server.url) as client,
        pytest.raises(VerifierRefused, match="wrong key"),
    ):
        client.verify([math(1, 1)])


def test_single_submissions_travel_together() -> None:
    with FaultServer(accepted) as server, client_of(server.url) as client, ThreadPoolExecutor(16) as threads:
        results = list(threads.map(client.verify_one, [math(n, n) for n in range(16)]))
        requests = len(server.bodies)
    assert [result.score for result in results] == [1.0] * 16
    assert requests < 16


def test_models_and_plain_values_are_taken(verifier_url: str) -> None:
    with client_of(verifier_url, patience_s=600) as client:
        model = MathSubmission(kind="math", completion="\\boxed{2}", reference="2", id="m")
        results = client.verify([model, math(1, 2)])
        ran = client.run([{"language": "python", "source": "print(6 * 7)"}])
        info = client.info()
    assert [(result.id, result.verdict) for result in results] == [
        ("m", Verdict.ACCEPTED),
        (None, Verdict.WRONG_ANSWER),
    ]
    assert ran[0].stdout == "42\n"
    assert info.languages


def test_a_client_works_in_each_event_loop_in_a_fork_and_after_pickling(verifier_url: str) -> None:
    shared = AsyncVerifierClient(verifier_url, patience_s=600)

    async def once() -> float | None:
        (result,) = await shared.verify([math(1, 1)])
        await shared.aclose()
        return result.score

    assert [asyncio.run(once()) for _ in range(2)] == [1.0, 1.0]
    with client_of(verifier_url, patience_s=600) as client:
        assert client.verify([math(1, 1)])[0].score == 1.0
        with pickle.loads(pickle.dumps(client)) as copy:
            assert copy.options == client.options
            assert copy.verify([math(1, 2)])[0].score == 0.0
        child = os.fork()
        if child == 0:
            os._exit(0 if client.verify([math(1, 1)])[0].score == 1.0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_progress_and_each_result_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[int] = []
    traffic = Traffic()
    with FaultServer(accepted) as server, client_of(server.url, chunk=2) as client:
        client.verify(
            [math(n, n) for n in range(6)],
            on_result=lambda index, _: told.append(index),
            progress=True,
            traffic=traffic,
        )
    assert sorted(told) == list(range(6))
    assert traffic.requests == 3
    assert "6/6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"urls": "localhost:8000"}, "urls 'localhost:8000': it must begin with http:// or https://"),
        ({"urls": ","}, "urls is empty: it must have at least one address"),
        ({"chunk": 0}, "chunk 0: it must be 1 to 4096"),
        ({"concurrency": 1000}, "concurrency 1000: it must be 1 to 256"),
        ({"deadline_s": -1}, "deadline_s -1: it must be more than 0"),
        ({"patience_s": float("nan")}, "patience_s nan: it must be more than 0"),
    ],
)
def test_options_that_are_not_allowed_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        VerifierClient(**options)


def test_addresses_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFIER_URL", "http://a:1/, http://b:2")
    assert VerifierClient().options.urls == ("http://a:1", "http://b:2")
    monkeypatch.delenv("VERIFIER_URL")
    assert VerifierClient().url == "http://127.0.0.1:8000"


def test_a_question_about_the_verifiers_goes_to_each_until_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier_service.client.session.CONNECT_TIMEOUT_S", 0.3)
    with hanging() as silent, FaultServer(accepted) as well:
        for _ in range(4):  # in no order
            with client_of(silent, well.url) as client:
                assert client.info().version == "0"


def test_a_closed_client_says_so_and_opens_nothing() -> None:
    with FaultServer(accepted) as server:
        with client_of(server.url) as client:
            client.verify([math(1, 1)])
        with pytest.raises(RuntimeError, match="the client is closed"):
            client.verify([math(1, 1)])
        assert len(server.bodies) == 1
