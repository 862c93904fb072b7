"""Evaluations: equal answers vote together, two models are compared on the same problems, others are told apart."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from trainer import votes
from trainer.__main__ import app
from trainer.client import VerifierClient
from trainer.config import VerifierOptions, parse_recipe
from trainer.data import load_problems
from trainer.evaluate import summarise
from trainer.models import base_model


def answer(text: str | None, verdict: str = "wrong_answer") -> dict[str, Any]:
    return {"text": "", "verdict": verdict, "score": 0.0, "extracted": text, "message": ""}


def test_answers_that_the_verifier_holds_for_equal_vote_together(verifier_url: str) -> None:
    """Three wrong answers that are one, written in three ways, outvote two right ones; without an answer is no vote."""
    first = [answer("0.5"), answer("\\frac{1}{2}"), answer("2/4"), answer("3", "accepted"), answer("3.0", "accepted")]
    second = [answer("7"), answer("8"), answer(None, "no_answer"), answer(None, "judge_error")]
    with VerifierClient(VerifierOptions(url=verifier_url)) as client:
        votes.cast([first, second], client)
    assert [completion["vote"] for completion in first] == ["0.5", "0.5", "0.5", "3", "3"]
    assert [completion["vote"] for completion in second] == ["7", "8", None, None]
    right = {"greedy": answer("3", "accepted"), "samples": first}
    assert summarise([right], samples=5)["maj@5"]["value"] == 0.0
    assert summarise([right], samples=5)["pass@5"]["value"] == 1.0


@pytest.fixture
def recipe_path(verifier_url: str, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    recipe = {
        "name": "small",
        "output_dir": str(tmp_path / "run"),
        "verifier": {"url": verifier_url},
        "model": {"kind": "tiny", "layers": 1, "width": 16, "heads": 2, "max_tokens": 32},
        "data": [{"kind": "addition", "digits": 1, "working": False}],
        "grpo": {"steps": 1, "learning_rate": 1e-3, "max_completion_tokens": 6},
        "evaluation": {
            "data": [{"kind": "addition", "digits": 1, "working": False, "split": "held_out"}],
            "samples": 3,
        },
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def models(recipe_path: Path, tmp_path: Path) -> list[str]:
    """Two folders of tiny models; nobody trained them."""
    recipe = parse_recipe(yaml.safe_load(recipe_path.read_text(encoding="utf-8")))
    base = base_model(recipe, load_problems(recipe.data, 0))
    return [str(shutil.copytree(base, tmp_path / name)) for name in ("first", "second")]


def test_two_models_are_compared_and_everything_is_kept_as_json(recipe_path: Path, tmp_path: Path) -> None:
    first, second = models(recipe_path, tmp_path)
    out = tmp_path / "out"
    command = ["evaluate", str(recipe_path), "--model", first, "--model", second, "--output", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "McNemar" in done.output
    (comparison,) = out.glob("*--and--*.json")
    paired = json.loads(comparison.read_text(encoding="utf-8"))
    assert (paired["only_first"], paired["only_second"], paired["p_value"]) == (0, 0, 1.0)
    for summary in out.glob("*/summary.json"):
        values = json.loads(summary.read_text(encoding="utf-8"))
        assert {"greedy", "pass@1", "pass@2", "pass@3"} <= values.keys()
        assert values["problems"] == values["judged_problems"] == paired["problems"]


def test_an_evaluation_of_other_problems_is_not_mixed_in(recipe_path: Path, tmp_path: Path) -> None:
    """The same number of problems that begin with the same one, asked in other words."""
    first, _ = models(recipe_path, tmp_path)
    command = ["evaluate", str(recipe_path), "--model", first, "--output", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command).exit_code == 0
    again = CliRunner().invoke(app, [*command, "--set", "prompt.system=Add."])
    assert (again.exit_code, "holds an evaluation of other settings" in again.output) == (1, True)
