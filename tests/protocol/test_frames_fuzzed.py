"""Arbitrary bytes from the other side result in messages or a BrokenFrame, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandboxes.protocol.frames import HEAD, KINDS, SEVERAL, BrokenFrame, Reader, to_frame
from sandboxes.protocol.messages import Message
from tests.protocol.test_records import MESSAGES

TYPES = get_args(Message)
STREAM = b"".join(map(to_frame, MESSAGES)) + to_frame(*MESSAGES)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**64, float("nan")])
VALUES = st.recursive(
    NUMBERS | st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
LONG = settings(max_examples=400, deadline=None)


def read(chunks: Sequence[bytes]) -> Iterator[Message]:
    """Return the messages of a stream, up to the first invalid data."""
    reader = Reader()
    try:
        for chunk in chunks:
            for message, held_bytes in reader.feed(chunk):
                assert isinstance(message, TYPES)
                assert held_bytes >= 0
                yield message
    except BrokenFrame:
        return


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut a stream at some places."""
    ends = sorted({min(place, len(stream)) for place in places} | {len(stream)})
    return [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@LONG
@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_a_stream_says_the_same_however_it_is_cut(places: list[int]) -> None:
    assert list(read(cut(STREAM, places))) == [*MESSAGES, *MESSAGES]


@LONG
@given(st.binary(max_size=300))
def test_noise_is_no_message(noise: bytes) -> None:
    assert not any(read([noise + b"\xff" * HEAD.size]))


@LONG
@given(st.data())
def test_a_damaged_stream_is_broken_at_the_damage_and_not_before(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(STREAM) - 1))
    damage = data.draw(st.binary(max_size=6))
    length = data.draw(st.integers(0, 6))
    damaged = STREAM[:at] + damage + STREAM[at + length :]
    found = list(read([damaged]))
    whole = list(read([STREAM[:at]]))
    assert found[: len(whole)] == whole


@LONG
@given(kind=st.sampled_from([SEVERAL, *KINDS]), data=st.data())
def test_a_record_with_other_values_in_it_is_a_message_of_that_type_or_broken(kind: int, data: st.DataObject) -> None:
    frame = data.draw(st.sampled_from([*map(to_frame, MESSAGES), to_frame(*MESSAGES[:3])]))
    _, head_bytes, _ = HEAD.unpack_from(frame)
    head = json.loads(frame[HEAD.size : HEAD.size + head_bytes])
    body = frame[HEAD.size + head_bytes :]
    places = list(walk(head))
    for path in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        head = put(head, path, data.draw(VALUES))
    text = json.dumps(head).encode()
    for message in read([HEAD.pack(kind, len(text), len(body)) + text + body]):
        assert kind == SEVERAL or type(message) is KINDS[kind]
        to_frame(message)  # a message that was read can be written, so its fields have the declared types


@pytest.mark.parametrize(
    "number",
    [10**400, -(10**400), 2**64, -1, 0.5, float("nan"), float("inf"), True, None, "1"],
    ids=lambda one: f"{one!r:.12}",
)
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_any_number_of_a_record_may_be_another_one(message: Message, number: Any) -> None:
    frame = to_frame(message)
    kind, head_bytes, _ = HEAD.unpack_from(frame)
    head, body = json.loads(frame[HEAD.size : HEAD.size + head_bytes]), frame[HEAD.size + head_bytes :]
    for path in [path for path in walk(head) if type(part(head, path)) in (int, float)]:
        text = json.dumps(put(head, path, number)).encode()
        assert all(
            type(found) is type(message) for found in read([HEAD.pack(kind, len(text), len(body)) + text + body])
        )


def part(value: Any, path: Sequence[Any]) -> Any:
    """Return a part of a JSON value."""
    for step in path:
        value = value[step]
    return value


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths to all parts of a JSON value."""
    yield path
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from walk(part, (*path, index))
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from walk(part, (*path, name))


def put(value: Any, path: Sequence[Any], new: Any) -> Any:
    """Return the JSON value with another one in a place, if that place is still there."""
    if not path:
        return new
    if isinstance(value, list) and type(path[0]) is int and path[0] < len(value):
        return [*value[: path[0]], put(value[path[0]], path[1:], new), *value[path[0] + 1 :]]
    if isinstance(value, dict) and path[0] in value:
        return {**value, path[0]: put(value[path[0]], path[1:], new)}
    return value
