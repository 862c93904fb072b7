"""`modes.shared.Ledger` combines the outcomes of test copies that share a process with the submission."""

from dataclasses import dataclass

import pytest

from sandboxes.harness.modes.plain_run import _cleaned
from sandboxes.harness.modes.shared import Ledger
from sandboxes.harness.modes.testers import Listing
from sandboxes.protocol.facts import End, Signal, TesterTest, TestOutcome
from sandboxes.protocol.job import TwinRun

P, F, E, L = TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.LEFT_OUT


@dataclass
class Run:
    """The reports of a run, without the run itself."""

    outcomes: dict[str, TesterTest]
    collected: tuple[str, ...] = ()
    end: End | None = None
    message: str = ""


def take(ledger: Ledger, told: dict[str, TestOutcome], *changed: str, first: bool = False, **more: object) -> None:
    tests = {test_id: TesterTest(id=test_id, outcome=outcome) for test_id, outcome in told.items()}
    run = Run(tests, **more)  # type: ignore[arg-type]
    ledger.take(run, TwinRun(files={}, changed=changed), is_first=first)  # type: ignore[arg-type]


def outcomes(ledger: Ledger) -> dict[str, TestOutcome]:
    return {test.id: test.outcome for test in ledger.facts().tests}


@pytest.mark.parametrize(
    ("unchanged", "changed", "outcome"),
    [
        (P, F, P),
        (P, E, P),
        (P, P, F),
        (F, F, F),
        (E, F, E),
        (P, None, TestOutcome.MISSING),
        (None, F, TestOutcome.MISSING),
        (P, TestOutcome.SKIPPED, TestOutcome.SKIPPED),
        (P, L, TestOutcome.SKIPPED),
        (L, F, TestOutcome.SKIPPED),
    ],
)
def test_unchanged_copies_must_pass_and_changed_ones_fail(
    unchanged: TestOutcome | None, changed: TestOutcome | None, outcome: TestOutcome
) -> None:
    ledger = Ledger(Listing(ids=("line 1",)), frozenset({"line 1"}))
    take(ledger, {"line 1": unchanged} if unchanged else {}, first=True)
    take(ledger, {"line 1": changed} if changed else {}, "line 1")
    assert outcomes(ledger) == {"line 1": outcome}
    assert (Signal.FAILED_TWIN in ledger.facts().signals) is (unchanged is P and changed is P)


def test_a_test_of_which_only_changed_copies_were_seen_has_not_passed() -> None:
    ledger = Ledger(Listing(ids=("line 1",)), frozenset({"line 1"}))
    take(ledger, {"line 1": F}, "line 1", first=True)
    assert outcomes(ledger) == {"line 1": TestOutcome.MISSING}


def test_each_test_says_what_guards_it() -> None:
    ledger = Ledger(Listing(ids=("line 1", "line 2")), frozenset({"line 1"}))
    take(ledger, {"line 1": P, "line 2": P}, first=True)
    assert [test.guard for test in ledger.facts().tests] == ["twins", "none"]


def test_tests_that_nobody_listed_earn_nothing_and_those_not_told_have_not_passed() -> None:
    ledger = Ledger(Listing(ids=("a.py::test_a", "a.py::test_a", "a.py::test_b")), frozenset())
    take(ledger, {"a.py::test_a[x]": P, "x.py::test_free": P, "a.py::test_b": P}, first=True)
    take(ledger, {"a.py::test_a[x]": P, "a.py::test_a[y]": P, "a.py::test_b": P, "a.py::test_b[late]": P})
    assert outcomes(ledger) == {"a.py::test_a[x]": P, "a.py::test_a[1]": TestOutcome.MISSING, "a.py::test_b": P}


def test_rows_are_known_by_their_place_for_their_text_may_change() -> None:
    ledger = Ledger(Listing(ids=("a.py::test_a", "a.py::test_a")), frozenset({"a.py::test_a"}))
    take(ledger, {"a.py::test_a[1-1]": P, "a.py::test_a[2-4]": P}, first=True)
    take(ledger, {"a.py::test_a[1-7]": F, "a.py::test_a[2-9]": F}, "a.py::test_a")
    assert outcomes(ledger) == {"a.py::test_a[1-1]": P, "a.py::test_a[2-4]": P}


def test_an_inherited_test_is_changed_with_the_one_above() -> None:
    ledger = Ledger(Listing(ids=("a.py::A::test_a",)), frozenset({"a.py::A::test_a"}))
    take(ledger, {"a.py::A::test_a": P, "a.py::B::test_a": P}, first=True)
    take(ledger, {"a.py::A::test_a": F, "a.py::B::test_a": F}, "a.py::A::test_a")
    assert outcomes(ledger) == {"a.py::A::test_a": P, "a.py::B::test_a": P}


def test_only_marked_tests_can_be_left_out() -> None:
    ledger = Ledger(Listing(ids=("line 1", "T.test_a"), marked={"T.test_a"}), frozenset())
    take(ledger, {"line 1": L, "T.test_a": L}, first=True)
    assert outcomes(ledger) == {"line 1": TestOutcome.SKIPPED}


def test_nothing_is_hoped_for_when_every_test_has_failed() -> None:
    ledger = Ledger(Listing(ids=("line 1", "line 2")), frozenset())
    take(ledger, {"line 1": P, "line 2": F}, first=True)
    assert ledger.has_hope
    take(ledger, {}, end=End.CPU_LIMIT, message="time")
    assert not ledger.has_hope
    assert [(test.outcome, test.end) for test in ledger.facts().tests] == [
        (TestOutcome.MISSING, End.CPU_LIMIT),
        (F, None),
    ]


def test_what_a_shared_process_tells_is_cleaned() -> None:
    test = TesterTest(id="\ud800" * 5000, outcome=P, message="\udfff", time_s=float("nan"), guard="twins", end=End.LOST)
    assert _cleaned(test) == TesterTest(id="?" * 1000, outcome=P, message="?")
