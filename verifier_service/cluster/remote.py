"""The judge in the front of a cluster: it sends parts of a batch to nodes and collects the outcomes.

Theory of operation. A batch is split into parts (`parts`). Each waits here for its turn, so that clients share the
nodes like the boxes of one machine. There are two turns for each program that the nodes can run at once: one is
running, and one is ready when it ends. More parts would only wait at a node, from which they cannot be taken back.
Nodes introduce themselves in every answer, so new and lost nodes are noticed by working with them.

If a node is lost, the submissions of its part without an outcome are judged again by other nodes, each one alone: one
of them may have killed the node, and its neighbours must not be charged for that. A submission with which `MOST_LOSSES`
nodes were lost becomes a judge error.

A node gets slightly less time than the batch, so that its outcomes at the deadline arrive before the front gives up.
"""

import asyncio
import hashlib
import pickle
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from verifier_service.access.clients import asking
from verifier_service.batch import Item as AnyItem
from verifier_service.cluster.parts import Estimate, Piece, cut, may_take_s
from verifier_service.cluster.wire import Failed, Hello, Item, Packed, Part, Sent, Told
from verifier_service.dispatch import ItemResult
from verifier_service.errors import Cause, JudgeError, NodeLost, RunnerUnavailable
from verifier_service.execution.turns import Share, Turns
from verifier_service.intake.slices import Slice
from verifier_service.judges.base import ends_s
from verifier_service.languages import Language
from verifier_service.observability.metrics import times_of
from verifier_service.runners.base import Box, Runner
from verifier_service.schema import CodeSubmission, MathSubmission, SuiteDigest, Tests
from verifier_service.settings import Settings

log = structlog.get_logger()

MOST_LOSSES = 4
MARGIN_S = 0.3
FORGET_S = 120.0
"""A node that has not answered for this long is no longer counted."""
TURNS_PER_SLOT = 2
ASK_AGAIN_S = 1.0
INLINE_BYTES = 64 * 1024
"""Larger suites are sent separately, once per node instead of in every part."""
KEPT_BYTES = 256 * 1024 * 1024
"""The total size of separately sent suites kept here; above it, the least recently used are dropped and sent again."""


class Nodes(Protocol):
    """The nodes of one kind, and the transport to them."""

    async def hello(self) -> Hello:
        """Return what any one node says about itself; waits until there is a node.

        Raises:
            NodeLost: the node was lost meanwhile.
            RunnerUnavailable: there can be no node now; the message says why.
        """
        ...

    def judge(self, part: Part, /) -> AsyncGenerator[Told, None]:
        """Have a node judge a part. Closing the iterator, or cancelling it, stops the work.

        Raises:
            NodeLost: the node was lost or gave up; outcomes yielded before are valid.
            RunnerUnavailable: there can be no node now; the message says why.
            JudgeError: the node failed while judging the part.
        """
        ...

    async def put(self, body: bytes, /) -> object:
        """Store bytes that many parts need; return a reference by which nodes fetch them."""
        ...


class Known:
    """The known nodes of one kind, and the turns for their work."""

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[Hello, float]] = {}
        self.turns = Turns(TURNS_PER_SLOT)

    def take(self, hello: Hello) -> None:
        """Record what a node says about itself."""
        now_s = time.monotonic()
        before = self._nodes.get(hello.node)
        self._nodes[hello.node] = hello, now_s
        if before is None or before[0].slots != hello.slots:
            log.info("node", node=hello.node, slots=hello.slots, languages=list(hello.languages))
            for other, _ in self._nodes.values():
                if other.languages != hello.languages:
                    log.warning("nodes_differ", one=other.node, other=hello.node, languages=list(other.languages))
        for name, (_, seen_s) in list(self._nodes.items()):
            if now_s - seen_s > FORGET_S:
                del self._nodes[name]
        self._count()

    def lose(self, name: str) -> None:
        """Forget a node that lost a part; if it is alive after all, its next answer adds it again."""
        if self._nodes.pop(name, None):
            self._count()

    @property
    def slots(self) -> int:
        """How many programs or comparisons can run at once on all known nodes."""
        return sum(hello.slots for hello, _ in self._nodes.values())

    def _count(self) -> None:
        self.turns.resize(TURNS_PER_SLOT * max(self.slots, 1))


class Elsewhere(Runner):
    """The runner of a front, whose boxes are on nodes: it starts none, but knows the nodes' languages."""

    name = "nodes"

    def __init__(self, known_languages: Mapping[str, Language], nodes: Nodes | None, known: Known | None) -> None:
        """Pass `nodes=None` if no programs are to be run at all."""
        self.known_languages = known_languages
        self._nodes = nodes
        self._known = known

    async def start_box(self, language: Language) -> Box:
        """See `Runner.start_box`."""
        raise RunnerUnavailable("the boxes are on the nodes, not in the front")

    async def available(self) -> str | None:
        """See `Runner.available`."""
        return None

    async def languages(self) -> dict[str, str]:
        """See `Runner.languages`; waits until there is a node."""
        while self._nodes is not None:
            try:
                hello = await self._nodes.hello()
            except JudgeError as error:
                log.warning("no_node", reason=str(error))
                await asyncio.sleep(ASK_AGAIN_S)
                continue
            if self._known is not None:
                self._known.take(hello)
            return dict(hello.languages)
        return {}

    def hint(self, language: Language) -> str:
        """See `Runner.hint`."""
        return f"every node needs the sandbox of {language.name}"

    async def close(self) -> None:
        """See `Runner.close`."""


@dataclass(eq=False)
class Admitted:
    """A submission with its tests, and the number of nodes lost while judging it."""

    item: Item
    deadline_s: float
    may_s: float
    losses: int = 0


@dataclass
class _Batch:
    """A batch that is being judged."""

    admitted: Sequence[Admitted]
    on_result: Callable[[int, ItemResult | JudgeError], None]
    tasks: asyncio.TaskGroup
    share: Share
    suites: dict[int, Packed]
    """Tests that are sent separately from the submissions, by `id()` of the tests."""


KeptTests = Callable[[str], Awaitable[Tests]]


class RemoteJudge:
    """Judges submissions of one kind on nodes."""

    def __init__(
        self,
        kind: str,
        settings: Settings,
        nodes: Nodes,
        known: Known,
        canary_for: Callable[[AnyItem], str],
        kept_tests: KeptTests,
    ) -> None:
        """`canary_for` returns the name of an item's canary; `kept_tests` finds kept tests by their digest."""
        self._kind = kind
        self._settings = settings
        self._nodes = nodes
        self._known = known
        self._canary_for = canary_for
        self._kept_tests = kept_tests
        self._estimate = Estimate()
        self._laid_out: OrderedDict[str, tuple[Packed, int]] = OrderedDict()

    async def start(self) -> None:
        """Do nothing: nodes warm up by themselves."""

    async def close(self) -> None:
        """Do nothing: nodes are closed by their own process."""

    async def ready(self) -> str | None:
        """Return None if a node is known, else the reason why not."""
        if self._known.slots:
            return None
        try:
            async with asyncio.timeout(ASK_AGAIN_S):
                self._known.take(await self._nodes.hello())
        except (TimeoutError, JudgeError) as error:
            return f"no node for {self._kind} answers: {error or 'there is none yet'}"
        return None

    def admission(self, deadline_s: float) -> Callable[[Item], Awaitable[Admitted]]:
        """See `Judge.admission`. Checks that only a node can make come back as outcomes."""

        async def admit(item: Item) -> Admitted:
            if isinstance(item, CodeSubmission) and isinstance(item.tests, SuiteDigest):
                item = item.model_copy(update={"tests": await self._kept_tests(item.tests.sha256)})
            return Admitted(item, deadline_s, may_take_s(item, self._settings))

        return admit

    def canary_of(self, admitted: Admitted, /) -> str:
        """See `Judge.canary_of`."""
        return self._canary_for(admitted.item)

    async def judge(
        self, admitted: Sequence[Admitted], on_result: Callable[[int, ItemResult | JudgeError], None]
    ) -> None:
        """See `Judge.judge`."""
        suites = await self._shared(admitted)
        async with asyncio.TaskGroup() as tasks:
            batch = _Batch(admitted, on_result, tasks, Share(), suites)
            self._begin(batch, range(len(admitted)))

    def _begin(self, batch: _Batch, indices: Sequence[int]) -> None:
        """Split the submissions and start judging every part."""
        for places in cut(self._piece(batch.admitted[index]) for index in indices):
            batch.tasks.create_task(self._judge_part(batch, [indices[place] for place in places]))

    def _piece(self, one: Admitted) -> Piece:
        item, cost_s = one.item, self._estimate.cost_s(one.may_s)
        if isinstance(item, CodeSubmission):
            twin = item.completion, item.language, item.limits.model_dump_json()
            return Piece(cost_s, id(item.tests), twin, alone=one.losses > 0)
        if isinstance(item, MathSubmission):
            return Piece(cost_s, item.references, item.completion, alone=one.losses > 0)
        return Piece(cost_s, twin=id(item), alone=one.losses > 0)

    async def _judge_part(self, batch: _Batch, indices: Sequence[int]) -> None:
        """Judge a part; if its node is lost, judge the submissions without an outcome again."""
        waiting = set(indices)
        node = ""
        asked_s = time.monotonic()
        try:
            async with self._known.turns.turn(batch.share):
                waited_s = time.monotonic() - asked_s
                part = self._part(batch, indices)
                if part.left_s > 0:
                    async with aclosing(self._nodes.judge(part)) as answer:
                        async for told in answer:
                            if isinstance(told, Hello):
                                node = told.node
                                self._known.take(told)
                                continue
                            for place, outcome in told:
                                waiting.discard(indices[place])
                                self._report(batch, indices[place], outcome, waited_s)
            if time.monotonic() - asked_s - waited_s >= part.left_s:
                late = f"the deadline passed before it was judged: deadline_s is {part.deadline_s:g}"
                self._fail(batch, waiting, JudgeError(late, Cause.DEADLINE))
        except NodeLost as error:
            self._known.lose(node)
            self._again(batch, sorted(waiting), node, error)
        except JudgeError as error:
            self._fail(batch, waiting, error)

    @staticmethod
    def _fail(batch: _Batch, indices: Iterable[int], error: JudgeError) -> None:
        for index in sorted(indices):
            batch.on_result(index, error)

    def _report(self, batch: _Batch, index: int, outcome: ItemResult | Failed, waited_s: float) -> None:
        if isinstance(outcome, Failed):
            batch.on_result(index, outcome.error)
            return
        times = times_of(outcome)
        if times is not None:
            self._estimate.learn(batch.admitted[index].may_s, sum(times[2:]))
        batch.on_result(index, outcome.model_copy(update={"queue_s": round(outcome.queue_s + waited_s, 6)}))

    def _again(self, batch: _Batch, indices: Sequence[int], node: str, error: NodeLost) -> None:
        log.warning("node_lost", kind=self._kind, node=node, submissions=len(indices), reason=str(error)[:300])
        for index in indices:
            batch.admitted[index].losses += 1
        given_up = {index for index in indices if batch.admitted[index].losses >= MOST_LOSSES}
        self._fail(batch, given_up, NodeLost(f"{MOST_LOSSES} nodes were lost while judging it: {error}"))
        self._begin(batch, [index for index in indices if index not in given_up])

    # What travels

    def _part(self, batch: _Batch, indices: Sequence[int]) -> Part:
        sent: list[Sent] = []
        suites: dict[str, Packed] = {}
        for index in indices:
            item = batch.admitted[index].item
            packed = batch.suites.get(id(item.tests)) if isinstance(item, CodeSubmission) else None
            if packed is None:
                sent.append(Sent(item))
            else:
                suites[packed.sha256] = packed
                sent.append(Sent(item.model_copy(update={"tests": ""}), packed.sha256))
        deadline_s = batch.admitted[indices[0]].deadline_s
        left_s = min(ends_s.get() - time.monotonic(), deadline_s) - MARGIN_S
        return Part(self._kind, sent, suites, deadline_s, left_s, asking.get().name)

    async def _shared(self, admitted: Sequence[Admitted]) -> dict[int, Packed]:
        """Return the tests that several submissions share, serialized for sending."""
        there = [one.item.tests for one in admitted if isinstance(one.item, CodeSubmission)]
        by_identity = {id(tests): tests for tests in there}
        found: dict[int, Packed] = {}
        own = Slice()
        for identity, count in Counter(map(id, there)).items():
            if count > 1:
                await own.pause()
                found[identity] = await self._packed(by_identity[identity])
        return found

    async def _packed(self, tests: object) -> Packed:
        body, sha256 = await asyncio.to_thread(_written, tests)
        if len(body) <= INLINE_BYTES:
            return Packed(sha256, body)
        known = self._laid_out.get(sha256)
        if known is None:
            known = Packed(sha256, await self._nodes.put(body)), len(body)
            self._laid_out[sha256] = known
            while sum(size for _, size in self._laid_out.values()) > KEPT_BYTES and len(self._laid_out) > 1:
                self._laid_out.popitem(last=False)
        self._laid_out.move_to_end(sha256)
        return known[0]


def _written(tests: object) -> tuple[bytes, str]:
    """Return serialized tests and their digest."""
    body = pickle.dumps(tests)
    return body, hashlib.sha256(body).hexdigest()
