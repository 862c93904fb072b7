"""An answer leaves before the reset, but no job begins before the reset is proved, however early it was sent."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sandboxes.protocol.facts import End, Fact, TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from sandboxes.protocol.messages import Alive, Broken, Done, Spent, Start
from tests.runners.conftest import LIMITS, Bench
from tests.runners.test_pool import PYTHON, first_runner, lend
from tests.runners.test_stream import FACT, HELLO, JOB, peer_and_box
from verifier_service.errors import BoxDied
from verifier_service.execution.executor import Executor
from verifier_service.execution.pool import BoxPool
from verifier_service.execution.turns import Share
from verifier_service.runners.base import Box
from verifier_service.runners.box import StreamBox
from verifier_service.settings import Settings

LEAVES_MUCH = """
import os, time
def f(x):
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            while True:
                time.sleep(0.001)
    for folder in ("/box", "/tmp", "/dev/shm"):
        open(f"{folder}/left", "w").write("x")
        os.makedirs(f"{folder}/left.d/deep")
    return x
"""
LOOKS = """
import os
own = [pid for pid in os.listdir("/proc") if pid.isdigit() and os.stat(f"/proc/{pid}").st_uid not in (0, os.getuid())]
print(own, [sorted(os.listdir(folder)) for folder in ("/box", "/tmp", "/dev/shm")])
"""
USES_THE_NETWORK = "import socket; socket.socket().connect_ex(('127.0.0.1', 1)); print(1)"
NETWORK_USED = "the network of the box was used"


def script(source: str) -> Job:
    return Job(mode=Mode.STDIO, source=source.encode(), toolchain=PYTHON.toolchain, limits=LIMITS, runs=(Run(),))


async def answer(box: Box, job: Job) -> list[TestFacts]:
    facts = [fact async for fact in box.answer(job)]
    return [fact for fact in facts if isinstance(fact, TestFacts)]


async def test_a_job_that_is_sent_at_once_finds_nothing_of_the_one_before(bench: Bench) -> None:
    box = await bench.get()
    for _ in range(5):
        call = bench.job(LEAVES_MUCH, Mode.CALL, calls=(b"[[1],{}]",), entry_point="f")
        (left,) = await answer(box, call)
        (seen,) = await answer(box, script(LOOKS))
        assert (left.end, left.value) == (End.RETURNED, b"1")
        assert seen.stdout == b"[] [['solution.py'], [], []]\n"


async def test_a_box_that_was_spent_runs_no_job_that_is_on_its_way(bench: Bench) -> None:
    box = await bench.get()
    (fact,) = await answer(box, script(USES_THE_NETWORK))
    assert fact.stdout == b"1\n"
    with pytest.raises(BoxDied, match=rf"spent the box: {NETWORK_USED}|not usable"):
        await answer(box, script("print(2)"))
    assert (box.healthy, box.spent) == (False, NETWORK_USED)


async def test_a_spent_box_ends_with_a_job_in_its_hands(bench: Bench) -> None:
    box = await bench.get()
    assert isinstance(box, StreamBox)
    stream, said = box._stream, []
    stream.on_unasked = lambda: None
    for number, source in enumerate((USES_THE_NETWORK, "print(2)")):
        stream.send(Start(number=1_000_000 + number, job=script(source), early=True))

    async def hear_all() -> None:
        while True:
            said.append(type(await stream.receive(30)))

    with pytest.raises(BoxDied, match="it ended"):
        await hear_all()
    assert [kind for kind in said if kind is not Alive] == [TestFacts, Done, Spent]


async def test_a_box_that_turns_out_to_be_spent_while_it_is_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = BoxPool(await first_runner(), Settings(boxes=1))
    start, started = pool.runner.start_box, asyncio.Queue[Box]()

    async def watched(language: object) -> Box:
        box = await start(PYTHON)
        started.put_nowait(box)
        return box

    monkeypatch.setattr(pool.runner, "start_box", watched)
    async with lend(pool, PYTHON) as box:
        await answer(box, script(USES_THE_NETWORK))
    assert await started.get() is box
    async with asyncio.timeout(30):
        coming = await started.get()
    assert box.spent == NETWORK_USED
    async with lend(pool, PYTHON) as other:
        assert other is coming
    await pool.close()
    await pool.runner.close()


async def test_a_program_after_one_that_spent_the_box_is_judged_all_the_same() -> None:
    pool = BoxPool(await first_runner(), Settings(boxes=1))
    executor = Executor(pool, Settings(boxes=1))

    async def stdout(facts: AsyncIterator[Fact]) -> bytes:
        return b"".join([fact.stdout async for fact in facts if isinstance(fact, TestFacts)])

    said = [
        (await executor.run(PYTHON, script(source), stdout, Share())).value
        for source in (USES_THE_NETWORK, "print(2)", USES_THE_NETWORK, "print(3)")
    ]
    await pool.close()
    await pool.runner.close()
    assert said == [b"1\n", b"2\n", b"1\n", b"3\n"]


@pytest.mark.parametrize(
    ("said", "spent"),
    [(Spent(number=1, why="the network"), "the network"), (Broken(message="NotReset: a file"), ""), (FACT, "")],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_a_box_says_after_its_answer_makes_it_unfit(
    said: Spent | Broken | TestFacts, spent: str, at_once: bool
) -> None:
    async with peer_and_box() as (peer, box):
        told = asyncio.Event()
        box.on_unfit = told.set
        peer.say(HELLO)
        await box.greet()
        peer.say(FACT, Done(number=1), *([said] if at_once else []))
        assert await answer(box, JOB) == [FACT]
        assert await peer.hear() == [Start(number=1, job=JOB, early=True)]
        if not at_once:
            assert box.healthy
            peer.say(said)
        async with asyncio.timeout(10):
            await told.wait()
        assert (box.healthy, box.spent) == (False, spent)
        with pytest.raises(BoxDied):
            await answer(box, JOB)
