"""Small real HTTP servers that fail in ways a healthy verifier never does, some of them in front of a real one."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import httpx

from verifier_service.schema import Checkers, Info, LimitTables

Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


INFO = (
    Info(
        version="0",
        runner="none",
        isolation="submission",
        languages=[],
        checkers=Checkers(stdio=[], call=[]),
        extraction_rules=[],
        verdicts={},
        limits=LimitTables(default={}, maximum={}),
        max_batch=4096,
        max_body_mb=64,
    )
    .model_dump_json()
    .encode()
)


class FaultServer:
    """Counts requests and answers according to its script; `info` is its answer to `GET /v1/info`."""

    def __init__(self, script: Callable[[int, bytes], Answer], info: bytes = INFO) -> None:
        self.bodies: list[bytes] = []
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    number = len(server.bodies)
                    if self.command == "POST":
                        server.bodies.append(body)
                status, headers, content = script(number, body) if self.command == "POST" else (200, {}, info)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the tests look at `bodies`."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> "FaultServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class DrippingServer:
    """Answers every request byte by byte, from the head or only from the body on, and never finishes."""

    def __init__(self, drips: Literal["head", "body"], every_s: float) -> None:
        self._drips = drips
        self._every_s = every_s
        self._ends = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._threads.append(threading.Thread(target=self._drip, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(100_000)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n"
            if self._drips == "body":
                connection.sendall(head)
            slow = head.replace(b"\r\n\r\n", b"\r\nX-Slow: " + b"x" * 9000) if self._drips == "head" else b" " * 9000
            for byte in slow:
                if self._ends.wait(self._every_s):
                    return
                connection.sendall(bytes([byte]))

    def __enter__(self) -> "DrippingServer":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()


@contextmanager
def losing_results(verifier_url: str, every: int) -> Iterator[FaultServer]:
    """Run in front of a real verifier and turn every n-th result into a `judge_error`, as a broken sandbox would."""
    count = 0

    def answer(_: int, body: bytes) -> Answer:
        nonlocal count
        response = httpx.post(f"{verifier_url}/v1/verify", content=body, timeout=600)
        parsed = response.json()
        for result in parsed["results"]:
            count += 1
            if count % every == 0:
                result |= {"verdict": "judge_error", "score": None, "message": "the box died twice"}
        return response.status_code, {"Content-Type": "application/json"}, json.dumps(parsed).encode()

    with FaultServer(answer) as server:
        yield server
