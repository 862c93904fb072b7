"""One training run, from a recipe to a report: cold start, held-out accuracy, GRPO, held-out accuracy, control.

Everything of a run is in its folder: `recipe.yaml`, `metrics.jsonl`, `completions/`, `checkpoint-N/`, `evaluations/`,
`final/`, `report.html`. A run that was stopped, by the verifier's absence or by a signal, is saved first, and
`--resume` goes on with the next prompts of the same order.
"""

import contextlib
import itertools
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from accelerate import PartialState
from accelerate.utils import gather_object
from rich.console import Console
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer import cold_start
from trainer.arguments import grpo_arguments
from trainer.client import VerifierClient
from trainer.config import Recipe
from trainer.data import in_training_order, load_problems, within_tokens
from trainer.errors import DataError, TrainerError, VerifierDown
from trainer.evaluate import Model, evaluate
from trainer.models import base_model, load_model, load_tokenizer, lora_config
from trainer.overlap import OverlappingTrainer
from trainer.progress import Metrics, Progress
from trainer.reward import RandomReward, Reward
from trainer.tasks import Problem

# One process evaluates, or waits for the verifier, while the others wait for it; torch would give up after ten minutes.
COLLECTIVE_TIMEOUT = timedelta(hours=2)
CONTROL = "control"


class Exit(IntEnum):
    """How the trainer's process ends."""

    DONE = 0
    FAILED = 1
    VERIFIER_DOWN = 75  # EX_TEMPFAIL of sysexits.h: the run is saved, try again later
    STOPPED = 130  # by a signal: the run is saved


@dataclass(frozen=True)
class Prepared:
    """What a run needs before its first step. `start` is the policy, `adapter` what a cold start trained on top."""

    recipe: Recipe
    problems: list[Problem]
    held_out: list[Problem]
    tokenizer: Any
    start: str
    adapter: Path | None


def train(recipe: Recipe, console: Console, resume: bool = False, from_start: bool = False) -> Exit:
    """Run a recipe to its end.

    `from_start` keeps the model and the cold start that the run's folder holds, and begins with the first GRPO step.

    Returns: how the process should end. The run's folder can be resumed after `VERIFIER_DOWN` and `STOPPED`.

    Raises:
        RecipeError, DataError: before the first step; nothing was trained.
        VerifierDown: outside of the steps, in a cold start or an evaluation; what was done is kept for `--resume`.
        VerifierRefused: at any time; the run is saved.
    """
    folder = recipe.run_dir
    with VerifierClient(recipe.verifier) as client:
        client.info()
        checkpoint = _checkpoint(recipe, resume, from_start, console)
        prepared = prepare(recipe, client, console)
        metrics = Metrics(folder / "metrics.jsonl", _step_of(checkpoint), _state().is_main_process)
        progress = Progress(metrics, recipe.grpo.steps, console, recipe.name)
        reward = Reward(recipe, client, _state().num_processes)
        trainer = _grpo_trainer(prepared, folder, reward, recipe.grpo.steps, progress)
        model = Model(trainer.accelerator.unwrap_model(trainer.model), prepared.tokenizer, prepared.start)
        if recipe.evaluation.before:
            _evaluate(model, prepared, client, folder / "evaluations" / "before", console, trainer)
        stopped = _run(trainer, checkpoint, progress, console)
        if stopped is not Exit.DONE:
            return stopped
        trainer.save_model(str(recipe.trained_dir))
        if _state().is_main_process:
            prepared.tokenizer.save_pretrained(str(recipe.trained_dir))
        if recipe.evaluation.after:
            trained = Model(model.network, model.tokenizer, str(recipe.trained_dir))
            _evaluate(trained, prepared, client, folder / "evaluations" / "after", console, trainer)
        return run_control(prepared, client, console) if recipe.control is not None else Exit.DONE


def prepare(recipe: Recipe, client: VerifierClient, console: Console) -> Prepared:
    """Read the data, make or name the model, and do the cold start; what was done before is not done again."""
    problems = load_problems(recipe.data, recipe.seed)
    held_out = load_problems(recipe.evaluation.data, seed=0) if recipe.evaluation.data else []
    recipe.run_dir.mkdir(parents=True, exist_ok=True)
    with _state().main_process_first():
        base = base_model(recipe, problems)
    tokenizer = load_tokenizer(recipe, base)
    if recipe.grpo.max_prompt_tokens is not None:
        kept = within_tokens(problems, recipe.prompt, tokenizer, recipe.grpo.max_prompt_tokens)
        if not kept:
            raise DataError(f"every prompt is longer than max_prompt_tokens {recipe.grpo.max_prompt_tokens}")
        dropped = len(problems) - len(kept)
        console.print(f"data: {dropped} of {len(problems)} prompts are longer than max_prompt_tokens and left out")
        problems = kept
    start, adapter = base, None
    if recipe.cold_start is not None:
        trained = cold_start.run(recipe, base, tokenizer, problems, client, console.print)
        start, adapter = (base, trained) if recipe.adapter else (str(trained), None)
    return Prepared(recipe, problems, held_out, tokenizer, start, adapter)


def run_control(prepared: Prepared, client: VerifierClient, console: Console) -> Exit:
    """Train from the same start with a coin for a verifier, and measure what that taught: it should be nothing."""
    recipe = prepared.recipe
    assert recipe.control is not None, "the caller asks only for recipes that have a control"
    folder = recipe.run_dir / CONTROL
    if (folder / "evaluations" / "after" / "summary.json").exists():
        return Exit.DONE
    metrics = Metrics(folder / "metrics.jsonl", 0, _state().is_main_process)
    progress = Progress(metrics, recipe.control.steps, console, f"{recipe.name} control")
    trainer = _grpo_trainer(prepared, folder, RandomReward(recipe.seed), recipe.control.steps, progress)
    stopped = _run(trainer, None, progress, console)
    if stopped is Exit.DONE:
        model = Model(trainer.accelerator.unwrap_model(trainer.model), prepared.tokenizer, CONTROL)
        _evaluate(model, prepared, client, folder / "evaluations" / "after", console, trainer)
    return stopped


def recipe_text(recipe: Recipe) -> str:
    """Write a recipe as YAML, every field with the value that is used."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _grpo_trainer(prepared: Prepared, folder: Path, reward: Any, steps: int, progress: Progress) -> GRPOTrainer:
    recipe = prepared.recipe
    arguments = grpo_arguments(recipe, folder, steps)
    model: Any = prepared.start
    if prepared.adapter is not None:
        arguments.model_init_kwargs = None  # the model is loaded here, with the adapter that the cold start trained
        model = load_model(recipe, prepared.start, prepared.adapter, trainable=True)
    trainer = OverlappingTrainer(
        model=model,
        reward_funcs=reward,
        args=arguments,
        train_dataset=in_training_order(prepared.problems, recipe, _state().num_processes),
        processing_class=prepared.tokenizer,
        peft_config=lora_config(recipe.adapter) if recipe.adapter and prepared.adapter is None else None,
        callbacks=[progress],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _run(trainer: GRPOTrainer, checkpoint: Path | None, progress: Progress, console: Console) -> Exit:
    """Train, and save a checkpoint whatever ends it early."""
    with _signals_save(trainer) as stop:
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except torch.OutOfMemoryError as problem:
            progress.close()
            raise TrainerError(
                f"the memory is not enough in step {trainer.state.global_step + 1}: {problem}; `plan-memory` says what "
                "takes it and what to change; --resume goes on from the last checkpoint"
            ) from problem
        except TrainerError as problem:
            progress.close()
            saved = _save(trainer)
            console.print(
                f"[bold red]stopped at step {trainer.state.global_step}[/]: {problem}", highlight=False, soft_wrap=True
            )
            console.print(f"the run is saved in {saved}; go on with --resume", highlight=False, soft_wrap=True)
            if isinstance(problem, VerifierDown):
                return Exit.VERIFIER_DOWN
            raise
    if stop.asked:
        console.print(f"stopped by a signal at step {trainer.state.global_step}; saved, go on with --resume")
        return Exit.STOPPED
    return Exit.DONE


class _StopOnSignal(TrainerCallback):
    """Ends the run with a checkpoint when a signal asked any of its processes.

    That is after the step that is under way or, where a generation batch serves several steps, after the last of them:
    TRL saves no completions, and would not go on in the middle.
    """

    def __init__(self) -> None:
        self.asked = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        asked = any(gather_object([self.asked])) if _state().num_processes > 1 else self.asked
        span = args.steps_per_generation * args.num_iterations
        at_the_end_of_a_batch = state.global_step * args.gradient_accumulation_steps % span == 0
        if asked and at_the_end_of_a_batch and state.global_step < state.max_steps:
            self.asked = True
            control.should_save = True
            control.should_training_stop = True
        return control


@contextlib.contextmanager
def _signals_save(trainer: GRPOTrainer) -> Iterator[_StopOnSignal]:
    """Turn the first SIGINT or SIGTERM into an orderly stop; the second one ends the process as usual."""
    stop = _StopOnSignal()
    trainer.add_callback(stop)
    watched = (signal.SIGINT, signal.SIGTERM)

    def ask(number: int, _frame: Any) -> None:
        stop.asked = True
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in watched}
    for number in watched:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number in watched:
            signal.signal(number, before[number])


def _save(trainer: GRPOTrainer) -> Path:
    """Save the state after the last whole step, as the checkpoint that `--resume` finds."""
    folder = Path(str(trainer.args.output_dir)) / f"checkpoint-{trainer.state.global_step}"
    if not (folder / "trainer_state.json").exists():
        trainer._save_checkpoint(cast(Any, trainer.model), trial=None)
        trainer.state.save_to_json(str(folder / "trainer_state.json"))
    return folder


def _evaluate(
    model: Model, prepared: Prepared, client: VerifierClient, folder: Path, console: Console, trainer: GRPOTrainer
) -> None:
    """Measure held-out accuracy on one process, unless that was done before the run was stopped."""
    if not prepared.held_out:
        return
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        console.print("held-out accuracy of a sharded model is measured by `python -m trainer evaluate`, not here")
        return
    if trainer.accelerator.is_main_process and not (folder / "summary.json").exists():
        when = "of the control" if model.name == CONTROL else f"{folder.name} training"
        with console.status(f"held-out accuracy {when}: {len(prepared.held_out)} problems"):
            summary = evaluate(model, prepared.held_out, prepared.recipe, client, folder)
        greedy = summary.get("greedy")
        if greedy:
            console.print(
                f"held-out accuracy {when}: {greedy['value']:.3f} "
                f"(95 % {greedy['low']:.3f} to {greedy['high']:.3f}, greedy, {summary['judged_problems']} problems)",
                highlight=False,
                soft_wrap=True,
            )
    trainer.accelerator.wait_for_everyone()


def _checkpoint(recipe: Recipe, resume: bool, from_start: bool, console: Console) -> Path | None:
    """Make the run's folder ready and return the checkpoint to go on from, if there is one.

    A run that is resumed before its first checkpoint keeps its cold start and what was evaluated. What an older run
    left is moved aside by one that is not resumed.

    Raises:
        DataError: there is nothing to resume.
    """
    folder, state = recipe.run_dir, _state()
    kept = folder / "recipe.yaml"
    checkpoint = None
    if resume:
        if not kept.is_file():
            raise DataError(f"{folder} holds no run to resume; start one without --resume")
        last = get_last_checkpoint(str(folder))
        checkpoint = Path(last) if last else None
        for change in recipe_changes(yaml.safe_load(kept.read_text(encoding="utf-8")), recipe):
            console.print(f"resumed with another recipe: {change}", style="yellow", highlight=False, soft_wrap=True)
    elif state.is_main_process and folder.is_dir() and any(folder.iterdir()):
        number = next(n for n in itertools.count(1) if not Path(f"{folder}.{n}").exists())
        older = folder.rename(f"{folder}.{number}")
        for name in ("base", "cold-start") if from_start else ():
            if (older / name).is_dir():
                shutil.copytree(older / name, folder / name)
    if state.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(recipe_text(recipe), encoding="utf-8")
    state.wait_for_everyone()
    return checkpoint


def recipe_changes(before: dict[str, Any], recipe: Recipe) -> list[str]:
    """Name the fields in which a recipe differs from the one that a run began with."""
    old, new = _flat(before), _flat(recipe.model_dump(mode="json"))
    return [f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in new if old.get(name) != new[name]]


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(values, dict | list):
        return {name: values}
    items = values.items() if isinstance(values, dict) else enumerate(values)
    return {key: value for k, inner in items for key, value in _flat(inner, f"{name}.{k}" if name else str(k)).items()}


def _step_of(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def _state() -> PartialState:
    return PartialState(cpu=not torch.cuda.is_available(), timeout=COLLECTIVE_TIMEOUT)


__all__ = ["Exit", "prepare", "recipe_text", "run_control", "train"]
