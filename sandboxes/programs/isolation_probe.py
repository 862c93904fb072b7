"""A submission that tests the walls of its box. `doctor` and the tests of every runner run it.

It prints one JSON object: for each claim, whether it holds and what was observed.
"""

import ctypes
import errno
import json
import os
import platform
import socket
from collections.abc import Callable

# Numbers from the kernel's asm/unistd.h: (x86_64, aarch64).
SYSTEM_CALLS = {
    "ptrace": (101, 117),
    "unshare": (272, 97),
    "mount": (165, 40),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "process_vm_readv": (310, 270),
}
AF_PACKET, AF_VSOCK = 17, 40
NETLINK_SOCK_DIAG = 4
PR_GET_NO_NEW_PRIVS = 39
KNOWN_VARIABLES = {
    "PATH", "HOME", "LANG", "LC_CTYPE", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "MALLOC_ARENA_MAX",
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
}  # fmt: skip

Seen = tuple[bool, str]
_libc = ctypes.CDLL(None, use_errno=True)
_column = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 0)
_first_of_its_world = os.getppid() == 1  # with its own namespaces, there are no other processes to inspect


def _refused(action: Callable[..., object], *arguments: object) -> Seen:
    try:
        return False, f"it worked: {action(*arguments)!r}"
    except OSError as error:
        return True, str(error)


def _no_call(name: str, *arguments: object) -> Seen:
    ctypes.set_errno(0)
    result = _libc.syscall(SYSTEM_CALLS[name][_column], *arguments)
    code = ctypes.get_errno()
    return result == -1 and code in (errno.EPERM, errno.ENOSYS), os.strerror(code) if code else f"it returned {result}"


def _status(line: str) -> Seen:
    with open("/proc/self/status", encoding="utf-8") as file:
        found = {text.split()[0]: text.split()[1] for text in file if len(text.split()) > 1}
    name, wanted = line.split()
    return found.get(name) == wanted, f"{name} {found.get(name)}"


def _all(*seen: Seen) -> Seen:
    return all(ok for ok, _ in seen), "; ".join(dict.fromkeys(detail for _, detail in seen))


def _only_loopback() -> Seen:
    names = [name for _, name in socket.if_nameindex()]
    return set(names) <= {"lo"}, f"interfaces: {names}"


def _processes() -> Seen:
    strangers = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (os.getpid(), os.getppid()):
            try:
                os.kill(int(name), 0)
                strangers.append(name)
            except OSError:
                pass
    return not strangers, f"processes that it could signal: {strangers}"


def _others_closed() -> Seen:
    opened = []
    for pid in (name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()):
        if _first_of_its_world and pid == "1":
            continue
        for what in ("mem", "environ", "maps", "syscall"):
            try:
                with open(f"/proc/{pid}/{what}", "rb") as file:
                    file.read(1)
                opened.append(f"{pid}/{what}")
            except OSError:
                pass
    return not opened, f"readable: {opened}"


def _environment() -> Seen:
    strange = sorted(set(os.environ) - KNOWN_VARIABLES)
    return not strange, f"unknown variables: {strange}"


def _descriptors() -> Seen:
    leading = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the one that listed them
        if target.startswith("/") and not target.startswith(("/proc/", "/box/")):
            leading[fd] = target
    return not leading, f"descriptors of files: {leading}"


def _writable_places() -> Seen:
    places = ("/", "/usr", "/etc", "/opt", "/var/tmp", "/run", "/dev", "/sys", "/home", "/root", "/opt/verifier")
    tried = [(place, _refused(open, f"{place}/probe", "w")[0]) for place in places]
    open_places = [place for place, closed in tried if not closed]
    return not open_places, f"writable: {open_places}"


CLAIMS: dict[str, Callable[[], Seen]] = {
    "it is not root": lambda: (os.getuid() != 0 and os.getgid() != 0, f"uid {os.getuid()}"),
    "it cannot become root": lambda: _refused(os.setuid, 0),
    "it has no Linux capabilities": lambda: _status("CapEff: 0000000000000000"),
    "it can gain no privileges": lambda: (_libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "PR_GET_NO_NEW_PRIVS"),
    "it is under a seccomp filter": lambda: _status("Seccomp: 2"),
    "only its own folders can be written": _writable_places,
    "kernel settings are closed": lambda: _refused(open, "/proc/sys/kernel/core_pattern", "w"),
    "no IPv4 address is reachable": lambda: _refused(socket.create_connection, ("1.1.1.1", 53), 1),
    "no IPv6 address is reachable": lambda: _refused(socket.create_connection, ("2606:4700:4700::1111", 53), 1),
    "the only network interface is the loopback": _only_loopback,
    "no virtual machine socket can be opened": lambda: _refused(socket.socket, AF_VSOCK, socket.SOCK_STREAM),
    "no packet socket can be opened": lambda: _refused(socket.socket, AF_PACKET, socket.SOCK_RAW),
    "no socket shows other sockets": lambda: _refused(
        socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG
    ),
    "no memory can be used as a file (memfd_create)": lambda: _refused(os.memfd_create, "probe"),
    "the Docker socket is out of reach": lambda: (not os.path.exists("/var/run/docker.sock"), "/var/run/docker.sock"),
    "no other process can be signalled": _processes,
    "no other process can be read": _others_closed,
    "no process can be traced": lambda: _no_call("ptrace", 16, os.getppid(), 0, 0),
    "no process's memory can be read": lambda: _no_call("process_vm_readv", os.getppid(), 0, 0, 0, 0, 0),
    "no namespace can be made": lambda: _no_call("unshare", 0x10000000),
    "nothing can be mounted": lambda: _no_call("mount", b"x", b"/tmp", b"tmpfs", 0, 0),
    "nothing stays in key rings": lambda: _no_call("keyctl", 0, -3, 0),
    "nothing stays in System V IPC": lambda: _all(
        _no_call("shmget", 1, 4096, 0o1600), _no_call("semget", 1, 1, 0o1600), _no_call("msgget", 1, 0o1600)
    ),
    "nothing stays in message queues": lambda: _no_call("mq_open", b"probe", 0o102, 0o600, 0),
    "no BPF, io_uring, userfaultfd or perf": lambda: _all(
        _no_call("bpf", 0, 0, 0),
        _no_call("io_uring_setup", 1, 0),
        _no_call("userfaultfd", 0),
        _no_call("perf_event_open", 0, 0, -1, -1, 0),
    ),
    "no terminal can be opened": lambda: _refused(open, "/dev/tty", "rb"),
    "nothing of the service is in the environment": _environment,
    "no descriptor leads to a file": _descriptors,
}


def main() -> None:
    """Test every claim. A claim that cannot be tested does not hold."""
    seen = {}
    for claim, attempt in CLAIMS.items():
        try:
            seen[claim] = attempt()
        except Exception as error:
            seen[claim] = (False, f"it could not be tried: {error!r}")
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
