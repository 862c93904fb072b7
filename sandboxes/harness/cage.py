"""The cage: how a process that was forked for a program is cut off from everything else in the box.

`uids`: the supervisor is root with the capabilities to change uid and to kill; every process gets a uid that was never
used before in this box, so the kernel keeps it from every other one. Used in containers.

What a cage cannot do it raises as OSError, and the program does not start: there is no running without one.
"""

import ctypes
import os
from typing import Any

from sandboxes.harness.limits import set_limits

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def enter(spec: dict[str, Any]) -> None:
    """Confine this process for good; see `program.Program` for what `spec` holds.

    Raises:
        OSError: a wall could not be put up.
    """
    os.setsid()
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    set_limits([tuple(pair) for pair in spec["rlimits"]])
    _CAGES[spec["cage"]](spec)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o022)
    os.chdir(spec["folder"])


def _switch_uid(spec: dict[str, Any]) -> None:
    uid = spec["uid"]
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # A change of uid hides /proc/self from its own process, and multiprocessing and subprocess look there.
    _prctl(_PR_SET_DUMPABLE, 1)


_CAGES = {"uids": _switch_uid}
