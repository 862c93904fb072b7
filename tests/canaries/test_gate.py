"""Which submissions wait at the gate, for which canary, and how that is reported. The judges follow a script."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from verifier_service.access.clients import Client, asking
from verifier_service.canaries.gate import behind
from verifier_service.canaries.known import Canary
from verifier_service.canaries.watch import Canaries
from verifier_service.errors import BadItem, JudgeError, RunnerUnavailable
from verifier_service.schema import MathResult, Verdict


class ToldJudge:
    """A judge whose items are names of canaries with their outcome: `right`, `away` forever, or `away once`."""

    def __init__(self) -> None:
        self.fit = {"good": True, "bad": False}
        self.tried: list[str] = []
        self.clients: set[str] = set()

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ready(self) -> str | None:
        return None

    def admission(self, deadline_s: float, /) -> Callable[[str], Awaitable[str]]:
        async def admit(item: str) -> str:
            return item

        return admit

    def canary_of(self, admitted: str, /) -> str:
        return admitted.partition(" ")[0]

    async def judge(self, admitted: Sequence[str], on_result: Callable[[int, Any], None], /) -> None:
        for index, item in enumerate(admitted):
            name, _, what = item.partition(" ")
            if what == "canary":
                self.clients.add(asking.get().name)
                on_result(index, _result(self.fit[name]))
                continue
            self.tried.append(item)
            if what == "refused":
                on_result(index, BadItem("language", name, "it is not there"))
            elif what == "away once" and self.tried.count(item) == 1:
                on_result(index, RunnerUnavailable("no box starts"))
            else:
                on_result(index, _result(True))


def _result(is_right: bool) -> MathResult:
    verdict = Verdict.ACCEPTED if is_right else Verdict.WRONG_ANSWER
    return MathResult(id=None, verdict=verdict, score=float(is_right))


class Gate:
    """A judge behind its canaries, and its reports."""

    def __init__(self) -> None:
        self.judge = ToldJudge()
        known = [Canary(name, "told", ((f"{name} canary", Verdict.ACCEPTED),), 60.0) for name in self.judge.fit]
        self.canaries = Canaries({"told": self.judge}, known)
        self.gated = behind(self.canaries, {"told": self.judge})["told"]
        self.told: dict[int, Any] = {}

    def begin(self, *items: str) -> asyncio.Task[None]:
        """Begin to judge."""
        return asyncio.create_task(self.gated.judge(items, self._tell))

    def _tell(self, index: int, outcome: Any) -> None:
        assert index not in self.told, "an item was told twice"
        self.told[index] = outcome

    async def becomes(self, what: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(30):
            while not what():
                await asyncio.sleep(0.01)


async def test_what_meets_with_trouble_is_tried_again_whoever_else_is_still_waiting() -> None:
    gate = Gate()
    await gate.begin("good right")  # now its canary has passed
    gate.told.clear()
    judging = gate.begin("bad right", "good away once", "good right", "good refused")
    await gate.becomes(lambda: len(gate.told) == 3)
    assert [type(gate.told[index]) for index in (1, 2, 3)] == [MathResult, MathResult, BadItem]
    assert gate.judge.tried.count("good away once") == 2
    assert not judging.done()
    gate.judge.fit["bad"] = True
    await judging
    assert isinstance(gate.told[0], MathResult)
    await gate.canaries.close()


async def test_at_the_deadline_each_that_waits_is_told_why_and_the_others_nothing() -> None:
    gate = Gate()
    judging = gate.begin("bad right", "good right")
    await gate.becomes(lambda: "got wrong_answer" in str(gate.canaries.trouble("bad")))
    judging.cancel()
    await asyncio.gather(judging, return_exceptions=True)
    assert isinstance(gate.told[0], JudgeError)
    assert "bad cannot be judged here: a right submission got wrong_answer" in str(gate.told[0])
    assert isinstance(gate.told[1], MathResult)
    await gate.canaries.close()


async def test_what_nobody_watches_is_no_trouble_before_it_was_tried() -> None:
    gate = Gate()
    gate.canaries.watch(["good"])
    assert list(gate.canaries.troubles()) == ["good"]
    gate.canaries.doubt("bad")
    assert list(gate.canaries.troubles()) == ["good"]
    await gate.becomes(lambda: list(gate.canaries.troubles()) == ["bad"])
    await gate.canaries.close()


async def test_a_canary_works_for_nobody() -> None:
    gate = Gate()
    asking.set(Client("who came first"))
    await gate.begin("good right")
    assert gate.judge.clients == {""}
    await gate.canaries.close()
