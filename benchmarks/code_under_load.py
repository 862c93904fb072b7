"""Do verdicts stay the same when the machine is busy?

    python -m benchmarks.code_under_load crowd   # 512 correct programs of 0.5 CPU-s each, limit 2 s, sent at once
    python -m benchmarks.code_under_load mixed   # a mixed batch five times alone, five times beside burners

Each starts a service of its own and ends with 1 if what it claims does not hold.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from benchmarks.service import Service, running
from benchmarks.workloads import Submission, call, program

console = Console()

BURN = """
import time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return {n}
"""


def burning(n: int, cpu_s: float, limit_s: float) -> Submission:
    """Return a submission that uses `cpu_s` seconds of CPU and returns `n`."""
    tests = {"kind": "call", "entry_point": "burn", "cases": [{"args": [cpu_s], "expected": n}]}
    return {"kind": "code", "completion": BURN.format(n=n), "tests": tests, "limits": {"time_limit_s": limit_s}}


def crowd(service: Service) -> bool:
    """512 honest programs at once: all are accepted, however long they stand in line."""
    submissions = [burning(n, 0.5, 2) for n in range(512)]
    started = time.perf_counter()
    results = service.verify(submissions)
    counts = Counter(result["verdict"] for result in results)
    console.print(f"512 programs of 0.5 CPU-s, limit 2 s: {dict(counts)} in {time.perf_counter() - started:.0f} s")
    return counts == {"accepted": 512}


def mixed_batch() -> list[Submission]:
    """Return programs of every verdict, some of them close to a limit."""
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
        lambda n: program(f"raise SystemExit({n + 1})", ""),
        lambda n: program(f"def f(: {n}", ""),
        lambda n: program(f"import time; time.sleep(0.3); print({n})", f"{n}"),
    ]
    return [kind(n) for n in range(3) for kind in kinds]


def mixed(service: Service) -> bool:
    """A batch with programs of every verdict: ten times the same verdicts."""
    seen = []
    for repeat in range(10):
        with burners(os.cpu_count() or 1) if repeat >= 5 else nothing():
            results = service.verify(mixed_batch())
        seen.append([result["verdict"] for result in results])
        console.print(f"repeat {repeat + 1}{' beside burners' if repeat >= 5 else ''}: {dict(Counter(seen[-1]))}")
    return all(verdicts == seen[0] for verdicts in seen) and "judge_error" not in seen[0]


@contextmanager
def nothing() -> Iterator[None]:
    """Leave the machine alone."""
    yield


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


CLAIMS: dict[str, Callable[[Service], bool]] = {"crowd": crowd, "mixed": mixed}


def main() -> None:
    """Check one claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claim", choices=CLAIMS)
    claim = parser.parse_args().claim
    with running() as service:
        holds = CLAIMS[claim](service)
    console.print(f"{claim}: [green]holds[/]" if holds else f"{claim}: [red]DOES NOT HOLD[/]")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
