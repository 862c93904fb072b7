"""Measure what a service and its boxes use, from /proc, their control groups, and the Docker daemon.

Only the service under test counts: its own process tree, and the containers with its label. Reading other users'
processes needs root.
"""

import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier_service.runners.docker import OWNER_LABEL

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CPU_CLOCK = 2
CGROUPS = Path("/sys/fs/cgroup")
PARTS = ("service", "math workers", "docker hop", "supervisor, zygotes", "programs")
"""Where CPU time goes. `docker hop` is the daemon and the boxes' shims; `programs` is what a box started and ended."""


@dataclass(frozen=True)
class Process:
    """One process at one moment; times are CPU seconds."""

    pid: int
    parent: int
    name: str
    command: str
    own_s: float
    reaped_s: float


@dataclass(frozen=True)
class Footprint:
    """The resources of a service: MiB (PSS, which divides a page among the processes that share it) and counts."""

    service_mb: float
    math_workers_mb: float
    boxes_mb: float
    descriptors: int
    processes: int
    containers: int


@dataclass(frozen=True)
class _Boxes:
    """The boxes of one service: ids of containers, and all processes in boxes."""

    containers: list[str] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    first_pids: list[int] = field(default_factory=list)


def parse_stat(text: str, command: str = "") -> Process:
    """Read a line of /proc/PID/stat, whose name can contain spaces and brackets."""
    pid, _, rest = text.partition(" (")
    name, _, numbers = rest.rpartition(")")
    fields = numbers.split()
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return Process(int(pid), int(fields[1]), name, command, own / TICKS_PER_S, reaped / TICKS_PER_S)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a living process to the nanosecond; /proc/PID/stat only has hundredths.

    The clock of a process is numbered as `clock_getcpuclockid` of the C library numbers it.

    Raises:
        OSError: There is no such process.
    """
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


def all_processes() -> dict[int, Process]:
    """Return all current processes."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                process = parse_stat((folder / "stat").read_text(errors="replace"), command)
                process = replace(process, own_s=cpu_s(process.pid))
            except OSError:
                continue
            found[process.pid] = process
    return found


def below(root: int, table: dict[int, Process]) -> list[int]:
    """Return `root` and all its descendants."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def containers_of(service_pid: int) -> list[str]:
    """Return the ids of the running containers that belong to a service."""
    command = ["docker", "ps", "--no-trunc", "--format", f'{{{{.ID}}}} {{{{.Label "{OWNER_LABEL}"}}}}']
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except FileNotFoundError:
        return []
    owned = [line.split() for line in lines]
    return [one[0] for one in owned if len(one) == 2 and one[1].split(":")[2:3] == [str(service_pid)]]


def cpu_parts(service_pid: int) -> dict[str, float]:
    """Return the CPU seconds that each of `PARTS` has used so far, and in `machine` the busy time of all cores."""
    table = all_processes()
    tree = below(service_pid, table)
    boxes = _boxes(tree, table, service_pid)
    helpers = [table[pid] for pid in tree if pid in table and pid != service_pid and pid not in boxes.pids]
    inside = [table[pid] for pid in boxes.pids if pid in table]
    living_s = sum(one.own_s for one in inside)
    if boxes.containers:
        programs_s = sum(map(_cgroup_cpu_s, boxes.first_pids)) - living_s
    else:
        programs_s = sum(one.reaped_s for one in inside)
    service = table.get(service_pid)
    return {
        "service": service.own_s if service else 0.0,
        "math workers": sum(one.own_s for one in helpers),
        "docker hop": sum(one.own_s for one in table.values() if _carries(one, boxes.containers)),
        "supervisor, zygotes": living_s,
        "programs": programs_s,
        "machine": _machine_busy_s(),
    }


def tree_cpu_s(root: int) -> dict[str, float]:
    """Return the CPU seconds of a service that runs programs as its own children."""
    table = all_processes()
    tree = [table[pid] for pid in below(root, table) if pid in table]
    return {"service": table[root].own_s, "programs": sum(one.reaped_s for one in tree)}


def footprint(service_pid: int) -> Footprint:
    """Return the current resources of a service."""
    table = all_processes()
    tree = below(service_pid, table)
    boxes = _boxes(tree, table, service_pid)
    own = set(tree) - boxes.pids
    return Footprint(
        service_mb=round(_pss_mb(service_pid), 1),
        math_workers_mb=round(sum(map(_pss_mb, own - {service_pid})), 1),
        boxes_mb=round(sum(map(_pss_mb, boxes.pids)), 1),
        descriptors=sum(map(_descriptors, own | boxes.pids)),
        processes=len(own | boxes.pids),
        containers=len(boxes.containers),
    )


def hold_to_cores(service_pid: int, cores: Iterable[int]) -> None:
    """Limit a service and its boxes to these cores."""
    table, wanted = all_processes(), set(cores)
    boxes = _boxes(below(service_pid, table), table, service_pid)
    for pid in {*below(service_pid, table), *boxes.pids}:
        for thread in _threads(pid):
            os.sched_setaffinity(thread, wanted)
    cpuset = ",".join(map(str, sorted(wanted)))
    for container in boxes.containers:
        subprocess.run(["docker", "update", "--cpuset-cpus", cpuset, container], stdout=subprocess.DEVNULL, check=True)


def _boxes(tree: list[int], table: dict[int, Process], service_pid: int) -> _Boxes:
    """Find a service's boxes: its containers, or those of its descendants that run the harness."""
    containers = containers_of(service_pid)
    if containers:
        command = ["docker", "inspect", "-f", "{{.State.Pid}}", *containers]
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        first_pids = [int(line) for line in output.split() if line != "0"]
        return _Boxes(containers, {pid for first in first_pids for pid in _cgroup_pids(first)}, first_pids)
    outermost = [pid for pid in tree[1:] if pid in table and "sandboxes.harness" in table[pid].command]
    return _Boxes(pids={pid for one in outermost for pid in below(one, table)})


def _cgroup_folder(pid: int) -> Path | None:
    """Return where the kernel accounts for the CPU of a process's control group (cgroup v1, else v2)."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if "cpuacct" in controllers.split(","):
            return CGROUPS / controllers / path.lstrip("/")
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if not controllers:
            return CGROUPS / path.lstrip("/")
    return None


def _cgroup_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a control group, including processes that have ended."""
    try:
        folder = _cgroup_folder(pid)
        if folder is None:
            return 0.0
        if (folder / "cpuacct.usage").exists():
            return int((folder / "cpuacct.usage").read_text()) / 1e9
        return int((folder / "cpu.stat").read_text().split()[1]) / 1e6
    except OSError:
        return 0.0


def _cgroup_pids(pid: int) -> list[int]:
    try:
        folder = _cgroup_folder(pid)
        files = [] if folder is None else folder.rglob("cgroup.procs")
        return [int(line) for file in files for line in file.read_text().split()]
    except OSError:
        return []


def _carries(process: Process, containers: list[str]) -> bool:
    """Return whether a process carries bytes between service and boxes: the daemon, or the shim of a box."""
    if not containers:
        return False
    words = process.command.split()
    if process.name.startswith("containerd-shim"):
        return any(word in containers for word in words)
    return process.name in ("dockerd", "containerd")


def _machine_busy_s() -> float:
    """Return the busy seconds of all cores together."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICKS_PER_S


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []
