"""The first command of README.md waits for a service that is still starting; `tests/docs` runs all of them."""

import contextlib
import json
import os
import socket
import subprocess
import threading

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.docs.commands import commands_of

DOCUMENTED_URL = "http://127.0.0.1:8000"
COMMANDS = [
    words
    for block in blocks_of(ROOT / "README.md")
    for words in commands_of(block.body)
    if block.language == "bash" and words[0] == "curl"
]


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """The address of the service that the commands are sent to."""
    return os.environ.get("VERIFIER_E2E_URL") or request.getfixturevalue("verifier_url")


def test_the_first_command_waits_for_a_service_that_does_not_listen_yet(url: str) -> None:
    """Docker's proxy accepts connections before the service listens, and hangs up without an answer."""
    _, _, service = url.partition("//")
    with _Proxy(service, hangs_up=2) as proxy:
        words = [word.replace(DOCUMENTED_URL, proxy.url) for word in COMMANDS[0]]
        run = subprocess.run(
            [*words, "--noproxy", "*"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (run.returncode, proxy.taken) == (0, 3), run.stderr
        assert json.loads(run.stdout)["results"][0]["verdict"] == "accepted"


class _Proxy:
    """Accepts connections, hangs up on the first one, and forwards the others to a service."""

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
