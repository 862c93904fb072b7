"""The process that forks workers. It imports sympy and the grammar once, so a worker costs a fork instead of an import.

Started as `python -m verifier_service.workers.forkserver FD MODULE:FUNCTION`, single-threaded, with one end of a socket
pair as file descriptor FD. If the module has a function `warm_up`, it is called once before the first worker is forked.
Lines of JSON cross the socket:

| from the service | meaning |
|---|---|
| `{"spawn": n, "cpu_limit_s": s, "memory_limit_mb": m}` and a file descriptor | fork a worker that talks over it |
| `{"kill": n}` | kill worker n |
| `{"cpu": n}` | report how much CPU time worker n has used |

| to the service | meaning |
|---|---|
| `{"ready": true}` | everything is imported |
| `{"ended": n, "signal": k, "status": c}` | worker n is dead and reaped, or could not be forked |
| `{"cpu": n, "seconds": s}` | worker n has used this much; null if unknown |

A worker first reports that it is ready, or that it is `unfit` and why. Then it reads frames (4 bytes of length, then
JSON) holding a list of `[job, item]` and answers with `[job, stage, value]` frames, in order. A timer limits its CPU
time for one item; the kernel kills the worker when it expires, so nothing in the worker has to cooperate. Its memory is
limited to what it has after the fork plus the limit. When the service goes away the socket ends, and the fork server
kills its workers and exits.

Why not `multiprocessing`'s forkserver: measured side by side, it creates workers as fast and as small, but it needs a
writable folder for its socket and a second process (12 MB), blocks the event loop while a worker starts, and cannot fix
the hash seed. When it is killed, its workers live on although they are reported as ended.
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
"""Judges one item, and reports by calling its second argument with a stage and a value."""

_PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>
_SIGEV_SIGNAL = 0  # from <signal.h>
_LENGTH = struct.Struct("!I")


def pack(value: Any) -> bytes:
    """Return a JSON value as one frame."""
    data = json.dumps(value, separators=(",", ":")).encode()
    return _LENGTH.pack(len(data)) + data


def main() -> None:
    """Import the handler, report that it is ready, and serve until the service goes away."""
    # restart without it: iterating over sets must give the same order, and so the same verdicts, in every worker
    if sys.flags.hash_randomization:
        os.putenv("PYTHONHASHSEED", "0")
        os.execv(sys.executable, sys.orig_argv)
    descriptor, target = int(sys.argv[1]), sys.argv[2]
    control = socket.socket(fileno=descriptor)
    # Ctrl-C in a terminal reaches the whole process group. Only the service decides when to stop.
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
        # A handler must exist for set_wakeup_fd to write: the select below then wakes up when a worker ends.
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
            # A worker must not hold the control socket: the service would never see the fork server's end of it close.
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
"""Exit status of a worker that ran out of memory and could still report it."""
READY_STAGE, UNFIT_STAGE = "ready", "unfit"
"""A worker's first report, which belongs to no job: it can work, or it cannot and the value says why."""


class _Unfit(Exception):
    """The limits cannot be set as required."""


def _work(descriptor: int, cpu_limit_s: float, memory_limit_mb: int, handler: Handler) -> NoReturn:
    """Judge frames until the socket ends.

    Never returns; a failure ends the process with a status that identifies it.
    """
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
        # The service hung up: that is how it ends a worker.
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
    """What a POSIX timer does when it expires: `struct sigevent`, 64 bytes on every Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * (64 - 8 - ctypes.sizeof(ctypes.c_void_p))),
    )


class _TimerSpan(ctypes.Structure):
    """`struct itimerspec`: the interval (always zero: fire once), then the time left, in seconds and nanoseconds."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "left_s", "left_ns"))


class _CpuTimer:
    """Sends this process SIGPROF once it has used a given amount of CPU time.

    The POSIX timer measures the time the process really ran. Its fallback, `setitimer`, counts ticks of the kernel's
    clock, so on a busy machine a process that runs in short bursts can be charged for far more than it used.
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
        """Expire after this many seconds of CPU time from now on; 0 disarms the timer."""
        if not self._is_there:
            signal.setitimer(signal.ITIMER_PROF, left_s)
            return
        whole_s = int(left_s)
        span = _TimerSpan(left_s=whole_s, left_ns=int((left_s - whole_s) * 1e9))
        if self._libc.timer_settime(self._timer, 0, ctypes.byref(span), None) != 0:
            raise OSError(ctypes.get_errno(), "the limit on CPU time cannot be set")


def _die_with_parent() -> None:
    """Ask the kernel to kill this worker when the fork server dies; elsewhere it ends when its socket does."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(memory_limit_mb: int) -> None:
    """Limit the address space to what is in use now plus the limit. Do nothing where the system reports no usage.

    Raises:
        _Unfit: this process is not allowed that much.
    """
    if not sys.platform.startswith("linux"):
        return
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    ceiling = used + memory_limit_mb * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY and hard < ceiling:
        raise _Unfit(
            f"processes are limited to {hard >> 20} MiB of address space (`ulimit -v`), and a math worker needs "
            f"{ceiling >> 20}: raise that limit, or lower VERIFIER_MATH_MEMORY_LIMIT_MB, which is {memory_limit_mb}"
        )
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))


def _cpu_s(process: int | None) -> float | None:
    """Return the CPU time a process has used, or None if the system does not say."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
            # The command name in parentheses can itself hold blanks and parentheses, so count fields after the last
            # one.
            user, system = stat.read().rpartition(")")[2].split()[11:13]
    except (OSError, ValueError):
        return None
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
