"""Act as another user. The supervisor may change its uid, but has no capability to override file permissions.

For file access, it changes only its file-system ids (setfsuid(2)). For signals and everything else, it remains the
same user, and no extra process is needed. gVisor has no file-system ids. There, it changes its effective ids, and the
real ones protect it from that user's signals. Killing all processes of a user needs a process that becomes this user.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")
_NOBODYS = -1
"""An invalid id: passing it changes nothing, but returns the id in force."""

_libc = ctypes.CDLL(None)
_has_ids_for_files = _libc.setfsuid(_NOBODYS) != -1


def kill_all_of(uid: int) -> None:
    """Kill all processes of `uid` at once, from a process that becomes this user.

    The kernel hides that process's memory from the others. They can kill it first, and then some are left: call this
    again.
    """
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
    """Call `action` with the file permissions of `uid`, and return its result.

    Raises:
        OSError: `action` raised it, or the ids could not be changed.
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
    if (
        _libc.setfsuid(_NOBODYS) != uid or _libc.setfsgid(_NOBODYS) != uid
    ):  # they report no errors, so ask for the ids in force
        raise OSError(f"the box could not use files as uid {uid}")
