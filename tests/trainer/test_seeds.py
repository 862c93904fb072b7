"""Several seeds: each is a separate run and is done once; signals reach it, and its exit code is the command's."""

import io
import json
import shutil
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.trainer.test_algorithms import recipe as small_recipe
from trainer import seeds as several
from trainer.cli import _seeds
from trainer.config import Recipe, parse_recipe
from trainer.errors import DataError, RecipeError
from trainer.report import seeds as seeds_report
from trainer.report.seeds import Spread


@pytest.fixture
def recipe(verifier_url: str, tmp_path: Path) -> Recipe:
    values = small_recipe(tmp_path / "run", "dr_grpo").model_dump(mode="json")
    held_out = {"kind": "addition", "digits": 1, "working": False, "split": "held_out", "limit": 4}
    values["verifier"] = {"url": verifier_url}
    values["grpo"] |= {"max_steps": 1}
    values["evaluation"] = {"data": [held_out], "samples": 0, "before": False}
    return parse_recipe(values | {"final_dir": str(tmp_path / "final")})


def test_a_seed_is_run_once_and_the_report_has_all_of_them(recipe: Recipe) -> None:
    """The first seed is a real run. The second is a finished copy of it with another accuracy."""
    said = io.StringIO()
    console = Console(file=said, width=200)
    folder = recipe.run_dir
    assert several.train(recipe, [3], False, console) == 0
    assert (folder / "seed-3" / "report.html").is_file()
    assert (folder.parent / "final" / "seed-3" / "model.safetensors").is_file()
    shutil.copytree(folder / "seed-3", folder / "seed-4")
    summary = folder / "seed-4" / "evaluations" / "after" / "summary.json"
    greedy = json.loads(summary.read_text())["greedy"]
    summary.write_text(json.dumps({"judged_problems": 4, "unjudged": 0, "greedy": greedy | {"value": 1.0}}))
    metrics = (folder / "seed-3" / "metrics.jsonl").read_bytes()
    assert several.train(recipe, [3, 4], True, console) == 0
    assert (folder / "seed-3" / "metrics.jsonl").read_bytes() == metrics
    assert all(f"seed {seed} is finished" in said.getvalue() for seed in (3, 4))
    assert json.loads((folder / "seeds.json").read_text()) == [3, 4]
    page = seeds_report.write(folder, console).read_text(encoding="utf-8")
    assert 'href="seed-4/report.html"' in page
    (row,) = json.loads((folder / "seeds-summary.json").read_text())
    assert (row["name"], row["least"], row["greatest"]) == ("after, greedy", greedy["value"], 1.0)
    assert row["mean"] == pytest.approx((greedy["value"] + 1) / 2)
    several._begin(folder, recipe, [3], False)
    assert (folder.with_name("run.1") / "seed-4").is_dir(), "without --resume an older folder is moved aside"


def test_the_end_of_a_run_and_signals_go_through() -> None:
    assert several._child([sys.executable, "-c", "raise SystemExit(75)"]) == 75
    waits = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: exit(130)); "
    waits += "os.kill(os.getppid(), signal.SIGTERM); signal.pause()"
    before = signal.getsignal(signal.SIGTERM)
    assert several._child([sys.executable, "-c", waits]) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_spread_is_that_of_single_runs() -> None:
    assert Spread("a", {0: 0.5, 1: 0.7, 2: 0.9}).deviation == pytest.approx(0.2)
    assert Spread("a", {0: 0.5}).deviation is None


def test_what_cannot_be_is_said(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("0,0", "1,x", "", "-1"):
        with pytest.raises(RecipeError, match="not a list of distinct integers"):
            several.seeds_of(text)
    with pytest.raises(RecipeError, match="both given"):
        _seeds(recipe, 1, "1,2")
    of_recipe = recipe.model_copy(update={"seeds": [5, 6]})
    assert (_seeds(of_recipe, None, None), _seeds(of_recipe, 1, None)) == ([5, 6], [])
    with pytest.raises(DataError, match="has no seeds to resume"):
        several.train(recipe, [0], True, Console(quiet=True))
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(RecipeError, match=r"launch `train --seed N --output-dir .*/run/seed-N` for each"):
        several.train(recipe, [0], False, Console(quiet=True))
