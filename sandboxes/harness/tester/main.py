"""The tester process: runs `assert` code or pytest files against a submission, and reports the outcomes.

Across the wall, it runs them against stand-ins. The other end of the socket `candidate` is in the submission's process;
the other end of `channel` is the supervisor's alone. Two invariants: nothing that a submission does can lead to a
report of unusable tests, and no test passes unless the submission's answers have earned it.

In plain Python, it runs them against the submission itself. Nothing from such a process can be trusted, so its reports
can only take credit away.
"""

import importlib
import os
import socket
import sys

from sandboxes.harness.tester.imports import ImportGuard
from sandboxes.harness.tester.report import MAX_MESSAGE_CHARS, Reporter, TestsUnusable
from sandboxes.harness.tester.subject import AcrossTheWall, InThisProcess, Nobody, file_of
from sandboxes.harness.wall.evidence import Evidence
from sandboxes.harness.wall.link import RECURSION_LIMIT, Link
from sandboxes.protocol.child import TestOrders
from sandboxes.protocol.job import Mode
from sandboxes.protocol.report import Finished, Unusable

MODULES = {
    Mode.ASSERT: "sandboxes.harness.tester.asserts",
    Mode.PYTEST: "sandboxes.harness.tester.pytest_files",
}
"""The module with the `run` function of each mode. They are imported on demand: pytest is slow and optional."""


def main(candidate: socket.socket, channel: socket.socket, orders: TestOrders) -> None:
    """Run the tests of `orders` across the wall. All outcomes have been reported when this returns."""
    subject = AcrossTheWall(orders.module, Link(candidate, Evidence(orders.files)))
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    ImportGuard(orders.folder, orders.files).install()
    _run(orders, subject, Reporter(channel, subject))


def plain(channel: socket.socket, orders: TestOrders, folder: str, prelude: bytes) -> None:
    """Run the tests of `orders` in the same process as the submission, whose source is in `folder`."""
    subject = InThisProcess(orders.module, os.path.join(folder, file_of(orders.module)), prelude)
    _run(orders, subject, Reporter(channel, subject, at_once=True))


def list_tests(channel: socket.socket, orders: TestOrders) -> None:
    """Report which tests exist, or why they are unusable, in a process that never sees a submission."""
    subject = Nobody(orders.module)
    _run(orders, subject, Reporter(channel, subject))


def _run(orders: TestOrders, subject: AcrossTheWall | InThisProcess | Nobody, reporter: Reporter) -> None:
    run = importlib.import_module(MODULES[orders.mode]).run
    subject.install()
    try:
        run(orders, subject, reporter)
        reporter.conclude()
        reporter.send(Finished(lost=subject.lost))
    except TestsUnusable as problem:
        reporter.send(Unusable(why=str(problem)[:MAX_MESSAGE_CHARS]))
    reporter.flush()
