"""Work that has to be done as another user: the supervisor may change its uid, and has no right to others' files.

For files it takes on only the ids that the kernel asks for there (setfsuid(2)): it stays who it is for signals and
everything else, and no process is made. What needs all of a user's ids is done in a process that becomes that user.
"""

import ctypes
import marshal
import os
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_NOBODYS = -1
"""No id: to ask for it changes nothing."""

_libc = ctypes.CDLL(None)


class _Made:
    processes = 0


def forks() -> int:
    """Return how many processes `as_uid` has made so far: they are the box's own, and not those of a job."""
    return _Made.processes


def as_uid(uid: int, action: Callable[[], _Result]) -> _Result:
    """Return what `action` returns in a process that has become `uid`; the kernel hides its memory from others of that
    uid. What is that user already, or cannot change its uid, acts by itself. Results are what marshal knows.

    Raises:
        OSError: `action` raised it, or ended in another way (ChildProcessError).
    """
    if os.getuid() == uid or os.getuid() != 0:
        return action()
    _Made.processes += 1
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            _write_all(writing, marshal.dumps(_outcome(action)))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        data = stream.read()
    os.waitpid(pid, 0)
    if not data:
        raise ChildProcessError(f"a process of uid {uid} gave no result")
    result, error = marshal.loads(data)
    if error:
        raise OSError(*error)
    return result


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
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    if _libc.setfsuid(_NOBODYS) != uid or _libc.setfsgid(_NOBODYS) != uid:  # they only tell what was in force before
        raise OSError(f"the box could not use files as uid {uid}")


def _outcome(action: Callable[[], Any]) -> Any:
    """Return what `action` returns, and how it failed if it did."""
    try:
        return action(), None
    except OSError as error:
        return None, (error.errno, f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
