"""A submission and its tester in two forked processes, connected as in a box but without the box."""

import contextlib
import os
import resource
import signal
import socket
import sys
import tempfile
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandboxes.harness.tester import asserts, pytest_files
from sandboxes.harness.tester import main as tester
from sandboxes.harness.wall import server
from sandboxes.protocol.child import Answers, TestOrders
from sandboxes.protocol.facts import TesterTest, TestOutcome
from sandboxes.protocol.job import Mode
from sandboxes.protocol.report import Collected, Finished, Unusable, from_payload

MAX_REPORT_BYTES = 64 * 1024 * 1024
PRELOADED = (asserts, pytest_files)  # as in a box, where the processes are forked from a warm interpreter


@dataclass
class Told:
    """What a tester reported."""

    collected: list[str] = field(default_factory=list)
    outcomes: dict[str, TestOutcome] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    broken: str = ""
    lost: str = ""
    finished: bool = False

    @property
    def accepted(self) -> bool:
        """Whether every test was reported and passed."""
        told = sorted(self.outcomes) == sorted(self.collected) and set(self.outcomes.values()) == {TestOutcome.PASSED}
        return told and self.finished and not self.lost

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(outcome is TestOutcome.PASSED for outcome in self.outcomes.values())


def _serve(sock: socket.socket, source: str, name: str) -> None:
    module = types.ModuleType(name)
    module.__file__ = f"{name}.py"
    sys.modules[name] = module
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    code = compile(source, f"{name}.py", "exec", dont_inherit=True)
    server.serve(sock, module, lambda: exec(code, module.__dict__))


def _fork(work: Any, *keep: socket.socket) -> int:
    """Fork a process that does `work`. It keeps only these sockets: hostile programs write to all descriptors."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2) if not os.environ.get("WALL_DEBUG") else (0,):
            os.dup2(quiet, fd)
        first = 3
        for fd in sorted(sock.fileno() for sock in keep):
            os.closerange(first, fd)
            first = fd + 1
        os.closerange(first, 4096)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 (a forked child must not return into the test)
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def run(
    source: str,
    files: Mapping[str, str] | str,
    *,
    entry_point: str | None = None,
    wall_s: int = 30,
    in_shared_folder: bool = False,
) -> Told:
    """Run tests against a submission.

    `files` is the text of assert code, or the files of pytest. Both sides start in this process's folder, or in one
    that both can write to.
    """
    theirs, ours = socket.socketpair()
    report, told = socket.socketpair()
    with tempfile.TemporaryDirectory() as folder:
        shared = tempfile.mkdtemp(dir=folder) if in_shared_folder else os.getcwd()
        candidate = _fork(lambda: (os.chdir(shared), _serve(theirs, source, "solution")), theirs)
        theirs.close()
        orders = TestOrders(
            mode=Mode.ASSERT if isinstance(files, str) else Mode.PYTEST,
            files={"tests.py": files} if isinstance(files, str) else dict(files),
            entry_point=entry_point,
            folder=None if in_shared_folder else folder,
        )
        testing = _fork(lambda: (os.chdir(shared), signal.alarm(wall_s), tester.main(ours, told, orders)), ours, told)
        ours.close()
        told.close()
        result = _read(report)
        report.close()
        for pid in (testing, candidate):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert not list(Path(folder).glob("*.lock"))
    return result


def _read(report: socket.socket) -> Told:
    told, answers = Told(), Answers(MAX_REPORT_BYTES)
    while chunk := report.recv(1 << 16):
        answers.feed(chunk)
        while (answer := answers.take()) is not None:
            match from_payload(answer[1]):
                case Collected(ids=ids):
                    told.collected = list(ids)
                case TesterTest() as test:
                    told.outcomes[test.id], told.messages[test.id] = test.outcome, test.message
                case Unusable(why=why):
                    told.broken = why
                case Finished(lost=lost):
                    told.finished, told.lost = True, lost
    return told
