"""What judges parts on one node: a service without a front, which takes parts and yields outcomes as they come.

What is wrong with a node shows in its own canaries. While one fails, parts wait here for it to be well again, so that
a node which cannot judge is not the one that is always free. When that lasts the node says so (`trouble`), whoever runs
it ends it, and its parts go elsewhere.
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
"""How long a node may be in trouble before it says so."""
KEPT_SUITES = 256
CLOSE_S = 2.0

Fetch = Callable[[object], Awaitable[bytes]]
"""Gets the bytes of a suite that did not travel in the part itself."""


class Unfit(Exception):
    """Nothing can be judged on this node, or not by what deployed it; the message names the node and says why."""


def require_same(name: str, deployed_by: Build) -> None:
    """See to it that what is here is the same build as what deployed it.

    Raises:
        Unfit: it is another one.
    """
    here = Build()
    if here != deployed_by:
        raise Unfit(f"{name} runs {here}, and was deployed by {deployed_by}: both have to be the same")


class Node:
    """Judges on one node. `start` it, `close` it; everything happens in one event loop."""

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
        """Warm up, and judge the known submissions.

        Raises:
            Unfit: that cannot be done here, or this node runs another build than `deployed_by`.
        """
        require_same(self.name, deployed_by)
        try:
            self._service = await self._running.enter_async_context(
                running_service(self._settings, Metrics(), runner, self._judges_of)
            )
            self._service.watch()
            await self._until_warm(self._service)
        except RunnerUnavailable as error:
            raise Unfit(f"{self.name} has no sandboxes and is given no work: {error}") from error
        except BaseException:
            await self.close()
            raise

    async def _until_warm(self, service: Service) -> None:
        ends_s = time.monotonic() + WARM_WITHIN_S
        while reasons := await service.waiting_for():
            if time.monotonic() > ends_s:
                raise Unfit(f"{self.name} cannot judge and is given no work: {_sentence(reasons)}")
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """End every process and box."""
        self._service = None
        await self._running.aclose()

    @property
    def _there(self) -> Service:
        if self._service is None:
            raise Unfit(f"{self.name} is not started")
        return self._service

    def hello(self) -> Hello:
        """Say what this node is."""
        service = self._there
        slots = service.settings.boxes if "code" in service.judges else service.settings.math_workers
        return Hello(self.name, slots, dict(service.languages.versions))

    async def trouble(self) -> str | None:
        """Return why nothing can be judged here, if that has been so for a while."""
        reasons = await self._there.waiting_for()
        if not reasons:
            self._in_trouble_since_s = None
            return None
        now_s = time.monotonic()
        self._in_trouble_since_s = self._in_trouble_since_s or now_s
        return f"{self.name}: {_sentence(reasons)}" if now_s - self._in_trouble_since_s >= LASTS_S else None

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """Judge a part. Whoever closes the iterator stops it."""
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
        """Return tests that travelled apart; those that were here before are at hand."""
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
