"""Shared fixtures: a real service, started the way a user would start it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import httpx
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser  # pyright: ignore[reportMissingImports]

WARM_UP_S = 600
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_configure() -> None:
    """Hide GPUs: the expected values were computed on CPUs. Benchmarks use this file too, and keep their GPUs."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def free_port() -> int:
    """Return a free port on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServiceProcess:
    """A verifier in a separate process."""

    launched: ClassVar[list[subprocess.Popen[bytes]]] = []
    """All services started in this session. A failing test can leave some running."""

    def __init__(self, log: Path, env: dict[str, str] | None = None, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        own = {"VERIFIER_LOG_FORMAT": "json", "VERIFIER_STATE_DIR": str(log.parent / "state")}
        self._env = os.environ | own | (env or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running service."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the service."""
        command = [sys.executable, "-m", "verifier_service", "serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env)
        self.launched.append(self._process)

    def wait_until_ready(self) -> None:
        """Wait until the service reports that it is ready."""
        assert self._process is not None
        deadline = time.monotonic() + WARM_UP_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the service ended at once:\n{self._log.read_text()}"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=60).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the service is not ready after {WARM_UP_S} s:\n{self._log.read_text()}")

    def kill(self) -> None:
        """Kill the service without warning, like a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask the service to stop, and wait until it has."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Stop the services that failed tests have left running. Their boxes end with them."""
    yield
    for process in ServiceProcess.launched:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=120)


@pytest.fixture(scope="session", autouse=True)
def state_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep files of tests out of the home folder of the user who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        yield


@pytest.fixture(scope="session")
def verifier_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real service with the runner that works on this machine, or the one in VERIFIER_RUNNER."""
    service = ServiceProcess(tmp_path_factory.mktemp("service") / "log")
    service.start()
    yield service.url
    service.stop()


@pytest.fixture(scope="session")
def client(verifier_url: str) -> Iterator[httpx.Client]:
    """An HTTP client for the session's service."""
    with httpx.Client(base_url=verifier_url, timeout=600) as http:
        yield http


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A Chromium without a profile."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()
