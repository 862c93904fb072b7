"""Make `sys.setrecursionlimit` work for recursion through C on Python 3.12 and 3.13.

These two versions have a separate limit for calls through C: 10,000 units for a stack of 8 MiB. `sys.setrecursionlimit`
does not raise it, so a memoized function fails about 3,300 calls deep. Earlier versions raise both limits, later ones
check the stack itself, and programs rely on that. So here, a program that raises the recursion limit also gets more
units, in proportion to its stack. Programs that leave the limit alone see no difference.
"""

import ctypes
import resource
import sys
import threading

from sandboxes.harness.limits import THREAD_STACK_BYTES

IS_COUNTED_APART = (3, 12) <= sys.version_info[:2] <= (3, 13)
UNITS = 10_000
UNITS_PER_CALL = 3
LARGEST_STACK_BYTES = 1 << 30
_MARK = 54_321
_FIRST_INTS = 40

_set_limit = sys.setrecursionlimit
_thread_state = ctypes.pythonapi.PyThreadState_Get
_thread_state.restype = ctypes.c_void_p


def _ints() -> ctypes.Array[ctypes.c_int32]:
    """Return the first integers of the interpreter's thread state (PyThreadState); the real structure is longer."""
    return (ctypes.c_int32 * _FIRST_INTS).from_address(_thread_state())


def _find() -> int | None:
    """Find the index of the remaining C units in the thread state.

    They follow the recursion limit, whose position is found by setting it to a distinctive value. Return None if the
    layout is not as expected; then the limit for C is left alone.
    """
    before = sys.getrecursionlimit()
    _set_limit(_MARK)
    ints = list(_ints())
    _set_limit(before)
    if ints.count(_MARK) != 1 or ints.index(_MARK) + 1 == _FIRST_INTS:
        return None
    place = ints.index(_MARK) + 1
    return place if 0 < ints[place] <= UNITS else None


_place = _find() if IS_COUNTED_APART else None


class _Room:
    """The units that this process wants and has: in the main thread at once, in other threads when they start."""

    def __init__(self) -> None:
        self.wanted = UNITS
        self.given = UNITS
        self.in_threads = False


_room = _Room()


def raise_limit(limit: int, /) -> None:
    """Set the recursion limit, and raise the limit for calls through C accordingly."""
    _set_limit(limit)
    _room.wanted = max(_room.wanted, UNITS_PER_CALL * limit)
    if _room.wanted == UNITS:
        return
    if threading.current_thread() is threading.main_thread():
        stack_bytes = resource.getrlimit(resource.RLIMIT_STACK)[0]
        _room.given = _give(LARGEST_STACK_BYTES if stack_bytes == resource.RLIM_INFINITY else stack_bytes, _room.given)
    if not _room.in_threads:
        _room.in_threads = True
        threading.Thread._bootstrap_inner = _in_thread  # type: ignore[attr-defined]


def _give(stack_bytes: int, given: int) -> int:
    """Raise this thread's units to what its stack has room for, if it has fewer, and return how many it now has."""
    room = UNITS * min(stack_bytes, LARGEST_STACK_BYTES) // THREAD_STACK_BYTES
    units = max(given, min(_room.wanted, room))
    if _place is not None:
        _ints()[_place] += units - given
    return units


def _in_thread(thread: threading.Thread) -> None:
    _give(threading.stack_size() or THREAD_STACK_BYTES, UNITS)
    _run_thread(thread)


_run_thread = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]


def install() -> None:
    """Make the program's `sys.setrecursionlimit` raise both limits, if this Python has two."""
    if _place is not None:
        sys.setrecursionlimit = raise_limit
