"""Our end of the fork server: start and restart it, have it fork and kill workers, and learn of their deaths."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import structlog

from verifier_service.errors import WorkerDied
from verifier_service.workers.forkserver import READY_STAGE, UNFIT_STAGE

_log = structlog.get_logger()

START_TIMEOUT_S = 60.0
"""How long the fork server has to import everything, and a worker to report that it is ready."""
ANSWER_TIMEOUT_S = 10.0
"""How long the fork server has to answer; a frozen one is killed."""

CLOSED = "closed"
_BOOT = "from verifier_service.workers.forkserver import main; main()"


@dataclass(frozen=True)
class Limits:
    """What one item can use: CPU seconds, and MiB on top of what a fresh worker has."""

    cpu_limit_s: float
    memory_limit_mb: int


@dataclass(eq=False)
class Worker:
    """One worker process. `ended` resolves to the signal and the status with which it ended."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: asyncio.Future[tuple[int, int]]
    heard_s: float = field(default_factory=time.monotonic)
    """When it last reported something or was given a job, on the monotonic clock."""

    async def read(self) -> tuple[int, str, Any]:
        """Return its next report: index, stage and value.

        Raises:
            IncompleteReadError, ConnectionResetError, BrokenPipeError: the worker is dead.
        """
        head = await self.reader.readexactly(4)
        index, stage, value = json.loads(await self.reader.readexactly(int.from_bytes(head, "big")))
        self.heard_s = time.monotonic()
        return index, stage, value


@contextlib.contextmanager
def _scarcity() -> Iterator[None]:
    """Report a shortage of descriptors or processes as a worker that cannot be started."""
    try:
        yield
    except OSError as error:
        raise WorkerDied(f"a math worker cannot be started: {error}") from error


class ForkServer:
    """One fork server. Use it from one event loop."""

    def __init__(self, handler: str, limits: Limits, on_end: Callable[[], None]) -> None:
        """Prepare a fork server; `on_end` is called when it ends on its own."""
        self._handler = handler
        self._limits = limits
        self._on_end = on_end
        self._numbers = count(1)
        self._ends: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._asked: dict[int, asyncio.Future[float | None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._control: tuple[asyncio.StreamWriter, socket.socket] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.broken: str | None = "not started"
        """Why no worker can be forked now, or None."""

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the server unless it runs already. Concurrent calls start it once.

        Raises:
            WorkerDied: it does not start; its stderr says why.
        """
        async with self._starting:
            if not self.broken:
                return
            if self.broken == CLOSED:
                raise WorkerDied(f"the math workers are not available: {CLOSED}")
            with _scarcity():
                await self._stop()
                await self._start()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _BOOT, str(theirs.fileno()), self._handler,
            pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        # asyncio owns `ours`, which is non-blocking, and has no call that sends descriptors. The duplicate does that.
        duplicate = ours.dup()
        reader, writer = await asyncio.open_connection(sock=ours)
        self._control = (writer, duplicate)
        try:
            line = await asyncio.wait_for(reader.readline(), START_TIMEOUT_S)
        except (TimeoutError, ConnectionResetError):
            line = b""
        if self.broken == CLOSED:
            raise WorkerDied(f"the math workers are not available: {CLOSED}")
        if not line:
            self.broken = "the fork server did not start; the service's log has its output"
            await self._stop()
            raise WorkerDied(f"the math workers are not available: {self.broken}")
        self.broken = None
        self._listener = asyncio.create_task(self._listen(reader), name="math fork server")

    async def close(self) -> None:
        """Kill the server and its workers for good."""
        self.broken = CLOSED
        async with self._starting:
            await self._stop()

    async def _stop(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None
        if self._control is not None:
            writer, duplicate = self._control
            writer.close()
            duplicate.close()
            self._control = None
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), 2)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
            self._process = None
        self._declare_dead()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Handle the server's messages until it ends, then declare every worker dead."""
        with contextlib.suppress(ConnectionResetError):
            while line := await reader.readline():
                self._take(json.loads(line))
        self._listener = None
        if self.broken is None:
            self.broken = "the fork server ended"
            _log.warning("math_fork_server_ended")
        self._declare_dead()
        self._on_end()

    def _take(self, news: dict[str, Any]) -> None:
        if "cpu" in news:
            asked = self._asked.pop(news["cpu"], None)
            if asked is not None and not asked.done():
                asked.set_result(news["seconds"])
            return
        ended = self._ends.pop(news["ended"], None)
        if ended is not None and not ended.done():
            ended.set_result((news["signal"], news["status"]))

    def _declare_dead(self) -> None:
        for ended in self._ends.values():
            if not ended.done():
                ended.set_result((signal.SIGKILL, 0))
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)
        self._ends.clear()
        self._asked.clear()

    def _send(self, command: dict[str, Any], descriptor: int | None = None) -> None:
        """Send a command. A few dozen bytes fill the socket only if the server has stopped reading."""
        if self._control is None:
            raise WorkerDied("the fork server is gone")
        _, duplicate = self._control
        data = json.dumps(command).encode() + b"\n"
        try:
            if descriptor is None:
                duplicate.sendall(data)
            else:
                socket.send_fds(duplicate, [data], [descriptor])
        except OSError as error:
            raise WorkerDied(f"the fork server is gone: {error}") from None

    # Workers

    async def spawn(self) -> Worker:
        """Have a worker forked, and wait until it is ready, with its limits set.

        Raises:
            WorkerDied: the worker did not get ready; the message says why.
        """
        with _scarcity():
            return await self._spawn()

    async def _spawn(self) -> Worker:
        number = next(self._numbers)
        ended: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._ends[number] = ended
        ours, theirs = socket.socketpair()
        command = {
            "spawn": number,
            "cpu_limit_s": self._limits.cpu_limit_s,
            "memory_limit_mb": self._limits.memory_limit_mb,
        }
        try:
            self._send(command, theirs.fileno())
        except WorkerDied:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Worker(number, *await asyncio.open_connection(sock=ours), ended)
        try:
            await self._wait_until_ready(worker)
        except BaseException:
            self.kill(worker)
            raise
        return worker

    async def _wait_until_ready(self, worker: Worker) -> None:
        try:
            _, stage, reason = await asyncio.wait_for(worker.read(), START_TIMEOUT_S)
        except TimeoutError:
            self._kill_server()  # the server or its workers are frozen
            raise WorkerDied(f"a math worker was not ready within {START_TIMEOUT_S:.0f} s") from None
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
            raise WorkerDied("a math worker ended before it was ready") from None
        if stage == UNFIT_STAGE:
            raise WorkerDied(f"a math worker cannot be started: {reason}")
        assert stage == READY_STAGE

    def kill(self, worker: Worker) -> None:
        """Kill a worker, or hang up on a dead one."""
        with contextlib.suppress(WorkerDied):
            self._send({"kill": worker.number})
        worker.writer.transport.abort()

    async def cpu_s(self, worker: Worker) -> float | None:
        """Return the CPU seconds a worker has used, or None if unknown or the worker is dead.

        A server that does not answer is killed.
        """
        asked: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._asked[worker.number] = asked
        try:
            self._send({"cpu": worker.number})
            return await asyncio.wait_for(asked, ANSWER_TIMEOUT_S)
        except WorkerDied:
            return None
        except TimeoutError:
            self._kill_server()
            return None
        finally:
            self._asked.pop(worker.number, None)

    def _kill_server(self) -> None:
        if self._process is not None:
            _log.warning("math_fork_server_frozen")
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
