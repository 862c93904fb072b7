"""The arithmetic, reports and comparisons of the benchmarks, but not their results."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from benchmarks import workloads
from benchmarks.__main__ import time_left_s
from benchmarks.code_under_load import changed
from benchmarks.compare import Judgement, compare
from benchmarks.concurrency import spoken_at
from benchmarks.figures import Better, Figure, Unit, figure, number, ratios, slug
from benchmarks.growth_plots import Chart, Curve, Point, draw, figures_of
from benchmarks.http_load import send
from benchmarks.page import page
from benchmarks.parts import PARTS, Asked, Form, Step, steps_of
from benchmarks.processes import Footprint, Process, below, cpu_s, parse_stat
from benchmarks.report import Outcome, Report, read, write
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
    """Answers with the body of the request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path in ("/echo", "/chunks") else 500)
        if self.path == "/chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nA-Trailer: x\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that answers with the body of the request."""
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


def test_the_load_client_reads_answers_in_chunks(echo: str) -> None:
    load = send(f"{echo}/chunks", [{"n": n} for n in range(6)], 2, lambda answer: answer["n"] in range(6))
    assert len(load.latencies_s) == 6


def test_the_load_client_accepts_no_wrong_answer(echo: str) -> None:
    with pytest.raises(SystemExit, match="1 of 3 answers are wrong"):
        send(f"{echo}/echo", [{"n": n} for n in range(3)], 2, lambda answer: answer["n"] != 1)


def test_every_workload_is_judged_as_it_is_meant(client: httpx.Client) -> None:
    right = [workloads.call, workloads.asserted, workloads.stdio, workloads.pytested, workloads.math]
    submissions = [one for kind in [*right, workloads.asserted_wrong] for one in fresh(kind, 1)]
    answer = client.post("/v1/verify", json={"submissions": submissions}).json()
    assert [one["verdict"] for one in answer["results"]] == ["accepted"] * 5 + ["wrong_answer"]


def test_no_two_submissions_are_the_same() -> None:
    made = fresh(workloads.call, 3) + fresh(workloads.stdio, 3) + fresh(workloads.cpp, 3)
    assert len({json.dumps(one) for one in made}) == 9


def test_a_figure_is_a_median_with_its_spread() -> None:
    assert figure("p/x", "X", [3, 1, 2.000004], Unit.TIMES, Better.HIGHER) == Figure(
        id="p/x", title="X", value=2, low=1, high=3, unit=Unit.TIMES, better=Better.HIGHER
    )


def test_a_ratio_is_made_round_by_round() -> None:
    assert ratios([10, 5], [5, 1]) == [2, 5]


def test_words_become_a_part_of_an_id() -> None:
    assert slug("stdio, C++, compiled before") == "stdio_c++_compiled_before"


def test_an_exponent_has_the_spread_of_its_repeats() -> None:
    points = [Point(1, 1, 0, (1, 1)), Point(4, 4, 0, (4, 16))]
    (exponent, *_) = figures_of(Chart("cases", "C", "tests", [Curve("call", points, 0)]))
    assert (exponent.id, exponent.value, exponent.low, exponent.high) == ("growth/cases/call/exponent", 1, 1, 2)


def kept_and_now(
    kept: tuple[float, float, float], now: tuple[float, float, float], unit: Unit, better: Better
) -> tuple[Figure, Figure]:
    """One figure twice: low, value, high."""
    ends = [dict(zip(("low", "value", "high"), one, strict=True)) for one in (kept, now)]
    first, second = (Figure(id="p/x", title="X", unit=unit, better=better, **one) for one in ends)
    return first, second


@pytest.mark.parametrize(
    ("kept", "now", "unit", "better", "expected"),
    [
        ((1.9, 2.0, 2.1), (1.4, 1.5, 1.6), Unit.TIMES, Better.HIGHER, "worse"),
        ((1.9, 2.0, 2.1), (2.4, 2.5, 2.6), Unit.TIMES, Better.HIGHER, "better"),
        ((1.9, 2.0, 2.1), (2.4, 2.5, 2.6), Unit.TIMES, Better.LOWER, "worse"),
        ((1.9, 2.0, 2.1), (1.4, 1.5, 1.6), Unit.TIMES, Better.LOWER, "better"),
        ((1.5, 2.0, 2.1), (1.4, 1.5, 1.6), Unit.TIMES, Better.HIGHER, "same"),  # the spreads touch
        ((1.99, 2.0, 2.01), (1.79, 1.8, 1.81), Unit.TIMES, Better.HIGHER, "same"),  # a tenth is within the tolerance
        ((1.9, 2.0, 2.5), (2.4, 2.5, 2.6), Unit.TIMES, Better.LOWER, "same"),
        ((1.99, 2.0, 2.01), (2.19, 2.2, 2.21), Unit.TIMES, Better.LOWER, "same"),
        ((1.9, 2.0, 2.1), (0.1, 0.2, 0.3), Unit.TIMES, Better.NEITHER, "same"),
        ((0.2, 0.2, 0.2), (0.5, 0.6, 0.7), Unit.EXPONENT, Better.LOWER, "same"),  # both count as linear
        ((0.9, 1.0, 1.1), (1.3, 1.4, 1.5), Unit.EXPONENT, Better.LOWER, "worse"),
        ((1.3, 1.4, 1.5), (0.9, 1.0, 1.1), Unit.EXPONENT, Better.LOWER, "better"),
        ((0, 0, 0), (1, 1, 1), Unit.COUNT, Better.LOWER, "worse"),  # one is too many
        ((1, 1, 1), (0.999, 0.999, 0.999), Unit.SHARE, Better.HIGHER, "worse"),
        ((0.99, 1, 1), (0.98, 0.995, 1), Unit.SHARE, Better.HIGHER, "same"),  # intervals that overlap
    ],
)
def test_a_figure_is_judged_by_direction_spread_and_tolerance(
    kept: tuple[float, float, float], now: tuple[float, float, float], unit: Unit, better: Better, expected: str
) -> None:
    first, second = kept_and_now(kept, now, unit, better)
    assert [row.judgement for row in compare([first], [second])] == [expected]


def test_what_is_gone_or_in_another_unit_is_named_and_what_belongs_to_a_machine_is_not_compared() -> None:
    times, other = kept_and_now((1, 1, 1), (9, 9, 9), Unit.TIMES, Better.LOWER)
    gone, fresh_one = times.model_copy(update={"id": "p/gone"}), times.model_copy(update={"id": "p/fresh"})
    seconds = [one.model_copy(update={"id": "p/s", "unit": Unit.S}) for one in (times, other)]
    rows = compare([times, gone, seconds[0]], [times.model_copy(update={"unit": Unit.COUNT}), fresh_one, seconds[1]])
    assert [(row.judgement, row.figure.id) for row in rows] == [
        (Judgement.MISSING, "p/gone"),
        (Judgement.OTHER_UNIT, "p/x"),
        (Judgement.NEW, "p/fresh"),
    ]


def a_report(figures: list[Figure]) -> Report:
    """A report of two parts, one of which failed."""
    machine = {"cpu": "a <b>CPU</b>", "load before": 3.0, "date": "today"}
    parts = [Outcome(name="code_speed", seconds=1, exit_code=0), Outcome(name="growth", seconds=2, exit_code=1)]
    return Report(form=Form.QUICK, machine=machine, parts=parts, figures=figures)


def test_the_page_holds_every_figure_and_says_what_is_wrong(tmp_path: Path) -> None:
    figures = [
        figure(f"{part}/{unit}/{better}", f"<i>{unit}</i>", [1.5, 2, 30], unit, better)
        for part in ("code_speed", "growth")
        for unit in Unit
        for better in Better
    ]
    draw(Chart("cases", "C", "tests", [curve(0.001, 0.002)]), tmp_path / "growth-cases.svg")
    rows = compare([figures[0].model_copy(update={"value": 100, "low": 99, "high": 101})], figures)
    html = page(a_report(figures), tmp_path, rows)
    assert re.findall(r'data-id="(.*?)"', html) == [one.id for one in figures]
    assert "Failed: growth" in html
    assert "load 3.0" in html
    assert html.count("data:image/svg+xml;base64,") == 1
    assert "<i>times" not in html
    assert "<b>CPU" not in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert re.findall(r'class="bar"><div class="name">', html) == ['class="bar"><div class="name">'] * 6
    assert "worse</span>" in html


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (2.163, Unit.TIMES, "2.16×"),
        (0.0281, Unit.TIMES, "0.028×"),
        (0.997, Unit.SHARE, "99.7 %"),
        (1, Unit.SHARE, "100 %"),
        (0, Unit.COUNT, "0"),
        (1234.4, Unit.PER_S, "1,234 1/s"),
        (4.94, Unit.MS, "4.94 ms"),
        (1.15, Unit.EXPONENT, "1.15"),
    ],
)
def test_numbers_are_written_for_people(value: float, unit: Unit, words: str) -> None:
    assert number(value, unit) == words


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = a_report([figure("growth/x", "X", [1, 2], Unit.MIB, Better.LOWER)])
    write(report, tmp_path / "deep" / "report.json")
    assert read(tmp_path / "deep" / "report.json") == report
    (kept,) = json.loads((tmp_path / "deep" / "report.json").read_text())["figures"]
    assert (kept["id"], kept["comparable"]) == ("growth/x", False)


def test_every_step_is_a_module_and_what_was_asked_reaches_it() -> None:
    asked = Asked("http://x", Path("cases.jsonl"), Path("mbpp.jsonl"))
    steps = {form: {one.name: one for one in steps_of(form, asked, [])} for form in Form}
    modules = {one.module for every in steps.values() for one in every.values()}
    assert all(importlib.util.find_spec(f"benchmarks.{module}") for module in modules)
    assert set(steps[Form.FULL]) == set(PARTS)
    assert set(steps[Form.QUICK]) <= set(steps[Form.FULL])
    assert steps[Form.QUICK]["concurrency"].arguments[-2:] == ["--against", "http://x"]
    assert steps[Form.QUICK]["math_labelled"].arguments == ["cases.jsonl", "--name", "math_labelled"]
    assert steps[Form.FULL]["code_correctness"].arguments == ["--mbpp", "mbpp.jsonl"]
    assert [one.name for one in steps_of(Form.QUICK, Asked(), ["soak", "math_labelled"])] == ["soak"]


def test_the_time_that_is_left_goes_at_the_pace_of_what_is_done() -> None:
    steps = [Step("a", "a", usual_s=10), Step("b", "b", usual_s=30)]
    assert time_left_s(steps, []) == 40
    assert time_left_s(steps, [Outcome(name="a", seconds=20, exit_code=0)]) == 60


def test_another_verdict_and_our_failure_are_counted() -> None:
    assert changed(["accepted", "judge_error"], [["accepted", "judge_error"], ["wrong_answer", "accepted"]]) == 3


def test_this_service_speaks_both_protocols_that_others_are_asked_in(verifier_url: str) -> None:
    assert spoken_at(verifier_url)[:2] == ("SandboxFusion", f"{verifier_url}/run_code")
    assert spoken_at(f"{verifier_url}/api/v2/execute")[:2] == ("Piston", f"{verifier_url}/api/v2/execute")
    name, address, protocol = spoken_at(f"{verifier_url}/api/v2/execute")
    with pytest.raises(SystemExit, match="1 of 1 answers are wrong"):
        send(address, [protocol.body("raise SystemExit(3)")], 1, protocol.right)
    assert name == "Piston"


def test_a_server_that_speaks_neither_is_refused_with_what_it_said(echo: str) -> None:
    with pytest.raises(SystemExit, match=r"neither SandboxFusion's nor Piston's.*run_code answers 500"):
        spoken_at(echo)


def run_benchmarks(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the benchmarks in a folder of its own."""
    root = str(Path(__file__).parents[1])
    env = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_a_try_leaves_a_report_also_when_a_part_fails(tmp_path: Path, verifier_url: str) -> None:
    """Code compared with a server, math, and a file of labeled cases that is invalid."""
    (tmp_path / "bad.jsonl").write_text('{"gold": "1"}\n')
    only = ["--only", "concurrency", "math_accuracy", "math_labelled"]
    ran = run_benchmarks(
        tmp_path, "benchmarks", "--try", *only, "--against", verifier_url, "--labelled", str(tmp_path / "bad.jsonl")
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "failed: math_labelled" in ran.stdout
    folder = tmp_path / "runs" / "benchmarks"
    report = read(folder / "report.json")
    assert [(one.name, one.exit_code) for one in report.parts] == [
        ("concurrency", 0),
        ("math_accuracy", 0),
        ("math_labelled", 1),
    ], ran.stdout + ran.stderr
    found = {one.id: one for one in report.figures}
    wanted = {f"concurrency/{level}/call/ratio_to_{of}" for level in (1, 8) for of in ("python3", "sandboxfusion")}
    assert wanted | {"math_accuracy/public/right"} <= set(found)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'data-id="(.*?)"', html) == list(found)

    right = found["math_accuracy/public/false_accepts"]
    better_before = right.model_copy(update={"value": -1, "low": -1, "high": -1})
    write(report.model_copy(update={"figures": [better_before]}), tmp_path / "kept.json")
    same = run_benchmarks(tmp_path, "benchmarks.compare", str(folder / "report.json"), str(folder / "report.json"))
    worse = run_benchmarks(tmp_path, "benchmarks.compare", "kept.json", str(folder / "report.json"))
    assert (same.returncode, worse.returncode) == (0, 1), same.stderr + worse.stderr
    assert "math_accuracy/public/false_accepts" in worse.stdout


def test_a_kept_report_that_is_none_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text("{}")
    ran = run_benchmarks(tmp_path, "benchmarks", "--check", "kept.json")
    assert ran.returncode == 2
    assert "--check kept.json" in ran.stderr
    assert not (tmp_path / "runs").exists()


def test_what_measures_keeps_its_gpu() -> None:
    program = "import os, benchmarks.service; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "3"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert found.stdout.strip() == "3"
