"""The tester process: runs `assert` code or pytest files against stand-ins of the submission, and reports.

`candidate` is the socket whose other end is served by `objects.serve` in the process of the submission. Nobody else
holds the other end of `channel`. Nothing that a submission does may lead to a report of unusable tests, or to a test
that passed which its answers did not earn: see `proxy`.
"""

import importlib
import socket
import sys

from sandboxes.harness.tester.report import MAX_MESSAGE_CHARS, Reporter, TestsUnusable
from sandboxes.harness.wall.evidence import Evidence
from sandboxes.harness.wall.link import RECURSION_LIMIT, Link
from sandboxes.harness.wall.submission import Importer, Submission
from sandboxes.protocol.child import TestOrders
from sandboxes.protocol.job import Mode
from sandboxes.protocol.report import Finished, Unusable

MODULES = {
    Mode.ASSERT: "sandboxes.harness.tester.asserts",
    Mode.PYTEST: "sandboxes.harness.tester.pytest_files",
}
"""What has the `run` of a mode. Each is imported only where it is wanted: pytest is slow, and need not be there."""


def main(candidate: socket.socket, channel: socket.socket, orders: TestOrders) -> None:
    """Run the tests of `orders` and report; returns when all is reported."""
    run = importlib.import_module(MODULES[orders.mode]).run
    link = Link(candidate, Evidence(orders.files))
    reporter = Reporter(channel, link)
    submission = Submission(orders.module, link)
    sys.modules[orders.module] = submission
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    sys.meta_path.insert(0, Importer(submission))
    try:
        run(orders, submission, reporter)
        reporter.send(Finished(lost=link.lost))
    except TestsUnusable as problem:
        reporter.send(Unusable(why=str(problem)[:MAX_MESSAGE_CHARS]))
    reporter.flush()
