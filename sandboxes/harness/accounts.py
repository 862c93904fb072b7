"""The kernel's accounts of the whole box: CPU time and memory of its cgroup, version 1 or 2.

Nothing that runs in a box escapes these accounts, no matter how it was started or who waited for it. They include the
box's own processes, whose share is subtracted here. If there is no readable cgroup (bubblewrap), or it contains more
than the box, everything here is None, and the processes are added up one by one instead (see `usage`).
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
"""The idle box's memory is measured again after this many jobs that ended before anyone looked at their memory."""


def cpu_s_of_version_1(text: bytes) -> float:
    """Read `cpuacct.usage`: nanoseconds."""
    return int(text) / 1e9


def cpu_s_of_version_2(text: bytes) -> float:
    """Read `cpu.stat`; its `usage_usec` exists even without the cpu controller."""
    return _fields(text, b"usage_usec")[0] / 1e6


def memory_bytes_of_version_1(text: bytes) -> int:
    """Read `memory.stat`: pages of processes and shared pages, including those that no process has mapped."""
    return sum(_fields(text, b"rss", b"shmem"))


def memory_bytes_of_version_2(text: bytes) -> int:
    """Read `memory.stat`: the same under the new names."""
    return sum(_fields(text, b"anon", b"shmem"))


def _fields(text: bytes, *names: bytes) -> list[int]:
    """Return the values of lines such as `usage_usec 1234`.

    Raises:
        KeyError: A line is missing.
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
"""The number of tasks: all threads, and processes that have ended but were not waited for."""


class Account:
    """One of these files. It is kept open because opening takes ten times as long as reading."""

    def __init__(self, path: str, read: Callable[[bytes], float]) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._read = read

    def now(self) -> float:
        """Return its current value."""
        return self._read(os.pread(self._fd, READ_BYTES, 0))


def find(files: Sequence[tuple[str, Callable[[bytes], float]]], cgroup: str = CGROUP) -> Account | None:
    """Return the first account that exists, is readable, and covers only processes of this box."""
    for name, read in files:
        path = os.path.join(cgroup, name)
        with contextlib.suppress(OSError, ValueError, KeyError):
            account = Account(path, read)
            account.now()
            if _is_own(os.path.dirname(path)):
                return account
    return None


def _is_own(folder: str) -> bool:
    """Return whether a cgroup contains this process and no process outside of this pid namespace (shown as pid 0)."""
    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
        pids = set(map(int, file.read().split()))
    return os.getpid() in pids and 0 not in pids


class Accounts:
    """The total usage of the programs in a box. `folders` are in memory too, but have their own limits."""

    def __init__(self, folders: Sequence[str], cgroup: str = CGROUP) -> None:
        self._cpu = find(CPU_FILES, cgroup)
        self._memory = find(MEMORY_FILES, cgroup)
        self._folders = folders
        self._idle_bytes = 0.0
        self._jobs_since_noted = 0

    def cpu_s(self, own_pids: Collection[int]) -> float | None:
        """Return the CPU seconds of everything in the box except `own_pids`, since an arbitrary moment in the past."""
        if self._cpu is None:
            return None
        own = sum(time.process_time() if pid == os.getpid() else cpu_clock_s(pid) or 0.0 for pid in own_pids)
        return self._cpu.now() - own

    def note_idle(self) -> None:
        """Record the box's own memory. No program may be running."""
        self._idle_bytes = self._programs_bytes()
        self._jobs_since_noted = 0

    def note_job(self) -> None:
        """Record the box's own memory after a job, but rarely after jobs so short that nobody looked at their memory.

        Such jobs hardly change the box's own memory.
        """
        self._jobs_since_noted += 1
        if self._jobs_since_noted > IDLE_NOTED_JOBS:
            self.note_idle()

    def memory_mb(self) -> float | None:
        """Return the memory of programs in MiB, without the box's own memory and without files in its folders."""
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
