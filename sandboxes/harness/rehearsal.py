"""Run the code of a child in the zygote before the first job, to warm up the interpreter for all children.

When the interpreter executes code for the first few times, it writes to it: it counts and specializes instructions, and
caches where it found the attributes of types. In a child, each such write copies a page. All of this only depends on
the harness's own code, so the zygote can do it once for all children, with a program and questions that never change.

It runs exactly a child's code. Calls that would change the process irrevocably are replaced by harmless C functions
with the same calling convention: an instruction is specialized for the kind of function that it calls.
"""

import math
import os
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from sandboxes.harness.child import confine, example, main
from sandboxes.protocol.child import LENGTH, Orders, Role
from sandboxes.protocol.config import Confinement

TIMES = 4
"""After this many rounds, the interpreter has specialized everything that it will specialize."""
QUESTIONS = 3
QUESTION = b"[[1,2],{}]"
_STAND_INS: dict[str, Any] = {
    "closerange": math.gcd,
    "setsid": os.getpid,
    "setgroups": id,
    "setresgid": math.gcd,
    "setresuid": math.gcd,
}


class _Over(BaseException):
    """The child has reached its end."""


def rehearse() -> None:
    """Act as a child that answers calls, and restore everything afterwards."""
    for _ in range(TIMES):
        _be_a_child()


def _be_a_child() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, _stand_ins(), _as_before():
        orders, question = _orders().to_bytes(), LENGTH.pack(len(QUESTION)) + QUESTION
        socket.send_fds(ours, [LENGTH.pack(len(orders))], (0, 1, 2))
        ours.sendall(orders + QUESTIONS * question)
        ours.shutdown(socket.SHUT_WR)
        open_before = set(_open_fds())
        with suppress(_Over):
            main.main(theirs.fileno())
        for fd in set(_open_fds()) - open_before:
            os.close(fd)


def _open_fds() -> Iterator[int]:
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # the descriptor of the listing itself is already closed
            os.fstat(fd)
            yield fd


def _orders() -> Orders:
    folder, source_file = os.path.split(str(example.__file__))
    return Orders(
        role=Role.CALLS,
        folder=folder,
        writable=(),
        uid=os.getuid(),
        confinement=Confinement.UIDS,
        seccomp=False,
        no_new_privileges=True,
        rlimits=tuple(_limits_as_they_are()),
        source_file=source_file,
        module="rehearsal",
        entry_point="add",
    )


def _limits_as_they_are() -> Iterator[tuple[int, int]]:
    """Yield limits that can be set to their current value without any effect."""
    for what in (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_AS):
        soft, hard = resource.getrlimit(what)
        if soft == hard:
            yield what, soft
    yield resource.RLIMIT_STACK, resource.getrlimit(resource.RLIMIT_STACK)[0]


@contextmanager
def _stand_ins() -> Iterator[None]:
    def end(status: int) -> NoReturn:
        raise _Over

    real = {name: getattr(os, name) for name in (*_STAND_INS, "_exit")}
    own_score = confine.OWN_SCORE
    try:
        confine.OWN_SCORE = os.devnull
        for name, stand_in in {**_STAND_INS, "_exit": end}.items():
            setattr(os, name, stand_in)
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)
        confine.OWN_SCORE = own_score


@contextmanager
def _as_before() -> Iterator[None]:
    """Restore the interpreter's state after the block."""
    before = sys.argv, sys.orig_argv, sys.path[0], sys.setrecursionlimit
    limit, main_module = sys.getrecursionlimit(), sys.modules["__main__"]
    folder, mask = os.getcwd(), os.umask(0o022)
    try:
        yield
    finally:
        sys.argv, sys.orig_argv, sys.path[0], sys.setrecursionlimit = before
        sys.setrecursionlimit(limit)
        sys.modules["__main__"] = main_module
        sys.modules.pop("rehearsal", None)
        os.chdir(folder)
        os.umask(mask)
