"""Break what a running service depends on: it must report that, blame no submission, and recover by itself."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.errors import APIError, DockerException

import docker
from tests.conftest import ServiceProcess

WITHIN_S = 60.0
"""The upper limit for a busy machine. On a quiet one it takes seconds."""

pytestmark = pytest.mark.docker


def daemon() -> docker.DockerClient:
    """Return a client of the daemon, or skip the test. In CI there must be one."""
    try:
        client = docker.from_env()
        client.images.get(f"{PREFIX}/python")
    except DockerException as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Docker daemon with an image for Python: {error}")
    return client


PREFIX = os.environ.get("VERIFIER_IMAGE_PREFIX", "grpo-verifier")
RIGHT = "def add(a, b):\n    return a + b"
CALL = {"kind": "call", "entry_point": "add", "cases": [{"args": [1, 2], "expected": 3}]}
PYTEST = {
    "kind": "pytest",
    "files": {
        "test_a.py": "import pytest, solution\n@pytest.fixture\ndef one():\n    return 1\n"
        "def test_a(one):\n    assert solution.add(one, 2) == 3\n"
    },
}
BATCH = 8


def freeze(box: Any) -> None:
    """Pause a container. The daemon gives up if a cgroup (v1) does not settle because processes come and go."""
    for _ in range(20):
        try:
            box.pause()
            return
        except APIError as error:
            if "unable to freeze" not in str(error):
                raise
    raise AssertionError("the daemon cannot pause the container")


def post(service: ServiceProcess, tests: Any, deadline_s: float) -> list[dict[str, Any]]:
    """Send right programs; return their results."""
    code = [{"kind": "code", "completion": f"{RIGHT}  # {n}", "tests": tests} for n in range(BATCH)]
    return send(service, code, deadline_s)


def send(service: ServiceProcess, submissions: list[Any], deadline_s: float) -> list[dict[str, Any]]:
    """Send submissions; return their results."""
    body = {"submissions": submissions, "deadline_s": deadline_s}
    return httpx.post(f"{service.url}/v1/verify", json=body, timeout=300).raise_for_status().json()["results"]


def reasons(service: ServiceProcess) -> dict[str, str]:
    """Return why the service is not ready, or nothing if it is."""
    answer = httpx.get(f"{service.url}/readyz", timeout=60)
    found = answer.json()["reasons"]
    assert (answer.status_code == 200) is (not found)
    return found


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


class Proxy:
    """A socket in front of the daemon's that can be cut: then connections fail, and every stream ends."""

    def __init__(self, path: Path, target: str) -> None:
        self.path, self._target = path, target
        self._ends: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Listen."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Close every connection."""
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                target = socket.socket(socket.AF_UNIX)
                target.connect(self._target)
                self._ends += [client, target]
                for source, sink in ((client, target), (target, client)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def test_while_the_daemon_is_away_it_is_not_ready_and_what_comes_waits(tmp_path: Path) -> None:
    """Nothing is lost: submissions sent meanwhile are judged when it is back, and the service recovers by itself."""
    daemon()
    proxy = Proxy(tmp_path / "docker.sock", "/var/run/docker.sock")
    proxy.open()
    env = {"VERIFIER_RUNNER": "docker", "DOCKER_HOST": f"unix://{proxy.path}", "VERIFIER_BOXES": "1"}
    service = ServiceProcess(tmp_path / "log", env)
    service.start()
    with ThreadPoolExecutor() as threads:
        proxy.cut()
        wait_for(lambda: "python call" in reasons(service))
        waiting = threads.submit(post, service, CALL, 120.0)
        in_vain = post(service, CALL, 1.0)
        assert {one["verdict"] for one in in_vain} == {"judge_error"}
        assert {one["score"] for one in in_vain} == {None}
        assert "Docker" in in_vain[0]["message"]
        assert not waiting.done()
        math = send(service, [{"kind": "math", "completion": "\\boxed{2}", "reference": "2"}], 30.0)
        assert math[0]["verdict"] == "accepted"
        proxy.open()
        assert {one["verdict"] for one in waiting.result(timeout=WITHIN_S)} == {"accepted"}
        wait_for(lambda: not reasons(service))
    service.stop()


@pytest.fixture
def broken_image() -> Iterator[str]:
    """The prefix of an image for Python that has no pytest."""
    client = daemon()
    command = ["rm", "-rf", *_pytest_of(client)]
    container = client.containers.create(f"{PREFIX}/python", command, user="0:0", entrypoint=[])
    container.start()
    container.wait()
    prefix = f"broken-{os.getpid()}"
    image = container.commit(f"{prefix}/python")
    container.remove()
    yield prefix
    client.images.remove(image.id, force=True)


def _pytest_of(client: docker.DockerClient) -> list[str]:
    code = "import _pytest, pytest, os; print(os.path.dirname(pytest.__file__), os.path.dirname(_pytest.__file__))"
    command = ["python3", "-c", code]
    return client.containers.run(f"{PREFIX}/python", command, entrypoint=[], remove=True).decode().split()


def test_an_image_that_misjudges_what_is_right_judges_nothing_of_that_kind(tmp_path: Path, broken_image: str) -> None:
    """Without pytest, right programs would fail. Other kinds of tests are still judged."""
    env = {"VERIFIER_RUNNER": "docker", "VERIFIER_IMAGE_PREFIX": broken_image, "VERIFIER_BOXES": "1"}
    service = ServiceProcess(tmp_path / "log", env)
    service.launch()
    wait_for(lambda: listening(service) and list(reasons(service)) == ["python pytest"])
    assert {one["verdict"] for one in post(service, CALL, 60.0)} == {"accepted"}
    found = post(service, PYTEST, 2.0)
    assert {one["verdict"] for one in found} == {"judge_error"}
    assert "python pytest cannot be judged here" in found[0]["message"]
    service.stop()


def listening(service: ServiceProcess) -> bool:
    """Return whether the service answers at all."""
    try:
        return httpx.get(f"{service.url}/healthz", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(one) for one in (task / "children").read_text(encoding="ascii").split()]
    return found


def test_while_math_workers_are_killed_it_is_not_ready_and_no_answer_is_wrong(tmp_path: Path) -> None:
    """All workers die every 20 ms. Right answers are accepted or get a judge error; afterwards all are accepted."""
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_MATH_WORKERS": "2"})
    service.start()
    stop = threading.Event()
    (server,) = [one for one in children_of(service.pid) if b"forkserver" in Path(f"/proc/{one}/cmdline").read_bytes()]

    def kill() -> None:
        while not stop.wait(0.02):
            for worker in children_of(server):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    items = [
        {"kind": "math", "completion": f"\\boxed{{\\sin(x)^2+\\cos(x)^2+{n}}}", "reference": f"{n}+1"}
        for n in range(50)
    ]
    wait_for(lambda: any("math" in name for name in reasons(service)))
    found = send(service, items, 8.0)
    stop.set()
    killer.join()
    assert {one["verdict"] for one in found} <= {"accepted", "judge_error"}
    wait_for(lambda: not reasons(service))
    assert {one["verdict"] for one in send(service, items, 120.0)} == {"accepted"}
    service.stop()


def test_what_is_frozen_with_its_box_passes_no_wall_limit(tmp_path: Path) -> None:
    """Each box is paused for longer than its program's limit, as a suspended job or a paused container would be."""
    client = daemon()
    service = ServiceProcess(tmp_path / "log", {"VERIFIER_RUNNER": "docker", "VERIFIER_BOXES": "1"})
    service.start()
    program = "import time\nwhile time.process_time() < 1.0: pass\nprint(input())"
    tests = {"kind": "stdio", "cases": [{"stdin": "7", "stdout": "7"}]}
    limits = {"time_limit_s": 3, "wall_limit_s": 3}
    submission = {"kind": "code", "completion": f"```python\n{program}\n```", "tests": tests, "limits": limits}
    with ThreadPoolExecutor() as threads:
        judged = threads.submit(send, service, [submission], 120.0)
        time.sleep(0.4)
        labelled = client.containers.list(filters={"label": "grpo-verifier.owner"})
        boxes = [box for box in labelled if f":{service.pid}:" in box.labels["grpo-verifier.owner"]]
        assert boxes
        for box in boxes:
            freeze(box)
        time.sleep(6.0)
        assert not judged.done()
        for box in boxes:
            box.unpause()
        assert judged.result(timeout=WITHIN_S)[0]["verdict"] == "accepted"
    service.stop()
