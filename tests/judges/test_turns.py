"""Turns within a batch: quick submissions are served before slow ones, and each turn is longer than the last."""

import asyncio

import pytest

from verifier_service.judges.code.turns import LEAST_TURN_S, LONGEST_TURN_S, BatchInTurns, TurnTaker


def batch(*takers: TurnTaker, deadline_s: float = 100.0, wanted: bool = False) -> BatchInTurns[TurnTaker]:
    return BatchInTurns(takers, deadline_s, 2, lambda _: wanted)


@pytest.mark.parametrize(
    ("count", "deadline_s", "turn_s"), [(1, 600.0, LONGEST_TURN_S), (20, 120.0, 3.0), (64, 60.0, LEAST_TURN_S)]
)
def test_all_first_turns_take_a_quarter_of_the_deadline(count: int, deadline_s: float, turn_s: float) -> None:
    assert batch(*(TurnTaker() for _ in range(count)), deadline_s=deadline_s).turn_s == turn_s


def test_the_fewest_turns_come_first_then_the_nearest_to_its_end_then_who_slept_least() -> None:
    again, sleeper, nearly, fresh = (
        TurnTaker(turns=2),
        TurnTaker(turns=1, waited_s=5.0),
        TurnTaker(turns=1, waited_s=1.0, done_share=0.9),
        TurnTaker(),
    )
    awake = TurnTaker(turns=1)
    turns = batch(again, sleeper, nearly, awake, fresh)
    assert [turns.next() for _ in range(6)] == [fresh, nearly, awake, sleeper, again, None]


async def test_a_turn_ends_when_it_has_lasted_its_time_and_others_wait() -> None:
    one, other = TurnTaker(), TurnTaker()
    turns = batch(one, other)
    turns.turn_s = 0.05
    assert turns.next() is one
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as timeout, turns.turn(one, timeout):
            await asyncio.sleep(10)
    one.has_yielded, one.turns = True, 1
    turns.put_back(one, done=False)
    assert turns.next() is other
    async with asyncio.timeout(None) as timeout, turns.turn(other, timeout):
        assert not turns.others_wait(other)  # the other one has had one more turn
        await asyncio.sleep(0.2)
    assert not timeout.expired()


async def test_a_turn_goes_on_while_nobody_waits_and_ends_for_another_request() -> None:
    one = TurnTaker()
    turns = batch(one, wanted=True)
    turns.turn_s = 0.05
    assert turns.next() is one
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as timeout, turns.turn(one, timeout):
            await asyncio.sleep(10)


def test_who_waits_for_a_box_counts_as_waiting() -> None:
    one, other = TurnTaker(), TurnTaker()
    turns = batch(one, other)
    assert {turns.next(), turns.next()} == {one, other}
    assert turns.others_wait(one)
    turns.put_back(one, done=True)
    turns.put_back(other, done=True)
    assert (turns.next(), turns.others_wait(one)) == (None, False)
