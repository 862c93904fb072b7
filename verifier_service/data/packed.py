"""Unpack tests stored as base64 of zlib, without `pickle`, which would execute code from the data set.

LiveCodeBench packs a pickle of one string. A pickle is a program for a small stack machine. This reader knows only the
instructions that push one string and stop, and refuses everything else, so it executes nothing.
"""

import base64
import zlib

from verifier_service.data.row import Fault

MAX_UNPACKED_BYTES = 512 * 1024 * 1024

_PROTO, _FRAME, _STOP = 0x80, 0x95, 0x2E
_TEXTS = {0x8C: 1, 0x58: 4, 0x8D: 8}
"""SHORT_BINUNICODE, BINUNICODE, BINUNICODE8, each with the number of bytes of its length."""
_MEMOS = {0x94: 0, 0x71: 1, 0x72: 4}
"""MEMOIZE, BINPUT, LONG_BINPUT: they remember the string for reuse, which cannot happen here."""

MAX_INSTRUCTIONS = 16
"""The most instructions in a pickle; a pickle of one string needs five."""


def inflated(text: str, field: str) -> bytes:
    """Decode base64 of zlib. Raises Fault if it is invalid or the content is too large."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED_BYTES)
    except (ValueError, zlib.error) as error:  # base64 raises a plain ValueError for text that is not ASCII
        raise Fault(field, text, f"it must be base64 of zlib: {error}") from error
    if not unpacking.eof:
        raise Fault(field, text, f"it is incomplete, or has more than {MAX_UNPACKED_BYTES} bytes unpacked")
    return data


def text_of_pickle(data: bytes, field: str) -> str:
    """Return the string in a pickle. Raises Fault for a pickle of anything but a single string."""
    refused = Fault(
        field, None, "the pickle must contain a single string; anything else is refused, because it could execute code"
    )
    found: str | None = None
    at, left = 0, MAX_INSTRUCTIONS
    while at < len(data) and left > 0:
        code, at, left = data[at], at + 1, left - 1
        if code == _STOP and found is not None and at == len(data):
            return found
        if code in (_PROTO, _FRAME):
            at += 1 if code == _PROTO else 8
        elif code in _TEXTS and found is None:
            size = _TEXTS[code]
            length = int.from_bytes(data[at : at + size], "little")
            body = data[at + size : at + size + length]
            at += size + length
            if len(body) != length:
                raise refused
            try:
                found = body.decode("utf-8", "surrogatepass")
            except UnicodeDecodeError as error:
                raise refused from error
        elif code in _MEMOS and found is not None:
            at += _MEMOS[code]
        else:
            raise refused
    raise refused
