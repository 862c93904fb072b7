"""Real runs of a tiny model against a real verifier: it learns, and no failure of the verifier becomes a reward.

A cold-started model for one-digit addition is created once, and every run starts from a copy of it.
"""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from rich.console import Console

from tests.client.servers import losing_results
from tests.conftest import ServiceProcess, free_port
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import in_training_order, load_problems
from trainer.evaluation.evaluate import Model, evaluate, read_records
from trainer.models import load_model, load_tokenizer
from trainer.progress import read_metrics
from trainer.report import page as report
from trainer.train import Exit, prepare, train

QUIET = Console(quiet=True)
STEPS = 12
HANG_S = 900
"""What is not done by then hangs; on a busy machine all this takes minutes."""


def recipe(folder: Path, url: str, **grpo: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "small",
            "output_dir": str(folder),
            "verifier": {"url": url, "patience_s": 600.0},
            "model": {"kind": "tiny", "layers": 2, "width": 64, "heads": 4, "max_tokens": 48},
            "data": [{"kind": "addition", "digits": 1, "working": False}],
            "cold_start": {
                "steps": 200,
                "learning_rate": 3e-3,
                "until_accuracy": 0.2,
                "check_every_steps": 10,
                "check_rows": 64,
            },
            "grpo": {
                "max_steps": STEPS,
                "num_generations": 4,
                "per_device_train_batch_size": 32,
                "learning_rate": 3e-4,
                "max_completion_length": 8,
                "gradient_checkpointing": False,
                "save_steps": 5,
                **grpo,
            },
            "evaluation": {
                "data": [{"kind": "addition", "digits": 1, "working": False, "split": "held_out"}],
                "samples": 2,
            },
        }
    )


@pytest.fixture(scope="session")
def started(verifier_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose cold start is done."""
    folder = tmp_path_factory.mktemp("started") / "run"
    small = recipe(folder, verifier_url)
    with client_of(small.verifier) as client:
        prepare(small, client, QUIET)
    return folder


def from_start(started: Path, folder: Path) -> None:
    """Give a new run the tiny model and its cold start."""
    shutil.copytree(started / "base", folder / "base")
    shutil.copytree(started / "cold-start", folder / "cold-start")


def run_process(small: Recipe, folder: Path, *options: str, processes: int = 1) -> subprocess.Popen[str]:
    """Start the command line on a recipe, as a user does."""
    path = folder.parent / "recipe.yaml"
    path.write_text(yaml.safe_dump(small.model_dump(mode="json")), encoding="utf-8")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(free_port())]
    command = [sys.executable, *(launch if processes > 1 else []), "-m", "trainer", "train", str(path), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


def wait_for_step(folder: Path, step: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        rows = read_metrics(folder / "metrics.jsonl")
        if rows and rows[-1]["step"] >= step:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    raise AssertionError(f"step {step} was not reached in time")


def prompts_by_step(folder: Path) -> dict[int, list[str]]:
    """Return the questions of each step's groups, in their order."""
    found = {}
    for path in sorted((folder / "completions").glob("*.parquet")):
        table = pd.read_parquet(path)
        found[int(table["step"].iloc[0])] = list(dict.fromkeys(p[0]["content"] for p in table["prompt"]))
    return found


def rewards_by_step(folder: Path) -> dict[int, list[tuple[str, str, float]]]:
    """Return each step's questions, completions and rewards, in the order of TRL's table."""
    found = {}
    for path in sorted((folder / "completions").glob("*.parquet")):
        table = pd.read_parquet(path)
        texts = ([turns[0]["content"] for turns in table[name]] for name in ("prompt", "completion"))
        found[int(table["step"].iloc[0])] = list(zip(*texts, table["reward/correctness"], strict=True))
    return found


def expected_prompts(small: Recipe, processes: int = 1) -> dict[int, list[str]]:
    """Return the questions that the plan before the run has for each step."""
    data = in_training_order(load_problems(small.data, small.seed), small, processes)
    size = small.generation_batch_per_device * processes // small.grpo.num_generations
    span = small.grpo.steps_per_generation or 1
    questions = [prompt[0]["content"] for prompt in data["prompt"]]
    batches = [questions[start : start + size] for start in range(0, len(questions), size)]
    return {step + 1: batches[step // span] for step in range(small.grpo.max_steps)}


def test_a_run_leaves_everything_that_its_report_shows(verifier_url: str, tmp_path: Path) -> None:
    """A complete run: cold start, accuracy before and after, checkpoints, tables, charts."""
    folder = tmp_path / "run"
    small = recipe(folder, verifier_url)
    assert train(small, QUIET) is Exit.DONE
    report.write(folder, QUIET)
    rows = read_metrics(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(0.0 <= row["verifier/wait_share"] < 1.0 for row in rows[1:])
    assert {row["verifier/judge_error_share"] for row in rows} == {0.0}
    assert prompts_by_step(folder) == expected_prompts(small)
    for name in ("before", "after"):
        summary = json.loads((folder / "evaluations" / name / "summary.json").read_text())
        assert summary["judged_problems"] == summary["problems"] > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace(verifier_url, "")
    assert "https://" not in page
    assert (folder / "report" / "training.png").stat().st_size > 1000
    assert (folder / "final" / "model.safetensors").exists()
    assert not (folder / "README.md").exists(), "TRL's card would say that this is a fine-tuned version of None"


def test_mathematics_and_code_train_in_one_run(verifier_url: str, tmp_path: Path) -> None:
    """Each row is judged as its own `verifier` column says, and each kind of result has its message in the table."""
    folder = tmp_path / "run"
    values = recipe(folder, verifier_url, max_steps=2, max_completion_length=24).model_dump(mode="json")
    values["data"] += [{"kind": "functions"}]
    values["model"]["max_tokens"] = 64
    values["cold_start"] = None
    values["evaluation"] = {"data": [{"kind": "functions", "split": "held_out", "limit": 5}], "samples": 1}
    values["reward"] = [{"kind": "correctness"}, {"kind": "partial_credit", "weight": 0.5}]
    values["data"][0]["weight"] = values["data"][1]["weight"] = 1.0
    assert train(parse_recipe(values), QUIET) is Exit.DONE
    table = pd.concat([pd.read_parquet(path) for path in (folder / "completions").glob("*.parquet")])
    rows = table.to_dict("records")
    is_code = [row["prompt"][0]["content"].startswith("Write f(x)") for row in rows]
    assert set(is_code) == {True, False}
    assert not any(math.isnan(row["verifier"]) for row in rows)
    assert {row["verdict"] for row in rows} <= {
        "wrong_answer",
        "no_answer",
        "compile_error",
        "runtime_error",
        "accepted",
    }
    assert all(row["message"] for row in rows)


def test_the_verdicts_reward_alone_raises_the_reward(verifier_url: str, started: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    changes = {"max_steps": 60, "per_device_train_batch_size": 128, "num_generations": 8, "learning_rate": 5e-4}
    small = recipe(folder, verifier_url, **changes)
    from_start(started, folder)
    assert run_here(small) is Exit.DONE
    rewards = [row["reward"] for row in read_metrics(folder / "metrics.jsonl")]
    assert sum(rewards[-10:]) / 10 > sum(rewards[:10]) / 10 + 0.05


def run_here(small: Recipe) -> Exit:
    """Train in a folder that already contains the start."""
    return train(small, QUIET, from_start=True)


def test_a_verifier_that_is_killed_and_restarted_costs_nothing_but_time(
    verifier_url: str, started: Path, tmp_path: Path
) -> None:
    """Every step is there, and each reward that was used is the one that the verifier gives to that completion."""
    folder = tmp_path / "run"
    service = ServiceProcess(tmp_path / "log")
    service.start()
    small = recipe(folder, service.url, max_steps=40)
    from_start(started, folder)
    process = run_process(small, folder, "--from-start")
    try:
        wait_for_step(folder, 3, process)
        service.kill()
        killed_after = read_metrics(folder / "metrics.jsonl")[-1]["step"]
        time.sleep(2)
        service.start()
        output = process.communicate(timeout=HANG_S)[0]
    finally:
        process.kill()
        service.stop()
    assert process.returncode == 0, output
    rows = read_metrics(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert killed_after < 40
    assert sum(row["verifier/retries"] for row in rows) >= 1
    tables = pd.concat([pd.read_parquet(path) for path in (folder / "completions").glob("*.parquet")])
    pairs = zip(tables["prompt"], tables["completion"], strict=True)
    submissions = [_submission(prompt[0]["content"], completion[0]["content"]) for prompt, completion in pairs]
    with client_of(small.verifier.model_copy(update={"url": verifier_url})) as client:
        judged = client.verify(submissions)
    assert list(tables["verifier"]) == [result.score for result in judged]
    assert 0 < sum(tables["verifier"]) < len(tables)


def _submission(question: str, completion: str) -> dict[str, Any]:
    a, b = (int(word) for word in question.removeprefix("What is ").removesuffix("?").split(" + "))
    return {"kind": "math", "completion": completion, "reference": str(a + b), "form": "final"}


def test_a_verifier_that_stays_down_saves_the_run_and_resume_goes_on_in_order(
    verifier_url: str, started: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    service = ServiceProcess(tmp_path / "log")
    service.start()
    small = recipe(folder, service.url, max_steps=30, save_steps=100)
    small = small.model_copy(update={"verifier": small.verifier.model_copy(update={"patience_s": 10.0})})
    from_start(started, folder)
    process = run_process(small, folder, "--from-start")
    try:
        wait_for_step(folder, 4, process)
        service.kill()
        output = process.communicate(timeout=HANG_S)[0]
        assert process.returncode == Exit.VERIFIER_DOWN, output
        done = read_metrics(folder / "metrics.jsonl")[-1]["step"]
        assert 4 <= done < 30
        assert f"stopped at step {done}" in output
        assert "gave no answer for 10 s" in output
        assert (folder / f"checkpoint-{done}" / "trainer_state.json").exists()
        service.start()
        again = run_process(small, folder, "--resume")
        output = again.communicate(timeout=HANG_S)[0]
        assert again.returncode == 0, output
    finally:
        process.kill()
        service.stop()
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl")] == list(range(1, 31))
    assert prompts_by_step(folder) == expected_prompts(small)


def test_two_processes_stop_together_and_go_on_together(verifier_url: str, started: Path, tmp_path: Path) -> None:
    """Each sends its own completions. If the verifier is down, both stop, and both resume with the next prompts."""
    folder = tmp_path / "run"
    service = ServiceProcess(tmp_path / "log")
    service.start()
    small = recipe(folder, service.url, max_steps=20, per_device_train_batch_size=16, save_steps=100)
    small = small.model_copy(update={"verifier": small.verifier.model_copy(update={"patience_s": 10.0})})
    from_start(started, folder)
    process = run_process(small, folder, "--from-start", processes=2)
    try:
        wait_for_step(folder, 3, process)
        service.kill()
        output = process.communicate(timeout=HANG_S)[0]
        assert process.returncode != 0, output
        done = read_metrics(folder / "metrics.jsonl")[-1]["step"]
        assert output.count(f"stopped at step {done}") == 1, output
        service.start()
        again = run_process(small, folder, "--resume", processes=2)
        output = again.communicate(timeout=HANG_S)[0]
        assert again.returncode == 0, output
    finally:
        process.kill()
        service.stop()
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl")] == list(range(1, 21))
    assert prompts_by_step(folder) == expected_prompts(small, processes=2)


def test_two_processes_reward_as_one_does(verifier_url: str, started: Path, tmp_path: Path) -> None:
    """Sampling is greedy, so both write the same, and only the distribution of the work differs."""
    rewarded, requests = [], []
    for processes in (1, 2):
        folder = tmp_path / f"{processes}" / "run"
        sizes = {"max_steps": 4, "per_device_train_batch_size": 32 // processes, "save_steps": 100, "top_k": 1}
        folder.mkdir(parents=True)
        from_start(started, folder)
        process = run_process(recipe(folder, verifier_url, **sizes), folder, "--from-start", processes=processes)
        output = process.communicate(timeout=HANG_S)[0]
        assert process.returncode == 0, output
        rewarded.append(rewards_by_step(folder))
        requests.append([row["verifier/requests"] for row in read_metrics(folder / "metrics.jsonl")])
    alone, shared = rewarded
    assert [len(rows) for rows in alone.values()] == [32] * 4
    assert {reward for rows in alone.values() for *_, reward in rows} == {0.0, 1.0}, "there is something to confuse"
    assert shared == alone
    assert requests == [[1.0] * 4] * 2, "on average over the processes: each asks for its own completions"


@pytest.mark.parametrize("steps_per_generation", [1, 4])
def test_a_signal_saves_the_run_and_resume_goes_on_in_order(
    steps_per_generation: int, verifier_url: str, started: Path, tmp_path: Path
) -> None:
    """It stops at the end of a generation batch, so it continues with the prompts that would have followed."""
    folder = tmp_path / "run"
    small = recipe(folder, verifier_url, max_steps=28, save_steps=100, steps_per_generation=steps_per_generation)
    from_start(started, folder)
    process = run_process(small, folder, "--from-start")
    wait_for_step(folder, 4, process)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=HANG_S)[0]
    assert process.returncode == Exit.STOPPED, output
    again = run_process(small, folder, "--resume")
    output = again.communicate(timeout=HANG_S)[0]
    assert again.returncode == 0, output
    assert prompts_by_step(folder) == expected_prompts(small)


def test_the_verifier_judges_while_the_reference_computes(verifier_url: str, started: Path, tmp_path: Path) -> None:
    """The steps wait for less time than judging took, because completions were sent before the reward was called."""
    folder = tmp_path / "run"
    small = recipe(folder, verifier_url, max_steps=4, beta=0.04)
    from_start(started, folder)
    assert run_here(small) is Exit.DONE
    rows = read_metrics(folder / "metrics.jsonl")
    assert sum(row["verifier/wait_s"] for row in rows) < sum(row["verifier/judging_s"] for row in rows)
    assert all("kl" in row for row in rows)


def test_rows_with_a_judge_error_have_no_advantage_and_the_rest_trains(
    verifier_url: str, started: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    from_start(started, folder)
    with losing_results(verifier_url, every=3) as server:
        small = recipe(folder, server.url, max_steps=6)
        assert run_here(small) is Exit.DONE
    rows = read_metrics(folder / "metrics.jsonl")
    shares = [row["verifier/judge_error_share"] for row in rows]  # equal completions are judged, and lost, together
    assert all(0.0 < share < 1.0 for share in shares)
    assert 0.2 < sum(shares) / len(shares) < 0.5
    tables = pd.concat([pd.read_parquet(path) for path in (folder / "completions").glob("*.parquet")])
    rows = [(row["verdict"] == "judge_error", row["verifier"], row["advantage"]) for row in tables.to_dict("records")]
    assert all(math.isnan(reward) and advantage == 0.0 for lost, reward, advantage in rows if lost)
    assert not any(math.isnan(reward) for lost, reward, _ in rows if not lost)
    assert any(advantage != 0.0 for lost, _, advantage in rows if not lost)


def test_an_evaluation_that_was_stopped_goes_on_where_it_was(verifier_url: str, started: Path, tmp_path: Path) -> None:
    small = recipe(tmp_path / "run", verifier_url)
    base = str(started / "cold-start")
    model = Model(load_model(small, base), load_tokenizer(small, str(started / "base")), "cold-start")
    problems = load_problems(small.evaluation.data, seed=0)
    with client_of(small.verifier) as client:
        whole = evaluate(model, problems, small, client, tmp_path / "whole")
        kept = (tmp_path / "whole" / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        part = tmp_path / "part"
        part.mkdir()
        shutil.copy(tmp_path / "whole" / "settings.json", part)
        (part / "records.jsonl").write_text("".join(kept[:5]) + kept[5][:20], encoding="utf-8")
        resumed = evaluate(model, problems, small, client, part)
    records = read_records(part)
    assert [record["id"] for record in records] == [problem.id for problem in problems]
    assert [json.dumps(record) for record in records[:5]] == [json.dumps(json.loads(line)) for line in kept[:5]]
    assert resumed["greedy"] == whole["greedy"]
