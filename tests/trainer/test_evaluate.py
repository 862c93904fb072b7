"""Evaluations: equal answers vote together, models are compared on the same problems, others are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from trainer.cli import app
from trainer.client import client_of
from trainer.config import VerifierOptions, parse_recipe
from trainer.data.load import load_problems
from trainer.errors import RecipeError
from trainer.evaluation import votes
from trainer.evaluation.evaluate import compare, headline, read_records, summarise
from trainer.models import base_model


def answer(text: str | None, verdict: str = "wrong_answer") -> dict[str, Any]:
    return {"text": "", "verdict": verdict, "score": 0.0, "extracted": text, "message": ""}


def test_answers_that_the_verifier_holds_for_equal_vote_together(verifier_url: str) -> None:
    """Three equal wrong answers, written differently, outvote two right ones; no answer means no vote."""
    first = [answer("0.5"), answer("\\frac{1}{2}"), answer("2/4"), answer("3", "accepted"), answer("3.0", "accepted")]
    second = [answer("7"), answer("8"), answer(None, "no_answer"), answer(None, "judge_error")]
    with client_of(VerifierOptions(url=verifier_url)) as client:
        votes.cast([first, second], client)
    assert [completion["vote"] for completion in first] == ["0.5", "0.5", "0.5", "3", "3"]
    assert [completion["vote"] for completion in second] == ["7", "8", None, None]
    right = {"greedy": answer("3", "accepted"), "samples": first}
    summary = summarise([right], {"": [1, 5]})
    assert (summary["maj@5"]["value"], summary["pass@5"]["value"], summary["avg@5"]["value"]) == (0.0, 1.0, 0.4)


@pytest.fixture
def recipe_path(verifier_url: str, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    recipe = {
        "name": "small",
        "output_dir": str(tmp_path / "run"),
        "verifier": {"url": verifier_url},
        "model": {"kind": "tiny", "layers": 1, "width": 16, "heads": 2, "max_tokens": 32},
        "data": [{"kind": "addition", "digits": 1, "working": False}],
        "grpo": {"max_steps": 1, "learning_rate": 1e-3, "max_completion_length": 6},
        "evaluation": {
            "data": [{"kind": "addition", "digits": 1, "working": False, "split": "held_out"}],
            "samples": 3,
        },
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def models(recipe_path: Path, tmp_path: Path) -> list[str]:
    """Two folders with untrained tiny models."""
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
    """The number of problems and the first one are the same, but the prompt differs."""
    first, _ = models(recipe_path, tmp_path)
    command = ["evaluate", str(recipe_path), "--model", first, "--output", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command).exit_code == 0
    again = CliRunner().invoke(app, [*command, "--set", "prompt.system=Add."])
    assert (again.exit_code, "holds an evaluation with other settings" in again.output) == (1, True)


def measured(source: str, greedy: str | None, *samples: str) -> dict[str, Any]:
    """A record of a problem: the verdicts of its greedy completion and of its samples."""
    named = [answer("1", verdict) | {"vote": "1" if verdict == "accepted" else None} for verdict in samples]
    one = None if greedy is None else answer("1", greedy)
    return {"id": f"{source} {greedy} {samples}", "source": source, "greedy": one, "samples": named}


def test_each_source_has_its_own_measures_and_all_together_their_mean() -> None:
    """Two of three samples of AIME are right in one problem and none in the other; of three sums one is right."""
    records = [
        measured("AIME", None, "accepted", "accepted", "wrong_answer"),
        measured("AIME", None, "wrong_answer", "judge_error", "wrong_answer"),
        *[measured("sums", verdict) for verdict in ("accepted", "wrong_answer", "time_limit_exceeded")],
        measured("sums", "judge_error"),
    ]
    summary = summarise(records, {"AIME": [1, 2], "": []})
    aime, sums = summary["sources"]["AIME"], summary["sources"]["sums"]
    assert (aime["avg@3"]["value"], aime["pass@1"]["value"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert aime["pass@2"]["value"] == pytest.approx((1 - 0 / 3 + 0) / 2)
    assert "greedy" not in aime
    assert (sums["greedy"]["value"], sums["judged_problems"], sums["unjudged"]) == (pytest.approx(1 / 3), 3, 1)
    assert "avg@3" not in summary
    assert summary["accuracy"]["value"] == pytest.approx((2 / 3 + 0 + 1 + 0 + 0) / 5)
    assert headline(summary) == summary["accuracy"]
    assert headline(summary, "AIME") == aime["avg@3"]
    assert headline({"judged_problems": 0, "unjudged": 3}) is None


def test_sources_are_asked_as_each_of_them_says(recipe_path: Path, tmp_path: Path) -> None:
    """One source is greedy, one is sampled with its own temperature and length; the command line overrides both."""
    first, _ = models(recipe_path, tmp_path)
    held_out = {"kind": "addition", "digits": 1, "working": False, "split": "held_out"}
    sampled = {"greedy": False, "samples": 4, "k": [1, 4], "temperature": 0.5, "max_completion_length": 3}
    values = yaml.safe_load(recipe_path.read_text(encoding="utf-8"))
    values["evaluation"] = {
        "data": [
            {**held_out, "name": "greedy sums", "limit": 5},
            {**held_out, "digits": 2, "name": "sampled sums", "limit": 3, "evaluate": sampled},
        ],
        "samples": 0,
        "best_by": "sampled sums",
    }
    recipe_path.write_text(yaml.safe_dump(values), encoding="utf-8")
    command = ["evaluate", str(recipe_path), "--model", first, "--output"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "completions: 17 of 17" in done.output
    (folder,) = (tmp_path / "out").iterdir()
    records = read_records(folder)
    asked = {(r["source"], r["greedy"] is not None, len(r["samples"])) for r in records}
    assert asked == {("greedy sums", True, 0), ("sampled sums", False, 4)}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["of_sources"]["sampled sums"]["max_completion_length"] == 3
    measures = {name for name, value in summary["sources"]["sampled sums"].items() if isinstance(value, dict)}
    assert measures - {"maj@4"} == {"avg@4", "pass@1", "pass@4"}
    again = CliRunner().invoke(app, [*command, str(tmp_path / "other"), "--samples", "1"])
    assert again.exit_code == 0, again.output
    assert "completions: 13 of 13" in again.output


def test_differences_are_those_of_the_same_problems(tmp_path: Path) -> None:
    """Three samples for each problem. Those of one problem cannot be judged in the second evaluation."""
    first = [measured("A", None, "wrong_answer", "accepted"), measured("B", "wrong_answer")]
    second = [measured("A", None, "accepted", "accepted"), measured("B", "accepted")]
    for name, records in (("first", first), ("second", second)):
        (tmp_path / name).mkdir()
        lines = [json.dumps(record | {"id": f"{i}"}) + "\n" for i, record in enumerate(records)]
        (tmp_path / name / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    found = compare(tmp_path / "first", tmp_path / "second")
    values = {name: difference["value"] for name, difference in found["differences"].items()}
    assert values == {"avg@2, A": 0.5, "greedy, B": 1.0}
    assert (found["problems"], found["only_second"]) == (1, 1)


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"greedy": False, "samples": 0}, "neither greedy nor samples"),
        ({"k": [8], "samples": 4}, "k 8 needs as many samples; samples is 4"),
        ({"best_by": "AIME"}, r"best_by 'AIME' is not one of the sources \(addition\)"),
    ],
)
def test_measures_that_cannot_be_are_named(recipe_path: Path, evaluation: dict[str, Any], said: str) -> None:
    values = yaml.safe_load(recipe_path.read_text(encoding="utf-8"))
    values["evaluation"] |= evaluation
    with pytest.raises(RecipeError, match=said):
        parse_recipe(values)


def test_how_a_source_is_evaluated_is_no_matter_of_training(recipe_path: Path) -> None:
    values = yaml.safe_load(recipe_path.read_text(encoding="utf-8"))
    values["data"][0]["evaluate"] = {"samples": 2}
    with pytest.raises(RecipeError, match=r"data\.0\.evaluate: only sources in evaluation\.data have it"):
        parse_recipe(values)
    values = yaml.safe_load(recipe_path.read_text(encoding="utf-8"))
    values["evaluation"]["data"] *= 2
    values["evaluation"]["data"][1] = {**values["evaluation"]["data"][1], "evaluate": {"samples": 2}}
    with pytest.raises(RecipeError, match=r"also called 'addition' but is measured differently; give it a name"):
        parse_recipe(values)
