"""Worker processes that spin, eat memory, die or fall silent are killed and replaced, and nobody else notices."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from verifier_service.errors import JudgeError
from verifier_service.workers.pool import Ended, Limits, Pool

HANDLER = "tests.answers.misbehaving_handler:handle"
LIMITS = Limits(cpu_limit_s=0.3, memory_limit_mb=200)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    """Two workers with tight limits."""
    made = Pool(HANDLER, 2, LIMITS)
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


ECHO = {"do": "echo", "value": 7}


async def test_an_item_that_spins_is_killed_by_its_cpu_time_and_its_neighbours_are_answered(pool: Pool) -> None:
    """The items before and after it in the same chunk get their results."""
    results = await run(pool, ECHO, {"do": "spin"}, ECHO)
    assert results == [("result", 7), (Ended.TIME, None), ("result", 7)]


async def test_a_computation_that_python_cannot_interrupt_is_killed_too(pool: Pool) -> None:
    """The kernel ends the process; no bytecode has to run for that."""
    results = await run(pool, {"do": "compute"}, ECHO)
    assert results == [(Ended.TIME, None), ("result", 7)]


async def test_an_item_that_allocates_too_much_exceeds_the_memory_limit(pool: Pool) -> None:
    """What fits is allowed, what does not is told apart from a crash."""
    results = await run(pool, {"do": "allocate", "mebibytes": 50}, {"do": "allocate", "mebibytes": 4000}, ECHO)
    assert results == [("result", 50 * 1024 * 1024), (Ended.MEMORY, None), ("result", 7)]


@pytest.mark.parametrize("deed", ["die", "raise"])
async def test_an_item_under_which_two_workers_die_is_reported_once(pool: Pool, deed: str) -> None:
    """A worker's death is tried again once, because it may have been bad luck."""
    results = await run(pool, {"do": deed}, ECHO)
    assert results == [(Ended.CRASH, None), ("result", 7)]


async def test_the_last_stage_that_was_reached_is_told_with_the_death() -> None:
    """So the caller can tell a reference that kills from an answer that does."""
    pool = Pool(HANDLER, 1, LIMITS)
    await pool.start()
    assert await run(pool, {"do": "stage"}) == [(Ended.TIME, "half way")]
    await pool.close()


async def test_a_worker_that_sleeps_is_killed_by_the_wall_net() -> None:
    """Sleeping costs no CPU time, so only the clock can end it."""
    limits = Limits(cpu_limit_s=0.05, memory_limit_mb=200)
    pool = Pool(HANDLER, 1, limits)
    await pool.start()
    begin = time.monotonic()
    results = await run(pool, {"do": "sleep", "seconds": 60}, ECHO)
    assert results == [(Ended.TIME, None), ("result", 7)]
    assert time.monotonic() - begin >= limits.wall_limit_s
    await pool.close()


async def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    """Its workers, which would sleep for an hour, are killed and replaced, and the next caller is served."""
    pool = Pool(HANDLER, 2, Limits(cpu_limit_s=1_000, memory_limit_mb=200))
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
    """Workers die with it; the item that was under way is tried again."""
    pool = Pool(HANDLER, 1, Limits(cpu_limit_s=5, memory_limit_mb=200))
    await pool.start()
    assert pool._server is not None
    task = asyncio.create_task(run(pool, {"do": "sleep", "seconds": 1}, ECHO))
    await asyncio.sleep(0.3)
    os.kill(pool._server.pid, signal.SIGKILL)
    assert await task == [("result", "awake"), ("result", 7)]
    assert pool.broken is None
    await pool.close()


async def test_a_closed_pool_refuses_and_its_processes_are_gone() -> None:
    """Nothing outlives close."""
    pool = Pool(HANDLER, 2, LIMITS)
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
    pool = Pool("tests.answers.no_such_handler:handle", 1, LIMITS)
    with pytest.raises(JudgeError, match="did not start"):
        await pool.start()
    await pool.close()
