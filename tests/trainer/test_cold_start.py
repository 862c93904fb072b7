"""A cold start ends when the policy is good enough, not at a fixed step, on one process and on two."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.conftest import free_port
from trainer import cold_start, weights
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import conversation, load_problems, verifier_text
from trainer.evaluation.generation import Sampling, complete
from trainer.models import base_model, load_model, load_tokenizer
from trainer.rewards.reward import judge

ENOUGH, TOLERANCE = 0.3, 0.1


def recipe(folder: Path, url: str, **options: Any) -> Recipe:
    """One-digit sums, learned in a few hundred steps. The first check comes late, when accuracy is far too high."""
    return parse_recipe(
        {
            "name": "start",
            "output_dir": str(folder),
            "verifier": {"url": url},
            "model": {"kind": "tiny", "layers": 1, "width": 64, "heads": 4, "max_tokens": 48},
            "data": [{"kind": "addition", "digits": 1, "working": False}],
            "cold_start": {
                "steps": 600,
                "learning_rate": 3e-3,
                "until_accuracy": ENOUGH,
                "accuracy_tolerance": TOLERANCE,
                "check_every_steps": 200,
                "check_rows": 64,
                **options,
            },
            "grpo": {
                "max_steps": 1,
                "num_generations": 2,
                "per_device_train_batch_size": 8,
                "learning_rate": 1e-5,
                "max_completion_length": 8,
                "gradient_checkpointing": False,
            },
        }
    )


def started(small: Recipe) -> tuple[Path, list[str]]:
    """Run the cold start; return its folder and its messages."""
    said: list[str] = []
    problems = load_problems(small.data, small.seed)
    small.run_dir.mkdir(parents=True)
    base = base_model(small, problems)
    with client_of(small.verifier) as client:
        return cold_start.run(small, base, load_tokenizer(small, base), problems, client, said.append), said


def accuracy_of(small: Recipe, folder: Path) -> float:
    """Measure the model that was saved: eight samples of each training problem."""
    problems = load_problems(small.data, small.seed) * 8
    tokenizer = load_tokenizer(small, str(folder))
    prompts = [conversation(problem, small.prompt) for problem in problems]
    texts = complete(load_model(small, str(folder)), tokenizer, prompts, Sampling(1.0, 8, batch=256))
    with client_of(small.verifier) as client:
        pairs = [(verifier_text(problem), text) for problem, text in zip(problems, texts, strict=True)]
        results = judge(client, pairs).results
    return sum(result.score or 0.0 for result in results) / len(results)


def test_what_a_check_finds_above_the_tolerance_is_taken_back(verifier_url: str, tmp_path: Path) -> None:
    """Two hundred steps at once go far beyond the wanted accuracy, but the saved model does not."""
    small = recipe(tmp_path / "run", verifier_url)
    folder, said = started(small)
    done = json.loads((folder / "done.json").read_text(encoding="utf-8"))
    assert "overshot" in said[-1]
    assert ENOUGH <= done["accuracy"] <= ENOUGH + TOLERANCE
    assert ENOUGH - 0.1 < accuracy_of(small, folder) < ENOUGH + TOLERANCE + 0.1


def test_a_start_that_is_done_is_not_done_again(verifier_url: str, tmp_path: Path) -> None:
    small = recipe(tmp_path / "run", verifier_url, steps=20, check_every_steps=10)
    folder, said = started(small)
    with client_of(small.verifier) as client:
        again = cold_start.run(small, "no such model", None, [], client, said.append)
    assert (again, len(said)) == (folder, 2)


def test_what_the_template_takes_is_given_to_it_here_too(verifier_url: str, tmp_path: Path) -> None:
    """TRL's supervised trainer reads the arguments from a column, and GRPO's from its configuration."""
    small = recipe(tmp_path / "run", verifier_url)
    asked = {"enable_thinking": False}
    chatty = small.model_copy(update={"prompt": small.prompt.model_copy(update={"chat_template_kwargs": asked})})
    problems = load_problems(small.data, small.seed)[:2]
    assert cold_start._in_one_turn(chatty, problems)["chat_template_kwargs"] == [asked, asked]
    assert cold_start._in_one_turn(small, problems).column_names == ["prompt", "completion"]


def test_two_processes_end_the_cold_start_at_the_same_weights(verifier_url: str, tmp_path: Path) -> None:
    """Both go back equally far, so the next GRPO step finds a consistent model, and the run finishes."""
    small = recipe(tmp_path / "run", verifier_url)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(small.model_dump(mode="json")), encoding="utf-8")
    launch = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    command = [sys.executable, "-m", *launch, "-m", "trainer", "train", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    reached = json.loads((tmp_path / "run" / "cold-start" / "done.json").read_text(encoding="utf-8"))
    assert ENOUGH <= reached["accuracy"] <= ENOUGH + TOLERANCE
    assert done.stdout.count("overshot") >= 2


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_mix_lies_between_two_weights(share: float) -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    mean = weights.Mean()
    for value in (1.0, 3.0):
        weights.put(model, [torch.full((1, 2), value)])
        mean.add(model)
    first, second = mean.take(), weights.of(model)
    assert first[0].tolist() == [[2.0, 2.0]]
    weights.put(model, weights.mix(first, second, share))
    assert model.weight.tolist() == [[2.0 + share, 2.0 + share]]
