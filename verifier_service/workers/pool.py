"""A pool of worker processes that can be killed at any time, for computations that might never end.

Theory of operation. A fork server (`forkserver.py`) is started as a fresh interpreter, imports everything once, and
forks workers on demand; this process never forks. Each worker has a socket pair with us. A job is a list of items that
one worker takes in order, reporting each as it is done, so the first unreported item is always the one being worked on.
The kernel kills a worker whose item used too much CPU time. We kill a worker whose job was cancelled, or that neither
reports nor computes. In each case the rest of the job goes back to the head of the queue, and a fresh worker replaces
the dead one.

Clients take turns, and so do each client's callers. A worker gets a few items of a job at a time, and more while they
are quick, so a slow job never makes other callers wait for longer than one portion.

A death that no limit explains is charged to an item only on proof. The item is tried again, alone. It is charged if
`ROUNDS` fresh workers in a row die under it while each time a harmless item runs in another worker, which goes on
living for longer than the dead one had lived. If something outside kills workers (the kernel when it is out of memory,
an operator), it kills the harmless ones too. Then all of this is repeated, and if it goes on the item is `Ended.LOST`,
which counts as our failure.
"""

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

import structlog

from verifier_service.errors import WorkerDied
from verifier_service.intake.fairness import Borrower, Order, Rank, Share
from verifier_service.observability.metrics import Metrics
from verifier_service.workers.forkserver import MEMORY_EXIT, pack
from verifier_service.workers.server import CLOSED, ForkServer, Limits, Worker

_log = structlog.get_logger()

WALL_NET_FACTOR = 4.0
WALL_NET_EXTRA_S = 5.0
LOOK_S = 2.0
"""How long to observe a silent worker. One that computes in the meantime is only slow, on a busy machine."""
LEAST_CPU_S = 0.02
"""The least CPU time that a computing worker uses while it is observed."""

QUICK_S = 0.05
"""A portion that takes less than this is followed by one twice as large."""
MOST_AT_ONCE = 32  # bounds what has to be done again when a worker dies

ROUNDS = 2
"""How many fresh workers have to die under an item while a harmless item survives in another each time."""
HARMLESS_FACTOR = 2.0
HARMLESS_LEAST_S, HARMLESS_MOST_S = 0.1, 5.0
"""A harmless worker has to live on this many times as long as the other one lived, within these bounds."""
MOST_LOSSES = 4
"""How often an item is tried again when workers die under harmless items too."""
LOSS_PAUSE_S = 0.25
"""The first pause before such a retry; each later one is twice as long."""
TROUBLE_LASTS_S = 5.0
"""How long trouble is reported after it was last seen."""


class Ended(StrEnum):
    """Why an item has no report of its own."""

    TIME = "time"
    MEMORY = "memory"
    CRASH = "crash"
    LOST = "lost"


Report = Callable[[int, str, Any], None]
"""Called with the item's index, the stage and the value. The stage is the worker's, or an `Ended`."""


@dataclass(eq=False)
class _Caller:
    """The caller that waits for a list of jobs."""

    share: Share
    client: Borrower
    queue: "deque[_Job]" = field(default_factory=deque)

    @property
    def rank(self) -> Rank:
        """The lowest rank goes next."""
        return Order.rank(self.share, self.client)


@dataclass(eq=False)
class _Job:
    """Items of one caller that one worker takes in order, as (index, item), and the callback for their reports."""

    caller: _Caller
    items: deque[tuple[int, Any]]
    report: Report
    done: asyncio.Event
    stages: dict[int, str] = field(default_factory=dict)
    worker: Worker | None = None
    portion: int = 1
    """How many items a worker gets at once."""

    def finish_item(self, stage: str, value: object) -> None:
        """Report the current item as finished."""
        index, _ = self.items.popleft()
        self.report(index, stage, value)


FINAL_STAGE = "result"
"""The stage that finishes an item; the others only report progress."""


class _LimitPassed(Exception):
    """A worker exceeded a limit."""

    def __init__(self, cause: Ended) -> None:
        self.cause = cause
        super().__init__(cause)


class Pool:
    """Worker processes for one handler.

    `handler` is `module:function` as described in `forkserver`, and `harmless` an item that it finishes quickly. Start
    and close the pool in the same event loop.
    """

    def __init__(
        self, handler: str, workers: int, limits: Limits, harmless: object, metrics: Metrics | None = None
    ) -> None:
        self._size = workers
        self._limits = limits
        self._harmless = harmless
        self._metrics = metrics or Metrics()
        self._callers: list[_Caller] = []
        self._order = Order()
        self._wake = asyncio.Condition()
        self._server = ForkServer(handler, limits, self._server_ended)
        self._slots: list[asyncio.Task[None]] = []
        self._restarting: asyncio.Task[None] | None = None
        self._trouble = ""
        self._trouble_s = 0.0

    @property
    def broken(self) -> str | None:
        """Why nothing can be computed now, or None."""
        return self._server.broken or self._trouble or None

    @property
    def server_pid(self) -> int:
        """The fork server's process id."""
        return self._server.pid

    @property
    def wall_limit_s(self) -> float:
        """Seconds without a report after which a worker is observed.

        Far above the CPU limit, to allow for a busy machine.
        """
        return self._limits.cpu_limit_s * WALL_NET_FACTOR + WALL_NET_EXTRA_S

    async def start(self) -> None:
        """Start the fork server and the workers.

        Raises:
            WorkerDied: the fork server does not start; its stderr says why.
        """
        await self._server.start()
        self._slots = [asyncio.create_task(self._slot(), name=f"math worker {n}") for n in range(self._size)]

    async def close(self) -> None:
        """Kill the workers and the fork server. Pending calls of `run` raise WorkerDied."""
        self._server.broken = CLOSED
        tasks = [*self._slots, *([self._restarting] if self._restarting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._slots = []
        for caller in self._callers:
            for job in caller.queue:
                job.done.set()
        await self._server.close()

    async def run(self, chunks: Sequence[Sequence[tuple[int, Any]]], report: Report) -> None:
        """Have every item of every chunk judged; the items of one chunk go to one worker, in order.

        Waits while no worker is available. Cancelling kills the workers that are busy with these items.

        Raises:
            WorkerDied: the pool is closed, or was never started.
        """
        self._check_open()
        share = Share()
        caller = _Caller(share, self._order.client_of(share))
        jobs = [_Job(caller, deque(chunk), report, asyncio.Event()) for chunk in chunks if chunk]
        caller.queue.extend(jobs)
        self._callers.append(caller)
        async with self._wake:
            self._wake.notify(len(jobs))
        try:
            for job in jobs:
                await job.done.wait()
        finally:
            self._callers.remove(caller)
            for job in jobs:
                job.items.clear()
                job.report = _ignore
                job.done.set()
                if job.worker is not None:
                    self._server.kill(job.worker)
        self._check_open()

    def _check_open(self) -> None:
        if not self._slots or self._server.broken == CLOSED:
            raise WorkerDied(f"the math workers are not available: {self._server.broken}")

    # --- trouble -----------------------------------------------------------------------------------------------

    def _in_trouble(self, error: WorkerDied) -> None:
        self._trouble, self._trouble_s = str(error), time.monotonic()

    def _out_of_trouble(self) -> None:
        if self._trouble and time.monotonic() - self._trouble_s > TROUBLE_LASTS_S:
            self._trouble = ""

    def _server_ended(self) -> None:
        if self._server.broken != CLOSED:
            self._restarting = asyncio.ensure_future(self._start_again())

    async def _start_again(self) -> None:
        try:
            await self._server.start()
        except WorkerDied as error:  # the next slot that needs a worker tries again
            _log.warning("math_fork_server_not_started", reason=str(error))

    # --- one worker's place -----------------------------------------------------------------------------------

    async def _slot(self) -> None:
        """Keep one worker alive and feed it."""
        worker: Worker | None = None
        failures = 0
        try:
            while True:
                try:
                    if worker is None:
                        worker = await self._fresh_worker()
                        failures = 0
                    job = await self._next_job()
                    worker = await self._feed(worker, job)
                except WorkerDied as error:
                    failures += 1
                    self._in_trouble(error)
                    _log.warning("math_worker_failed", reason=str(error), failures=failures)
                    await asyncio.sleep(min(0.1 * 2**failures, 5))
        finally:
            if worker is not None:
                self._server.kill(worker)

    async def _fresh_worker(self) -> Worker:
        """Return a worker that is ready.

        Raises:
            WorkerDied: none can be started.
        """
        await self._server.start()
        worker = await self._server.spawn()
        self._metrics.workers_started.inc()
        self._out_of_trouble()
        return worker

    async def _next_job(self) -> _Job:
        """Take the next job of the caller whose turn it is."""
        while True:
            waiting = [caller for caller in self._callers if caller.queue]
            if waiting:
                caller = min(waiting, key=lambda one: one.rank)  # `min` returns the first of equals
                job = caller.queue.popleft()
                if job.items:
                    return job
                continue
            async with self._wake:
                if not any(caller.queue for caller in self._callers):
                    await self._wake.wait()

    async def _requeue(self, job: _Job) -> None:
        """Put what is left of a job back at the head of its caller's queue."""
        if not job.items:
            job.done.set()
            return
        if job.caller in self._callers:
            job.caller.queue.appendleft(job)
            async with self._wake:
                self._wake.notify()

    async def _feed(self, worker: Worker, job: _Job) -> Worker | None:
        """Give a job to a worker and pass on its reports. Return the worker if it is still alive afterwards."""
        caller = job.caller
        self._order.serve(caller.share, caller.client)
        try:
            lives = await self._feed_in_portions(worker, job)
        finally:
            caller.share.in_hand -= 1
            caller.client.in_hand -= 1
        if lives:
            await self._requeue(job)
            return worker
        try:
            await self._settle(worker, job)
        finally:
            await self._requeue(job)
        return None

    async def _feed_in_portions(self, worker: Worker, job: _Job) -> bool:
        """Give a worker portions of the job until it is done or another caller waits.

        Return False if the worker died.
        """
        while True:
            began_s = time.monotonic()
            if not await self._follow(worker, job, list(islice(job.items, job.portion))):
                return False
            is_quick = time.monotonic() - began_s < QUICK_S
            job.portion = min(2 * job.portion, MOST_AT_ONCE) if is_quick else 1
            if not job.items or any(caller.queue for caller in self._callers if caller is not job.caller):
                return True

    async def _follow(self, worker: Worker, job: _Job, items: Sequence[tuple[int, Any]]) -> bool:
        """Give the next items of a job to a worker and pass on its reports.

        Returns:
            True once the items are done, False if the worker is dead.
        """
        left, finished = len(items), False
        watch = asyncio.create_task(self._watch(worker))
        try:
            job.worker = worker
            worker.heard_s = time.monotonic()
            worker.writer.write(pack(list(items)))
            while left and job.items:
                index, stage, value = await worker.read()
                if job.done.is_set():
                    return False
                if stage == FINAL_STAGE:
                    left -= 1
                    job.finish_item(stage, value)
                    self._out_of_trouble()
                else:
                    job.stages[index] = stage
                    job.report(index, stage, value)
            finished = not left and not job.done.is_set()
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
            pass
        finally:
            watch.cancel()
            job.worker = None
            if not finished:
                self._server.kill(worker)
        return finished

    async def _watch(self, worker: Worker) -> None:
        """Kill a worker that has not reported within the wall limit and does not compute either.

        A worker that computes has a limit of its own. After the whole machine was suspended, everything looks silent at
        first, so a silent worker is observed for a while before it is killed.
        """
        while True:
            while (left_s := worker.heard_s + self.wall_limit_s - time.monotonic()) > 0:
                await asyncio.sleep(left_s)
            heard_s, before_s = worker.heard_s, await self._server.cpu_s(worker)
            await asyncio.sleep(LOOK_S)
            after_s = await self._server.cpu_s(worker)
            computes = before_s is not None and after_s is not None and after_s - before_s >= LEAST_CPU_S
            if worker.heard_s == heard_s and not computes:
                _log.warning("math_worker_silent", for_s=round(time.monotonic() - heard_s, 1))
                self._server.kill(worker)
                return

    async def _settle(self, worker: Worker, job: _Job) -> None:
        """Find out what a worker died of, and finish or retry the item under which it died."""
        if not job.items:
            return
        cause = await self._limit_passed(worker)
        for loss in range(MOST_LOSSES + 1):
            if cause is not None or not job.items:
                break
            try:
                if await self._try_again(job):
                    return
                cause = Ended.CRASH
            except _LimitPassed as error:
                cause = error.cause
            except WorkerDied as error:
                self._in_trouble(error)
                _log.warning("math_workers_die", reason=str(error), times=loss + 1)
                await asyncio.sleep(LOSS_PAUSE_S * 2**loss)
        if job.items:
            job.finish_item(cause or Ended.LOST, job.stages.get(job.items[0][0]))

    async def _limit_passed(self, worker: Worker) -> Ended | None:
        """Count a worker's death, and return the limit it exceeded, or None if it died of something else."""
        cause = None
        with contextlib.suppress(TimeoutError):
            killed_by, status = await asyncio.wait_for(asyncio.shield(worker.ended), 10)
            if status == MEMORY_EXIT:
                cause = Ended.MEMORY
            elif killed_by == signal.SIGPROF:
                cause = Ended.TIME
        self._metrics.workers_ended.labels((cause or Ended.CRASH).value).inc()
        return cause

    async def _try_again(self, job: _Job) -> bool:
        """Have the next item done by a fresh worker. Return False if worker after worker dies under it.

        Raises:
            _LimitPassed: a worker exceeded a limit.
            WorkerDied: no worker can be started, or workers die under a harmless item too.
        """
        for _ in range(ROUNDS):
            companion = await self._fresh_worker()
            try:
                await self._run_through(companion)
                worker = await self._fresh_worker()
                if not job.items or await self._follow(worker, job, [job.items[0]]):
                    self._server.kill(worker)
                    return True
                lived_s = time.monotonic() - worker.heard_s
                cause = await self._limit_passed(worker)
                if cause is not None:
                    raise _LimitPassed(cause)
                await asyncio.sleep(min(max(HARMLESS_FACTOR * lived_s, HARMLESS_LEAST_S), HARMLESS_MOST_S))
                # The companion has outlived the dead worker. It must also still work, not only exist.
                await self._run_through(companion)
            finally:
                self._server.kill(companion)
        return False

    async def _run_through(self, worker: Worker) -> None:
        try:
            worker.writer.write(pack([(0, self._harmless)]))
            async with asyncio.timeout(self.wall_limit_s):
                while (await worker.read())[1] != FINAL_STAGE:
                    pass
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError) as error:
            reason = "fall silent" if isinstance(error, TimeoutError) else "die"
            raise WorkerDied(f"math workers {reason} on this machine even under a harmless item") from None


def _ignore(index: int, stage: str, value: object) -> None:
    """Drop the report of an item whose caller went away."""
