"""Convert tests given as parallel lists of inputs and outputs, as other stacks have them, into ours.

With a function name, an input is the text of the arguments, one JSON value per line, and an output is a JSON value.
"""

import asyncio
import base64
import re
import zlib
from collections.abc import AsyncIterator

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from verifier_service.api.compat.asking import Listed, read_value, settings_of
from verifier_service.api.compat.refusals import unhonoured
from verifier_service.errors import NotJson
from verifier_service.intake import memory
from verifier_service.intake.bodies import HELD, MB, Held
from verifier_service.intake.slices import Slice
from verifier_service.schema.requests import MAX_CASES

PART_BYTES = 256 * 1024
PACKED_PART_BYTES = 64 * 1024
EQUAL_NUMBERS = {"kind": "float", "abs_tol": 0, "rel_tol": 0}
"""Words are compared as text and numbers by value: 1.0 equals 1."""
_SOLUTION = re.compile(r"^[ \t>]*class[ \t]+Solution\b", re.MULTILINE)


class InOut(BaseModel):
    """Parallel lists of inputs and outputs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    inputs: Listed[str]
    outputs: Listed[str]
    fn_name: str | None = None


async def tests_of(pairs: InOut, completion: str, field: str) -> dict[str, object]:
    """Convert pairs to our tests. If the completion defines `class Solution`, the function is its method.

    Raises:
        Refused: the lists differ in length or are empty, or a value is not JSON; the message names `field`.
    """
    if len(pairs.inputs) != len(pairs.outputs) or not pairs.inputs:
        raise unhonoured(
            f"{field}.outputs",
            f"{len(pairs.outputs)} outputs",
            f"there must be one for each of {len(pairs.inputs)} inputs, and at least one",
            422,
        )
    both = list(zip(pairs.inputs, pairs.outputs, strict=True))
    if pairs.fn_name is None:
        cases = [{"stdin": given, "stdout": expected} for given, expected in both]
        return {"kind": "stdio", "cases": cases, "checker": EQUAL_NUMBERS}
    own = Slice()
    calls: list[dict[str, object]] = []
    for index, (given, expected) in enumerate(both):
        await own.pause()
        args = [await _json(line, f"{field}.inputs.{index}") for line in given.split("\n") if line.strip()]
        calls.append({"args": args, "expected": await _json(expected, f"{field}.outputs.{index}")})
    entry_point = f"Solution().{pairs.fn_name}" if _SOLUTION.search(completion) else pairs.fn_name
    return {"kind": "call", "entry_point": entry_point, "cases": calls}


async def unpacked(request: Request, packed: str, field: str) -> InOut:
    """Return the pairs in base64(zlib(JSON)).

    Raises:
        Refused: it has another format, or unpacked it is larger than a body may be.
        Overloaded: the bodies of all requests together would take too much memory.
    """
    try:
        return InOut.model_validate(await read_value(await inflated(request, packed, field), field))
    except (ValidationError, NotJson) as error:
        allowed = f"it must be base64(zlib(JSON of `inputs` and `outputs`, lists of at most {MAX_CASES} strings))"
        raise unhonoured(field, packed, allowed, 422) from error


async def inflated(request: Request, packed: str, field: str) -> bytes:
    """Return the content of base64(zlib(...)), which counts towards the size of the body. Raises like `unpacked`."""
    held: Held = getattr(request.state, HELD)
    before, most_mb = held.size, settings_of(request).max_body_mb
    content = bytearray()
    try:
        async for part in _parts(await asyncio.to_thread(base64.b64decode, packed, validate=True)):
            content += part
            if len(content) > most_mb * MB:
                raise unhonoured(
                    field, packed, f"unpacked it may have at most {most_mb} MiB (VERIFIER_MAX_BODY_MB)", 422
                )
            held.grow_to(before + len(content))
    except (ValueError, EOFError, zlib.error) as error:
        raise unhonoured(field, packed, f"it must be base64(zlib(...)): {error}", 422) from error
    if len(content) > memory.LARGE_BYTES:
        setattr(request.state, memory.IS_LARGE, True)
    return bytes(content)


async def _parts(packed: bytes) -> AsyncIterator[bytes]:
    """Decompress in parts that are small enough not to block the event loop."""
    inflate, own = zlib.decompressobj(), Slice()
    for start in range(0, len(packed), PACKED_PART_BYTES):
        rest, is_full = packed[start : start + PACKED_PART_BYTES], True
        while (rest or is_full) and not inflate.eof:
            part = inflate.decompress(rest, PART_BYTES)
            rest, is_full = inflate.unconsumed_tail, len(part) == PART_BYTES
            yield part
            await own.pause()
    if not inflate.eof:
        raise EOFError("it ends too early")


async def _json(text: str, field: str) -> object:
    try:
        return await read_value(text.encode("utf-8", "surrogatepass"), field)
    except NotJson as error:
        raise unhonoured(field, text, "with `fn_name` each line must be JSON", 422) from error
