"""The command line of the service, as a user types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier_service", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=600, check=False)


MATH = {"kind": "math", "completion": "\\boxed{4}", "reference": "4"}
CODE = {"kind": "code", "completion": "print(5)", "tests": {"kind": "stdio", "cases": [{"stdout": "5"}]}}


def test_verify_writes_one_result_a_line_in_order(tmp_path: Path) -> None:
    file = tmp_path / "submissions.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in (MATH, CODE, MATH | {"completion": "\\boxed{5}"})))
    done = run("verify", str(file))
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["verdict"] for one in results] == ["accepted", "accepted", "wrong_answer"]


def test_verify_judges_line_by_line_and_sums_up(tmp_path: Path) -> None:
    lines = [json.dumps(MATH), '{"kind": "math"}', "", "nonsense", json.dumps(MATH | {"completion": "\\boxed{5}"})]
    summary = tmp_path / "summary.json"
    done = run("verify", "-", "--summary", str(summary), stdin="\n".join(lines))
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["verdict"] for one in results] == ["accepted", "judge_error", "judge_error", "wrong_answer"]
    assert "completion: this field is required" in results[1]["message"]
    assert "it is not JSON" in results[2]["message"]
    read = json.loads(summary.read_text())
    assert read.pop("seconds") > 0
    assert read == {"total": 4, "counts": {"accepted": 1, "wrong_answer": 1, "judge_error": 2}, "accuracy": 0.5}


def test_verify_says_how_it_went_on_stderr() -> None:
    done = run("verify", "-", stdin=json.dumps(MATH))
    assert re.search(r"1 results in [\d.]+ s: 1 accepted; accuracy 1\.000", done.stderr)


def test_run_runs_a_file_of_programs_without_judging_them() -> None:
    programs = [{"source": "print(input())", "stdin": "hi"}, {"source": "1 / 0"}, {"sauce": ""}]
    done = run("run", "-", stdin="\n".join(map(json.dumps, programs)))
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["end"], one["exit_code"]) for one in results] == [("exited", 0), ("exited", 1), ("judge_error", None)]
    assert "ZeroDivisionError" in results[1]["stderr"]
    assert "3 results in" in done.stderr


def test_verify_says_which_file_is_missing() -> None:
    done = run("verify", "nowhere.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere.jsonl: there is no such file" in done.stderr


def test_doctor_says_which_runner_works_and_what_it_guarantees() -> None:
    done = run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "docker" in done.stdout
    assert "bubblewrap" in done.stdout
    assert "chosen" in done.stdout


def test_a_setting_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFIER_BOXES", "many")
    done = run("doctor")
    assert done.returncode == 2
    assert "VERIFIER_BOXES='many'" in done.stderr
