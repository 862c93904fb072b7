"""Code at 1, 8, 64 and 256 at a time, compared in one run with other ways to run the same programs.

    python -m benchmarks.concurrency                       # writes runs/benchmarks/concurrency.json and .md
    python -m benchmarks.concurrency --against http://127.0.0.1:8080      # also a SandboxFusion or a Piston
    python -m benchmarks.concurrency --rounds 1 --levels 1 8 --count 16   # a short try

A program is a function with five asserts. This service gets each program in its own request. A loop of bare
`python3 -c` starts a process for each program, and a loop of `docker run` a temporary container of the sandbox image,
at most eight at a time: more would only wait for the daemon. Another server that speaks SandboxFusion's
`POST /run_code` or Piston's `POST /api/v2/execute` also gets each program in its own request. They take turns in
rounds, and a ratio is the median of the rounds' ratios.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks import workloads
from benchmarks.code_speed import SYSTEM_PYTHON, in_parallel
from benchmarks.figures import Better, Figure, Unit, figure, ratios, slug
from benchmarks.http_load import Check, Load, send
from benchmarks.results import Table, console, machine, save, track
from benchmarks.service import running
from benchmarks.workloads import fresh
from verifier_service.settings import Settings

LEVELS = (1, 8, 64, 256)
CONTAINERS_AT_A_TIME = 8
CONTAINERS_EACH = 2
"""How many containers one turn starts for each that runs at a time."""
WARM_UP = 8


@dataclass(frozen=True)
class Done:
    """The outcome of one turn: submissions per second, and each one's latency in seconds if it was measured."""

    per_s: float
    latencies_s: list[float] = field(default_factory=list)


Turn = Callable[[int, int], Done]
"""Runs a number of submissions (first argument), with a limit on how many run at a time (second argument)."""


@dataclass
class Way:
    """A way to run programs; `turns` has the outcomes at each level, by round."""

    key: str
    name: str
    turn: Turn
    most_at_a_time: int | None = None
    turns: dict[int, list[Done]] = field(default_factory=dict)

    def at(self, level: int) -> int:
        """Return how many it really runs at a time at this level."""
        return min(level, self.most_at_a_time or level)

    def go(self, level: int, count: int) -> None:
        """Take one more turn at a level. A way with a maximum is slow, so it gets fewer submissions."""
        few = max(4, CONTAINERS_EACH * level)
        wanted = few if self.most_at_a_time else max(count, 2 * level)
        self.turns.setdefault(level, []).append(self.turn(wanted, level))

    def rates(self, level: int) -> list[float]:
        """Return submissions per second at a level, by round."""
        return [one.per_s for one in self.turns[self.at(level)]]


def programs(count: int) -> list[str]:
    """Return different programs: a function and its five asserts."""
    return [one["completion"] + workloads.ASSERTS for one in fresh(workloads.call, count)]


def service_turn(url: str) -> Turn:
    """Return the turn of this service: it judges submissions with five calls."""

    def turn(count: int, level: int) -> Done:
        bodies = [{"submissions": [one]} for one in fresh(workloads.call, count)]
        return _done(send(f"{url}/v1/verify", bodies, level, _accepted))

    return turn


def bare_turn(python: str) -> Turn:
    """Return the turn that starts a process for each program."""

    def turn(count: int, level: int) -> Done:
        commands = [[python, "-c", program] for program in programs(count)]
        return Done(count / in_parallel(commands, at_a_time=level))

    return turn


def docker_turn(image: str) -> Turn:
    """Return the turn that starts a container for each program and sends it the program on stdin."""
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--entrypoint", "python3", image, "-"]

    def turn(count: int, level: int) -> Done:
        return Done(count / in_parallel([command] * count, at_a_time=level, inputs=programs(count)))

    return turn


@dataclass(frozen=True)
class Protocol:
    """How to ask a kind of server to run a program, and how its answer shows that the program succeeded."""

    path: str
    body: Callable[[str], dict[str, Any]]
    right: Check


def _fusion_body(program: str) -> dict[str, Any]:
    return {"code": program, "language": "python", "run_timeout": 10, "compile_timeout": 10}


def _piston_body(program: str) -> dict[str, Any]:
    return {"language": "python", "version": "*", "files": [{"name": "main.py", "content": program}]}


PROTOCOLS: dict[str, Protocol] = {
    "SandboxFusion": Protocol("/run_code", _fusion_body, lambda answer: answer.get("status") == "Success"),
    "Piston": Protocol("/api/v2/execute", _piston_body, lambda answer: answer.get("run", {}).get("code") == 0),
}


def spoken_at(url: str) -> tuple[str, str, Protocol]:
    """Return the name of a server's protocol, the address to ask, and the protocol.

    `http://HOST:8080` is tried with both protocols; `http://HOST:8080/api/v2/execute` only with the one of that path.

    Raises:
        SystemExit: The server speaks neither protocol, or does not answer.
    """
    named = {name: one for name, one in PROTOCOLS.items() if url.endswith(one.path)}
    seen = []
    for name, protocol in (named or PROTOCOLS).items():
        address = url.removesuffix(protocol.path).rstrip("/") + protocol.path
        try:
            answer = httpx.post(address, json=protocol.body("print(1)"), timeout=60)
            if answer.status_code == 200 and protocol.right(answer.json()):
                return name, address, protocol
            seen.append(f"{address} answers {answer.status_code}: {answer.text[:200]}")
        except (httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError) as error:
            seen.append(f"{address}: {type(error).__name__} {error}")
    raise SystemExit(f"{url} speaks neither SandboxFusion's nor Piston's protocol: {'; '.join(seen)}")


def server_turn(address: str, protocol: Protocol) -> Turn:
    """Return the turn of another server, which runs each program."""

    def turn(count: int, level: int) -> Done:
        return _done(send(address, [protocol.body(one) for one in programs(count)], level, protocol.right))

    return turn


def _accepted(answer: dict[str, Any]) -> bool:
    return answer["results"][0]["verdict"] == "accepted"


def _done(load: Load) -> Done:
    return Done(len(load.latencies_s) / load.wall_s, load.latencies_s)


def image_here() -> str | None:
    """Return the sandbox image for Python, or None if Docker or the image is missing."""
    image = f"{Settings().image_prefix}/python"
    try:
        found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return image if found.returncode == 0 else None


def ways(url: str, runner: str, options: argparse.Namespace) -> list[Way]:
    """Return all ways to compare, this service first."""
    found = [
        Way("call", f"this service, {runner}", service_turn(url)),
        Way("python3", f"{options.python} -c", bare_turn(options.python)),
    ]
    if image := image_here():
        found.append(Way("docker_run", "docker run for each", docker_turn(image), CONTAINERS_AT_A_TIME))
    else:
        console.print("skipped: docker run: the Docker daemon or the sandbox image for Python is missing")
    if options.against:
        name, address, protocol = spoken_at(options.against)
        found.append(Way(slug(name), f"{name} at {options.against}", server_turn(address, protocol)))
    return found


def figures_of(found: list[Way], levels: list[int]) -> list[Figure]:
    """Return the figures of each way at each level, and the ratios of this service to the others."""
    service, *others = found
    figures = []
    for level, way in itertools.product(levels, found):
        better, title = Better.HIGHER if way is service else Better.NEITHER, f"{level} at a time: {way.name}"
        figures.append(figure(f"concurrency/{level}/{way.key}/per_s", title, way.rates(level), Unit.PER_S, better))
    for other, level in itertools.product(others, levels):
        title = f"{level} at a time: submissions/s, of {other.name}"
        times = ratios(service.rates(level), other.rates(level))
        at = f"concurrency/{level}/call/ratio_to_{other.key}"
        figures.append(figure(at, title, times, Unit.TIMES, Better.HIGHER))
    for level, (name, share) in itertools.product(levels, (("p50", 0.5), ("p95", 0.95))):
        every = [quantile_ms(one.latencies_s, share) for one in service.turns[level]]
        title = f"{level} at a time: {name}"
        figures.append(figure(f"concurrency/{level}/call/{name}_ms", title, every, Unit.MS, Better.LOWER))
    return figures


def quantile_ms(latencies_s: list[float], share: float) -> float:
    """Return a quantile of latencies in milliseconds."""
    return 1000 * sorted(latencies_s)[min(len(latencies_s) - 1, int(share * len(latencies_s)))]


def table_of(found: list[Way], levels: list[int]) -> Table:
    """Return submissions per second by way and level, and how many times as many this service did."""
    table = Table("Submissions per second, by how many run at a time", ["", *map(str, levels)])
    for way in found:
        cells = []
        for level in levels:
            times = statistics.median(ratios(found[0].rates(level), way.rates(level)))
            beside = f", this service {times:.2f} times" if way is not found[0] else ""
            cells.append(f"{statistics.median(way.rates(level)):.1f}{beside}")
        table.add(way.name, *cells)
    return table


def main() -> None:
    """Measure, then print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds for each way at each level (default 5)")
    parser.add_argument(
        "--count", type=int, default=128, help="minimum number of submissions in one round (default 128)"
    )
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS), help="how many at a time")
    parser.add_argument("--against", metavar="URL", help="a server that speaks SandboxFusion's or Piston's protocol")
    default = SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable
    parser.add_argument("--python", default=default, help=f"the interpreter for bare programs (default {default})")
    options = parser.parse_args()
    about = machine()
    with running() as service:
        found = ways(service.url, service.info["runner"], options)
        for way in track(found, "warming up"):
            way.turn(WARM_UP, way.at(WARM_UP))
        turns = [(way, level) for way in found for level in sorted({way.at(one) for one in options.levels})]
        for way, level in track(turns * options.rounds, "in turns"):
            way.go(level, options.count)
    data = {way.key: {level: [one.per_s for one in done] for level, done in way.turns.items()} for way in found}
    save("concurrency", about, data, [table_of(found, options.levels)], figures_of(found, options.levels))


if __name__ == "__main__":
    main()
