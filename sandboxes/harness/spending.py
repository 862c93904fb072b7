"""The spending of a job: what all its tests have used together, compared with their budget.

For each test, the larger of two times counts: its CPU time, or its wall time without the time it waited for a core. So
a busy machine does not use up a program's budget, but a program that sleeps does.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from sandboxes.protocol.facts import TesterTest
from sandboxes.protocol.job import Budget

LONG_S = 0.25
"""For shorter tests, waiting for a core is not measured, so their waiting time counts as zero."""


class Taken(NamedTuple):
    """What a test has used: the seconds that count, and its CPU seconds."""

    counted_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def waited_s(self) -> float:
        """How long it neither computed nor waited for a core."""
        return max(0.0, self.counted_s - self.cpu_s) if self.counted_s > LONG_S else 0.0


class Spender(Protocol):
    """A process whose current test counts toward the budget."""

    def taken(self) -> Taken:
        """Return what its current test has used so far."""
        ...


class Pair:
    """Two processes that wait for each other, such as a program and its tester."""

    def __init__(self, one: Spender, other: Spender) -> None:
        self._both = one, other

    def taken(self) -> Taken:
        """Return their common usage. While one waits for a core, the other cannot continue, so the minimum counts."""
        one, other = (process.taken() for process in self._both)
        return Taken(min(one.counted_s, other.counted_s), one.cpu_s + other.cpu_s)


class Spending:
    """Adds up the tests of one job. `tests` is their number, as far as it is known."""

    def __init__(self, budget: Budget | None, tests: int) -> None:
        self.tests = tests
        self._budget = budget
        self._counted_s = 0.0
        self._waited_s = 0.0
        self._current: Spender | None = None

    @property
    def limit_s(self) -> float:
        """The budget of all tests together, in seconds."""
        return self._budget.of(self.tests) if self._budget else float("inf")

    @property
    def is_used_up(self) -> bool:
        """Whether the tests, including the current one, have exceeded the budget."""
        return self._counted_s + self._now().counted_s > self.limit_s

    @property
    def was_used_up(self) -> bool:
        """Whether the finished tests have exceeded the budget."""
        return self._counted_s > self.limit_s

    @property
    def waited_s(self) -> float:
        """How long the program has waited so far, including the current test."""
        return self._waited_s + self._now().waited_s

    @property
    def sentence(self) -> str:
        """A sentence that says why tests were stopped or not started, for people."""
        return f"all tests of a submission together may take {self.limit_s:.3g} s here, and these took longer"

    def follow(self, process: Spender) -> None:
        """Count this process's tests from now on."""
        self._current = process

    def count(self, *, last: bool) -> Taken:
        """Add the current test to the finished ones, and return what it used.

        Call this before its clock restarts. `last` says that the process has no further test.
        """
        taken = self._now()
        self._counted_s += taken.counted_s
        self._waited_s += taken.waited_s
        if last:
            self._current = None
        return taken

    def _now(self) -> Taken:
        return self._current.taken() if self._current else Taken()


def with_cpu_time(told: Sequence[TesterTest], cpu_s: float) -> list[TesterTest]:
    """Distribute CPU seconds over tests that were reported together, in proportion to their wall times.

    A tester can only measure wall times of its tests.
    """
    wall_s = sum(test.time_s for test in told)
    return [
        replace(test, time_s=round(cpu_s * (test.time_s / wall_s if wall_s else 1 / len(told)), 6)) for test in told
    ]
