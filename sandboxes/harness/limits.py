"""What a process may use: the limits the kernel holds for it, and what is there to be held to them.

CPU time is the limit that counts. `RLIMIT_CPU` knows whole seconds and one process only, and counts ticks of the
kernel's clock, which may be far more than a process that runs in short turns has had. So the supervisor reads the
kernel's accounts, of the whole box (`accounts`) or of every process of the job (`usage`), and RLIMIT_CPU is the net
below. The same for memory: RLIMIT_AS stops wild requests, what is really resident decides, and the box's cgroup is
the net below.
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
"""How much of the memory limit a stack may take: endless recursion ends as that, before it is a matter of memory. A
program may raise this limit, for what its stack holds is watched as memory."""
THREAD_STACK_BYTES = 8 * MIB
STACK_ROOM_BYTES = 64 * 1024 * MIB
"""What the harness leaves free below its stack, so that the stack of a program that is forked from it can grow."""
ADDRESS_ROOM_MB = 64 * 1024
"""What a program may reserve beyond its memory limit: stacks of many threads, tables that stay empty."""
OPEN_FILES = 1024
NOT_IN_GVISOR = (resource.RLIMIT_NPROC, resource.RLIMIT_MSGQUEUE)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ProcessLimits:
    """What one process with its children may use. `memory_mb` is resident memory beyond `base_mb`, which the process
    has before any of its own code ran."""

    cpu_s: float
    wall_s: float
    memory_mb: int
    output_bytes: int
    processes: int
    base_mb: float = 0.0
    base_address_mb: float = 0.0
    cap_address_space: bool = True
    cpu_total_s: float | None = None
    """For a process that answers many cases: what all of them together may use."""

    def for_kernel(self) -> tuple[tuple[int, int], ...]:
        """Return the rlimits as pairs of resource and value; that of the stack is a soft one."""
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
    """Set rlimits on this process; a limit that is already lower stays.

    gVisor has no limit on processes and queues and refuses to set one: the supervisor counts the processes as well.
    """
    for what, value in table:
        hard = resource.getrlimit(what)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError) if what in NOT_IN_GVISOR else contextlib.nullcontext():
            resource.setrlimit(what, (allowed, hard if what == resource.RLIMIT_STACK else allowed))


def other_pids(known: Collection[int]) -> list[int]:
    """Return every process that can be seen here and is not known."""
    return [pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) not in known]


def relatives(ancestor: int, pids: Collection[int]) -> list[int]:
    """Return those of `pids` that are `ancestor` or descend from it."""
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
    """Return the real uid of a process, also of one that hides from its owner; None if it has ended."""
    return next(iter(_status(pid, b"Uid:")), None)


def namespace_pids(pid: int) -> list[int]:
    """Return the pids that a process has here and in the namespaces below."""
    return _status(pid, b"NSpid:")


def address_space_mb() -> float:
    """Return how much address space this process has mapped."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * PAGE_BYTES / MIB


def resident_mb() -> float:
    """Return how much memory this process has resident."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * PAGE_BYTES / MIB


def oom_kills() -> int:
    """Return how many processes of this box the kernel has killed because its cgroup was out of memory."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(FileNotFoundError, PermissionError), open(path, encoding="ascii") as file:
            for line in file:
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return 0
