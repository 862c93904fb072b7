"""The process that forks workers: it imports sympy and the grammar once, then a worker costs a fork and not an
import.

Started as `python -m verifier_service.workers.forkserver FD MODULE:FUNCTION`, single-threaded, with one end of a
socket pair as file descriptor FD. A function `warm_up` of the module is called once, before any worker is there.
Lines of JSON cross that socket:

| from the service | meaning |
|---|---|
| `{"spawn": n, "cpu_limit_s": s, "memory_limit_mb": m}` and a file descriptor | fork a worker that talks over it |
| `{"kill": n}` | kill worker n |
| `{"cpu": n}` | tell how much CPU time worker n has used |

| to the service | meaning |
|---|---|
| `{"ready": true}` | everything is imported |
| `{"ended": n, "signal": k, "status": c}` | worker n is dead and reaped, or could not be forked |
| `{"cpu": n, "seconds": s}` | worker n has used this much; null where that is not known |

A worker says that it is ready, or `unfit` and why. Then it reads frames (4 bytes length, JSON) of `[job, item]` and
answers `[job, stage, value]` frames, in order. Its CPU time for one item is limited by a timer whose signal the kernel
delivers as a kill: nothing in the worker has to cooperate. Its memory is limited to what it has after the fork plus the
limit. When the service goes away the socket ends, the fork server kills its workers and leaves.

Measured beside it, `multiprocessing`'s forkserver makes a worker as fast and as small, but needs a writable folder for
its socket and a second process (12 MB), starts a worker with a call that blocks the event loop, cannot fix the hash
seed, and when it is killed its workers live on while they are said to have ended.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

Handler = Callable[[Any, Callable[[str, Any], None]], None]
"""Judges one item; reports by calling its second argument with a stage and a value."""

_PR_SET_PDEATHSIG = 1
_SIGEV_SIGNAL = 0
_LENGTH = struct.Struct("!I")


def pack(value: Any) -> bytes:
    """Frame a JSON value."""
    data = json.dumps(value, separators=(",", ":")).encode()
    return _LENGTH.pack(len(data)) + data


def main() -> None:
    """Import the handler, announce it, and serve until the service goes away."""
    if sys.flags.hash_randomization:  # begin again without it: sets are walked in the same order everywhere
        os.putenv("PYTHONHASHSEED", "0")
        os.execv(sys.executable, sys.orig_argv)
    descriptor, target = int(sys.argv[1]), sys.argv[2]
    control = socket.socket(fileno=descriptor)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    module, _, name = target.partition(":")
    room = importlib.import_module(module)
    handler: Handler = getattr(room, name)
    if hasattr(room, "warm_up"):
        room.warm_up()
    control.sendall(b'{"ready":true}\n')
    _Server(control, handler).run()


class _Server:
    def __init__(self, control: socket.socket, handler: Handler) -> None:
        self.control = control
        self.handler = handler
        self.workers: dict[int, int] = {}
        self.buffer = b""
        self.descriptors: list[int] = []

    def run(self) -> None:
        wake_read, wake_write = os.pipe()
        for descriptor in (wake_read, wake_write):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self.control:
                        if not self._read(selector, wake_read, wake_write):
                            self._leave()
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake_read, 4096)
                self._reap()

    def _read(self, selector: selectors.BaseSelector, *wake: int) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, 65536, 16)
        except ConnectionResetError:  # the service was killed
            return False
        self.descriptors += descriptors
        if not data:
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "spawn" in command:
                self._spawn(command, self.descriptors.pop(0), selector, wake)
            elif "cpu" in command:
                self._tell({"cpu": command["cpu"], "seconds": _cpu_s(self.workers.get(command["cpu"]))})
            elif command["kill"] in self.workers:
                os.kill(self.workers[command["kill"]], signal.SIGKILL)
        return True

    def _tell(self, news: dict[str, Any]) -> None:
        try:
            self.control.sendall(json.dumps(news).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            self._leave()

    def _spawn(
        self, command: dict[str, Any], descriptor: int, selector: selectors.BaseSelector, wake: tuple[int, ...]
    ) -> None:
        try:
            process = os.fork()
        except OSError as error:
            print(f"a math worker cannot be forked: {error}", file=sys.stderr)  # noqa: T201
            os.close(descriptor)
            self._tell({"ended": command["spawn"], "signal": 0, "status": 1})
            return
        if process == 0:
            selector.close()
            signal.set_wakeup_fd(-1)
            for inherited in (*wake, self.control.fileno(), *self.descriptors):
                os.close(inherited)
            _work(descriptor, command["cpu_limit_s"], command["memory_limit_mb"], self.handler)
        os.close(descriptor)
        self.workers[command["spawn"]] = process

    def _reap(self) -> None:
        for number, process in list(self.workers.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del self.workers[number]
                killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
                self._tell({"ended": number, "signal": killed_by, "status": code})

    def _leave(self) -> NoReturn:
        for process in self.workers.values():
            os.kill(process, signal.SIGKILL)
        for process in self.workers.values():
            os.waitpid(process, 0)
        os._exit(0)


MEMORY_EXIT = 77
"""Exit status of a worker that ran out of memory and could still say so."""
READY_STAGE, UNFIT_STAGE = "ready", "unfit"
"""What a worker says first, of no job: it can work, or it cannot and the value says why."""


class _Unfit(Exception):
    """The limits cannot be set as they should be."""


def _work(descriptor: int, cpu_limit_s: float, memory_limit_mb: int, handler: Handler) -> NoReturn:
    """Judge frames until the socket ends. Never returns; a failure ends the process with a status that tells which."""
    for number in (signal.SIGCHLD, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _die_with_parent()
    connection = socket.socket(fileno=descriptor)
    connection.setblocking(True)
    try:
        _limit_memory(memory_limit_mb)
        connection.sendall(pack([-1, READY_STAGE, None]))
        _serve(connection, cpu_limit_s, handler)
    except _Unfit as error:
        connection.sendall(pack([-1, UNFIT_STAGE, str(error)]))
        os._exit(1)
    except MemoryError:
        os._exit(MEMORY_EXIT)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a forked process must end here, whatever happened, and say why
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)


def _serve(connection: socket.socket, cpu_limit_s: float, handler: Handler) -> None:
    stream = connection.makefile("rb", buffering=1 << 16)
    timer = _CpuTimer()
    while True:
        head = stream.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            os._exit(0)
        for job, item in json.loads(stream.read(_LENGTH.unpack(head)[0])):
            timer.set(cpu_limit_s)
            handler(item, lambda stage, value, job=job: connection.sendall(pack([job, stage, value])))
            timer.set(0)


class _SignalEvent(ctypes.Structure):
    """What a POSIX timer does when it ends: `struct sigevent`, 64 bytes on every Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * (64 - 8 - ctypes.sizeof(ctypes.c_void_p))),
    )


class _TimerSpan(ctypes.Structure):
    """`struct itimerspec`: seconds and nanoseconds of the interval, which is none, and of what is left."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "left_s", "left_ns"))


class _CpuTimer:
    """Sends this process SIGPROF when it has used so much CPU time.

    It counts for how long the process ran. `setitimer`, which stands in where there is no such timer, counts the ticks
    of the kernel's clock: who runs in short turns, as on a busy machine, may be charged for far more than it had.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        self._is_there = False
        if sys.platform.startswith("linux") and hasattr(self._libc, "timer_create"):
            event = _SignalEvent(signal=signal.SIGPROF, notify=_SIGEV_SIGNAL)
            clock = time.CLOCK_PROCESS_CPUTIME_ID
            self._is_there = self._libc.timer_create(clock, ctypes.byref(event), ctypes.byref(self._timer)) == 0

    def set(self, left_s: float) -> None:
        """Have it end after so many seconds of CPU time from now on; 0 is never."""
        if not self._is_there:
            signal.setitimer(signal.ITIMER_PROF, left_s)
            return
        whole_s = int(left_s)
        span = _TimerSpan(left_s=whole_s, left_ns=int((left_s - whole_s) * 1e9))
        if self._libc.timer_settime(self._timer, 0, ctypes.byref(span), None) != 0:
            raise OSError(ctypes.get_errno(), "the limit on CPU time cannot be set")


def _die_with_parent() -> None:
    """Ask the kernel to kill this worker when the fork server dies; elsewhere the end of its socket ends it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(memory_limit_mb: int) -> None:
    """Limit the address space to what is in use now plus the limit; where the system does not say, there is no
    limit.

    Raises:
        _Unfit: this process may not have that much.
    """
    if not sys.platform.startswith("linux"):
        return
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    ceiling = used + memory_limit_mb * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY and hard < ceiling:
        raise _Unfit(
            f"the address space of processes is limited to {hard >> 20} MiB here (`ulimit -v`), and one needs "
            f"{ceiling >> 20}: raise that limit, or lower VERIFIER_MATH_MEMORY_LIMIT_MB, which is {memory_limit_mb}"
        )
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))


def _cpu_s(process: int | None) -> float | None:
    """Return the CPU time that a process has used; None where the system does not say."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
    except (OSError, ValueError):
        return None
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
