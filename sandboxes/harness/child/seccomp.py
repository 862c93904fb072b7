"""A seccomp filter for programs, used if the container engine does not set one.

It refuses system calls that leave something behind (keys, System V IPC, message queues), inspect other processes,
create namespaces or mounts, or have a history of vulnerabilities. In containers, `seccomp.json` does the same with a
list of allowed calls, which is stricter. This filter has a list of denied calls instead, because an allow list would
need a table of all system calls for each machine.
"""

import ctypes
import errno
import os
from struct import pack

# Numbers from the kernel's asm/unistd.h: (x86_64, aarch64).
_DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "memfd_secret": (447, 447),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "mbind": (237, 235), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "acct": (163, 89), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET, _MEMFD_CREATE = (56, 220), (435, 435), (41, 198), (319, 279)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH of linux/audit.h
_FAMILIES = (1, 2, 10)  # unix, IPv4, IPv6; others, above all vsock, can reach beyond a network namespace
_NETLINK, _ROUTES = 16, 0  # getaddrinfo needs this protocol to list interfaces; others of netlink expose sockets
_NEW_NAMESPACES = 0x7E020000
_X32_BIT = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT, _THIRD_ARGUMENT_AT = 0, 4, 16, 32
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _refusing(number: int, code: int = errno.EPERM) -> list[bytes]:
    return [_step(_EQUAL, number, 0, 1), _step(_RETURN, _REFUSE | code)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return pack("=HBBI", code, if_true, if_false, value)


def build(machine: str) -> bytes:
    """Return the filter for a machine as classic BPF, see seccomp(2).

    Raises:
        OSError: The system calls of this machine are not known here.
    """
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"there is no seccomp filter for {machine}")
    column, arch = _MACHINES[machine]
    steps = [
        _step(_LOAD, _ARCH_AT),
        _step(_EQUAL, arch, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_AT_LEAST, _X32_BIT, 0, 1),
        _step(_RETURN, _REFUSE | errno.ENOSYS),
    ]
    for numbers in _DENIED.values():
        steps += _refusing(numbers[column])
    # clone3 passes its flags in memory, which a filter cannot read. ENOSYS makes the C library fall back to clone.
    steps += _refusing(_CLONE3[column], errno.ENOSYS)
    steps += _refusing(_MEMFD_CREATE[column], errno.ENOSYS)  # no process's account would include its memory
    steps += [
        _step(_EQUAL, _CLONE[column], 0, 3),
        _step(_LOAD, _FIRST_ARGUMENT_AT),
        _step(_ANY_BIT, _NEW_NAMESPACES, 0, 2),
        _step(_RETURN, _REFUSE | errno.EPERM),
        _step(_EQUAL, _SOCKET[column], 1, 0),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _FIRST_ARGUMENT_AT),
    ]
    for index, family in enumerate(_FAMILIES):
        steps.append(_step(_EQUAL, family, len(_FAMILIES) - index + 3, 0))
    steps += [
        _step(_EQUAL, _NETLINK, 0, 2),
        _step(_LOAD, _THIRD_ARGUMENT_AT),
        _step(_EQUAL, _ROUTES, 1, 0),
        _step(_RETURN, _REFUSE | errno.EAFNOSUPPORT),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


_filter = build(os.uname().machine) if os.uname().machine in _MACHINES else b""
_c_prctl = ctypes.CDLL(None, use_errno=True).prctl


def enter() -> None:
    """Install the filter irrevocably, for this process and its children. `no_new_privs` must be set.

    Raises:
        OSError: The kernel refused it, or the machine is not known.
    """
    if not _filter:
        build(os.uname().machine)
    program = _Program(len(_filter) // 8, _filter)
    if _c_prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the seccomp filter was refused")
