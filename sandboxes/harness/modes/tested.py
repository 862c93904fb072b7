"""Test code: the program in one process, its tests in another, and a socket between them; then both in one process.

Theory of operation. Across the wall, the tester reports each outcome over its own channel, which the program cannot
reach. Each report also restarts the program's clocks, so time limits apply to single tests. When the tests are over,
the program is killed. The tester has its own limits: test code can hang too, and that never counts as passed.

Tests that passed run once more in plain Python, with tests and program together in a new process, after the first run
has been cleaned up completely. The program can forge what this process reports, so this run can only take credit away.
See `plain_run`.
"""

import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandboxes.harness.limits import other_pids, relatives, uid_of
from sandboxes.harness.modes import shared
from sandboxes.harness.modes.plain_run import Allowance, PlainRun, base_of
from sandboxes.harness.modes.testers import (
    MIXED_OUTPUT_BYTES,
    PROGRAM_MODULES,
    TESTER_PROCESSES,
    TESTER_WALL_S,
    TOTAL_CPU_S,
    tester_limits,
    tester_zygote,
)
from sandboxes.harness.process import Process
from sandboxes.harness.processes import Processes
from sandboxes.harness.spending import Pair, with_cpu_time
from sandboxes.protocol.child import Answer, Orders, Role, TestOrders
from sandboxes.protocol.constants import SHARED_FOLDER, TEMPORARY_FOLDER, TESTER_FOLDER, WRITABLE_FOLDERS
from sandboxes.protocol.facts import End, Signal, TesterFacts, TesterTest, TestOutcome, Twin
from sandboxes.protocol.job import Mode
from sandboxes.protocol.records import BrokenRecord
from sandboxes.protocol.report import Collected, Finished, Lied, Report, Unusable, from_payload

LAST_WORDS_S = 10.0
"""How long the tester can continue after the program has ended."""
CLOSER_LOOK_S = 0.05
DECIDED = "an operator of the submission's own class decided this test"
PASSED_A_TWIN = f"{DECIDED}, and a copy of the test that expects something else passed too"
TWIN_LOST = f"{DECIDED}, and its process did not survive a copy of the test that expects something else"
NO_TWIN = (
    f"{DECIDED}, and the test has no literal to change, so nothing shows that the operator ever denies; with "
    "`process: shared`, plain Python alone decides"
)
_EXECUTES = re.compile(r"(?<![\w.])(?:eval|exec|compile)\(|\b(?:pickle|marshal|runpy|dill)\b")
"""Test code that might execute text from the submission. Its tests then count only if a changed copy fails."""
ALL_LEFT_OUT = "their author has marked every one of them to be skipped"
TESTER_ENV = {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
"""Prevents a Python started by the tests from importing files of the program from a folder it can write to."""


def carry_out(processes: Processes) -> None:
    """Run the tests and report one fact about all of them."""
    facts = shared.carry_out(processes) if processes.job.twins else _carry_out_apart(processes)
    processes.box.service.tell(facts)


def _carry_out_apart(processes: Processes) -> TesterFacts:
    """Run the tests across the wall, and those that passed once more in plain Python."""
    wall = _WallRun(processes, processes.job.tests)
    facts = wall.carry_out()
    passed = _passed(facts)
    if not passed or facts.broken or facts.lied:
        return facts
    processes.box.clean()
    plain = PlainRun(processes, wall.allowance(), processes.job.tests, wanted=passed, collected=wall.collected)
    facts = _confirmed(facts, plain.carry_out())
    doubtful = {test.id: test.needs_twin for test in facts.tests if test.outcome is TestOutcome.PASSED}
    if any(_EXECUTES.search(text) for text in processes.job.tests.values()):
        doubtful = {test_id: twin or Twin.IF_THERE_IS_ONE for test_id, twin in doubtful.items()}
    doubtful = {test_id: twin for test_id, twin in doubtful.items() if twin is not Twin.NO}
    return _with_twins(processes, facts, doubtful, wall.collected) if doubtful else facts


def _passed(facts: TesterFacts) -> tuple[str, ...]:
    return tuple(test.id for test in facts.tests if test.outcome is TestOutcome.PASSED)


def _confirmed(facts: TesterFacts, plain: PlainRun) -> TesterFacts:
    """Return the combined facts: a test passes if it passed in both runs."""
    tests = [plain.confirm(test) if test.outcome is TestOutcome.PASSED else test for test in facts.tests]
    tests += plain.new_failures({test.id for test in tests})
    signals = set(facts.signals)
    if tests != list(facts.tests):
        signals.add(Signal.PASSED_ONLY_ACROSS_THE_WALL)
    return replace(facts, tests=tuple(tests), signals=tuple(sorted(signals)))


def _with_twins(
    processes: Processes, facts: TesterFacts, doubtful: Mapping[str, Twin], collected: tuple[str, ...]
) -> TesterFacts:
    """Run changed copies of the doubtful tests, that is, of those that an operator of the submission decided.

    Every honest submission fails a changed copy. One that passes it has lied, and no test counts. A doubtful test
    without anything to change fails if it needs such a proof.
    """
    copies = processes.job.apart
    changeable = {test_id for copy in copies for test_id in copy.changed}
    failed_to_deny: dict[str, str] = {
        test_id: NO_TWIN
        for test_id, twin in doubtful.items()
        if twin is Twin.ALWAYS and base_of(test_id) not in changeable
    }
    signals = set(facts.signals)
    for copy in copies:
        asked = tuple(
            test_id
            for test_id, twin in doubtful.items()
            if base_of(test_id) in copy.changed and (copy.is_proof or twin is Twin.ALWAYS)
        )
        if asked:
            processes.box.clean()
            processes.folder.prepare()
            told = _WallRun(processes, copy.files, wanted=asked, collected=collected).carry_out()
            if told.lied:
                return replace(facts, lied=told.lied, signals=tuple(sorted(signals)))
            outcomes = {test.id: test.outcome for test in told.tests}
            passed = [test_id for test_id in asked if outcomes.get(test_id) is TestOutcome.PASSED]
            if passed:
                signals.add(Signal.FAILED_TWIN)
            if passed and copy.is_proof:
                why = f"{passed[0]}: {PASSED_A_TWIN}"
                return replace(facts, lied=why, signals=tuple(sorted(signals)))
            lost = [test_id for test_id in asked if outcomes.get(test_id) not in (*_DENIED, TestOutcome.PASSED)]
            failed_to_deny |= {**dict.fromkeys(lost, TWIN_LOST), **dict.fromkeys(passed, PASSED_A_TWIN)}
    tests = tuple(
        replace(test, outcome=TestOutcome.FAILED, message=failed_to_deny[test.id])
        if test.id in failed_to_deny
        else test
        for test in facts.tests
    )
    return replace(facts, tests=tests, signals=tuple(sorted(signals)))


_DENIED = (TestOutcome.FAILED, TestOutcome.ERROR)


class _WallRun:
    """The two processes of one job while they run."""

    def __init__(
        self,
        processes: Processes,
        files: Mapping[str, str],
        wanted: tuple[str, ...] | None = None,
        collected: tuple[str, ...] = (),
    ) -> None:
        """Prepare a run of the tests in `files`.

        `wanted` limits it to some tests, given by the ids under which an earlier run `collected` them; None means all.
        """
        self._processes = processes
        self._files = dict(files)
        self._wanted = wanted
        self._collected_before = collected
        self._box = processes.box
        self._tests: dict[str, TesterTest] = {}
        self.collected: tuple[str, ...] = ()
        self._finished: Finished | None = None
        self._forged = False
        self._unusable = ""
        self._lied = ""
        self._gone_since_s: float | None = None

    def carry_out(self) -> TesterFacts:
        """Run the tests across the wall. Both processes have ended when this returns."""
        program_zygote = self._box.zygote_with(PROGRAM_MODULES)
        self.tester_zygote = tester_zygote(self._processes)
        for_program, for_tester = socket.socketpair()
        with for_program, for_tester:
            self._limits = self._processes.limits(program_zygote, cpu_total_s=TOTAL_CPU_S)
            _make_shared_folder()
            orders = self._orders(Role.SERVE)
            self._program = self._processes.start(orders, self._limits, link=for_program, zygote=program_zygote)
            try:
                self._tester = self._start_tester(for_tester)
            except BaseException:
                self._processes.end(self._program)
                self._program.close()
                raise
        self._began_s = self._program.began_s
        self._program.lister = self._pids_of_program
        self._tester.lister = lambda: (self._tester.pid,)
        self._follow(self._program, self._tester)
        try:
            self._watch()
        finally:
            for process in (self._program, self._tester):
                self._processes.end(process)
                process.close()
        return self._facts()

    def _orders(self, role: Role, **more: Any) -> Orders:
        """Return the orders of one side. With namespaces, each has its own folders except for the temporary one."""
        own = tuple(folder for folder in WRITABLE_FOLDERS if folder != TEMPORARY_FOLDER)
        return self._processes.orders(role, writable=own, working_folder=SHARED_FOLDER, **more)

    def _start_tester(self, link: socket.socket) -> Process:
        job, zygote = self._processes.job, self.tester_zygote
        private = os.path.join(TESTER_FOLDER, secrets.token_hex(8))
        tests = TestOrders(
            mode=job.mode,
            files=self._files,
            module=job.module,
            entry_point=job.entry_point,
            folder=private if job.mode is Mode.PYTEST else None,
            wanted=self._wanted,
            collected=self._collected_before,
        )
        env = {**dict(job.toolchain.env), **TESTER_ENV, "HOME": private}
        orders = self._orders(Role.TEST, folder=TESTER_FOLDER, tests=tests, env=env)
        limits = tester_limits(self._limits, zygote)
        return self._processes.start(orders, limits, link=link, zygote=zygote)

    def _pids_of_program(self) -> list[int]:
        """Return the pids of the program's processes, without the tester's and the box's own."""
        others = other_pids(self._box.reset.known)
        if self._box.by_uids:
            return [pid for pid in others if pid == self._program.pid or uid_of(pid) == self._program.uid]
        return relatives(self._program.pid, others)

    def allowance(self) -> Allowance:
        """Return what the tester itself used. A process that does both gets this on top of the program's limits."""
        ended = self._tester.ended
        assert ended is not None
        return Allowance(
            cpu_s=ended.cpu_s,
            wall_s=min(ended.at_s - self._began_s, TESTER_WALL_S),
            memory_mb=max(self._tester.peak_mb - self.tester_zygote.base_mb, 0.0),
            processes=TESTER_PROCESSES,
            output_bytes=MIXED_OUTPUT_BYTES,
            cpu_total_s=TOTAL_CPU_S,
        )

    # The budget of all tests: a run registers its two processes with the meter, and reports when a test ends and how
    # many tests there are.

    def _follow(self, program: Process, tester: Process) -> None:
        program.spending = self._processes.spending
        self._processes.spending.follow(Pair(program, tester))

    # While the tests run

    def _watch(self) -> None:
        """Follow the tests until the tester ends."""
        while self._tester.ended is None:
            self._read_reports()
            if self._program.ended is not None and self._gone_since_s is None:
                self._gone_since_s = time.monotonic()
                self._box.loop.at(self, self._gone_since_s + LAST_WORDS_S, self._end_tester)
            self._box.turn()
        self._read_reports()
        self._box.loop.cancel(self)

    def _end_tester(self, _: float) -> None:
        self._tester.kill(End.WALL_LIMIT)

    def _read_reports(self) -> None:
        told: list[TesterTest] = []
        for kind, payload in self._tester.answers():
            if kind != Answer.REPORT or self._forged:
                continue
            try:
                self._take(from_payload(payload), told)
            except BrokenRecord:  # the test code has written to the channel: nothing on it counts from here on
                self._forged = True
                self._tester.kill()
        if told:
            self._tests.update((test.id, test) for test in with_cpu_time(told, self._begin_next_test()))

    def _take(self, report: Report, told: list[TesterTest]) -> None:
        match report:
            case Collected():
                self.collected = report.ids
                self._processes.spending.tests = len(report.ids)
                self._begin_next_test()
            case TesterTest():
                told.append(report)
            case Unusable():
                self._unusable = report.why
            case Lied():
                self._lied = report.what
            case Finished():
                self._finished = report

    def _begin_next_test(self) -> float:
        """Restart the clocks, and return the CPU seconds used since the last call."""
        cpu_s = self._processes.spending.count(last=False).cpu_s
        for process in (self._program, self._tester):
            if process.ended is None:
                process.rebase(precisely=time.monotonic() - process.began_s > CLOSER_LOOK_S)
                process.begin_clock()
        return cpu_s

    # Afterwards

    def _facts(self) -> TesterFacts:
        program = self._program
        assert program.ended is not None
        assert self._tester.ended is not None
        missing = {test_id: TesterTest(id=test_id, outcome=TestOutcome.MISSING) for test_id in self.collected}
        tests = {**self._tests, **{name: test for name, test in missing.items() if name not in self._tests}}
        counted = tuple(test for test in tests.values() if test.outcome is not TestOutcome.LEFT_OUT)
        self.collected = tuple(tests)
        end, message = self._program_end()
        finished = self._finished is not None and not self._forged and self._tester.ended.status == 0
        return TesterFacts(
            tests=counted,
            finished=finished,
            broken=self._unusable or (ALL_LEFT_OUT if finished and tests and not counted else ""),
            lied=self._lied,
            program_end=end,
            message=message,
            time_s=program.ended.cpu_s,
            wall_s=self._tester.ended.at_s - self._began_s,
            memory_mb=program.peak_mb,
            signals=program.signals(left_processes=False, owed_an_answer=end is End.LOST),
        )

    def _program_end(self) -> tuple[End | None, str]:
        """Return what ended the program before its tests were over, if anything, and a sentence about it."""
        program, tester = self._program, self._tester
        answers = dict(program.answers())
        if Answer.NOT_COMPILED in answers:
            return End.NOT_COMPILED, answers[Answer.NOT_COMPILED].decode("utf-8", "replace")
        if program.killed_for is End.BUDGET:
            return End.BUDGET, self._processes.spending.sentence
        if limit := program.killed_for:
            return limit, f"the program was ended: {limit.replace('_', ' ')}"
        if self._finished is not None and self._finished.lost:
            limit = program.broken_limit(0.0)
            return limit or End.LOST, f"{self._finished.lost} {program.message()[-500:]}".strip()
        if self._finished is None and not self._unusable:
            return tester.killed_for or End.LOST, f"the tests did not finish. {tester.message()[-1000:]}".strip()
        return None, ""


def _make_shared_folder() -> None:
    """Create the common working folder of both sides, where each can change and remove the other's files."""
    os.mkdir(SHARED_FOLDER)
    os.chmod(SHARED_FOLDER, 0o777)
