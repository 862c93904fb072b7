"""Traces, as a collector gets them: a real receiver of OTLP over HTTP that reads the protobuf."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tests.conftest import ServiceProcess
from verifier_service.api.entrance import Entrance
from verifier_service.observability.metrics import Metrics
from verifier_service.observability.requests import RequestLog
from verifier_service.observability.telemetry import Tracing
from verifier_service.settings import Settings

RECEIVED_WITHIN_S = 60
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ADD = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 1}]}


class Collector:
    """Listens at the address in OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.service = ""
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.service = next(a.value.string_value for a in one.resource.attributes if a.key == "service.name")
            for scope in one.scope_spans:
                self.spans.extend(scope.spans)

    def of(self, trace_id: str, count: int) -> dict[str, Span]:
        """Wait for this many spans of a trace, and return them by name."""
        deadline_s = time.monotonic() + RECEIVED_WITHIN_S
        while len(found := [span for span in self.spans if span.trace_id.hex() == trace_id]) < count:
            assert time.monotonic() < deadline_s, found
            time.sleep(0.1)
        return {span.name: span for span in found}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the service."""
    return tmp_path_factory.mktemp("traced") / "log"


@pytest.fixture(scope="module")
def traced(log: Path) -> Iterator[tuple[Collector, httpx.Client]]:
    """A collector, and a client of a service that sends its spans to it."""
    collector = Collector()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200", "NO_PROXY": "*"}
    service = ServiceProcess(log, env)
    service.start()
    with httpx.Client(base_url=service.url, timeout=120) as http:
        yield collector, http
    service.stop()
    collector.close()


def _attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in span.attributes}


def test_a_batch_is_a_tree_below_the_span_of_whoever_asked(traced: tuple[Collector, httpx.Client], log: Path) -> None:
    collector, http = traced
    submissions = [
        {"kind": "code", "completion": f"def f(x):\n  import time; time.sleep({s})\n  return x", "tests": ADD}
        for s in (0, 0.3)
    ]
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "traced-1"}
    answer = http.post("/v1/verify", json={"submissions": submissions}, headers=headers)
    assert [one["verdict"] for one in answer.json()["results"]] == ["accepted"] * 2
    spans = collector.of(TRACE, 5)
    assert collector.paths == {"/v1/traces"}
    assert collector.service == "grpo-verifier"
    request, batch = spans["POST /v1/verify"], spans["judge batch"]
    assert request.parent_span_id.hex() == PARENT
    assert request.kind == Span.SPAN_KIND_SERVER
    told = _attributes(request)
    assert (told["http.route"], told["http.response.status_code"]) == ("/v1/verify", 200)
    assert told["verifier.request_id"] == "traced-1"
    assert batch.parent_span_id == request.span_id
    assert (_attributes(batch)["verifier.items"], _attributes(batch)["verifier.results.code.accepted"]) == (2, 2)
    assert {span.parent_span_id for name, span in spans.items() if name in ("queue", "run", "judge")} == {batch.span_id}
    run = spans["run"]
    assert _attributes(run)["verifier.item"] == 1, "the one that took longest"
    assert run.end_time_unix_nano - run.start_time_unix_nano >= 0.3e9
    lines = [line for line in map(json.loads, log.read_text().splitlines()) if line.get("request_id") == "traced-1"]
    assert [(line["event"], line["trace_id"]) for line in lines] == [("request", TRACE)]
    assert request.start_time_unix_nano <= batch.start_time_unix_nano <= spans["queue"].start_time_unix_nano
    assert spans["judge"].end_time_unix_nano <= batch.end_time_unix_nano <= request.end_time_unix_nano


def test_there_is_no_span_for_each_submission(traced: tuple[Collector, httpx.Client]) -> None:
    collector, http = traced
    trace = "1" * 32
    batch = [{"kind": "math", "completion": f"\\boxed{{{n}}}", "reference": "2"} for n in range(50)]
    http.post("/v1/verify", json={"submissions": batch}, headers={"traceparent": f"00-{trace}-{PARENT}-01"})
    collector.of(trace, 4)
    time.sleep(1)
    assert len(collector.of(trace, 4)) <= 5


def test_a_request_that_names_no_span_begins_a_trace_and_one_that_is_not_sampled_sends_nothing(
    traced: tuple[Collector, httpx.Client],
) -> None:
    collector, http = traced
    http.get("/v1/info", headers={"traceparent": f"00-{'2' * 32}-{PARENT}-00"})
    http.get("/v1/info", headers={"traceparent": "nonsense", "X-Request-ID": "mine"})
    deadline_s = time.monotonic() + RECEIVED_WITHIN_S
    while not (found := [one for one in collector.spans if _attributes(one).get("verifier.request_id") == "mine"]):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert found[0].parent_span_id == b""
    assert found[0].status.code == Status.STATUS_CODE_UNSET
    assert not [span for span in collector.spans if span.trace_id.hex() == "2" * 32]


async def test_a_request_that_is_cancelled_leaves_its_span_its_counts_and_its_line_behind() -> None:
    spans, metrics, settings = InMemorySpanExporter(), Metrics(), Settings()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def nothing(*_: object) -> Any:
        return {"type": "http.disconnect"}

    entrance = Entrance(hangs, settings, metrics, RequestLog(settings, metrics), Tracing(provider))
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"x-request-id", b"mine")]}
    answering = asyncio.create_task(entrance(scope, nothing, nothing))
    await asyncio.sleep(0)
    answering.cancel()
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await answering
    (span,) = spans.get_finished_spans()
    assert span.name == "GET unmatched"
    wanted = {"http.route": "unmatched", "http.response.status_code": 499, "verifier.request_id": "mine"}
    assert wanted.items() <= dict(span.attributes or {}).items()
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]
    labels = {"method": "GET", "route": "unmatched", "status": "499"}
    assert metrics.registry.get_sample_value("verifier_http_requests_total", labels) == 1
    assert metrics.registry.get_sample_value("verifier_http_requests_in_flight") == 0


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    program = (
        "import sys; from verifier_service.app import create_app; create_app()\n"
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_start_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n"
        "from verifier_service.cli import cli; sys.argv = ['x', 'serve', '--port', '0']; cli()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "COLUMNS": "1000",
            "PATH": str(Path(sys.executable).parent),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 1
    assert "pip install 'grpo-verifier[telemetry]'" in run.stderr
