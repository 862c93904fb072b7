"""Frames: how the service and a box talk over one stream of bytes in each direction.

A frame is `kind (1 byte) | head length (4) | body length (4) | head (JSON object) | body (bytes)`, big endian. The head
is small and made by us on both sides; what a program wrote travels in the body, which nobody in the box reads.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Any

HEAD = Struct(">BII")
MAX_HEAD_BYTES = 64 * 1024 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024

HELLO, JOB, STOP, FACT, DONE, BROKEN = range(1, 7)
"""Box: HELLO when it is warm, FACT for each fact, DONE when nothing of the job is left, BROKEN when that cannot be
proved. Service: JOB to run, STOP to end the job whose number it names."""


class BrokenFrame(ValueError):
    """The stream holds what is no frame: the other side is not what it should be."""


def pack(kind: int, head: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """Return one frame; the sizes of `blobs` are noted in the head under `sizes`."""
    if blobs:
        head = {**head, "sizes": [len(blob) for blob in blobs]}
    text = json.dumps(head, separators=(",", ":")).encode()
    body = b"".join(blobs)
    return b"".join((HEAD.pack(kind, len(text), len(body)), text, body))


def sizes(head: bytes) -> tuple[int, int, int]:
    """Return the kind and the lengths of head and body.

    Raises:
        BrokenFrame: these nine bytes do not begin a frame.
    """
    kind, head_bytes, body_bytes = HEAD.unpack(head)
    if not HELLO <= kind <= BROKEN or head_bytes > MAX_HEAD_BYTES or body_bytes > MAX_BODY_BYTES:
        raise BrokenFrame(f"no frame begins with {head!r}")
    return kind, head_bytes, body_bytes


def split(head: dict[str, Any], body: bytes) -> list[bytes]:
    """Cut a body into the blobs whose sizes the head notes."""
    view, blobs = memoryview(body), []
    for size in head.get("sizes", ()):
        blobs.append(bytes(view[:size]))
        view = view[size:]
    return blobs


class Reader:
    """Turns chunks of a stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, dict[str, Any], bytes]]:
        """Take the next chunk and yield the frames that are complete now.

        Raises:
            BrokenFrame: the stream holds what is no frame.
        """
        self._buffer += chunk
        while len(self._buffer) >= HEAD.size:
            kind, head_bytes, body_bytes = sizes(bytes(self._buffer[: HEAD.size]))
            end = HEAD.size + head_bytes + body_bytes
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[HEAD.size : end])
            del self._buffer[:end]
            try:
                head = json.loads(frame[:head_bytes])
            except ValueError as error:
                raise BrokenFrame(f"the head of a frame is no JSON: {error}") from error
            yield kind, head, frame[head_bytes:]


def digest() -> str:
    """Return a digest of the harness, by which a service knows an image that was built from another version of it."""
    folder = Path(__file__).parent
    files = sorted(path for path in folder.iterdir() if path.suffix == ".py")
    return hashlib.sha256(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()[:16]
