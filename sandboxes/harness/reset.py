"""The reset: end every process of a job and empty every place where it could have left something, and prove both.

A process is left if /proc shows one that is not the supervisor's own; a file is left if a writable folder has an entry.
Where that cannot be brought to nothing the box is of no use any more: `NotReset`, and the runner destroys it. The
common case, nothing left, costs a few readings of small folders.
"""

import contextlib
import errno
import os
import signal
import stat
import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sandboxes.harness.limits import other_pids, uid_of
from sandboxes.harness.user import as_uid

PATIENCE_S = 5.0


class NotReset(Exception):
    """Something of the job is left and cannot be removed."""


class Killed(NamedTuple):
    """What the end of a job's processes has shown."""

    cpu_s: float  # of those that nobody waited for
    found: bool  # whether there were any


class Reset:
    """Cleans up after jobs. `known` are the pids that belong to the box, `folders` where programs can write."""

    def __init__(self, known: Collection[int], folders: Sequence[str]) -> None:
        self.known = frozenset(known)
        self.folders = tuple(folder for folder in folders if os.path.isdir(folder))

    def kill_all(self) -> Killed:
        """Kill every process but the box's own.

        Raises:
            NotReset: some process does not go away.
        """
        cpu_s = self.reap()
        left = other_pids(self.known)
        found = bool(left)
        deadline_s = time.monotonic() + PATIENCE_S
        rounds = 0
        while left:
            if rounds < 2:
                for pid in left:
                    _kill(pid)
            else:
                _kill_uids({uid for pid in left if (uid := uid_of(pid))})
            if time.monotonic() > deadline_s:
                raise NotReset(f"processes {left[:10]} do not end")
            if rounds:
                time.sleep(min(0.001 * rounds, 0.02))
            rounds += 1
            cpu_s += self.reap()
            left = other_pids(self.known)
        return Killed(cpu_s, found)

    def reap(self) -> float:
        """Wait for orphans that have ended, which are children of the first process; return their CPU seconds.

        Raises:
            NotReset: one of the box's own processes has ended.
        """
        cpu_s = 0.0
        while True:
            try:
                pid, _, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return cpu_s
            if pid == 0:
                return cpu_s
            if pid in self.known:
                raise NotReset("a process of the box itself has ended")
            cpu_s += used.ru_utime + used.ru_stime

    def empty_folders(self, spare_uids: Collection[int] = ()) -> None:
        """Remove what lies in the writable folders, except what the owners in `spare_uids` made.

        Raises:
            NotReset: something cannot be removed.
        """
        for folder in self.folders:
            names = os.listdir(folder)
            if names:
                self._empty(folder, names, spare_uids)

    def _empty(self, folder: str, names: Sequence[str], spare_uids: Collection[int]) -> None:
        trees: dict[int, list[str]] = {}
        for name in names:
            path = os.path.join(folder, name)
            found = os.lstat(path)
            if found.st_uid in spare_uids:
                continue
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(path)
            elif not _remove_empty(path):
                trees.setdefault(found.st_uid, []).append(path)
        for uid, paths in trees.items():
            try:
                as_uid(uid, lambda paths=paths: _remove_trees(paths))
            except PermissionError:  # something in there belongs to somebody else
                for path in paths:
                    _empty_tree_of_many(path)
            for path in paths:
                if not _remove_empty(path):
                    raise NotReset(f"the folder {path} cannot be emptied")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_uids(uids: Collection[int]) -> None:
    """Kill all processes of each uid in one stroke: those that fork faster than they can be counted. (In a namespace
    of its own a program has a first process, and all others end with that one.)"""
    for uid in uids if os.getuid() == 0 else ():
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # those may kill ours first; then come again
            as_uid(uid, lambda: os.kill(-1, signal.SIGKILL))


def _remove_empty(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise NotReset(f"{path}: {error.strerror}") from error
    return True


def _remove_trees(tops: Sequence[str]) -> None:
    for top in tops:
        _remove_tree(top)


def _remove_tree(top: str) -> None:
    """Empty the folder `top`, of any depth: what lies deeper is first moved up, so no path gets long."""
    os.chmod(top, 0o700)
    serial = 0
    while names := os.listdir(top):
        for name in names:
            path = os.path.join(top, name)
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
                continue
            os.chmod(path, 0o700)
            for inner in os.listdir(path):
                inner_path = os.path.join(path, inner)
                if stat.S_ISDIR(os.lstat(inner_path).st_mode):
                    os.chmod(inner_path, 0o700)  # a folder without write permission cannot be moved
                    while os.path.lexists(os.path.join(top, f"{serial}")):
                        serial += 1
                    os.rename(inner_path, os.path.join(top, f"{serial}"))
                else:
                    os.unlink(inner_path)
            os.rmdir(path)


# A tree in which folders belong to several users. Each has to open its own ones before others can reach into them.


def _empty_tree_of_many(top: str) -> None:
    """Empty the folder `top`, of any depth: each folder's owner opens and empties it, and what lies deeper is first
    moved up, so no path gets long."""
    serial = 0
    while folders := _clear_files(top):
        for folder in folders:
            for inner in _clear_files(folder):
                as_uid(os.lstat(inner).st_uid, lambda inner=inner: os.chmod(inner, 0o777))
                while os.path.lexists(target := os.path.join(top, f"{serial}")):
                    serial += 1
                as_uid(os.lstat(top).st_uid, lambda inner=inner, target=target: os.rename(inner, target))
            as_uid(os.lstat(top).st_uid, lambda folder=folder: os.rmdir(folder))


def _clear_files(folder: str) -> list[str]:
    """Open a folder to all and remove what is no folder in it, as its owner; return the folders in it."""

    def clear() -> list[str]:
        os.chmod(folder, 0o777)
        found = []
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if stat.S_ISDIR(os.lstat(path).st_mode):
                found.append(path)
            else:
                os.unlink(path)
        return found

    return as_uid(os.lstat(folder).st_uid, clear)
