"""Memory management: collect garbage when it delays no request, and return a large request's memory to the system."""

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterable
from typing import Any

from verifier_service.intake.slices import Slice

LARGE_BYTES = 1024 * 1024
"""The memory of larger requests is returned to the system."""
IS_LARGE = "is_large"
"""Key in a request's state: it was large."""
NEVER = 1_000_000
PARTS = 200
SOON_S = 0.5
LOOK_EVERY_S = 60.0
FEW = 1000
"""With this many submissions in flight, a full collection takes about 10 ms."""
WAIT_AT_MOST_S = 300.0


def hold() -> None:
    """Freeze all current objects, and stop full collections while requests are handled.

    A full collection that walks through a large batch blocks every request for tenths of a second, again and again.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


async def keep_tidy(in_hand: Callable[[], int]) -> None:
    """Run full collections when few submissions are in flight, or when the last one was long ago."""
    waited_s = 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
        if in_hand() < FEW or waited_s >= WAIT_AT_MOST_S:
            gc.collect()
            waited_s = 0.0


async def let_go(lists: Iterable[list[Any]]) -> None:
    """Empty lists in slices: freeing a million objects at once would block the event loop as well."""
    own = Slice()
    for one in lists:
        while one:
            del one[-PARTS:]
            await own.pause()


async def give_back(is_quiet: Callable[[], bool]) -> None:
    """Return free memory to the system after a moment; collect garbage first if no request is in flight."""
    await asyncio.sleep(SOON_S)
    if is_quiet():
        gc.collect()
    await asyncio.to_thread(_trim)


def _trim() -> None:
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # not glibc
        return
