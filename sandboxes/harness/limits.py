"""The limits of a process that the kernel enforces, and functions that read what processes use.

Theory of operation. The main limit is CPU time. The kernel's own `RLIMIT_CPU` is too coarse for it: it has whole
seconds, applies to a single process, and counts clock ticks, which can greatly overstate a process that runs in short
bursts. So the supervisor reads the kernel's accounts instead, of the whole box (`accounts`) or of each process of the
job (`usage`). `RLIMIT_CPU` is only the safety net. Memory works the same way: `RLIMIT_AS` stops absurd requests,
resident memory decides, and the box's cgroup is the safety net.
"""

import contextlib
import math
import os
import resource
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sandboxes.protocol.constants import MIB

FILE_SIZE_BYTES = 64 * MIB
LEAST_STACK_BYTES = 120 * MIB
STACK_SHARE = 15 / 16
"""The share of the memory limit that a stack can take. It is below 1 so that endless recursion ends as a stack overflow
before it exceeds the memory limit. Programs can raise this limit, because their stack counts as memory anyway."""
THREAD_STACK_BYTES = 8 * MIB
STACK_ROOM_BYTES = 64 * 1024 * MIB
"""The address space that the harness keeps free below its stack, so that the stacks of forked programs can grow."""
ADDRESS_ROOM_MB = 64 * 1024
"""The address space that a program can reserve beyond its memory limit: for many threads' stacks, or sparse tables."""
OPEN_FILES = 1024
NOT_IN_GVISOR = (resource.RLIMIT_NPROC, resource.RLIMIT_MSGQUEUE)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ProcessLimits:
    """The limits of one process with its children.

    `memory_mb` is resident memory beyond `base_mb`, which the process has before any of its own code runs.
    """

    cpu_s: float
    wall_s: float
    memory_mb: int
    output_bytes: int
    processes: int
    base_mb: float = 0.0
    base_address_mb: float = 0.0
    cap_address_space: bool = True
    cpu_total_s: float | None = None
    """The CPU limit for all cases together, for a process that answers many cases."""

    def for_kernel(self) -> tuple[tuple[int, int], ...]:
        """Return the rlimits as pairs of resource and value. The stack's is only a soft limit."""
        cpu_s = 2 * math.ceil(self.cpu_total_s or self.cpu_s) + 1
        table = [
            (resource.RLIMIT_CPU, cpu_s),
            (resource.RLIMIT_NPROC, self.processes),
            (resource.RLIMIT_FSIZE, FILE_SIZE_BYTES),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_STACK, max(LEAST_STACK_BYTES, int(self.memory_mb * MIB * STACK_SHARE))),
            (resource.RLIMIT_MSGQUEUE, 0),
        ]
        if self.cap_address_space:
            table.append((resource.RLIMIT_AS, int(self.base_address_mb + self.memory_mb + ADDRESS_ROOM_MB) * MIB))
        return tuple(table)


def set_limits(table: Collection[Sequence[int]]) -> None:
    """Set rlimits on this process, without raising limits that are already lower.

    gVisor refuses to limit processes and message queues. There, the supervisor's own count of processes has to do.
    """
    for what, value in table:
        hard = resource.getrlimit(what)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError) if what in NOT_IN_GVISOR else contextlib.nullcontext():
            resource.setrlimit(what, (allowed, hard if what == resource.RLIMIT_STACK else allowed))


def other_pids(known: Collection[int]) -> list[int]:
    """Return the pids of all visible processes that are not in `known`."""
    return [pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) not in known]


def relatives(ancestor: int, pids: Collection[int]) -> list[int]:
    """Return those of `pids` that are `ancestor` or its descendants."""
    parents: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat", "rb") as file:
            parents[pid] = int(file.read().rpartition(b")")[2].split()[1])
    found = {ancestor}
    for _ in parents:
        more = {pid for pid, parent in parents.items() if parent in found and pid not in found}
        if not more:
            break
        found |= more
    return [pid for pid in pids if pid in found]


def _status(pid: int, name: bytes) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(name):
                return [int(word) for word in line.split()[1:]]
    return []


def uid_of(pid: int) -> int | None:
    """Return the real uid of a process, even if it is not dumpable; None if it has ended."""
    return next(iter(_status(pid, b"Uid:")), None)


def namespace_pids(pid: int) -> list[int]:
    """Return the pids of a process, in this namespace and in the nested ones."""
    return _status(pid, b"NSpid:")


def address_space_mb() -> float:
    """Return this process's mapped address space in MiB."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * PAGE_BYTES / MIB


def resident_mb() -> float:
    """Return this process's resident memory in MiB."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * PAGE_BYTES / MIB


def oom_kills() -> int:
    """Return how many processes of this box's cgroup the OOM killer has killed."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(FileNotFoundError, PermissionError), open(path, encoding="ascii") as file:
            for line in file:
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return 0
