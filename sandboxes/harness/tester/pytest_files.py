"""Runs test files with pytest, and reports the outcome of every test that was collected.

A test passes when pytest says passed and the submission's process was there to the end of it. Skipped tests, and tests
marked xfail that fail as marked, are `skipped`: they earn nothing, or a submission that fails on purpose would earn it.
A file that cannot be collected is one test with an error. The tests are broken if a file is no Python or imports at its
top what is not installed, or no file holds a test: that is found out before the submission has a say in it.
"""

import ast
import asyncio
import importlib.util
import inspect
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from sandboxes.harness.tester.report import Reporter, TestsUnusable, describe, is_from_submission
from sandboxes.harness.wall.link import SubmissionLost
from sandboxes.harness.wall.stand_ins import RemoteClass, RemoteFunction, RemoteObject
from sandboxes.harness.wall.submission import Submission
from sandboxes.protocol.child import TestOrders
from sandboxes.protocol.facts import TestOutcome

_ARGUMENTS = (
    "-q", "--tb=short", "--no-header", "--no-summary", "--capture=sys", "--continue-on-collection-errors",
    "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:junitxml", "-p", "no:pastebin",
)  # fmt: skip
_SETTINGS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_FOUND_BY_NAME = ("test_*.py", "*_test.py")


def run(orders: TestOrders, submission: Submission, reporter: Reporter) -> None:
    """Run the files of `orders` in its folder."""
    files = orders.files
    trees = {name: _parse(name, text) for name, text in files.items() if name.endswith(".py")}
    written = {name: found for name, tree in trees.items() if (found := _tests_in(tree))}
    if not written:
        raise TestsUnusable("no file holds a test")
    _check_imports(trees, submission.__name__)
    ids = [f"{name}::{test}" for name, tests in sorted(written.items()) for test in tests]
    try:
        reporter.link.hello([])
    except SubmissionLost:
        return reporter.collected(ids)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        reporter.collected(ids)
        for test_id in ids:
            reporter.test(test_id, TestOutcome.ERROR, f"the submission cannot be loaded: {describe(error)}", 0.0)
        return None
    assert orders.folder is not None
    folder = Path(orders.folder)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    plugin = _Plugin(reporter)
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(folder)
    targets = (
        []
        if any(Path(name).match(p) for name in written for p in _FOUND_BY_NAME)
        else [str(folder / name) for name in sorted(written)]
    )
    quiet = io.StringIO()
    streams = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = quiet
    ending = ""
    try:
        # Without these pytest would look for settings and conftest.py in the folders above, where anybody can write.
        settings = next((str(folder / name) for name in _SETTINGS if name in files), os.devnull)
        where = ["-c", settings, f"--rootdir={folder}", f"--confcutdir={folder}"]
        pytest.main([*_ARGUMENTS, *where, *(targets or [str(folder)])], plugins=[plugin])
    except BaseException as error:
        ending = describe(error)
    finally:
        sys.stdout, sys.stderr = streams
    plugin.conclude(ending or quiet.getvalue()[-500:].strip())
    return None


def _parse(name: str, text: str) -> ast.Module:
    try:
        return ast.parse(text, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TestsUnusable(f"{name}: {describe(error)}") from None


def _tests_in(tree: ast.Module) -> list[str]:
    """Return the names of what looks like tests, as pytest writes them after the file's name."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test")]
    for case in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        inner = [node.name for node in case.body if isinstance(node, functions) and node.name.startswith("test")]
        if case.name.startswith("Test") or case.bases:
            found += [f"{case.name}::{name}" for name in inner]
    return found


def _check_imports(trees: dict[str, ast.Module], module: str) -> None:
    """Raise if a file imports at its top what is not installed; asked before the submission could have a say in it."""
    known = {module, *(part for name in trees for part in Path(name).with_suffix("").parts)}
    for name, tree in trees.items():
        for node in tree.body:
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module or ""]
            for root in {full.partition(".")[0] for full in imported} - known:
                if importlib.util.find_spec(root) is None:
                    raise TestsUnusable(f"{name}, line {node.lineno}: there is no module {root!r}")


class _Plugin:
    """Watches pytest. It takes no outcome from anything that pytest writes."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._collected: list[str] | None = None
        self._uncollected: list[tuple[str, TestOutcome, str]] = []  # file, outcome, message
        self._outcomes: dict[str, tuple[TestOutcome, str]] = {}
        self._times_s: dict[str, float] = {}
        self._blamed: set[str] = set()  # tests in which the submission raised
        self._reported: set[str] = set()

    # Collecting

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, obj: object) -> list[Any] | None:
        """Take nothing of the submission for a test, whatever it is called."""
        return [] if isinstance(obj, (RemoteFunction, RemoteObject, RemoteClass)) else None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note files that cannot be collected."""
        if report.failed:
            self._uncollected.append((report.nodeid or "pytest", TestOutcome.ERROR, report.longreprtext[-1500:]))
        elif report.skipped:
            self._uncollected.append((report.nodeid or "pytest", TestOutcome.SKIPPED, "the file was skipped"))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Fix what there is to run, before anything runs."""
        self._collected = [item.nodeid for item in session.items]
        self._reporter.collected([*self._collected, *(name for name, _, _ in self._uncollected)])

    # Running

    def pytest_configure(self, config: pytest.Config) -> None:
        """Know the marks of the plugins whose work `pytest_pyfunc_call` does."""
        config.addinivalue_line("markers", "asyncio: a coroutine")
        config.addinivalue_line("markers", "anyio: a coroutine")

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
        """A test during which the submission's process was lost has failed, whatever the test made of it."""
        report = yield
        if call.excinfo is not None and is_from_submission(call.excinfo.value):
            self._blamed.add(item.nodeid)
        if self._reporter.link.lost and report.outcome == "passed":
            report.outcome = "failed"
            report.longrepr = self._reporter.link.lost
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst that was said of a test, and report it after its teardown."""
        test_id = report.nodeid
        self._times_s[test_id] = self._times_s.get(test_id, 0.0) + report.duration
        if report.failed:
            text = report.longreprtext[-1800:]
            failed = report.when == "call" and test_id not in self._blamed and not self._reporter.link.lost
            self._outcomes.setdefault(test_id, (TestOutcome.FAILED if failed else TestOutcome.ERROR, text))
        elif report.skipped:
            self._outcomes.setdefault(test_id, (TestOutcome.SKIPPED, _reason(report)))
        elif report.when == "call":
            self._outcomes.setdefault(test_id, (TestOutcome.PASSED, ""))
        if report.when == "teardown":
            self._outcomes.setdefault(test_id, (TestOutcome.ERROR, "the test did not run"))
            if report.failed:
                self._outcomes[test_id] = (TestOutcome.ERROR, report.longreprtext[-1800:])
            self._report(test_id)

    def _report(self, test_id: str) -> None:
        if test_id not in self._reported and not self._reporter.link.lost:
            self._reported.add(test_id)
            self._reporter.test(test_id, *self._outcomes[test_id], self._times_s.get(test_id, 0.0))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Do not go on when there is nobody to ask."""
        if self._reporter.link.lost:
            item.session.shouldstop = self._reporter.link.lost
            return True
        return None

    def conclude(self, ending: str) -> None:
        """Report what is left when pytest has returned."""
        if self._collected is None:
            self._collected = []
            why = ending or "pytest ended before it had collected the tests"
            self._uncollected.append(("pytest", TestOutcome.ERROR, why))
            self._reporter.collected(["pytest"])
        elif not self._collected and not self._uncollected:
            self._uncollected.append(("pytest", TestOutcome.ERROR, "no test was collected"))
            self._reporter.collected(["pytest"])
        for name, outcome, text in [] if self._reporter.link.lost else self._uncollected:
            self._reporter.test(name, outcome, text, 0.0)

    # Folders that the submission can reach

    @pytest.fixture
    def tmp_path(self) -> Path:
        """A folder of the test that the submission, whose user is another one, can read and write as well."""
        os.umask(0)
        path = Path(tempfile.mkdtemp(prefix="pytest-", dir="/tmp"))
        path.chmod(0o777)
        return path


def _reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"marked xfail: {report.wasxfail}"
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
