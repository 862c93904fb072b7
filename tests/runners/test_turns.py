"""Turns for borrowing a box: each request gets its share, however much the others want."""

import asyncio

from verifier_service.access.clients import Client, asking
from verifier_service.execution.turns import Share, Turns


async def take(turns: Turns, share: Share, name: str, served: list[str], lasts_s: float = 0.0) -> None:
    async with turns.turn(share):
        served.append(name)
        await asyncio.sleep(lasts_s)


async def test_a_request_that_comes_late_is_served_before_the_rest_of_a_large_one() -> None:
    turns, large, small = Turns(2), Share(), Share()
    served: list[str] = []
    asked = [asyncio.create_task(take(turns, large, "large", served, 0.01)) for _ in range(8)]
    await asyncio.sleep(0)
    asked += [asyncio.create_task(take(turns, small, "small", served, 0.01)) for _ in range(3)]
    await asyncio.gather(*asked)
    assert served[:2] == ["large", "large"]
    assert served[2:8].count("small") == 3, served


async def test_with_one_box_two_requests_alternate() -> None:
    turns, one, other = Turns(1), Share(), Share()
    served: list[str] = []
    asked = [asyncio.create_task(take(turns, one, "one", served)) for _ in range(4)]
    asked += [asyncio.create_task(take(turns, other, "other", served)) for _ in range(3)]
    await asyncio.gather(*asked)
    assert served == ["one", "other"] * 3 + ["one"]


async def test_who_gives_up_leaves_no_turn_taken() -> None:
    turns, share = Turns(1), Share()
    async with turns.turn(share):
        waiting = asyncio.create_task(take(turns, share, "never", []))
        await asyncio.sleep(0)
        assert not turns.others_wait(share)
        assert turns.others_wait(Share())
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    late = asyncio.create_task(take(turns, share, "late", []))
    late.cancel()  # at the moment at which it is its turn
    await asyncio.gather(late, return_exceptions=True)
    async with asyncio.timeout(1), turns.turn(share):
        assert share.in_hand == 1
    assert share.in_hand == 0


async def test_a_turn_that_ends_while_others_are_being_cancelled_goes_to_one_who_still_waits() -> None:
    turns, share = Turns(2), Share()
    served: list[str] = []
    holding = [asyncio.create_task(take(turns, share, "holds", served, 0.01)) for _ in range(2)]
    await asyncio.sleep(0)
    given_up = [asyncio.create_task(take(turns, share, "never", served)) for _ in range(5)]
    waits = asyncio.create_task(take(turns, share, "waits", served))
    await asyncio.sleep(0)
    for task in (*holding, *given_up):  # the holder of a turn is notified first, and passes it on
        task.cancel()
    outcomes = await asyncio.gather(*holding, *given_up, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await asyncio.wait_for(waits, 1)
    assert served == ["holds", "holds", "waits"]
    async with asyncio.timeout(1), turns.turn(share), turns.turn(share):
        assert share.in_hand == 2


def shares(client: str, count: int) -> list[Share]:
    asking.set(Client(client))
    return [Share() for _ in range(count)]


async def test_a_client_gets_no_more_by_asking_in_many_requests() -> None:
    turns, many, one = Turns(1), shares("many", 5), shares("one", 1)
    served: list[str] = []
    asked = [asyncio.create_task(take(turns, share, "many", served)) for share in many for _ in range(2)]
    asked += [asyncio.create_task(take(turns, one[0], "one", served)) for _ in range(4)]
    await asyncio.gather(*asked)
    assert served[:8] == ["many", "one"] * 4


async def test_the_requests_of_a_client_take_turns() -> None:
    turns, (first, second) = Turns(1), shares("a", 2)
    served: list[str] = []
    asked = [asyncio.create_task(take(turns, first, "first", served)) for _ in range(3)]
    asked += [asyncio.create_task(take(turns, second, "second", served)) for _ in range(3)]
    await asyncio.gather(*asked)
    assert served == ["first", "second"] * 3
