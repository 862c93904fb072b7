"""Worker processes that spin, eat memory, die or fall silent are killed and replaced, and no other item is affected."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from verifier_service.access.clients import Client, asking
from verifier_service.errors import JudgeError
from verifier_service.workers.pool import LOOK_S, Ended, Pool
from verifier_service.workers.server import Limits

HANDLER = "tests.answers.misbehaving_handler:handle"
ECHO = {"do": "echo", "value": 7}
LIMITS = Limits(cpu_limit_s=0.3, memory_limit_mb=200)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    """Two workers with tight limits."""
    made = Pool(HANDLER, 2, LIMITS, ECHO)
    await made.start()
    yield made
    await made.close()


async def run(pool: Pool, *items: dict[str, Any]) -> list[tuple[str, Any]]:
    """Give the items to one worker, and return the final stage and value of each."""
    final: dict[int, tuple[str, Any]] = {}

    def report(index: int, stage: str, value: Any) -> None:
        if stage == "result" or stage in set(Ended):
            assert index not in final, "an item was reported twice"
            final[index] = (stage, value)

    await pool.run([list(enumerate(items))], report)
    return [final[index] for index in range(len(items))]


async def test_an_item_that_spins_is_killed_by_its_cpu_time_and_its_neighbours_are_answered(pool: Pool) -> None:
    """The items before and after it in the same chunk get their results."""
    results = await run(pool, ECHO, {"do": "spin"}, ECHO)
    assert results == [("result", 7), (Ended.TIME, None), ("result", 7)]


async def test_a_computation_that_python_cannot_interrupt_is_killed_too(pool: Pool) -> None:
    """The kernel ends the process; no bytecode has to run for that."""
    results = await run(pool, {"do": "compute"}, ECHO)
    assert results == [(Ended.TIME, None), ("result", 7)]


async def test_an_item_that_allocates_too_much_exceeds_the_memory_limit(pool: Pool) -> None:
    """What fits is allowed, and what does not is distinguished from a crash."""
    results = await run(pool, {"do": "allocate", "mebibytes": 50}, {"do": "allocate", "mebibytes": 4000}, ECHO)
    assert results == [("result", 50 * 1024 * 1024), (Ended.MEMORY, None), ("result", 7)]


@pytest.mark.parametrize("deed", ["die", "raise"])
async def test_an_item_under_which_workers_die_while_harmless_ones_live_is_reported_once(pool: Pool, deed: str) -> None:
    """After a worker's death, the item is tried again, because the death can be bad luck."""
    results = await run(pool, {"do": deed}, ECHO)
    assert results == [(Ended.CRASH, None), ("result", 7)]


async def test_the_last_stage_that_was_reached_is_told_with_the_death() -> None:
    """This lets the caller distinguish a reference that kills from an answer that does."""
    pool = Pool(HANDLER, 1, LIMITS, ECHO)
    await pool.start()
    assert await run(pool, {"do": "stage"}) == [(Ended.TIME, "half way")]
    await pool.close()


async def test_a_worker_that_sleeps_is_killed_by_the_wall_net() -> None:
    """Sleeping costs no CPU time, so only the wall clock can end it. Harmless items keep running meanwhile."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=0.05, memory_limit_mb=200), ECHO)
    await pool.start()
    begin = time.monotonic()
    results = await run(pool, {"do": "sleep", "seconds": 60}, ECHO)
    assert results == [(Ended.CRASH, None), ("result", 7)]
    assert time.monotonic() - begin >= pool.wall_limit_s
    await pool.close()


async def test_what_somebody_else_froze_is_charged_to_nobody() -> None:
    """A worker, and then the fork server too, are stopped for good. Both are replaced, and the item is answered."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=0.05, memory_limit_mb=200), ECHO)
    await pool.start()
    ((_, worker),) = await run(pool, {"do": "pid"})
    os.kill(worker, signal.SIGSTOP)
    assert await run(pool, ECHO) == [("result", 7)]
    ((_, worker),) = await run(pool, {"do": "pid"})
    os.kill(pool.server_pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGSTOP)
    assert await run(pool, ECHO) == [("result", 7)]
    await pool.close()


async def test_a_worker_that_is_slow_on_a_busy_machine_is_left_alone() -> None:
    """It reports nothing for longer than the wall limit, but it computes, so only its CPU limit can end it."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=2.0, memory_limit_mb=200), ECHO)
    await pool.start()
    ((_, worker),) = await run(pool, {"do": "pid"})
    work = asyncio.create_task(run(pool, {"do": "compute for", "cpu_s": 1.8}))
    deadline = time.monotonic() + pool.wall_limit_s + 2 * LOOK_S
    while time.monotonic() < deadline:
        os.kill(worker, signal.SIGSTOP)
        await asyncio.sleep(0.4)
        until_s = ran_s(worker) + 0.01  # on a busy machine this takes longer
        os.kill(worker, signal.SIGCONT)
        while ran_s(worker) < until_s:
            await asyncio.sleep(0.001)
    assert not work.done()
    assert await work == [("result", worker)]
    await pool.close()


async def test_cpu_time_is_what_a_worker_had_and_not_how_often_the_clock_found_it_running() -> None:
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=1.0, memory_limit_mb=200), ECHO)
    await pool.start()
    ((_, worker),) = await run(pool, {"do": "pid"})
    assert await run(pool, {"do": "compute in turns", "cpu_s": 0.95}) == [("result", worker)]
    await pool.close()


def ran_s(pid: int) -> float:
    """Return the seconds for which a process ran on a core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


@pytest.mark.parametrize("every_s", [0.02, 0.2])
async def test_whoever_kills_workers_from_outside_is_charged_to_no_item(every_s: float) -> None:
    """Each item takes longer than a worker lives. No crash is reported, and in the end all items are answered."""
    pool = Pool(HANDLER, 2, Limits(cpu_limit_s=5, memory_limit_mb=200), ECHO)
    await pool.start()

    async def kill() -> None:
        while True:
            for worker in children_of(pool.server_pid):
                os.kill(worker, signal.SIGKILL)
            await asyncio.sleep(every_s)

    killer = asyncio.create_task(kill())
    results = await run(pool, *[{"do": "sleep", "seconds": 0.3}] * 2)
    assert pool.broken is not None
    killer.cancel()
    assert {stage for stage, _ in results} == {Ended.LOST}
    assert await run(pool, {"do": "sleep", "seconds": 0.3}) == [("result", "awake")]
    await pool.close()


async def test_where_no_worker_can_be_started_it_is_said_and_items_wait() -> None:
    """The hard limit on the address space (`ulimit -v`) leaves no room for what an item can use."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=5, memory_limit_mb=1_000_000), ECHO)
    before = resource.getrlimit(resource.RLIMIT_AS)
    work: asyncio.Task[list[tuple[str, Any]]] | None = None
    try:
        await pool.start()  # its first worker starts when this task waits next
        resource.prlimit(pool.server_pid, resource.RLIMIT_AS, (1 << 36, 1 << 36))
        work = asyncio.create_task(run(pool, ECHO))
        async with asyncio.timeout(60):
            while pool.broken is None:
                await asyncio.sleep(0.05)
        assert "ulimit -v" in pool.broken
        assert not work.done()
    finally:
        assert resource.getrlimit(resource.RLIMIT_AS) == before
        if work is not None:
            work.cancel()
        await pool.close()


async def test_for_want_of_descriptors_items_wait_and_it_is_said() -> None:
    """A slot whose worker cannot be replaced now keeps trying."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=5, memory_limit_mb=200), ECHO)
    await pool.start()
    ((_, worker),) = await run(pool, {"do": "pid"})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        os.kill(worker, signal.SIGKILL)
        work = asyncio.create_task(run(pool, {"do": "sleep", "seconds": 0}))
        async with asyncio.timeout(60):
            while pool.broken is None:
                await asyncio.sleep(0.01)
        assert "Too many open files" in pool.broken
        assert not work.done()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with asyncio.timeout(60):
        assert await work == [("result", "awake")]
    await pool.close()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has forked."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


async def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    """Its workers, which would sleep for an hour, are killed and replaced, and the next caller is served."""
    pool = Pool(HANDLER, 2, Limits(cpu_limit_s=1_000, memory_limit_mb=200), ECHO)
    await pool.start()
    hung = [{"do": "sleep", "seconds": 4_000}, ECHO]
    reported: list[int] = []
    task = asyncio.create_task(
        pool.run([list(enumerate(hung)), list(enumerate(hung))], lambda index, stage, value: reported.append(index))
    )
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await run(pool, ECHO, ECHO) == [("result", 7), ("result", 7)]
    assert reported == []
    await pool.close()


async def test_a_small_caller_does_not_wait_for_a_large_one(pool: Pool) -> None:
    """Callers take turns chunk by chunk."""
    begun = asyncio.Event()
    done = {"large": 0, "small": 0}

    async def call(name: str, chunks: int) -> None:
        def report(index: int, stage: str, value: Any) -> None:
            done[name] += 1
            begun.set()

        await pool.run([[(index, {"do": "sleep", "seconds": 0.02})] for index in range(chunks)], report)

    large = asyncio.create_task(call("large", 100))
    await begun.wait()
    await call("small", 2)
    assert done["small"] == 2
    assert done["large"] < 50
    await large


async def test_the_fork_server_may_die_and_is_started_again() -> None:
    """Workers die with it; the item in progress is tried again."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=5, memory_limit_mb=200), ECHO)
    await pool.start()
    task = asyncio.create_task(run(pool, {"do": "sleep", "seconds": 1}, ECHO))
    await asyncio.sleep(0.3)
    os.kill(pool.server_pid, signal.SIGKILL)
    assert await task == [("result", "awake"), ("result", 7)]
    assert pool.broken is None
    await pool.close()


async def test_a_closed_pool_refuses_and_its_processes_are_gone() -> None:
    """Nothing outlives close."""
    pool = Pool(HANDLER, 2, LIMITS, ECHO)
    await pool.start()
    ((_, worker),) = await run(pool, {"do": "pid"})
    await pool.close()
    assert pool.broken == "closed"
    with pytest.raises(JudgeError, match="closed"):
        await pool.run([[(0, ECHO)]], lambda *_: None)
    await asyncio.sleep(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


async def test_a_handler_that_cannot_be_imported_is_our_failure() -> None:
    """Starting raises instead of answering wrongly later."""
    pool = Pool("tests.answers.no_such_handler:handle", 1, LIMITS, ECHO)
    with pytest.raises(JudgeError, match="did not start"):
        await pool.start()
    await pool.close()


async def test_a_quick_item_waits_for_one_slow_item_and_not_for_a_chunk_of_them() -> None:
    pool = Pool(HANDLER, 1, LIMITS, ECHO)
    await pool.start()
    done: list[int] = []
    slow = [list(enumerate([{"do": "sleep", "seconds": 0.3}] * 12))]
    work = asyncio.create_task(pool.run(slow, lambda index, stage, value: done.append(index)))
    while not done:
        await asyncio.sleep(0.01)
    before = len(done)
    assert await run(pool, ECHO) == [("result", 7)]
    assert len(done) - before <= 3
    await work
    assert done == list(range(12))
    await pool.close()


async def test_a_client_gets_no_more_workers_by_asking_in_many_requests() -> None:
    pool = Pool(HANDLER, 1, LIMITS, ECHO)
    await pool.start()
    served: list[str] = []

    async def ask(client: str) -> None:
        asking.set(Client(client))
        nap = {"do": "sleep", "seconds": 0.05}
        await pool.run([[(n, nap)] for n in range(4)], lambda *_: served.append(client))

    await asyncio.gather(*(ask("many") for _ in range(5)), ask("one"))
    assert served[:10].count("one") == 4, served
    await pool.close()
