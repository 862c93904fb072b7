"""One training run, from a recipe to a report: cold start, held-out accuracy, GRPO, held-out accuracy, control.

Everything of a run is in its folder: `recipe.yaml`, `metrics.jsonl`, `completions/`, `checkpoint-N/`, `evaluations/`,
`final/`, `report.html`. A run that was stopped, by the verifier's absence or by a signal, is saved first, and
`--resume` goes on with the next prompts of the same order.
"""

import contextlib
import functools
import json
import shutil
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from accelerate.utils.memory import clear_device_cache
from rich.console import Console
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer import cold_start
from trainer.client import client_of
from trainer.config import Recipe, recipe_text
from trainer.data.load import in_training_order, load_problems, rows, within_tokens
from trainer.data.tasks import Problem
from trainer.errors import STOPS, DataError, RecipeError, SavingFailed, TrainerError, VerifierDown
from trainer.evaluation.during import EvaluationDuring, in_words, measuring
from trainer.evaluation.evaluate import Model, evaluate
from trainer.evaluation.vllm import Vllm
from trainer.files import last_checkpoint, save_model, set_aside, write_whole
from trainer.hosts import see_the_same_folder
from trainer.models import attention_note, base_model, load_model, load_tokenizer, lora_config
from trainer.pace import Pace
from trainer.progress import Metrics, Progress
from trainer.requirements import first_line, see_that_it_can_start
from trainer.rewards.reward import RandomReward, Reward
from trainer.trl.arguments import grpo_arguments
from trainer.trl.asynchronous import async_trainer, was_away
from trainer.trl.dynamic_sampling import DynamicSamplingTrainer
from trainer.trl.overlap import OverlappingTrainer
from trainer.trl.turns import InterpreterTrainer, RepairTrainer, TurnsTrainer, roll_out
from trainer.turns.interpreter import Desk, Interpreter
from verifier_service.client import VerifierClient

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
        RecipeError, DataError: before the first step; nothing was trained. What is missing (a package, the data, the
            model) is said before an older run is moved aside.
        VerifierDown: outside of the steps, in a cold start or an evaluation; what was done is kept for `--resume`.
        VerifierRefused: at any time; the run is saved.
        SavingFailed: weights or a checkpoint could not be written; those before are whole.
    """
    folder = recipe.run_dir
    with client_of(recipe.verifier) as client:
        client.info()
        with process_state().main_process_first():
            see_that_it_can_start(recipe)
        data = read_data(recipe)
        checkpoint = _checkpoint(recipe, resume, from_start, console)
        prepared = prepare(recipe, client, console, data)
        metrics = Metrics(folder / "metrics.jsonl", _step_of(checkpoint), process_state().is_main_process)
        progress = Progress(metrics, recipe.grpo.max_steps, console, recipe.name)
        reward = Reward(recipe, client, process_state().num_processes)
        if recipe.async_grpo is not None:
            return _train_asynchronously(prepared, reward, checkpoint, progress, console)
        trainer = grpo_trainer(prepared, folder, reward, recipe.grpo.max_steps, progress)
        model = Model(
            trainer.accelerator.unwrap_model(trainer.model),
            prepared.tokenizer,
            prepared.start,
            Vllm(trainer) if trainer.use_vllm else None,
        )
        if recipe.evaluation.before:
            _evaluate(model, prepared, client, folder / "evaluations" / "before", console, trainer)
        measures_start = recipe.evaluation.before and trainer.use_vllm and _is_sharded(trainer)
        can_measure = bool(prepared.held_out) and (trainer.use_vllm or not _is_sharded(trainer))
        if can_measure and (recipe.evaluation.every_steps or measures_start):

            def save(best: Path) -> None:
                save_model(trainer, best)

            during = EvaluationDuring(model, prepared.held_out, recipe, client, save, console, measures_start)
            trainer.add_callback(during)
        stopped = _run(trainer, checkpoint, progress, console)
        if stopped is not Exit.DONE:
            return stopped
        _save_trained(trainer, prepared, console)
        if recipe.evaluation.after:
            trained = replace(model, name=str(recipe.trained_dir))
            _evaluate(trained, prepared, client, folder / "evaluations" / "after", console, trainer)
        return run_control(prepared, client, console) if recipe.control is not None else Exit.DONE


def _train_asynchronously(
    prepared: Prepared, reward: Reward, checkpoint: Path | None, progress: Progress, console: Console
) -> Exit:
    """Train by TRL's AsyncGRPO, and save; a verifier that stays away stops it as it stops every run."""
    recipe = prepared.recipe
    ordered = in_training_order(prepared.problems, recipe, process_state().num_processes)
    trainer = cast(Any, async_trainer(recipe, recipe.run_dir, prepared.tokenizer, ordered, reward, progress))
    trainer.remove_callback(PrinterCallback)
    try:
        stopped = _run(trainer, checkpoint, progress, console)
    except RuntimeError as problem:
        said = was_away(problem)
        if said is None:
            raise
        progress.close()
        console.print(f"[bold red]stopped at step {trainer.state.global_step}[/]: {said}", highlight=False)
        console.print(f"the run is saved in {_save(trainer)}; go on with --resume", highlight=False, soft_wrap=True)
        return Exit.VERIFIER_DOWN
    if stopped is Exit.DONE:
        _save_trained(trainer, prepared, console)
    return stopped


def _save_trained(trainer: GRPOTrainer, prepared: Prepared, console: Console) -> None:
    """Save the trained model where an older one is set aside; one that this run saved after the same step stays."""
    folder, kept = prepared.recipe.trained_dir, prepared.recipe.run_dir / "final.json"
    said = json.dumps({"step": trainer.state.global_step, "folder": str(folder.absolute())})
    is_saved = [kept.is_file() and kept.read_text(encoding="utf-8") == said and folder.is_dir()]
    if process_state().num_processes > 1:
        broadcast_object_list(is_saved)
    if is_saved[0]:
        return
    if process_state().is_main_process and (older := set_aside(folder)):
        console.print(f"{folder} held an older model, which is {older} now", soft_wrap=True)
    process_state().wait_for_everyone()
    save_model(trainer, folder)
    if process_state().is_main_process:
        prepared.tokenizer.save_pretrained(str(folder))
        write_whole(kept, said)


def read_data(recipe: Recipe) -> tuple[list[Problem], list[Problem]]:
    """Return the problems to train on and those that are held out."""
    held_out = load_problems(recipe.evaluation.data, seed=0) if recipe.evaluation.data else []
    return load_problems(recipe.data, recipe.seed), held_out


def prepare(
    recipe: Recipe, client: VerifierClient, console: Console, data: tuple[list[Problem], list[Problem]] | None = None
) -> Prepared:
    """Make or name the model, and do the cold start; what was done before is not done again."""
    problems, held_out = data or read_data(recipe)
    recipe.run_dir.mkdir(parents=True, exist_ok=True)
    with process_state().main_process_first():
        base = base_model(recipe, problems)
    tokenizer = load_tokenizer(recipe, base)
    if note := attention_note(recipe):
        console.print(note, style="yellow", highlight=False, soft_wrap=True)
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
    checkpoint = last_checkpoint(folder)  # an older run's folder was moved aside with the run's
    metrics = Metrics(folder / "metrics.jsonl", _step_of(checkpoint), process_state().is_main_process)
    progress = Progress(metrics, recipe.control.steps, console, f"{recipe.name} control")
    coin, asked = RandomReward(recipe.seed), Reward(recipe, client, process_state().num_processes)
    trainer = grpo_trainer(prepared, folder, coin, recipe.control.steps, progress, asked)
    stopped = _run(trainer, checkpoint, progress, console)
    if stopped is Exit.DONE:
        writer = Vllm(trainer) if trainer.use_vllm else None
        model = Model(trainer.accelerator.unwrap_model(trainer.model), prepared.tokenizer, CONTROL, writer)
        _evaluate(model, prepared, client, folder / "evaluations" / "after", console, trainer)
    return stopped


def grpo_trainer(
    prepared: Prepared, folder: Path, reward: Any, steps: int, progress: Progress, asked: Reward | None = None
) -> GRPOTrainer:
    """Make TRL's trainer. `asked` is who judges between turns, where that is not the reward.

    Raises:
        RecipeError: TRL cannot start it.
    """
    recipe = prepared.recipe
    clear_device_cache(garbage_collection=True)  # the cold start's model refers to itself
    arguments = grpo_arguments(recipe, folder, steps)
    model: Any = prepared.start
    if prepared.adapter is not None:
        arguments.model_init_kwargs = None  # the model is loaded here, with the adapter that the cold start trained
        model = load_model(recipe, prepared.start, prepared.adapter, trainable=True)
    kind, more = _kind(recipe, asked or reward)
    ordered = in_training_order(prepared.problems, recipe, process_state().num_processes)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You are using '(rollout_func|environment_factory)'")
            trainer = kind(
                model=model,
                reward_funcs=reward,
                args=arguments,
                train_dataset=ordered,
                processing_class=prepared.tokenizer,
                peft_config=lora_config(recipe.adapter) if recipe.adapter and prepared.adapter is None else None,
                callbacks=[progress],
                **more,
            )
    except (ImportError, OSError, ValueError) as problem:
        raise RecipeError(recipe.name, [f"TRL cannot start it: {first_line(problem)}"]) from problem
    if isinstance(trainer, DynamicSamplingTrainer) and recipe.dynamic_sampling is not None:
        trainer.draw_from(rows(prepared.problems, recipe.prompt), recipe.dynamic_sampling)
    if isinstance(trainer, TurnsTrainer):
        trainer.asked, trainer.recipe = asked or reward, recipe
    if isinstance(trainer, InterpreterTrainer):
        trainer.desk = more["environment_factory"].args[0]
    trainer.remove_callback(PrinterCallback)
    return trainer


def _kind(recipe: Recipe, asked: Reward) -> tuple[type[OverlappingTrainer], dict[str, Any]]:
    """Return the trainer that a recipe needs, and what TRL is given besides."""
    if recipe.repair is not None:
        return RepairTrainer, {"rollout_func": roll_out}
    if recipe.interpreter is not None:
        desk = Desk(asked.client, recipe.interpreter)
        return InterpreterTrainer, {"environment_factory": functools.partial(Interpreter, desk)}
    return OverlappingTrainer if recipe.dynamic_sampling is None else DynamicSamplingTrainer, {}


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
        except SavingFailed as problem:
            progress.close()
            raise TrainerError(
                f"{problem}; the checkpoints before it are whole: make room and go on with --resume"
            ) from problem
        except STOPS as problem:
            progress.close()
            saved = _save(trainer)
            console.print(
                f"[bold red]stopped at step {trainer.state.global_step}[/]: {problem}", highlight=False, soft_wrap=True
            )
            console.print(f"the run is saved in {saved}; go on with --resume", highlight=False, soft_wrap=True)
            if isinstance(problem, VerifierDown):
                return Exit.VERIFIER_DOWN
            raise
        is_asked = stop.is_asked_anywhere()  # also where the signal came after the last step's end
    if is_asked:
        _save(trainer)
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
        asked = self.is_asked_anywhere()
        # AsyncGRPO has neither: its completions come from a queue, of which every step may be the last.
        span = getattr(args, "steps_per_generation", 1) * getattr(args, "num_iterations", 1)
        at_the_end_of_a_batch = state.global_step * args.gradient_accumulation_steps % span == 0
        if asked and at_the_end_of_a_batch and state.global_step < state.max_steps:
            self.asked = True
            control.should_save = True
            control.should_training_stop = True
        return control

    def is_asked_anywhere(self) -> bool:
        """Return whether a signal asked any process; all of them have to ask, and are told the same."""
        return any(gather_object([self.asked])) if process_state().num_processes > 1 else self.asked


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
    """Measure held-out accuracy, unless that was done before the run was stopped.

    One process measures; where vLLM writes, the others write with it. What is sharded can only be measured that way,
    and only after training has begun to lay it out.
    """
    if not prepared.held_out:
        return
    if _is_sharded(trainer) and not trainer.use_vllm:
        console.print("held-out accuracy of a sharded model is measured by `python -m trainer evaluate`, not here")
        return
    if _is_sharded(trainer) and trainer.state.global_step == 0:
        return  # `EvaluationDuring` does it
    is_missing = [not (folder / "summary.json").exists()]
    if process_state().num_processes > 1:
        broadcast_object_list(is_missing)
    if is_missing[0]:
        with measuring(model) as is_main:
            if is_main:
                when = "of the control" if model.name == CONTROL else f"{folder.name} training"
                pace = Pace(console, f"held-out accuracy {when}: completions")
                summary = evaluate(model, prepared.held_out, prepared.recipe, client, folder, pace)
                console.print(f"held-out accuracy {when}: {in_words(summary)}", highlight=False, soft_wrap=True)
    trainer.accelerator.wait_for_everyone()


def _is_sharded(trainer: GRPOTrainer) -> bool:
    """Whether no process holds the whole model."""
    return trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled


def _checkpoint(recipe: Recipe, resume: bool, from_start: bool, console: Console) -> Path | None:
    """Make the run's folder ready and return the checkpoint to go on from, if there is one.

    A run that is resumed before its first checkpoint keeps its cold start and what was evaluated. What an older run
    left is moved aside by one that is not resumed.

    Raises:
        DataError: there is nothing to resume, or hosts do not share the folder.
    """
    folder, state = recipe.run_dir, process_state()
    see_the_same_folder(folder, state)
    if recipe.final_dir is not None:
        see_the_same_folder(recipe.final_dir.parent, state)
    kept = folder / "recipe.yaml"
    checkpoint = None
    if resume:
        if not kept.is_file():
            raise DataError(f"{folder} holds no run to resume; start one without --resume")
        checkpoint = last_checkpoint(folder)
        for change in recipe_changes(yaml.safe_load(kept.read_text(encoding="utf-8")), recipe):
            console.print(f"resumed with another recipe: {change}", style="yellow", highlight=False, soft_wrap=True)
    elif state.is_main_process and (older := set_aside(folder)):
        for name in ("base", "cold-start") if from_start else ():
            if (older / name).is_dir():
                shutil.copytree(older / name, folder / name)
    if state.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(kept, recipe_text(recipe))
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


def process_state() -> PartialState:
    """Return this process's place among all of the run, which it joins when it is first asked."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=COLLECTIVE_TIMEOUT)


__all__ = ["Exit", "prepare", "process_state", "run_control", "train"]
