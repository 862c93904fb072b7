"""Traces: what a job leaves in counters of the kernel that only grow and cannot be reset.

Theory of operation. A box's network namespace, its pid counter and its folders' inode counters live as long as the box.
A program could advance them by some amount, and a later program could read them: a message from one rollout to the
next. So they are checked after every job:

- If the network was used, the box is spent and gets no more jobs: connections leave more traces than counters.
- The pid and inode counters are advanced by a random amount, drawn from a range at least twice as large as what the job
  moved them. So a later program cannot recover that number.
- A job that moved one of them very far spends the box as well.
"""

import contextlib
import ctypes
import os
import random
from collections.abc import Sequence

NETWORK_FILES = ("/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat")
"""Every packet over the loopback interface changes the first one; trying to reach another address changes the second
or third."""
TRIED_FILES = NETWORK_FILES[:3]
READ_BYTES = 1 << 16
AT_LEAST = 16
"""If a job moved a counter at all, the random amount is drawn from a range of at least this size."""
MAX_PROCESSES = 2048
MAX_INODES = 8192
"""How far a job can move a counter without spending its box."""
_CLONE_VM, _CLONE_VFORK, _SIGCHLD = 0x100, 0x4000, 17
_STACK_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)
_chance = random.SystemRandom()


class Traces:
    """The counters of one box. `processes` is the number that the box itself has started since the last job."""

    def __init__(self, folders: Sequence[str], shows_pids: bool) -> None:
        self.processes = 0
        self._inodes = {folder: number for folder in folders if (number := _inode(folder)) is not None}
        self._network = {path: fd for path in NETWORK_FILES if (fd := _opened(path)) is not None}
        self._pids = _opened("/proc/loadavg") if shows_pids else None
        self._stack = ctypes.create_string_buffer(_STACK_BYTES)
        self._before = self._read_network()
        self._last_pid = self._newest_pid()

    def begin(self, folder: str, inode: int) -> None:
        """Set the inode counter of `folder` to that of the last file that the box itself has placed for a job."""
        if folder in self._inodes:
            self._inodes[folder] = inode

    def settle(self) -> str:
        """Check and blur the traces of the finished job. Return why the box is spent, or an empty string."""
        reasons = (self._settle_network(), self._settle_pids(), self._settle_inodes())
        return "; ".join(filter(None, reasons))

    # Network

    def tried_a_socket(self) -> bool:
        """Return whether the network was used since the last call, according to the counters that are cheap to read."""
        now = {path: os.pread(self._network[path], READ_BYTES, 0) for path in TRIED_FILES if path in self._network}
        tried = any(self._seen.get(path) != text for path, text in now.items())
        self._seen.update(now)
        return tried

    def _read_network(self) -> dict[str, bytes]:
        read = {path: os.pread(fd, READ_BYTES, 0) for path, fd in self._network.items()}
        self._seen = dict(read)
        return read

    def _settle_network(self) -> str:
        before, self._before = self._before, self._read_network()
        return "" if before == self._before else "the network of the box was used"

    # Pids

    def _newest_pid(self) -> int:
        return 0 if self._pids is None else int(os.pread(self._pids, 128, 0).split()[-1])

    def _settle_pids(self) -> str:
        if self._pids is None:
            return ""
        moved = self._newest_pid() - self._last_pid - self.processes  # negative if the kernel does not show the counter
        if 0 < moved <= MAX_PROCESSES:
            for _ in range(_chance.randrange(AT_LEAST + 2 * moved)):
                self._use_a_pid()
        self._last_pid, self.processes = self._newest_pid(), 0
        return "" if moved <= MAX_PROCESSES else "very many processes were made"

    def _use_a_pid(self) -> None:
        """Create a process that ends at once. It shares this process's memory and only calls _exit(0)."""
        top = ctypes.c_void_p(ctypes.addressof(self._stack) + _STACK_BYTES - 64 & ~15)
        pid = _libc.clone(_libc._exit, top, _CLONE_VM | _CLONE_VFORK | _SIGCHLD, None)
        if pid > 0:
            os.waitpid(pid, 0)

    # Inodes

    def _settle_inodes(self) -> str:
        furthest = 0
        for folder, before in self._inodes.items():
            now = _inode(folder) or 0
            moved = now - before - 1
            furthest = max(furthest, moved)
            if 0 < moved <= MAX_INODES:
                for _ in range(_chance.randrange(AT_LEAST + 2 * moved)):
                    now = _inode(folder) or 0
            self._inodes[folder] = now
        return "" if furthest <= MAX_INODES else "very many files were made"


def _opened(path: str) -> int | None:
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _inode(folder: str) -> int | None:
    """Return the inode number of a new unnamed file in `folder`; None if the file system has no O_TMPFILE."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
        try:
            return os.fstat(fd).st_ino
        finally:
            os.close(fd)
    return None
