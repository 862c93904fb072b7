"""The tester process: runs `assert` code or pytest files against a submission, and reports.

Across the wall it runs them against stand-ins, with `candidate` the socket whose other end is served in the process of
the submission. Nobody else holds the other end of `channel`. Nothing that a submission does may lead to a report of
unusable tests, or to a test that passed which its answers did not earn.

In plain Python it runs them against the submission itself. Nothing that comes from such a process can be trusted, so
its reports may only take credit away.
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
"""What has the `run` of a mode. Each is imported only where it is wanted: pytest is slow, and need not be there."""


def main(candidate: socket.socket, channel: socket.socket, orders: TestOrders) -> None:
    """Run the tests of `orders` across the wall and report; returns when all is reported."""
    subject = AcrossTheWall(orders.module, Link(candidate, Evidence(orders.files)))
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    ImportGuard(orders.folder, orders.files).install()
    _run(orders, subject, Reporter(channel, subject))


def plain(channel: socket.socket, orders: TestOrders, folder: str, prelude: bytes) -> None:
    """Run the tests of `orders` in one process with the submission, whose source lies in `folder`."""
    subject = InThisProcess(orders.module, os.path.join(folder, file_of(orders.module)), prelude)
    _run(orders, subject, Reporter(channel, subject, at_once=True))


def list_tests(channel: socket.socket, orders: TestOrders) -> None:
    """Tell which tests there are, or why they are of no use, with no submission anywhere near."""
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
