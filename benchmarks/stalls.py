"""How long does a service keep others waiting while it reads, judges and answers a large batch?

    python -m benchmarks.stalls                # writes runs/benchmarks/stalls.json and .md
    python -m benchmarks.stalls --mb 8         # a smaller batch

A thread asks /healthz again and again, first of an idle service, then beside each large request, and the longest of its
waits is told: that long something held the event loop, or the machine had no core to spare.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks import workloads
from benchmarks.results import Table, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Submission, code, fresh

PAUSE_S = 0.005
MB = 1_000_000


def waits_ms(url: str, work: Callable[[], Any]) -> list[float]:
    """Return the milliseconds of every request to /healthz while `work` is done."""
    done, waits = threading.Event(), list[float]()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=600) as client:
            while not done.is_set():
                started = time.perf_counter()
                client.get("/healthz").raise_for_status()
                waits.append(1000 * (time.perf_counter() - started))
                time.sleep(PAUSE_S)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return waits


def large_requests(mb: float) -> dict[str, list[Submission]]:
    """Return batches of that size, each large in another way."""
    text = "x" * 99 + "\n"
    lines = int(mb * MB / 100 / 16)
    printing = code(f"print({text!r} * {lines}, end='')", {"kind": "stdio", "cases": [{"stdout": text * lines}]})
    return {
        "16 large outputs": [printing] * 16,
        "large arguments": fresh(large_argument, max(1, int(mb * MB / 600_000))),
        "math, long completions": fresh(long_math, max(1, int(mb * MB / 100_000))),
    }


def large_argument(n: int) -> Submission:
    """Return a function that is called with 600 kB of numbers."""
    tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [[*range(90_000)]], "expected": 90_000}]}
    return code(f"def f(numbers):\n    return len(numbers)  # {n}\n", tests)


def long_math(n: int) -> Submission:
    """Return a math answer after 100 kB of words."""
    answer = workloads.math(n)
    return answer | {"completion": "so " * 33_000 + answer["completion"]}


def measure(service: Service, mb: float) -> dict[str, list[float]]:
    """Return the waits beside each request, in milliseconds."""
    found = {"nothing, for 3 s": waits_ms(service.url, lambda: time.sleep(3))}
    for name, submissions in track(list(large_requests(mb).items()), "large requests"):
        body = json.dumps({"submissions": submissions}).encode()  # made before, so that making it keeps nobody waiting
        found[name] = waits_ms(service.url, lambda body=body: send(service, body))
    return found


def send(service: Service, body: bytes) -> None:
    """Send a request; its answer is not read into objects, which would keep the asking thread from asking."""
    service.client.post("/v1/verify", content=body, headers={"content-type": "application/json"}).raise_for_status()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=60, help="megabytes of one request (default 60; 64 are allowed)")
    options = parser.parse_args()
    about = machine()
    with running() as service:
        found = measure(service, options.mb)
    table = Table(f"/healthz beside requests of {options.mb:g} MB", ["beside", "asked", "median, ms", "longest, ms"])
    for name, waits in found.items():
        table.add(name, str(len(waits)), f"{sorted(waits)[len(waits) // 2]:.1f}", f"{max(waits):.0f}")
    save("stalls", about, {"waits_ms": found}, [table])


if __name__ == "__main__":
    main()
