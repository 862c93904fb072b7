"""The command line of the service, as a user types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trainer.cli import app as trainer_cli
from verifier_service.cli import cli
from verifier_service.settings import Settings, misspelled

ROOT = Path(__file__).resolve().parent.parent
READ = {"", ".py", ".yaml", ".yml", ".tpl", ".sh", ".cfg"}


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
    assert "it is not valid JSON" in results[2]["message"]
    read = json.loads(summary.read_text())
    assert read.pop("seconds") > 0
    assert read == {"total": 4, "counts": {"accepted": 1, "wrong_answer": 1, "judge_error": 2}, "accuracy": 0.5}


def test_verify_says_how_it_went_on_stderr() -> None:
    done = run("verify", "-", stdin=json.dumps(MATH))
    assert re.search(r"1 result in [\d.]+ s: 1 accepted; accuracy 1\.000", done.stderr)


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


def test_verify_says_where_it_cannot_write_before_anything_is_judged() -> None:
    done = run("verify", "-", "--output", "/nowhere/results.jsonl", stdin=json.dumps(MATH))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "/nowhere/results.jsonl: No such file or directory"


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


@pytest.mark.parametrize("arguments", [("serve", "--port", "0"), ("doctor",)])
def test_a_misspelled_setting_is_named_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """It would be ignored otherwise: programs would share boxes on a service that was told to give each its own."""
    monkeypatch.setenv("VERIFIER_ISOLATON", "container")
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "VERIFIER_ISOLATON: there is no such setting; the nearest is VERIFIER_ISOLATION\n"


def test_other_variables_with_the_prefix_are_no_misspelled_settings() -> None:
    """What the client, the compose file, the chart, scripts and tests read, and what Kubernetes injects."""
    folders = ("docker", "deploy", "scripts", "trainer", "verifier_service", "sandboxes", "tests/e2e", "examples")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file() and file.suffix in READ
    ]
    names = {name for file in files for name in re.findall(r"\bVERIFIER_[A-Z0-9_]*[A-Z0-9]\b", file.read_text("utf-8"))}
    names |= set(re.findall(r"VERIFIER_[A-Z_]+[A-Z]", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert {"VERIFIER_URL", "VERIFIER_DOCKER_HOST", "VERIFIER_CPUS", "VERIFIER_E2E_URL"} <= names
    injected = ("PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_ADDR")
    names |= {f"VERIFIER_{name}" for name in (*injected, "API_SERVICE_HOST", "HOSTS_SERVICE_HOST")}
    assert misspelled(names - {"VERIFIER_ISOLATON"}) == {}
    assert misspelled(["VERIFIER_PRT", "VERIFIER_BOXS", "verifier_runer", "RUNER"]) == {
        "VERIFIER_PRT": "VERIFIER_PORT",
        "VERIFIER_BOXS": "VERIFIER_BOXES",
        "verifier_runer": "VERIFIER_RUNNER",
    }


BAD = [
    (["serve", "--port", "99999"], "'--port': 99999: it must be less than or equal to 65535"),
    (["serve", "--port", "http"], "'--port': http: it must be a valid integer"),
    (["bench", "--count", "0"], "'--count': 0: it must be greater than or equal to 1"),
    (["audit", "rows.jsonl", "--runs", "101"], "'--runs': 101: it must be less than or equal to 100"),
    (["keys", "add", "me", "--file", "keys", "--max-in-hand", "0"], "'--max-in-hand': 0: it must be greater than or"),
    (["sandboxes", "klingon"], "LANGUAGES 'klingon': it must be one of bash, c, cpp"),
    (["evaluate", "demo", "--temperature", "-1"], "'--temperature': -1: it must be greater than or equal to 0"),
]


@pytest.mark.parametrize(
    ("arguments", "said"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(arguments: list[str], said: str) -> None:
    made = trainer_cli if arguments[0] == "evaluate" else cli
    done = CliRunner().invoke(made, arguments, env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.docker
@pytest.mark.parametrize("command", [["doctor"], ["serve", "--port", "0"]], ids=lambda command: command[0])
def test_a_sandbox_that_cannot_be_had_is_said_in_one_line_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("VERIFIER_RUNNER", "docker")
    monkeypatch.setenv("VERIFIER_IMAGE_PREFIX", "nobody-made-it")
    done = run(*command)
    said = done.stdout + done.stderr
    if "no Docker daemon answers" in said:
        pytest.skip("no Docker daemon answers")
    assert done.returncode == 1
    assert "the image nobody-made-it/python is missing: build it with `make sandboxes LANGUAGES=python`" in said
    assert "Traceback" not in said


def test_without_what_an_extra_brings_the_command_says_which() -> None:
    for module, missing, extra in (("verifier_service", "structlog", "service"), ("trainer", "yaml", "trainer")):
        program = (
            f"import sys, runpy; sys.modules[{missing!r}] = None; sys.argv = ['program', '--help']\n"
            f"runpy.run_module('{module}', run_name='__main__')"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith(f"pip install 'grpo-verifier[{extra}]'\n")
        assert done.stderr.count("\n") == 1


def test_a_secret_that_makes_no_sense_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFIER_WEBHOOK_SECRETS", '{"a": "short-plain-secret"}')
    done = run("settings")
    assert done.returncode == 2
    assert done.stderr.startswith("VERIFIER_WEBHOOK_SECRETS[a]='...': it must be")
    assert "short" not in done.stderr


def test_the_page_of_the_settings_is_that_of_the_code() -> None:
    page = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"
    assert page.read_text(encoding="utf-8") == run("settings", "--markdown").stdout, "run: make reference"


def test_the_state_of_a_user_is_where_programs_keep_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VERIFIER_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Settings().state_dir == tmp_path / "grpo-verifier"
    monkeypatch.setenv("XDG_STATE_HOME", "relative, and so to be ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().state_dir == tmp_path / ".local/state/grpo-verifier"
