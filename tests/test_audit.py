"""`audit` as a user types it, over rows of every kind; its cheats; and rows of data sets that `verify` judges."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.store.scripted import ScriptedJudge
from verifier_service.audit.cheats import BODIES, PROGRAMS, cheats_of
from verifier_service.audit.findings import Finding, Flag
from verifier_service.audit.report import write_report
from verifier_service.audit.rows import Audited, finding_of
from verifier_service.audit.run import Audit, Plan, write_fit
from verifier_service.commands.files import DataSet
from verifier_service.data.read import DataUnreadable, RowUnreadable
from verifier_service.data.row import Json
from verifier_service.data.source import Place, open_tasks
from verifier_service.data.task import Solution, Task, code_task, math_task
from verifier_service.dispatch import Dispatcher
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import CodeResult, TestResult, Verdict
from verifier_service.service import Service
from verifier_service.settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
MBPP: dict[str, Json] = {
    "task_id": 1,
    "text": "Add.",
    "code": "def add(a, b):\n    return a + b",
    "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"],
}
FIRST_ONLY = ["assert add(1, 2) == 3"]
ROWS: list[tuple[dict[str, Json], list[Flag]]] = [
    (MBPP, []),
    (MBPP | {"code": "def add(a, b):\n    return a - b"}, [Flag.REJECTED]),
    (MBPP | {"test_list": FIRST_ONLY}, [Flag.CHEATED]),
    (MBPP | {"code": None}, [Flag.NO_SOLUTION]),
    (MBPP | {"test_list": []}, [Flag.UNREADABLE]),
    (MBPP | {"test_list": ["assert 1 == 1"]}, [Flag.REFERENCE_UNREADABLE]),
    (MBPP | {"code": "import os\nCOIN = os.urandom(1)[0] < 75\ndef add(a, b):\n    return a + b + COIN"}, [Flag.FLAKY]),
]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier_service", *arguments]
    env = os.environ | {"VERIFIER_STATE_DIR": str(folder / "state"), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)


def write(path: Path, rows: list[dict[str, Json]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def findings(folder: Path) -> list[Finding]:
    return [Finding.model_validate_json(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """One audit of all the rows: its folder, what it printed, and its data."""
    folder = tmp_path_factory.mktemp("audit")
    data = write(folder / "a.jsonl", [row for row, _ in ROWS])
    done = run("audit", data, "-o", str(folder / "out"), "--runs", "12", "--slow-s", "60", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout + done.stderr, data


def test_every_row_has_the_flags_that_it_should(audited: tuple[Path, str, str]) -> None:
    assert [list(one.flags) for one in findings(audited[0])] == [flags for _, flags in ROWS]


def test_the_filtered_data_set_holds_the_fit_rows_as_they_came(audited: tuple[Path, str, str]) -> None:
    kept = [json.loads(line) for line in (audited[0] / "fit.jsonl").read_text().splitlines()]
    assert kept == [row for row, flags in ROWS if not any(flag.is_unfit for flag in flags)]


def test_the_terminal_and_the_page_say_what_was_found(audited: tuple[Path, str, str]) -> None:
    folder, said, _ = audited
    page = (folder / "report.html").read_text()
    assert "format mbpp (detected from the columns)" in said
    assert "2 of 7 rows are fit to train on" in said
    for flag in (Flag.FLAKY, Flag.REJECTED, Flag.CHEATED, Flag.UNREADABLE):
        assert flag.value in said
        assert flag.value in page
    assert "accepted: first example" in page
    assert "http" not in page


def test_an_audit_that_was_ended_goes_on_where_it_was(audited: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, _, data = audited
    kept = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "plan.json").write_text((folder / "plan.json").read_text())
    mark = Finding.model_validate_json(kept[0]).model_copy(update={"id": "kept"}).model_dump_json() + "\n"
    (tmp_path / "rows.jsonl").write_text(mark + "".join(kept[1:6]) + kept[6][:20])
    options = ("--runs", "12", "--slow-s", "60")
    done = run("audit", data, "-o", str(tmp_path), *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(one.number, list(one.flags)) for one in findings(tmp_path)] == list(enumerate(flags for _, flags in ROWS))
    assert findings(tmp_path)[0].id == "kept"
    with pytest.raises(DataUnreadable, match="choose another folder"):
        Audit(tmp_path, Plan(data, "mbpp", runs=2, solutions=3, slow_s=60.0))


def judged_by(judge: ScriptedJudge, folder: Path) -> Service:
    """Return what an audit needs from a service with two places in its queue."""
    settings = Settings(state_dir=folder, max_queued=2)
    dispatcher = Dispatcher(settings, {"math": judge, "code": judge}, Metrics())
    return cast("Service", SimpleNamespace(settings=settings, dispatcher=dispatcher))


async def test_what_met_with_our_own_failure_is_named_and_judged_the_next_time(tmp_path: Path) -> None:
    judge = ScriptedJudge("")
    service, plan = judged_by(judge, tmp_path), Plan("a", "rows", runs=1, solutions=1, slow_s=1.0)
    tasks = [math_task("q", one) for one in ("1", "2", "3")]
    judge.ill = {"\\boxed{2}"}
    first = Audit(tmp_path / "out", plan)
    await first.carry_out(service, tasks, lambda _: None)
    assert list(first.findings) == [0, 2]
    assert list(first.unjudged) == [1]
    assert "cannot be judged" in first.unjudged[1]
    judge.ill = set()
    second = Audit(tmp_path / "out", plan)
    await second.carry_out(service, tasks, lambda _: None)
    assert sorted(second.findings) == [0, 1, 2]
    assert second.unjudged == {}
    assert judge.judged["\\boxed{1}"] == 1


def test_another_split_file_header_or_limit_is_another_plan(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}")

    def plan(place: Place, testlib: str | None = None, **limits: Any) -> Plan:
        return Plan.of(place, "rows", testlib, Settings(**limits), runs=1, solutions=1, slow_s=1.0)

    plans = [plan(Place("openai/gsm8k", split=split, revision=at)) for split in ("train", "test") for at in (None, "a")]
    plans += [plan(Place(str(file))), plan(Place(str(file)), "// 1"), plan(Place(str(file)), default_time_limit_s=2.0)]
    file.write_text("[]")
    plans.append(plan(Place(str(file))))
    assert len(set(plans)) == len(plans)
    Audit(tmp_path / "out", plans[-1])
    with pytest.raises(DataUnreadable, match="choose another folder"):
        Audit(tmp_path / "out", plans[4])


async def test_half_surrogates_end_no_audit(tmp_path: Path) -> None:
    row: dict[str, Json] = {"question": "\ud800?", "answer": "#### 1", "id": "\udfff"}
    file = write(tmp_path / "a.jsonl", [row, {"question": "\ud800", "answer": "\ud800"}])
    _, tasks = open_tasks(Place(file), "gsm8k")
    opened = Audit(tmp_path / "out", Plan(file, "gsm8k", runs=1, solutions=1, slow_s=1.0))
    await opened.carry_out(judged_by(ScriptedJudge(""), tmp_path), tasks, lambda _: None)
    assert sorted(Audit(tmp_path / "out", opened.plan).findings) == [0, 1]
    assert opened.findings[0].prompt == "??"
    opened.findings[0] = opened.findings[0].model_copy(update={"flags": []})
    assert write_fit(opened, open_tasks(Place(file), "gsm8k")[1], tmp_path / "fit.jsonl") == 1
    assert json.loads((tmp_path / "fit.jsonl").read_text()) == row
    write_report(opened, tmp_path / "report.html")


async def test_a_row_whose_tests_are_a_stored_suite_is_judged_without_cheats(tmp_path: Path) -> None:
    task = Task("q", {"kind": "code", "tests": {"sha256": "0" * 64}}, [Solution("refuse")])
    opened = Audit(tmp_path / "out", Plan("a", "rows", runs=1, solutions=1, slow_s=1.0))
    await opened.carry_out(judged_by(ScriptedJudge(""), tmp_path), [task], lambda _: None)
    assert list(opened.findings[0].flags) == [Flag.REFERENCE_UNREADABLE]
    assert list(opened.findings[0].cheats) == []


def test_the_cheats_of_a_function_define_what_the_tests_ask_for_and_are_python() -> None:
    tests: dict[str, Json] = {"kind": "call", "entry_point": "Solution().f", "cases": [{"args": [1], "expected": [7]}]}
    cheats = {cheat.name: cheat.completion for cheat in cheats_of(code_task("q", tests))}
    for completion in cheats.values():
        ast.parse(completion.removeprefix("```python\n").removesuffix("\n```"))
    assert "class Solution:\n    def f(self, *args, **kwargs):\n        return [7]" in cheats["first example"]
    assert set(cheats) == {"empty body", "echo", "always-equal object", "early exit", "sys.exit(0)", "first example"}


def test_what_a_solution_uses_is_held_against_the_limits_of_its_row() -> None:
    task = code_task("q", {"kind": "stdio"}, ["print(1)"], limits={"time_limit_s": 2.0})
    used = TestResult(verdict=Verdict.ACCEPTED, time_s=1.5, memory_mb=300.0)
    result = CodeResult(id=None, verdict=Verdict.ACCEPTED, score=1.0, tests=[used])
    row = Audited(0, task, task.solutions, [], runs=[[result]])
    assert list(finding_of(row, Settings(), slow_s=1.0).reasons) == [
        "a test takes 1.50 s",
        "1.50 s of time_limit_s 2",
        "300 MiB of memory_limit_mb 512",
    ]
    assert list(finding_of(row, Settings(), slow_s=2.0).flags) == [Flag.NEAR_LIMIT, Flag.NEAR_LIMIT]


def test_what_passes_only_in_one_process_is_told_apart_from_what_is_wrong() -> None:
    task = code_task("q", {"kind": "assert", "code": "assert f()"}, ["def f(): ..."])
    wrong = CodeResult(id=None, verdict=Verdict.WRONG_ANSWER, score=0.0)
    right = CodeResult(id=None, verdict=Verdict.ACCEPTED, score=1.0)
    for shared, flag in ((right, Flag.ONLY_SHARED), (wrong, Flag.REJECTED)):
        row = Audited(0, task, task.solutions, [], runs=[[wrong]], shared=[shared])
        assert list(finding_of(row, Settings(), slow_s=1.0).flags) == [flag]


def test_the_cheats_of_a_program_write_the_first_example() -> None:
    tests: dict[str, Json] = {"kind": "stdio", "cases": [{"stdin": "1", "stdout": "7\n"}]}
    cheats = {cheat.name: cheat.completion for cheat in cheats_of(code_task("q", tests))}
    assert cheats["first example"] == "```python\nprint('7\\n')\n```"
    assert cheats_of(code_task("q", tests, language="cpp")) == []


def test_the_cheats_of_a_math_problem_are_what_the_question_has() -> None:
    question = "Work out $12 \\cdot 3$ for 1,000 pens."
    task = math_task(question, "36", ["<<12*3=36>>\n#### 36"])
    assert {cheat.completion for cheat in cheats_of(task)} == {
        "\\boxed{}",
        "\\boxed{0}",
        "\\boxed{12 \\cdot 3}",
        "\\boxed{1,000}",
        "\\boxed{12*3}",
        question,
    }
    page = (DOCS / "how-to" / "audit.md").read_text(encoding="utf-8")
    listed = {row.split(" | ")[1] for row in page.splitlines() if row.startswith(("| math |", "| functions"))}
    assert listed == {*BODIES, *PROGRAMS, "first example", *(cheat.name for cheat in cheats_of(task))}


def test_verify_judges_rows_with_completions(tmp_path: Path) -> None:
    rows: list[dict[str, Json]] = [
        {"question": "2+2?", "answer": "#### 4", "response": "\\boxed{4}"},
        {"question": "2+2?", "answer": "four", "response": "\\boxed{4}"},
        {"question": "2+3?", "answer": "#### 5"},
        {"question": "2+4?", "answer": "#### 6", "response": "\\boxed{4}"},
    ]
    data = write(tmp_path / "rows.jsonl", rows)
    done = run("verify", data, "--format", "auto", "--completion", "response", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["verdict"] for one in results] == ["accepted", "judge_error", "judge_error", "wrong_answer"]
    assert results[1]["message"] == "row 1: answer 'four': it must end in `####` and the reference"
    assert results[2]["message"].startswith("row 2: response: this field is required")
    assert results[0]["id"]
    with pytest.raises(RowUnreadable, match="row 1: answer 'four'"):
        list(DataSet("auto", "response", stop=True).items(Path(data)))
