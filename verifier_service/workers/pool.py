"""A pool of worker processes that can be killed at any time, for computations that may never end.

Theory of operation. A fork server (`forkserver.py`) is started as a fresh interpreter, imports everything once and
forks workers on demand; this process never forks. Each worker has a socket pair with us. A job is a list of items
that one worker takes in order, reporting each as it is done, so that at any moment the first unreported item is the
one being worked on. The kernel kills a worker whose item used too much CPU time; we kill one that is silent for
longer than the wall net, or whose job was cancelled. In each case the dead worker's current item is charged, the rest
of the job goes back to the head of the queue, and a fresh worker takes the dead one's place. Jobs of concurrent
callers take turns.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

import structlog

from verifier_service.errors import JudgeError
from verifier_service.workers.forkserver import MEMORY_EXIT, pack

_log = structlog.get_logger()

START_TIMEOUT_S = 60.0
WALL_NET_FACTOR = 4.0
WALL_NET_EXTRA_S = 5.0


_CLOSED = "closed"
_ENDED = "the fork server ended"


class Ended(StrEnum):
    """Why a worker's item has no report of its own."""

    TIME = "time"
    MEMORY = "memory"
    CRASH = "crash"


@dataclass(frozen=True)
class Limits:
    """What one item may use: CPU seconds, and MiB above what a fresh worker has."""

    cpu_limit_s: float
    memory_limit_mb: int

    @property
    def wall_limit_s(self) -> float:
        """Seconds without a report after which a worker is killed: far above the CPU time, for a busy machine."""
        return self.cpu_limit_s * WALL_NET_FACTOR + WALL_NET_EXTRA_S


Report = Callable[[int, str, Any], None]
"""Called with the item's index, the stage and the value; the stage is the worker's, or an `Ended`."""


@dataclass
class _Job:
    """Items of one caller that one worker takes in order: (index, item), and the callback for their reports."""

    caller: int
    items: deque[tuple[int, Any]]
    report: Report
    done: asyncio.Event
    stages: dict[int, str] = field(default_factory=dict)
    crashes: dict[int, int] = field(default_factory=dict)
    worker: "_Worker | None" = None


@dataclass
class _Worker:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: asyncio.Future[tuple[int, int]]
    silent: bool = False
    """It was killed because it reported nothing for longer than the wall net."""


FINAL_STAGE = "result"
"""The stage that finishes an item; others only tell how far it got."""


class Pool:
    """Worker processes for one handler.

    `handler` is `module:function` as `forkserver` documents it. Start and close it in the same event loop.
    """

    def __init__(self, handler: str, workers: int, limits: Limits) -> None:
        self._handler = handler
        self._size = workers
        self._limits = limits
        self._queues: dict[int, deque[_Job]] = {}
        self._turns: deque[int] = deque()
        self._wake = asyncio.Condition()
        self._numbers = count(1)
        self._callers = count(1)
        self._ends: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._server: asyncio.subprocess.Process | None = None
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._alive = 0
        self._broken: str | None = "not started"
        self._restarting = asyncio.Lock()
        self._listener: asyncio.Task[None] | None = None

    @property
    def broken(self) -> str | None:
        """The reason why nothing can be computed now, or None."""
        return self._broken

    async def start(self) -> None:
        """Start the fork server and the workers.

        Raises:
            JudgeError: the fork server does not start; its stderr says why.
        """
        await self._start_server()
        self._tasks = [asyncio.create_task(self._slot(), name=f"math worker {n}") for n in range(self._size)]

    async def close(self) -> None:
        """Kill the workers and the fork server; callers that wait get a JudgeError."""
        self._broken = _CLOSED
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for queue in self._queues.values():
            for job in queue:
                job.done.set()
        await self._stop_server()

    async def run(self, chunks: Sequence[Sequence[tuple[int, Any]]], report: Report) -> None:
        """Have every item of every chunk judged; the items of a chunk go to one worker, in order.

        Cancelling kills the workers that are busy with these items. Raises JudgeError when the pool is broken.
        """
        if self._broken and self._broken != _ENDED:
            raise JudgeError(f"the math workers are not available: {self._broken}")
        caller = next(self._callers)
        jobs = [_Job(caller, deque(chunk), report, asyncio.Event()) for chunk in chunks if chunk]
        self._queues[caller] = deque(jobs)
        self._turns.append(caller)
        async with self._wake:
            self._wake.notify(len(jobs))
        try:
            for job in jobs:
                await job.done.wait()
        finally:
            self._queues.pop(caller, None)
            for job in jobs:
                job.items.clear()
                job.report = _ignore
                job.done.set()
                if job.worker is not None:
                    self._kill(job.worker)
        if self._broken == _CLOSED:
            raise JudgeError(f"the math workers are not available: {self._broken}")

    # --- the fork server --------------------------------------------------------------------------------------

    async def _start_server(self) -> None:
        ours, theirs = socket.socketpair()
        self._server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _BOOT, str(theirs.fileno()), self._handler,
            pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        duplicate = ours.dup()
        reader, writer = await asyncio.open_connection(sock=ours)
        self._control = (reader, writer, duplicate)
        try:
            line = await asyncio.wait_for(reader.readline(), START_TIMEOUT_S)
        except TimeoutError:
            line = b""
        if not line:
            self._broken = "the fork server did not start"
            await self._stop_server()
            raise JudgeError(f"the math workers are not available: {self._broken}")
        self._broken = None
        self._listener = asyncio.create_task(self._listen(reader), name="math fork server")

    async def _stop_server(self) -> None:
        if self._control is not None:
            _, writer, duplicate = self._control
            writer.close()
            duplicate.close()
            self._control = None
        if self._server is not None:
            try:
                await asyncio.wait_for(self._server.wait(), 2)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._server.kill()
                await self._server.wait()
            self._server = None
        if self._listener is not None and self._listener is not asyncio.current_task():
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take the fork server's news until it ends, then declare every worker dead."""
        while line := await reader.readline():
            news = json.loads(line)
            future = self._ends.pop(news.get("ended", 0), None)
            if future is not None and not future.done():
                future.set_result((news["signal"], news["status"]))
        if self._broken is None:
            self._broken = _ENDED
        for future in self._ends.values():
            if not future.done():
                future.set_result((signal.SIGKILL, 0))
        self._ends.clear()
        if self._broken == _ENDED:
            _log.warning("math_fork_server_ended")
            await self._restart()

    def _send(self, command: dict[str, Any], descriptor: int | None = None) -> None:
        """Send a command; a few dozen bytes never fill the socket, so this does not block."""
        if self._control is None:
            raise JudgeError("the fork server is gone")
        _, _, duplicate = self._control
        data = json.dumps(command).encode() + b"\n"
        try:
            if descriptor is None:
                duplicate.sendall(data)
            else:
                socket.send_fds(duplicate, [data], [descriptor])
        except OSError as error:
            raise JudgeError(f"the fork server is gone: {error}") from None

    # --- one worker's place -----------------------------------------------------------------------------------

    async def _slot(self) -> None:
        """Keep one worker alive and feed it."""
        worker: _Worker | None = None
        failures = 0
        try:
            while True:
                try:
                    if worker is None:
                        if self._broken:
                            await self._restart()
                        worker = await self._spawn()
                        failures = 0
                    job = await self._next_job()
                    if not await self._feed(worker, job):
                        worker = None
                except JudgeError as error:
                    failures += 1
                    worker = None
                    _log.warning("math_worker_failed", reason=str(error), failures=failures)
                    await asyncio.sleep(min(0.1 * 2**failures, 5))
        finally:
            if worker is not None:
                self._kill(worker)

    async def _restart(self) -> None:
        """Start the fork server again if it is gone; several places may ask at once."""
        async with self._restarting:
            if self._broken and self._broken != _CLOSED:
                await self._stop_server()
                await self._start_server()

    async def _spawn(self) -> _Worker:
        number = next(self._numbers)
        ended: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._ends[number] = ended
        ours, theirs = socket.socketpair()
        try:
            self._send(
                {
                    "spawn": number,
                    "cpu_limit_s": self._limits.cpu_limit_s,
                    "memory_limit_mb": self._limits.memory_limit_mb,
                },
                theirs.fileno(),
            )
        except JudgeError:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        return _Worker(number, reader, writer, ended)

    def _kill(self, worker: _Worker) -> None:
        with contextlib.suppress(JudgeError):
            self._send({"kill": worker.number})
        worker.writer.transport.abort()

    async def _next_job(self) -> _Job:
        """Take the next job, callers in turn."""
        while True:
            for _ in range(len(self._turns)):
                caller = self._turns.popleft()
                queue = self._queues.get(caller)
                while queue:
                    job = queue.popleft()
                    if queue:
                        self._turns.append(caller)
                    if job.items:
                        return job
            async with self._wake:
                if not any(self._queues.get(caller) for caller in self._turns):
                    await self._wake.wait()

    def _requeue(self, job: _Job) -> None:
        queue = self._queues.get(job.caller)
        if queue is not None and job.items:
            queue.appendleft(job)
            if job.caller not in self._turns:
                self._turns.appendleft(job.caller)

    async def _feed(self, worker: _Worker, job: _Job) -> bool:
        """Give a job to a worker and pass on its reports; False if the worker is dead afterwards."""
        finished = False
        try:
            job.worker = worker
            worker.writer.write(pack(list(job.items)))
            finished = await self._follow(worker, job)
        finally:
            if not finished:
                self._kill(worker)
            job.worker = None
        if finished:
            job.done.set()
            return True
        await self._charge(worker, job)
        return False

    async def _follow(self, worker: _Worker, job: _Job) -> bool:
        """Pass on reports until the job is done (True), or the worker died, fell silent or was killed with its job
        (False)."""
        loop = asyncio.get_running_loop()
        net = loop.call_later(self._limits.wall_limit_s, self._silence, worker)
        try:
            while job.items:
                head = await worker.reader.readexactly(4)
                index, stage, value = json.loads(await worker.reader.readexactly(int.from_bytes(head, "big")))
                net.cancel()
                net = loop.call_later(self._limits.wall_limit_s, self._silence, worker)
                if job.done.is_set():
                    return False
                if stage == FINAL_STAGE:
                    job.items.popleft()
                else:
                    job.stages[index] = stage
                job.report(index, stage, value)
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
            return False
        finally:
            net.cancel()
        return not job.done.is_set()

    def _silence(self, worker: _Worker) -> None:
        """Kill a worker that reported nothing for longer than the wall net."""
        worker.silent = True
        self._kill(worker)

    async def _charge(self, worker: _Worker, job: _Job) -> None:
        """Report the current item of a dead worker, and queue the rest of its job; a crash is tried twice."""
        if not job.items:
            job.done.set()
            return
        index, _ = job.items[0]
        try:
            killed_by, status = await asyncio.wait_for(asyncio.shield(worker.ended), 10)
        except TimeoutError:
            killed_by, status = signal.SIGKILL, 0
        cause = Ended.TIME if worker.silent else self._cause(killed_by, status)
        if not job.items:
            return
        if cause is Ended.CRASH and job.crashes.setdefault(index, 0) == 0:
            job.crashes[index] = 1
        else:
            job.items.popleft()
            job.report(index, cause, job.stages.get(index))
        if job.items:
            self._requeue(job)
        else:
            job.done.set()

    @staticmethod
    def _cause(killed_by: int, status: int) -> Ended:
        if status == MEMORY_EXIT:
            return Ended.MEMORY
        if killed_by == signal.SIGPROF:
            return Ended.TIME
        return Ended.CRASH


_BOOT = "from verifier_service.workers.forkserver import main; main()"


def _ignore(index: int, stage: str, value: Any) -> None:
    """Drop the report of an item whose caller went away."""
