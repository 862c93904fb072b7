"""Observed CPU time is never lost, waiting counts only if others caused it, and shared pages count once."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from sandboxes.harness.usage import CpuTally, InLine, ProcessUsage, Usage, in_line, kept_waiting_s, read_usage

IDLE = ProcessUsage(cpu_s=0.0, waited_cpu_s=0.0, resident_mb=2.0, forked=True, yields=False)


def lost_s(*looks: dict[int, tuple[float, float]]) -> float:
    """Return the lost CPU time after looks that map pids to their own CPU time and that of children waited for."""
    tally = CpuTally()
    for look in looks:
        tally.add(Usage({pid: replace(IDLE, cpu_s=own, waited_cpu_s=waited) for pid, (own, waited) in look.items()}))
    return round(tally.lost_s, 2)


@pytest.mark.parametrize(
    ("looks", "lost"),
    [
        pytest.param([{1: (0, 0), 2: (0.5, 0)}, {1: (0, 0.5)}, {1: (0, 0.5)}], 0.0, id="waited for"),
        pytest.param([{1: (0, 0), 2: (0.5, 0)}, {1: (0, 0)}, {1: (0, 0.5)}], 0.0, id="waited for, and seen later"),
        pytest.param([{1: (0, 0), 2: (0.5, 0)}, {1: (0, 0.48)}, {1: (0, 0.48)}], 0.0, id="waited for, rounded"),
        pytest.param([{1: (0, 0), 2: (0.5, 0)}, {1: (0, 0)}, {1: (0, 0)}], 0.46, id="nobody waited"),
        pytest.param([{1: (0, 0), 2: (0, 0.5)}, {1: (0, 0)}, {1: (0, 0)}], 0.46, id="with children of its own"),
        pytest.param(
            [{1: (0, 0), 2: (0.5, 0)}, {1: (0, 0), 3: (0.5, 0)}, {1: (0, 0)}, {1: (0, 0)}],
            0.96,
            id="one after the other",
        ),
    ],
)
def test_cpu_time_that_vanished_counts_once(looks: list[dict[int, tuple[float, float]]], lost: float) -> None:
    assert lost_s(*looks) == lost


@pytest.mark.parametrize(
    ("now", "cpu_s", "kept_s"),
    [
        pytest.param({1: InLine(1.0, 3.0)}, 1.0, 3.0, id="others had the core"),
        pytest.param({1: InLine(1.0, 3.0), 2: InLine(3.0, 1.0)}, 4.0, 0.0, id="its own had the core"),
        pytest.param({1: InLine(0.5, 3.0), 2: InLine(1.0, 0.0)}, 1.5, 2.0, id="both"),
        pytest.param({1: InLine(0.0, 3.0)}, 3.0, 0.0, id="children that have vanished had it"),
        pytest.param({}, 0.0, 0.0, id="nobody waits"),
    ],
)
def test_waiting_counts_as_far_as_others_caused_it(now: dict[int, InLine], cpu_s: float, kept_s: float) -> None:
    assert kept_waiting_s(now, {}, cpu_s) == kept_s


def test_what_was_waited_before_does_not_count_again() -> None:
    assert kept_waiting_s({1: InLine(2.0, 5.0)}, {1: InLine(1.5, 4.0)}, 0.5) == 1.0


@pytest.mark.parametrize(
    ("policy", "stands"),
    [("", True), ("os.nice(5)", False), ("os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))", False)],
)
def test_who_gives_way_to_others_does_not_stand_in_line(policy: str, stands: bool) -> None:
    source = f"import os, sys\n{policy}\nprint(1, flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = read_usage([process.pid]).processes[process.pid]
        assert (process.pid in in_line([process.pid]), not seen.yields) == (stands, stands)


def test_a_process_that_executed_another_program_shares_no_pages() -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    with subprocess.Popen(["sleep", "60"]) as executed:
        seen = read_usage([pid, executed.pid]).processes
        executed.kill()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert [seen[pid].forked, seen[executed.pid].forked] == [True, False]


def test_a_forked_process_is_credited_what_it_began_with_and_no_more() -> None:
    sizes = {1: (90.0, True), 2: (20.0, True), 3: (5.0, True), 4: (30.0, False)}
    usage = Usage({pid: replace(IDLE, resident_mb=mb, forked=forked) for pid, (mb, forked) in sizes.items()})
    assert (usage.resident_mb, usage.shared_mb(15.0)) == (145.0, 15.0 + 5.0)
