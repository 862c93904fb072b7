"""How cost grows with tests, group size, output, batch size and cores, and for each runner, as plots and JSON.

    python -m benchmarks.growth                       # some ten minutes; writes runs/benchmarks/growth*.svg, .json, .md
    python -m benchmarks.growth --only cases output   # some of: cases, groups, output, batches, cores, runners
    python -m benchmarks.growth --largest 16 --repeats 1      # a short try

A point is the median wall time of repeated requests of one size. The table shows the steepest step of each curve, in
wall time and in CPU time: cost ~ size ** exponent. An exponent of 1 is linear, and one above 1.15 counts as worse than
linear. On a busy machine, wall times mean nothing, and CPU times mean little.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import workloads
from benchmarks.growth_plots import Chart, Curve, Point, draw, figures_of
from benchmarks.processes import PARTS, cpu_parts, hold_to_cores
from benchmarks.results import FOLDER, Table, console, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Kind, Submission, code, fresh
from verifier_service.languages import load_languages
from verifier_service.runners import RUNNERS
from verifier_service.settings import Settings

CASES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
GROUPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
OUTPUT_BYTES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CORES = os.cpu_count() or 1
LONG_S = 8.0
"""A request that takes longer is not repeated, because its noise is relatively small."""

Send = Callable[[int], float]
"""Sends one request of a size and returns the seconds until its answer."""


class Measuring:
    """How to measure every curve: which sizes, and how often."""

    def __init__(self, largest: int | None, repeats: int) -> None:
        self._largest, self._repeats = largest, repeats

    def curve(self, service: Service, name: str, send: Send, sizes: tuple[int, ...], look: tuple[int, int]) -> Curve:
        """Return one curve; `look` is its color and style."""
        chosen = [size for size in sizes if self._largest is None or size <= self._largest * sizes[0]]
        with ThreadPoolExecutor(2 * CORES) as threads:  # boxes load some things on first use
            list(threads.map(send, [chosen[0]] * 4 * CORES))
        points = [self._point(service, send, size) for size in track(chosen, name)]
        return Curve(name, points, *look)

    def _point(self, service: Service, send: Send, size: int) -> Point:
        before, walls = cpu_parts(service.pid), []
        while len(walls) < self._repeats and (not walls or walls[-1] < LONG_S):
            walls.append(send(size))
        after = cpu_parts(service.pid)
        cpu_s = sum(after[part] - before[part] for part in PARTS) / len(walls)
        boxes_stay = service.info["isolation"] != "container"  # otherwise their CPU time is lost with them
        return Point(size, statistics.median(walls), cpu_s if boxes_stay else 0.0, tuple(walls))


def batches_of(service: Service, kind: Kind) -> Send:
    """Return a function that sends `size` submissions of a kind in one request."""
    return lambda size: service.seconds(fresh(kind, size))


def one_with(service: Service, kind: Callable[[int, int], Submission]) -> Send:
    """Return a function that sends one submission of that size."""
    return lambda size: service.seconds(fresh(lambda n: kind(n, size), 1))


def cases(measuring: Measuring) -> Chart:
    """Cost of one submission, by its number of tests."""
    kinds: dict[str, Callable[[int, int], Submission]] = {
        "call": workloads.call,
        "assert": workloads.asserted,
        "stdio": workloads.stdio,
        "pytest": workloads.pytested,
    }
    with running() as service:
        if "cpp" in service.languages:
            kinds["stdio, C++, compiled before"] = lambda _, size: workloads.cpp(0, size)
        curves = [
            measuring.curve(service, name, one_with(service, kind), CASES, (index, 0))
            for index, (name, kind) in enumerate(kinds.items())
        ]
    return Chart("cases", "One submission, by its number of tests", "tests of one submission", curves)


def groups(measuring: Measuring) -> Chart:
    """Cost of a group of completions that share a prompt and its tests."""

    def shared(service: Service, kind: Kind, tests: Submission) -> Send:
        def send(size: int) -> float:
            submissions = [one | {"tests": "shared"} for one in fresh(kind, size)]
            return service.seconds(submissions, suites={"shared": tests})

        return send

    def one_reference(n: int) -> Submission:
        return {"kind": "math", "completion": f"Attempt {n}: \\boxed{{\\frac{{{n}}}{{{2 * n}}}}}", "reference": "1/2"}

    with running() as service:
        sends = {
            "call, 10 tests": shared(service, workloads.call, workloads.call_tests(10)),
            "assert, 10 lines": shared(service, workloads.asserted, workloads.assert_tests(10)),
            "stdio, 10 cases": shared(service, workloads.stdio, workloads.stdio_tests(10)),
            "math, one reference": batches_of(service, one_reference),
        }
        curves = [
            measuring.curve(service, name, send, GROUPS, (index, 0)) for index, (name, send) in enumerate(sends.items())
        ]
    return Chart("groups", "A group of completions that share their tests", "completions in the group", curves)


def output(measuring: Measuring) -> Chart:
    """Cost of one submission, by the size of what it prints or returns."""

    def printing(n: int, size: int) -> Submission:
        lines = "x" * 99 + "\n"
        tests = {"kind": "stdio", "cases": [{"stdout": lines * (size // 100)}]}
        return code(f"print({lines!r} * {size // 100}, end='')  # {n}\n", tests)

    def returning(n: int, size: int) -> Submission:
        tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [], "expected": "x" * size}]}
        return code(f"def f():\n    return 'x' * {size}  # {n}\n", tests)

    def returning_list(n: int, size: int) -> Submission:
        numbers = list(range(size // 5))
        tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [], "expected": numbers}]}
        return code(f"def f():\n    return list(range({len(numbers)}))  # {n}\n", tests)

    with running() as service:

        def run(size: int) -> float:
            body = {"runs": [{"source": f"print('x' * {size - 1})"}]}
            started = time.perf_counter()
            answer = service.client.post("/v1/run", json=body).json()
            seconds = time.perf_counter() - started
            if len(answer["results"][0]["stdout"]) != size:
                raise SystemExit(f"the output is not whole: {str(answer)[:500]}")
            return seconds

        sends = {
            "call, a text": one_with(service, returning),
            "call, a list of integers": one_with(service, returning_list),
            "stdio, text": one_with(service, printing),
            "/v1/run, text": run,
        }
        curves = [
            measuring.curve(service, name, send, OUTPUT_BYTES, (index, 0))
            for index, (name, send) in enumerate(sends.items())
        ]
    return Chart("output", "One program, by what it prints or returns", "bytes", curves)


def batches(measuring: Measuring) -> Chart:
    """Cost of a request, by its number of submissions."""
    kinds = {
        "call, 5 tests": workloads.call,
        "assert, 5 lines": workloads.asserted,
        "stdio, 1 case": workloads.stdio,
        "math": workloads.math,
    }
    with running() as service:
        curves = [
            measuring.curve(service, name, batches_of(service, kind), BATCHES, (index, 0))
            for index, (name, kind) in enumerate(kinds.items())
        ]
    return Chart("batches", "A request, by its number of submissions", "submissions in one request", curves)


def cores(measuring: Measuring) -> Chart:
    """The same on one core and on all: service, boxes and client are limited to them, the Docker daemon is not."""
    kinds = {"call": workloads.call, "assert": workloads.asserted, "stdio": workloads.stdio, "math": workloads.math}
    curves = []
    for style, count in enumerate((1, CORES)):
        with held_to(count), running(boxes=str(count), math_workers=str(count)) as service:
            service.seconds(fresh(workloads.call, 4))
            hold_to_cores(service.pid, range(count))
            for colour, (name, kind) in enumerate(kinds.items()):
                label = f"{name}, {count} core{'s' if count > 1 else ''}"
                curves.append(measuring.curve(service, label, batches_of(service, kind), BATCHES[:9], (colour, style)))
    return Chart("cores", "The same on one core and on all", "submissions in one request", curves)


@contextmanager
def held_to(count: int) -> Iterator[None]:
    """Limit this process, and everything it starts, to the first cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(count))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def runners(measuring: Measuring) -> Chart:
    """The same with every runner and isolation that this machine has."""
    curves = []
    for index, (name, settings) in enumerate(runners_here().items()):
        with running(**settings) as service:
            service.seconds(fresh(workloads.call, 4))
            send = batches_of(service, workloads.call)
            sizes = BATCHES[:7] if settings.get("isolation") == "container" else BATCHES[:9]
            curves.append(measuring.curve(service, name, send, sizes, (index, 0)))
    return Chart("runners", "call, 5 tests, with each runner and isolation", "submissions in one request", curves)


def runners_here() -> dict[str, dict[str, str]]:
    """Return the settings of each runner that works here, and print why the others do not."""
    wanted = {
        "docker": {"runner": "docker"},
        "docker, a container for each": {"runner": "docker", "isolation": "container"},
        "docker, runsc": {"runner": "docker", "docker_runtime": "runsc"},
        "bubblewrap": {"runner": "bubblewrap"},
        "bubblewrap, a box for each": {"runner": "bubblewrap", "isolation": "container"},
    }
    problems = {name: _problem(settings) for name, settings in wanted.items()}
    for name, problem in problems.items():
        if problem:
            console.print(f"skipped: {name}: {problem}")
    return {name: settings for name, settings in wanted.items() if not problems[name]}


def _problem(settings: dict[str, str]) -> str | None:
    """Return why a runner cannot be used here, or None if it can."""
    if "docker_runtime" in settings:
        known = subprocess.run(
            ["docker", "info", "-f", "{{json .Runtimes}}"], capture_output=True, text=True, check=False
        )
        if settings["docker_runtime"] not in known.stdout:
            return "the Docker daemon does not have it"

    async def ask() -> str | None:
        runner = RUNNERS[settings["runner"]](Settings(), load_languages())
        try:
            return await runner.available()
        finally:
            await runner.close()

    return asyncio.run(ask())


CHARTS: dict[str, Callable[[Measuring], Chart]] = {
    "cases": cases,
    "groups": groups,
    "output": output,
    "batches": batches,
    "cores": cores,
    "runners": runners,
}


def main() -> None:
    """Measure, then draw the plots and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CHARTS, default=list(CHARTS), help="which plots (default: all)")
    parser.add_argument("--repeats", type=int, default=5, help="requests of each size (default 5)")
    parser.add_argument("--largest", type=int, help="the largest size, in units of the smallest (default: no limit)")
    parser.add_argument("--plots", type=Path, default=FOLDER, help=f"where plots go (default {FOLDER})")
    options = parser.parse_args()
    about = machine()
    measuring = Measuring(options.largest, options.repeats)
    options.plots.mkdir(parents=True, exist_ok=True)
    table = Table("How cost grows", ["", "smallest", "largest", "each more, ms", "steepest, clock", "steepest, CPU"])
    charts = []
    for name in options.only:
        chart = CHARTS[name](measuring)
        draw(chart, options.plots / f"growth-{chart.name}.svg")
        table.rows += chart.rows()
        charts.append(chart)
    figures = [one for chart in charts for one in figures_of(chart)]
    save("growth", about, {chart.name: chart.data() for chart in charts}, [table], figures)


if __name__ == "__main__":
    main()
