"""The spending of a job: what all its tests have taken together, and what they may take.

Of each test the larger counts: its CPU time, or its time on the clock without what it stood in line for a core. So a
busy machine takes nothing from the budget of a program, and one that sleeps uses it up.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from sandboxes.protocol.facts import TesterTest
from sandboxes.protocol.job import Budget

LONG_S = 0.25
"""Of a shorter test it is not asked how long it stood in line for a core, nor is it said that it waited."""


class Taken(NamedTuple):
    """What a test has taken: the seconds that count, and the CPU time in them."""

    counted_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def waited_s(self) -> float:
        """How long it neither computed nor stood in line for a core."""
        return max(0.0, self.counted_s - self.cpu_s) if self.counted_s > LONG_S else 0.0


class Spender(Protocol):
    """A process whose current test is counted."""

    def taken(self) -> Taken:
        """Return what its current test has taken so far."""
        ...


class Pair:
    """Two processes that wait for each other, such as a program and its tester."""

    def __init__(self, one: Spender, other: Spender) -> None:
        self._both = one, other

    def taken(self) -> Taken:
        """While either stands in line for a core, the other can do nothing: only what counts for both counts."""
        one, other = (process.taken() for process in self._both)
        return Taken(min(one.counted_s, other.counted_s), one.cpu_s + other.cpu_s)


class Spending:
    """Adds up the tests of one job; `tests` is how many there are, as far as that is known."""

    def __init__(self, budget: Budget | None, tests: int) -> None:
        self.tests = tests
        self._budget = budget
        self._counted_s = 0.0
        self._waited_s = 0.0
        self._current: Spender | None = None

    @property
    def limit_s(self) -> float:
        """What the tests may take together."""
        return self._budget.of(self.tests) if self._budget else float("inf")

    @property
    def is_used_up(self) -> bool:
        """Whether the tests have taken more than they may, the current one included."""
        return self._counted_s + self._now().counted_s > self.limit_s

    @property
    def was_used_up(self) -> bool:
        """Whether the tests that are over have taken more than all may."""
        return self._counted_s > self.limit_s

    @property
    def waited_s(self) -> float:
        """How long the program has waited so far, in its current test as well."""
        return self._waited_s + self._now().waited_s

    @property
    def sentence(self) -> str:
        """Why tests were ended or not begun, for people."""
        return f"all tests of a submission together may take {self.limit_s:.3g} s here, and these took longer"

    def follow(self, process: Spender) -> None:
        """Count the tests of this process from now on."""
        self._current = process

    def count(self, *, last: bool) -> Taken:
        """Take the current test as over and return what it has taken. Call this before its clock begins anew; `last`
        says that its process has ended."""
        taken = self._now()
        self._counted_s += taken.counted_s
        self._waited_s += taken.waited_s
        if last:
            self._current = None
        return taken

    def _now(self) -> Taken:
        return self._current.taken() if self._current else Taken()


def with_cpu_time(told: Sequence[TesterTest], cpu_s: float) -> list[TesterTest]:
    """Return tests that were told together, with the CPU seconds that they took together shared out among them by their
    times on the clock, which is what a tester can tell."""
    wall_s = sum(test.time_s for test in told)
    return [
        replace(test, time_s=round(cpu_s * (test.time_s / wall_s if wall_s else 1 / len(told)), 6)) for test in told
    ]
