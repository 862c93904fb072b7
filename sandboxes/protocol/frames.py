"""Frames: the format of the messages between a service and a box on the two byte streams.

A frame is `kind (1 byte) | head length (4) | body length (4) | head (JSON) | body`, big endian. The head is
`[record, [size, ..]]`: the message's record, and the sizes of the blobs in the body. The head is small and always
written by our own code. Everything that a program wrote is in the body, which the box never parses. Messages that are
sent together share a frame of a special kind, with `[[kind, record], ..]` instead of the record.
"""

import json
from collections.abc import Iterator
from struct import Struct
from typing import Any

from sandboxes.protocol.facts import CompileFacts, TesterFacts, TestFacts
from sandboxes.protocol.messages import Alive, Broken, Done, Hello, Message, Spent, Start, Stop
from sandboxes.protocol.records import BrokenRecord, pack, unpack

HEAD = Struct(">BII")
MAX_HEAD_BYTES = 64 * 1024 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024

KINDS: dict[int, type[Message]] = {
    1: Hello,
    2: Start,
    3: Stop,
    4: CompileFacts,
    5: TestFacts,
    6: TesterFacts,
    7: Done,
    8: Broken,
    9: Alive,
    10: Spent,
}
SEVERAL = 0
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_NUMBERS = {kind: number for number, kind in KINDS.items()}


class BrokenFrame(ValueError):
    """The stream contains something other than a frame: the other end is not what it should be."""


def to_frame(*messages: Message) -> bytes:
    """Return the frame for one message, or for several that are sent together."""
    blobs: list[bytes] = []
    records = [[_NUMBERS[type(message)], pack(message, blobs)[0]] for message in messages]
    kind, record = records[0] if len(records) == 1 else (SEVERAL, records)
    head = _to_json([record, [len(blob) for blob in blobs]]).encode()
    body = b"".join(blobs)
    return b"".join((HEAD.pack(kind, len(head), len(body)), head, body))


class Reader:
    """Splits a stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[Message, int]]:
        """Add the next chunk, and yield the messages that are now complete, each with the size of its body.

        Raises:
            BrokenFrame: The stream contains something other than a frame.
        """
        self._buffer += chunk
        while len(self._buffer) >= HEAD.size:
            kind, head_bytes, body_bytes = HEAD.unpack_from(self._buffer)
            if (kind not in KINDS and kind != SEVERAL) or head_bytes > MAX_HEAD_BYTES or body_bytes > MAX_BODY_BYTES:
                raise BrokenFrame(f"no frame begins with {bytes(self._buffer[: HEAD.size])!r}")
            body_at = HEAD.size + head_bytes
            end = body_at + body_bytes
            if len(self._buffer) < end:
                return
            head, body = bytes(self._buffer[HEAD.size : body_at]), bytes(self._buffer[body_at:end])
            del self._buffer[:end]
            try:
                messages = _messages(kind, head, body)
            except (BrokenRecord, ValueError, RecursionError) as error:
                name = "frame of several" if kind == SEVERAL else KINDS[kind].__name__
                raise BrokenFrame(f"a {name} cannot be read: {error}") from error
            for message in messages:
                yield message, body_bytes
                body_bytes = 0  # the messages of a frame share its body: count it once


def _messages(kind: int, head: bytes, body: bytes) -> list[Message]:
    record, sizes = _two(json.loads(head))
    blobs = _split(body, _list(sizes))
    if kind != SEVERAL:
        return [unpack(KINDS[kind], record, blobs)]
    return [unpack(_kind(number), one, blobs) for number, one in map(_two, _list(record))]


def _two(pair: object) -> tuple[Any, Any]:
    if type(pair) is not list or len(pair) != 2:
        raise BrokenRecord("two values were expected")
    return pair[0], pair[1]


def _list(value: object) -> list[Any]:
    if type(value) is not list:
        raise BrokenRecord("a list was expected")
    return value


def _kind(number: object) -> type[Message]:
    if type(number) is not int or number not in KINDS:
        raise BrokenRecord(f"there are no messages of kind {number!r:.20}")
    return KINDS[number]


def _split(body: bytes, sizes: list[Any]) -> list[bytes]:
    """Cut a body into blobs."""
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) != len(body):
        raise BrokenRecord("the sizes are not those of the body")
    blobs, position = [], 0
    for size in sizes:
        blobs.append(body[position : position + size])
        position += size
    return blobs
