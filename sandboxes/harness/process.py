"""One process of a job, as the supervisor sees it: feed it, drain it, enforce its limits, and report how it ended.

Output is drained while the process runs, and only a limited amount is kept. So neither a program that writes endlessly
nor one that never reads can block the supervisor or fill its memory. The supervisor passes output on without parsing
it.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from sandboxes.harness.limits import ProcessLimits, namespace_pids
from sandboxes.harness.loop import READABLE, WRITABLE, Loop
from sandboxes.harness.meter import BoxView, Meter
from sandboxes.harness.spending import Spending, Taken
from sandboxes.harness.zygote import END, Child, Zygote
from sandboxes.protocol.child import LENGTH, Answer, Answers, Orders
from sandboxes.protocol.facts import End, Signal

CHUNK_BYTES = 1 << 16
KEPT_TAIL_BYTES = 4096
PIPE_BYTES = 1 << 16
FIRST_CHECK_S = 0.02
LONGEST_CHECK_S = 0.1
FROZEN_S = 1.0
"""If a check is later than this, the whole box was frozen, including the process. That time does not count."""
CONFINING_PROCESSES = 2
"""The number of our processes that wait for a program in its own namespaces."""
LOSING_CHECK_S = 0.005
"""The interval between checks while CPU time vanishes with processes that nobody waits for."""
MAX_KEPT_WAITING = 10
"""The maximum extension of the wall limit on a busy machine, in multiples of the limit."""
MEMORY_WORDS = (b"MemoryError", b"bad_alloc", b"Cannot allocate memory", b"OutOfMemoryError", b"out of memory")
"""The last words of runtimes that were refused memory. A program can write them too, but that only turns one failure
into another."""


class HarnessFailed(Exception):
    """A part of the box itself has failed: it is unusable, and nothing can be concluded about the program."""


class Capture(Enum):
    """How much output of a process is kept: for each of its pipes, everything or only the end."""

    TAIL = (False,)  # stdout and stderr are one pipe
    STDOUT = (True, False)
    BOTH = (True, True)


class Channel:
    """Messages to and from a process over its own socket. The process can write anything, and might never read."""

    def __init__(self, loop: Loop, sock: socket.socket, max_bytes: int, on_too_long: Callable[[], None]) -> None:
        self.ended = False
        self.confined = False  # whether the process has reported that it is confined
        self._loop = loop
        self._socket = sock
        self._answers = Answers(max_bytes)
        self._on_too_long = on_too_long
        self._outgoing = memoryview(b"")
        sock.setblocking(False)
        loop.watch(sock.fileno(), READABLE, self._ready)

    def begin(self, orders: bytes, fds: Sequence[int]) -> None:
        """Send the orders and, together with their length, the process's descriptors."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the zygote will report that it has ended
            socket.send_fds(self._socket, [LENGTH.pack(len(orders))], fds)
        self._send(orders)

    def send(self, payload: bytes) -> None:
        """Send one message, as fast as the process reads it. Send only one at a time."""
        if not self.ended:
            self._send(LENGTH.pack(len(payload)) + payload)

    def _send(self, data: bytes) -> None:
        self._outgoing = memoryview(data)
        self._write()
        if self._outgoing:
            self._loop.watch(self._socket.fileno(), READABLE | WRITABLE, self._ready)

    def _ready(self) -> None:
        if self._outgoing:
            self._write()
            if not self._outgoing:
                self._loop.watch(self._socket.fileno(), READABLE, self._ready)
        self.read()

    def _write(self) -> None:
        try:
            self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._outgoing = memoryview(b"")

    def read(self) -> None:
        """Read what has arrived, if anything."""
        if self.ended:
            return
        try:
            chunk = self._socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            chunk = b""
        self._answers.feed(chunk)
        if not self.confined:
            self.confined = self._answers.take() == (Answer.CONFINED, b"")
        if not chunk:
            self._end()
        elif self._answers.too_long:
            self._end()
            self._on_too_long()

    def _end(self) -> None:
        self.ended = True
        self._loop.forget(self._socket.fileno())

    def take(self) -> tuple[int, bytes] | None:
        """Return the kind and the payload of the next answer if it is complete."""
        return self._answers.take()

    @property
    def next_kind(self) -> int | None:
        """The kind of the next answer, complete or not, if any of it has come."""
        return self._answers.next_kind

    @property
    def ahead(self) -> bool:
        """Whether the process has sent more than it was asked for."""
        return len(self._answers) > 0

    def close(self) -> None:
        """Hang up."""
        self._end()
        self._socket.close()


@dataclass
class Ended:
    """How the main process ended."""

    status: int
    cpu_s: float
    peak_mb: float
    at_s: float


class Output:
    """One drained pipe. It counts everything, and keeps all of it, its beginning, or its tail."""

    def __init__(self, fd: int, keep_all: bool) -> None:
        self.fd = fd
        self.total = 0
        self._keep_all = keep_all
        self._is_cut = False
        self._kept = bytearray()

    def read(self) -> bool:
        """Read once. Return False at the end of the pipe."""
        try:
            chunk = os.read(self.fd, CHUNK_BYTES)
        except BlockingIOError:
            return True
        self.total += len(chunk)
        if not self._is_cut:
            self._kept += chunk
        if not self._keep_all and len(self._kept) > 2 * KEPT_TAIL_BYTES:
            del self._kept[:-KEPT_TAIL_BYTES]
        return bool(chunk)

    def close(self) -> None:
        """Close the pipe, once."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def drop(self) -> None:
        """Keep only the tail, because there is too much output to pass on."""
        del self._kept[:-KEPT_TAIL_BYTES]
        self._keep_all = False

    def cut(self, size: int) -> int:
        """Keep only the first `size` bytes and nothing that follows. Return how many there are."""
        del self._kept[size:]
        self._is_cut = True
        return len(self._kept)

    @property
    def kept(self) -> bytes:
        return bytes(self._kept)

    @property
    def tail(self) -> bytes:
        return bytes(self._kept[-KEPT_TAIL_BYTES:])


class Process:
    """A process forked from a zygote, with everything that it starts. `child` is the blank process to use."""

    def __init__(
        self,
        loop: Loop,
        zygote: Zygote,
        child: Child,
        orders: Orders,
        limits: ProcessLimits,
        *,
        stdin: bytes = b"",
        capture: Capture = Capture.TAIL,
        link: socket.socket | None = None,
        box: BoxView = BoxView(),  # noqa: B008  # frozen, and of no state
    ) -> None:
        self.limits = limits
        self.meter = Meter(limits, box)
        self.uid = orders.uid
        self.pid = child.pid
        self.meter.pid = child.pid
        self.killed_for: End | None = None  # the limit that it exceeded
        self.ended: Ended | None = None
        self._capture = capture
        self._doomed = False
        self._loop = loop
        self._zygote = zygote
        self.spending: Spending | None = None
        """The budget of the whole job, if this process counts toward it."""
        self._counted_base_s = 0.0
        self._stdin = memoryview(stdin)
        self.outputs: list[Output] = []
        self.tried_a_socket: Callable[[], bool] = lambda: False
        """Whether anything in this box has used the network since the last call."""
        self.killed_by_kernel: Callable[[], bool] = lambda: False
        """Whether the OOM killer has killed a process of this box since the last call."""
        self._start(child, orders, capture, link)

    # Starting

    def _start(self, child: Child, orders: Orders, capture: Capture, link: socket.socket | None) -> None:
        too_long = lambda: self.kill(End.OUTPUT_LIMIT)  # noqa: E731
        self.channel = Channel(self._loop, child.channel, self.limits.output_bytes, too_long)
        in_reading, self._in_fd = os.pipe()
        pipes = [os.pipe() for _ in capture.value]
        writing = [pipe[1] for pipe in pipes]
        # The program has another uid, and opening /dev/stdin opens the pipe again with a permission check. So each end
        # gets permissions for its own direction, and only for that one.
        with contextlib.suppress(PermissionError):  # in gVisor, the mode of a pipe cannot be changed
            os.fchmod(in_reading, 0o444)
            for fd in writing:
                os.fchmod(fd, 0o222)
        try:
            self._feed_at_once()
            links = () if link is None else (link.fileno(),)
            self.channel.begin(orders.to_bytes(), (in_reading, writing[0], writing[-1], *links))
        finally:
            for fd in (in_reading, *writing):
                os.close(fd)
        for (reading, _), keep_all in zip(pipes, capture.value, strict=True):
            os.set_blocking(reading, False)
            output = Output(reading, keep_all)
            self.outputs.append(output)
            self._loop.watch(reading, READABLE, lambda output=output: self._drain(output))
        self._loop.watch(self._zygote.socket.fileno(), READABLE, self._on_zygote)
        self._begin_wall_clock()

    def _feed_at_once(self) -> None:
        """Write stdin before the program starts if it fits into the pipe, which is usually the case."""
        if len(self._stdin) <= PIPE_BYTES:
            if self._stdin:
                os.write(self._in_fd, self._stdin)
            os.close(self._in_fd)
            self._in_fd = -1
        else:
            os.set_blocking(self._in_fd, False)
            self._loop.watch(self._in_fd, WRITABLE, self._feed)

    def _feed(self) -> None:
        try:
            self._stdin = self._stdin[os.write(self._in_fd, self._stdin[:CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the program has closed its stdin
            self._stdin = self._stdin[:0]
        if not self._stdin:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._in_fd >= 0:
            self._loop.forget(self._in_fd)
            os.close(self._in_fd)
            self._in_fd = -1

    # Draining

    def _drain(self, output: Output) -> None:
        if not output.read():
            self._loop.forget(output.fd)
        if self.killed_for is None and sum(output.total for output in self.outputs) > self.limits.output_bytes:
            self._keep_less()
            self.kill(End.OUTPUT_LIMIT)

    def _keep_less(self) -> None:
        """After too much output, keep the beginning if all of it was requested, and otherwise the tail for people."""
        room = self.limits.output_bytes
        for output in self.outputs:
            if self._capture is Capture.BOTH:
                room -= output.cut(room)
            else:
                output.drop()

    def drain_rest(self) -> None:
        """Read the rest of the pipes. All processes that could write to them must have ended."""
        for output in self.outputs:
            self._loop.forget(output.fd)
            before = -1
            while output.total != before:
                before = output.total
                self._drain(output)

    # Limits

    def begin_clock(self) -> None:
        """Start the clocks of one test. Earlier usage does not count."""
        self._counted_base_s = max(self.test_cpu_s(), self.meter.test_s())
        self._begin_wall_clock()

    def begin_next(self) -> None:
        """Start the clocks of the next test, and make the current usage its base."""
        self.rebase()
        self._counted_base_s = self.meter.test_s()
        self._begin_wall_clock()

    def _begin_wall_clock(self) -> None:
        self.began_s = time.monotonic()
        self._stood_still_s = 0.0
        self._check_at(self.began_s + min(FIRST_CHECK_S, self.limits.wall_s))

    def _check_at(self, when_s: float) -> None:
        self._due_s = when_s
        self._loop.at(self, when_s, self._check)

    def rebase(self, precisely: bool = False) -> None:
        """Make the current usage the base of the next test; with `precisely`, that of child processes as well."""
        self.meter.rebase(precisely)
        for output in self.outputs:
            output.total = 0

    @property
    def lister(self) -> Callable[[], Sequence[int]]:
        """A function that returns the pids which count as this process's; the box sets it."""
        return self.meter.lister

    @lister.setter
    def lister(self, lister: Callable[[], Sequence[int]]) -> None:
        self.meter.lister = lister

    @property
    def peak_mb(self) -> float:
        """The observed peak of memory in MiB, including what the process started with."""
        return self.meter.peak_mb

    def find_inner_pid(self) -> None:
        """With namespaces, find the program's pid: it is the second process in the innermost namespace."""
        for pid in self.lister():
            if namespace_pids(pid)[1:] == [2]:
                self.meter.pid = pid

    def test_cpu_s(self, closely: bool = False) -> float:
        """Return the test's CPU seconds so far.

        With `closely`, look at all processes, which also updates the peak of memory. Otherwise read only the main
        process's clock.
        """
        if closely:
            self.meter.memory_mb(self.meter.look())
            return self.meter.test_s()
        return self.meter.main_test_s()

    def end_cpu_s(self, orphans_s: float = 0.0) -> float:
        """Return the ended test's CPU seconds, given those of processes that nobody waited for."""
        assert self.ended is not None
        return self.meter.end_s(self.ended.cpu_s, orphans_s)

    def _not_its_own_s(self) -> float:
        """Return how long the test could not run, because others had its core or the whole box was frozen."""
        return min(self.meter.kept_waiting_s(), MAX_KEPT_WAITING * self.limits.wall_s) + self._stood_still_s

    def _check(self, now_s: float) -> None:
        if now_s - self._due_s > FROZEN_S:
            self._stood_still_s += now_s - self._due_s
        usage = self.meter.look()
        left_s = self.limits.cpu_s - self.meter.test_s()
        if left_s < 0:
            return self.kill(End.CPU_LIMIT)
        too_many = len(usage.processes) > self.limits.processes + CONFINING_PROCESSES
        if self.meter.memory_mb(usage) > self.limits.memory_mb or too_many:
            return self.kill(End.MEMORY_LIMIT)
        wall_left_s = self.began_s + self.limits.wall_s - now_s
        if wall_left_s <= 0:
            wall_left_s += self._not_its_own_s()
        if wall_left_s <= 0:
            return self.kill(End.WALL_LIMIT)
        if self.spending is not None and self.spending.is_used_up:
            return self.kill(End.BUDGET)
        longest_s = LOSING_CHECK_S if self.meter.is_losing else LONGEST_CHECK_S
        pause_s = min(longest_s, max(left_s, 0.005), max(wall_left_s, 0.001))
        self._check_at(now_s + pause_s)
        return None

    def taken(self) -> Taken:
        """Return what the current test has used of the job's budget."""
        used_s = max(self.test_cpu_s(), self.meter.test_s()) if self.ended is None else self.end_cpu_s()
        cpu_s = max(0.0, used_s - self._counted_base_s)
        return Taken(max(cpu_s, self.wall_s - self._not_its_own_s()), cpu_s)

    def kill(self, limit: End | None = None) -> None:
        """Kill the main process, for the limit that it exceeded, if any. The reset kills the processes it started."""
        self.killed_for = self.killed_for or limit
        self._doomed = self._doomed or self.ended is None
        self._loop.cancel(self)
        if self.ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    # Ending

    def _on_zygote(self) -> None:
        message = self._zygote.socket.recv(64)
        if len(message) == END.size:
            status, cpu_s, peak_kib = END.unpack(message)
            self.ended = Ended(status, cpu_s, peak_kib / 1024, time.monotonic())
            self.meter.peak_mb = max(self.meter.peak_mb, self.ended.peak_mb)
            self._loop.cancel(self)
            self._loop.forget(self._zygote.socket.fileno())
            self._require_confined()
        else:
            raise HarnessFailed("the warm interpreter is gone")

    @property
    def ended_by_itself(self) -> bool:
        """Whether the process ended by itself, or was already ending when it was killed."""
        return self.ended is not None and not (self._doomed and self.signal == signal.SIGKILL)

    @property
    def wall_s(self) -> float:
        """The wall time of the test, up to now or to the end of the process."""
        return (time.monotonic() if self.ended is None else self.ended.at_s) - self.began_s

    def _require_confined(self) -> None:
        """Check that a process that ended by itself had been confined before its program ran.

        Raises:
            HarnessFailed: It had not, so its end says nothing about the program.
        """
        self.channel.read()
        if not self.channel.confined and not self._doomed:
            self.drain_rest()
            raise HarnessFailed(f"a process could not be confined: {self.message()[-500:]}")

    def dismiss(self) -> None:
        """Kill the process if necessary, and close its channel and pipes. The zygote still reports its end."""
        self.kill()
        self.channel.close()
        self._close_stdin()
        for output in self.outputs:
            self._loop.forget(output.fd)
            output.close()

    def close(self) -> None:
        """Close everything. The process has ended."""
        self.dismiss()
        self._loop.forget(self._zygote.socket.fileno())

    def message(self) -> str:
        """Return the end of its stderr (or of its combined output), for people."""
        return self.outputs[-1].tail.decode("utf-8", "replace").strip()

    def too_much(self) -> str:
        """Return a sentence about the exceeded output limit, for people."""
        written, limit = sum(output.total for output in self.outputs), self.limits.output_bytes
        what = f"it wrote {written} bytes" if written > limit else "what it returned is longer"
        return f"output limit: {what}, and the limit is {limit} bytes ({limit // 1024} KiB)"

    @property
    def exit_code(self) -> int:
        """The exit code of the ended process; 0 if a signal ended it."""
        return max(self._code, 0)

    @property
    def signal(self) -> int:
        """The signal that ended it, or 0."""
        return max(-self._code, 0)

    @property
    def _code(self) -> int:
        assert self.ended is not None
        return os.waitstatus_to_exitcode(self.ended.status)

    def answers(self) -> list[tuple[int, bytes]]:
        """Remove and return the answers that have arrived."""
        answers = []
        while (answer := self.channel.take()) is not None:
            answers.append(answer)
        return answers

    def signals(self, *, left_processes: bool, owed_an_answer: bool = False) -> tuple[Signal, ...]:
        """Return the signals about how the process ended."""
        seen = {
            Signal.ENDED_EARLY: owed_an_answer and self.ended_by_itself,
            Signal.LEFT_PROCESSES: left_processes and self.ended_by_itself,
            Signal.FORBIDDEN_SYSTEM_CALL: self.ended is not None and self.signal == signal.SIGSYS,
            Signal.TRIED_A_SOCKET: self.tried_a_socket(),
        }
        return tuple(name for name, is_seen in seen.items() if is_seen)

    def broken_limit(self, cpu_s: float) -> End | None:
        """Return the limit that the ended process exceeded, whether it was killed for it or not.

        The order matters: what the supervisor has measured comes first, and what the program wrote last.
        """
        assert self.ended is not None
        if self.killed_for:
            return self.killed_for
        if cpu_s > self.limits.cpu_s or self.signal == signal.SIGXCPU:
            return End.CPU_LIMIT
        if self.peak_mb > self.limits.memory_mb + self.limits.base_mb:
            return End.MEMORY_LIMIT
        if self.signal == signal.SIGKILL and self.killed_by_kernel():
            return End.MEMORY_LIMIT
        last_words = self.outputs[-1].tail[-600:]
        if self.ended.status != 0 and any(word in last_words for word in MEMORY_WORDS):
            return End.MEMORY_LIMIT
        return None
