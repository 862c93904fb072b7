"""The pool lends real boxes: never too many, in order, only clean ones, and it leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sandboxes.protocol.facts import TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from tests.runners.conftest import LIMITS
from verifier_service.errors import RunnerUnavailable
from verifier_service.execution.pool import BoxPool
from verifier_service.languages import Language, load_languages
from verifier_service.runners import RUNNERS
from verifier_service.runners.base import Box, Runner
from verifier_service.runners.docker import DockerRunner
from verifier_service.settings import Settings

PYTHON = load_languages()["python"]


async def first_runner() -> Runner:
    """Return a runner that works here; the pool treats all alike."""
    problems = []
    for name in ("bubblewrap", "docker"):
        runner = RUNNERS[name](Settings(), load_languages())
        problem = await runner.available()
        if problem is None:
            return runner
        problems.append(problem)
    pytest.skip("; ".join(problems))


@pytest.fixture
async def pool() -> AsyncIterator[BoxPool]:
    """A pool of two boxes."""
    runner = await first_runner()
    made = BoxPool(runner, Settings(boxes=2))
    yield made
    await made.close()
    await runner.close()


async def run(box: Box, source: str) -> bytes:
    job = Job(mode=Mode.STDIO, source=source.encode(), toolchain=PYTHON.toolchain, limits=LIMITS, runs=(Run(),))
    (fact,) = [fact async for fact in box.run(job)]
    assert isinstance(fact, TestFacts)
    return fact.stdout


@asynccontextmanager
async def lend(pool: BoxPool, language: Language, **how: bool) -> AsyncIterator[Box]:
    async with pool.lease(language, None, **how) as lease:
        yield lease.box


async def test_never_more_boxes_are_lent_than_there_are_and_they_are_used_again(pool: BoxPool) -> None:
    lent, most, boxes = 0, 0, set()
    both_lent = asyncio.Barrier(2)

    async def use() -> None:
        nonlocal lent, most
        async with lend(pool, PYTHON) as box:
            lent += 1
            most = max(most, lent)
            boxes.add(box)
            await both_lent.wait()
            assert await run(box, "print(1)") == b"1\n"
            lent -= 1

    await asyncio.gather(*(use() for _ in range(12)))
    assert (most, len(boxes)) == (2, 2)


async def test_those_who_came_first_are_served_first(pool: BoxPool) -> None:
    async with pool.lease(PYTHON), pool.lease(PYTHON):
        served: list[int] = []  # both boxes are warm now

    async def use(number: int) -> None:
        async with pool.lease(PYTHON):
            served.append(number)
            await asyncio.sleep(0.01)

    tasks = []
    for number in range(8):
        tasks.append(asyncio.create_task(use(number)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert served == list(range(8))


async def test_a_box_of_another_language_makes_way(pool: BoxPool) -> None:
    other = replace(PYTHON, name="other")
    async with lend(pool, PYTHON) as first, lend(pool, PYTHON) as second:
        pass
    if pool.runner.name == "docker":
        with pytest.raises(RunnerUnavailable, match="the image"):
            async with pool.lease(other):
                pass
        return
    async with lend(pool, other) as box:
        assert box.language is other
        assert [first.healthy, second.healthy].count(True) == 1


async def test_a_broken_box_is_not_lent_again(pool: BoxPool) -> None:
    async with lend(pool, PYTHON) as box:
        await box.close()
    async with lend(pool, PYTHON) as other:
        assert other is not box
        assert await run(other, "print(2)") == b"2\n"


async def test_a_spent_box_is_replaced_before_anybody_asks(pool: BoxPool, monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = pool.runner.start_box, asyncio.Queue[Box]()

    async def watched(language: Language) -> Box:
        box = await start(language)
        started.put_nowait(box)
        return box

    monkeypatch.setattr(pool.runner, "start_box", watched)
    async with lend(pool, PYTHON) as box:
        await run(box, "import socket; socket.socket().connect_ex(('127.0.0.1', 1))")
        assert (box.spent, await started.get()) == ("the network of the box was used", box)
    coming = await started.get()
    async with lend(pool, PYTHON) as other:
        assert other is coming
        assert await run(other, "print(2)") == b"2\n"
    assert started.empty()


async def test_a_box_that_comes_when_its_place_is_taken_makes_another_one_go(
    pool: BoxPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, may_come, came = pool.runner.start_box, asyncio.Event(), list[Box]()

    async def held_back(language: Language) -> Box:
        if language is PYTHON:
            await may_come.wait()
        box = await start(PYTHON)
        box.language = language
        came.append(box)
        return box

    async with lend(pool, PYTHON) as first, lend(pool, PYTHON) as second:
        monkeypatch.setattr(pool.runner, "start_box", held_back)
        await run(first, "import socket; socket.socket().connect_ex(('127.0.0.1', 1))")
    async with lend(pool, replace(PYTHON, name="other")):  # in place of the one that is starting
        may_come.set()
        async with asyncio.timeout(60):
            while len(came) < 2 or sum(box.healthy for box in (first, second, *came)) > 2:
                await asyncio.sleep(0.01)


async def test_a_fresh_box_has_run_nothing_before(pool: BoxPool) -> None:
    async with lend(pool, PYTHON) as used:
        await run(used, "print(1)")
    async with lend(pool, PYTHON, fresh=True) as fresh:
        assert fresh is not used
        assert fresh.healthy


async def test_one_who_gives_up_waiting_takes_no_box_with_him(pool: BoxPool) -> None:
    async with pool.lease(PYTHON), pool.lease(PYTHON):

        async def wait() -> None:
            async with pool.lease(PYTHON):
                raise AssertionError("there was no box to lend")

        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    async with lend(pool, PYTHON) as first, lend(pool, PYTHON) as second:
        assert first.healthy
        assert second.healthy


async def test_one_who_gives_up_while_a_box_starts_leaves_no_box_behind() -> None:
    pool = BoxPool(await first_runner(), Settings(boxes=1))

    async def use() -> None:
        async with pool.lease(PYTHON):
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(30), lend(pool, PYTHON) as box:
        assert await run(box, "print(3)") == b"3\n"
    await pool.close()
    await pool.runner.close()


@pytest.mark.docker
async def test_a_start_that_nobody_waits_for_gives_its_uids_back() -> None:
    runner = DockerRunner(Settings(), load_languages())
    if (problem := await runner.available()) is not None:
        pytest.skip(problem)
    for wait_s in (0.0, 0.05, 0.3):  # before the container exists, and while it is created
        start = asyncio.create_task(runner.start_box(PYTHON))
        await asyncio.sleep(wait_s)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
    async with asyncio.timeout(60):
        while runner._uid_slots._taken:
            await asyncio.sleep(0.05)
    await runner.close()


async def test_with_container_isolation_every_job_has_a_box_of_its_own() -> None:
    pool = BoxPool(await first_runner(), Settings(boxes=1, isolation="container"))
    await pool.start()
    boxes = []
    for _ in range(3):
        async with lend(pool, PYTHON) as box:
            assert await run(box, "print(4)") == b"4\n"
            boxes.append(box)
    await pool.close()
    await pool.runner.close()
    assert len(set(boxes)) == 3
    assert [box.healthy for box in boxes] == [False] * 3


async def test_it_is_ready_once_a_box_is_warm_and_closing_leaves_none() -> None:
    pool = BoxPool(await first_runner(), Settings(boxes=2))
    assert await pool.ready() is not None
    await pool.start()
    async with lend(pool, PYTHON) as box:
        assert await pool.ready() is None
    await pool.close()
    await pool.runner.close()
    assert not box.healthy
    with pytest.raises(RunnerUnavailable):
        async with pool.lease(PYTHON):
            pass


async def test_a_language_that_cannot_be_had_is_refused_with_what_to_do() -> None:
    for name, choice in RUNNERS.items():
        runner = choice(Settings(), load_languages())
        if await runner.available() is None:
            unknown = replace(PYTHON, name="cobol", run=("cobol-that-nobody-has",))
            with pytest.raises(RunnerUnavailable, match=r"image \S+/cobol is missing|cobol-that-nobody-has"):
                await runner.start_box(unknown)
        await runner.close()
        assert name in ("docker", "bubblewrap")
