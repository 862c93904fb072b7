"""A job of `assert` or `pytest`: the program in one process, its tests in another, a socket between them.

The tester tells over its own channel what each test came to. Each such message also starts the clocks of the program
anew, so the time limit is that of one test. The program is killed when the tests are over; the tester has limits of its
own, for it is test code and may hang as well, which is never taken for a test that passed.
"""

import json
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from sandboxes.harness import candidate, frames
from sandboxes.harness.limits import MIB, Limits, other_pids, relatives, uid_of
from sandboxes.harness.program import Program

if TYPE_CHECKING:
    from sandboxes.harness.jobs import JobRun

TESTER_CPU_S = 30.0
"""What test code may use for one test beyond what the program may: for data it makes or compares."""
TESTER_WALL_S = 30.0
TESTER_MEMORY_MB = 1024
TESTER_PROCESSES = 64
TESTER_OUTPUT_BYTES = 256 * MIB
LAST_WORDS_S = 10.0
"""How long the tester may go on after the program is gone."""


class TestRun:
    """One job with tests of its own while it runs."""

    __test__ = False

    def __init__(self, run: "JobRun", folder: str) -> None:
        self._run = run
        self._supervisor = run.supervisor
        self._folder = folder
        self._tests: dict[str, dict[str, Any]] = {}
        self._collected: list[str] = []
        self._facts: dict[str, Any] = {"finished": False}
        self._gone_since_s: float | None = None

    def carry_out(self) -> None:
        """Run the tests and tell one fact about all of them."""
        job = self._run.job
        self._zygotes = [self._supervisor.zygote_for(mode) for mode in ("serve", job.mode)]
        for_program, for_tester = socket.socketpair()
        with for_program, for_tester:
            spec = self._run.spec("serve")
            zygote = self._zygotes[0]
            self._program = self._run.start(spec, self._run.limits, merged=True, link=for_program, zygote=zygote)
            try:
                self._tester = self._start_tester(for_tester)
            except BaseException:
                self._run.end(self._program)
                self._program.close()
                raise
        self._program.lister = self._pids_of_program
        self._tester.lister = lambda: (self._tester.pid,)
        try:
            self._watch()
        finally:
            for process in (self._program, self._tester):
                self._run.end(process)
                process.close()
        self._tell()

    def _start_tester(self, link: socket.socket) -> Program:
        job, limits, zygote = self._run.job, self._run.limits, self._zygotes[1]
        folder = os.path.join(self._folder, secrets.token_hex(8)) if job.mode == "pytest" else None
        orders = {
            "mode": job.mode,
            "files": job.files,
            "module": job.module,
            "entry_point": job.entry_point,
            "folder": folder,
        }
        spec = self._run.spec("test", folder=self._folder, orders=orders, packages=self._supervisor.config.packages)
        tester_limits = Limits(
            cpu_s=limits.cpu_s + TESTER_CPU_S,
            wall_s=limits.wall_s + TESTER_WALL_S,
            memory_mb=TESTER_MEMORY_MB,
            output_bytes=TESTER_OUTPUT_BYTES,
            processes=TESTER_PROCESSES,
            base_mb=zygote.base_mb,
            base_address_mb=zygote.base_address_mb,
            cpu_total_s=3600.0,
        )
        return self._run.start(spec, tester_limits, merged=True, link=link, zygote=zygote, answer_head=candidate.LENGTH)

    def _pids_of_program(self) -> list[int]:
        """Return the processes of the program: not those of the tester, nor the box's own."""
        others = other_pids(self._supervisor.reset.known)
        if self._supervisor.config.cage == "uids":
            return [pid for pid in others if pid == self._program.pid or uid_of(pid) == self._program.uid]
        return relatives(self._program.pid, others)

    # While the tests run

    def _watch(self) -> None:
        """Follow the tests until the tester has ended."""
        while self._tester.ended is None:
            while (said := self._tester.channel.take()) is not None:
                self._hear(json.loads(said[1]))
            if self._program.ended is not None and self._gone_since_s is None:
                self._gone_since_s = time.monotonic()
                self._supervisor.loop.at(self, self._gone_since_s + LAST_WORDS_S, self._end_tester)
            self._supervisor.turn()
        while (said := self._tester.channel.take()) is not None:
            self._hear(json.loads(said[1]))
        self._supervisor.loop.cancel(self)

    def _end_tester(self, _: float) -> None:
        self._tester.kill("wall_limit")

    def _hear(self, message: dict[str, Any]) -> None:
        """Take one message of the tester; see `tester`."""
        if "collected" in message:
            self._collected = message["collected"]
        elif "test" in message:
            self._tests[message["test"]["id"]] = message["test"]
            for process in (self._program, self._tester):
                if process.ended is None:
                    process.rebase(precisely=time.monotonic() - process.began_s > 0.05)
                    process.begin_clock()
        else:
            self._facts.update(message)

    # Afterwards

    def _tell(self) -> None:
        program, facts = self._program, self._facts
        assert program.ended is not None
        assert self._tester.ended is not None
        missing = {"outcome": "missing", "message": ""}
        tests = [self._tests.get(test_id, {"id": test_id, **missing}) for test_id in self._collected]
        collected = set(self._collected)
        tests += [test for test_id, test in self._tests.items() if test_id not in collected]
        end, message = self._program_end()
        head = {
            "type": "tester",
            "tests": tests,
            "finished": bool(facts["finished"]) and self._tester.ended.status == 0,
            "broken": facts.get("broken", ""),
            "program_end": end,
            "message": message,
            "time_s": program.ended.cpu_s,
            "memory_mb": program.peak_mb,
        }
        self._supervisor.service.tell(frames.FACT, head)

    def _program_end(self) -> tuple[str | None, str]:
        """Return what ended the program before its tests were over, if anything did, with a sentence."""
        program, tester, facts = self._program, self._tester, self._facts
        said = program.channel.take()
        if said is not None and said[0] == candidate.NOT_COMPILED:
            return "not_compiled", said[1].decode("utf-8", "replace")
        if program.over:
            return program.over, f"the program was ended: {program.over.replace('_', ' ')}"
        lost = facts.get("lost")
        if lost:
            over = program.broken_limit(0.0) if program.ended is not None else None
            return over or "lost", f"{lost} {program.message()[-500:]}".strip()
        if not facts["finished"] and not facts.get("broken"):
            return tester.over or "lost", f"the tests came to no end. {tester.message()[-1000:]}".strip()
        return None, ""
