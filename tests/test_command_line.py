"""The command line of the service, as a user types it."""

import json
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


def test_verify_names_the_lines_that_are_no_submissions() -> None:
    done = run("verify", "-", stdin=json.dumps(MATH) + '\n{"kind": "math"}\nnonsense\n')
    assert done.returncode == 1
    assert "line 2: math.completion" in done.stderr
    assert "line 3" in done.stderr
    assert done.stdout == ""


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
