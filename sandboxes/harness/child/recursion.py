"""Room for recursion through C on Python 3.12 and 3.13.

These two count calls through C apart, up to 10,000 units for a stack of 8 MiB, and `sys.setrecursionlimit` does not
raise that: a memoized function ends some 3,300 calls deep. Versions before did raise it, versions after ask the stack
itself, and programs are written for those. So a program that raises the limit gets as many units more here as its
stack is larger. Programs that leave the limit alone see no difference.
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
    """Return the begin of the interpreter's record of this thread; it is longer than that."""
    return (ctypes.c_int32 * _FIRST_INTS).from_address(_thread_state())


def _find() -> int | None:
    """Find the units that are left in that record: behind the recursion limit, which can be set to a mark."""
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
    """What this process has been given: in the main thread at once, in others when they start."""

    def __init__(self) -> None:
        self.wanted = UNITS
        self.given = UNITS
        self.in_threads = False


_room = _Room()


def raise_limit(limit: int, /) -> None:
    """Do what `sys.setrecursionlimit` does, and let calls through C have their part of it."""
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
    """Give this thread the units that its stack has room for, if it has fewer; return how many it has."""
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
    """Let the program's `sys.setrecursionlimit` raise both limits, where there are two."""
    if _place is not None:
        sys.setrecursionlimit = raise_limit
