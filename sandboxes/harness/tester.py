"""The tester process: runs `assert` code or pytest files against stand-ins of the submission, and reports.

`main(candidate, report, orders)` is its entry. `candidate` is the socket whose other end is served by `objects.serve`
in the process of the submission. `orders` are:

    mode         "assert" or "pytest"
    files        {name: text}; `assert` has one file, `tests.py`
    module       the name under which the tests import the submission
    entry_point  what `check(candidate)` is called with, or null
    folder       an empty folder that only this process may read (pytest)

`report` takes messages of a length (4 bytes, big endian) and a JSON object, and nobody else holds the other end:

    {"collected": [id, ...]}        every test that there is, before the first one runs
    {"test": {"id", "outcome", "message", "time_s"}}    outcomes as in `TestOutcome`; a test without one is missing
    {"broken": message}             the test code cannot be used, whatever the submission is; nothing follows
    {"finished": true, "lost": text}    the tests have come to their end; `lost` says why the submission has not

Nothing that a submission does may lead to `broken`, or to a `passed` that its answers did not earn: see `proxy`.
"""

import json
import socket
import sys
import time
import traceback
from collections.abc import Callable
from struct import Struct
from typing import Any

from sandboxes.harness.evidence import Evidence
from sandboxes.harness.proxy import RECURSION_LIMIT, Importer, Link, Refused, Submission

LENGTH = Struct(">I")
FLUSH_S = 0.01
"""Tests that take less than this are told together: each message wakes the supervisor."""
MAX_MESSAGE_CHARS = 2000
MAX_SHOWN_CHARS = 200


class Broken(BaseException):
    """The test code cannot be used, whatever the submission is."""


class Reporter:
    """Sends what came out of the tests to the supervisor."""

    def __init__(self, sock: socket.socket, link: Link) -> None:
        self.link = link
        self._socket = sock
        self._waiting: list[bytes] = []
        self._flushed_s = 0.0

    def send(self, **message: Any) -> None:
        """Send one message, at the latest with the first one that comes `FLUSH_S` later."""
        data = json.dumps(message).encode()
        self._waiting += LENGTH.pack(len(data)), data
        if time.monotonic() > self._flushed_s + FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        self._socket.sendall(b"".join(self._waiting))
        self._waiting.clear()
        self._flushed_s = time.monotonic()

    def test(self, test_id: str, outcome: str, message: str, time_s: float) -> None:
        """Tell the outcome of one test."""
        text = message if len(message) <= MAX_MESSAGE_CHARS else f"{message[:MAX_MESSAGE_CHARS]}..."
        self.send(test={"id": test_id, "outcome": outcome, "message": text, "time_s": round(time_s, 6)})

    def run(self, test_id: str, action: Callable[[], object]) -> None:
        """Run one test and tell its outcome, unless the submission's process was lost in it, whatever the test says."""
        notes = len(self.link.notes)
        started_s = time.monotonic()
        try:
            action()
            outcome, message = "passed", ""
        except Broken:
            raise
        except BaseException as error:
            outcome, message = self.judge(error)
        message = message.removeprefix(f"{test_id}: ")
        if outcome != "passed" and len(self.link.notes) > notes:
            message = f"{message} ({self.link.notes[-1]})"
        if self.link.lost:
            return  # a missing test: the supervisor knows what ended the submission
        self.test(test_id, outcome, message, time.monotonic() - started_s)

    def judge(self, error: BaseException) -> tuple[str, str]:
        """Return the outcome and the message of a test that ended with `error`."""
        if isinstance(error, AssertionError) and not is_from_submission(error):
            return "failed", describe_assertion(error)
        return "error", describe(error)


def is_from_submission(error: BaseException) -> bool:
    """Whether the submission raised `error`."""
    return where_raised(error) is not None


def where_raised(error: BaseException) -> str | None:
    """Return the end of the submission's traceback, if it raised `error`."""
    try:
        return object.__getattribute__(error, "_submission_where_")
    except AttributeError:
        return None


def describe(error: BaseException) -> str:
    """Return the exception in one line, with the place in the submission where it was raised."""
    try:
        text = "".join(traceback.format_exception_only(error)).strip()
    except BaseException:
        text = type(error).__name__
    where = where_raised(error)
    if isinstance(error, NameError) and where is None and error.name:
        text = f"{text}; the submission does not define it"
    return f"{text}\n{where}" if where else text


def describe_assertion(error: AssertionError) -> str:
    """Return the failed statement, and its left value where the rewritten code has noted one."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == "tests.py"
    ]
    text = "" if not error.args else f": {shown(error.args[0])}"
    if isinstance(error, Refused):
        text = f": {error}"
    if not frames:
        return f"{type(error).__name__}{text}"
    frame, line = frames[-1]
    import linecache

    statement = linecache.getline("tests.py", line).strip()
    notes = {**frame.f_globals, **frame.f_locals}
    left = f", the left side was {shown(notes['@left'])}" if notes.get("@line") == line and "@left" in notes else ""
    return f"line {line}: {statement[:MAX_SHOWN_CHARS]}{left}{text}"


def shown(value: Any) -> str:
    """Return a short `repr`; what the submission makes of it is only text."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def main(candidate: socket.socket, report: socket.socket, orders: dict[str, Any]) -> None:
    """Run the tests of `orders` and report; see the head of this module. Returns when all is reported."""
    if orders["mode"] == "pytest":  # pytest is slow to import, and need not be there for the rest
        from sandboxes.harness.tester_pytest import run
    else:
        from sandboxes.harness.tester_asserts import run

    module_name: str = orders["module"]
    evidence = Evidence(orders["files"], orders.get("entry_point"))
    link = Link(candidate, evidence)
    reporter = Reporter(report, link)
    submission = Submission(module_name, link)
    sys.modules[module_name] = submission
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    sys.meta_path.insert(0, Importer(submission))
    try:
        run(orders, submission, reporter)
    except Broken as problem:
        reporter.send(broken=str(problem)[:MAX_MESSAGE_CHARS])
        reporter.flush()
        return
    reporter.send(finished=True, lost=link.lost)
    reporter.flush()
