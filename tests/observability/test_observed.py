"""What an operator sees of a real service: every line and number here comes from a real disturbance."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import ServiceProcess
from verifier_service.app import create_app
from verifier_service.observability.logs import without_words
from verifier_service.settings import Settings
from verifier_service.store.queue import StoredQueue

MARK = "zanzibar"
"""A word of submissions and tests, for which nothing else has a use."""
SEEN_WITHIN_S = 60
ADD = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 1}]}


def math(**fields: Any) -> dict[str, Any]:
    return {"kind": "math", "completion": "\\boxed{2}", "reference": "2"} | fields


def code(completion: str = "def f(x): return x", **fields: Any) -> dict[str, Any]:
    return {"kind": "code", "completion": completion, "tests": ADD} | fields


class Watched:
    """A service with its log and its metrics."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.log = folder / "log"
        self.process = ServiceProcess(self.log, {"VERIFIER_BOXES": "2", "VERIFIER_MATH_WORKERS": "1"} | env)
        self.process.start()
        self.http = httpx.Client(base_url=self.process.url, timeout=120)

    def verify(self, *submissions: Any, **fields: Any) -> list[dict[str, Any]]:
        answer = self.http.post("/v1/verify", json={"submissions": list(submissions), **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def count(self, name: str, **labels: str) -> float:
        """Return the sum of all series with this name and these labels."""
        total = 0.0
        for series, value in re.findall(rf"^{name}(\{{.*\}})? (\S+)$", self.http.get("/metrics").text, re.MULTILINE):
            if all(f'{label}="{wanted}"' in series for label, wanted in labels.items()):
                total += float(value)
        return total

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def becomes(self, holds: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + SEEN_WITHIN_S
        while not holds():
            assert time.monotonic() < deadline_s, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def children(self) -> list[int]:
        """Return all descendants of the service's process."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
        found = [self.process.pid]
        for one in found:
            found += [pid for pid, parent in parents.items() if parent == one]
        return found[1:]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One service for all tests here."""
    made = Watched(tmp_path_factory.mktemp("observed"), VERIFIER_MAX_BODY_MB="1", VERIFIER_LOG_LEVEL="debug")
    yield made
    made.http.close()
    made.process.stop()


QUOTING = [
    code(f"{MARK} = ("),
    code(f"def f(x): raise ValueError('{MARK}')"),
    code(tests={"kind": "assert", "code": f"assert {MARK} =="}),
    code(tests={"kind": "assert", "code": f"def {MARK}(:"}),
    code(tests={"kind": "pytest", "code": f"import {MARK}"}),
    code(tests={"kind": "call", "entry_point": MARK, "prelude": f"raise {MARK}", "cases": [{"expected": MARK}]}),
    code(tests={"kind": "stdio", "cases": [{"stdout": MARK, "files": {f"../{MARK}": ""}}]}),
    code(tests={"kind": MARK}),
    code(language=MARK),
    math(completion=f"\\boxed{{{MARK}", reference=f"\\frac{{{MARK}"),
    math(reference=f"{MARK}^{{9^{{9^{{9}}}}}}"),
    math(extract=[MARK]),
    {"kind": MARK, MARK: MARK},
    MARK,
]


def trouble(service: Watched) -> None:
    """Provoke every message that could quote a submission, in results and in errors."""
    for _ in range(2):
        answer = service.http.post("/v1/verify", json={"submissions": QUOTING})
        assert answer.status_code == 200
        assert answer.text.count(MARK) > len(QUOTING)
    service.http.post("/v1/run", json={"runs": [{"source": f"print('{MARK}', {MARK})", "argv": [MARK]}]})
    service.http.post("/v1/verify", content=f'{{"{MARK}": ')
    service.http.post("/v1/verify", json={MARK: MARK})
    service.http.get(f"/v1/submissions/{MARK}")
    service.http.get(f"/{MARK}", params={MARK: MARK}, headers={"X-Request-ID": f'"{MARK}"', MARK: MARK})
    assert MARK in service.http.get("/v1/suites/" + MARK).text


def test_a_log_holds_no_text_of_submissions_or_tests(service: Watched) -> None:
    trouble(service)
    service.becomes(lambda: any(line.get("cause") == "bad_request" for line in service.lines()))
    assert MARK not in service.log.read_text()


def test_a_log_holds_it_when_asked_to(tmp_path: Path) -> None:
    service = Watched(tmp_path, VERIFIER_LOG_TEXT="1")
    try:
        trouble(service)
        service.becomes(lambda: MARK in service.log.read_text())
    finally:
        service.process.stop()


def test_an_error_of_ours_is_logged_without_its_words() -> None:
    def fail() -> None:
        try:
            raise KeyError(MARK)
        except KeyError as error:
            raise ExceptionGroup(MARK, [ValueError(MARK), OSError(MARK)]) from error

    with pytest.raises(ExceptionGroup) as raised:
        fail()
    told = without_words((raised.type, raised.value, raised.tb))
    assert all(name in told for name in ("ExceptionGroup", "ValueError", "OSError", "KeyError", "in fail"))
    assert MARK not in told.replace("raise KeyError(MARK)", "")


@pytest.mark.parametrize("may_quote", [False, True])
def test_so_are_those_that_libraries_log(may_quote: bool) -> None:
    program = (
        "import logging, structlog; from verifier_service.observability.logs import configure\n"
        "from verifier_service.settings import Settings; configure(Settings())\n"
        "def log(how):\n"
        "  try: raise ValueError('zanz' + 'ibar')\n"
        "  except ValueError: how('it_broke', exc_info=True)\n"
        "log(structlog.get_logger().error); log(logging.getLogger('uvicorn.error').error)\n"
        "logging.getLogger('asyncio').error('never retrieved\\nfuture: ' + 'zanz' + 'ibar')\n"
    )
    for log_format in ("json", "console"):
        env = os.environ | {"VERIFIER_LOG_FORMAT": log_format, "VERIFIER_LOG_TEXT": str(int(may_quote))}
        command = [sys.executable, "-c", program]
        told = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stderr
        assert told.count("it_broke") == 2
        assert told.count("ValueError") >= 2
        assert "never retrieved" in told
        assert told.count(MARK) == (3 if may_quote else 0)


def test_all_lines_of_a_request_have_its_id_and_one_tells_of_it(service: Watched) -> None:
    service.http.post("/v1/verify", json={"submissions": [math(), {"kind": "?"}]}, headers={"X-Request-ID": "two"})
    service.becomes(lambda: any(line.get("request_id") == "two" for line in service.lines() if "status" in line))
    lines = [line for line in service.lines() if line.get("request_id") == "two"]
    assert [line["event"] for line in lines] == ["judge_error", "request"]
    request = lines[1]
    assert (request["method"], request["route"], request["status"], request["items"]) == ("POST", "/v1/verify", 200, 2)
    assert request["seconds"] > 0
    assert request["level"] == "info"
    probes = [line for line in service.lines() if line.get("route") == "/readyz" and line["status"] == 200]
    assert {line["level"] for line in probes} == {"debug"}


@pytest.mark.parametrize(
    ("method", "path", "body", "route", "status"),
    [
        ("POST", "/v1/verify", b"{", "/v1/verify", 400),
        ("POST", "/v1/verify", b"{}", "/v1/verify", 422),
        ("POST", "/v1/verify", b" " * 2_000_000, "/v1/verify", 413),
        ("GET", "/v1/verify", b"", "/v1/verify", 405),
        ("GET", "/v1/submissions/none", b"", "/v1/submissions/{submission_id}", 404),
        ("GET", "/v1/suites/none", b"", "/v1/suites/{sha256}", 422),
        ("PUT", "/v1/suites/" + "0" * 64, b"{}", "/v1/suites/{sha256}", 409),
        ("PROPFIND", "/coffee", b"", "unmatched", 404),
    ],
)
def test_a_status_is_counted_as_what_it_is(
    service: Watched, method: str, path: str, body: bytes, route: str, status: int
) -> None:
    labels = {"route": route, "status": str(status), "method": "other" if method == "PROPFIND" else method}
    before, refused = service.count("verifier_http_requests_total", **labels), _refused(service, status)
    assert service.http.request(method, path, content=body).status_code == status
    service.becomes(lambda: service.count("verifier_http_requests_total", **labels) == before + 1)
    assert _refused(service, status) == refused + 1


def _refused(service: Watched, status: int) -> float:
    return service.count("verifier_requests_refused_total", status=str(status))


def test_a_probe_before_the_service_is_ready_refuses_nothing(service: Watched) -> None:
    assert service.count("verifier_http_requests_total", route="/readyz", status="503") > 0
    assert _refused(service, 503) == 0


def test_who_hangs_up_is_counted_and_not_as_refused(service: Watched) -> None:
    slow = json.dumps({"submissions": [code("import time\ntime.sleep(5)", limits={"wall_limit_s": 9})]}).encode()
    with socket.create_connection(("127.0.0.1", service.process.port)) as connection:
        connection.sendall(
            b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(slow) + slow
        )
        service.becomes(lambda: service.count("verifier_submissions_in_hand") == 1)
        assert service.count("verifier_client_submissions_in_hand", client="") == 1
    service.becomes(lambda: service.count("verifier_http_requests_total", status="499") == 1)
    assert _refused(service, 499) == 0
    assert service.count("verifier_client_submissions_in_hand", client="") == 0


async def test_a_fault_of_ours_is_a_500_that_is_counted_and_has_its_id() -> None:
    app: FastAPI = create_app(Settings())

    @app.get("/breaks/{number}")
    async def breaks(number: int) -> None:
        raise ValueError(f"{MARK} {number}")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        answer = await http.get("/breaks/7", headers={"X-Request-ID": "broken"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"] == "broken"
    assert MARK not in answer.text
    labels = {"method": "GET", "route": "/breaks/{number}", "status": "500"}
    assert app.state.metrics.registry.get_sample_value("verifier_http_requests_total", labels) == 1


def test_phases_are_counted_by_language_and_what_never_ran_has_none(service: Watched) -> None:
    def phases(kind: str, language: str) -> float:
        return service.count("verifier_phase_seconds_count", kind=kind, language=language, phase="run")

    python, unknown, deadlines = phases("code", "python"), phases("code", "other"), _errors(service, "deadline")
    service.verify(code(), code("def f(x): return x + 1", language="PY"), code("no program"), math())
    assert phases("code", "python") == python + 3
    results = service.verify(*(code(f"def f(x): return {n}") for n in range(2)), deadline_s=0.000001)
    results += service.verify(math(), math(reference="3"), deadline_s=0.000001)
    assert {one["verdict"] for one in results} == {"judge_error"}
    assert phases("code", "python") == python + 3, "what was cut off by its deadline was not quick"
    assert _errors(service, "deadline") == deadlines + 4
    series = service.http.get("/metrics").text.count("\n")
    service.verify(*(code(language=f"language{n}") for n in range(50)))
    assert phases("code", "other") == unknown
    assert service.http.get("/metrics").text.count("\n") - series < 30, "no client makes new series"
    assert service.count("verifier_phase_seconds_sum", kind="math", phase="judge") > 0


def _errors(service: Watched, cause: str) -> float:
    return service.count("verifier_judge_errors_total", cause=cause)


def test_signals_are_counted_by_kind(service: Watched) -> None:
    before = service.count("verifier_signals_total", kind="code", signal="ended_early")
    (result,) = service.verify(code("import os\ndef f(x): os._exit(0)"))
    assert "ended_early" in result["signals"]
    assert service.count("verifier_signals_total", kind="code", signal="ended_early") == before + 1


def test_boxes_are_counted_when_they_start_are_reset_and_die(service: Watched) -> None:
    service.verify(code())
    service.becomes(lambda: service.count("verifier_boxes", state="busy") == 0)
    assert service.count("verifier_boxes_reset_total", language="python") >= 1
    started, died = service.count("verifier_boxes_started_total"), _destroyed(service, "died")
    with ThreadPoolExecutor(1) as pool:
        slow = code("import time\ndef f(x):\n    time.sleep(2)\n    return x", limits={"wall_limit_s": 30})
        judged = pool.submit(service.verify, slow)
        service.becomes(lambda: service.count("verifier_boxes", state="busy") == 1)
        _end_all_boxes(service)
        assert judged.result()[0]["verdict"] == "accepted"
    service.becomes(lambda: _destroyed(service, "died") > died)
    assert _destroyed(service, "used_once") == 0
    assert service.count("verifier_boxes_started_total") > started
    assert service.count("verifier_image_info", language="python") == 1


def _destroyed(service: Watched, cause: str) -> float:
    return service.count("verifier_boxes_destroyed_total", cause=cause)


def _end_all_boxes(service: Watched) -> None:
    """End the boxes of this service from outside, with any runner."""
    if service.http.get("/v1/info").json()["runner"] == "docker":
        label = f"label=grpo-verifier.owner={_owner(service.process.pid)}"
        boxes = subprocess.run(["docker", "ps", "-q", "--filter", label], capture_output=True, text=True, check=True)
        subprocess.run(["docker", "kill", *boxes.stdout.split()], capture_output=True, check=True)
        return
    for pid in service.children():
        if b"bwrap" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def _owner(pid: int) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{boot}:{os.stat(f'/proc/{pid}/ns/pid').st_ino}:{pid}:{started}"


def test_math_workers_are_counted_when_they_start_and_die(service: Watched) -> None:
    service.verify(math())
    started, died = service.count("verifier_math_workers_started_total"), _workers_died(service)
    assert started >= 1
    slow = math(completion="\\boxed{\\int_0^1 \\sin(x^{x^x}) dx}", reference="\\int_0^2 \\cos(x^{x^x}) dx")
    quick = [math(completion=f"\\boxed{{{n}}}") for n in range(400)]
    body = json.dumps({"submissions": [slow, *quick]}).encode()
    with socket.create_connection(("127.0.0.1", service.process.port)) as connection:
        connection.sendall(
            b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        service.becomes(lambda: service.count("verifier_submissions_in_hand") > 0)
        for pid in _math_workers(service):
            os.kill(pid, signal.SIGKILL)
        connection.recv(100)
    service.becomes(lambda: service.count("verifier_math_workers_started_total") > started)
    assert _workers_died(service) > died


def _workers_died(service: Watched) -> float:
    return service.count("verifier_math_workers_ended_total")


def _math_workers(service: Watched) -> list[int]:
    """Return the children of the fork server."""
    servers = [pid for pid in service.children() if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(servers[0])], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]


def test_a_held_up_loop_is_seen(service: Watched) -> None:
    before = service.count("verifier_event_loop_lag_seconds_count") - _lag_below_half_a_second(service)
    os.kill(service.process.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(service.process.pid, signal.SIGCONT)
    service.becomes(
        lambda: service.count("verifier_event_loop_lag_seconds_count") - _lag_below_half_a_second(service) > before
    )


def _lag_below_half_a_second(service: Watched) -> float:
    return service.count("verifier_event_loop_lag_seconds_bucket", le="0.5")


def test_the_process_and_the_build_are_told(service: Watched) -> None:
    for name in ("process_resident_memory_bytes", "process_open_fds", "python_gc_collections_total", "verifier_ready"):
        assert service.count(name) > 0, name
    build = service.http.get("/v1/info").json()
    assert service.count("verifier_build_info", version=build["build"], runner=build["runner"]) == 1


@pytest.mark.skipif(not hasattr(StoredQueue, "depth"), reason="the store does not tell how much it holds")
def test_what_is_stored_and_not_done_is_counted_with_its_age(service: Watched) -> None:
    slow = code("import time\ntime.sleep(1)", limits={"wall_limit_s": 9})
    service.http.post("/v1/submissions", json={"submissions": [slow] * 24})  # more than are in flight at once
    service.becomes(lambda: service.count("verifier_durable_submissions") > 0)
    service.becomes(lambda: service.count("verifier_durable_oldest_seconds") > 0)
    service.becomes(lambda: service.count("verifier_durable_submissions") == 0)
