"""One run of tests in plain Python: they share a new process with the program, inside all the other walls.

The program can forge everything that this process reports. So only requested tests can be reported, each of them
restarts the clocks only once, and a test that is not reported has not passed. Such a run can take credit away, but
never give any.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sandboxes.harness.modes.testers import tester_zygote
from sandboxes.harness.process import Process
from sandboxes.harness.processes import Processes
from sandboxes.harness.spending import with_cpu_time
from sandboxes.protocol.child import Answer, Role, TestOrders
from sandboxes.protocol.constants import FOLDER
from sandboxes.protocol.facts import End, TesterTest, TestOutcome
from sandboxes.protocol.records import BrokenRecord
from sandboxes.protocol.report import Collected, Finished, Unusable, from_payload

ONLY_ACROSS = "it passed across the wall, but fails in plain Python, where tests and submission share a process"
MAX_NEW_FAILURES = 100
MAX_ID_CHARS = 1000
MAX_MESSAGE_CHARS = 2500
MAX_TIME_S = 1e6
"""Maxima for what such a process can report. Anything beyond them is cut off or ignored."""
MAX_TESTS = 1000
"""How many tests can be reported, and restart the clocks, if the list of tests is not known in advance."""


@dataclass(frozen=True)
class Allowance:
    """What the process can use for the tests' own code, in addition to the program's limits."""

    cpu_s: float
    wall_s: float
    memory_mb: float
    processes: int
    output_bytes: int
    cpu_total_s: float


class PlainRun:
    """One process that contains both tests and program.

    `wanted` limits the run to some tests, given by the ids under which an earlier run `collected` them; None means all.
    Afterwards, `collected` is the list of tests that the process has claimed.
    """

    def __init__(
        self,
        processes: Processes,
        allowance: Allowance,
        files: Mapping[str, str],
        wanted: Sequence[str] | None = None,
        collected: Sequence[str] = (),
    ) -> None:
        job = processes.job
        source_file = f"{job.module}.py"
        self._processes = Processes(
            processes.box, replace(job, toolchain=replace(job.toolchain, source_file=source_file), built=None)
        )
        self._spending = processes.spending
        self._zygote = tester_zygote(processes)
        self._allowance = allowance
        self._wanted = None if wanted is None else frozenset(wanted)
        self.collected = tuple(collected)
        self._files = dict(files)
        self._unusable = ""
        self._finished = False
        self._forged = False
        self._other_answers: dict[int, bytes] = {}
        self.outcomes: dict[str, TesterTest] = {}
        self.end: End | None = None
        self.message = ""

    def carry_out(self) -> "PlainRun":
        """Run the tests in the empty box. When this returns, the process has ended, but its files still exist."""
        self._processes.folder.prepare()
        process = self._start()
        process.spending = self._spending
        self._spending.follow(process)
        try:
            while process.ended is None:
                if told := self._read_reports(process):
                    self._begin_next_test(process, told)
                self._processes.box.turn()
            self._processes.box.reset.kill_all()
            process.drain_rest()
            told = self._read_reports(process)
            self._note_times(told, self._spending.count(last=True).cpu_s)
            self._conclude(process)
        finally:
            self._processes.end(process)
            process.close()
        return self

    def _start(self) -> Process:
        job, extra = self._processes.job, self._allowance
        tests = TestOrders(
            mode=job.mode,
            files=self._files,
            module=job.module,
            entry_point=job.entry_point,
            folder=FOLDER,
            wanted=None if self._wanted is None else tuple(self._wanted),
            collected=self.collected,
        )
        own = self._processes.limits(self._zygote)
        limits = replace(
            own,
            cpu_s=own.cpu_s + extra.cpu_s,
            wall_s=own.wall_s + extra.wall_s,
            memory_mb=own.memory_mb + int(extra.memory_mb) + 1,
            output_bytes=own.output_bytes + extra.output_bytes,
            processes=own.processes + extra.processes,
            cpu_total_s=extra.cpu_total_s,
        )
        orders = self._processes.orders(Role.PLAIN, tests=tests)
        return self._processes.start(orders, limits, zygote=self._zygote)

    def _read_reports(self, process: Process) -> list[TesterTest]:
        """Process new reports, and return the tests among them."""
        told: list[TesterTest] = []
        for kind, payload in process.answers():
            if kind != Answer.REPORT:
                self._other_answers.setdefault(kind, payload)
                continue
            if self._forged:
                continue
            try:
                self._take(payload, told)
            except BrokenRecord:
                self._forged = True
                process.kill()
        return told

    def _begin_next_test(self, process: Process, told: list[TesterTest]) -> None:
        cpu_s = 0.0
        if self._wanted is None or any(test.id in self._wanted for test in told):
            cpu_s = self._spending.count(last=False).cpu_s
            process.begin_next()
        self._note_times(told, cpu_s)

    def _note_times(self, told: list[TesterTest], cpu_s: float) -> None:
        self.outcomes.update((test.id, test) for test in with_cpu_time(told, cpu_s))

    def _take(self, payload: bytes, told: list[TesterTest]) -> None:
        match from_payload(payload):
            case TesterTest() as one:
                test = _cleaned(one)
                if test.id not in self.outcomes and self._may_be_told(test):
                    self.outcomes[test.id] = test
                    told.append(test)
            case Collected(ids=ids) if self._wanted is None and len(ids) <= MAX_TESTS:
                self.collected = self.collected or tuple(_text(test_id, MAX_ID_CHARS) for test_id in ids)
            case Unusable(why=why):
                self._unusable = why
            case Finished():
                self._finished = True
            case _:
                pass

    def _may_be_told(self, test: TesterTest) -> bool:
        if self._wanted is None:
            return len(self.outcomes) < MAX_TESTS
        if test.id in self._wanted:
            return True
        is_new = test.outcome in (TestOutcome.FAILED, TestOutcome.ERROR) and test.id not in self.collected
        return is_new and len(self.outcomes) < len(self._wanted) + MAX_NEW_FAILURES

    def _conclude(self, process: Process) -> None:
        answers = self._other_answers
        if Answer.NOT_COMPILED in answers:
            self.end, self.message = End.NOT_COMPILED, answers[Answer.NOT_COMPILED].decode("utf-8", "replace")
        elif limit := process.broken_limit(0.0):
            over = self._spending.sentence if limit is End.BUDGET else ""
            self.end, self.message = limit, over or f"the process was ended: {limit.replace('_', ' ')}"
        elif not self._finished:
            self.end = End.LOST
            self.message = self._unusable or f"the process ended before its tests. {process.message()[-500:]}".strip()

    # Consequences for the run across the wall

    def confirm(self, test: TesterTest) -> TesterTest:
        """Return the final outcome of a test that passed across the wall: it passes if it passed here as well."""
        found = self.outcomes.get(test.id)
        if found is None:
            message = f"{ONLY_ACROSS}: {self.message or 'it did not run'}"
            return replace(test, outcome=TestOutcome.MISSING, message=message, end=self.end or End.LOST)
        if found.outcome is TestOutcome.PASSED:
            return test
        outcome = found.outcome if found.outcome is TestOutcome.ERROR else TestOutcome.FAILED
        return replace(test, outcome=outcome, message=f"{ONLY_ACROSS}: {found.message}")

    def new_failures(self, known: Collection[str]) -> list[TesterTest]:
        """Return failures that were not tests across the wall: statements that must succeed without being tests."""
        return [
            replace(test, message=f"{ONLY_ACROSS}: {test.message}")
            for test in self.outcomes.values()
            if test.id not in known
        ]


def _cleaned(test: TesterTest) -> TesterTest:
    """Return a report with texts and numbers limited to safe values, since the program may have written it."""
    time_s = test.time_s if 0 <= test.time_s < MAX_TIME_S else 0.0
    return TesterTest(
        id=_text(test.id, MAX_ID_CHARS),
        outcome=test.outcome,
        message=_text(test.message, MAX_MESSAGE_CHARS),
        time_s=time_s,
    )


def _text(text: str, most: int) -> str:
    return text[:most].encode("utf-8", "replace").decode()


def base_of(test_id: str) -> str:
    """Return the id of a test without its parameters, or its number in a line: `a.py::t[1]`, `line 3 (2)`."""
    if "::" in test_id:
        return test_id.partition("[")[0]
    return re.sub(r" \(\d+\)$", "", test_id)
