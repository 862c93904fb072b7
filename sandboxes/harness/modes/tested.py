"""Tests of their own: the program in one process, its tests in another, a socket between them.

The tester tells over its own channel what each test came to. Each such report also starts the clocks of the program
anew, so the time limit is that of one test. The program is killed when the tests are over; the tester has limits of its
own, for it is test code and may hang as well, which is never taken for a test that passed.
"""

import os
import secrets
import socket
import time

from sandboxes.harness.limits import ProcessLimits, other_pids, relatives, uid_of
from sandboxes.harness.process import Process
from sandboxes.harness.processes import Processes
from sandboxes.harness.spending import Pair
from sandboxes.protocol.child import Answer, Role, TestOrders
from sandboxes.protocol.constants import MIB, TESTER_FOLDER
from sandboxes.protocol.facts import End, TesterFacts, TesterTest, TestOutcome
from sandboxes.protocol.job import Mode
from sandboxes.protocol.records import BrokenRecord
from sandboxes.protocol.report import Collected, Finished, Report, Unusable, from_payload

PROGRAM_MODULES = ("sandboxes.harness.objects",)
TESTER_MODULES = {
    Mode.ASSERT: ("sandboxes.harness.tester.main", "sandboxes.harness.tester.asserts"),
    Mode.PYTEST: (
        "pytest",
        "_pytest.assertion.rewrite",
        "sandboxes.harness.tester.main",
        "sandboxes.harness.tester.pytest_files",
    ),
}
"""What the two processes of a test have imported before they are forked."""
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


def carry_out(processes: Processes) -> None:
    """Run the tests and tell one fact about all of them."""
    _TestRun(processes).carry_out()


class _TestRun:
    """The two processes of one job while they run."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._box = processes.box
        self._tests: dict[str, TesterTest] = {}
        self._collected: tuple[str, ...] = ()
        self._finished: Finished | None = None
        self._unusable = ""
        self._gone_since_s: float | None = None

    def carry_out(self) -> None:
        program_zygote = self._box.zygote_with(PROGRAM_MODULES)
        self._tester_zygote = self._box.zygote_with(TESTER_MODULES[self._processes.job.mode])
        for_program, for_tester = socket.socketpair()
        with for_program, for_tester:
            self._limits = self._processes.limits(program_zygote, cpu_total_s=TOTAL_CPU_S)
            orders = self._processes.orders(Role.SERVE)
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
        self._box.service.tell(self._facts())

    def _start_tester(self, link: socket.socket) -> Process:
        job, zygote = self._processes.job, self._tester_zygote
        tests = TestOrders(
            mode=job.mode,
            files=job.tests,
            module=job.module,
            entry_point=job.entry_point,
            folder=os.path.join(TESTER_FOLDER, secrets.token_hex(8)) if job.mode is Mode.PYTEST else None,
        )
        packages = self._box.config.packages
        orders = self._processes.orders(Role.TEST, folder=TESTER_FOLDER, tests=tests, packages=packages)
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

    # The budget of all tests: a run tells which two processes work for it, when it begins, when a test is
    # over, and how many tests there are.

    def _follow(self, program: Process, tester: Process) -> None:
        program.spending = self._processes.spending
        self._processes.spending.follow(Pair(program, tester))

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
                self._collected = report.ids
                self._processes.spending.tests = len(report.ids)
            case TesterTest():
                self._tests[report.id] = report
                self._begin_next_test()
            case Unusable():
                self._unusable = report.why
            case Finished():
                self._finished = report

    def _begin_next_test(self) -> None:
        self._processes.spending.count(last=False)
        for process in (self._program, self._tester):
            if process.ended is None:
                process.rebase(precisely=time.monotonic() - process.began_s > CLOSER_LOOK_S)
                process.begin_clock()

    # Afterwards

    def _facts(self) -> TesterFacts:
        program = self._program
        assert program.ended is not None
        assert self._tester.ended is not None
        missing = [TesterTest(id=test_id, outcome=TestOutcome.MISSING) for test_id in self._collected]
        tests = {**{test.id: test for test in missing}, **self._tests}
        end, message = self._program_end()
        return TesterFacts(
            tests=tuple(tests.values()),
            finished=self._finished is not None and self._tester.ended.status == 0,
            broken=self._unusable,
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
        if program.killed_for is End.BUDGET:
            return End.BUDGET, self._processes.spending.sentence
        if limit := program.killed_for:
            return limit, f"the program was ended: {limit.replace('_', ' ')}"
        if self._finished is not None and self._finished.lost:
            limit = program.broken_limit(0.0)
            return limit or End.LOST, f"{self._finished.lost} {program.message()[-500:]}".strip()
        if self._finished is None and not self._unusable:
            return tester.killed_for or End.LOST, f"the tests came to no end. {tester.message()[-1000:]}".strip()
        return None, ""
