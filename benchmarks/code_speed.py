"""How fast code is judged, side by side with running it without any sandbox, in one run.

    python -m benchmarks.code_speed            # a few minutes; writes runs/benchmarks/code_speed.json and .md
    python -m benchmarks.code_speed --rounds 1 --batch 32 --lone 10      # a short try

It starts a service of its own. Every program is different, so no result is taken from another's. The rows take turns,
round by round, so that a machine that slows down slows all of them; a ratio is one of medians of rounds. Every row may
use all cores. CPU times are those of this service and its boxes alone; only the Docker daemon is everybody's.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.processes import PARTS, cpu_parts
from benchmarks.results import Table, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Kind, fresh
from verifier_service.settings import Settings

SYSTEM_PYTHON = "/usr/bin/python3"
CORES = os.cpu_count() or 1
TEN_TESTS_BATCH = 256
PLAIN_COMPILE = """
import os, subprocess, sys, time
os.chdir("/tmp")
for n in range(3):
    open("a.cpp", "w").write(sys.argv[1] + f"// {n}\\n")
    started = time.perf_counter()
    subprocess.run(["g++", "-O2", "-o", "a", "a.cpp"], check=True)
    print(time.perf_counter() - started)
"""


@dataclass
class Row:
    """One way to do the work: `measure` does it `count` times and returns the seconds."""

    name: str
    count: int
    measure: Callable[[int], float]
    sandboxed: bool = True
    beside: str = ""
    rates: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    done: int = 0

    @property
    def rate(self) -> float:
        """Submissions a second: the median of the rounds."""
        return statistics.median(self.rates)

    def cpu_ms(self, part: str) -> float:
        """CPU milliseconds that one submission took of a part."""
        return 1000 * self.cpu_s.get(part, 0.0) / self.done


def in_parallel(commands: list[list[str]], env: dict[str, str] | None = None) -> float:
    """Return the seconds that these commands take, as many at a time as there are cores."""

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)

    started = time.perf_counter()
    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(run, commands))
    return time.perf_counter() - started


def bare(python: str) -> Callable[[int], float]:
    """Return what runs a function and its five asserts in `python -c`."""

    def measure(count: int) -> float:
        submissions = fresh(workloads.call, count)
        programs = [one["completion"] + workloads.ASSERTS for one in submissions]
        return in_parallel([[python, "-c", program] for program in programs])

    return measure


def bare_pytest(python: str) -> Callable[[int], float]:
    """Return what runs the same test file in `python -m pytest`, without plugins, which would only make it slower."""
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": sysconfig.get_path("purelib")}

    def measure(count: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for n, one in enumerate(fresh(workloads.pytested, count)):
                place = Path(folder, str(n))
                place.mkdir()
                (place / "solution.py").write_text(one["completion"])
                (place / "test_add.py").write_text(one["tests"]["files"]["test_add.py"])
                files.append(str(place / "test_add.py"))
            return in_parallel([[python, "-m", "pytest", "-q", "-p", "no:cacheprovider", file] for file in files], env)

    return measure


def judged(service: Service, kind: Kind, verdict: str = "accepted") -> Callable[[int], float]:
    """Return what has submissions of a kind judged in one batch."""
    return lambda count: service.seconds(fresh(kind, count), verdict)


def make_rows(service: Service, python: str, batch: int) -> list[Row]:
    """Return all ways that are compared."""
    system, own = f"{python} -c", f"{os.path.relpath(sys.executable)} -c"
    pytest = f"{python} -m pytest"
    few = max(4, batch // 8)
    wrong = "wrong_answer"
    through_tester = workloads.through_tester
    return [
        Row(system, batch, bare(python), sandboxed=False),
        Row(own, batch // 2, bare(sys.executable), sandboxed=False, beside=system),
        Row("call, 5 cases", batch, judged(service, workloads.call), beside=system),
        Row("assert, 5 lines, accepted", batch, judged(service, workloads.asserted), beside=system),
        Row("assert, 5 lines, failing", batch, judged(service, workloads.asserted_wrong, wrong), beside=system),
        Row("assert through a tester, accepted", batch // 2, judged(service, through_tester), beside=system),
        Row(
            "assert through a tester, failing",
            batch // 2,
            judged(service, lambda n: through_tester(n, wrong=True), wrong),
            beside=system,
        ),
        Row("stdio, 1 case", batch, judged(service, workloads.stdio), beside=system),
        Row(pytest, few, bare_pytest(python), sandboxed=False, beside=system),
        Row("pytest, 1 file, 5 tests", batch // 2, judged(service, workloads.pytested), beside=pytest),
        Row("pytest with a fixture, 5 tests", few, judged(service, workloads.with_fixture), beside=pytest),
        Row("math, one reference each", batch, judged(service, workloads.math)),
    ]


def one_turn(row: Row, service: Service) -> None:
    """Measure a row once more, and what it takes of the CPU."""
    before = cpu_parts(service.pid) if row.sandboxed else {}
    own, children = time.process_time(), _children_s()
    seconds = row.measure(row.count)
    spent = {"client": time.process_time() - own}
    if row.sandboxed:
        after = cpu_parts(service.pid)
        spent |= {part: after[part] - before[part] for part in after}
    else:
        spent |= {"programs": _children_s() - children}
    row.rates.append(row.count / seconds)
    row.done += row.count
    for part, used_s in spent.items():
        row.cpu_s[part] = row.cpu_s.get(part, 0.0) + used_s


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lone_latencies_ms(service: Service, count: int) -> dict[str, tuple[float, float]]:
    """Return p50 and p95 of submissions that come one at a time, the kinds taking turns."""
    kinds: dict[str, tuple[Kind, str]] = {
        "call, 5 cases": (workloads.call, "accepted"),
        "assert, 5 lines, accepted": (workloads.asserted, "accepted"),
        "assert, 5 lines, failing": (workloads.asserted_wrong, "wrong_answer"),
        "assert through a tester, accepted": (workloads.through_tester, "accepted"),
        "stdio, 1 case": (workloads.stdio, "accepted"),
        "pytest, 1 file, 5 tests": (workloads.pytested, "accepted"),
        "math": (workloads.math, "accepted"),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in track(range(count), "one at a time"):
        for name, (kind, verdict) in kinds.items():
            times[name].append(1000 * service.seconds(fresh(kind, 1), verdict))
    return {name: (statistics.median(all_ms), sorted(all_ms)[int(count * 0.95)]) for name, all_ms in times.items()}


def cpp_ms(service: Service, rounds: int) -> dict[str, float]:
    """Return the milliseconds of C++ beside a plain compile, as medians of rounds in which each had its turn."""
    found: dict[str, list[float]] = {}
    service.seconds(fresh(workloads.cpp, 1))  # a box for C++ is there after this
    for _ in track(range(rounds), "C++"):
        plain_s = plain_compile_s(workloads.STANDARD_CPP.format(n=0), service.info["runner"])
        one_s = service.seconds(fresh(lambda n: workloads.cpp(n, 1), 1))
        same = fresh(lambda n: workloads.cpp(n, 20), 1)
        twenty_s, again_s = service.seconds(same), service.seconds(same)
        source = fresh(workloads.cpp, 1)[0]["completion"]
        runs = {"runs": [{"language": "cpp", "source": source, "stdin": "1 2\n"}]}
        compiled = service.client.post("/v1/run", json=runs).json()["results"][0]["compile"]
        for name, seconds in {
            "plain g++ -O2": plain_s,
            "compile in the box, wall": compiled["wall_s"],
            "one test, first submission": one_s,
            "20 tests, first submission": twenty_s,
            "each further test": (twenty_s - one_s) / 19,
            "20 tests, second submission": again_s,
        }.items():
            found.setdefault(name, []).append(1000 * seconds)
    return {name: statistics.median(all_ms) for name, all_ms in found.items()}


def plain_compile_s(source: str, runner: str) -> float:
    """Return the median seconds of `g++ -O2` in a throw-away container of the image, or here if the boxes are here."""
    command = [sys.executable, "-c", PLAIN_COMPILE, source]
    if runner == "docker":
        image = f"{Settings().image_prefix}/cpp"
        container = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image]
        command = [*container, "-c", PLAIN_COMPILE, source]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return statistics.median(map(float, output.split()))


def rate_table(rows: list[Row], title: str) -> Table:
    """Return the table of submissions a second."""
    by_name = {row.name: row for row in rows}
    table = Table(title, ["work", "submissions/s (lowest - highest)", "times", "of"])
    for row in rows:
        spread = f"{row.rate:.0f} ({min(row.rates):.0f} - {max(row.rates):.0f})"
        ratio = f"{row.rate / by_name[row.beside].rate:.2f}" if row.beside else ""
        table.add(row.name, spread, ratio, row.beside)
    return table


def cpu_table(rows: list[Row]) -> Table:
    """Return the table of CPU milliseconds; `all` is the service and its boxes."""
    table = Table("CPU milliseconds a submission", ["work", *PARTS, "all", "client", "whole machine, less client"])
    for row in rows:
        parts = [row.cpu_ms(part) for part in PARTS]
        client = row.cpu_ms("client")
        rest = f"{row.cpu_ms('machine') - client:.2f}" if row.sandboxed else ""
        table.add(row.name, *(f"{ms:.2f}" for ms in parts), f"{sum(parts):.2f}", f"{client:.2f}", rest)
    return table


def lone_table(lone: dict[str, tuple[float, float]]) -> Table:
    """Return the table of submissions that come one at a time."""
    table = Table("One submission at a time, milliseconds", ["work", "p50", "p95"])
    for name, (p50, p95) in lone.items():
        table.add(name, f"{p50:.1f}", f"{p95:.1f}")
    return table


def cpp_table(cpp: dict[str, float]) -> Table:
    """Return the table of C++."""
    table = Table("C++, a trivial program that includes bits/stdc++.h", ["", "ms", "of plain g++ -O2"])
    for name, ms in cpp.items():
        table.add(name, f"{ms:.1f}", f"{ms / cpp['plain g++ -O2']:.0%}")
    return table


def measure(service: Service, options: argparse.Namespace) -> tuple[dict[str, Any], list[Table]]:
    """Return what one run found, as data and as tables."""
    rows = make_rows(service, options.python, options.batch)
    for row in track(rows, "warming up"):
        row.measure(4 * CORES)
    for row in track(rows * options.rounds, "in turns"):
        one_turn(row, service)
    lone = lone_latencies_ms(service, options.lone)
    ten = [fresh(lambda n: workloads.call(n, 10), TEN_TESTS_BATCH) for _ in range(options.rounds)]
    ten_s = statistics.median(service.seconds(one) for one in track(ten, "256 x 10 tests"))
    cpp = cpp_ms(service, options.rounds) if "cpp" in service.languages else {}
    title = f"{service.info['runner']} runner, batches of {options.batch}, {CORES} cores used by every row"
    ten_table = Table("256 completions with 10 call tests", ["seconds"], [[f"{ten_s:.2f}"]])
    tables = [rate_table(rows, title), cpu_table(rows), lone_table(lone), ten_table, *([cpp_table(cpp)] if cpp else [])]
    data = {
        "rows": {
            row.name: {
                "submissions_per_s": row.rates,
                "beside": row.beside,
                "cpu_ms": {part: row.cpu_ms(part) for part in row.cpu_s},
            }
            for row in rows
        },
        "lone_ms": lone,
        "256_completions_10_tests_s": ten_s,
        "cpp_ms": cpp,
    }
    return data, tables


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each row (default 5)")
    parser.add_argument("--batch", type=int, default=256, help="submissions in one turn (default 256)")
    parser.add_argument("--lone", type=int, default=100, help="submissions of each kind, one at a time (default 100)")
    default = SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable
    parser.add_argument("--python", default=default, help=f"what bare programs are run with (default {default})")
    options = parser.parse_args()
    about = machine()
    with running() as service:
        data, tables = measure(service, options)
    save("code_speed", about, data, tables)


if __name__ == "__main__":
    main()
