"""gVisor's kernel between programs and the machine's kernel, if the Docker daemon has the runtime `runsc`.

The service only becomes ready if that runtime starts threads: docs/how-to/gvisor.md has the options.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from docker.errors import DockerException

import docker
from tests.conftest import ServiceProcess

pytestmark = [pytest.mark.docker, pytest.mark.long]
SMALL = {"time_limit_s": 1.0, "wall_limit_s": 20.0, "memory_limit_mb": 128, "output_limit_kb": 64}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service with one box. It is ready after the known submissions of every kind have passed."""
    try:
        if "runsc" not in docker.from_env().info()["Runtimes"]:
            pytest.skip("the Docker daemon has no runtime `runsc`")
    except DockerException as reason:
        pytest.skip(f"needs a Docker daemon: {reason}")
    env = {"VERIFIER_RUNNER": "docker", "VERIFIER_DOCKER_RUNTIME": "runsc", "VERIFIER_BOXES": "1"}
    service = ServiceProcess(tmp_path_factory.mktemp("service") / "log", env)
    service.start()
    with httpx.Client(base_url=service.url, timeout=600) as http:
        yield http
    service.stop()


def told(client: httpx.Client, *submissions: dict[str, Any]) -> list[str]:
    """Return the verdicts in order; for a judge_error, with its message."""
    body = {"submissions": [{"kind": "code", "limits": SMALL, **one} for one in submissions], "deadline_s": 500}
    results = client.post("/v1/verify", json=body).json()["results"]
    return [one["message"] if one["verdict"] == "judge_error" else one["verdict"] for one in results]


def doubled(program: str) -> dict[str, Any]:
    """Return a program that should double the number on its stdin."""
    return {"completion": program, "tests": {"kind": "stdio", "cases": [{"stdin": "3", "stdout": "6"}]}}


def test_it_is_another_kernel(client: httpx.Client) -> None:
    runs = {"runs": [{"language": "python", "source": "import os; print(os.uname().release)"}]}
    (result,) = client.post("/v1/run", json=runs).json()["results"]
    assert result["stdout"] == "4.4.0\n"  # what gVisor calls itself


def test_limits_hold_and_the_box_goes_on(client: httpx.Client) -> None:
    right = doubled("print(int(input()) * 2)")
    hostile = [
        doubled("while True: pass"),
        doubled("import os\nwhile True:\n    if os.fork() == 0: pass"),
        doubled("x = []\nwhile True: x.append(bytearray(1 << 20))"),
        doubled("while True: print('x' * 1000)"),
        doubled("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(99)\nprint(1)"),
    ]
    found = told(client, *(one for pair in zip(hostile, [right] * len(hostile), strict=True) for one in pair))
    assert found[1::2] == ["accepted"] * len(hostile), found
    assert found[0] == "time_limit_exceeded", found
    assert found[4] == "memory_limit_exceeded", found
    assert found[6] == "output_limit_exceeded", found
    assert "accepted" not in found[::2], found


def test_every_kind_of_tests_is_judged(client: httpx.Client) -> None:
    call = {"kind": "call", "entry_point": "f", "cases": [{"args": [n], "expected": n + 1} for n in range(3)]}
    asserts = {"kind": "assert", "code": "for n in range(9):\n    assert f(n) == n + 1"}
    pytests = {"kind": "pytest", "files": {"test_f.py": "from solution import f\ndef test_f():\n    assert f(1) == 2"}}
    right, wrong = "def f(n):\n    return n + 1", "def f(n):\n    return n"
    submissions = [{"completion": one, "tests": tests} for tests in (call, asserts, pytests) for one in (right, wrong)]
    assert told(client, *submissions) == ["accepted", "wrong_answer"] * 3
