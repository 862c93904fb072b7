"""The supervisor: the first process of a box. It takes jobs from the service, runs them, resets the box, tells facts.

It routes bytes and never reads what a program wrote; it decides nothing about right or wrong. Facts are collected for
a moment before they are sent, because every message through a container's streams costs more than a short test does.
"""

import os
import platform
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandboxes.harness import candidate, frames
from sandboxes.harness.limits import MIB, Limits, other_pids
from sandboxes.harness.loop import READABLE, Loop
from sandboxes.harness.program import Program, ZygoteDied
from sandboxes.harness.reset import NotReset, Reset
from sandboxes.harness.zygote import PRELOADED, Zygote

FOLDER = "/box"
TESTER_FOLDER = "/tester"
WRITABLE_FOLDERS = (FOLDER, TESTER_FOLDER, "/tmp", "/dev/shm", "/dev/mqueue")
COLLECT_S = 0.02
COMPILE_MEMORY_MB = 2048
COMPILE_OUTPUT_BYTES = MIB
COMPILE_PROCESSES = 256
UIDS = 60_000
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": FOLDER,
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",
}


class Stopped(Exception):
    """The service wants no more of this job."""


@dataclass(frozen=True)
class Config:
    """How the box was started. `cage` is the kind of `cage.py`; uids are taken from `uid_base` on."""

    uid_base: int
    cage: str = "uids"
    preload: Sequence[str] = ()


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


class Service:
    """The stream to and from the service."""

    def __init__(self, loop: Loop) -> None:
        self.jobs: list[tuple[dict[str, Any], bytes]] = []
        self.current = -1
        self.stop = False
        self._loop = loop
        self._reader = frames.Reader()
        self._waiting: list[bytes] = []
        loop.watch(0, READABLE, self._read)

    def _read(self) -> None:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            os._exit(0)  # the service is gone, and with its first process the whole box ends
        for kind, head, body in self._reader.feed(chunk):
            if kind == frames.JOB:
                self.jobs.append((head, body))
            elif kind == frames.STOP:
                self.stop = self.stop or head["number"] == self.current

    def tell(self, kind: int, head: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
        """Send a frame soon; DONE sends at once."""
        self._waiting.append(frames.pack(kind, head, blobs))
        if kind != frames.FACT:
            self.flush()
        elif len(self._waiting) == 1:
            self._loop.at(self, time.monotonic() + COLLECT_S, lambda _: self.flush())

    def flush(self) -> None:
        """Send what waits."""
        self._loop.cancel(self)
        data = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while data:
            data = data[os.write(1, data) :]


class Supervisor:
    """Runs one job after the other until the service goes away."""

    def __init__(self, config: Config) -> None:
        self.config = config
        os.environ.clear()
        os.environ.update(ENV)
        self.zygote = Zygote(candidate.main, (*PRELOADED, "sandboxes.harness.wire", *config.preload))
        self.loop = Loop()
        self.service = Service(self.loop)
        self.reset = Reset({os.getpid(), self.zygote.pid}, WRITABLE_FOLDERS)
        self._uids = self._fresh_uids()

    def serve(self) -> None:
        """Serve until the stream to the service ends."""
        os.umask(0o022)
        self.reset.kill_all()
        self.reset.empty_folders()
        self.service.tell(frames.HELLO, {"python": platform.python_version(), "digest": frames.digest()})
        while True:
            while not self.service.jobs:
                self.loop.turn()
            head, body = self.service.jobs.pop(0)
            try:
                self._run(Job.from_frame(head, body))
            except (NotReset, ZygoteDied, OSError) as error:
                self.service.tell(frames.BROKEN, {"message": f"{type(error).__name__}: {error}"})
                os._exit(1)

    def _run(self, job: Job) -> None:
        self.service.current, self.service.stop = job.number, False
        try:
            self._prepare(job)
            JobRun(self, job).carry_out()
        except Stopped:
            pass
        self.clean()
        self.service.tell(frames.DONE, {"number": job.number})

    def _prepare(self, job: Job) -> None:
        for name, content in {job.source_file: job.source, **job.side_files}.items():
            with open(os.path.join(FOLDER, os.path.basename(name)), "wb") as file:
                file.write(content)

    def clean(self, spare_uids: Sequence[int] = ()) -> float:
        """Reset the box; return the CPU seconds of orphans that were killed or had ended."""
        cpu_s = self.reset.kill_all()
        self.reset.empty_folders(spare_uids)
        return cpu_s

    def _fresh_uids(self) -> Iterator[int]:
        while True:
            for offset in range(UIDS):
                yield self.config.uid_base + offset

    def fresh_uid(self) -> int:
        """Return a uid that no process of this box had for a long time."""
        return next(self._uids)

    def turn(self) -> None:
        """Let things happen.

        Raises:
            Stopped: the service ended the job.
        """
        self.loop.turn()
        if self.service.stop:
            raise Stopped


class JobRun:
    """One job while it runs."""

    def __init__(self, supervisor: Supervisor, job: Job) -> None:
        self.supervisor = supervisor
        self.job = job
        self.build_uid = 0
        zygote = supervisor.zygote
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
            cpu_total_s=job.limits["cpu_s"] * len(job.inputs) if job.mode == "call" else None,
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
            raise OSError(f"mode {self.job.mode} is not known")

    # One process

    def _spec(self, mode: str, **more: Any) -> dict[str, Any]:
        job = self.job
        return {
            "mode": mode,
            "folder": FOLDER,
            "file": job.source_file,
            "argv": [*job.run, *job.argv],
            "env": {**ENV, **job.env},
            "cage": self.supervisor.config.cage,
            "uid": self.supervisor.fresh_uid(),
            "module": job.module,
            "entry_point": job.entry_point,
            **more,
        }

    def _start(self, spec: dict[str, Any], limits: Limits, *, stdin: bytes = b"", merged: bool = False) -> Program:
        supervisor = self.supervisor
        program = Program(supervisor.loop, supervisor.zygote, spec, limits, stdin=stdin, merged=merged)
        program.lister = lambda: other_pids(supervisor.reset.known)
        return program

    def _finish(self, program: Program, spare_uids: Sequence[int] = ()) -> float:
        """Wait for the end of `program`, kill what it left, drain it, clean; return its CPU seconds."""
        try:
            while program.ended is None:
                self.supervisor.turn()
        finally:
            self._end(program)
        cpu_s = self.supervisor.reset.kill_all()
        program.drain_rest()
        self.supervisor.reset.empty_folders(spare_uids)
        assert program.ended is not None
        return program.ended.cpu_s + cpu_s

    def _end(self, program: Program) -> None:
        """See to it that the main process has ended, whatever else happens."""
        while program.ended is None:
            program.kill()
            self.supervisor.loop.turn()

    def _tell(self, index: int, end: str, *, stdout: bytes = b"", value: bytes = b"", **more: Any) -> None:
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
        spec = self._spec("exec", argv=list(job.compile))
        self.build_uid = spec["uid"]
        program = self._start(spec, limits, merged=True)
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
        program = self._start(self._spec(mode), self.limits, stdin=stdin)
        try:
            cpu_s = self._finish(program, (0, self.build_uid))
            assert program.ended is not None
            wall_s = time.monotonic() - program.began_s
            said = program.channel.take() if mode == "stdio" else None
            measured = {"time_s": cpu_s, "wall_s": wall_s, "memory_mb": program.peak_mb}
            if said is not None and said[0] == candidate.NOT_COMPILED:
                self._tell(index, "not_compiled", message=said[1].decode("utf-8", "replace"), **measured)
                return False
            over = program.broken_limit(cpu_s)
            code = os.waitstatus_to_exitcode(program.ended.status)
            end = over or ("exited" if code >= 0 else "signaled")
            stdout = b"" if over == "output_limit" else program.outputs[0].kept
            self._tell(
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
            program = self._start(self._spec("call"), self.limits, merged=True)
            try:
                index = Calls(self, program).answer_from(index)
            finally:
                self._end(program)
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
            return True
        if said is not None and said[0] in _LOAD_ENDS:
            text = said[1].decode("utf-8", "replace")
            for case in range(index, self.run.cases):
                self.run._tell(case, _LOAD_ENDS[said[0]], message=text, **self._measured(case == index))
        else:
            self._tell_end(index)
            last = self._last
            for case in range(index + 1, self.run.cases):
                self.run._tell(case, last[0], message=last[1])
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

    def _measured(self, whole: bool = True) -> dict[str, float]:
        """Return what the case used; a case that took its time is looked at more closely."""
        if not whole:
            return {}
        program = self.program
        wall_s = time.monotonic() - program.began_s
        if program.ended is not None:
            cpu_s = program.ended.cpu_s
        elif wall_s > CLOSER_LOOK_S or program.peak_mb == 0:
            cpu_s = program.usage().cpu_s
        else:
            cpu_s = program.cpu_now_s()
        return {"time_s": max(0.0, cpu_s - program.cpu_base_s), "wall_s": wall_s, "memory_mb": program.peak_mb}

    def _tell_answer(self, case: int, kind: int, payload: bytes) -> None:
        measured = self._measured()
        limits = self.program.limits
        if measured["time_s"] > limits.cpu_s:
            return self.run._tell(case, "cpu_limit", **measured)
        if measured["memory_mb"] > limits.memory_mb + limits.base_mb:
            return self.run._tell(case, "memory_limit", **measured)
        if kind == candidate.RETURNED:
            return self.run._tell(case, "returned", value=payload, **measured)
        return self.run._tell(case, _ENDS[kind], message=payload.decode("utf-8", "replace"), **measured)

    def _tell_end(self, case: int) -> None:
        """Tell how the process ended that owed an answer."""
        self.run._end(self.program)
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
        self.run._tell(
            case, end, message=message, exit_code=max(code, 0), signal=max(-code, 0), **measured
        )


CLOSER_LOOK_S = 0.005
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
