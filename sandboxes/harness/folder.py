"""The folder of a program: its files before a run, the files of a run, and the files that are read afterwards.

A program cannot change its own files (its source, side files and compiled files) for later runs. With uids, these files
have another owner, and the folder is sticky. With namespaces, each program gets a copy of the folder. If files have to
be placed or read, it gets the folder itself, which is rebuilt afterwards. The files of a run belong to the program.

The program can leave anything in its folder, so files are opened in a way that cannot lead elsewhere: links are never
followed, and only regular files are read.
"""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress

from sandboxes.harness.box import Box
from sandboxes.harness.user import as_owner
from sandboxes.protocol.constants import FOLDER, FOLDER_BYTES, MAX_BUILD_BYTES
from sandboxes.protocol.job import BuiltFile, Job
from sandboxes.protocol.paths import why_unusable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.ELOOP)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class JobRefused(Exception):
    """The job cannot run as it was sent. The box is still fine."""


class ProgramFolder:
    """The program's folder during one job."""

    def __init__(self, box: Box, job: Job) -> None:
        self._box = box
        self._job = job
        self._made_here: dict[str, BuiltFile] | None = None

    def prepare(self) -> int:
        """Place the program's own files, and return the inode number of the last one.

        Raises:
            JobRefused: A path is invalid, or the files do not fit.
        """
        job = self._job
        wanted = [job.toolchain.source_file, *job.side_files, *(job.built or ())]
        for run in job.runs:
            wanted += [*run.files, *run.fetch]
        for path in wanted:
            if problem := why_unusable(path):
                raise JobRefused(problem)
        return _place(self._own_files(), os.getuid())

    def _own_files(self) -> dict[str, BuiltFile]:
        job = self._job
        built = job.built if job.built is not None else self._made_here
        sources = {**job.side_files, job.toolchain.source_file: job.source}
        return {**(built or {}), **{path: BuiltFile(content=content) for path, content in sources.items()}}

    def built(self, build_uid: int, max_bytes: int = MAX_BUILD_BYTES) -> dict[str, BuiltFile] | None:
        """Return the compiler's files; None if they exceed `max_bytes`, or not all of them are regular files."""
        own = {*self._job.side_files, self._job.toolchain.source_file}
        owner = self._owner(build_uid)
        found = as_owner(owner, lambda: _regular_files(own, owner, max_bytes))
        return None if found is None else {path: BuiltFile(content=c, executable=x) for path, (c, x) in found.items()}

    # One run

    def is_shared(self, files: Mapping[str, bytes], fetch: Iterable[str]) -> bool:
        """Return whether a run with these files needs the folder itself instead of a copy."""
        return not self._box.by_uids and bool(files or fetch)

    def place(self, files: Mapping[str, bytes], uid: int) -> None:
        """Place the files of a run for a program with this uid.

        Raises:
            JobRefused: A path already exists, or the files do not fit.
        """
        if files:
            _place({path: BuiltFile(content=content) for path, content in files.items()}, self._owner(uid))

    def fetch(self, paths: Iterable[str], uid: int, max_bytes: int) -> dict[str, bytes]:
        """Return the contents of those `paths` that are regular files, as long as they fit into `max_bytes` together.

        All processes of the program must have ended.
        """
        return as_owner(self._owner(uid), lambda: _read(paths, max_bytes)) if paths else {}

    def keep_for_restore(self, build_uid: int) -> None:
        """Remember the compiler's files if a program could change them in a shared folder.

        Raises:
            JobRefused: The compiler wrote something other than regular files.
        """
        if any(self.is_shared(run.files, run.fetch) for run in self._job.runs):
            self._made_here = self.built(build_uid, FOLDER_BYTES)
            if self._made_here is None:
                raise JobRefused("the compiler's files cannot be kept for runs with files: too large or not regular")

    def restore(self) -> None:
        """Rebuild the folder after a program has used it directly."""
        self._box.reset.empty_folders()
        _place(self._own_files(), os.getuid())

    def _owner(self, uid: int) -> int:
        """Return the owner of the files of a process with `uid`."""
        return uid if self._box.by_uids else os.getuid()


def _place(files: Mapping[str, BuiltFile], uid: int) -> int:
    """Write new files with owner `uid`, and return the inode number of the last one."""
    try:
        return as_owner(uid, lambda: [_write(path, file) for path, file in files.items()][-1])
    except OSError as error:
        what = error.filename or error.strerror
        if error.errno in _NO_ROOM:
            raise JobRefused(f"the files do not fit into the program's folder: {what}") from error
        if error.errno in _IN_THE_WAY:
            raise JobRefused(f"a file cannot be placed because its path is taken: {what}") from error
        raise


def _write(path: str, file: BuiltFile) -> int:
    folder = FOLDER
    for part in path.split("/")[:-1]:
        folder = f"{folder}/{part}"
        with suppress(FileExistsError):
            os.mkdir(folder, 0o755)
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(f"{FOLDER}/{path}", flags, 0o755 if file.executable else 0o644)
    try:
        left = memoryview(file.content)
        while left:
            left = left[os.write(fd, left) :]
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def _read(paths: Iterable[str], max_bytes: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in paths:
        with suppress(OSError):
            content = _read_regular(path, max_bytes)
            if content is not None:
                found[path] = content
                max_bytes -= len(content)
    return found


def _read_regular(path: str, max_bytes: int) -> bytes | None:
    """Return the content of a regular file; None if it is something else or larger than `max_bytes`.

    Every component of the path is opened relative to its parent and without following links.

    Raises:
        OSError: The file does not exist, or some component is a link.
    """
    *folders, name = path.split("/")
    at = os.open(FOLDER, _READ | os.O_DIRECTORY)
    try:
        for part in folders:
            above, at = at, os.open(part, _READ | os.O_DIRECTORY, dir_fd=at)
            os.close(above)
        with open(os.open(name, _READ, dir_fd=at), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
                return None
            return stream.read(status.st_size)
    finally:
        os.close(at)


def _regular_files(but: Iterable[str], owner: int, max_bytes: int) -> dict[str, tuple[bytes, bool]] | None:
    """Read all files of `owner` in the folder with their executable bits; None if one is not a regular file."""
    try:
        return _files_below(but, owner, max_bytes)
    except PermissionError:  # the compiler has removed its own permissions for a file or folder
        return None


def _files_below(but: Iterable[str], owner: int, max_bytes: int) -> dict[str, tuple[bytes, bool]] | None:
    found: dict[str, tuple[bytes, bool]] = {}
    folders = [""]
    while folders:
        inside = folders.pop()
        for name in os.listdir(os.path.join(FOLDER, inside)):
            path = os.path.join(inside, name)
            status = os.lstat(os.path.join(FOLDER, path))
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
                continue
            if path in but:
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_uid != owner or why_unusable(path):
                return None
            content = _read_regular(path, max_bytes)
            if content is None:
                return None
            max_bytes -= len(content)
            found[path] = (content, bool(status.st_mode & 0o100))
    return found
