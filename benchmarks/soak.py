"""Does the service still use the same memory after a long day?

    python -m benchmarks.soak                  # 20,000 submissions; writes runs/benchmarks/soak.json and .md
    python -m benchmarks.soak --count 1024     # a short try

First it measures a single box, idle and after its first job of each kind. Then it sends batches through HTTP, with
every kind of test, right and wrong, a tenth of them hostile, and measures the service and its boxes after a warm-up, in
between and at the end. The exit code is 1 if memory has grown too much since the warm-up, or if any verdict is wrong.
Memory is PSS, which counts a shared page only once; reading it needs root. Samples are taken when the boxes are idle.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import workloads
from benchmarks.figures import Better, Figure, Unit, figure, slug
from benchmarks.processes import Footprint, footprint
from benchmarks.results import Table, console, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Kind, Submission, fresh

SAMPLES = 20
SETTLE_S = 2.0
MORE_MEMORY = 1.1
MORE_THINGS = 5
"""The growth allowed after the warm-up: a tenth of the memory, and a few of everything that is counted."""
OF_A_BOX = {"processes": 8, "descriptors": 32}
"""Fluctuations while a box is replaced: a new one does not have all of its processes yet."""
LIMITS = {"time_limit_s": 0.5, "memory_limit_mb": 64, "output_limit_kb": 64}
HOSTILE: tuple[tuple[str, str], ...] = (
    ("import subprocess; subprocess.Popen(['sleep', '60'])", "accepted"),
    ("import os\nif os.fork() == 0:\n    os.setsid()\n    import time; time.sleep(60)", "accepted"),
    ("open('/tmp/left', 'w').write('x' * 100000)", "accepted"),
    ("import multiprocessing.shared_memory as m; m.SharedMemory(create=True, size=100000)", "accepted"),
    ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "time_limit_exceeded"),
    ("while True: pass", "time_limit_exceeded"),
    ("held = []\nwhile True: held.append(bytearray(1 << 20))", "memory_limit_exceeded"),
    ("while True: print('y' * 1000)", "output_limit_exceeded"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "runtime_error"),
    ("import os; os._exit(3)", "runtime_error"),
)
"""Programs that try to break or outlive their box, with their verdicts if no output is expected."""
OTHERWISE = {"time_limit_exceeded": {"memory_limit_exceeded"}}
"""Other verdicts that are right: it is a matter of luck which of two limits a fork bomb exceeds first."""
SHARES: tuple[tuple[Kind, int, str], ...] = (
    (workloads.call, 80, "accepted"),
    (workloads.stdio, 60, "accepted"),
    (workloads.math, 60, "accepted"),
    (workloads.asserted, 16, "accepted"),
    (workloads.asserted_wrong, 12, "wrong_answer"),
    (workloads.through_tester, 12, "accepted"),
    (workloads.with_fixture, 10, "accepted"),
)
ROUNDS_OF_HOSTILE = 3


def mixed_batch() -> tuple[list[Submission], list[str]]:
    """Return one batch of every kind, about a tenth of it hostile, and the expected verdicts."""
    batch = [(one, verdict) for kind, count, verdict in SHARES for one in fresh(kind, count)]
    hostile = [(workloads.program(text, "", **LIMITS), verdict) for text, verdict in HOSTILE * ROUNDS_OF_HOSTILE]
    for n, (one, _) in enumerate(hostile):
        one["completion"] += f"\n# {n}"  # identical programs would run only once
    submissions, verdicts = zip(*batch, *hostile, strict=True)
    return list(submissions), list(verdicts)


def boxes_alone() -> dict[str, Footprint]:
    """Return the resources of a service with a single box, idle and after its first job of each kind in turn."""
    kinds = {
        "call": workloads.call,
        "stdio": workloads.stdio,
        "assert through a tester": workloads.through_tester,
        "pytest with a fixture": workloads.with_fixture,
    }
    with running(boxes="1") as service:
        time.sleep(SETTLE_S)
        found = {"idle": footprint(service.pid)}
        for name, kind in track(list(kinds.items()), "one box"):
            service.seconds(fresh(kind, 1))
            time.sleep(SETTLE_S)
            found[f"after {name}"] = footprint(service.pid)
    return found


def soak(service: Service, batches: int) -> list[tuple[int, Footprint, float]]:
    """Send this many batches; return samples: submissions so far, resources, and median seconds per batch.

    Raises:
        SystemExit: A submission is lost, or its verdict is wrong.
    """
    samples, seconds = [], []
    every = max(1, batches // SAMPLES)
    if "cpp" in service.languages:
        service.seconds(fresh(workloads.cpp, 1))
    for n in track(range(1, batches + 1), "batches"):
        started = time.perf_counter()
        batch, verdicts = mixed_batch()
        results = service.verify(batch)
        seconds.append(time.perf_counter() - started)
        for submission, verdict, result in zip(batch, verdicts, results, strict=True):
            if result["verdict"] not in {verdict, *OTHERWISE.get(verdict, set())}:
                raise SystemExit(f"not {verdict}: {submission}: {result}")
        if n % every == 0 or n == batches:
            time.sleep(SETTLE_S)
            samples.append((n * len(results), footprint(service.pid), statistics.median(seconds)))
            seconds = []
    return samples


def grown(warm: Sequence[Footprint], end: Footprint) -> list[str]:
    """Name the resources that exceed, at the end, what the maximum during the warm-up allows."""
    before, after = {name: max(getattr(one, name) for one in warm) for name in asdict(end)}, asdict(end)
    allowed = {
        name: value * MORE_MEMORY + MORE_THINGS if name.endswith("_mb") else value + OF_A_BOX.get(name, MORE_THINGS)
        for name, value in before.items()
    }
    allowed["containers"] = before["containers"]
    return [f"{name} from {before[name]} to {after[name]}" for name in before if after[name] > allowed[name]]


def row_of(name: str, held: Footprint) -> list[str]:
    """Return one row of the table."""
    counts = [held.descriptors, held.processes, held.containers]
    return [name, f"{held.service_mb:.1f}", f"{held.math_workers_mb:.1f}", f"{held.boxes_mb:.1f}", *map(str, counts)]


def figures_of(
    alone: dict[str, Footprint], warm: Sequence[Footprint], end: Footprint, grown_names: list[str]
) -> list[Figure]:
    """Return the resources of a box and of the service, and how many of them grew."""
    found = [
        figure(f"soak/one_box/{slug(name)}_mib", f"one box, {name}", held.boxes_mb, Unit.MIB, Better.LOWER)
        for name, held in alone.items()
    ]
    service = [one.service_mb for one in warm]
    times = end.service_mb / max(service)
    return [
        *found,
        figure("soak/service/start_mib", "the service at the start", service[0], Unit.MIB, Better.LOWER),
        figure("soak/service/end_mib", "the service at the end", end.service_mb, Unit.MIB, Better.LOWER),
        figure("soak/math_workers/end_mib", "math workers at the end", end.math_workers_mb, Unit.MIB, Better.LOWER),
        figure("soak/service/end_to_warm", "the service: end, of warmed up", times, Unit.TIMES, Better.LOWER),
        figure("soak/grown", "kinds of things that grew", len(grown_names), Unit.COUNT, Better.LOWER),
    ]


def main() -> None:
    """Measure, then print and write the results. The exit code is 1 if anything has grown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="submissions (default 20,000)")
    options = parser.parse_args()
    about = machine()
    columns = ["service, MiB PSS", "math workers", "boxes", "descriptors", "processes", "containers"]
    size = len(mixed_batch()[0])
    alone = boxes_alone()
    with running() as service:
        started = footprint(service.pid)
        samples = soak(service, max(3, -(-options.count // size)))
    warm, end = [started, *(held for _, held, _ in samples[: max(1, len(samples) // 2)])], samples[-1][1]
    box = Table("One box", ["", *columns], [row_of(name, held) for name, held in alone.items()])
    long = Table(f"{samples[-1][0]} mixed submissions", ["after", *columns, "seconds per batch"])
    long.add(*row_of("the start", started), "")
    for done, held, batch_s in samples:
        long.add(*row_of(f"{done}", held), f"{batch_s:.2f}")
    data: dict[str, Any] = {
        "one_box": {name: asdict(held) for name, held in alone.items()},
        "start": asdict(started),
        "samples": [{"submissions": done, "batch_s": batch_s, **asdict(held)} for done, held, batch_s in samples],
        "grown": grown(warm, end),
    }
    save("soak", about, data, [box, long], figures_of(alone, warm, end, data["grown"]))
    console.print("[red]grown: " + "; ".join(data["grown"]) if data["grown"] else "[green]nothing has grown")
    sys.exit(bool(data["grown"]))


if __name__ == "__main__":
    main()
