"""Work that has to be done as another user: the supervisor may change its uid, and has no right to others' files.

For files it takes on only the ids that the kernel asks for there (setfsuid(2)): it stays who it is for signals and
everything else, and no process is made. gVisor's kernel has no such ids; there it takes on the effective ones, and its
real ones keep it out of that user's reach. To kill all that a user runs takes a process that becomes that user.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")
_NOBODYS = -1
"""No id: to ask for it changes nothing."""

_libc = ctypes.CDLL(None)
_has_ids_for_files = _libc.setfsuid(_NOBODYS) != -1


def kill_all_of(uid: int) -> None:
    """Kill every process of `uid` in one stroke; the kernel hides our own one's memory from them. They may kill it
    first: then some are left."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def as_owner(uid: int, action: Callable[[], _Result]) -> _Result:
    """Return what `action` returns while files are opened, made and removed as `uid` would do it.

    Raises:
        OSError: `action` raised it, or the ids could not be taken on or given back.
    """
    if os.getuid() == uid or os.getuid() != 0:
        return action()
    try:
        _take_on(uid)
        return action()
    finally:
        _take_on(0)


def _take_on(uid: int) -> None:
    if not _has_ids_for_files:
        os.seteuid(0)
        os.setegid(uid)
        os.seteuid(uid)
        return
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    if _libc.setfsuid(_NOBODYS) != uid or _libc.setfsgid(_NOBODYS) != uid:  # they only tell what was in force before
        raise OSError(f"the box could not use files as uid {uid}")
