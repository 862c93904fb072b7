"""Places in the queue: all clients share them, those that wait are served in order, and none can shut out another."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from verifier_service.access.clients import Client
from verifier_service.errors import BadRequest, Overloaded, TooManyInHand
from verifier_service.intake.admission import Admission
from verifier_service.observability.metrics import Metrics
from verifier_service.settings import Settings

A, B, C = Client("a"), Client("b"), Client("c")


def admission(most: int = 100, wait_s: float = 0.0) -> Admission:
    return Admission(Settings(max_queued=most, queue_wait_s=wait_s), Metrics())


def soon() -> float:
    return time.monotonic() + 60


async def take(places: Admission, held: AsyncExitStack, count: int, client: Client) -> None:
    await held.enter_async_context(places.place(count, client, soon()))


async def test_a_client_that_fills_the_queue_does_not_shut_out_another_up_to_its_share() -> None:
    places = admission()
    async with AsyncExitStack() as held:
        await take(places, held, 100, A)
        with pytest.raises(Overloaded):
            await take(places, held, 1, A)
        for _ in range(5):
            await take(places, held, 10, B)
        with pytest.raises(Overloaded):
            await take(places, held, 1, B)
        await take(places, held, 33, C)
    assert places.in_hand == 0


async def test_an_empty_queue_takes_any_batch() -> None:
    async with AsyncExitStack() as held:
        await take(admission(10), held, 5000, A)


async def test_who_finds_no_place_waits_for_one_and_the_client_with_the_fewest_is_first() -> None:
    places, served = admission(10, wait_s=60), list[str]()

    async def work(client: Client, name: str, count: int) -> None:
        async with places.place(count, client, soon()):
            served.append(name)

    async with AsyncExitStack() as a_holds, AsyncExitStack() as b_holds:
        await take(places, a_holds, 9, A)
        await take(places, b_holds, 1, B)
        waiting = [asyncio.create_task(work(A, f"a{n}", 2)) for n in range(2)]
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(work(C, "c", 4))]
        await asyncio.sleep(0.01)
        assert served == []
        await b_holds.aclose()
        await asyncio.sleep(0.01)
        assert served == ["c"]  # by then, a share is 10 / 2
    await asyncio.gather(*waiting)
    assert served == ["c", "a0", "a1"]
    assert places.in_hand == 0


async def test_nobody_waits_beyond_the_deadline() -> None:
    places = admission(10, wait_s=600)
    async with AsyncExitStack() as held:
        await take(places, held, 10, A)
        began = time.monotonic()
        with pytest.raises(Overloaded, match=r"none was free within 0\.\d s"):
            async with places.place(1, A, time.monotonic() + 0.1):
                pass
        assert time.monotonic() - began < 60


async def test_who_gives_up_waiting_leaves_nothing_taken() -> None:
    places = admission(10, wait_s=600)
    async with AsyncExitStack() as held:
        await take(places, held, 10, A)
        waiting = [asyncio.create_task(take(places, held, 5, A)) for _ in range(2)]
        await asyncio.sleep(0.01)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        others = [asyncio.create_task(take(places, held, 5, A)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded, match="10 more"):  # the number that wait is bounded too
            await take(places, held, 1, A)
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    assert places.in_hand == 0


async def test_a_key_has_no_more_in_hand_than_it_may() -> None:
    places, limited = admission(), Client("k", max_in_hand=10)
    async with AsyncExitStack() as held:
        await take(places, held, 8, limited)
        with pytest.raises(TooManyInHand, match="'k' has 8 submissions in flight; the maximum is 10") as raised:
            await take(places, held, 3, limited)
        assert raised.value.retry_after_s >= 1
        await take(places, held, 2, limited)
    with pytest.raises(BadRequest, match="11 items: the key 'k' may have at most 10 submissions in flight"):
        await take(places, AsyncExitStack(), 11, limited)


async def test_the_time_to_come_again_is_that_of_the_pace() -> None:
    places = admission(100)
    async with AsyncExitStack() as held:
        await take(places, held, 100, A)
        places.done(5)
        with pytest.raises(Overloaded) as raised:
            await take(places, held, 50, A)
    assert raised.value.retry_after_s == pytest.approx(10, rel=0.2)  # 50 places at a pace of 5 in the first second
