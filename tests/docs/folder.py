"""A page's copy of the repository, in which its blocks run one after the other."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

import httpx

from tests.conftest import free_port
from tests.docs.blocks import ROOT, Block

DOCUMENTED = re.compile(r"\b(127\.0\.0\.1|localhost):8000\b")
PORT_OPTION = re.compile(r"--port[ =](\d+)")
LEFT_OUT = {".git", ".venv", "runs", "dist", "build", "site", ".hypothesis", ".pytest_cache", ".ruff_cache"}
"""What the checkout's own folder has besides the repository; folders below may have such names."""
LONG_AGO = 1_577_836_800
"""2020. What the environment was made from has to be older than it, or `make` would install it again."""
TIMEOUT_S = 300
READY_WITHIN_S = 300
SHELL = """
[ ! -f "$BLOCKS_STATE" ] || source "$BLOCKS_STATE"
trap '{ export -p; printf "cd %q\\n" "$PWD"; } > "$BLOCKS_STATE"' EXIT
"""
"""Around each block: variables that it exports and the folder that it changes to are there for the next one."""


@dataclass(frozen=True)
class Ran:
    """The outcome of a block."""

    status: int
    stdout: str
    stderr: str

    @property
    def shown(self) -> str:
        """Its output, for people."""
        return f"status {self.status}\n--- stdout\n{self.stdout[-4000:]}\n--- stderr\n{self.stderr[-4000:]}"


@dataclass
class Folder:
    """Runs the blocks of one page."""

    path: Path
    """Where the copy is made."""
    url: str
    """The service that answers at the documented address."""
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the copy."""
        self._root = self.path / "repository"
        shutil.copytree(ROOT, self._root, ignore=lambda at, _: LEFT_OUT if Path(at) == ROOT else set(), symlinks=True)
        rule = re.search(r"^\$\(INSTALLED\): (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        for name in rule[1].split() if rule else ():
            os.utime(self._root / name, (LONG_AGO, LONG_AGO))
        (self._root / ".venv").symlink_to(sys.prefix)
        for name in ("home", "tmp"):
            (self.path / name).mkdir()

    def __enter__(self) -> "Folder":
        """Enter a context. At its end, services and other background processes of the blocks are stopped."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop everything that the page started."""
        for process in self._started:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._started:
            process.wait(timeout=120)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a block: that of the tests, but with the page's own folders and service."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERIFIER_E2E", "PYTEST"))}
        state = str(self.path / "state")
        own = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self._root),
            "HOME": str(self.path / "home"),
            "TMPDIR": str(self.path / "tmp"),
            "XDG_STATE_HOME": state,
            "BLOCKS_STATE": str(self.path / "shell"),
            "VERIFIER_URL": self.url,
            "VERIFIER_BOXES": "1",
            "VERIFIER_MATH_WORKERS": "1",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "COLUMNS": "120",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        return kept | own

    def write(self, name: str, body: str) -> None:
        """Save a block as a file of the page's repository."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")

    def run(self, block: Block, timeout_s: float = TIMEOUT_S) -> Ran:
        """Run a block of Bash or Python to its end."""
        out, err = self.path / "stdout", self.path / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = self._begin(self._script(block), stdout, stderr)
            try:
                status = process.wait(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                status = -signal.SIGKILL
                stderr.write(f"\nit had not ended after {timeout_s} s\n".encode())
        with suppress(ProcessLookupError):  # it left nothing in the background
            os.killpg(process.pid, 0)
            self._started.append(process)
        return Ran(status, out.read_text(errors="replace"), err.read_text(errors="replace"))

    def _begin(self, script: str, stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a script in its own process group, so that it can be ended with everything that it starts."""
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self._root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def serve(self, block: Block) -> Ran | None:
        """Start the service of a block, which answers the rest of the page. If it ends, return its output."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        log = self.path / f"service-{port}"
        body = PORT_OPTION.sub(f"--port {port}", block.body)
        with (self.path / "shell").open("a") as state:
            state.write(f"export VERIFIER_PORT={port} VERIFIER_URL={self.url}\n")
        script = self._script(Block(block.page, block.line, "bash", body, ""))
        with log.open("wb") as said:
            process = self._begin(script, said, said)
        self._started.append(process)
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=60, trust_env=False).status_code == 200:
                    return None
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        return Ran(process.poll() or 0, "", f"{log.read_text(errors='replace')}\nit is not ready at {self.url}")

    def _script(self, block: Block) -> str:
        body = DOCUMENTED.sub(urlsplit(self.url).netloc, block.body)
        if block.language == "python":
            name = self.path / f"line-{block.line}.py"
            name.write_text(body, encoding="utf-8")
            body = f"python {name}\n"
        return SHELL + body


def shows(shown: str, printed: str) -> bool:
    """Return whether a page shows the printed text. `...` matches anything; alone on a line, any number of lines."""
    pattern = ""
    for line in shown.strip("\n").splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part.rstrip()) for part in line.split("...")) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None
