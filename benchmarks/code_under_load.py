"""Do verdicts stay the same when the machine is busy?

    python -m benchmarks.code_under_load                 # all of it; runs/benchmarks/code_under_load.json and .md
    python -m benchmarks.code_under_load crowd           # 512 correct programs at once, 0.5 CPU-s each, limit 2 s
    python -m benchmarks.code_under_load eightfold       # a mixed batch from one client, then from eight at once
    python -m benchmarks.code_under_load mixed           # a mixed batch five times alone, five times with busy cores

It starts its own service, and exits with 1 if a claim does not hold. The programs of the mixed batch have seven
different verdicts, and some of them use seven tenths of a limit.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.figures import Better, Figure, Unit, figure, number
from benchmarks.results import Table, console, machine, save
from benchmarks.service import Service, running
from benchmarks.workloads import Submission, call, program

CORES = os.cpu_count() or 1
CROWD_CPU_S = 0.5
CLIENTS = 8
APART = 100
"""The offset between the numbers of different clients' programs, so that no program is sent twice."""

BURN = """
import time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return {n}
"""


@dataclass(frozen=True)
class Size:
    """The sizes: programs of the crowd, programs of each kind in a mixed batch, and its repeats."""

    crowd: int
    each: int
    repeats: int


def burning(n: int, cpu_s: float, limit_s: float) -> Submission:
    """Return a submission that uses `cpu_s` seconds of CPU and returns `n`."""
    tests = {"kind": "call", "entry_point": "burn", "cases": [{"args": [cpu_s], "expected": n}]}
    return {"kind": "code", "completion": BURN.format(n=n), "tests": tests, "limits": {"time_limit_s": limit_s}}


def crowd(service: Service, size: Size) -> list[Figure]:
    """Check that many correct programs at once are all accepted, no matter how long they wait for a core."""
    submissions = [burning(n, CROWD_CPU_S, 2) for n in range(size.crowd)]
    started = time.perf_counter()
    counts = Counter(result["verdict"] for result in service.verify(submissions))
    wall_s = time.perf_counter() - started
    what = f"{size.crowd} programs of {CROWD_CPU_S} CPU-s, limit 2 s, at once"
    console.print(f"{what}: {counts['accepted']} accepted in {wall_s:.0f} s")
    times, refused = wall_s / (size.crowd * CROWD_CPU_S / CORES), size.crowd - counts["accepted"]
    late, at = counts["time_limit_exceeded"], "code_under_load/crowd"
    return [
        figure(f"{at}/false_time_outs", f"{what}: time limit exceeded", late, Unit.COUNT, Better.LOWER),
        figure(f"{at}/not_accepted", f"{what}: not accepted", refused, Unit.COUNT, Better.LOWER),
        figure(f"{at}/wall_to_cpu", f"{what}: clock, of what it must take", times, Unit.TIMES, Better.LOWER),
    ]


def mixed_batch(each: int, first: int = 0) -> list[Submission]:
    """Return programs for every verdict, some of them close to a limit, numbered from `first`."""
    kinds: list[Callable[[int], Submission]] = [
        call,
        lambda n: burning(n, 0.7, 1.0),
        lambda n: burning(n, 1.3, 1.0),
        lambda n: burning(n, 60, 0.3),
        lambda n: program(f"print({n})", f"{n}"),
        lambda n: program(f"print({n})", f"{n + 1}"),
        lambda n: program(f"x = bytearray(2 << 30)  # {n}", ""),
        lambda n: program(f"while True: print('{n}' * 1000)", ""),
        lambda n: program(f"import time; time.sleep(60)  # {n}", "", wall_limit_s=1.5, time_limit_s=1),
        lambda n: program(f"raise SystemExit({n % 200 + 1})  # {n}", ""),
        lambda n: program(f"def f(: {n}", ""),
        lambda n: program(f"import time; time.sleep(0.3); print({n})", f"{n}"),
    ]
    return [kind(first + n) for n in range(each) for kind in kinds]


def verdicts_of(results: list[dict[str, Any]]) -> list[str]:
    """Return the verdicts, and print how many there are of each."""
    verdicts = [result["verdict"] for result in results]
    console.print(", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).items()))
    return verdicts


def changed(alone: list[str], others: list[list[str]]) -> int:
    """Count verdicts that differ from those alone. A judge_error always counts: it is never the right outcome."""
    errors = alone.count("judge_error")
    return errors + sum(one != first for other in others for one, first in zip(other, alone, strict=True))


def eightfold(service: Service, size: Size) -> list[Figure]:
    """Check that the same programs get the same verdicts from one client and from eight at once."""
    console.print("one client, then eight at once")
    alone = verdicts_of(service.verify(mixed_batch(size.each)))

    def ask(number: int) -> list[dict[str, Any]]:
        body = {"submissions": mixed_batch(size.each, APART * number)}
        return httpx.post(f"{service.url}/v1/verify", json=body, timeout=1200).raise_for_status().json()["results"]

    with ThreadPoolExecutor(CLIENTS) as threads:
        together = [verdicts_of(results) for results in threads.map(ask, range(1, CLIENTS + 1))]
    what = f"{len(alone)} programs each of {CLIENTS} clients at once: other verdicts than for one client"
    return [figure("code_under_load/eightfold/changed", what, changed(alone, together), Unit.COUNT, Better.LOWER)]


def mixed(service: Service, size: Size) -> list[Figure]:
    """Check that a batch with programs for every verdict gets the same verdicts on an idle and on a busy machine."""
    seen = []
    for repeat in range(2 * size.repeats):
        beside = repeat >= size.repeats
        with burners(CORES) if beside else nullcontext():
            console.print(f"repeat {repeat + 1}{' beside burners' if beside else ''}")
            seen.append(verdicts_of(service.verify(mixed_batch(size.each))))
    what = f"{len(seen[0])} programs, {len(seen)} times, half of them beside a burner on each core: other verdicts"
    return [figure("code_under_load/mixed/changed", what, changed(seen[0], seen[1:]), Unit.COUNT, Better.LOWER)]


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Keep `count` cores busy."""
    processes = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn() -> None:
    while True:
        pass


CLAIMS: dict[str, Callable[[Service, Size], list[Figure]]] = {"crowd": crowd, "eightfold": eightfold, "mixed": mixed}


def main() -> None:
    """Check the claims, and print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", nargs="*", metavar="claim", help=f"of {', '.join(CLAIMS)} (default: all)")
    parser.add_argument("--crowd", type=int, default=512, help="programs of the crowd (default 512)")
    parser.add_argument("--each", type=int, default=3, help="programs of each kind in a mixed batch (default 3)")
    parser.add_argument("--repeats", type=int, default=5, help="mixed batches alone, and with busy cores (default 5)")
    options = parser.parse_args()
    if unknown := set(options.claims) - set(CLAIMS):
        parser.error(f"no such claim: {', '.join(sorted(unknown))}")
    about, figures = machine(), list[Figure]()
    size = Size(options.crowd, options.each, options.repeats)
    with running() as service:
        for claim in options.claims or CLAIMS:
            figures += CLAIMS[claim](service, size)
    table = Table("Verdicts on a busy machine", ["", "found"])
    for one in figures:
        table.add(one.title, number(one.value, one.unit))
    save("code_under_load", about, {}, [table], figures)
    broken = [one.id for one in figures if one.unit is Unit.COUNT and one.value]
    console.print(f"[red]does not hold: {', '.join(broken)}" if broken else "[green]holds")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
