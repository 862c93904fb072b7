"""Measure held-out accuracy every few steps of a run, and keep the best model so far in `best/`.

One process measures while the others wait or, with vLLM, help to generate. The evaluation does not change the random
numbers that training draws afterwards.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainer.config import Recipe
from trainer.data.tasks import Problem
from trainer.errors import STOPS, Stop, TrainerError, VerifierDown
from trainer.evaluation.evaluate import Model, evaluate, headline
from trainer.evaluation.vllm import Vllm
from trainer.files import set_aside, write_whole
from trainer.pace import Pace
from verifier_service.client import VerifierClient


def measuring(model: Model) -> AbstractContextManager[bool]:
    """Let the main process measure a model inside the block; yield whether this process is the main one.

    With vLLM, the other processes help to generate until the main process leaves the block.
    """
    return model.writer.together() if isinstance(model.writer, Vllm) else nullcontext(PartialState().is_main_process)


class EvaluationDuring(TrainerCallback):
    """Evaluates every `evaluation.every_steps` steps, except after the last one: the run evaluates then anyway.

    Args:
        model: The model being trained.
        held_out: The held-out problems.
        recipe: The recipe.
        client: The verifier.
        save: Writes the trained model or its adapter to a folder. Every process calls it.
        console: Where accuracies are reported.
        measures_start: Also evaluate when training begins. A sharded model needs this: it can only be measured once
            training has laid it out.
    """

    def __init__(
        self,
        model: Model,
        held_out: Sequence[Problem],
        recipe: Recipe,
        client: VerifierClient,
        save: Callable[[Path], None],
        console: Console,
        measures_start: bool = False,
    ) -> None:
        self._model = model
        self._held_out = held_out
        self._recipe = recipe
        self._client = client
        self._save = save
        self._console = console
        self._measures_start = measures_start

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Repeat an evaluation that was interrupted, and set aside those of steps that the resumed run repeats."""
        if PartialState().is_main_process:
            for step, folder in _by_step(self._recipe.run_dir):
                if step > state.global_step:
                    set_aside(folder, f"older-{folder.name}")
        is_due = state.global_step > 0 or self._measures_start
        is_missing = [is_due and not self._summary(state.global_step).exists()]
        if PartialState().num_processes > 1:
            broadcast_object_list(is_missing)  # processes can see different files once one has begun to write
        if is_missing[0] and state.global_step == 0:
            self._evaluate(0)
        elif is_missing[0]:
            self.on_step_end(args, state, control)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        every = self._recipe.evaluation.every_steps
        if every and state.global_step % every == 0 and state.global_step < state.max_steps:
            self._evaluate(state.global_step)

    def _evaluate(self, step: int) -> None:
        """Measure on one process. All processes save a new best model, or raise the error that occurred there."""
        failure: Stop | None = None
        accuracy: float | None = None
        with measuring(self._model) as is_main:
            try:
                accuracy = self._best_so_far(step) if is_main else None
            except STOPS as problem:
                failure = problem
        told = [accuracy is not None, str(failure or ""), isinstance(failure, VerifierDown)]
        if PartialState().num_processes > 1:
            broadcast_object_list(told)
        is_best, said, is_down = told
        if failure is not None:
            raise failure
        if said:  # raise on every process: if only one stopped, the others would wait for it forever
            raise VerifierDown(self._client.url, 0.0, str(said)) if is_down else TrainerError(str(said))
        if is_best:
            self._keep(step, accuracy)

    def _keep(self, step: int, accuracy: float | None) -> None:
        """Save the model as `best/`, completely or not at all, and then its accuracy."""
        run = self._recipe.run_dir
        new, best = run / "best.new", run / "best"
        if PartialState().is_main_process:
            shutil.rmtree(new, ignore_errors=True)
        PartialState().wait_for_everyone()
        self._save(new)
        if PartialState().is_main_process:
            shutil.rmtree(best, ignore_errors=True)
            new.rename(best)
            write_whole(run / "best.json", json.dumps({"step": step, "accuracy": accuracy}))

    def _best_so_far(self, step: int) -> float | None:
        """Measure one step. Return its accuracy if it is the best so far, and None otherwise."""
        folder = self._summary(step).parent
        if not self._summary(step).exists():
            shutil.rmtree(folder, ignore_errors=True)  # an unfinished evaluation can come from a different model
        model = replace(self._model, name=f"{self._recipe.name} at step {step}")
        pace = Pace(self._console, f"held-out accuracy at step {step}: completions")
        summary = evaluate(model, self._held_out, self._recipe, self._client, folder, pace)
        measured = headline(summary, self._recipe.evaluation.best_by)
        if measured is None:
            return None
        said = f"held-out accuracy at step {step}: {in_words(summary)}"
        self._console.print(said, highlight=False, soft_wrap=True)
        accuracy = float(measured["value"])
        known = self._recipe.run_dir / "best.json"
        has_best = known.is_file() and known.with_name("best").is_dir()
        best = json.loads(known.read_text(encoding="utf-8")) if has_best else {"accuracy": -1.0}
        before = best["accuracy"] if "accuracy" in best else best["greedy"]  # "greedy" was its name in older versions
        return accuracy if step and accuracy > before else None

    def _summary(self, step: int) -> Path:
        name = f"step-{step}" if step else "before"
        return self._recipe.run_dir / "evaluations" / name / "summary.json"


def curve(run: Path) -> list[dict[str, float]]:
    """Return the held-out accuracies measured during a run: one row for each evaluation, sorted by step."""
    rows = []
    for step, folder in _by_step(run):
        path = folder / "summary.json"
        if not path.is_file():
            continue
        summary = json.loads(path.read_text(encoding="utf-8"))
        row: dict[str, float] = {"step": step}
        row |= {f"held_out/{name}": summary[name]["value"] for name in ("greedy", "pass@1") if name in summary}
        if "greedy" not in summary and (whole := headline(summary)) is not None:
            row["held_out/accuracy"] = whole["value"]
        for source in summary.get("sources", {}):
            if (of_source := headline(summary, source)) is not None:
                row[f"held_out/source/{source}"] = of_source["value"]
        rows.append(row)
    return rows


def in_words(summary: dict[str, Any]) -> str:
    """Format an evaluation's accuracy as one line, with each source's if there are several."""
    whole = headline(summary)
    said = "nothing could be judged" if whole is None else "{value:.3f} (95 % {low:.3f} to {high:.3f})".format(**whole)
    named = {source: headline(summary, source) for source in summary.get("sources", {})}
    parts = [f"{source} {one['value']:.3f}" for source, one in named.items() if one is not None]
    return f"{said}, {summary['judged_problems']} problems" + (f" ({', '.join(parts)})" if parts else "")


def _by_step(run: Path) -> list[tuple[int, Path]]:
    """Return the folders of the evaluations during training, sorted by step."""
    found = (run / "evaluations").glob("step-*")
    return sorted((int(path.name.removeprefix("step-")), path) for path in found)
