"""Measure what one process of a job, with everything it started, has used since its test began.

There are two sources. The kernel's account of the whole box misses nothing; the usage of other processes in the box is
subtracted from it. Without such an account, the processes are observed from look to look. Short tests end before the
first look.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sandboxes.harness.limits import ProcessLimits
from sandboxes.harness.usage import (
    CpuTally,
    InLine,
    Usage,
    cpu_clock_s,
    in_line,
    kept_waiting_s,
    read_usage,
)

ACCOUNTS_DIFFER_S = 0.02
"""If the box's account differs by more than this from the sum of the processes, the box's account counts."""

LOSING_LOOKS = 40
"""After CPU time has vanished, more is expected to vanish for this many looks."""


def _unknown() -> None:
    return None


@dataclass(frozen=True)
class BoxView:
    """The box's view of everything in it, except its own processes and the job's other processes."""

    cpu_s: Callable[[], float | None] = _unknown
    memory_mb: Callable[[], float | None] = _unknown
    proportional_mb: Callable[[Collection[int]], dict[int, float]] = lambda pids: {}


class Meter:
    """The usage of one process. `pid` is 0 until it is known."""

    def __init__(self, limits: ProcessLimits, box: BoxView) -> None:
        self.pid = 0
        self.lister: Callable[[], Sequence[int]] = lambda: (self.pid,)
        self.peak_mb = limits.base_mb
        self._losing_looks = 0
        self._limits = limits
        self._box = box
        self._tally = CpuTally()
        self._seen_s = 0.0
        self._main_base_s = 0.0
        self._seen_base_s: float | None = 0.0
        self._yielding: set[int] = set()
        self._in_line: Mapping[int, InLine] | None = {}
        self._in_line_at_s = 0.0
        self._kept_waiting_s = 0.0
        self._box_base_s = box.cpu_s()

    def rebase(self, precisely: bool) -> None:
        """Make the current usage the base of the next test.

        The base of the main process comes from its CPU clock. With `precisely`, another look at all processes
        determines the other bases as well. Otherwise they are computed at the first look of the next test, from what
        the main process has used by then; that is much cheaper for short tests.
        """
        if precisely:
            self.look()
        self._main_base_s = self.main_s()
        self._seen_base_s = self._seen_s if precisely else None
        self._box_base_s = self._box.cpu_s() if precisely else None
        self._in_line = None
        self._kept_waiting_s = 0.0

    # CPU time

    @property
    def is_losing(self) -> bool:
        """Whether CPU time has recently vanished with processes that nobody waited for, so looks should be frequent."""
        return self._losing_looks > 0

    def main_s(self) -> float:
        """Return the main process's CPU seconds since it was forked."""
        if self.pid == 0:
            return 0.0
        seen_s = cpu_clock_s(self.pid)
        return self._main_base_s if seen_s is None else seen_s  # None: it has just ended

    def main_test_s(self) -> float:
        """Return the main process's CPU seconds in this test."""
        return max(0.0, self.main_s() - self._main_base_s)

    def look(self) -> Usage:
        """Look at all processes."""
        usage = read_usage(self.lister())
        self._losing_looks = LOSING_LOOKS if self._tally.add(usage) else max(0, self._losing_looks - 1)
        self._seen_s = max(self._seen_s, usage.cpu_s + self._tally.lost_s, self.main_s())
        self._yielding.update(pid for pid, one in usage.processes.items() if one.yields)
        if self._seen_base_s is None:
            self._seen_base_s = self._seen_s - self.main_test_s()
        if self._box_base_s is None and (box_s := self._box.cpu_s()) is not None:
            self._box_base_s = box_s - (self._seen_s - self._seen_base_s)
        self._look_at_lines(usage)
        return usage

    def _look_at_lines(self, usage: Usage) -> None:
        """Add up over the looks how long other processes have kept these from running."""
        before, before_s = self._in_line, self._in_line_at_s
        self._in_line = in_line(pid for pid in usage.processes if pid not in self._yielding)
        self._in_line_at_s = self.test_s()
        if before is not None:
            self._kept_waiting_s += kept_waiting_s(self._in_line, before, self._in_line_at_s - before_s)

    def test_s(self) -> float:
        """Return the test's CPU seconds up to the last look."""
        return self._settled(self._seen_s)

    def end_s(self, main_s: float, orphans_s: float = 0.0) -> float:
        """Return the test's CPU seconds after all its processes have ended.

        Args:
            main_s: CPU seconds of the main process and the children it waited for.
            orphans_s: CPU seconds of processes that nobody in the job waited for.
        """
        return self._settled(max(main_s + orphans_s + self._tally.lost_s, self._seen_s))

    def _settled(self, seen_s: float) -> float:
        """Return the test's CPU seconds, given `seen_s` for all processes since the main one was forked."""
        seen_s -= self._main_base_s if self._seen_base_s is None else self._seen_base_s
        box_s = self._box.cpu_s() if self._box_base_s is not None else None
        if box_s is not None and self._box_base_s is not None:
            box_s -= self._box_base_s
            if abs(box_s - seen_s) > ACCOUNTS_DIFFER_S:
                return max(0.0, box_s)
        return max(0.0, seen_s)

    def kept_waiting_s(self) -> float:
        """Return how many seconds of this test other processes have kept it from running, by the kernel's accounts."""
        return self._kept_waiting_s

    # Memory

    def memory_mb(self, usage: Usage) -> float:
        """Return the processes' memory in MiB beyond what the main process started with, and update the peak."""
        base_mb, limit_mb = self._limits.base_mb, self._limits.memory_mb
        all_mb = usage.resident_mb - base_mb
        own_mb = all_mb - usage.shared_mb(base_mb)
        held_mb = self._box.memory_mb()
        if held_mb is not None:
            own_mb = held_mb if len(usage.processes) > 1 else max(all_mb, held_mb)
        elif all_mb > limit_mb and len(usage.processes) > 1:
            own_mb = self._proportional_mb(usage) - base_mb
        self.peak_mb = max(self.peak_mb, base_mb + own_mb)
        return own_mb

    def _proportional_mb(self, usage: Usage) -> float:
        shares = self._box.proportional_mb(usage.processes)
        return sum(shares.get(pid, one.resident_mb) for pid, one in usage.processes.items())
