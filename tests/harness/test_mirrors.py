"""Shared containers behave at both ends as they would in one process, whatever is done to them."""

import gc
import socket
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandboxes.harness.wall import mirrors
from sandboxes.harness.wall.conversation import Conversation
from sandboxes.harness.wall.extras import from_extra, to_extra
from sandboxes.harness.wall.mirrors import Mirrors
from sandboxes.protocol.plain import Malformed, NotPlain, Row


class End:
    """One end of a conversation, for plain values and the types of `extras`."""

    def __init__(self, sock: socket.socket, first: int) -> None:
        self.mirrors = Mirrors(first)
        self.talk = Conversation(sock, self.mirrors, self._export, self._resolve)

    def _export(self, value: Any) -> Any:
        form = to_extra(value)
        return None if form is None else self.talk.shared(value, form)

    def _resolve(self, token: Any) -> Any:
        return self.talk.shared_here(*token[1:]) if token[0] == "m" else from_extra(*token[1:])

    def send(self, *values: Any) -> None:
        self.talk.send(Row(values))

    def receive(self) -> Any:
        return self.talk.receive()


@pytest.fixture
def ends() -> Any:
    a, b = socket.socketpair()
    with a, b:
        yield End(a, 0), End(b, 1)


def test_one_object_stays_one_object(ends: tuple[End, End]) -> None:
    tests, submission = ends
    row = [0, 0]
    tests.send([row, row])
    ((grid),) = submission.receive()
    assert grid[0] is grid[1]
    grid[0][0] = 7
    submission.send(grid)
    (back,) = tests.receive()
    assert (row, back[0] is row) == ([7, 0], True)


def test_what_is_kept_at_the_other_end_is_changed_later(ends: tuple[End, End]) -> None:
    tests, submission = ends
    out: list[int] = []
    tests.send(out)
    (kept,) = submission.receive()
    for item in (1, 2):
        submission.send(None)
        tests.receive()
        tests.send(None)
        submission.receive()
        kept.append(item)
    submission.send(None)
    tests.receive()
    assert out == [1, 2]


@pytest.mark.parametrize(
    ("made", "change"),
    [
        ({1: [2]}, lambda v: v[1].append(3)), ({1, 2}, lambda v: v.add(3)), (bytearray(b"ab"), lambda v: v.append(1)),
        (deque([1], 5), lambda v: v.extend([2, 3])), (OrderedDict(a=1, b=2), lambda v: v.move_to_end("a")),
        (Counter("aab"), lambda v: v.update("b")), (defaultdict(list, a=[1]), lambda v: v["b"].append(1)),
        ({"a": 1, "b": 2}, lambda v: v.pop("a")), ([1, 2], lambda v: v.clear()),
    ],
)  # fmt: skip
def test_every_kind_that_can_change_is_changed_in_place(ends: tuple[End, End], made: Any, change: Any) -> None:
    tests, submission = ends
    tests.send(made)
    (here,) = submission.receive()
    change(here)
    submission.send(here)
    (back,) = tests.receive()
    assert (back is made, back, type(back)) == (True, here, type(here))


def test_what_nobody_can_reach_is_forgotten_at_both_ends(ends: tuple[End, End]) -> None:
    tests, submission = ends
    for _ in range(5):
        tests.send([1, [2]])
        submission.receive()
        submission.send([3])
        tests.receive()
    assert max(len(tests.mirrors._live), len(submission.mirrors._live)) <= 3


def test_more_than_can_be_kept_are_copies_from_then_on(ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "MAX_KEPT", 10)
    tests, submission = ends
    rows: list[list[int]] = [[i] for i in range(50)]
    tests.send(rows)
    (grid,) = submission.receive()
    for row in grid:
        row.append(1)
    submission.send(None)
    tests.receive()
    assert rows == [[i, 1] for i in range(50)]
    tests.send(None)
    assert not tests.mirrors._live


def test_a_value_that_contains_itself_does_not_cross_and_harms_no_other(ends: tuple[End, End]) -> None:
    tests, submission = ends
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotPlain, match="contains itself"):
        tests.send(loop)
    tests.send([1])
    assert submission.receive() == [[1]]


@pytest.mark.parametrize(
    "sent",
    [
        [[5, (1,)]], [[0, [1]]], [["x", ()]], [[0, (1, 2), 3]], [7], [[0, (1, [])]],
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_not_taken(ends: tuple[End, End], sent: Any) -> None:
    tests, _ = ends
    held = {1}
    tests.send(held)
    with pytest.raises(Malformed):
        tests.mirrors.came_in(sent, [])


# A model: the same steps on objects of one process

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "put", "pop", "clear", "nest", "share", "drop"]),
        st.integers(0, 7),
        st.integers(0, 7),
    ),
    max_size=30,
)


def _step(pool: list[Any], name: str, i: int, j: int) -> None:
    """Apply one step to a pool of lists."""
    if not pool:
        return
    target, other = pool[i % len(pool)], pool[j % len(pool)]
    if name == "append":
        target.append(j)
    elif name == "put" and target:
        target[0] = i
    elif name == "pop" and target:
        target.pop()
    elif name == "clear":
        target.clear()
    elif name == "nest":
        pool.append([j])
    elif name == "share" and not _reaches(other, target):
        target.append(other)
    elif name == "drop" and len(pool) > 1:
        del pool[i % len(pool)]


def _reaches(start: Any, goal: Any) -> bool:
    return start is goal or any(isinstance(item, list) and _reaches(item, goal) for item in start)


def _shape(pool: list[Any]) -> Any:
    """Return the contents of a pool, with every list numbered by its first occurrence."""
    names: dict[int, int] = {}

    def of(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if id(value) in names:
            return ("seen", names[id(value)])
        names[id(value)] = len(names)
        return [of(item) for item in value]

    return [of(item) for item in pool]


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_any_steps_at_either_end_mean_what_they_mean_in_one_process(rounds: list[Any]) -> None:
    a, b = socket.socketpair()
    with a, b:
        tests, submission = End(a, 0), End(b, 1)
        model: list[Any] = [[1], [2]]
        here: list[Any] = [[1], [2]]
        there: list[Any] = []
        for turn, steps in enumerate(rounds):
            mine, sender, receiver = (here, tests, submission) if turn % 2 == 0 else (there, submission, tests)
            for step in steps:
                _step(model, *step)
                _step(mine, *step)
            sender.send(mine)
            gc.collect(0)
            (got,) = receiver.receive()
            if turn % 2 == 0:
                there = got
            else:
                here = got
            assert _shape(got) == _shape(model)
