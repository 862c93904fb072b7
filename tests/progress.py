"""The output of `make test`: the number of tests, each file when it is done, and the current test in a slow file.

This is a pytest plugin, loaded by name (`-p tests.progress`). With pytest-xdist, it runs in the process that
distributes the tests. It also starts the slowest files first.
"""

import time
from collections import Counter, defaultdict
from typing import Any

import pytest

QUIET_S = 15.0
"""After this long without output, the next test that ends is named."""

TOOK = "progress/took_s"
ORDER = tuple(
    f"tests/{name}.py"
    for name in (
        "trainer/test_training",
        "runners/test_contract",
        "test_languages",
        "harness/test_tester",
        "trainer/test_demo",
        "trainer/test_memory",
        "trainer/test_cold_start",
    )
)
"""The slowest files. They start first, so that no process is still busy with one of them at the end."""


class Progress:
    """Prints a line for each file that is done."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.left: Counter[str] = Counter()
        self.seen: Counter[tuple[str, str]] = Counter()
        self.took: defaultdict[str, float] = defaultdict(float)
        self.total = 0
        self.began = self.spoke = time.monotonic()

    def expect(self, ids: list[str]) -> None:
        """Record the list of tests, and print how many there are."""
        if self.total:
            return
        self.total = len(ids)
        self.left.update(_file(name) for name in ids)
        before = self.config.cache and self.config.cache.get(TOOK, None)
        last = f"; the last run took {_clock(before[1])}" if before and before[0] == self.total else ""
        self.say(f"{self.total} tests in {len(self.left)} files{last}")

    def say(self, text: str) -> None:
        """Print one line with the share of tests done and the time since the start."""
        done = self.total - sum(self.left.values())
        share = 100 * done // max(self.total, 1)
        self.config.get_terminal_writer().line(
            f"{share:3} %  {_clock(time.monotonic() - self.began)}  {text}", flush=True
        )
        self.spoke = time.monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Get the tests without pytest-xdist."""
        if session.items:
            self.expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Get the tests with pytest-xdist, where each process collects all of them."""
        self.expect(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> Any:
        """Suppress pytest's dots."""
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test, and name it at once if it failed."""
        file = _file(report.nodeid)
        self.took[file] += report.duration
        if report.failed:
            self.say(f"FAILED {report.nodeid}")
        if report.failed or report.skipped or report.when == "call":
            self.seen[file, report.outcome] += 1
        if report.when != "teardown":
            return
        self.left[file] -= 1
        if not self.left[file]:
            counts = ", ".join(
                f"{self.seen[file, outcome]} {outcome}"
                for outcome in ("passed", "failed", "skipped")
                if self.seen[file, outcome]
            )
            self.say(f"{file}: {counts} ({self.took[file]:.0f} s)")
        elif time.monotonic() - self.spoke > QUIET_S:
            self.say(f"{file}: {self.left[file]} left, just done: {report.nodeid.partition('::')[2]}")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Remember how long the run took, for the next one."""
        if self.config.cache and exitstatus == 0 and self.total:
            self.config.cache.set(TOOK, [self.total, time.monotonic() - self.began])


def pytest_configure(config: pytest.Config) -> None:
    """Show progress in the process that receives all results."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the slowest files."""
    order = {name: place for place, name in enumerate(ORDER)}
    items.sort(key=lambda item: order.get(_file(item.nodeid), len(order)))


def _file(name: str) -> str:
    return name.partition("::")[0]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
