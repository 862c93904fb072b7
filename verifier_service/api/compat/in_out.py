"""Tests as other stacks write them, a list of inputs beside a list of outputs, made into tests of our own.

With the name of a function an input is the text of its arguments, one JSON value a line, and an output is JSON.
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
"""Words compared as they stand, and numbers by their value: 1.0 is 1."""
_SOLUTION = re.compile(r"^[ \t>]*class[ \t]+Solution\b", re.MULTILINE)


class InOut(BaseModel):
    """Inputs and outputs, of equal number."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    inputs: Listed[str]
    outputs: Listed[str]
    fn_name: str | None = None


async def tests_of(pairs: InOut, completion: str, field: str) -> dict[str, object]:
    """Return the tests that the pairs are. A function is looked for in `class Solution` where the completion has one.

    Raises:
        Refused: they are not as many outputs as inputs, or none, or are not JSON where they must be; it names `field`.
    """
    if len(pairs.inputs) != len(pairs.outputs) or not pairs.inputs:
        raise unhonoured(f"{field}.outputs", f"{len(pairs.outputs)} outputs", f"{len(pairs.inputs)} inputs", 422)
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
        Refused: it is not that, or unpacked it is more than a body may be.
        Overloaded: there is no room for it beside the bodies of others.
    """
    try:
        return InOut.model_validate(await read_value(await inflated(request, packed, field), field))
    except (ValidationError, NotJson) as error:
        allowed = f"base64(zlib(JSON of `inputs` and `outputs`, lists of at most {MAX_CASES} texts))"
        raise unhonoured(field, packed, allowed, 422) from error


async def inflated(request: Request, packed: str, field: str) -> bytes:
    """Return what base64(zlib(...)) holds: it counts as part of the body that it came in. Raises as `unpacked`."""
    held: Held = getattr(request.state, HELD)
    before, most_mb = held.size, settings_of(request).max_body_mb
    content = bytearray()
    try:
        async for part in _parts(await asyncio.to_thread(base64.b64decode, packed, validate=True)):
            content += part
            if len(content) > most_mb * MB:
                raise unhonoured(field, packed, f"unpacked it may have {most_mb} MiB: VERIFIER_MAX_BODY_MB", 422)
            held.grow_to(before + len(content))
    except (ValueError, EOFError, zlib.error) as error:
        raise unhonoured(field, packed, f"base64(zlib(...)): {error}", 422) from error
    if len(content) > memory.LARGE_BYTES:
        setattr(request.state, memory.IS_LARGE, True)
    return bytes(content)


async def _parts(packed: bytes) -> AsyncIterator[bytes]:
    """Yield what zlib holds, part by part, each small enough for a slice of the event loop."""
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
