"""Real disturbances of the server: clients that send slowly or never, hundreds of connections, a stuck box, SIGTERM."""

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.errors import DockerException

import docker
from tests.conftest import ServiceProcess, free_port

SLEEPS = {
    "kind": "code",
    "id": "sleeps",
    "completion": "import time\ntime.sleep(60)",
    "tests": {"kind": "stdio", "cases": [{"stdout": ""}]},
    "limits": {"wall_limit_s": 60},
}
QUICK = {"kind": "math", "id": "quick", "completion": "\\boxed{1}", "reference": "1"}
HEAD = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with little patience, and descriptors for 100 connections."""
    limits = {"HEADER_TIME_S": "2", "BODY_TIME_S": "2", "MIN_BODY_KB_S": "100", "MAX_CONNECTIONS": "100"}
    env = {f"VERIFIER_{name}": value for name, value in limits.items()}
    one = ServiceProcess(tmp_path_factory.mktemp("service") / "log", env)
    one.start()
    yield one
    one.stop()


def connect(service: ServiceProcess, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=120)
    connection.sendall(sent)
    return connection


def answer(connection: socket.socket) -> bytes:
    """Return everything that arrives until the other end hangs up."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nHost: local", b"HTTP/1.1 408"),
        (HEAD + b'{"submissions": [', b"HTTP/1.1 408"),
    ],
)
def test_who_sends_nothing_more_is_hung_up_on(service: ServiceProcess, sent: bytes, said: bytes) -> None:
    with connect(service, sent) as connection:
        assert answer(connection).startswith(said)


@pytest.mark.parametrize("before", [b"GET /healthz HTTP/1.1\r\nX-Slow: ", HEAD])
def test_who_goes_on_byte_by_byte_is_hung_up_on(service: ServiceProcess, before: bytes) -> None:
    with connect(service, before) as connection:
        connection.settimeout(0.1)
        said, began = b"", time.monotonic()
        while not said and time.monotonic() - began < 60:
            connection.sendall(b"x")
            with suppress(TimeoutError):
                said = connection.recv(1000)
        assert said.startswith(b"HTTP/1.1 408")


def test_a_body_that_keeps_the_pace_may_take_longer(service: ServiceProcess) -> None:
    body = json.dumps({"submissions": [QUICK]}).encode()
    body += b" " * (1_500_000 - len(body))
    head = f"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with connect(service, head.encode()) as connection:
        for start in range(0, len(body), 50_000):
            connection.sendall(body[start : start + 50_000])
            time.sleep(0.1)
        assert answer(connection).startswith(b"HTTP/1.1 200")


def test_a_head_without_an_end_is_refused(service: ServiceProcess) -> None:
    with connect(service, b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 70_000) as connection:
        assert answer(connection).startswith(b"HTTP/1.1 431")


def test_beside_400_slow_connections_everybody_else_is_served(service: ServiceProcess) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2048), hard), hard))
    slow = [connect(service, b"GET /healthz HTTP/1.1\r\nX-Slow: ") for _ in range(400)]
    try:
        assert len(os.listdir(f"/proc/{service.pid}/fd")) < 250
        for path in ("/healthz", "/readyz"):
            assert httpx.get(service.url + path, timeout=60).status_code == 200
        response = httpx.post(f"{service.url}/v1/verify", json={"submissions": [QUICK]}, timeout=60)
        assert response.json()["results"][0]["score"] == 1.0
    finally:
        for one in slow:
            one.close()


def test_where_all_connections_are_busy_probes_are_answered_and_others_hear_503(service: ServiceProcess) -> None:
    body = json.dumps({"submissions": [SLEEPS], "deadline_s": 600}).encode()
    head = f"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    busy = [connect(service, head + body) for _ in range(100)]
    try:
        time.sleep(1)
        response = httpx.post(f"{service.url}/v1/verify", json={"submissions": [QUICK]}, timeout=60)
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert response.json()["detail"] == "the service has too many open connections"
        assert httpx.get(f"{service.url}/healthz", timeout=60).status_code == 200
    finally:
        for one in busy:
            one.close()


def test_the_deadline_counts_from_the_head_of_the_request(service: ServiceProcess) -> None:
    body = json.dumps({"submissions": [SLEEPS | {"limits": {"wall_limit_s": 30}}], "deadline_s": 3}).encode()
    body += b" " * (400_000 - len(body))
    head = f"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with connect(service, head.encode()) as connection:
        began = time.monotonic()
        for start in range(0, len(body), 20_000):
            connection.sendall(body[start : start + 20_000])
            time.sleep(0.125)
        sent = time.monotonic() - began
        assert answer(connection).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began < sent + 2.8  # it would take 3 s more if the time for the body were added


@pytest.mark.docker
def test_a_box_that_hangs_keeps_nobody_beyond_the_deadline(service: ServiceProcess) -> None:
    try:
        daemon = docker.from_env()
        mine = [
            one
            for one in daemon.containers.list(filters={"label": "grpo-verifier.owner"}, ignore_removed=True)
            if f":{service.pid}:" in one.labels["grpo-verifier.owner"]
        ]
    except DockerException as reason:
        pytest.skip(f"needs a Docker daemon: {reason}")
    if not mine:
        pytest.skip("the service has no boxes in containers")
    threading.Timer(1, lambda: [one.pause() for one in mine]).start()
    try:
        began = time.monotonic()
        batch = {"submissions": [SLEEPS] * 4 + [QUICK], "deadline_s": 5}
        response = httpx.post(f"{service.url}/v1/verify", json=batch, timeout=120)
        seconds = time.monotonic() - began
    finally:
        for one in mine:
            with suppress(DockerException):  # it was given up meanwhile
                one.unpause()
    assert [one["score"] for one in response.json()["results"]] == [None] * 4 + [1.0]
    assert all(one["retryable"] for one in response.json()["results"][:4])
    assert seconds < 15  # waiting for the box takes 20 s and more


def test_a_port_that_is_taken_is_told_before_anything_is_started(service: ServiceProcess) -> None:
    command = [sys.executable, "-m", "verifier_service", "serve", "--port", str(service.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 3
    assert f"127.0.0.1:{service.port}: " in ended.stderr
    assert "starting" not in ended.stderr


async def _ask(client: httpx.AsyncClient, accept: str) -> httpx.Response:
    batch = {"submissions": [QUICK, SLEEPS]}
    return await client.post("/v1/verify", json=batch, headers={"accept": accept}, timeout=300)


async def _drain(service: ServiceProcess) -> tuple[list[httpx.Response], dict[str, httpx.Response]]:
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        asked = [asyncio.create_task(_ask(client, one)) for one in ("application/json", "application/x-ndjson")]
        await asyncio.sleep(3)
        os.kill(service.pid, signal.SIGTERM)
        await asyncio.sleep(1)
        meanwhile = {path: await client.get(path) for path in ("/readyz", "/healthz", "/v1/info")}
        return await asyncio.gather(*asked), meanwhile


def test_at_the_end_what_is_in_hand_is_waited_for_and_then_told(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_DRAIN_S": "6"}, free_port())
    service.start()
    (whole, lines), meanwhile = asyncio.run(_drain(service))
    service.stop()
    assert {path: one.status_code for path, one in meanwhile.items()} == {
        "/readyz": 503,
        "/healthz": 200,
        "/v1/info": 503,
    }
    assert "the service is shutting down" in meanwhile["/readyz"].json()["reasons"]["service"]
    assert int(meanwhile["/v1/info"].headers["retry-after"]) >= 1
    assert (whole.status_code, whole.headers["content-type"]) == (503, "application/problem+json")
    assert int(whole.headers["retry-after"]) >= 1
    first, last = map(json.loads, lines.text.splitlines())
    assert (first["index"], first["id"], first["score"]) == (0, "quick", 1.0)
    assert last["problem"]["status"] == 503


def lines_of(url: str, path: str, batch: dict[str, Any]) -> list[dict[str, Any]]:
    response = httpx.post(url + path, json=batch, headers={"accept": "application/x-ndjson"}, timeout=600)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


def test_results_are_streamed_as_lines_with_a_summary_at_the_end(service: ServiceProcess) -> None:
    *results, last = lines_of(service.url, "/v1/verify", {"submissions": [QUICK, 7, QUICK | {"reference": "2"}]})
    assert {one["index"]: one["verdict"] for one in results} == {0: "accepted", 1: "judge_error", 2: "wrong_answer"}
    counts = {"accepted": 1, "judge_error": 1, "wrong_answer": 1}
    assert (last["summary"]["results"], last["summary"]["counts"]) == (3, counts)
    run, last = lines_of(service.url, "/v1/run", {"runs": [{"id": "r", "source": "print(1)"}]})
    assert (run["index"], run["id"], run["stdout"], last["summary"]["counts"]) == (0, "r", "1\n", {"exited": 1})


PROXY = """
import socket, sys, threading
def pump(a, b):
    try:
        while part := a.recv(65536): b.sendall(part)
        b.shutdown(socket.SHUT_WR)
    except OSError: pass
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen(100)
while True:
    here, _ = listener.accept()
    there = socket.socket(socket.AF_UNIX); there.connect("/var/run/docker.sock")
    for pair in ((here, there), (there, here)): threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@pytest.fixture
def stopped_daemon(tmp_path: Path) -> Iterator[tuple[ServiceProcess, subprocess.Popen[bytes]]]:
    """A service that reaches Docker through a proxy, and the proxy, which a test can stop."""
    try:
        docker.from_env().ping()
    except DockerException as reason:
        pytest.skip(f"needs a Docker daemon: {reason}")
    path = tmp_path / "docker.sock"
    with subprocess.Popen([sys.executable, "-c", PROXY, str(path)]) as proxy:
        while not path.exists():
            time.sleep(0.05)
        env = {"DOCKER_HOST": f"unix://{path}", "VERIFIER_RUNNER": "docker", "VERIFIER_DRAIN_S": "2"}
        service = ServiceProcess(tmp_path / "log", env, free_port())
        service.start()
        try:
            yield service, proxy
        finally:
            proxy.send_signal(signal.SIGCONT)
            service.stop()
            time.sleep(5)  # boxes end by themselves when their service is gone
            proxy.kill()


@pytest.mark.docker
def test_a_daemon_that_hangs_holds_up_neither_an_answer_nor_the_end(
    stopped_daemon: tuple[ServiceProcess, subprocess.Popen[bytes]],
) -> None:
    service, proxy = stopped_daemon
    proxy.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    batch = {"submissions": [SLEEPS | {"completion": f"print({n})"} for n in range(3)] + [QUICK], "deadline_s": 4}
    results = httpx.post(f"{service.url}/v1/verify", json=batch, timeout=120).json()["results"]
    assert time.monotonic() - began < 12
    assert [one["score"] for one in results] == [None] * 3 + [1.0]
    os.kill(service.pid, signal.SIGTERM)
    began = time.monotonic()
    while Path(f"/proc/{service.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() - began < 45
        time.sleep(0.1)
