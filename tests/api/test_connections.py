"""The cost of a connection is limited, and refused ones leave nothing behind: a real service and hostile clients."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ServiceProcess

SEEN_WITHIN_S = 60
SLEEPS = {
    "kind": "code",
    "completion": "import time\ntime.sleep(60)",
    "tests": {"kind": "stdio", "cases": [{"stdout": ""}]},
    "limits": {"wall_limit_s": 60},
}
QUICK = {"kind": "math", "completion": "\\boxed{1}", "reference": "1"}
LIMITS = {
    "HEADER_TIME_S": "1",
    "BODY_TIME_S": "1",
    "MIN_BODY_KB_S": "1000",
    "MAX_CONNECTIONS": "8",
    "MAX_BODIES_MB": "8",
    "MAX_BODY_MB": "5",
    "DRAIN_S": "1",
}


class Fragile:
    """A service with tight limits, its log and its metrics."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.process = ServiceProcess(self.log, {f"VERIFIER_{name}": value for name, value in LIMITS.items()})
        self.process.start()

    def connect(self, sent: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.process.port), timeout=60, source_address=(address, 0))
        made.sendall(sent)
        return made

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request on its own connection."""
        return httpx.request(method, self.process.url + path, timeout=60, **more)

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [one for one in map(json.loads, self.log.read_text().splitlines()) if one["event"] == event]

    def count(self, status: int, route: str, method: str) -> float:
        series = f'verifier_http_requests_total{{method="{method}",route="{route}",status="{status}"}} '
        found = [line for line in self.ask("GET", "/metrics").text.splitlines() if line.startswith(series)]
        return float(found[0].removeprefix(series)) if found else 0.0

    def becomes(self, holds: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + SEEN_WITHIN_S
        while not holds():
            assert time.monotonic() < deadline_s, self.log.read_text()[-3000:]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fragile]:
    """One service for all tests here; the last of them ends it."""
    made = Fragile(tmp_path_factory.mktemp("fragile"))
    yield made
    with suppress(ProcessLookupError):
        made.process.stop()


def post(batch: object, *headers: str, length: int | None = None) -> bytes:
    """Return a request whose announced length can exceed its body."""
    body = json.dumps(batch).encode()
    lines = ["POST /v1/verify HTTP/1.1", "Host: localhost", f"Content-Length: {length or len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def told(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and document of all that arrives until the other end hangs up."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), json.loads(body)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: local", 408),
        (b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 70_000, 431),
        (b"\x16\x03\x01\x02\x00 no HTTP\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200, 400),
    ],
)
def test_what_never_becomes_a_request_has_an_id_a_line_and_is_counted(
    service: Fragile, sent: bytes, status: int
) -> None:
    before = service.count(status, "unmatched", "other")
    with service.connect(sent) as connection:
        if sent.count(b"GET") > 1:
            time.sleep(0.2)
        answer = told(connection)
    assert answer[0] == status
    _, headers, document = answer
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert (document["status"], document["request_id"]) == (status, headers["x-request-id"])
    (line,) = [one for one in service.lines("request") if one["request_id"] == headers["x-request-id"]]
    assert (line["status"], line["route"], line["peer"]) == (status, "unmatched", "127.0.0.1")
    assert service.count(status, "unmatched", "other") == before + 1


def test_a_slow_body_is_refused_as_the_request_that_it_is(service: Fragile) -> None:
    before = service.count(408, "/v1/verify", "POST")
    with service.connect(post({"submissions": [QUICK]}, "X-Request-ID: slow", length=100_000)) as connection:
        status, headers, document = told(connection)
    assert (status, headers["x-request-id"], document["request_id"]) == (408, "slow", "slow")
    assert "1000 KiB/s after 1 s" in document["detail"]
    assert [one["status"] for one in service.lines("request") if one["request_id"] == "slow"] == [408]
    assert service.count(408, "/v1/verify", "POST") == before + 1


def test_so_is_a_request_on_a_connection_too_many(service: Fragile) -> None:
    with ExitStack() as busy:
        for _ in range(8):
            busy.enter_context(service.connect(post({"submissions": [SLEEPS]})))
        service.becomes(lambda: "in_flight 9.0" in service.ask("GET", "/metrics").text)
        answer = service.ask("GET", "/v1/info", headers={"X-Request-ID": "many"})
        assert (answer.status_code, answer.json()["request_id"], answer.headers["retry-after"]) == (503, "many", "5")
        assert service.ask("GET", "/healthz").status_code == 200
    service.becomes(lambda: service.ask("GET", "/v1/info").status_code == 200)
    assert [one["status"] for one in service.lines("request") if one["request_id"] == "many"] == [503]


def test_the_bodies_of_one_client_leave_room_for_those_of_another(service: Fragile) -> None:
    large = post({"submissions": [SLEEPS]}, length=4_000_000)
    with service.connect(large + b" " * 3_900_000):
        service.becomes(lambda: "verifier_body_bytes 4e+06" in service.ask("GET", "/metrics").text)
        with service.connect(large) as refused:
            refused.settimeout(10)
            assert refused.recv(1000).startswith(b"HTTP/1.1 503")
        with service.connect(post({"submissions": [QUICK]}, "Connection: close"), "127.0.0.2") as small:
            assert told(small)[2]["results"][0]["verdict"] == "accepted"
        with service.connect(large, "127.0.0.2") as other:
            assert other.recv(1000).startswith(b"HTTP/1.1 503")
    service.becomes(lambda: "verifier_body_bytes 0.0" in service.ask("GET", "/metrics").text)


def test_a_compressed_body_is_refused_with_what_to_do(service: Fragile) -> None:
    answer = service.ask("POST", "/v1/verify", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding 'gzip'" in answer.json()["detail"]


def test_who_does_not_read_the_answer_is_hung_up_on(service: Fragile) -> None:
    asked = post({"submissions": [{"kind": "math", "id": "i" * 200}] * 4096}, "X-Request-ID: deaf")
    with service.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        with suppress(TimeoutError, ConnectionError):
            for _ in range(20):
                connection.sendall(asked)
        service.becomes(lambda: bool(service.lines("answer_not_read")))
    assert service.lines("answer_not_read")[0]["peer"] == "127.0.0.1"
    assert service.lines("answer_not_read")[0]["request_id"] == "deaf"
    assert not service.lines("request_failed")


def test_who_reads_slowly_but_keeps_the_pace_gets_all(service: Fragile) -> None:
    asked = post({"submissions": [{"kind": "math", "id": "i" * 200}] * 4096}, "Connection: close")
    with service.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(asked)
        got = b""
        while part := connection.recv(50_000):
            got += part
            time.sleep(0.02)
    assert got.endswith(b"}]}")
    assert got.count(b'"verdict"') == 4096


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"X: y\r\n" * 50_000, b"0\r\nX: " + b"y" * 200_000, b"5;" + b"x" * 200_000]
)
def test_what_is_around_a_body_is_not_endless(service: Fragile, endless: bytes) -> None:
    head = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with service.connect(head + b"2\r\n{}\r\n") as connection:
        connection.settimeout(10)
        with suppress(ConnectionError):
            connection.sendall(endless)
            assert told(connection)[0] == 400


def test_a_body_in_chunks_of_one_byte_is_read(service: Fragile) -> None:
    body = json.dumps({"submissions": [QUICK]}).encode() + b" " * 50_000
    head = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with service.connect(head + b"".join(b"1\r\n%c\r\n" % one for one in body) + b"0\r\n\r\n") as connection:
        status, _, document = told(connection)
    assert (status, document["results"][0]["verdict"]) == (200, "accepted")


def test_a_request_has_one_host(service: Fragile) -> None:
    with service.connect(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n") as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_what_is_no_request_is_not_answered_within_the_answer_to_another(service: Fragile) -> None:
    streamed = post({"submissions": [QUICK, SLEEPS]}, "Accept: application/x-ndjson")
    with service.connect(streamed) as connection:
        first = b""
        while b"accepted" not in first:
            first += connection.recv(65536)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\x16 no HTTP\r\n\r\n")
        rest = b""
        while part := connection.recv(65536):
            rest += part
    assert rest == b""


def test_a_head_that_comes_before_its_time_is_not_kept_without_bounds(service: Fragile) -> None:
    with service.connect(post({"submissions": [SLEEPS]}) + b"GET / HTTP/1.1\r\nX: ") as connection:
        connection.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 64_000_000:
                sent += connection.send(b"x" * 1_000_000)
    assert sent < 64_000_000


def test_who_goes_on_sending_after_the_answer_is_hung_up_on(service: Fragile) -> None:
    head = b"POST /v1/nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with service.connect(head) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 404")
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < SEEN_WITHIN_S:
                connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
                time.sleep(0.01)
        assert time.monotonic() - began < SEEN_WITHIN_S


def test_at_the_end_uploads_and_long_polls_are_told_and_it_is_kept_within_its_time(service: Fragile) -> None:
    (stored,) = service.ask("POST", "/v1/submissions", json={"submissions": [SLEEPS]}).json()["ids"]
    poll = f"GET /v1/submissions/{stored}?wait_s=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with service.connect(poll) as polling, service.connect(post({}, length=4_000_000)) as uploading:
        uploading.sendall(b" " * 3_900_000)
        service.becomes(lambda: "verifier_body_bytes 4e+06" in service.ask("GET", "/metrics").text)
        began = time.monotonic()
        os.kill(service.process.pid, signal.SIGTERM)
        for one in (polling, uploading):
            status, headers, document = told(one)
            assert (status, document["detail"].startswith("the service is shutting down")) == (503, True)
            assert int(headers["retry-after"]) >= 1
        assert time.monotonic() - began < 30
    service.process.stop()
    assert not service.lines("Exception in ASGI application\n")
