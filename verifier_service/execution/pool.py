"""Lend warm boxes: never more programs at once than `settings.boxes`, and a fair share for each request.

A box goes back to the pool only if it has proved its reset; otherwise it is destroyed. A spent box is replaced by a
fresh one, started in the background. With `isolation=container` every box is spent after one job.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from verifier_service.errors import JudgeError, RunnerUnavailable
from verifier_service.execution.turns import Share, Turns
from verifier_service.languages import Language
from verifier_service.observability.metrics import Metrics
from verifier_service.runners.base import Box, Runner
from verifier_service.settings import Settings

log = structlog.get_logger()

WARM_LANGUAGE = "python"
RETRY_S = 5.0  # the pause before another attempt to warm up a box


@dataclass(frozen=True)
class Lease:
    """A box on loan, with the seconds its borrower waited for a turn and then for the box to start."""

    box: Box
    queue_s: float
    start_s: float


class BoxPool:
    """Lends boxes. Build it, `start()` it, `close()` it, all in one event loop."""

    def __init__(self, runner: Runner, settings: Settings, metrics: Metrics | None = None) -> None:
        self.runner = runner
        self._settings = settings
        self.turns = Turns(settings.boxes)
        self._idle: deque[tuple[Box, bool]] = deque()  # (box, whether it was used), the longest idle first
        self._alive: set[Box] = set()
        self._coming: dict[str, deque[asyncio.Task[Box]]] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._trouble: str | None = "no sandbox has been started yet"
        self._closing = asyncio.Event()
        self._metrics = metrics or Metrics()
        self._metrics.watch_boxes(
            lambda: len(self._alive) - len(self._idle), lambda: len(self._idle), lambda: self.turns.waiting
        )

    async def start(self) -> None:
        """Begin to warm up boxes for the first language."""
        language = self.runner.known_languages[WARM_LANGUAGE]
        for _ in range(self._settings.boxes):
            self._later(self._warm_up(language))

    async def _warm_up(self, language: Language) -> None:
        """Start one idle box, holding a program's turn meanwhile; retry until it works."""
        while not self._closing.is_set():
            try:
                async with self.turns.turn(Share()):
                    if len(self._alive) < self._settings.boxes:
                        self._keep(await self._start(language), was_used=False)
                return
            except RunnerUnavailable:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), RETRY_S)

    @asynccontextmanager
    async def lease(
        self, language: Language, share: Share | None = None, *, fresh: bool = False
    ) -> AsyncIterator[Lease]:
        """Lend a box for `language` when it is this share's turn. `fresh` asks for a box that has not run anything.

        Raises:
            RunnerUnavailable: no box can be started.
        """
        asked_s = time.monotonic()
        async with self.turns.turn(share or Share()):
            turn_s = time.monotonic()
            box = await self._take(language, fresh)
            try:
                yield Lease(box, queue_s=turn_s - asked_s, start_s=time.monotonic() - turn_s)
            finally:
                self._give_back(box)

    async def _take(self, language: Language, fresh: bool) -> Box:
        if self._closing.is_set():
            raise RunnerUnavailable("the service is shutting down")
        while (box := self._pick(language, fresh)) is not None:
            if box.healthy:
                return box
            self._discard(box, "died")  # it died while it was idle
        coming = self._coming.get(language.name)
        if coming:
            return await coming.popleft()
        while len(self._alive) >= self._settings.boxes and self._idle:
            self._discard(self._idle.popleft()[0], "evicted")
        return await self._start(language)

    def _pick(self, language: Language, fresh: bool) -> Box | None:
        """Take the box that was used last, because its pages are the warmest."""
        for entry in reversed(self._idle):
            if entry[0].language.name == language.name and not (fresh and entry[1]):
                self._idle.remove(entry)
                return entry[0]
        return None

    async def _start(self, language: Language) -> Box:
        try:
            box = await self.runner.start_box(language)
        except RunnerUnavailable as error:
            if language.name == WARM_LANGUAGE:
                self._trouble = str(error)
            self._metrics.boxes_not_started.labels(language.name).inc()
            log.warning("box_not_started", language=language.name, reason=str(error))
            raise
        self._alive.add(box)
        box.on_unfit = lambda: self._take_out(box)
        self._metrics.box_started(language.name, box.image)
        if language.name == WARM_LANGUAGE:
            self._trouble = None
        # The pool can have begun to close while the box was starting; a box added now would outlive it.
        if self._closing.is_set():
            self._discard(box, "closing")
            raise RunnerUnavailable("the service is shutting down")
        return box

    def _give_back(self, box: Box) -> None:
        spent = bool(box.spent) or self._settings.isolation == "container"
        if box.healthy and not spent and not self._closing.is_set():
            self._metrics.boxes_reset.labels(box.language.name).inc()
            self._keep(box, was_used=True)
            return
        self._part_with(box, spent)

    def _keep(self, box: Box, *, was_used: bool) -> None:
        """Make a box idle. If that is one box too many, destroy the one that has been idle longest.

        There can be one too many when a box came back while another was being started to replace it.
        """
        self._idle.append((box, was_used))
        while len(self._alive) > self._settings.boxes and self._idle:
            self._discard(self._idle.popleft()[0], "surplus")

    def _take_out(self, box: Box) -> None:
        """Remove a box that became unfit while idle. A borrowed one is not in the list: its borrower notices."""
        for entry in self._idle:
            if entry[0] is box:
                self._idle.remove(entry)
                self._part_with(box, bool(box.spent))
                return

    def _part_with(self, box: Box, spent: bool) -> None:
        self._discard(box, self._why_discarded(box))
        if spent and not self._closing.is_set():
            if box.spent:
                log.info("box_spent", language=box.language.name, reason=box.spent)
            self._replace(box.language)

    def _why_discarded(self, box: Box) -> str:
        if box.spent:
            return "spent"
        if self._closing.is_set():
            return "closing"
        return "used_once" if box.healthy else "died"

    def _replace(self, language: Language) -> None:
        """Start a box in the background, for the next borrower or to be idle."""
        coming = self._coming.setdefault(language.name, deque())
        if len(coming) < self._settings.boxes:
            coming.append(self._later(self._start(language)))
            coming[-1].add_done_callback(lambda task: self._take_in(coming, task))

    def _take_in(self, coming: "deque[asyncio.Task[Box]]", task: "asyncio.Task[Box]") -> None:
        """Make a box that has started idle, unless a borrower has already taken it."""
        if task not in coming:
            return
        coming.remove(task)
        if not task.cancelled() and task.exception() is None and not self._closing.is_set():
            self._keep(task.result(), was_used=False)

    def _discard(self, box: Box, cause: str) -> None:
        if box in self._alive:
            self._metrics.boxes_destroyed.labels(box.language.name, cause).inc()
        self._alive.discard(box)
        self._later(box.close())

    def _later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, JudgeError):
            log.error("pool_task_failed", exc_info=error)

    async def ready(self) -> str | None:
        """Return None once a box is warm, otherwise why none is."""
        return self._trouble

    async def close(self) -> None:
        """Destroy every box, idle or not. The runner is left to whoever created it."""
        self._closing.set()
        for box in list(self._alive):
            self._discard(box, "closing")
        self._idle.clear()
        while self._background:
            await asyncio.wait(self._background)
