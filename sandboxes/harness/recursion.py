"""Room for recursion through C, as programs know it from CPython up to 3.11.

CPython 3.12 and 3.13 count calls from C into Python apart, up to a constant that no program can change: a function
under `functools.lru_cache` ends at some 3,300 calls whatever `sys.setrecursionlimit` says, and so do programs that were
written for any other version. Here the count of a thread begins higher. What is too deep for the stack still ends.
"""

import ctypes
import sys
import threading

C_CALLS = 100_000
_AFFECTED = ((3, 12), (3, 13))
_WORDS = 48  # of the thread's state, in which the counts are looked for
_NEAR = 500  # how much of a count may be in use


def make_room() -> None:
    """Raise the count of this thread, and of every thread that it or its children start."""
    if sys.version_info[:2] not in _AFFECTED or not _raise_count():
        return
    bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def _bootstrap_inner(self: threading.Thread) -> None:
        _raise_count()
        bootstrap(self)

    threading.Thread._bootstrap_inner = _bootstrap_inner  # type: ignore[attr-defined]


def _raise_count() -> bool:
    """Find the counts in the state of this thread and raise the one of C; False if they are not where they should be.

    They are three integers in a row: what is left of the recursion limit, that limit, and what is left for C.
    """
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    words = (ctypes.c_int * _WORDS).from_address(get())
    limit = sys.getrecursionlimit()
    for place in range(_WORDS - 2):
        left, known, left_for_c = words[place : place + 3]
        if known == limit and limit - _NEAR <= left <= limit and _NEAR < left_for_c <= 10_000:
            words[place + 2] = C_CALLS
            return True
    return False
