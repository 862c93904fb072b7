"""The judge at the front, with nodes in this process that are lost when a test says so. The workers are real."""

import pickle
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.code_cases import submission
from verifier_service.cluster import remote
from verifier_service.cluster.node import Node, Unfit
from verifier_service.cluster.remote import INLINE_BYTES, MOST_LOSSES, Elsewhere, Known, RemoteJudge
from verifier_service.cluster.wire import Build, Failed, Hello, Packed, Part, Told
from verifier_service.errors import BadItem, Cause, JudgeError, NodeLost, RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.schema import MathSubmission, SuiteDigest
from verifier_service.service import math_judges
from verifier_service.settings import Settings

POISON = "poison"


class InProcess:
    """Loses a node with each part that contains `poison`, and with the first `losses` other parts."""

    def __init__(self, node: Node | None, losses: int = 0) -> None:
        self._node = node
        self.losses = losses
        self.parts: list[Part] = []
        self.laid_out: list[bytes] = []
        self.refuses: str | None = None

    async def hello(self) -> Hello:
        """See `Nodes.hello`."""
        return Hello("here", 2)

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """See `Nodes.judge`. Everything is serialized, as it is between machines."""
        if self.refuses is not None:
            raise RunnerUnavailable(self.refuses)
        self.parts.append(part)
        assert self._node is not None
        is_lost = any(one.item.id == POISON for one in part.items)
        if not is_lost and self.losses:
            self.losses -= 1
            is_lost = True
        async for told in self._node.judge(pickle.loads(pickle.dumps(part))):
            if is_lost and not isinstance(told, Hello):
                yield told[:1] if part.items[told[0][0]].item.id != POISON else []
                raise NodeLost("the node is gone")
            yield pickle.loads(pickle.dumps(told))

    async def put(self, body: bytes) -> object:
        """See `Nodes.put`."""
        self.laid_out.append(body)
        return len(self.laid_out) - 1


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A node for math."""
    settings = Settings(math_workers=1, state_dir=tmp_path_factory.mktemp("node"))

    async def fetch(_: object) -> bytes:
        raise AssertionError("math has no suites")

    made = Node("here", settings, math_judges, fetch)
    await made.start(Build(), Elsewhere(load_languages(), None, None))
    yield made
    await made.close()


def judge_of(nodes: InProcess, kind: str = "math") -> RemoteJudge:
    """Return a judge that uses these nodes."""

    async def kept_tests(digest: str) -> Any:
        raise BadItem("tests.sha256", digest, "it is not kept here")

    return RemoteJudge(kind, Settings(), nodes, Known(), lambda _: "math", kept_tests)


def answers(count: int) -> list[MathSubmission]:
    """Return this many submissions, each with its own reference; every third is wrong."""
    return [
        MathSubmission(kind="math", id=str(n), completion=rf"\boxed{{{n + (n % 3 == 0)}}}", reference=str(n))
        for n in range(count)
    ]


async def judged(judge: RemoteJudge, items: Sequence[Any], deadline_s: float = 60.0) -> list[Any]:
    """Return the result of each, and check that none is reported twice."""
    admit = judge.admission(deadline_s)
    found: dict[int, Any] = {}

    def take(index: int, outcome: object) -> None:
        assert index not in found
        found[index] = outcome

    await judge.judge([await admit(item) for item in items], take)
    return [found.get(index) for index in range(len(items))]


def words(outcomes: Sequence[Any]) -> list[str]:
    """Return the verdicts, and the causes of judge errors."""
    return [one.cause.value if isinstance(one, JudgeError) else one.verdict.value for one in outcomes]


def expected(count: int) -> list[str]:
    """Return the expected verdicts of `answers`."""
    return ["wrong_answer" if n % 3 == 0 else "accepted" for n in range(count)]


async def test_each_gets_its_own_result_whatever_part_it_was_in(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier_service.cluster.parts.PART_S", 0.5)
    nodes = InProcess(node)
    outcomes = await judged(judge_of(nodes), answers(30))
    assert words(outcomes) == expected(30)
    assert [one.id for one in outcomes] == [str(n) for n in range(30)]
    assert len(nodes.parts) > 3


async def test_what_a_lost_node_has_told_holds_and_the_rest_is_judged_by_another(node: Node) -> None:
    nodes = InProcess(node, losses=1)
    assert words(await judged(judge_of(nodes), answers(4))) == expected(4)
    first, *again = nodes.parts
    assert len(first.items) == 4
    assert [len(part.items) for part in again] == [1] * len(again)
    assert len(again) == 3


async def test_what_nodes_die_of_is_a_judge_error_and_its_neighbours_are_judged(node: Node) -> None:
    poison = MathSubmission(kind="math", id=POISON, completion=r"\boxed{1}", reference="1")
    nodes = InProcess(node)
    outcomes = await judged(judge_of(nodes), [*answers(3), poison])
    assert words(outcomes) == [*expected(3), Cause.NODE_LOST.value]
    assert not outcomes[3].may_pass
    assert sum(any(one.item.id == POISON for one in part.items) for part in nodes.parts) == MOST_LOSSES


async def test_while_there_is_no_node_it_may_be_tried_again(node: Node) -> None:
    nodes = InProcess(node)
    nodes.refuses = "there is none"
    outcomes = await judged(judge_of(nodes), answers(2))
    assert words(outcomes) == [Cause.RUNNER_UNAVAILABLE.value] * 2
    assert all(one.may_pass for one in outcomes)


async def test_after_its_time_a_node_is_not_asked(node: Node) -> None:
    nodes = InProcess(node)
    outcomes = await judged(judge_of(nodes), answers(2), deadline_s=remote.MARGIN_S / 2)
    assert words(outcomes) == [Cause.DEADLINE.value] * 2
    assert nodes.parts == []


class Listening(InProcess):
    """Nodes that accept parts but never judge them."""

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """See `Nodes.judge`."""
        self.parts.append(part)
        yield await self.hello()
        yield [(place, Failed("not here", Cause.INTERNAL)) for place in range(len(part.items))]


async def test_a_large_suite_is_laid_out_once_for_all_parts_and_batches() -> None:
    suite = {"kind": "stdio", "cases": [{"stdin": "x" * INLINE_BYTES, "stdout": "1"}] * 20}
    tests = submission("x", suite).tests
    batch = [submission(f"print({n})", suite).model_copy(update={"tests": tests}) for n in range(12)]
    nodes = Listening(None)
    judge = judge_of(nodes, "code")
    for _ in range(2):
        await judged(judge, batch)
    assert len(nodes.parts) > 2
    assert len(nodes.laid_out) == 1
    assert pickle.loads(nodes.laid_out[0]) == tests
    bodies = Counter(packed.body for part in nodes.parts for packed in part.suites.values())
    assert bodies == {0: len(nodes.parts)}
    assert all(one.item.tests == "" for part in nodes.parts for one in part.items)  # type: ignore[union-attr]


async def test_a_small_suite_travels_in_the_part_and_a_lone_one_in_its_submission() -> None:
    shared = submission("x", {"kind": "stdio", "cases": [{"stdout": "1"}]}).tests
    batch = [submission(f"{n}", {"kind": "stdio", "cases": [{"stdout": "2"}]}) for n in range(3)]
    batch[:2] = [one.model_copy(update={"tests": shared}) for one in batch[:2]]
    nodes = Listening(None)
    await judged(judge_of(nodes, "code"), batch)
    (part,) = nodes.parts
    ((name, packed),) = part.suites.items()
    assert isinstance(packed, Packed)
    assert pickle.loads(packed.body) == shared  # type: ignore[arg-type]
    assert sorted(one.suite or "" for one in part.items) == ["", name, name]
    assert nodes.laid_out == []


async def test_a_kept_suite_is_found_at_the_front() -> None:
    item = submission("x", {"kind": "stdio", "cases": [{"stdout": "1"}]})
    item = item.model_copy(update={"tests": SuiteDigest(sha256="0" * 64)})
    with pytest.raises(BadItem, match="not kept here"):
        await judge_of(Listening(None), "code").admission(9.0)(item)


async def test_a_node_of_another_build_is_refused_and_both_are_named(tmp_path: Path) -> None:
    async def fetch(_: object) -> bytes:
        raise AssertionError

    other = Build("0.0.9+abc", "3.9.1")
    with pytest.raises(
        Unfit, match=r"node 7 runs grpo-verifier .* on Python .*grpo-verifier 0\.0\.9\+abc on Python 3\.9\.1"
    ):
        await Node("node 7", Settings(state_dir=tmp_path), math_judges, fetch).start(other)
