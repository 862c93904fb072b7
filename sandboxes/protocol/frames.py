"""Frames: how the messages between a service and a box are laid on one stream of bytes in each direction.

A frame is `kind (1 byte) | head length (4) | body length (4) | head (JSON) | body`, big endian. The head is the record
of the message and the sizes into which the body is cut: `[record, [size, ..]]`. It is small and made by us on both
sides; what a program wrote travels in the body, which nobody in the box reads.
"""

import json
from collections.abc import Iterator
from struct import Struct
from typing import Any

from sandboxes.protocol.facts import CompileFacts, TesterFacts, TestFacts
from sandboxes.protocol.messages import Alive, Broken, Done, Hello, Message, Start, Stop
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
}
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_NUMBERS = {kind: number for number, kind in KINDS.items()}


class BrokenFrame(ValueError):
    """The stream holds what is not a frame: the other side is not what it should be."""


def to_frame(message: Message) -> bytes:
    """Return the frame of a message."""
    record, blobs = pack(message)
    head = _to_json([record, [len(blob) for blob in blobs]]).encode()
    body = b"".join(blobs)
    return b"".join((HEAD.pack(_NUMBERS[type(message)], len(head), len(body)), head, body))


class Reader:
    """Turns chunks of a stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[Message, int]]:
        """Take the next chunk and yield the messages that are complete now, each with the size of its body.

        Raises:
            BrokenFrame: the stream holds what is not a frame.
        """
        self._buffer += chunk
        while len(self._buffer) >= HEAD.size:
            kind, head_bytes, body_bytes = HEAD.unpack_from(self._buffer)
            if kind not in KINDS or head_bytes > MAX_HEAD_BYTES or body_bytes > MAX_BODY_BYTES:
                raise BrokenFrame(f"no frame begins with {bytes(self._buffer[: HEAD.size])!r}")
            body_at = HEAD.size + head_bytes
            end = body_at + body_bytes
            if len(self._buffer) < end:
                return
            head, body = bytes(self._buffer[HEAD.size : body_at]), bytes(self._buffer[body_at:end])
            del self._buffer[:end]
            try:
                record, sizes = _two(json.loads(head))
                yield unpack(KINDS[kind], record, _split(body, sizes)), body_bytes
            except (BrokenRecord, ValueError, RecursionError) as error:
                raise BrokenFrame(f"a {KINDS[kind].__name__} cannot be read: {error}") from error


def _two(head: Any) -> tuple[Any, Any]:
    if type(head) is not list or len(head) != 2 or type(head[1]) is not list:
        raise BrokenRecord("the head is not a record with sizes")
    return head[0], head[1]


def _split(body: bytes, sizes: list[Any]) -> list[bytes]:
    """Cut a body into blobs."""
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) != len(body):
        raise BrokenRecord("the sizes are not those of the body")
    blobs, position = [], 0
    for size in sizes:
        blobs.append(body[position : position + size])
        position += size
    return blobs
