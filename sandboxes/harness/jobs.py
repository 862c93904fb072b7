"""A job of `stdio` or `call` while it runs: one process after the other, and a fact for each test.

`stdio` runs a fresh process for each test. `call` gives one process the cases one by one; after a process that ended or
hit a limit a fresh one goes on with the next case. The steps that tests with a tester share are here as well.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, Any

from sandboxes.harness import candidate, frames
from sandboxes.harness.limits import MIB, Limits, other_pids
from sandboxes.harness.program import Program
from sandboxes.harness.testing import TestRun
from sandboxes.harness.zygote import Zygote

if TYPE_CHECKING:
    from sandboxes.harness.supervisor import Supervisor

FOLDER = "/box"
TESTER_FOLDER = "/tester"
WRITABLE_FOLDERS = (FOLDER, TESTER_FOLDER, "/tmp", "/dev/shm", "/dev/mqueue")
COMPILE_MEMORY_MB = 2048
COMPILE_OUTPUT_BYTES = MIB
COMPILE_PROCESSES = 256
MAX_TESTS_CPU_S = 3600.0
CLOSER_LOOK_S = 0.005
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": FOLDER,
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",
}
_ENDS = {
    candidate.RETURNED: "returned",
    candidate.RAISED: "raised",
    candidate.UNPLAIN: "unplain",
    candidate.MEMORY: "memory_limit",
}
_LOAD_ENDS = {
    candidate.RAISED: "raised",
    candidate.MEMORY: "memory_limit",
    candidate.NOT_COMPILED: "not_compiled",
}

_TOTALS: dict[str, Callable[[float, int], float | None]] = {
    "stdio": lambda cpu_s, cases: None,
    "call": lambda cpu_s, cases: cpu_s * cases,
    "assert": lambda cpu_s, cases: MAX_TESTS_CPU_S,
    "pytest": lambda cpu_s, cases: MAX_TESTS_CPU_S,
}
"""What one process may use for all its tests together, by mode; it is only the net below the limit of each test."""


@dataclass
class Job:
    """One job as it came in a frame; see `verifier_service.runners.base.Job`."""

    number: int
    mode: str
    source: bytes
    source_file: str
    limits: dict[str, Any]
    inputs: Sequence[bytes]
    compile: Sequence[str] = ()
    run: Sequence[str] = ()
    argv: Sequence[str] = ()
    env: dict[str, str] = field(default_factory=dict)
    side_files: dict[str, bytes] = field(default_factory=dict)
    entry_point: str | None = None
    module: str = "solution"
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_frame(cls, head: dict[str, Any], body: bytes) -> "Job":
        """Read a job; the body is the source, the side files in order of their names, and the inputs."""
        source, *rest = frames.split(head, body)
        names = head.pop("side_names")
        head.pop("sizes")
        return cls(source=source, side_files=dict(zip(names, rest, strict=False)), inputs=rest[len(names) :], **head)


class JobRun:
    """One job while it runs."""

    def __init__(self, supervisor: "Supervisor", job: Job) -> None:
        self.supervisor = supervisor
        self.job = job
        self.build_uid = 0
        zygote = supervisor.zygote_for("serve" if job.mode in ("assert", "pytest") else job.mode)
        forked = not job.run
        self.limits = Limits(
            cpu_s=job.limits["cpu_s"],
            wall_s=job.limits["wall_s"],
            memory_mb=job.limits["memory_mb"],
            output_bytes=job.limits["output_bytes"],
            processes=job.limits["processes"],
            base_mb=zygote.base_mb if forked else 0.0,
            base_address_mb=zygote.base_address_mb if forked else 0.0,
            cap_address_space=job.limits["cap_address_space"],
            cpu_total_s=_TOTALS[job.mode](job.limits["cpu_s"], len(job.inputs)),
        )

    def carry_out(self) -> None:
        """Run the job and tell its facts; leaves the box as it is."""
        if self.job.compile and not self._compile():
            return
        if self.job.mode == "stdio":
            for index, stdin in enumerate(self.job.inputs):
                if not self._run_script(index, stdin):
                    return
        elif self.job.mode == "call":
            self._call()
        else:
            TestRun(self, TESTER_FOLDER).carry_out()

    # One process

    def spec(self, mode: str, **more: Any) -> dict[str, Any]:
        """Return the orders of one process, with a fresh uid."""
        job = self.job
        return {
            "mode": mode,
            "folder": FOLDER,
            "file": job.source_file,
            "argv": [*job.run, *job.argv],
            "env": job.env,
            "cage": self.supervisor.config.cage,
            "seccomp": self.supervisor.config.seccomp,
            "no_new_privileges": self.supervisor.no_new_privileges,
            "writable": WRITABLE_FOLDERS[:-1],
            "private_folder": True,
            "uid": self.supervisor.fresh_uid(),
            "module": job.module,
            "entry_point": job.entry_point,
            **more,
        }

    def start(
        self,
        spec: dict[str, Any],
        limits: Limits,
        *,
        stdin: bytes = b"",
        merged: bool = False,
        link: socket.socket | None = None,
        zygote: Zygote | None = None,
        answer_head: Struct = candidate.ANSWER,
    ) -> Program:
        """Start one process."""
        supervisor = self.supervisor
        program = Program(
            supervisor.loop,
            zygote or supervisor.zygote,
            spec,
            limits,
            stdin=stdin,
            merged=merged,
            link=link,
            answer_head=answer_head,
        )
        program.lister = lambda: other_pids(supervisor.reset.known)
        program.killed_by_kernel = supervisor.killed_by_kernel
        return program

    def _finish(self, program: Program, spare_uids: Sequence[int] = ()) -> float:
        """Wait for the end of `program`, kill what it left, drain it, clean; return its CPU seconds."""
        try:
            while program.ended is None:
                self.supervisor.turn()
        finally:
            self.end(program)
        cpu_s = self.supervisor.reset.kill_all()
        program.drain_rest()
        self.supervisor.empty_folders(spare_uids)
        assert program.ended is not None
        return program.ended.cpu_s + cpu_s

    def end(self, program: Program) -> None:
        """See to it that the main process has ended, whatever else happens."""
        program.kill()
        while program.ended is None:
            self.supervisor.loop.turn()

    def tell(self, index: int, end: str, *, stdout: bytes = b"", value: bytes = b"", **more: Any) -> None:
        head = {"type": "test", "index": index, "end": end, **more}
        self.supervisor.service.tell(frames.FACT, head, (stdout, value))

    # Compile

    def _compile(self) -> bool:
        """Compile with limits of its own; what comes out belongs to a uid that the program does not get."""
        job = self.job
        limits = Limits(
            cpu_s=job.limits["compile_s"],
            wall_s=3 * job.limits["compile_s"] + 5,
            memory_mb=COMPILE_MEMORY_MB,
            output_bytes=COMPILE_OUTPUT_BYTES,
            processes=COMPILE_PROCESSES,
            cap_address_space=False,
        )
        spec = self.spec("exec", argv=list(job.compile), private_folder=False)
        self.build_uid = spec["uid"]
        program = self.start(spec, limits, merged=True)
        try:
            cpu_s = self._finish(program, (0, self.build_uid))
            assert program.ended is not None
            status = program.ended.status
            code = os.waitstatus_to_exitcode(status)
            end = program.broken_limit(cpu_s) if code != 0 or program.over else None
            head = {"type": "compile", "end": end or "exited", "exit_code": code if code >= 0 else 128 - code}
            self.supervisor.service.tell(frames.FACT, {**head, "message": program.message(), "time_s": cpu_s})
            return end is None and code == 0
        finally:
            program.close()

    # stdio

    def _run_script(self, index: int, stdin: bytes) -> bool:
        """Run the program once; False if its source is no program, so that the other tests need not run."""
        mode = "exec" if self.job.run else "stdio"
        program = self.start(self.spec(mode), self.limits, stdin=stdin)
        try:
            cpu_s = self._finish(program, (0, self.build_uid))
            assert program.ended is not None
            wall_s = time.monotonic() - program.began_s
            said = program.channel.take() if mode == "stdio" else None
            measured: dict[str, Any] = {"time_s": cpu_s, "wall_s": wall_s, "memory_mb": program.peak_mb}
            if said is not None and said[0] == candidate.NOT_COMPILED:
                self.tell(index, "not_compiled", message=said[1].decode("utf-8", "replace"), **measured)
                return False
            over = program.broken_limit(cpu_s)
            code = os.waitstatus_to_exitcode(program.ended.status)
            end = over or ("exited" if code >= 0 else "signaled")
            stdout = b"" if over == "output_limit" else program.outputs[0].kept
            self.tell(
                index,
                end,
                stdout=stdout,
                exit_code=max(code, 0),
                signal=max(-code, 0),
                message=program.message(),
                **measured,
            )
            return True
        finally:
            program.close()

    # call

    def _call(self) -> None:
        """Answer the cases one by one; after a process that ended, a fresh one goes on with the next case."""
        index = 0
        while index < len(self.job.inputs):
            program = self.start(self.spec("call"), self.limits, merged=True)
            try:
                index = Calls(self, program).answer_from(index)
            finally:
                self.end(program)
                program.close()

    @property
    def cases(self) -> int:
        return len(self.job.inputs)


class Calls:
    """One process of a `call` job while it answers cases."""

    def __init__(self, run: JobRun, program: Program) -> None:
        self.run = run
        self.program = program
        self.supervisor = run.supervisor

    def answer_from(self, index: int) -> int:
        """Give the process the cases from `index` on and tell a fact for each; return the case to go on with."""
        if not self._load(index):
            return self.run.cases
        for case in range(index, self.run.cases):
            self.program.channel.send(self.run.job.inputs[case])
            said = self._wait()
            if said is None or said[0] not in _ENDS or self.program.channel.ahead:
                self._tell_end(case)
                return case + 1
            self._tell_answer(case, *said)
            if said[0] != candidate.RAISED and said[0] != candidate.RETURNED and said[0] != candidate.UNPLAIN:
                return case + 1
            self.program.rebase()
            self.program.begin_clock()
        return self.run.cases

    def _load(self, index: int) -> bool:
        """Wait until the module is loaded. What goes wrong then would go wrong for every case: all get that fact."""
        said = self._wait()
        if said is not None and said[0] == candidate.READY and not self.program.channel.ahead:
            if self.supervisor.config.cage == "namespaces":
                self.program.find_inner_pid()
            return True
        if said is not None and said[0] in _LOAD_ENDS:
            text = said[1].decode("utf-8", "replace")
            for case in range(index, self.run.cases):
                self.run.tell(case, _LOAD_ENDS[said[0]], message=text, **self._measured(case == index))
        else:
            self._tell_end(index)
            last = self._last
            for case in range(index + 1, self.run.cases):
                self.run.tell(case, last[0], message=last[1])
        return False

    def _wait(self) -> tuple[int, bytes] | None:
        """Wait for the next answer; None if the process ends without."""
        while True:
            said = self.program.channel.take()
            if said is not None or self.program.ended is not None or self.program.over:
                return said if self.program.over is None else None
            if self.program.channel.ended:
                self.program.kill()  # it has closed its channel: there is nothing more to come
            self.supervisor.turn()

    def _measured(self, whole: bool = True) -> dict[str, Any]:
        """Return what the case used; a case that took its time is looked at more closely."""
        if not whole:
            return {}
        program = self.program
        wall_s = time.monotonic() - program.began_s
        if program.ended is not None:
            cpu_s = program.ended.cpu_s
        elif wall_s > CLOSER_LOOK_S:
            cpu_s = program.usage().cpu_s
        else:
            cpu_s = program.cpu_now_s()
        return {"time_s": max(0.0, cpu_s - program.cpu_base_s), "wall_s": wall_s, "memory_mb": program.peak_mb}

    def _tell_answer(self, case: int, kind: int, payload: bytes) -> None:
        measured = self._measured()
        limits = self.program.limits
        if measured["time_s"] > limits.cpu_s:
            return self.run.tell(case, "cpu_limit", **measured)
        if measured["memory_mb"] > limits.memory_mb + limits.base_mb:
            return self.run.tell(case, "memory_limit", **measured)
        if kind == candidate.RETURNED:
            return self.run.tell(case, "returned", value=payload, **measured)
        return self.run.tell(case, _ENDS[kind], message=payload.decode("utf-8", "replace"), **measured)

    def _tell_end(self, case: int) -> None:
        """Tell how the process ended that owed an answer."""
        self.run.end(self.program)
        orphans_cpu_s = self.supervisor.clean((0,))
        self.program.drain_rest()
        assert self.program.ended is not None
        self.program.ended.cpu_s += orphans_cpu_s
        measured = self._measured()
        end = self.program.broken_limit(measured["time_s"]) or "lost"
        code = os.waitstatus_to_exitcode(self.program.ended.status)
        message = self.program.message()
        if end == "lost":
            how = f"signal {signal.strsignal(-code) or -code}" if code < 0 else f"exit code {code}"
            message = f"the program ended ({how}) before it had answered. {message}".strip()
        self._last = (end, message)
        self.run.tell(case, end, message=message, exit_code=max(code, 0), signal=max(-code, 0), **measured)
