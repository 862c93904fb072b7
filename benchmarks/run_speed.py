"""How fast programs run through POST /v1/run, compared with a service that runs them without any sandbox.

    python -m benchmarks.run_speed             # writes runs/benchmarks/run_speed.json and .md
    python -m benchmarks.run_speed --rounds 1 --count 64      # a short try

The workload is SandboxFusion's: `print(1)`, one program per request, 32 requests at a time. It is compared with
benchmarks.unsandboxed, a minimal runner without a sandbox: a FastAPI service that writes a file and runs `python3 file`
with asyncio. (SandboxFusion itself, in its unsafe mode, needed 50 CPU milliseconds per run on two cores, and did 39 per
second.) The two take turns, and a ratio is the median of the rounds' ratios. The load client runs on the same cores,
and its share is reported separately.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.code_speed import SYSTEM_PYTHON
from benchmarks.figures import Better, Figure, Unit, figure, ratios
from benchmarks.http_load import Check, Load, send
from benchmarks.processes import PARTS, cpu_parts, tree_cpu_s
from benchmarks.results import Table, machine, save, track
from benchmarks.service import running
from tests.conftest import free_port

CORES = os.cpu_count() or 1
START_LIMIT_S = 60


@dataclass
class Contestant:
    """A service to measure; `spent` returns the CPU seconds of its parts so far."""

    name: str
    url: str
    body: dict[str, Any]
    right: Check
    spent: Callable[[], dict[str, float]]
    loads: list[Load] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)

    def turn(self, count: int, concurrency: int) -> None:
        """Send `count` programs once more."""
        before = self.spent()
        self.loads.append(send(self.url, [self.body] * count, concurrency, self.right))
        after = self.spent()
        for part, used_s in after.items():
            self.cpu_s[part] = self.cpu_s.get(part, 0.0) + used_s - before[part]

    @property
    def done(self) -> int:
        """The number of programs that were run."""
        return sum(len(load.latencies_s) for load in self.loads)

    @property
    def rates(self) -> list[float]:
        """Programs per second, by round."""
        return [len(load.latencies_s) / load.wall_s for load in self.loads]

    @property
    def rates_less_client(self) -> list[float]:
        """Programs per second without the client's share of the cores, as if it ran on another machine."""
        return [len(load.latencies_s) / (load.wall_s - load.client_cpu_s / CORES) for load in self.loads]

    def latency_ms(self, share: float) -> float:
        """A quantile of all latencies."""
        every = sorted(latency for load in self.loads for latency in load.latencies_s)
        return 1000 * every[min(len(every) - 1, int(share * len(every)))]

    def summary(self) -> dict[str, Any]:
        """Return all results, for the JSON."""
        return {
            "programs_per_s": self.rates,
            "programs_per_s_less_client": self.rates_less_client,
            "p50_ms": self.latency_ms(0.5),
            "p95_ms": self.latency_ms(0.95),
            "cpu_ms": {part: 1000 * used_s / self.done for part, used_s in self.cpu_s.items()},
            "client_cpu_ms": 1000 * sum(load.client_cpu_s for load in self.loads) / self.done,
        }


@contextmanager
def unsandboxed(python: str) -> Iterator[tuple[int, str]]:
    """Start the service without a sandbox; return its pid and address."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.unsandboxed", "--port", str(port), "--python", python]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the service without a sandbox does not start")
            time.sleep(0.1)
        yield process.pid, url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _ran(answer: dict[str, Any]) -> bool:
    return answer["results"][0]["stdout"] == "1\n"


def _ran_bare(answer: dict[str, Any]) -> bool:
    return answer["stdout"] == "1\n"


def table_of(contestants: list[Contestant], title: str) -> Table:
    """Return the table; ratios are to the first contestant."""
    columns = ["", "programs/s (lowest - highest)", "less the client", "ratio", "p50 / p95, ms"]
    table = Table(title, [*columns, "CPU ms per program", "client's"])
    for one in contestants:
        less_client = statistics.median(one.rates_less_client)
        found = one.summary()
        parts = [f"{part} {found['cpu_ms'][part]:.1f}" for part in PARTS if found["cpu_ms"].get(part, 0) >= 0.05]
        total = sum(found["cpu_ms"].get(part, 0.0) for part in PARTS)
        table.add(
            one.name,
            f"{statistics.median(one.rates):.0f} ({min(one.rates):.0f} - {max(one.rates):.0f})",
            f"{less_client:.0f}",
            f"{statistics.median(ratios(one.rates_less_client, contestants[0].rates_less_client)):.2f}",
            f"{found['p50_ms']:.0f} / {found['p95_ms']:.0f}",
            f"{total:.1f}: " + ", ".join(parts),
            f"{found['client_cpu_ms']:.2f}",
        )
    return table


def figures_of(bare: Contestant, service: Contestant) -> list[Figure]:
    """Return the figures of both, and the ratio without the client's share."""
    times = ratios(service.rates_less_client, bare.rates_less_client)
    beside = f"{service.name}: programs/s, of {bare.name}"
    return [
        figure("run_speed/unsandboxed/per_s", bare.name, bare.rates, Unit.PER_S, Better.NEITHER),
        figure("run_speed/service/per_s", service.name, service.rates, Unit.PER_S, Better.HIGHER),
        figure("run_speed/service/ratio_to_unsandboxed", beside, times, Unit.TIMES, Better.HIGHER),
        figure("run_speed/service/p50_ms", f"{service.name}: p50", service.latency_ms(0.5), Unit.MS, Better.LOWER),
        figure("run_speed/service/p95_ms", f"{service.name}: p95", service.latency_ms(0.95), Unit.MS, Better.LOWER),
    ]


def main() -> None:
    """Measure, then print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each service (default 5)")
    parser.add_argument("--count", type=int, default=512, help="programs in one turn (default 512)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests at a time (default 32)")
    default = SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable
    parser.add_argument("--python", default=default, help=f"the interpreter without a sandbox (default {default})")
    options = parser.parse_args()
    about = machine()
    with running() as service, unsandboxed(options.python) as (bare_pid, bare_url):
        contestants = [
            Contestant(
                f"FastAPI, asyncio, {options.python}, no sandbox",
                f"{bare_url}/run_code",
                {"code": "print(1)"},
                _ran_bare,
                lambda: tree_cpu_s(bare_pid),
            ),
            Contestant(
                f"this service, {service.info['runner']}",
                f"{service.url}/v1/run",
                {"runs": [{"source": "print(1)"}]},
                _ran,
                lambda: cpu_parts(service.pid),
            ),
        ]
        for one in contestants:
            send(one.url, [one.body] * 2 * options.concurrency, options.concurrency, one.right)
        for one in track(contestants * options.rounds, "in turns"):
            one.turn(options.count, options.concurrency)
    title = f"`print(1)`, {options.concurrency} requests at a time, {CORES} cores"
    data = {one.name: one.summary() for one in contestants}
    save("run_speed", about, data, [table_of(contestants, title)], figures_of(*contestants))


if __name__ == "__main__":
    main()
