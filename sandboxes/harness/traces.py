"""Traces: what a job leaves where nothing can be removed, in numbers of the kernel that only grow.

A box's network namespace, its counter of pids and the counters of inodes of its folders live as long as the box. A
program could move them as far as it likes and a later one could read them: a message from one rollout to the next.
So they are read after every job. Where the network was used the box is spent, for connections leave more than numbers.
The counters of pids and inodes are moved on by chance, at least twice as far as the job did; a job that moved them
very far has spent the box as well.
"""

import contextlib
import ctypes
import os
import random
from collections.abc import Sequence

NETWORK_FILES = ("/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat")
"""Every packet over the loopback moves the first one, an attempt to reach another address the second or third."""
TRIED_FILES = NETWORK_FILES[:3]
READ_BYTES = 1 << 16
AT_LEAST = 16
"""Within how many numbers a counter is moved on by chance, when a job moved it at all."""
MAX_PROCESSES = 2048
MAX_INODES = 8192
"""How far a job may move a counter without spending its box."""
_CLONE_VM, _CLONE_VFORK, _SIGCHLD = 0x100, 0x4000, 17
_STACK_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)
_chance = random.SystemRandom()


class Traces:
    """The counters of one box. `processes` are those that the box itself has started since the last job."""

    def __init__(self, folders: Sequence[str], shows_pids: bool) -> None:
        self.processes = 0
        self._inodes = {folder: number for folder in folders if (number := _inode(folder)) is not None}
        self._network = {path: fd for path in NETWORK_FILES if (fd := _opened(path)) is not None}
        self._pids = _opened("/proc/loadavg") if shows_pids else None
        self._stack = ctypes.create_string_buffer(_STACK_BYTES)
        self._before = self._read_network()
        self._last_pid = self._newest_pid()

    def begin(self, folder: str, inode: int) -> None:
        """Take `inode`, that of the last of a job's own files in `folder`, for its counter; nothing of it has run."""
        if folder in self._inodes:
            self._inodes[folder] = inode

    def settle(self) -> str:
        """Take the traces of the job that is over, and return why its box is spent, or nothing if it is not."""
        reasons = (self._settle_network(), self._settle_pids(), self._settle_inodes())
        return "; ".join(filter(None, reasons))

    # Network

    def tried_a_socket(self) -> bool:
        """Tell whether anything has moved the counters of the network since the last question, by the cheap ones."""
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
        moved = self._newest_pid() - self._last_pid - self.processes  # below 0 where the kernel does not tell
        if 0 < moved <= MAX_PROCESSES:
            for _ in range(_chance.randrange(AT_LEAST + 2 * moved)):
                self._use_a_pid()
        self._last_pid, self.processes = self._newest_pid(), 0
        return "" if moved <= MAX_PROCESSES else "very many processes were made"

    def _use_a_pid(self) -> None:
        """Make a process that ends at once: it borrows all memory of this one, and only calls _exit(0)."""
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
    """Return the number of a new file without a name in `folder`; None where the kernel has no such files."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
        try:
            return os.fstat(fd).st_ino
        finally:
            os.close(fd)
    return None
