"""Evaluation during training keeps the best model and does not change the training."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from tests.trainer.test_algorithms import recipe
from tests.trainer.test_training import QUIET
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import load_problems
from trainer.errors import DataError
from trainer.evaluation.during import EvaluationDuring, curve
from trainer.evaluation.evaluate import Model
from trainer.train import Exit, train


def run(folder: Path, url: str, every_steps: int | None) -> Recipe:
    values: dict[str, Any] = recipe(folder, "dr_grpo").model_dump(mode="json")
    values["verifier"] = {"url": url}
    values["grpo"] |= {"max_steps": 3}
    held_out = {"kind": "addition", "digits": 1, "working": False, "split": "held_out", "limit": 4}
    values["evaluation"] = {
        "data": [held_out],
        "samples": 1,
        "before": False,
        "after": False,
        "every_steps": every_steps,
    }
    small = parse_recipe(values)
    assert train(small, QUIET) is Exit.DONE
    return small


@pytest.fixture(scope="module")
def measured(verifier_url: str, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A run of three steps that was evaluated after the first and the second."""
    return run(tmp_path_factory.mktemp("measured") / "with", verifier_url, 1)


@pytest.fixture
def again(measured: Recipe, tmp_path: Path) -> Iterator[tuple[Recipe, EvaluationDuring]]:
    """A copy of it, and the callback of a run that continues there; existing records are not generated again."""
    folder = tmp_path / "run"
    shutil.copytree(measured.run_dir / "evaluations", folder / "evaluations")
    small = measured.model_copy(update={"output_dir": folder})
    held_out = load_problems(small.evaluation.data, seed=0)
    with client_of(small.verifier) as client:
        yield small, EvaluationDuring(Model(None, None, ""), held_out, small, client, _save, QUIET)


def _save(folder: Path) -> None:
    """Save like the trainer. The folder must be new, or it would be half another model's."""
    folder.mkdir()
    assert not (folder.parent / "best.json").exists(), "the number is written after the model"


def after_step(callback: EvaluationDuring, small: Recipe, step: int) -> None:
    arguments = TrainingArguments(output_dir=str(small.run_dir), use_cpu=True)
    callback.on_step_end(arguments, TrainerState(global_step=step, max_steps=3), TrainerControl())


def test_a_model_is_kept_before_its_number_is(again: tuple[Recipe, EvaluationDuring]) -> None:
    small, callback = again
    (small.run_dir / "best.new").mkdir()  # from a run that was killed while saving
    after_step(callback, small, 1)
    assert json.loads((small.run_dir / "best.json").read_text())["step"] == 1
    assert (small.run_dir / "best").is_dir()
    assert not (small.run_dir / "best.new").exists()


def test_an_evaluation_that_could_not_be_judged_is_no_accuracy_of_0(again: tuple[Recipe, EvaluationDuring]) -> None:
    small, callback = again
    records = small.run_dir / "evaluations" / "step-1" / "records.jsonl"
    records.write_text(re.sub(r'"verdict": "\w+"', '"verdict": "judge_error"', records.read_text()))
    after_step(callback, small, 1)
    assert not (small.run_dir / "best.json").exists()
    assert not (small.run_dir / "best").exists()


def test_what_stops_an_evaluation_is_told_by_its_own_name(again: tuple[Recipe, EvaluationDuring]) -> None:
    """Only if the verifier is away, the run ends with 75, which means that it can be tried again."""
    small, callback = again
    settings = small.run_dir / "evaluations" / "step-1" / "settings.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"samples": 7}))
    with pytest.raises(DataError, match="an evaluation with other settings"):
        after_step(callback, small, 1)


def test_a_resumed_run_measures_its_step_and_leaves_later_ones(again: tuple[Recipe, EvaluationDuring]) -> None:
    small, callback = again
    evaluations = small.run_dir / "evaluations"
    arguments = TrainingArguments(output_dir=str(small.run_dir), use_cpu=True)
    callback.on_train_begin(arguments, TrainerState(global_step=1, max_steps=3), TrainerControl())
    assert [row["step"] for row in curve(small.run_dir)] == [1]
    assert (evaluations / "older-step-2.1" / "summary.json").is_file()
    shutil.rmtree(evaluations / "step-1")
    with pytest.raises(AttributeError):  # it generates, with no model here
        callback.on_train_begin(arguments, TrainerState(global_step=1, max_steps=3), TrainerControl())


def test_records_are_never_cut_while_they_are_read_again(again: tuple[Recipe, EvaluationDuring]) -> None:
    small, callback = again
    records = small.run_dir / "evaluations" / "step-1" / "records.jsonl"
    witness = small.run_dir / "witness"  # another name of the same file, as a crash would leave it
    witness.hardlink_to(records)
    before = records.read_text() + '{"cut'
    records.write_text(before)
    after_step(callback, small, 1)
    assert witness.read_text() == before
    assert records.read_text() + '{"cut' == before


def test_the_best_model_is_kept_and_training_goes_on_as_without(
    measured: Recipe, verifier_url: str, tmp_path: Path
) -> None:
    small = measured
    assert [row["step"] for row in curve(small.run_dir)] == [1, 2]  # the last step is `after`'s
    best = json.loads((small.run_dir / "best.json").read_text())
    assert best["accuracy"] == max(row["held_out/greedy"] for row in curve(small.run_dir))
    assert (small.run_dir / "best" / "model.safetensors").is_file()
    plain = run(tmp_path / "without", verifier_url, None)
    assert not (plain.run_dir / "best").exists()
    tables = [
        [list(pd.read_parquet(path)["completion"].map(str)) for path in sorted((r.run_dir / "completions").iterdir())]
        for r in (small, plain)
    ]
    assert tables[0] == tables[1]
