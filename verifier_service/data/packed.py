"""Tests that a row holds packed, as base64 of zlib: they are unpacked without `pickle`, which would run what they say.

LiveCodeBench packs a pickle of one text. A pickle is a program for a small stack machine; this reader knows the
instructions that put one text on the stack and end, and refuses everything else, and so runs nothing.
"""

import base64
import zlib

from verifier_service.data.row import Fault

MAX_UNPACKED_BYTES = 512 * 1024 * 1024

_PROTO, _FRAME, _STOP = 0x80, 0x95, 0x2E
_TEXTS = {0x8C: 1, 0x58: 4, 0x8D: 8}
"""SHORT_BINUNICODE, BINUNICODE, BINUNICODE8, each with the number of bytes of its length."""
_MEMOS = {0x94: 0, 0x71: 1, 0x72: 4}
"""MEMOIZE, BINPUT, LONG_BINPUT: they remember the text, which is used once only."""

MAX_INSTRUCTIONS = 16
"""What a pickle of one text may have: five are enough, and each is a step."""


def inflated(text: str, field: str) -> bytes:
    """Return the bytes of a base64 text of zlib. Raises Fault if it is none, or holds too much."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED_BYTES)
    except (ValueError, zlib.error) as error:  # base64 of text that is not ASCII is no binascii.Error
        raise Fault(field, text, f"it must be base64 of zlib: {error}") from error
    if not unpacking.eof:
        raise Fault(field, text, f"it is cut off, or has more than {MAX_UNPACKED_BYTES} bytes when it is unpacked")
    return data


def text_of_pickle(data: bytes, field: str) -> str:
    """Return the text that a pickle holds. Raises Fault for any pickle that is not one text alone."""
    refused = Fault(field, None, "a pickle may hold one text and nothing else; anything else is not read")
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
