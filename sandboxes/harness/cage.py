"""The cage: how a process that was forked for a program is cut off from everything else in the box.

`uids`: the supervisor is root with the capabilities to change uid and to kill. Every process gets a uid that was never
used before in this box, so the kernel keeps it from every other one. Used in containers, and by root with bubblewrap.

`namespaces`: no uid can be switched, so every program gets user, pid and mount namespaces of its own, in which there is
nothing but itself and empty folders. A small first process waits for the program there; when it ends, the kernel kills
whatever is left in the namespace. Used with bubblewrap by ordinary users.

What a cage cannot do it raises as OSError, and the program does not start: there is no running without one.
"""

import ctypes
import os
import signal
from typing import Any

from sandboxes.harness import seccomp
from sandboxes.harness.limits import set_limits

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_c_prctl = _libc.prctl
_c_mount, _c_unshare, _c_capset = _libc.mount, _libc.unshare, _libc.capset


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} failed: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int) -> None:
    _checked(_c_prctl(option, value, 0, 0, 0), f"prctl({option})")


def enter(spec: dict[str, Any]) -> None:
    """Confine this process for good; see `program.Program` for what `spec` holds.

    Raises:
        OSError: a wall could not be put up.
    """
    os.setsid()
    _write("/proc/self/oom_score_adj", b"1000")
    _CAGES[spec["cage"]](spec)
    set_limits(spec["rlimits"])
    if not spec["no_new_privileges"]:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if spec["seccomp"]:
        seccomp.enter()
    os.umask(0o022)
    os.chdir(spec["folder"])


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)


def no_new_privileges() -> bool:
    """Tell whether this process, and so its children, can gain no privileges any more."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return any(line.split() == ["NoNewPrivs:", "1"] for line in file)


# A uid of its own


def _switch_uid(spec: dict[str, Any]) -> None:
    uid = spec["uid"]
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # A change of uid hides /proc/self from its own process, and multiprocessing and subprocess look there.
    _prctl(_PR_SET_DUMPABLE, 1)


# Namespaces of its own


def _unshare(spec: dict[str, Any]) -> None:
    uid, gid = os.getuid(), os.getgid()
    _checked(_c_unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID), "unshare")
    _write("/proc/self/setgroups", b"deny")
    _write("/proc/self/uid_map", b"%d %d 1" % (uid, uid))
    _write("/proc/self/gid_map", b"%d %d 1" % (gid, gid))
    reading, writing = os.pipe()
    first = os.fork()
    if first:
        os.close(writing)
        _pass_on(first, reading)
    os.close(reading)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    kept = _files_in(spec["folder"]) if spec["private_folder"] else {}
    for folder in spec["writable"]:
        if folder != spec["folder"] or spec["private_folder"]:
            _mount_empty(folder)
    _checked(_c_mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None), "mounting /proc")
    _put_files(spec["folder"], kept)
    _drop_capabilities()
    program = os.fork()
    if program:
        _be_first_process(program, writing)
    os.close(writing)
    os.setsid()


def _pass_on(first: int, reading: int) -> None:
    """Wait for the namespace to end, and end as the program in it did."""
    os.waitpid(first, 0)
    text = os.read(reading, 16)
    status = int(text) if text else signal.SIGKILL
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _be_first_process(program: int, writing: int) -> None:
    """Reap until the program has ended, tell how, and end; the kernel then kills all others here."""
    os.closerange(0, writing)
    os.closerange(writing + 1, 4096)
    while True:
        pid, status = os.wait()
        if pid == program:
            os.write(writing, b"%d" % status)
            os._exit(0)


def _mount_empty(folder: str) -> None:
    flags = _MS_NOSUID | _MS_NODEV
    _checked(
        _c_mount(b"tmpfs", folder.encode(), b"tmpfs", flags, b"size=64m,nr_inodes=8k,mode=0700"), f"mounting {folder}"
    )


def _files_in(folder: str) -> dict[str, tuple[bytes, int]]:
    files = {}
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False):
            with open(entry.path, "rb") as file:
                files[entry.name] = (file.read(), entry.stat().st_mode & 0o755)
    return files


def _put_files(folder: str, files: dict[str, tuple[bytes, int]]) -> None:
    for name, (content, mode) in files.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)


def _drop_capabilities() -> None:
    """Give up what a new user namespace brings, also for programs that are executed later."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _c_prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # the kernel knows no more of them
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _checked(_c_capset(header, (ctypes.c_uint32 * 6)()), "capset")


_CAGES = {"uids": _switch_uid, "namespaces": _unshare}
