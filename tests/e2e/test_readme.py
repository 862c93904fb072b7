"""What README.md shows is what happens: its curl commands, run as they stand, give the answers printed below them.

VERIFIER_E2E_URL names a service that already runs, for instance the composed one; else one is started.
"""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTED_URL = "http://127.0.0.1:8000"
COMMANDS = re.findall(r"^curl .*/v1/verify .*$", README, re.MULTILINE)
ANSWERS = re.findall(r'^\{"results": .*\}$', README, re.MULTILINE)
CUT = "..."
"""A key of this name in a documented result says that the real one has more fields."""


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """The address of the service that the commands are sent to."""
    return os.environ.get("VERIFIER_E2E_URL") or request.getfixturevalue("verifier_url")


def _shown(documented: dict[str, Any], real: dict[str, Any]) -> dict[str, Any]:
    """The part of a real result that the documented one speaks of."""
    return {key: real.get(key) for key in documented if key != CUT} if CUT in documented else real


def test_every_command_has_its_answer() -> None:
    assert len(COMMANDS) == len(ANSWERS) >= 2


@pytest.mark.parametrize(("command", "answer"), list(zip(COMMANDS, ANSWERS, strict=False)))
def test_a_documented_command_gives_the_documented_answer(url: str, command: str, answer: str) -> None:
    words = shlex.split(command.replace(DOCUMENTED_URL, url))
    run = subprocess.run([*words, "--noproxy", "*"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    real, documented = json.loads(run.stdout)["results"], json.loads(answer)["results"]
    assert [_shown(*pair) for pair in zip(documented, real, strict=True)] == [
        {key: value for key, value in one.items() if key != CUT} for one in documented
    ]


def test_the_first_command_waits_for_a_service_that_does_not_listen_yet(url: str) -> None:
    """Docker's proxy takes a connection before the service listens, and hangs up: no refusal, and no answer."""
    _, _, service = url.partition("//")
    with _Proxy(service, hangs_up=2) as proxy:
        words = shlex.split(COMMANDS[0].replace(DOCUMENTED_URL, proxy.url))
        run = subprocess.run(
            [*words, "--noproxy", "*"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (run.returncode, proxy.taken) == (0, 3), run.stderr
        assert json.loads(run.stdout)["results"][0]["verdict"] == "accepted"


class _Proxy:
    """Takes connections, hangs up on the first of them, and hands the others on to a service."""

    def __init__(self, service: str, hangs_up: int) -> None:
        host, _, port = service.partition(":")
        self._service = (host, int(port))
        self._hangs_up = hangs_up
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.taken = 0

    def __enter__(self) -> "_Proxy":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listening.accept()
                self.taken += 1
                with connection:
                    if self.taken > self._hangs_up:
                        self._hand_on(connection)

    def _hand_on(self, connection: socket.socket) -> None:
        with socket.create_connection(self._service) as behind:
            threading.Thread(target=_carry, args=(connection, behind), daemon=True).start()
            _carry(behind, connection)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
