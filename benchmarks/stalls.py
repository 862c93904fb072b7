"""How long does a service keep others waiting while it reads, judges and answers a large batch?

    python -m benchmarks.stalls                # writes runs/benchmarks/stalls.json and .md
    python -m benchmarks.stalls --mb 8         # a smaller batch
    python -m benchmarks.stalls --only cases   # requests whose name contains this word

A process requests /healthz again and again, first from an idle service, then during each large request. A long wait
means that something blocked the event loop, or that no core was free. Some of the requests are nonsense, and are
refused or answered item by item. The process continues for 3 s after each request; then the memory of the service's
process is measured.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx

from benchmarks import workloads
from benchmarks.figures import Better, Figure, Unit, figure, slug
from benchmarks.results import Table, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Submission, code, fresh

PAUSE_S = 0.005
MB = 1_000_000


@dataclass
class Seen:
    """The measurements during one request."""

    waits_ms: list[float] = field(default_factory=list)
    status: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Used by the service's process, without its workers."""
    memory_mb: tuple[int, int] = 0, 0
    """Before the request, and 3 s after it."""

    def times_ms(self) -> tuple[float, float, float]:
        """Return the median, the 99th percentile and the longest of the waits."""
        waits = sorted(self.waits_ms)
        return waits[len(waits) // 2], waits[min(len(waits) * 99 // 100, len(waits) - 1)], waits[-1]


def _ask(url: str, done: Event, waits: Any) -> None:
    found = []
    with httpx.Client(base_url=url, timeout=600) as client:
        while not done.is_set():
            started = time.perf_counter()
            client.get("/healthz").raise_for_status()
            found.append(1000 * (time.perf_counter() - started))
            time.sleep(PAUSE_S)
    waits.put(found)


def beside(service: Service, work: Callable[[], int]) -> Seen:
    """Measure while `work` runs, which returns a status."""
    spawn = multiprocessing.get_context("spawn")
    done, waits = spawn.Event(), spawn.Queue()
    asking = spawn.Process(target=_ask, args=(service.url, done, waits))
    asking.start()
    time.sleep(1)
    seen, before, cpu_s, started = Seen(), _memory_mb(service.pid), _cpu_s(service.pid), time.perf_counter()
    try:
        seen.status = work()
        seen.seconds = time.perf_counter() - started
        seen.cpu_s = _cpu_s(service.pid) - cpu_s
        time.sleep(3)
    finally:
        done.set()
        seen.waits_ms = waits.get()
        asking.join()
    seen.memory_mb = before, _memory_mb(service.pid)
    return seen


def _memory_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 // MB


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def large_requests(mb: float) -> dict[str, list[Submission]]:
    """Return batches of that size, each large in a different way."""
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
    """Return a math answer after 100 kB of text."""
    answer = workloads.math(n)
    return answer | {"completion": "so " * 33_000 + answer["completion"]}


def nonsense() -> dict[str, bytes]:
    """Return bodies that are not batches, or whose items are all unreadable."""
    misspelt = {"kind": "math", "completion": "\\boxed{1}", "refrence": "1"}
    empty_lists = ",".join(["[]"] * 5_000_000)
    return {
        "1M wrong items (2 MB)": b'{"submissions": [' + b"1," * 999_999 + b"1]}",
        "4096 items with a misspelt field": json.dumps({"submissions": [misspelt] * 4096}).encode(),
        "480,000 small items (33 MB)": json.dumps({"submissions": [misspelt] * 480_000}).encode(),
        "15 MB of empty lists": (
            '{"submissions": [{"kind": "code", "completion": "def f(x): return 1", "tests": {"kind": "call", '
            f'"entry_point": "f", "cases": [{{"args": [[{empty_lists}]], "expected": 1}}]}}}}]}}'
        ).encode(),
    }


def many_cases(items: int, cases: int) -> bytes:
    """Return a batch of different programs with many cases each: 4096 times 250 are 42 MB."""
    rows = [
        code(
            f"def f(x):\n    return x + {n}\n",
            {
                "kind": "call",
                "entry_point": "f",
                "cases": [{"args": [case], "expected": case + n} for case in range(cases)],
            },
        )
        for n in range(items)
    ]
    return json.dumps({"submissions": rows, "deadline_s": 20}).encode()


def bodies(mb: float) -> dict[str, bytes]:
    """Return every body by name."""
    found = {name: json.dumps({"submissions": rows}).encode() for name, rows in large_requests(mb).items()}
    items = max(1, int(4096 * mb / 60))
    return {**found, f"{items} programs x 250 cases, within 20 s": many_cases(items, 250), **nonsense()}


def measure(service: Service, mb: float, only: str) -> dict[str, Seen]:
    """Return the measurements during each request."""
    work: dict[str, Callable[[], int]] = {}
    for name, body in bodies(mb).items():
        work[name] = lambda body=body: send(service, body)
    for name, rows in large_requests(mb).items():
        work[f"durable: {name}"] = lambda rows=rows: store(service, rows)
    found = {"nothing, for 3 s": beside(service, lambda: time.sleep(3) or 0)}
    for name, one in track([(name, one) for name, one in work.items() if only in name], "large requests"):
        found[name] = beside(service, one)
    return found


def send(service: Service, body: bytes) -> int:
    """Send a request and return the status of its answer without parsing the body."""
    headers = {"content-type": "application/json"}
    return service.client.post("/v1/verify", content=body, headers=headers).status_code


def store(service: Service, rows: list[Submission]) -> int:
    """Store a batch, wait until it is judged, ask for the batch as a whole, and return the status of that answer."""
    stored = service.client.post("/v1/submissions", json={"submissions": rows})
    stored.raise_for_status()
    for id_ in stored.json()["ids"]:
        while service.client.get(f"/v1/submissions/{id_}?wait_s=30").json()["state"] in ("queued", "running"):
            pass
    return service.client.get(f"/v1/batches/{stored.json()['batch_id']}").status_code


def main() -> None:
    """Measure, then print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=60, help="megabytes of one request (default 60; 64 are allowed)")
    parser.add_argument("--only", default="", help="only the requests whose name contains this")
    options = parser.parse_args()
    about = machine()
    with running() as service:
        found = measure(service, options.mb, options.only)
    columns = ["beside", "status", "s", "CPU-s", "asked", "median, ms", "p99, ms", "longest, ms", "MB before", "after"]
    table = Table(f"/healthz beside requests of {options.mb:g} MB", columns)
    figures: list[Figure] = []
    for name, seen in found.items():
        median, p99, longest = seen.times_ms()
        counts = (f"{seen.seconds:.1f}", f"{seen.cpu_s:.2f}", str(len(seen.waits_ms)))
        times = (f"{one:.0f}" for one in (median, p99, longest))
        table.add(name, str(seen.status or "-"), *counts, *times, *map(str, seen.memory_mb))
        title, at = f"/healthz beside {name}", f"stalls/{slug(name)}"
        figures.append(figure(f"{at}/p99_ms", f"{title}: p99", p99, Unit.MS, Better.LOWER))
        figures.append(figure(f"{at}/longest_ms", f"{title}: longest", longest, Unit.MS, Better.LOWER))
    save("stalls", about, {name: vars(seen) for name, seen in found.items()}, [table], figures)


if __name__ == "__main__":
    main()
