"""Tests that share a process with the program, for tests that patch or inspect it from within.

Theory of operation. A report from such a process proves nothing by itself: the program can forge it, or read the
expected values and return them. So the tests run several times, each time in a new process in an empty box, from
copies in which a coin toss decides for each test whether it is unchanged or must fail. The coins were tossed beforehand
and outside the box, and nothing passes from one run to the next. A test passes if all its unchanged copies pass and all
its changed copies fail. So a program that forges reports or steals expected values has to guess every coin. A test
that has nothing to change counts by its plain report, and its `guard` says so.

The list of tests is determined beforehand, in a process without the submission. A test that is not reported has not
passed.
"""

from collections import Counter
from dataclasses import dataclass, field

from sandboxes.harness.modes.plain_run import Allowance, PlainRun, base_of
from sandboxes.harness.modes.testers import (
    MIXED_OUTPUT_BYTES,
    TESTER_PROCESSES,
    TOTAL_CPU_S,
    Listing,
    list_tests,
)
from sandboxes.harness.processes import Processes
from sandboxes.protocol.facts import End, Signal, TesterFacts, TesterTest, TestOutcome
from sandboxes.protocol.job import TwinRun

ALLOWANCE = Allowance(
    cpu_s=2.0,
    wall_s=5.0,
    memory_mb=128,
    processes=TESTER_PROCESSES,
    output_bytes=MIXED_OUTPUT_BYTES,
    cpu_total_s=TOTAL_CPU_S,
)
"""What tests of ordinary size need for themselves, in addition to the program's limits."""
PASSED_A_TWIN = "it passed, and so did a copy of the test that expects something else"
_FAILURES = (TestOutcome.FAILED, TestOutcome.ERROR)
_Key = tuple[str, int]  # the test's id without parameters, and its position among those with the same id


def carry_out(processes: Processes) -> TesterFacts:
    """Run all copies of the tests, as long as any test can still pass, and return the facts."""
    listing = list_tests(processes)
    if listing.unusable:
        return TesterFacts(tests=(), finished=True, broken=listing.unusable)
    processes.spending.tests = len(listing.ids)
    ledger = Ledger(listing, frozenset(processes.job.twinned))
    for number, twin in enumerate(processes.job.twins):
        processes.box.clean()
        ledger.take(PlainRun(processes, ALLOWANCE, twin.files).carry_out(), twin, is_first=number == 0)
        if not ledger.has_hope:
            break
    return ledger.facts()


@dataclass
class _Row:
    """What is known about one test."""

    test_id: str
    outcome: TestOutcome | None = None  # None as long as it can still pass
    message: str = ""
    end: End | None = None
    time_s: float = 0.0
    seen: bool = False  # whether an unchanged copy was seen


@dataclass
class Ledger:
    """The results of the runs so far. `twinned` are the tests that have something to change."""

    listing: Listing
    twinned: frozenset[str]
    rows: dict[_Key, _Row] = field(default_factory=dict)
    signals: set[Signal] = field(default_factory=set)

    def __post_init__(self) -> None:
        counts = Counter(self.listing.ids)
        for base, count in counts.items():
            for place in range(count):
                self.rows[_key(base, place)] = _Row(base if count == 1 else f"{base}[{place}]")

    @property
    def has_hope(self) -> bool:
        """Whether any test can still pass."""
        return any(row.outcome is None for row in self.rows.values())

    def take(self, run: PlainRun, twin: TwinRun, is_first: bool) -> None:
        """Add the results of one run."""
        told = _by_place(run)
        for key, test in told.items():
            # New rows of a listed test count in the first run only. Of unlisted tests, only failures count: otherwise a
            # program could invent tests that pass.
            if (is_first and self._origin(key[0])) or test.outcome in _FAILURES:
                self.rows.setdefault(key, _Row(test.id))
        for key, row in self.rows.items():
            if row.outcome is None:
                self._judge(row, told.get(key), run, changed=self._origin(key[0]) in twin.changed)

    def _origin(self, test_id: str) -> str:
        """Return the listed test that a test belongs to (the base class's for an inherited one), or an empty string."""
        base = base_of(test_id)
        if test_id in self.listing.ids or base in self.listing.ids:
            return base
        file, _, rest = base.partition("::")
        same = (listed for listed in self.listing.ids if listed.partition("::")[0] == file)
        return next((listed for listed in same if "::" in rest and _method(listed) == _method(rest)), "")

    def _judge(self, row: _Row, test: TesterTest | None, run: PlainRun, changed: bool) -> None:
        if test is None:
            row.outcome, row.end = TestOutcome.MISSING, run.end or End.LOST
            row.message = run.message or "it did not run"
        elif test.outcome is TestOutcome.LEFT_OUT and self._origin(row.test_id) in self.listing.marked:
            row.outcome = TestOutcome.LEFT_OUT
        elif changed and test.outcome is TestOutcome.PASSED:
            row.outcome, row.message = TestOutcome.FAILED, PASSED_A_TWIN
            self.signals.add(Signal.FAILED_TWIN)
        elif changed and test.outcome not in _FAILURES:
            row.outcome, row.message = TestOutcome.SKIPPED, test.message
        elif not changed:
            row.test_id, row.time_s, row.seen = test.id, test.time_s, True
            if test.outcome is not TestOutcome.PASSED:
                row.outcome = TestOutcome.SKIPPED if test.outcome is TestOutcome.LEFT_OUT else test.outcome
                row.message = test.message

    def facts(self) -> TesterFacts:
        """Return the conclusion of all runs."""
        tests = [
            TesterTest(
                id=row.test_id,
                outcome=row.outcome or (TestOutcome.PASSED if row.seen else TestOutcome.MISSING),
                message=row.message,
                time_s=row.time_s,
                guard="twins" if self._origin(key[0]) in self.twinned else "none",
                end=row.end,
            )
            for key, row in self.rows.items()
            if row.outcome is not TestOutcome.LEFT_OUT
        ]
        not_compiled = next((test for test in tests if test.end is End.NOT_COMPILED), None)
        return TesterFacts(
            tests=tuple(tests),
            finished=True,
            program_end=not_compiled and not_compiled.end,
            message=not_compiled.message if not_compiled else "",
            signals=tuple(sorted(self.signals)),
        )


def _key(base: str, place: int) -> _Key:
    return (base, place)


def _method(test_id: str) -> str:
    return test_id.rpartition("::")[2]


def _by_place(run: PlainRun) -> dict[_Key, TesterTest]:
    """Return outcomes by position among equal ids: the text of a row of parameters differs in a changed copy."""
    seen: Counter[str] = Counter()
    places: dict[str, _Key] = {}
    for test_id in dict.fromkeys((*run.collected, *run.outcomes)):
        base = base_of(test_id) if "::" in test_id else test_id
        places[test_id] = _key(base, seen[base])
        seen[base] += 1
    return {places[test_id]: test for test_id, test in run.outcomes.items()}
