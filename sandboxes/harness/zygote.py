"""The zygote: a warm interpreter that forks the processes of programs and never sees what they are given.

It was forked from the supervisor before the first job came. For each program it receives a descriptor over a unix
socket, the child's channel, forks, tells the child's pid, waits for it, and tells how it ended. What the child is to
do, and its streams, come through the channel, which only the child reads; so no test, no earlier submission and no
expected value is ever in the memory that the next program starts with.

A child is as blank as the zygote before its orders come, and may wait for them: the next one is forked ahead, between
jobs.
"""

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple, NoReturn

from sandboxes.harness.immortal import make_all_immortal
from sandboxes.harness.limits import address_space_mb, resident_mb

PID = Struct("<i")
END = Struct("<idi")  # wait status, CPU seconds, peak KiB
WARM = Struct("<dd")  # MiB of address space, MiB resident

MAX_FD = 4096

PRELOADED = (
    "abc", "array", "bisect", "cmath", "collections", "collections.abc", "contextlib", "copy",
    "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "heapq", "inspect", "io", "itertools",
    "json", "math", "numbers", "operator", "random", "re", "string", "textwrap", "threading", "time",
    "traceback", "types", "typing", "weakref",
)  # fmt: skip
"""What most programs import: without it each of them would pay for it again."""


PLAIN = "sandboxes.protocol.plain"
"""What children need to answer calls; the zygote that loads it rehearses that."""
ZONES = "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo"
"""Where Python looks for time zones. Without being told, `zoneinfo` reads all that is known of how Python was built to
find that out, which is more than everything else that is loaded."""
_malloc_trim = ctypes.CDLL(None).malloc_trim
_fork = ctypes.PyDLL(None).fork
"""fork(2) without the interpreter's hooks, which would make the child copy a third more pages than it needs to: the
zygote has one thread and holds no lock, so there is nothing to mend. The generator of `random` is not seeded anew, so
that a program draws the same numbers each time and its verdict is the same."""


class Forked(Exception):
    """Raised in a process that was just forked for a program, to leave the zygote's frames behind: become it, with
    this channel."""

    def __init__(self, channel_fd: int) -> None:
        super().__init__()
        self.channel_fd = channel_fd


class Child(NamedTuple):
    """A process that waits for its orders."""

    pid: int
    channel: socket.socket


class Zygote:
    """The supervisor's end: asks the zygote for processes, one at a time."""

    def __init__(self, ours: socket.socket, pid: int) -> None:
        self.socket = ours
        self.pid = pid
        self.base_address_mb = 0.0
        self.base_mb = 0.0
        self.spare: Child | None = None
        """The child that was forked ahead."""

    @classmethod
    def start(cls, modules: Sequence[str], rehearse: Callable[[], None]) -> "Zygote":
        """Fork a zygote and wait until it is warm; `rehearse` is for one that holds what children need to answer calls.

        Raises:
            Forked: this is a process that was forked for a program.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            _serve(theirs, rehearse)
        theirs.close()
        zygote = cls(ours, pid)
        zygote.load(modules)
        return zygote

    def fork(self, modules: Sequence[str]) -> "Zygote":
        """Have this zygote fork another one, which is as ignorant of jobs as itself, and warm that up."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self.socket, [b"z"], [theirs.fileno()])
        (pid,) = PID.unpack(self.socket.recv(PID.size))
        zygote = Zygote(ours, pid)
        zygote.load(modules)
        return zygote

    def spawn(self) -> Child:
        """Return a child, the spare one if there is one. Once it has ended, its end comes over `socket`.

        Raises:
            OSError: the zygote is gone.
        """
        if self.spare is not None:
            child, self.spare = self.spare, None
            return child
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            socket.send_fds(self.socket, [b"+"], [theirs.fileno()])
        told = self.socket.recv(PID.size)
        if len(told) != PID.size:
            raise OSError("the warm interpreter is gone")
        return Child(PID.unpack(told)[0], ours)

    def drop_spare(self) -> None:
        """Let the spare child end."""
        if self.spare is not None:
            self.spare.channel.close()
            self.spare = None
            self.socket.recv(END.size)

    def load(self, modules: Sequence[str]) -> None:
        """Have modules imported now; returns when that is done."""
        self.socket.send(json.dumps(modules).encode())
        self.base_address_mb, self.base_mb = WARM.unpack(self.socket.recv(WARM.size))


def _serve(ours: socket.socket, rehearse: Callable[[], None]) -> NoReturn:
    """Do what the supervisor asks until it goes away: import, fork a program, fork a zygote."""
    _leave_the_supervisors_streams(ours.fileno())
    while True:
        message, fds, _, _ = socket.recv_fds(ours, 4096, 1)
        if not message:
            os._exit(0)
        if message == b"+":
            _fork_program(ours, fds[0])
        elif message == b"z":
            pid = _fork()
            if pid == 0:
                ours.close()
                ours = socket.socket(fileno=fds[0])
                continue
            os.close(fds[0])
            ours.send(PID.pack(pid))
        else:
            _import(json.loads(message), rehearse)
            ours.send(WARM.pack(address_space_mb(), resident_mb()))


def _fork_program(ours: socket.socket, channel_fd: int) -> None:
    pid = _fork()
    if pid == 0:
        ours.detach()  # it is closed with all others, and not worth a warning
        raise Forked(channel_fd)
    os.close(channel_fd)
    ours.send(PID.pack(pid))
    _, status, used = os.wait4(pid, 0)
    ours.send(END.pack(status, used.ru_utime + used.ru_stime, used.ru_maxrss))


def _import(names: Sequence[str], rehearse: Callable[[], None]) -> None:
    """Import modules for all children to come; what cannot be imported, they will find out for themselves."""
    os.environ["PYTHONTZPATH"] = ZONES
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    del os.environ["PYTHONTZPATH"]
    random.seed(0)
    if PLAIN in names:
        rehearse()
    give_back()
    make_all_immortal()
    gc.freeze()  # the collector of a child would otherwise write to, and so copy, every page


def give_back() -> None:
    """Give the kernel back what loading has left free."""
    gc.collect()
    _malloc_trim(0)


def _leave_the_supervisors_streams(keep_fd: int) -> None:
    """Close every descriptor but `keep_fd` and put dead pipes in place of 0 to 2, so that no child can reach the
    stream to the service; then make the streams as an interpreter makes them that was started with pipes."""
    os.closerange(3, keep_fd)
    os.closerange(keep_fd + 1, MAX_FD)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(reading)
    os.close(writing)
    sys.stdin = sys.__stdin__ = _stream(0, "<stdin>", "r", "surrogateescape")
    sys.stdout = sys.__stdout__ = _stream(1, "<stdout>", "w", "surrogateescape")
    sys.stderr = sys.__stderr__ = _stream(2, "<stderr>", "w", "backslashreplace")


def _stream(fd: int, name: str, mode: str, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(fd, mode, closefd=False)
    raw.name = name  # type: ignore[misc]
    binary = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(binary, "utf-8", errors, newline="\n", line_buffering=fd == 2)
    stream.mode = mode  # type: ignore[attr-defined]
    return stream
