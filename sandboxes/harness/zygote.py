"""The zygote: a warm interpreter that forks the processes of programs, and never sees their inputs.

Theory of operation. The zygote is forked from the supervisor before the first job. For each program, it receives the
child's channel as a descriptor over a unix socket, forks, reports the child's pid, waits for it, and reports how it
ended. Orders and streams go through the channel, which only the child reads. So the memory that a program starts with
never contains a test, an earlier submission or an expected value.

Until its orders arrive, a child is as blank as the zygote and can wait. So the next child is forked in advance, between
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
"""Modules that most programs import. Without this, each of them would have to load them again."""


PLAIN = "sandboxes.protocol.plain"
"""The module that children need for answering calls. The zygote that loads it also rehearses (see `rehearsal`)."""
ZONES = "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo"
"""The usual time zone folders. Without this, importing `zoneinfo` loads Python's whole build configuration to find
them, which is larger than everything else that is loaded."""
_malloc_trim = ctypes.CDLL(None).malloc_trim
_fork = ctypes.PyDLL(None).fork
"""fork(2) without the interpreter's hooks, which would make the child copy a third more pages. The hooks are not
needed: the zygote has one thread and holds no locks. Without them, `random` is not reseeded, so a program draws the
same numbers and gets the same verdict each time."""


class Forked(Exception):
    """Raised in a process that was just forked for a program, in order to unwind all of the zygote's frames.

    The handler becomes the program's process, with this channel.
    """

    def __init__(self, channel_fd: int) -> None:
        super().__init__()
        self.channel_fd = channel_fd


class Child(NamedTuple):
    """A process that is waiting for its orders."""

    pid: int
    channel: socket.socket


class Zygote:
    """The supervisor's end of a zygote: requests processes, one at a time."""

    def __init__(self, ours: socket.socket, pid: int) -> None:
        self.socket = ours
        self.pid = pid
        self.base_address_mb = 0.0
        self.base_mb = 0.0
        self.spare: Child | None = None
        """The child that was forked in advance."""

    @classmethod
    def start(cls, modules: Sequence[str], rehearse: Callable[[], None]) -> "Zygote":
        """Fork a zygote, and wait until it is warm.

        Args:
            modules: The modules that it imports.
            rehearse: Called in the zygote if `modules` has what children need for answering calls.

        Raises:
            Forked: In each process that the zygote forks for a program.
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
        """Let this zygote fork another one, which knows as little about jobs as itself, and warm it up."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self.socket, [b"z"], [theirs.fileno()])
        (pid,) = PID.unpack(self.socket.recv(PID.size))
        zygote = Zygote(ours, pid)
        zygote.load(modules)
        return zygote

    def spawn(self) -> Child:
        """Return a child; the spare one if there is one. Its end will be reported over `socket`.

        Raises:
            OSError: The zygote is gone.
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
        """End the spare child."""
        if self.spare is not None:
            self.spare.channel.close()
            self.spare = None
            self.socket.recv(END.size)

    def load(self, modules: Sequence[str]) -> None:
        """Let the zygote import modules, and wait until it has."""
        self.socket.send(json.dumps(modules).encode())
        self.base_address_mb, self.base_mb = WARM.unpack(self.socket.recv(WARM.size))


def _serve(ours: socket.socket, rehearse: Callable[[], None]) -> NoReturn:
    """Serve the supervisor's requests until it goes away: import modules, fork a program, fork a zygote."""
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
        ours.detach()  # the child closes all descriptors; this avoids a ResourceWarning
        raise Forked(channel_fd)
    os.close(channel_fd)
    ours.send(PID.pack(pid))
    _, status, used = os.wait4(pid, 0)
    ours.send(END.pack(status, used.ru_utime + used.ru_stime, used.ru_maxrss))


def _import(names: Sequence[str], rehearse: Callable[[], None]) -> None:
    """Import modules for all future children. Ignore failures: a program that needs the module will get the error."""
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
    gc.freeze()  # otherwise a child's garbage collector would write to every page, and so copy it


def give_back() -> None:
    """Return free memory to the kernel after loading modules."""
    gc.collect()
    _malloc_trim(0)


def _leave_the_supervisors_streams(keep_fd: int) -> None:
    """Make sure that no child can reach the stream to the service.

    Close all descriptors except `keep_fd`, and replace 0 to 2 by dead pipes. Then create the standard streams the way
    an interpreter does that was started with pipes.
    """
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
