"""What the benchmarks count with: clocks, process trees, exponents, and a load client. What they find is not tested."""

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from benchmarks import workloads
from benchmarks.growth_plots import Chart, Curve, Point, draw
from benchmarks.http_load import send
from benchmarks.processes import Footprint, Process, below, cpu_s, parse_stat
from benchmarks.results import Table
from benchmarks.soak import grown
from benchmarks.workloads import fresh


def curve(*costs_s: float) -> Curve:
    """A curve of sizes 1, 2, 4, ..."""
    return Curve("it", [Point(2**n, cost, 0.0) for n, cost in enumerate(costs_s)], 0)


def test_the_clock_of_a_process_is_its_own() -> None:
    before = time.process_time()
    between = cpu_s(os.getpid())
    assert before <= between <= time.process_time()


def test_a_name_with_spaces_and_brackets_does_not_shift_the_fields() -> None:
    line = "12 (a) b (c) S 7 12 12 0 -1 4194304 1 2 3 4 100 50 30 20 20 0 1 0 99"
    ticks = os.sysconf("SC_CLK_TCK")
    assert parse_stat(line, "a b") == Process(12, 7, "a) b (c", "a b", 150 / ticks, 50 / ticks)


def test_a_tree_holds_grandchildren_and_nobody_else() -> None:
    parents = {1: 0, 2: 1, 3: 2, 4: 1, 5: 3}
    table = {pid: Process(pid, parent, "", "", 0, 0) for pid, parent in parents.items()}
    assert sorted(below(2, table)) == [2, 3, 5]


@pytest.mark.parametrize(
    ("costs_s", "expected"),
    [((1, 2, 4), (1.0, 4)), ((1, 4, 16), (2.0, 4)), ((1, 1, 1, 16), (2.0, 8)), ((5, 5, 5), (0.0, 4))],
)
def test_the_steepest_step_is_over_a_factor_of_four(costs_s: tuple[float, ...], expected: tuple[float, int]) -> None:
    exponent, size = curve(*costs_s).steepest(list(costs_s))
    assert (round(exponent, 6), size) == expected


def test_a_step_that_is_worse_than_linear_is_named_in_the_table() -> None:
    rows = Chart("n", "N", "n", [curve(0.001, 0.004, 0.016), curve(0.001, 0.002, 0.004)]).rows()
    assert [row[1:] for row in rows] == [
        ["1.0 ms at 1", "16 ms at 4", "6.0000", "2.00 up to 4, worse than linear", ""],
        ["1.0 ms at 1", "4 ms at 4", "1.0000", "1.00 up to 4", ""],
    ]


def test_the_same_numbers_make_the_same_plot(tmp_path: Path) -> None:
    chart = Chart("n", "How it grows", "tests", [curve(0.001, 0.002)])
    draw(chart, tmp_path / "a.svg")
    draw(chart, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_table_is_markdown() -> None:
    assert Table("T", ["a", "b"], [["1", "2"]]).markdown() == "**T**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_what_has_grown_is_named() -> None:
    warm = [Footprint(90, 50, 40, 100, 10, 2), Footprint(100, 50, 40, 80, 8, 2)]
    assert grown(warm, Footprint(110, 55, 44, 132, 18, 2)) == []
    assert grown(warm, Footprint(200, 50, 40, 133, 10, 3)) == [
        "service_mb from 100 to 200",
        "descriptors from 100 to 133",
        "containers from 2 to 3",
    ]


class Echo(BaseHTTPRequestHandler):
    """Answers with the body that it was sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/echo" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that answers with what it was sent."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_load_client_sends_each_body_once_and_reads_each_answer(echo: str) -> None:
    seen: list[int] = []
    load = send(f"{echo}/echo", [{"n": n} for n in range(20)], 3, lambda answer: seen.append(answer["n"]) is None)
    assert (sorted(seen), len(load.latencies_s)) == (list(range(20)), 20)


def test_the_load_client_accepts_no_wrong_answer(echo: str) -> None:
    with pytest.raises(SystemExit, match="1 of 3 answers are not right"):
        send(f"{echo}/echo", [{"n": n} for n in range(3)], 2, lambda answer: answer["n"] != 1)


def test_every_workload_is_judged_as_it_is_meant(client: httpx.Client) -> None:
    right = [workloads.call, workloads.asserted, workloads.stdio, workloads.pytested, workloads.math]
    submissions = [one for kind in [*right, workloads.asserted_wrong] for one in fresh(kind, 1)]
    answer = client.post("/v1/verify", json={"submissions": submissions}).json()
    assert [one["verdict"] for one in answer["results"]] == ["accepted"] * 5 + ["wrong_answer"]


def test_no_two_submissions_are_the_same() -> None:
    made = fresh(workloads.call, 3) + fresh(workloads.stdio, 3) + fresh(workloads.cpp, 3)
    assert len({json.dumps(one) for one in made}) == 9
