"""How fast code is judged, compared in the same run with running it without any sandbox.

    python -m benchmarks.code_speed            # a few minutes; writes runs/benchmarks/code_speed.json and .md
    python -m benchmarks.code_speed --rounds 1 --batch 32 --lone 10      # a short try

It starts its own service. All programs are different, so no result can be reused. The rows take turns in rounds, so
that changes of the machine's speed affect all of them. A ratio is the median of the rounds' ratios. Every row can use
all cores. CPU times only include this service and its boxes; the Docker daemon's time can include other work.
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
from benchmarks.figures import Better, Figure, Unit, figure, ratios
from benchmarks.processes import PARTS, cpu_parts
from benchmarks.results import Table, machine, save, track
from benchmarks.service import Service, running
from benchmarks.workloads import Kind, fresh
from verifier_service.settings import Settings

SYSTEM_PYTHON = "/usr/bin/python3"
CORES = os.cpu_count() or 1
TEN_TESTS_BATCH = 256
PLAIN, IN_THE_BOX = "plain g++ -O2", "compile in the box, wall"
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
    """One way to do the work. `measure` does it `count` times and returns the seconds.

    `beside` is the key of the row to compare it with.
    """

    key: str
    name: str
    count: int
    measure: Callable[[int], float]
    sandboxed: bool = True
    beside: str = ""
    rates: list[float] = field(default_factory=list)
    cpu_each_ms: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    done: int = 0

    @property
    def rate(self) -> float:
        """The median of the rounds' submissions per second."""
        return statistics.median(self.rates)

    def cpu_ms(self, part: str) -> float:
        """Return one submission's CPU milliseconds in one part."""
        return 1000 * self.cpu_s.get(part, 0.0) / self.done


def in_parallel(
    commands: list[list[str]],
    env: dict[str, str] | None = None,
    at_a_time: int = CORES,
    inputs: list[str] | None = None,
) -> float:
    """Return the seconds that these commands take, with one at a time on each core. `inputs` are their stdins."""

    def run(command: list[str], text: str | None) -> None:
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, input=text, text=True)

    started = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as threads:
        list(threads.map(run, commands, inputs or [None] * len(commands)))
    return time.perf_counter() - started


def bare(python: str) -> Callable[[int], float]:
    """Return a function that runs a function and its five asserts with `python -c`."""

    def measure(count: int) -> float:
        submissions = fresh(workloads.call, count)
        programs = [one["completion"] + workloads.ASSERTS for one in submissions]
        return in_parallel([[python, "-c", program] for program in programs])

    return measure


def bare_pytest(python: str) -> Callable[[int], float]:
    """Return a function that runs the same test file with `python -m pytest`; plugins, which would slow it, are off."""
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
    """Return a function that sends submissions of one kind in one batch."""
    return lambda count: service.seconds(fresh(kind, count), verdict)


def make_rows(service: Service, python: str, batch: int) -> list[Row]:
    """Return all rows to compare."""
    system, own, pytest = (f"{python} -c", f"{os.path.relpath(sys.executable)} -c", f"{python} -m pytest")
    half, few = batch // 2, max(4, batch // 8)
    wrong = "wrong_answer"
    through_tester = workloads.through_tester

    def failing_through_tester(n: int) -> workloads.Submission:
        return through_tester(n, wrong=True)

    def row(key: str, name: str, count: int, kind: Kind, verdict: str = "accepted", beside: str = "python3") -> Row:
        return Row(key, name, count, judged(service, kind, verdict), beside=beside)

    return [
        Row("python3", system, batch, bare(python), sandboxed=False),
        Row("own_python3", own, half, bare(sys.executable), sandboxed=False, beside="python3"),
        row("call", "call, 5 cases", batch, workloads.call),
        row("assert", "assert, 5 lines, accepted", batch, workloads.asserted),
        row("assert_failing", "assert, 5 lines, failing", batch, workloads.asserted_wrong, wrong),
        row("tester", "assert through a tester, accepted", half, through_tester),
        row("tester_failing", "assert through a tester, failing", half, failing_through_tester, wrong),
        row("stdio", "stdio, 1 case", batch, workloads.stdio),
        Row("python3_pytest", pytest, few, bare_pytest(python), sandboxed=False, beside="python3"),
        row("pytest", "pytest, 1 file, 5 tests", half, workloads.pytested, beside="python3_pytest"),
        row("fixture", "pytest with a fixture, 5 tests", few, workloads.with_fixture, beside="python3_pytest"),
        row("math", "math, one reference each", batch, workloads.math, beside=""),
    ]


def one_turn(row: Row, service: Service) -> None:
    """Measure a row once more, including its CPU time."""
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
    row.cpu_each_ms.append(1000 * sum(spent.get(part, 0.0) for part in PARTS) / row.count)
    row.done += row.count
    for part, used_s in spent.items():
        row.cpu_s[part] = row.cpu_s.get(part, 0.0) + used_s


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lone_latencies_ms(service: Service, count: int) -> dict[str, tuple[float, float]]:
    """Return p50 and p95 of submissions that are sent one at a time. The kinds take turns."""
    kinds: dict[str, tuple[Kind, str]] = {
        "call": (workloads.call, "accepted"),
        "assert": (workloads.asserted, "accepted"),
        "assert_failing": (workloads.asserted_wrong, "wrong_answer"),
        "tester": (workloads.through_tester, "accepted"),
        "stdio": (workloads.stdio, "accepted"),
        "pytest": (workloads.pytested, "accepted"),
        "math": (workloads.math, "accepted"),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in track(range(count), "one at a time"):
        for name, (kind, verdict) in kinds.items():
            times[name].append(1000 * service.seconds(fresh(kind, 1), verdict))
    return {name: (statistics.median(all_ms), sorted(all_ms)[int(count * 0.95)]) for name, all_ms in times.items()}


def cpp_ms(service: Service, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of C++ submissions and of a plain compilation, by round."""
    found: dict[str, list[float]] = {}
    service.seconds(fresh(workloads.cpp, 1))  # starts a box for C++
    for _ in track(range(rounds), "C++"):
        plain_s = plain_compile_s(workloads.STANDARD_CPP.format(n=0), service.info["runner"])
        one_s = service.seconds(fresh(lambda n: workloads.cpp(n, 1), 1))
        same = fresh(lambda n: workloads.cpp(n, 20), 1)
        twenty_s, again_s = service.seconds(same), service.seconds(same)
        source = fresh(workloads.cpp, 1)[0]["completion"]
        runs = {"runs": [{"language": "cpp", "source": source, "stdin": "1 2\n"}]}
        compiled = service.client.post("/v1/run", json=runs).json()["results"][0]["compile"]
        for name, seconds in {
            PLAIN: plain_s,
            IN_THE_BOX: compiled["wall_s"],
            "one test, first submission": one_s,
            "20 tests, first submission": twenty_s,
            "each further test": (twenty_s - one_s) / 19,
            "20 tests, second submission": again_s,
        }.items():
            found.setdefault(name, []).append(1000 * seconds)
    return found


def plain_compile_s(source: str, runner: str) -> float:
    """Return the median seconds of `g++ -O2`, in a temporary container if the boxes are containers."""
    command = [sys.executable, "-c", PLAIN_COMPILE, source]
    if runner == "docker":
        image = f"{Settings().image_prefix}/cpp"
        container = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image]
        command = [*container, "-c", PLAIN_COMPILE, source]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return statistics.median(map(float, output.split()))


def rate_table(rows: list[Row], title: str) -> Table:
    """Return the table of submissions per second."""
    by_key = {row.key: row for row in rows}
    table = Table(title, ["work", "submissions/s (lowest - highest)", "times", "of"])
    for row in rows:
        spread = f"{row.rate:.0f} ({min(row.rates):.0f} - {max(row.rates):.0f})"
        beside = by_key.get(row.beside)
        ratio = f"{statistics.median(ratios(row.rates, beside.rates)):.2f}" if beside else ""
        table.add(row.name, spread, ratio, beside.name if beside else "")
    return table


def cpu_table(rows: list[Row]) -> Table:
    """Return the table of CPU milliseconds; `all` is the service and its boxes."""
    table = Table("CPU milliseconds per submission", ["work", *PARTS, "all", "client", "machine without client"])
    for row in rows:
        parts = [row.cpu_ms(part) for part in PARTS]
        client = row.cpu_ms("client")
        rest = f"{row.cpu_ms('machine') - client:.2f}" if row.sandboxed else ""
        table.add(row.name, *(f"{ms:.2f}" for ms in parts), f"{sum(parts):.2f}", f"{client:.2f}", rest)
    return table


def lone_table(lone: dict[str, tuple[float, float]], names: dict[str, str]) -> Table:
    """Return the table of submissions that are sent one at a time."""
    table = Table("One submission at a time, milliseconds", ["work", "p50", "p95"])
    for key, (p50, p95) in lone.items():
        table.add(names[key], f"{p50:.1f}", f"{p95:.1f}")
    return table


def cpp_table(cpp: dict[str, list[float]]) -> Table:
    """Return the table of C++."""
    table = Table("C++, a trivial program that includes bits/stdc++.h", ["", "ms", f"of {PLAIN}"])
    for name, every_ms in cpp.items():
        ms = statistics.median(every_ms)
        table.add(name, f"{ms:.1f}", f"{ms / statistics.median(cpp[PLAIN]):.0%}")
    return table


def figures_of(rows: list[Row]) -> list[Figure]:
    """Return the figures of each row, alone and relative to the row it is compared with."""
    by_key, found = {row.key: row for row in rows}, []
    for row in rows:
        better = Better.HIGHER if row.sandboxed else Better.NEITHER
        less = Better.LOWER if row.sandboxed else Better.NEITHER
        at = f"code_speed/{row.key}"
        found.append(figure(f"{at}/per_s", row.name, row.rates, Unit.PER_S, better))
        found.append(figure(f"{at}/cpu_ms", f"{row.name}: CPU of one", row.cpu_each_ms, Unit.MS, less))
        if beside := by_key.get(row.beside):
            of = f"{row.name}: submissions/s, of {beside.name}"
            found.append(figure(f"{at}/ratio_to_{beside.key}", of, ratios(row.rates, beside.rates), Unit.TIMES, better))
            of, cpu = f"{row.name}: CPU of one, of {beside.name}", ratios(row.cpu_each_ms, beside.cpu_each_ms)
            found.append(figure(f"{at}/cpu_ratio_to_{beside.key}", of, cpu, Unit.TIMES, less))
    return found


def more_figures(
    lone: dict[str, tuple[float, float]], names: dict[str, str], ten_s: list[float], cpp: dict[str, list[float]]
) -> list[Figure]:
    """Return the figures of single submissions, batches of 256, and C++."""
    found = []
    for key, (p50, p95) in lone.items():
        alone = f"{names[key]}: alone"
        found.append(figure(f"code_speed/{key}/alone_p50_ms", f"{alone}, p50", p50, Unit.MS, Better.LOWER))
        found.append(figure(f"code_speed/{key}/alone_p95_ms", f"{alone}, p95", p95, Unit.MS, Better.LOWER))
    title = f"{TEN_TESTS_BATCH} completions with 10 tests"
    found.append(figure("code_speed/256_completions/s", title, ten_s, Unit.S, Better.LOWER))
    if cpp:
        title, compiled = f"a C++ program compiled in the box: time, of {PLAIN}", ratios(cpp[IN_THE_BOX], cpp[PLAIN])
        found.append(figure("code_speed/cpp/compile_ratio_to_plain", title, compiled, Unit.TIMES, Better.LOWER))
    return found


def measure(service: Service, options: argparse.Namespace) -> tuple[dict[str, Any], list[Table], list[Figure]]:
    """Return the results of one run as data, tables and figures."""
    rows = make_rows(service, options.python, options.batch)
    for row in track(rows, "warming up"):
        row.measure(4 * CORES)
    for row in track(rows * options.rounds, "in turns"):
        one_turn(row, service)
    lone = lone_latencies_ms(service, options.lone)
    ten = [fresh(lambda n: workloads.call(n, 10), TEN_TESTS_BATCH) for _ in range(options.rounds)]
    ten_s = [service.seconds(one) for one in track(ten, "256 x 10 tests")]
    cpp = cpp_ms(service, options.rounds) if "cpp" in service.languages else {}
    title = f"{service.info['runner']} runner, batches of {options.batch}, {CORES} cores used by every row"
    ten_table = Table("256 completions with 10 call tests", ["seconds"], [[f"{statistics.median(ten_s):.2f}"]])
    names = {row.key: row.name for row in rows}
    speed = [rate_table(rows, title), cpu_table(rows), lone_table(lone, names)]
    tables = [*speed, ten_table, *([cpp_table(cpp)] if cpp else [])]
    data = {
        "rows": {
            row.key: {
                "name": row.name,
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
    return data, tables, figures_of(rows) + more_figures(lone, names, ten_s, cpp)


def main() -> None:
    """Measure, and print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds for each row (default 5)")
    parser.add_argument("--batch", type=int, default=256, help="submissions in one round (default 256)")
    parser.add_argument("--lone", type=int, default=100, help="submissions of each kind, one at a time (default 100)")
    default = SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable
    parser.add_argument("--python", default=default, help=f"the interpreter for bare programs (default {default})")
    options = parser.parse_args()
    about = machine()
    with running() as service:
        data, tables, figures = measure(service, options)
    save("code_speed", about, data, tables, figures)


if __name__ == "__main__":
    main()
