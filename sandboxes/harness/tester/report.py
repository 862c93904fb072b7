"""Report the outcomes of tests. See `protocol.report` for the messages."""

import linecache
import socket
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from sandboxes.harness.tester.subject import Subject
from sandboxes.harness.wall.policy import Refused
from sandboxes.protocol.child import ANSWER, Answer
from sandboxes.protocol.facts import TesterTest, TestOutcome, Twin
from sandboxes.protocol.report import Collected, Lied, Report, to_payload

FLUSH_S = 0.01
"""Tests that take less than this are reported together, because each message wakes the supervisor."""
MAX_MESSAGE_CHARS = 2000
MAX_SHOWN_CHARS = 200


class TestsUnusable(BaseException):
    """The test code is unusable for any submission."""

    __test__ = False


class LeftOut(BaseException):
    """The author of the tests has marked this test to be skipped or to fail.

    `by_failing` is true for the latter, whose outcome the submission has influenced.
    """

    def __init__(self, why: str, by_failing: bool = False) -> None:
        super().__init__(why)
        self.by_failing = by_failing


class Reporter:
    """Sends the outcomes of tests to the supervisor.

    With `at_once`, each report is sent immediately. This is for a process that can be killed during any test: unsent
    reports would be lost.
    """

    def __init__(self, sock: socket.socket, subject: Subject, *, at_once: bool = False) -> None:
        self.subject = subject
        self._socket = sock
        self._at_once = at_once
        self._waiting: list[bytes] = []
        self._flushed_s = 0.0
        self._left_out: list[tuple[str, LeftOut]] = []
        self._counted = 0
        self._told_a_lie = False

    def send(self, report: Report) -> None:
        """Send one report, at the latest together with the first one that comes `FLUSH_S` later."""
        payload = to_payload(report)
        self._waiting += ANSWER.pack(Answer.REPORT, len(payload)), payload
        if self._at_once or time.monotonic() > self._flushed_s + FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Send all waiting reports."""
        self._socket.sendall(b"".join(self._waiting))
        self._waiting.clear()
        self._flushed_s = time.monotonic()

    def collected(self, ids: Iterable[str]) -> None:
        """Report the list of tests, before the first one runs."""
        self.send(Collected(ids=tuple(ids)))

    def test(self, test_id: str, outcome: TestOutcome, message: str, time_s: float) -> None:
        """Report the outcome of one test."""
        text = message if len(message) <= MAX_MESSAGE_CHARS else f"{message[:MAX_MESSAGE_CHARS]}..."
        twin = self.subject.end_test() if outcome is TestOutcome.PASSED else Twin.NO
        if self.subject.lied and not self._told_a_lie:
            self._told_a_lie = True
            self.send(Lied(what=self.subject.lied))
        self._counted += outcome is not TestOutcome.LEFT_OUT
        self.send(TesterTest(id=test_id, outcome=outcome, message=text, time_s=round(time_s, 6), needs_twin=twin))

    def leave_out(self, test_id: str, why: LeftOut) -> None:
        """Note a test that does not count. It is reported at the end."""
        self._left_out.append((test_id, why))

    def conclude(self) -> None:
        """Report which tests do not count.

        If that would be all of them, those that are marked to fail count after all. Otherwise a submission that fails
        everything would have no tests.
        """
        all_left_out = not self._counted
        for test_id, why in self._left_out:
            outcome = TestOutcome.SKIPPED if all_left_out and why.by_failing else TestOutcome.LEFT_OUT
            self.test(test_id, outcome, str(why), 0.0)
        self._left_out.clear()

    def run(self, test_id: str, action: Callable[[], object], *, also_if_passed: bool = True) -> None:
        """Run one test and report its outcome, unless the submission's process was lost during it."""
        notes = len(self.subject.notes)
        self.subject.begin_test()
        started_s = time.monotonic()
        try:
            action()
            outcome, message = TestOutcome.PASSED, ""
        except LeftOut as why:
            return self.leave_out(test_id, why)
        except BaseException as error:
            outcome, message = self.judge(error)
        if self.subject.lost:
            return None  # it counts as missing: the supervisor knows what ended the submission
        if outcome is TestOutcome.PASSED and not also_if_passed:
            return None
        message = message.removeprefix(f"{test_id}: ")
        if outcome is not TestOutcome.PASSED and len(self.subject.notes) > notes:
            message = f"{message} ({self.subject.notes[-1]})"
        return self.test(test_id, outcome, message, time.monotonic() - started_s)

    def judge(self, error: BaseException) -> tuple[TestOutcome, str]:
        """Return the outcome and the message of a test that ended with `error`."""
        if isinstance(error, AssertionError) and not is_from_submission(error):
            return TestOutcome.FAILED, describe_assertion(error)
        return TestOutcome.ERROR, describe(error)


def is_from_submission(error: BaseException) -> bool:
    """Return whether the submission raised `error`."""
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
    statement = linecache.getline("tests.py", line).strip()
    notes = {**frame.f_globals, **frame.f_locals}
    left = f", the left side was {shown(notes['@left'])}" if notes.get("@line") == line and "@left" in notes else ""
    return f"line {line}: {statement[:MAX_SHOWN_CHARS]}{left}{text}"


def shown(value: Any) -> str:
    """Return a short `repr`. The submission can influence it, but it is only shown as text."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."
