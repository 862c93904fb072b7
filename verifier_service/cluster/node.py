"""The judge of parts on one node: a service without a front, which takes parts and yields outcomes as they come.

A node's own canaries show whether it can judge. While one fails, parts wait here until it succeeds again; if they
failed quickly instead, the broken node would always be free and attract all the work. If the failure lasts, the node
reports it (`trouble`), it is replaced, and its parts go to other nodes.
"""

import asyncio
import pickle
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack

import structlog

from verifier_service.access.clients import Client, asking
from verifier_service.cluster.wire import Build, Failed, Hello, Outcome, Packed, Part, Sent, Told
from verifier_service.errors import JudgeError, RunnerUnavailable
from verifier_service.judges.base import guarded
from verifier_service.observability.metrics import Metrics
from verifier_service.runners.base import Runner
from verifier_service.schema import CodeSubmission, Tests
from verifier_service.service import Judges, Service, running_service
from verifier_service.settings import Settings

log = structlog.get_logger()

WARM_WITHIN_S = 60.0
LOOK_S = 0.1
LASTS_S = 20.0
"""How long a node may be in trouble before it reports it."""
KEPT_SUITES = 256
CLOSE_S = 2.0

Fetch = Callable[[object], Awaitable[bytes]]
"""Fetches the bytes of a suite that was sent separately from the part."""


class Unfit(Exception):
    """This node cannot judge, or runs another build than its front; the message names the node and the reason."""


def require_same(name: str, deployed_by: Build) -> None:
    """Check that this node runs the same build as what deployed it.

    Raises:
        Unfit: the builds differ.
    """
    here = Build()
    if here != deployed_by:
        raise Unfit(f"{name} runs {here}, but was deployed by {deployed_by}: both must be the same")


class Node:
    """Judges on one node. Call `start` first and `close` at the end; everything happens in one event loop."""

    def __init__(self, name: str, settings: Settings, judges_of: Callable[[Service], Judges], fetch: Fetch) -> None:
        self.name = name
        self._settings = settings
        self._judges_of = judges_of
        self._fetch = fetch
        self._running = AsyncExitStack()
        self._service: Service | None = None
        self._suites: OrderedDict[str, Tests] = OrderedDict()
        self._in_trouble_since_s: float | None = None

    async def start(self, deployed_by: Build, runner: Runner | None = None) -> None:
        """Warm up, and wait until the known submissions have their verdicts.

        Raises:
            Unfit: this node cannot judge, or runs another build than `deployed_by`.
        """
        require_same(self.name, deployed_by)
        try:
            self._service = await self._running.enter_async_context(
                running_service(self._settings, Metrics(), runner, self._judges_of)
            )
            self._service.watch()
            await self._until_warm(self._service)
        except RunnerUnavailable as error:
            raise Unfit(f"{self.name} has no sandboxes and gets no work: {error}") from error
        except BaseException:
            await self.close()
            raise

    async def _until_warm(self, service: Service) -> None:
        ends_s = time.monotonic() + WARM_WITHIN_S
        while reasons := await service.waiting_for():
            if time.monotonic() > ends_s:
                raise Unfit(f"{self.name} cannot judge and gets no work: {_sentence(reasons)}")
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """End every process and box of this node."""
        self._service = None
        await self._running.aclose()

    @property
    def _there(self) -> Service:
        if self._service is None:
            raise Unfit(f"{self.name} is not started")
        return self._service

    def hello(self) -> Hello:
        """Return what this node is and can judge."""
        service = self._there
        slots = service.settings.boxes if "code" in service.judges else service.settings.math_workers
        return Hello(self.name, slots, dict(service.languages.versions))

    async def trouble(self) -> str | None:
        """Return why this node cannot judge, if that has lasted for `LASTS_S`; else None."""
        reasons = await self._there.waiting_for()
        if not reasons:
            self._in_trouble_since_s = None
            return None
        now_s = time.monotonic()
        self._in_trouble_since_s = self._in_trouble_since_s or now_s
        return f"{self.name}: {_sentence(reasons)}" if now_s - self._in_trouble_since_s >= LASTS_S else None

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """Judge a part; yields this node's hello, then outcomes as they come. Closing the iterator stops judging."""
        yield self.hello()
        told: asyncio.Queue[Outcome | None] = asyncio.Queue()
        judging = asyncio.create_task(self._judge(part, told))
        try:
            is_over = False
            while not is_over:
                found = [await told.get()]
                while not told.empty():
                    found.append(told.get_nowait())
                is_over = None in found
                if outcomes := [one for one in found if one is not None]:
                    yield outcomes
            await judging
        finally:
            judging.cancel()
            await asyncio.wait({judging}, timeout=CLOSE_S)

    async def _judge(self, part: Part, told: asyncio.Queue[Outcome | None]) -> None:
        asking.set(Client(part.client))

        def tell(place: int, outcome: object) -> None:
            told.put_nowait((place, Failed.of(outcome) if isinstance(outcome, JudgeError) else outcome))  # type: ignore[arg-type]

        try:
            async with asyncio.timeout(part.left_s):
                await self._judge_all(part, tell)
        except TimeoutError:
            log.info("part_out_of_time", kind=part.kind, left_s=round(part.left_s, 3))
        finally:
            told.put_nowait(None)

    async def _judge_all(self, part: Part, tell: Callable[[int, object], None]) -> None:
        judge = self._there.judges[part.kind]
        admit = judge.admission(part.deadline_s)
        admitted, places = [], list[int]()
        for place, one in enumerate(part.items):
            outcome = await guarded(self._admitted(one, part, admit))
            if isinstance(outcome, JudgeError):
                tell(place, outcome)
            else:
                admitted.append(outcome)
                places.append(place)
        waiting = set(places)

        def take(index: int, outcome: object) -> None:
            waiting.discard(places[index])
            tell(places[index], outcome)

        broke = await guarded(judge.judge(admitted, take)) if admitted else None
        if isinstance(broke, JudgeError):
            for place in waiting:
                tell(place, broke)

    async def _admitted(self, one: Sent, part: Part, admit: Callable[[object], Awaitable[object]]) -> object:
        item = one.item
        if one.suite is not None and isinstance(item, CodeSubmission):
            item = item.model_copy(update={"tests": await self._tests(part.suites[one.suite])})
        return await admit(item)

    async def _tests(self, packed: Packed) -> Tests:
        """Return tests that were sent separately, from the cache if they were here before."""
        tests = self._suites.get(packed.sha256)
        if tests is None:
            body = packed.body if isinstance(packed.body, bytes) else await self._fetch(packed.body)
            tests = await asyncio.to_thread(pickle.loads, body)
            self._suites[packed.sha256] = tests
            if len(self._suites) > KEPT_SUITES:
                self._suites.popitem(last=False)
        self._suites.move_to_end(packed.sha256)
        return tests


def _sentence(reasons: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
