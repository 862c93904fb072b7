"""The kernel's accounts of the whole box: the CPU time and the memory of its cgroup, of version 1 or 2.

Nothing that runs in a box escapes them, however it was started and whoever waited for it. The box's own processes are
in them as well and are taken off here. Where there is no cgroup to read (bubblewrap), or it holds more than the box,
everything here is None, and the processes have to be added up one by one (see `usage`).
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Sequence

from sandboxes.harness.limits import PAGE_BYTES
from sandboxes.harness.usage import cpu_clock_s
from sandboxes.protocol.constants import MIB

CGROUP = "/sys/fs/cgroup"
READ_BYTES = 1 << 14
IDLE_NOTED_JOBS = 64
"""How many jobs that were over before anyone asked for their memory may follow one look at what the idle box holds."""


def cpu_s_of_version_1(text: bytes) -> float:
    """Read `cpuacct.usage`: nanoseconds."""
    return int(text) / 1e9


def cpu_s_of_version_2(text: bytes) -> float:
    """Read `cpu.stat`, of which `usage_usec` is there without any controller."""
    return _fields(text, b"usage_usec")[0] / 1e6


def memory_bytes_of_version_1(text: bytes) -> int:
    """Read `memory.stat`: pages of processes, and pages that can be shared (also those that nobody has mapped)."""
    return sum(_fields(text, b"rss", b"shmem"))


def memory_bytes_of_version_2(text: bytes) -> int:
    """Read `memory.stat`: the same under its new name."""
    return sum(_fields(text, b"anon", b"shmem"))


def _fields(text: bytes, *names: bytes) -> list[int]:
    """Return the values of lines such as `usage_usec 1234`.

    Raises:
        KeyError: a line is missing.
    """
    found = dict(line.split(maxsplit=1) for line in text.splitlines() if b" " in line)
    return [int(found[name]) for name in names]


CPU_FILES: Sequence[tuple[str, Callable[[bytes], float]]] = (
    ("cpuacct/cpuacct.usage", cpu_s_of_version_1),
    ("cpu.stat", cpu_s_of_version_2),
)
MEMORY_FILES: Sequence[tuple[str, Callable[[bytes], int]]] = (
    ("memory/memory.stat", memory_bytes_of_version_1),
    ("memory.stat", memory_bytes_of_version_2),
)
TASK_FILES: Sequence[tuple[str, Callable[[bytes], float]]] = (("pids/pids.current", int), ("pids.current", int))
"""How many tasks there are: threads, and processes that have ended and were not waited for."""


class Account:
    """One file of numbers that is kept open, for opening costs ten times as much as reading."""

    def __init__(self, path: str, read: Callable[[bytes], float]) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._read = read

    def now(self) -> float:
        """Return what it says now."""
        return self._read(os.pread(self._fd, READ_BYTES, 0))


def find(files: Sequence[tuple[str, Callable[[bytes], float]]], cgroup: str = CGROUP) -> Account | None:
    """Return the first account that is there, can be read, and is of no more than the processes seen here."""
    for name, read in files:
        path = os.path.join(cgroup, name)
        with contextlib.suppress(OSError, ValueError, KeyError):
            account = Account(path, read)
            account.now()
            if _is_own(os.path.dirname(path)):
                return account
    return None


def _is_own(folder: str) -> bool:
    """Tell whether a cgroup holds this process and none from outside of this pid namespace, which show as 0."""
    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
        pids = set(map(int, file.read().split()))
    return os.getpid() in pids and 0 not in pids


class Accounts:
    """What the programs of a box use, all together. `folders` are those in memory, which have limits of their own."""

    def __init__(self, folders: Sequence[str], cgroup: str = CGROUP) -> None:
        self._cpu = find(CPU_FILES, cgroup)
        self._memory = find(MEMORY_FILES, cgroup)
        self._folders = folders
        self._idle_bytes = 0.0
        self._jobs_since_noted = 0

    def cpu_s(self, own_pids: Collection[int]) -> float | None:
        """Return the CPU time of everything in the box but the processes `own_pids`, since some moment in the past."""
        if self._cpu is None:
            return None
        own = sum(time.process_time() if pid == os.getpid() else cpu_clock_s(pid) or 0.0 for pid in own_pids)
        return self._cpu.now() - own

    def note_idle(self) -> None:
        """Take what is in memory now for the box's own; no program runs."""
        self._idle_bytes = self._programs_bytes()
        self._jobs_since_noted = 0

    def note_job(self) -> None:
        """Do so after a job, but not after each of those that were over before anyone asked for their memory: they
        hardly change what the box itself holds."""
        self._jobs_since_noted += 1
        if self._jobs_since_noted > IDLE_NOTED_JOBS:
            self.note_idle()

    def memory_mb(self) -> float | None:
        """Return what programs hold in memory beyond what the box itself does; files in its folders do not count."""
        if self._memory is None:
            return None
        self._jobs_since_noted = IDLE_NOTED_JOBS
        return max(0.0, self._programs_bytes() - self._idle_bytes) / MIB

    def _programs_bytes(self) -> float:
        if self._memory is None:
            return 0.0
        with open("/proc/self/statm", "rb") as file:
            _, resident, shared = map(int, file.read().split()[:3])
        return self._memory.now() - (resident - shared) * PAGE_BYTES - sum(map(_used_bytes, self._folders))


def _used_bytes(folder: str) -> int:
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return 0
    return (found.f_blocks - found.f_bfree) * found.f_frsize
