"""How fast code is judged, side by side with a loop that runs `python -c` without any sandbox, in one run.

    python -m benchmarks.code_speed [--url http://127.0.0.1:8000] [--count 1024]

Without `--url` it starts a service of its own. Every program is different, so no result is taken from another's. The
rows alternate, round by round, so that a machine that slows down slows all of them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from tests.conftest import ServiceProcess

BATCH = 256
ROUNDS = 3
FUNCTION = "def add(a, b):\n    return a + b  # {n}\n"
ASSERTS = "\n".join(f"assert add({i}, 1) == {i + 1}" for i in range(5))

Submission = dict[str, Any]


def call_submission(n: int, cases: int = 5) -> Submission:
    """Return a trivial function with `cases` call tests; `n` makes it different from all others."""
    return {
        "kind": "code",
        "completion": FUNCTION.format(n=n),
        "tests": {
            "kind": "call",
            "entry_point": "add",
            "cases": [{"args": [i, 1], "expected": i + 1} for i in range(cases)],
        },
    }


def assert_submission(n: int) -> Submission:
    """Return the same function with five assert statements."""
    return {"kind": "code", "completion": FUNCTION.format(n=n), "tests": {"kind": "assert", "code": ASSERTS}}


def stdio_submission(n: int) -> Submission:
    """Return a program with five runs, each a process of its own."""
    cases = [{"stdin": f"{i} 1\n", "stdout": f"{i + 1}\n"} for i in range(5)]
    program = f"a, b = map(int, input().split())\nprint(a + b)  # {n}\n"
    return {"kind": "code", "completion": program, "tests": {"kind": "stdio", "cases": cases}}


def cpp_submission(n: int, cases: int) -> Submission:
    """Return a C++ program with `cases` runs."""
    program = f"#include <iostream>\nint main() {{ long a, b; std::cin >> a >> b; std::cout << a + b; }} // {n}\n"
    tests = {"kind": "stdio", "cases": [{"stdin": f"{i} 1\n", "stdout": f"{i + 1}\n"} for i in range(cases)]}
    return {"kind": "code", "language": "cpp", "completion": program, "tests": tests}


def bare_loop(first: int, count: int, cores: int) -> float:
    """Return the seconds that `count` programs take in bare `python -c`, `cores` at a time."""
    programs = [FUNCTION.format(n=n) + ASSERTS for n in range(first, first + count)]

    def run(program: str) -> None:
        subprocess.run([sys.executable, "-c", program], check=True)

    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as threads:
        list(threads.map(run, programs))
    return time.perf_counter() - started


def post(client: httpx.Client, submissions: list[Submission]) -> float:
    """Return the seconds until all of `submissions` came back accepted."""
    started = time.perf_counter()
    response = client.post("/v1/verify", json={"submissions": submissions})
    seconds = time.perf_counter() - started
    response.raise_for_status()
    verdicts = {result["verdict"] for result in response.json()["results"]}
    if verdicts != {"accepted"}:
        raise SystemExit(f"not all accepted: {response.text[:2000]}")
    return seconds


def throughput(client: httpx.Client, count: int, cores: int) -> dict[str, float]:
    """Return the median submissions a second of each way, over rounds in which each had its turn."""
    kinds = {"call": call_submission, "assert": assert_submission, "stdio": stdio_submission}
    rates: dict[str, list[float]] = {name: [] for name in ("bare python -c", *kinds)}
    serial = 0
    for _ in range(ROUNDS):
        for name in rates:
            batches = max(1, count // ROUNDS // BATCH)
            seconds = 0.0
            for _ in range(batches):
                serial += BATCH
                if name in kinds:
                    seconds += post(client, [kinds[name](serial + i) for i in range(BATCH)])
                else:
                    seconds += bare_loop(serial, BATCH, cores)
            rates[name].append(batches * BATCH / seconds)
    return {name: statistics.median(values) for name, values in rates.items()}


def lone_latency_ms(client: httpx.Client, count: int = 200) -> tuple[float, float]:
    """Return p50 and p95 of submissions that come one at a time, in milliseconds."""
    times = sorted(1000 * post(client, [call_submission(10**7 + n)]) for n in range(count))
    return times[count // 2], times[int(count * 0.95)]


def cpp_ms_per_test(client: httpx.Client) -> tuple[float, float]:
    """Return the milliseconds of one C++ submission with one test, and what each of 19 more adds."""
    one = statistics.median(post(client, [cpp_submission(n, 1)]) for n in range(5))
    twenty = statistics.median(post(client, [cpp_submission(100 + n, 20)]) for n in range(5))
    return 1000 * one, 1000 * (twenty - one) / 19


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a running service; without it one is started here")
    parser.add_argument("--count", type=int, default=3 * BATCH, help="submissions of each kind")
    options = parser.parse_args()
    if options.url is not None:
        with httpx.Client(base_url=options.url, timeout=600) as client:
            measure(client, options.count)
        return
    with tempfile.TemporaryDirectory() as folder:
        service = ServiceProcess(Path(folder) / "service.log")
        service.start()
        try:
            with httpx.Client(base_url=service.url, timeout=600) as client:
                measure(client, options.count)
        finally:
            service.stop()


def measure(client: httpx.Client, count: int) -> None:
    """Print the table of one run."""
    info = client.get("/v1/info").json()
    languages = {one["name"] for one in info["languages"] if one["available"]}
    cores = os.cpu_count() or 1
    post(client, [call_submission(-1 - n) for n in range(32)])  # boxes and caches are warm after this
    table = Table(
        "measured", "result", "of bare python -c", title=f"{info['runner']} runner, {cores} cores used by all"
    )
    rates = throughput(client, count, cores)
    for name, rate in rates.items():
        table.add_row(f"{name}, submissions/s", f"{rate:.0f}", f"{rate / rates['bare python -c']:.2f}x")
    p50, p95 = lone_latency_ms(client)
    table.add_row("one at a time, p50 / p95", f"{p50:.1f} / {p95:.1f} ms", "")
    seconds = post(client, [call_submission(2 * 10**7 + n, cases=10) for n in range(BATCH)])
    table.add_row("256 completions x 10 tests", f"{seconds:.2f} s", "")
    if "cpp" in languages:
        first, more = cpp_ms_per_test(client)
        table.add_row("C++: one test / each further test", f"{first:.0f} ms / {more:.1f} ms", "")
    Console().print(table)


if __name__ == "__main__":
    main()
