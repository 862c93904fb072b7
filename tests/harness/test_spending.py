"""Spending counts the larger of CPU time and wall time, but not the time spent waiting for a core."""

import pytest

from sandboxes.harness.spending import Pair, Spending, Taken, with_cpu_time
from sandboxes.protocol.facts import TesterTest, TestOutcome
from sandboxes.protocol.job import Budget

BUDGET = Budget(base_s=4.0, per_test_s=1.0, most_s=10.0)


class Process:
    """A process with a given usage."""

    def __init__(self, counted_s: float = 0.0, cpu_s: float = 0.0) -> None:
        self.now = Taken(counted_s, cpu_s)

    def taken(self) -> Taken:
        return self.now


@pytest.mark.parametrize(("tests", "seconds"), [(0, 4.0), (3, 7.0), (100, 10.0)])
def test_a_budget_grows_with_the_tests_up_to_its_most(tests: int, seconds: float) -> None:
    assert BUDGET.of(tests) == Spending(BUDGET, tests).limit_s == seconds


def test_what_all_tests_take_is_added_up_and_the_current_one_counts() -> None:
    spending, process = Spending(BUDGET, 2), Process(3.0, 1.0)
    spending.follow(process)
    assert (spending.count(last=False), spending.is_used_up) == ((3.0, 1.0), False)
    process.now = Taken(3.5, 0.0)
    assert (spending.is_used_up, spending.waited_s) == (True, 5.5)
    spending.tests = 100  # the number of tests is known only now
    assert not spending.is_used_up
    assert (spending.count(last=True), spending.waited_s) == ((3.5, 0.0), 5.5)


def test_without_a_budget_nothing_is_used_up() -> None:
    spending = Spending(None, 1)
    spending.follow(Process(1e9, 0.0))
    assert not spending.is_used_up


def test_of_two_that_wait_for_each_other_only_what_counts_for_both_counts() -> None:
    starved, waiting = Process(2.0, 2.0), Process(9.0, 0.5)
    assert Pair(starved, waiting).taken() == Taken(2.0, 2.5)


def test_a_short_test_is_not_said_to_have_waited() -> None:
    assert (Taken(0.2, 0.0).waited_s, Taken(0.3, 0.1).waited_s) == (0.0, pytest.approx(0.2))


@pytest.mark.parametrize(
    ("on_the_clock", "cpu_s", "expected"),
    [([9.0, 3.0], 2.0, [1.5, 0.5]), ([0.0, 0.0], 2.0, [1.0, 1.0]), ([5.0], 0.1, [0.1]), ([], 2.0, [])],
)
def test_tests_that_were_told_together_share_their_cpu_time(
    on_the_clock: list[float], cpu_s: float, expected: list[float]
) -> None:
    told = [TesterTest(id=str(n), outcome=TestOutcome.PASSED, time_s=one) for n, one in enumerate(on_the_clock)]
    assert [test.time_s for test in with_cpu_time(told, cpu_s)] == expected
