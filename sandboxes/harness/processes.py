"""The processes of one job, including the compiler: their orders, their limits, how they start and how they end."""

import socket
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, NamedTuple

from sandboxes.harness.box import Box
from sandboxes.harness.folder import ProgramFolder
from sandboxes.harness.limits import ProcessLimits, other_pids, relatives, uid_of
from sandboxes.harness.meter import BoxView
from sandboxes.harness.process import Capture, Process
from sandboxes.harness.spending import Spending
from sandboxes.harness.usage import proportional_mb, read_usage
from sandboxes.harness.user import as_owner
from sandboxes.harness.zygote import Zygote
from sandboxes.protocol.child import Orders, Role
from sandboxes.protocol.constants import (
    COMPILE_MEMORY_MB,
    COMPILE_OUTPUT_BYTES,
    COMPILE_PROCESSES,
    FOLDER,
    WRITABLE_FOLDERS,
    compile_wall_limit_s,
)
from sandboxes.protocol.facts import CompileFacts, End
from sandboxes.protocol.job import Job


class Used(NamedTuple):
    """What an ended process used, and whether it left other processes."""

    cpu_s: float
    left_processes: bool


class Processes:
    """Starts and ends the processes of one job. The modes do the rest."""

    def __init__(self, box: Box, job: Job, over: Callable[[], None] = lambda: None) -> None:
        """Prepare a job.

        A mode can call `over` once it has reported all facts and nothing can change them anymore. The answer then goes
        out before the program ends and the box is reset.
        """
        self.box = box
        self.job = job
        self.over = over
        self.folder = ProgramFolder(box, job)
        self.spending = Spending(job.budget, len(job.runs) or len(job.calls))
        self._build_uid = 0
        self._started: list[Process] = []

    def limits(self, zygote: Zygote | None = None, cpu_total_s: float | None = None) -> ProcessLimits:
        """Return the program's limits. A Python program is forked from `zygote`."""
        limits, toolchain = self.job.limits, self.job.toolchain
        return ProcessLimits(
            cpu_s=limits.time_limit_s,
            wall_s=limits.wall_limit_s,
            memory_mb=limits.memory_limit_mb + toolchain.startup_memory_mb,
            output_bytes=limits.output_limit_kb * 1024,
            processes=max(limits.max_processes, toolchain.min_processes),
            base_mb=zygote.base_mb if zygote else 0.0,
            base_address_mb=zygote.base_address_mb if zygote else 0.0,
            cap_address_space=toolchain.cap_address_space,
            cpu_total_s=cpu_total_s,
        )

    def orders(self, role: Role, **more: Any) -> Orders:
        """Return the orders of one process, with a new uid. `start` adds the rlimits."""
        job, box = self.job, self.box
        usual: dict[str, Any] = {
            "folder": FOLDER,
            "writable": WRITABLE_FOLDERS,
            "env": dict(job.toolchain.env),
            "uid": box.fresh_uid(),
            "confinement": box.config.confinement,
            "seccomp": box.config.seccomp,
            "no_new_privileges": box.no_new_privileges,
            "rlimits": (),
            "source_file": job.toolchain.source_file,
            "prelude": job.prelude,
            "module": job.module,
            "entry_point": job.entry_point,
            "exact_answers": job.exact_answers,
        }
        return Orders(role=role, **(usual | more))

    def start(
        self,
        orders: Orders,
        limits: ProcessLimits,
        *,
        stdin: bytes = b"",
        capture: Capture = Capture.TAIL,
        link: socket.socket | None = None,
        zygote: Zygote | None = None,
    ) -> Process:
        """Start one process."""
        box = self.box
        if all(one.ended is not None for one in self._started):
            self._started = []
        mine: list[Process] = []
        zygote = zygote or box.zygote
        process = Process(
            box.loop,
            zygote,
            box.child_of(zygote),
            replace(orders, rlimits=limits.for_kernel()),
            limits,
            stdin=stdin,
            capture=capture,
            link=link,
            box=BoxView() if orders.role is Role.TEST else self._view(mine),
        )
        mine.append(process)
        self._started.append(process)
        process.lister = lambda: other_pids(box.reset.known)
        process.tried_a_socket = box.traces.tried_a_socket
        process.killed_by_kernel = box.killed_by_kernel
        return process

    def _view(self, mine: Collection[Process]) -> BoxView:
        """Return the box's view of everything that runs in it, without those processes of the job not in `mine`."""
        accounts, reset = self.box.accounts, self.box.reset

        def others() -> list[Process]:
            return [one for one in self._started if one not in mine]

        def cpu_s() -> float | None:
            used_s = accounts.cpu_s(reset.known)
            return None if used_s is None else used_s - sum(map(self._cpu_s, others()))

        def memory_mb() -> float | None:
            held_mb = accounts.memory_mb()
            return None if held_mb is None else max(0.0, held_mb - sum(map(self._resident_mb, others())))

        def shares_mb(pids: Collection[int]) -> dict[int, float]:
            (process,) = mine
            look = lambda: proportional_mb(pids)  # noqa: E731
            return as_owner(process.uid, look) if self.box.by_uids else look()

        return BoxView(cpu_s, memory_mb, shares_mb)

    def _pids_of(self, process: Process) -> list[int]:
        """Return the pids of one process of the job and of the processes that it started."""
        pids = other_pids(self.box.reset.known)
        if self.box.by_uids:
            return [pid for pid in pids if pid == process.pid or uid_of(pid) == process.uid]
        return relatives(process.pid, pids)

    def _cpu_s(self, process: Process) -> float:
        return process.ended.cpu_s if process.ended is not None else read_usage(self._pids_of(process)).cpu_s

    def _resident_mb(self, process: Process) -> float:
        if process.ended is not None:
            return 0.0
        return max(0.0, read_usage(self._pids_of(process)).resident_mb - process.limits.base_mb)

    def finish(self, process: Process) -> Used:
        """Wait until `process` ends, kill the processes that it left, and drain it. Its files still exist."""
        try:
            while process.ended is None:
                self.box.turn()
        finally:
            self.end(process)
        killed = self.box.reset.kill_all()
        process.drain_rest()
        return Used(process.end_cpu_s(killed.cpu_s), killed.found)

    def end(self, process: Process) -> None:
        """Kill the main process and wait until it has ended."""
        process.kill()
        while process.ended is None:
            self.box.loop.turn()

    def remove_files(self) -> None:
        """Remove the files that a program left, but not the program's own."""
        self.box.empty_folders((0, self._build_uid))

    # Compile

    def compile(self) -> bool:
        """Compile the program if necessary, and report a fact about it. Return False if there is no program.

        The compiler has its own limits. The compiled files belong to a uid that the program does not get.
        """
        job = self.job
        if not job.toolchain.compile or job.built is not None:
            return True
        most_s = job.budget.most_s if job.budget else float("inf")
        limits = ProcessLimits(
            cpu_s=min(job.limits.compile_time_limit_s, most_s),
            wall_s=min(compile_wall_limit_s(job.limits.compile_time_limit_s), most_s),
            memory_mb=COMPILE_MEMORY_MB,
            output_bytes=COMPILE_OUTPUT_BYTES,
            processes=COMPILE_PROCESSES,
            cap_address_space=False,
        )
        orders = self.orders(Role.EXECUTE, argv=job.toolchain.compile, private_folder=False)
        self._build_uid = orders.uid
        process = self.start(orders, limits, capture=Capture.BOTH)
        try:
            used = self.finish(process)
            self.remove_files()
            facts = _compile_facts(process, used)
            if facts.succeeded and job.keep_build:
                facts = replace(facts, built=self.folder.built(self._build_uid))
            self.box.service.tell(facts)
            if facts.succeeded:
                self.folder.keep_for_restore(self._build_uid)
            return facts.succeeded
        finally:
            process.close()


def _compile_facts(process: Process, used: Used) -> CompileFacts:
    failed = process.exit_code != 0 or process.signal != 0 or process.killed_for is not None
    limit = process.broken_limit(used.cpu_s) if failed else None
    stdout, stderr = (output.kept for output in process.outputs)
    return CompileFacts(
        end=limit or (End.SIGNALED if process.signal else End.EXITED),
        exit_code=process.exit_code,
        signal=process.signal,
        stdout=stdout,
        stderr=stderr,
        message=process.message() or process.outputs[0].tail.decode("utf-8", "replace").strip(),
        time_s=used.cpu_s,
        wall_s=process.wall_s,
        memory_mb=process.peak_mb,
    )
