"""Memory: garbage is looked for when nobody is kept waiting by it, and what a large request took is given back."""

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterable
from typing import Any

from verifier_service.intake.slices import Slice

LARGE_BYTES = 1024 * 1024
"""A request above this has its memory given back."""
IS_LARGE = "is_large"
"""What the state of such a request says."""
NEVER = 1_000_000
PARTS = 200
SOON_S = 0.5
LOOK_EVERY_S = 60.0
FEW = 1000
"""With so many submissions in hand a walk through everything takes some 10 ms."""
WAIT_AT_MOST_S = 300.0


def hold() -> None:
    """Take all that is there for permanent, and no longer walk through everything while requests are carried out.

    To walk a large batch in search of garbage would hold up every request, for tenths of a second, again and again.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


async def keep_tidy(in_hand: Callable[[], int]) -> None:
    """Look for garbage now and then, when few submissions are in hand or it has waited for long."""
    waited_s = 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
        if in_hand() < FEW or waited_s >= WAIT_AT_MOST_S:
            gc.collect()
            waited_s = 0.0


async def let_go(lists: Iterable[list[Any]]) -> None:
    """Empty lists in slices: to give up a million objects at once would hold up everybody as well."""
    own = Slice()
    for one in lists:
        while one:
            del one[-PARTS:]
            await own.pause()


async def give_back(is_quiet: Callable[[], bool]) -> None:
    """Give memory that is free back to the system, in a moment; garbage is looked for only where it is quiet."""
    await asyncio.sleep(SOON_S)
    if is_quiet():
        gc.collect()
    await asyncio.to_thread(_trim)


def _trim() -> None:
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # another C library than glibc
        return
