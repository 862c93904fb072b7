"""Observe the usage of a program's processes: CPU time, memory, and how long they waited for a core.

Each look reads the kernel's accounts of every process. CPU time that was observed once is never lost, even if its
process vanishes without anybody waiting for it.
"""

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sandboxes.harness.limits import PAGE_BYTES
from sandboxes.protocol.constants import MIB

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CPU_CLOCK = 2  # in a clock id that is built from a pid: the CPU time of the process with all its threads
FORKED_AND_NOT_EXECUTED = 0x40  # PF_FORKNOEXEC of the kernel's linux/sched.h, in the flags of /proc/PID/stat
ROUNDED_S = 4 * TICK_S
"""How far the accounts of waiting processes, which are rounded to ticks, can lag behind in total."""


@dataclass(frozen=True)
class ProcessUsage:
    """The usage of one process at one moment.

    `waited_cpu_s` is the CPU time of children that it has waited for. `forked` says that it has not executed another
    program since it was forked, so it still shares its first pages. `yields` says that it has asked the kernel for a
    lower priority than others.
    """

    cpu_s: float
    waited_cpu_s: float
    resident_mb: float
    forked: bool
    yields: bool


@dataclass
class Usage:
    """The usage of a set of processes at one moment, including the children that they have waited for."""

    processes: dict[int, ProcessUsage]

    @property
    def cpu_s(self) -> float:
        return sum(one.cpu_s + one.waited_cpu_s for one in self.processes.values())

    @property
    def resident_mb(self) -> float:
        return sum(one.resident_mb for one in self.processes.values())

    def shared_mb(self, base_mb: float) -> float:
        """Return how many MiB of this can be pages that are counted more than once.

        A process that was forked from one of `base_mb` shares at most that much, and one that has executed another
        program shares nothing.
        """
        shares = sorted(min(base_mb, one.resident_mb) for one in self.processes.values() if one.forked)
        return sum(shares[:-1])


class CpuTally:
    """Adds up CPU time from look to look, so that it still counts after a process has vanished.

    If the parent waits for a process, its time moves to the parent's account, possibly one look later and rounded to
    ticks. But if the parent ignores SIGCHLD, the kernel drops it. This class keeps such time.
    """

    def __init__(self) -> None:
        self.lost_s = 0.0
        self._last: dict[int, ProcessUsage] = {}
        self._missing_s = 0.0

    def add(self, usage: Usage) -> bool:
        """Add the next look. Return whether CPU time has vanished since the previous one."""
        now, before = usage.processes, self._last
        self._last = now
        gone_s = sum(one.cpu_s + one.waited_cpu_s for pid, one in before.items() if pid not in now)
        waited_s = sum(one.waited_cpu_s - before[pid].waited_cpu_s for pid, one in now.items() if pid in before)
        missing_s = max(0.0, self._missing_s + gone_s - waited_s)
        sure_s, self._missing_s = min(missing_s, self._missing_s), missing_s
        self.lost_s = max(self.lost_s, sure_s - ROUNDED_S)
        return gone_s > waited_s


def cpu_clock_s(pid: int) -> float | None:
    """Return the CPU seconds of one process with all its threads, with nanosecond precision; None if it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | CPU_CLOCK)
    except OSError:
        return None


def read_usage(pids: Collection[int]) -> Usage:
    """Return the usage of these processes, without those that have ended in the meantime."""
    found: dict[int, ProcessUsage] = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat", "rb") as file:
            found[pid] = _process_usage(pid, file.read())
    return Usage(found)


def _process_usage(pid: int, stat: bytes) -> ProcessUsage:
    fields = stat.rpartition(b")")[2].split()  # from the third one of proc(5) on
    flags, ticks, waited_ticks = int(fields[6]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    precise_s = cpu_clock_s(pid)
    return ProcessUsage(
        cpu_s=ticks * TICK_S if precise_s is None else precise_s,
        waited_cpu_s=waited_ticks * TICK_S,
        resident_mb=int(fields[21]) * PAGE_BYTES / MIB,
        forked=bool(flags & FORKED_AND_NOT_EXECUTED),
        yields=_yields(fields),
    )


def _yields(fields: Sequence[bytes]) -> bool:
    return int(fields[16]) > 0 or (len(fields) > 38 and int(fields[38]) != 0)  # its nice value; its policy


def proportional_mb(pids: Collection[int]) -> dict[int, float]:
    """Return each process's proportional memory (PSS) in MiB, in which a page shared by n processes counts 1/n.

    Processes that are not dumpable are omitted. This is slow, and needs the right to inspect these processes.
    """
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            found[pid] = next(int(line.split()[1]) / 1024 for line in file if line.startswith(b"Pss:"))
    return found


class InLine(NamedTuple):
    """How long a thread has run, and how long it was runnable but had to wait for a core."""

    run_s: float
    waited_s: float


def in_line(pids: Iterable[int]) -> dict[int, InLine]:
    """Return this for every thread of these processes, except those with a lowered priority."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    if (seen := _in_line(f"/proc/{pid}/task/{thread}")) is not None:
                        found[int(thread)] = seen
    return found


def _in_line(folder: str) -> InLine | None:
    with open(f"{folder}/stat", "rb") as file:
        if _yields(file.read().rpartition(b")")[2].split()):
            return None
    with open(f"{folder}/schedstat", "rb") as file:
        run_ns, waited_ns = map(int, file.read().split()[:2])
    return InLine(run_ns / 1e9, waited_ns / 1e9)


def kept_waiting_s(now: Mapping[int, InLine], before: Mapping[int, InLine], cpu_s: float) -> float:
    """Return how many seconds other programs have kept a program's threads from running since `before`.

    While a thread waited, another thread of the same program might have had the core. So the CPU time of the program's
    other threads is subtracted from the waiting time.

    Args:
        now: The threads now.
        before: The threads at the previous look.
        cpu_s: The program's CPU seconds since then.
    """
    longest_s = 0.0
    for thread, seen in now.items():
        base = before.get(thread, InLine(0.0, 0.0))
        run_s, waited_s = seen.run_s - base.run_s, seen.waited_s - base.waited_s
        longest_s = max(longest_s, waited_s - max(0.0, cpu_s - run_s))
    return longest_s
