"""How a Ray cluster scales: measured with up to three nodes on this machine, and modeled with up to 64.

    python -m benchmarks.cluster            # five minutes; needs the extra `ray`
    python -m benchmarks.cluster --try

It measures the throughput of programs that only wait, so that three nodes with four boxes fit on two cores, and the
CPU time that a submission costs the front and its HTTP proxy. The model uses only the front's cost. It is checked
against the measured throughputs, and then shows where one front becomes the limit.
"""

import argparse
import heapq
import itertools
import random
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Better, Figure, Unit, figure, ratios
from benchmarks.processes import cpu_s
from benchmarks.results import Table, machine, save
from tests.cluster.local import LocalCluster
from tests.cluster.waiting import until
from verifier_service.cluster.parts import PART_S
from verifier_service.cluster.remote import TURNS_PER_SLOT

BOXES = 4
SLEEP_S = 0.5
NODES = (1, 2, 4, 8, 16, 32, 64)
NODE_CORES = 16
PROGRAM_S = (0.05, 0.5)


@dataclass(frozen=True)
class Shape:
    """A cluster and its work."""

    nodes: int
    boxes: int
    fronts: int
    take_s: float
    """Seconds of a box for a submission."""
    front_s: float
    """Seconds of a front for a submission, half of them before judging and half after."""
    count: int


@dataclass
class _Front:
    free_s: float = 0.0
    parts: deque[int] = field(default_factory=deque)
    in_hand: int = 0


@dataclass
class _Node:
    """A node, with the times at which its boxes are free."""

    free_s: list[float]
    in_hand: int = 0


def simulate(shape: Shape, seed: int = 0) -> float:
    """Return the submissions per second of a simulated cluster, with one large batch for each front.

    A front is a single server for everything that it sends and receives. It picks two nodes at random for each part and
    sends it to the one with fewer submissions in flight. Each box has two slots, which the fronts share.
    """
    chance = random.Random(seed)
    size = max(round(PART_S / shape.take_s), 1)
    sizes = [size] * (shape.count // size) + [shape.count % size] * bool(shape.count % size)
    fronts = [_Front() for _ in range(shape.fronts)]
    for number, one in enumerate(sizes):
        fronts[number % shape.fronts].parts.append(one)
    nodes = [_Node([0.0] * shape.boxes) for _ in range(shape.nodes)]
    turns = max(TURNS_PER_SLOT * shape.nodes * shape.boxes // shape.fronts, 1)
    order = itertools.count()
    events: list[tuple[float, int, str, Any]] = []
    last_s = 0.0

    def send(front: _Front, now_s: float) -> None:
        while front.parts and front.in_hand < turns:
            part = front.parts.popleft()
            front.in_hand += 1
            front.free_s = max(front.free_s, now_s) + part * shape.front_s / 2
            heapq.heappush(events, (front.free_s, next(order), "there", (front, part)))

    for front in fronts:
        send(front, 0.0)
    while events:
        now_s, _, what, (front, *more) = heapq.heappop(events)
        if what == "there":
            part = more[0]
            node = min(chance.sample(nodes, min(2, len(nodes))), key=lambda one: one.in_hand)
            node.in_hand += 1
            ends_s = 0.0
            for _ in range(part):
                free_s = max(heapq.heappop(node.free_s), now_s) + shape.take_s
                heapq.heappush(node.free_s, free_s)
                ends_s = max(ends_s, free_s)
            heapq.heappush(events, (ends_s, next(order), "judged", (front, part, node)))
        elif what == "judged":
            part, node = more
            node.in_hand -= 1
            front.free_s = max(front.free_s, now_s) + part * shape.front_s / 2
            heapq.heappush(events, (front.free_s, next(order), "told", (front,)))
        else:
            front.in_hand -= 1
            last_s = now_s
            send(front, now_s)
    return shape.count / last_s


def sleepers(count: int, seconds: float, mark: str) -> list[dict[str, Any]]:
    """Return different correct programs that only wait."""
    return [
        {
            "kind": "code",
            "completion": f"import time\ndef f(x):\n    time.sleep({seconds})\n    return x + {n}  # {mark}",
            "tests": {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 1 + n}]},
        }
        for n in range(count)
    ]


def pid_of(title: str) -> int:
    """Return the process of a replica or proxy of Ray Serve."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(title.encode()):
                return int(path.parent.name)
        except OSError:
            continue
    raise SystemExit(f"there is no process {title}")


def rate(http: httpx.Client, submissions: list[dict[str, Any]]) -> float:
    """Return how many submissions of a batch are judged per second."""
    began_s = time.perf_counter()
    answer = http.post("/v1/verify", json={"submissions": submissions})
    took_s = time.perf_counter() - began_s
    answer.raise_for_status()
    wrong = [one for one in answer.json()["results"] if one["verdict"] != "accepted"]
    if wrong:
        raise SystemExit(f"{len(wrong)} were not accepted: {wrong[0]}")
    return len(submissions) / took_s


def main() -> None:
    """Measure, then run the model."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--try", dest="short", action="store_true", help="little of everything")
    short = parser.parse_args().short
    about = machine()
    count, repeats, quick = (32, 1, 200) if short else (96, 3, 1000)
    measured: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        cluster = LocalCluster(Path(folder), 3, {"VERIFIER_BOXES": str(BOXES)})
        try:
            with httpx.Client(base_url=cluster.url, timeout=1200) as http:
                for nodes in (1, 2, 3):
                    cluster.deploy({"num_replicas": nodes})
                    until(lambda: http.get("/readyz").status_code == 200, "ready")
                    until(lambda nodes=nodes: cluster.count() == nodes, f"{nodes} replicas")
                    rate(http, sleepers(8 * nodes, 0.01, f"warm {nodes}"))
                    measured[nodes] = [
                        rate(http, sleepers(count * nodes, SLEEP_S, f"{nodes} {n}")) for n in range(repeats)
                    ]
                front, proxy = pid_of("ray::ServeReplica:verifier:Front"), pid_of("ray::ProxyActor")
                before = cpu_s(front), cpu_s(proxy)
                at_once = rate(http, sleepers(quick, 0.0, "quick"))
                front_s, proxy_s = (
                    (cpu_s(pid) - spent) / quick for pid, spent in zip((front, proxy), before, strict=True)
                )
        finally:
            cluster.close()
    tables = report(measured, count, front_s, proxy_s, at_once)
    data = {"measured": measured, "front_s": front_s, "proxy_s": proxy_s, "quick_per_s": at_once}
    save("cluster", about, data, tables, figures_of(measured, front_s))


def figures_of(measured: dict[int, list[float]], front_s: float) -> list[Figure]:
    """Return how throughput grows with nodes, and the cost of a submission for the front."""
    one = measured[1]
    grows = [
        figure(
            f"cluster/{nodes}_nodes/ratio_to_one_node",
            f"throughput of {nodes} nodes on Ray, beside one",
            ratios(rates, one),
            Unit.TIMES,
            Better.HIGHER,
        )
        for nodes, rates in measured.items()
        if nodes > 1
    ]
    cost = figure("cluster/front/cpu_ms", "CPU of a front for a submission", 1000 * front_s, Unit.MS, Better.LOWER)
    return [*grows, cost]


def report(measured: dict[int, list[float]], count: int, front_s: float, proxy_s: float, at_once: float) -> list[Table]:
    """Return tables of the measurements next to the model's predictions, and predictions for larger clusters."""
    found = Table(
        f"Programs that wait {SLEEP_S} s, {BOXES} boxes a node",
        ["nodes", "judged per second", "model", "upper bound"],
    )
    for nodes, rates in measured.items():
        said = simulate(Shape(nodes, BOXES, 1, SLEEP_S, front_s, count * nodes))
        spread = f"{min(rates):.1f} to {max(rates):.1f}" if len(rates) > 1 else f"{rates[0]:.1f}"
        found.add(str(nodes), spread, f"{said:.1f}", f"{nodes * BOXES / SLEEP_S:.0f}")
    cost = Table("Cost of a submission for the front", ["process", "CPU ms"])
    cost.add("front", f"{1000 * front_s:.2f}")
    cost.add("proxy", f"{1000 * proxy_s:.2f}")
    cost.add("all of it on this machine's cores, quick programs, judged in a second", f"{at_once:.0f}")
    columns = ["nodes", *[f"{take_s} s, {n} front{'s' * (n > 1)}" for take_s in PROGRAM_S for n in (1, 4)]]
    model = Table(f"The model: nodes of {NODE_CORES} cores, judged in a second", columns)
    for nodes in NODES:
        row = [
            simulate(Shape(nodes, NODE_CORES, fronts, take_s, front_s, round(20 * nodes * NODE_CORES / take_s * 0.5)))
            for take_s in PROGRAM_S
            for fronts in (1, 4)
        ]
        model.add(str(nodes), *[f"{one:.0f}" for one in row])
    return [found, cost, model]


if __name__ == "__main__":
    main()
