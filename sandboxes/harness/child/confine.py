"""Confine a process that was forked for a program, isolating it from everything else in the box.

Theory of operation. There are two ways:

`uids`: the supervisor is root, with the capabilities to change uids and to kill. Every process gets a uid that has not
been used in this box for a long time, so the kernel's permission checks protect all other processes and their files
from it. Containers use this, and root with bubblewrap.

`namespaces`: the supervisor cannot change uids. So every program gets its own user, pid and mount namespaces, which
contain nothing but itself and empty folders. A small init process waits for the program there. When it ends, the kernel
kills everything that is left in the namespace. Ordinary users with bubblewrap use this.

If any step fails, it raises OSError and the program does not start: nothing ever runs unconfined.
"""

import ctypes
import os
import signal
from collections.abc import Callable

from sandboxes.harness.child import seccomp
from sandboxes.harness.limits import set_limits
from sandboxes.protocol.child import ANSWER, CHANNEL_FD, Answer, Orders
from sandboxes.protocol.config import Confinement
from sandboxes.protocol.constants import FOLDER_BYTES, FOLDER_INODES

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522
OWN_SCORE = "/proc/self/oom_score_adj"

_libc = ctypes.CDLL(None, use_errno=True)
_c_prctl = _libc.prctl
_c_mount, _c_unshare, _c_capset = _libc.mount, _libc.unshare, _libc.capset


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} failed: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int) -> None:
    _checked(_c_prctl(option, value, 0, 0, 0), f"prctl({option})")


def leave_session() -> None:
    """Do what does not depend on the orders: start a new session, and become the OOM killer's first choice."""
    os.setsid()
    _write(OWN_SCORE, b"1000")


def enter(orders: Orders) -> None:
    """Confine this process irrevocably.

    Raises:
        OSError: A step failed; the process must not run the program.
    """
    _WAYS[orders.confinement](orders)
    set_limits(orders.rlimits)
    if not orders.no_new_privileges:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if orders.seccomp:
        seccomp.enter()
    os.umask(0 if orders.working_folder else 0o022)
    os.chdir(orders.working_folder or orders.folder)


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)


def no_new_privileges() -> bool:
    """Return whether no_new_privs is set: neither this process nor its children can gain privileges on exec."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return any(line.split() == ["NoNewPrivs:", "1"] for line in file)


# A uid of its own


def _switch_uid(orders: Orders) -> None:
    uid = orders.uid
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # After a change of uid, the kernel hides /proc/self from the process itself, but multiprocessing and subprocess
    # need it.
    _prctl(_PR_SET_DUMPABLE, 1)


# Namespaces of its own


def _unshare(orders: Orders) -> None:
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
    kept = _files_in(orders.folder) if orders.private_folder else {}
    for folder in orders.writable:
        if folder != orders.folder or orders.private_folder:
            _mount_empty(folder)
    _checked(_c_mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None), "mounting /proc")
    _put_files(orders.folder, kept)
    _drop_capabilities()
    _prctl(_PR_SET_DUMPABLE, 0)  # the program has the same uid: keep it away from this process's descriptors
    program = os.fork()
    if program:
        _be_first_process(program, writing)
    _prctl(_PR_SET_DUMPABLE, 1)
    os.close(writing)
    os.setsid()


def _pass_on(first: int, reading: int) -> None:
    """Wait until the namespace ends, report processes that the program left, and end with the program's status."""
    os.waitpid(first, 0)
    status, left = map(int, (os.read(reading, 32) or b"%d 0" % signal.SIGKILL).split())
    if left:
        os.write(CHANNEL_FD, ANSWER.pack(Answer.LEFT_PROCESSES, 0))
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _be_first_process(program: int, writing: int) -> None:
    """Reap children until the program ends, pass its status on, and end. The kernel then kills all other processes."""
    os.closerange(0, writing)
    os.closerange(writing + 1, 4096)
    while True:
        pid, status = os.wait()
        if pid == program:
            os.write(writing, b"%d %d" % (status, _others_live()))
            os._exit(0)


def _others_live() -> bool:
    """Return whether this namespace has processes besides its init process."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        os.kill(-1, 0)
    except (ChildProcessError, ProcessLookupError):
        return False
    return True


def _mount_empty(folder: str) -> None:
    flags = _MS_NOSUID | _MS_NODEV
    options = b"size=%d,nr_inodes=%d,mode=0700" % (FOLDER_BYTES, FOLDER_INODES)
    _checked(_c_mount(b"tmpfs", folder.encode(), b"tmpfs", flags, options), f"mounting {folder}")


def _files_in(folder: str) -> dict[str, tuple[bytes, int]]:
    """Read all regular files under `folder`, with their permissions, by relative path."""
    files = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    files[os.path.relpath(path, folder)] = (file.read(), os.fstat(file.fileno()).st_mode & 0o755)
    return files


def _put_files(folder: str, files: dict[str, tuple[bytes, int]]) -> None:
    for name, (content, mode) in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)


def _drop_capabilities() -> None:
    """Drop all capabilities that the new user namespace granted, including for programs executed later."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _c_prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # this kernel has no more capabilities
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _checked(_c_capset(header, (ctypes.c_uint32 * 6)()), "capset")


_WAYS: dict[Confinement, Callable[[Orders], None]] = {
    Confinement.UIDS: _switch_uid,
    Confinement.NAMESPACES: _unshare,
}
