"""The reset: kill all processes of a job, empty every place where it could have left something, and prove both.

Theory of operation. A process is left if /proc shows one that is not the box's own. A file is left if a writable folder
has an entry. If either cannot be removed, the box is unusable: `NotReset` is raised and the runner destroys the box.
Usually nothing is left. If the kernel counts the box's tasks and a folder's inodes, these numbers prove it cheaply:
they are the same as when the box was empty. Whatever is not counted is listed instead.
"""

import contextlib
import errno
import os
import signal
import stat
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from sandboxes.harness.limits import other_pids, uid_of
from sandboxes.harness.user import as_owner, kill_all_of

PATIENCE_S = 5.0
OPEN_TO_ALL = 0o777


class NotReset(Exception):
    """Something of the job is left, and cannot be removed."""


class Killed(NamedTuple):
    """The result of killing a job's processes."""

    cpu_s: float  # CPU seconds of processes that nobody had waited for
    found: bool  # whether any process was left


class Folder:
    """A folder that programs can write to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._used_when_empty: tuple[int, int] | None = None

    def learn(self) -> None:
        """Find out whether the file system's counters reveal an entry, and their values for the empty folder.

        Call this while nothing runs. If a probe does not change the counters as expected, they are not used.
        """
        probe = f"{self.path}/.probe"
        with contextlib.suppress(OSError):
            before = self._used()
            os.mkdir(probe)
            with_one = self._used()
            os.rmdir(probe)
            if not os.listdir(self.path) and (with_one[0] - before[0], self._used()) == (1, before):
                self._used_when_empty = before

    def _used(self) -> tuple[int, int]:
        """Return the numbers of used inodes and blocks."""
        found = os.fstatvfs(self._fd)
        return found.f_files - found.f_ffree, found.f_blocks - found.f_bfree

    def names(self) -> list[str]:
        """Return the folder's entries; if the counters prove that there are none, without listing it."""
        if self._used_when_empty is not None and self._used() == self._used_when_empty:
            return []
        return os.listdir(self.path)


class Reset:
    """Cleans up after jobs.

    Args:
        known: The pids of the box's own processes.
        folders: The folders that programs can write to.
        count_tasks: Returns the number of tasks in the box, or None if nothing counts them.
    """

    def __init__(
        self, known: Collection[int], folders: Sequence[str], count_tasks: Callable[[], float] | None = None
    ) -> None:
        self.known = frozenset(known)
        self.folders = tuple(Folder(folder) for folder in folders if os.path.isdir(folder))
        self._count_tasks = count_tasks

    def learn(self) -> None:
        """Find out which counters of the kernel are usable as proof. Call this while nothing of a job is left."""
        if self._count_tasks is not None and self._count_tasks() != len(self.known):
            self._count_tasks = None
        for folder in self.folders:
            folder.learn()

    def kill_all(self) -> Killed:
        """Kill all processes except the box's own.

        Raises:
            NotReset: Some process does not end.
        """
        cpu_s = self.reap()
        if self._count_tasks is not None and self._count_tasks() == len(self.known):
            return Killed(cpu_s, found=False)
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
        """Reap ended orphans, which became children of the box's first process, and return their CPU seconds.

        Raises:
            NotReset: One of the box's own processes has ended.
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
        """Remove everything from the writable folders, except entries owned by `spare_uids`.

        Raises:
            NotReset: Something cannot be removed.
        """
        for folder in self.folders:
            names = folder.names()
            if names:
                self._empty(folder.path, names, spare_uids)

    def _empty(self, folder: str, names: Sequence[str], spare_uids: Collection[int]) -> None:
        trees: list[str] = []
        for name in names:
            path = os.path.join(folder, name)
            found = os.lstat(path)
            if found.st_uid in spare_uids:
                continue
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(path)
            elif not _remove_empty(path):
                trees.append(path)
        if trees:
            _remove_trees(trees)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_uids(uids: Collection[int]) -> None:
    """Kill all processes of each uid at once, for programs that fork faster than their processes can be listed.

    (With namespaces this is not necessary: all processes end with the namespace's init process.)
    """
    for uid in uids if os.getuid() == 0 else ():
        if uid != 0:
            kill_all_of(uid)


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
    """Remove folders with all their contents, no matter which users own what.

    The supervisor may act as any user, but cannot override permissions. So it works in rounds: as each owner in turn,
    it removes what that user may remove, and opens the user's folders to all so that the others get further.

    Raises:
        NotReset: A round makes no progress, or it takes too long.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    owners = {os.lstat(top).st_uid for top in tops}
    while tops:
        steps, blocking = 0, set[int]()
        for uid in owners:
            more, by = as_owner(uid, lambda tops=tops, uid=uid: _remove_what_is_ours(tops, uid))
            steps += more
            blocking.update(by)
        tops = [top for top in tops if not _remove_empty(top)]
        tried, owners = owners, blocking | {os.lstat(top).st_uid for top in tops}
        if tops and ((steps == 0 and owners <= tried) or time.monotonic() > deadline_s):
            raise NotReset(f"the folder {tops[0]} cannot be emptied")


def _remove_what_is_ours(tops: Sequence[str], uid: int) -> tuple[int, list[int]]:
    """Empty folders as far as `uid` can. Return the number of successful steps, and the owners of what is left."""
    remover = _Remover(uid)
    for top in tops:
        with contextlib.suppress(OSError):
            remover.empty(top)
    return remover.steps, list(remover.blocking)


class _Remover:
    """Removes everything that one user can remove."""

    def __init__(self, uid: int) -> None:
        self.steps = 0
        self.blocking: set[int] = set()
        self._uid = uid if os.getuid() == 0 else os.getuid()  # without root, act as the current user
        self._serial = 0

    def empty(self, top: str) -> None:
        """Empty the folder `top`, of any depth. Deep entries are first moved up to it, so that no path gets too long.

        Raises:
            OSError: Only its owner can list it.
        """
        self._open(top)
        stuck: set[str] = set()
        while names := [name for name in os.listdir(top) if name not in stuck]:
            stuck.update(name for name in names if not self._removed(top, os.path.join(top, name)))

    def _open(self, folder: str) -> bool:
        """Open a folder to all users if it belongs to this one, and return whether it does."""
        found = os.lstat(folder)
        if found.st_uid != self._uid:
            self.blocking.add(found.st_uid)
        elif stat.S_IMODE(found.st_mode) != OPEN_TO_ALL:
            os.chmod(folder, OPEN_TO_ALL)
            self.steps += 1
        return found.st_uid == self._uid

    def _removed(self, top: str, path: str) -> bool:
        """Remove `path` in `top` after moving its contents up to `top`. Return False if something is in the way."""
        try:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                self._open(path)
                for name in os.listdir(path):
                    self._take_out(top, os.path.join(path, name))
                os.rmdir(path)
            else:
                os.unlink(path)
        except OSError:
            return False
        self.steps += 1
        return True

    def _take_out(self, top: str, path: str) -> None:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
        self._open(path)  # a folder without write permission cannot be moved
        while os.path.lexists(os.path.join(top, f"{self._serial}")):
            self._serial += 1
        os.rename(path, os.path.join(top, f"{self._serial}"))
        self.steps += 1
