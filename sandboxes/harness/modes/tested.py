"""Tests of their own: the program in one process, its tests in another, a socket between them; then both in one.

Across the wall the tester tells over its own channel what each test came to. Each such report also starts the clocks of
the program anew, so the time limit is that of one test. The program is killed when the tests are over; the tester has
limits of its own, for it is test code and may hang as well, which is never taken for a test that passed.

What passed is run once more in plain Python, tests and program in one fresh process, after everything of the first run
is gone. What that process tells may be forged, so it can only take credit away. See `plain_run`.
"""

import os
import secrets
import socket
import time
from dataclasses import replace
from typing import Any

from sandboxes.harness.limits import ProcessLimits, other_pids, relatives, uid_of
from sandboxes.harness.modes.plain_run import Allowance, PlainRun
from sandboxes.harness.process import Process
from sandboxes.harness.processes import Processes
from sandboxes.protocol.child import Answer, Orders, Role, TestOrders
from sandboxes.protocol.constants import MIB, SHARED_FOLDER, TEMPORARY_FOLDER, TESTER_FOLDER, WRITABLE_FOLDERS
from sandboxes.protocol.facts import End, Signal, TesterFacts, TesterTest, TestOutcome
from sandboxes.protocol.job import Mode
from sandboxes.protocol.records import BrokenRecord
from sandboxes.protocol.report import Collected, Finished, Lied, Report, Unusable, from_payload

PROGRAM_MODULES = ("sandboxes.harness.wall.server", "sandboxes.harness.child.open_files")
TESTER_MODULES = {
    Mode.ASSERT: (
        "sandboxes.harness.tester.main",
        "sandboxes.harness.tester.asserts",
        "sandboxes.harness.child.open_files",
    ),
    Mode.PYTEST: (
        "pytest",
        "_pytest.assertion.rewrite",
        "sandboxes.harness.tester.main",
        "sandboxes.harness.tester.pytest_files",
        "sandboxes.harness.child.open_files",
    ),
}
"""What the processes of a test have imported before they are forked."""
TOTAL_CPU_S = 3600.0
"""What one process may use for all its tests together; it is only the net below the limit of each test."""
TESTER_CPU_S = 30.0
"""What test code may use for one test beyond what the program may: for data it makes or compares."""
TESTER_WALL_S = 30.0
TESTER_MEMORY_MB = 1024
TESTER_PROCESSES = 64
TESTER_OUTPUT_BYTES = 256 * MIB
LAST_WORDS_S = 10.0
"""How long the tester may go on after the program is gone."""
CLOSER_LOOK_S = 0.05
ALL_LEFT_OUT = "their author has marked every one of them to be skipped"
TESTER_ENV = {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
"""So that a Python which the tests start imports nothing from a folder in which the program can write."""


def carry_out(processes: Processes) -> None:
    """Run the tests and tell one fact about all of them."""
    wall = _WallRun(processes)
    facts = wall.carry_out()
    passed = tuple(test.id for test in facts.tests if test.outcome is TestOutcome.PASSED)
    if passed and not facts.broken and not facts.lied:
        processes.box.clean()
        plain = PlainRun(processes, wall.tester_zygote, wall.allowance(), passed, wall.collected)
        facts = confirmed(facts, plain.carry_out())
    processes.box.service.tell(facts)


def confirmed(facts: TesterFacts, plain: PlainRun) -> TesterFacts:
    """Return what is left of the facts: a test has passed if it passed in both runs."""
    tests = [plain.confirm(test) if test.outcome is TestOutcome.PASSED else test for test in facts.tests]
    known = {test.id for test in tests}
    tests += [test for test in plain.new_failures() if test.id not in known]
    taken = any(test != before for test, before in zip(tests, facts.tests, strict=False)) or len(tests) > len(known)
    signals = {*facts.signals, *([Signal.PASSED_ONLY_ACROSS_THE_WALL] if taken else [])}
    return replace(facts, tests=tuple(tests), signals=tuple(sorted(signals)))


class _WallRun:
    """The two processes of one job while they run."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._box = processes.box
        self._tests: dict[str, TesterTest] = {}
        self.collected: tuple[str, ...] = ()
        self._finished: Finished | None = None
        self._unusable = ""
        self._lied = ""
        self._gone_since_s: float | None = None

    def carry_out(self) -> TesterFacts:
        """Run the tests across the wall; both processes have ended when it returns."""
        program_zygote = self._box.zygote_with(PROGRAM_MODULES)
        self.tester_zygote = self._box.zygote_with(TESTER_MODULES[self._processes.job.mode])
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
        try:
            self._watch()
        finally:
            for process in (self._program, self._tester):
                self._processes.end(process)
                process.close()
        return self._facts()

    def _orders(self, role: Role, **more: Any) -> Orders:
        """Return the orders of one side. With namespaces each has folders of its own, but for the temporary one."""
        own = tuple(folder for folder in WRITABLE_FOLDERS if folder != TEMPORARY_FOLDER)
        return self._processes.orders(role, writable=own, working_folder=SHARED_FOLDER, **more)

    def _start_tester(self, link: socket.socket) -> Process:
        job, zygote = self._processes.job, self.tester_zygote
        private = os.path.join(TESTER_FOLDER, secrets.token_hex(8))
        tests = TestOrders(
            mode=job.mode,
            files=job.tests,
            module=job.module,
            entry_point=job.entry_point,
            folder=private if job.mode is Mode.PYTEST else None,
        )
        env = {**dict(job.toolchain.env), **TESTER_ENV, "HOME": private}
        orders = self._orders(Role.TEST, folder=TESTER_FOLDER, tests=tests, env=env)
        limits = ProcessLimits(
            cpu_s=self._limits.cpu_s + TESTER_CPU_S,
            wall_s=self._limits.wall_s + TESTER_WALL_S,
            memory_mb=TESTER_MEMORY_MB,
            output_bytes=TESTER_OUTPUT_BYTES,
            processes=TESTER_PROCESSES,
            base_mb=zygote.base_mb,
            base_address_mb=zygote.base_address_mb,
            cpu_total_s=TOTAL_CPU_S,
        )
        return self._processes.start(orders, limits, link=link, zygote=zygote)

    def _pids_of_program(self) -> list[int]:
        """Return the processes of the program: not those of the tester, nor the box's own."""
        others = other_pids(self._box.reset.known)
        if self._box.by_uids:
            return [pid for pid in others if pid == self._program.pid or uid_of(pid) == self._program.uid]
        return relatives(self._program.pid, others)

    def allowance(self) -> Allowance:
        """Return what the tester used by itself: a process that does both may use it beside what the program may."""
        ended = self._tester.ended
        assert ended is not None
        return Allowance(
            cpu_s=ended.cpu_s,
            wall_s=min(ended.at_s - self._began_s, TESTER_WALL_S),
            memory_mb=max(self._tester.peak_mb - self.tester_zygote.base_mb, 0.0),
            processes=TESTER_PROCESSES,
            output_bytes=TESTER_OUTPUT_BYTES,
            cpu_total_s=TOTAL_CPU_S,
        )

    # While the tests run

    def _watch(self) -> None:
        """Follow the tests until the tester has ended."""
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
        for kind, payload in self._tester.answers():
            if kind != Answer.REPORT:
                continue
            try:
                self._take(from_payload(payload))
            except BrokenRecord:  # the test code has written to the channel: these tests come to no end
                self._tester.kill()

    def _take(self, report: Report) -> None:
        match report:
            case Collected():
                self.collected = report.ids
                self._begin_next_test()
            case TesterTest():
                self._tests[report.id] = report
                self._begin_next_test()
            case Unusable():
                self._unusable = report.why
            case Lied():
                self._lied = report.what
            case Finished():
                self._finished = report

    def _begin_next_test(self) -> None:
        for process in (self._program, self._tester):
            if process.ended is None:
                process.rebase(precisely=time.monotonic() - process.began_s > CLOSER_LOOK_S)
                process.begin_clock()

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
        finished = self._finished is not None and self._tester.ended.status == 0
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
        """Return what ended the program before its tests were over, if anything did, with a sentence."""
        program, tester = self._program, self._tester
        answers = dict(program.answers())
        if Answer.NOT_COMPILED in answers:
            return End.NOT_COMPILED, answers[Answer.NOT_COMPILED].decode("utf-8", "replace")
        if limit := program.killed_for:
            return limit, f"the program was ended: {limit.replace('_', ' ')}"
        if self._finished is not None and self._finished.lost:
            limit = program.broken_limit(0.0)
            return limit or End.LOST, f"{self._finished.lost} {program.message()[-500:]}".strip()
        if self._finished is None and not self._unusable:
            return tester.killed_for or End.LOST, f"the tests came to no end. {tester.message()[-1000:]}".strip()
        return None, ""


def _make_shared_folder() -> None:
    """Make the folder in which both sides start and work: what one makes there the other may change and remove."""
    os.mkdir(SHARED_FOLDER)
    os.chmod(SHARED_FOLDER, 0o777)
