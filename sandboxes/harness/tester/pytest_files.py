"""Run test files with pytest, and report the outcome of every collected test.

A test passes if pytest says so and the submission's process was alive to the end of it. A test does not count if its
author marked it to be skipped or to fail, or if nothing in it comes from the submission (see `pytest_marks`). A test
that skips itself while it runs has not passed: otherwise a submission could gain by making tests skip. A file that
cannot be collected counts as one test with an error. The test code is unusable if a file is not valid Python, imports a
missing module at its top, or if no file contains a test. This is checked before the submission is loaded.
"""

import ast
import asyncio
import importlib.util
import inspect
import io
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest import skipping

from sandboxes.harness.tester import pytest_marks
from sandboxes.harness.tester.imports import ImportGuard
from sandboxes.harness.tester.plan import MARKS
from sandboxes.harness.tester.pytest_marks import Written
from sandboxes.harness.tester.report import LeftOut, Reporter, TestsUnusable, describe, is_from_submission
from sandboxes.harness.tester.subject import Nobody, Subject, file_of
from sandboxes.harness.wall.link import SubmissionLost
from sandboxes.protocol.child import TestOrders
from sandboxes.protocol.facts import TestOutcome

_ARGUMENTS = (
    "-q", "--tb=short", "--no-header", "--no-summary", "--capture=sys", "--continue-on-collection-errors",
    "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:junitxml", "-p", "no:pastebin",
)  # fmt: skip
_SETTINGS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_FOUND_BY_NAME = ("test_*.py", "*_test.py")


def run(orders: TestOrders, subject: Subject, reporter: Reporter) -> None:
    """Run the files of `orders` in their folder."""
    files = orders.files
    written = pytest_marks.read(_parse_all(files), subject.name)
    with_tests = {name: found for name, found in written.items() if found.tests}
    if not with_tests:
        raise TestsUnusable("no file holds a test")
    _check_imports(_parse_all(files), subject.name)
    if all(set(found.tests) <= found.independent for found in with_tests.values()):
        raise TestsUnusable("no test uses the submission")
    folder = _write_files(orders)
    ids = [
        f"{name}::{test}"
        for name, found in sorted(with_tests.items())
        for test in found.tests
        if test not in found.independent
    ]
    try:
        if isinstance(subject, Nobody) or not _puts_stubs(files):
            subject.hello([])
    except SubmissionLost:
        return _list(with_tests, ids, reporter)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        reporter.collected(ids)
        for test_id in ids:
            reporter.test(test_id, TestOutcome.ERROR, f"the submission cannot be loaded: {describe(error)}", 0.0)
        return None
    plugin = Plugin(reporter, subject, written, orders)
    _run_pytest(plugin, folder, files, sorted(with_tests))
    return None


def _puts_stubs(files: Mapping[str, str]) -> bool:
    """Return whether tests might replace something that the submission imports. If so, they import it themselves."""
    return any("sys.modules" in text for text in files.values())


def _list(with_tests: Mapping[str, Written], ids: list[str], reporter: Reporter) -> None:
    """Report which tests exist according to their text.

    A test is listed once for each row of its parameters. Those that their author has marked are reported separately,
    because they can be excluded.
    """
    rows = {f"{name}::{test}": count for name, found in with_tests.items() for test, count in found.rows.items()}
    marked = {f"{name}::{test}" for name, found in with_tests.items() for test in found.marked - found.doubtful}
    reporter.collected([test_id for test_id in ids for _ in range(rows.get(test_id, 1))])
    for test_id in ids:
        if test_id in marked:
            reporter.test(test_id, TestOutcome.LEFT_OUT, "", 0.0)


def _write_files(orders: TestOrders) -> Path:
    """Write the files where pytest will find them. In plain Python, the submission's source is in the same folder."""
    assert orders.folder is not None
    folder = Path(orders.folder)
    own = os.umask(0o066)
    try:
        folder.mkdir(mode=0o711, exist_ok=True)
        for name, text in orders.files.items():
            path = folder / name
            if name == file_of(orders.module) and path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TestsUnusable(f"the test files cannot be written: {describe(error)}") from None
    finally:
        os.umask(own)
    return folder


def _run_pytest(plugin: "Plugin", folder: Path, files: Mapping[str, str], with_tests: list[str]) -> None:
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    by_name = any(Path(name).match(pattern) for name in with_tests for pattern in _FOUND_BY_NAME)
    targets = [str(folder)] if by_name else [str(folder / name) for name in with_tests]
    # Without these, pytest would look for settings and conftest.py in parent folders, where the submission can write.
    settings = next((str(folder / name) for name in _SETTINGS if name in files), os.devnull)
    where = ["-c", settings, f"--rootdir={folder}", f"--confcutdir={folder}"]
    quiet = io.StringIO()
    streams = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = quiet
    ending = ""
    try:
        pytest.main([*_ARGUMENTS, *where, *targets], plugins=[plugin])
    except BaseException as error:
        ending = describe(error)
    finally:
        sys.stdout, sys.stderr = streams
    plugin.conclude(ending or quiet.getvalue()[-500:].strip())


def _parse_all(files: Mapping[str, str]) -> dict[str, ast.Module]:
    return {name: _parse(name, text) for name, text in files.items() if name.endswith(".py")}


def _parse(name: str, text: str) -> ast.Module:
    try:
        return ast.parse(text, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TestsUnusable(f"{name}: {describe(error)}") from None


def _check_imports(trees: dict[str, ast.Module], module: str) -> None:
    """Raise if a file imports a missing module at its top. This runs before the submission could influence it."""
    known = {module, *(part for name in trees for part in Path(name).with_suffix("").parts)}
    for name, tree in trees.items():
        for node in tree.body:
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module or ""]
            for root in {full.partition(".")[0] for full in imported} - known:
                if importlib.util.find_spec(root) is None:
                    raise TestsUnusable(f"{name}, line {node.lineno}: there is no module {root!r}")


def _split(node_id: str) -> tuple[str, str]:
    """Return the file and the test's name without its parameters: `a.py::T::test_b[1]` gives `a.py`, `T::test_b`."""
    name, _, test = node_id.partition("::")
    return name, test.partition("[")[0]


class _Names:
    """Maps tests to the ids under which they were collected before: ids can depend on the types of their parameters."""

    def __init__(self, orders: TestOrders) -> None:
        self._before: dict[tuple[str, str], list[str]] = {}
        for test_id in orders.collected:
            self._before.setdefault(_split(test_id), []).append(test_id)

    def rename(self, node_ids: list[str]) -> dict[str, str]:
        """Return the earlier id of each test: that with the same function and the same position of its parameters."""
        seen: dict[tuple[str, str], int] = {}
        names = {}
        for node_id in node_ids:
            key = _split(node_id)
            place = seen[key] = seen.get(key, -1) + 1
            known = self._before.get(key, [])
            names[node_id] = known[place] if place < len(known) and node_id not in known else node_id
        return names


class Plugin:
    """A pytest plugin that records outcomes. It never derives an outcome from pytest's output."""

    def __init__(
        self, reporter: Reporter, subject: Subject, written: Mapping[str, Written], orders: TestOrders
    ) -> None:
        self._reporter = reporter
        self._subject = subject
        self._written = written
        self._wanted = None if orders.wanted is None else set(orders.wanted)
        self._renaming = _Names(orders)
        self._names: dict[str, str] = {}
        self._collected: list[str] | None = None
        self._uncollected: list[tuple[str, TestOutcome | LeftOut, str]] = []  # file, outcome, message
        self._outcomes: dict[str, tuple[TestOutcome | LeftOut, str]] = {}
        self._times_s: dict[str, float] = {}
        self._marked: set[str] = set()  # tests that their author has marked
        self._by_mark: set[str] = set()  # tests that a mark has skipped, or has expected to fail
        self._blamed: set[str] = set()  # tests in which the submission raised
        self._reported: set[str] = set()

    # Collecting

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, obj: object) -> list[Any] | None:
        """Prevent pytest from collecting the submission's objects as tests, whatever their names are."""
        return [] if self._subject.owns(obj) else None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record files that cannot be collected."""
        name = report.nodeid or "pytest"
        if report.failed:
            self._uncollected.append((name, TestOutcome.ERROR, report.longreprtext[-1500:]))
        elif report.skipped:
            by_author = name in self._written and self._written[name].skips_itself
            outcome = LeftOut("the file skips itself") if by_author else TestOutcome.SKIPPED
            self._uncollected.append((name, outcome, "the file was skipped"))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Remove tests that do not count or are not wanted."""
        self._names = self._renaming.rename([item.nodeid for item in items])
        items[:] = [item for item in items if self._is_wanted(item)]

    def _is_wanted(self, item: pytest.Item) -> bool:
        name, test = _split(item.nodeid)
        if name in self._written and test in self._written[name].independent:
            return False
        return self._wanted is None or self._names[item.nodeid] in self._wanted

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the final list of tests, before any of them runs."""
        for item in session.items:
            name, test = _split(item.nodeid)
            doubtful = name not in self._written or test in self._written[name].doubtful
            if not doubtful and (_unittest_mark(item) or any(item.get_closest_marker(mark) for mark in MARKS)):
                self._marked.add(item.nodeid)
        self._collected = [self._names.get(item.nodeid, item.nodeid) for item in session.items]
        self._reporter.collected([*self._collected, *(name for name, _, _ in self._uncollected)])

    # Running

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Register the marks of plugins that `pytest_pyfunc_call` replaces, and open temporary folders to all users."""
        for guard in [finder for finder in sys.meta_path if isinstance(finder, ImportGuard)]:
            guard.come_first()
        config.addinivalue_line("markers", "asyncio: a coroutine")
        config.addinivalue_line("markers", "anyio: a coroutine")
        factory = getattr(config, "_tmp_path_factory", None)
        if factory is not None:
            _make_open(factory)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run tests that are coroutine functions."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Make a test fail if the submission's process was lost during it, whatever the test did about it."""
        report = yield
        if call.excinfo is not None and is_from_submission(call.excinfo.value):
            self._blamed.add(item.nodeid)
        error = call.excinfo.value if call.excinfo is not None else None
        skipped_by_mark = isinstance(error, pytest.skip.Exception) and (_unittest_mark(item) or _is_of_mark(error))
        if skipped_by_mark or (hasattr(report, "wasxfail") and not isinstance(error, pytest.xfail.Exception)):
            self._by_mark.add(item.nodeid)
        if self._subject.lost and report.outcome == "passed":
            report.outcome = "failed"
            report.longrepr = self._subject.lost
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's phases, and report it after the teardown."""
        test_id = report.nodeid
        self._times_s[test_id] = self._times_s.get(test_id, 0.0) + report.duration
        if report.failed:
            text = report.longreprtext[-1800:]
            failed = report.when == "call" and test_id not in self._blamed and not self._subject.lost
            self._outcomes.setdefault(test_id, (TestOutcome.FAILED if failed else TestOutcome.ERROR, text))
        elif report.skipped:
            self._outcomes.setdefault(test_id, (self._skipped(report), _reason(report)))
        elif report.when == "call":
            self._outcomes.setdefault(test_id, (TestOutcome.PASSED, ""))
        if report.when == "teardown":
            self._outcomes.setdefault(test_id, (TestOutcome.ERROR, "the test did not run"))
            if report.failed:
                self._outcomes[test_id] = (TestOutcome.ERROR, report.longreprtext[-1800:])
            self._report(test_id)

    def _skipped(self, report: pytest.TestReport) -> TestOutcome | LeftOut:
        """Return the outcome of a skipped test. If its author's mark skipped it, it does not count."""
        name, test = _split(report.nodeid)
        missing = self._written[name].missing.get(test) if name in self._written else None
        if report.nodeid in self._marked and report.nodeid in self._by_mark:
            return LeftOut(_reason(report), by_failing=hasattr(report, "wasxfail"))
        if missing is not None and repr(missing) in _reason(report):
            return LeftOut(_reason(report))
        return TestOutcome.SKIPPED

    def _report(self, test_id: str) -> None:
        if test_id in self._reported or self._subject.lost:
            return
        self._reported.add(test_id)
        outcome, message = self._outcomes[test_id]
        name = self._names.get(test_id, test_id)
        if isinstance(outcome, LeftOut):
            self._reporter.leave_out(name, outcome)
        else:
            self._reporter.test(name, outcome, message, self._times_s.get(test_id, 0.0))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Skip the remaining tests if the submission's process is gone."""
        if self._subject.lost:
            item.session.shouldstop = self._subject.lost
            return True
        self._subject.begin_test()
        return None

    def conclude(self, ending: str) -> None:
        """Report everything that is still missing after pytest has returned."""
        if self._collected is None:
            self._collected = []
            why = ending or "pytest ended before it had collected the tests"
            self._uncollected.append(("pytest", TestOutcome.ERROR, why))
            self._reporter.collected(["pytest"])
        elif not self._collected and not self._uncollected:
            self._uncollected.append(("pytest", TestOutcome.ERROR, "no test was collected"))
            self._reporter.collected(["pytest"])
        for name, outcome, text in [] if self._subject.lost else self._uncollected:
            if isinstance(outcome, LeftOut):
                self._reporter.leave_out(name, outcome)
            else:
                self._reporter.test(name, outcome, text, 0.0)


def _is_of_mark(error: BaseException) -> bool:
    """Return whether pytest's own evaluation of marks raised a skip, and not the test or one of its fixtures."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == skipping.__file__


def _unittest_mark(item: pytest.Item) -> bool:
    """Return whether unittest's decorators have marked a test."""
    marks = ("__unittest_skip__", "__unittest_expecting_failure__")
    holders = [getattr(item, "obj", None), getattr(item, "cls", None)]
    return any(getattr(holder, mark, False) is True for holder in holders for mark in marks)


def _make_open(factory: Any) -> None:
    """Open the folders of `tmp_path` and similar fixtures to all users."""
    make, base = factory.mktemp, factory.getbasetemp

    def mktemp(basename: str, numbered: bool = True) -> Path:
        path = make(basename, numbered)
        path.chmod(0o777)
        return path

    def getbasetemp() -> Path:
        if factory._basetemp is None:
            factory._basetemp = Path(tempfile.mkdtemp(prefix="pytest-"))
            factory._basetemp.chmod(0o777)
        return base()

    factory.mktemp, factory.getbasetemp = mktemp, getbasetemp


def _reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"marked xfail: {report.wasxfail}"
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
