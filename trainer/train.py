"""One training run, from a recipe to a report: cold start, held-out accuracy, GRPO, held-out accuracy, control.

A run writes everything to its folder: `recipe.yaml`, `metrics.jsonl`, `completions/`, `checkpoint-N/`, `evaluations/`,
`final/`, `report.html`. If the verifier goes down or a signal arrives, the run saves its state before it stops, and
`--resume` continues with the next prompts in the same order.
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

# While one process evaluates or waits for the verifier, the others wait for it. Torch's default of ten minutes is too
# short for that.
COLLECTIVE_TIMEOUT = timedelta(hours=2)
CONTROL = "control"


class Exit(IntEnum):
    """Exit codes of the trainer."""

    DONE = 0
    FAILED = 1
    VERIFIER_DOWN = 75  # EX_TEMPFAIL in sysexits.h: the run is saved, try again later
    STOPPED = 130  # by a signal: the run is saved


@dataclass(frozen=True)
class Prepared:
    """What a run needs before its first step.

    `start` is the folder or hub id of the policy, and `adapter` the folder of the adapter from a cold start, if any.
    """

    recipe: Recipe
    problems: list[Problem]
    held_out: list[Problem]
    tokenizer: Any
    start: str
    adapter: Path | None


def train(recipe: Recipe, console: Console, resume: bool = False, from_start: bool = False) -> Exit:
    """Run a recipe.

    Args:
        recipe: The recipe.
        console: Where progress is shown.
        resume: Continue from the last checkpoint in the run's folder.
        from_start: Reuse the model and the cold start in the run's folder, and begin with the first GRPO step.

    Returns:
        The exit code. After `VERIFIER_DOWN` and `STOPPED`, the run can be resumed.

    Raises:
        RecipeError, DataError: Before the first step: nothing has been trained. If a package, the data or the model is
            missing, this is raised before an older run is set aside.
        VerifierDown: During a cold start or an evaluation. `--resume` continues from there.
        VerifierRefused: At any time. The run is saved.
        SavingFailed: Weights or a checkpoint could not be written. Earlier ones are intact.
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
    """Train with TRL's AsyncGRPO and save the result. A verifier that is down stops it like any other run."""
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
        console.print(f"the run is saved in {_save(trainer)}; continue with --resume", highlight=False, soft_wrap=True)
        return Exit.VERIFIER_DOWN
    if stopped is Exit.DONE:
        _save_trained(trainer, prepared, console)
    return stopped


def _save_trained(trainer: GRPOTrainer, prepared: Prepared, console: Console) -> None:
    """Save the trained model after setting aside an older one, unless this run has already saved it at this step."""
    folder, kept = prepared.recipe.trained_dir, prepared.recipe.run_dir / "final.json"
    said = json.dumps({"step": trainer.state.global_step, "folder": str(folder.absolute())})
    is_saved = [kept.is_file() and kept.read_text(encoding="utf-8") == said and folder.is_dir()]
    if process_state().num_processes > 1:
        broadcast_object_list(is_saved)
    if is_saved[0]:
        return
    if process_state().is_main_process and (older := set_aside(folder)):
        console.print(f"{folder} contained an older model, which is now in {older}", soft_wrap=True)
    process_state().wait_for_everyone()
    save_model(trainer, folder)
    if process_state().is_main_process:
        prepared.tokenizer.save_pretrained(str(folder))
        write_whole(kept, said)


def read_data(recipe: Recipe) -> tuple[list[Problem], list[Problem]]:
    """Return the training problems and the held-out problems."""
    held_out = load_problems(recipe.evaluation.data, seed=0) if recipe.evaluation.data else []
    return load_problems(recipe.data, recipe.seed), held_out


def prepare(
    recipe: Recipe, client: VerifierClient, console: Console, data: tuple[list[Problem], list[Problem]] | None = None
) -> Prepared:
    """Create or locate the model and run the cold start. What already exists in the run's folder is reused.

    Args:
        recipe: The recipe.
        client: The verifier, for the cold start.
        console: Where progress is shown.
        data: Training problems and held-out problems, if they have been read already.

    Raises:
        DataError: Every prompt is longer than `grpo.max_prompt_tokens`, or there is nothing to imitate.
    """
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
            raise DataError(f"every prompt is longer than grpo.max_prompt_tokens {recipe.grpo.max_prompt_tokens}")
        dropped = len(problems) - len(kept)
        console.print(f"data: {dropped} of {len(problems)} prompts are longer than grpo.max_prompt_tokens and skipped")
        problems = kept
    start, adapter = base, None
    if recipe.cold_start is not None:
        trained = cold_start.run(recipe, base, tokenizer, problems, client, console.print)
        start, adapter = (base, trained) if recipe.adapter else (str(trained), None)
    return Prepared(recipe, problems, held_out, tokenizer, start, adapter)


def run_control(prepared: Prepared, client: VerifierClient, console: Console) -> Exit:
    """Train from the same start with random rewards, and measure the result: accuracy should not improve."""
    recipe = prepared.recipe
    assert recipe.control is not None, "callers pass only recipes with a control"
    folder = recipe.run_dir / CONTROL
    if (folder / "evaluations" / "after" / "summary.json").exists():
        return Exit.DONE
    checkpoint = last_checkpoint(folder)  # an older run's control was set aside together with it
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
    """Create TRL's trainer.

    Args:
        prepared: The prepared run.
        folder: The trainer's output folder.
        reward: The reward function.
        steps: The number of steps.
        progress: The callback that logs and shows progress.
        asked: Judges answers between turns if `reward` does not, as in the control.

    Raises:
        RecipeError: TRL cannot start.
    """
    recipe = prepared.recipe
    clear_device_cache(garbage_collection=True)  # the cold start's model is in a reference cycle: free it now
    arguments = grpo_arguments(recipe, folder, steps)
    model: Any = prepared.start
    if prepared.adapter is not None:
        arguments.model_init_kwargs = None  # load the model here, with the cold start's adapter
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
        raise RecipeError(recipe.name, [f"TRL cannot start: {first_line(problem)}"]) from problem
    if isinstance(trainer, DynamicSamplingTrainer) and recipe.dynamic_sampling is not None:
        trainer.draw_from(rows(prepared.problems, recipe.prompt), recipe.dynamic_sampling)
    if isinstance(trainer, TurnsTrainer):
        trainer.asked, trainer.recipe = asked or reward, recipe
    if isinstance(trainer, InterpreterTrainer):
        trainer.desk = more["environment_factory"].args[0]
    trainer.remove_callback(PrinterCallback)
    return trainer


def _kind(recipe: Recipe, asked: Reward) -> tuple[type[OverlappingTrainer], dict[str, Any]]:
    """Return the trainer class that a recipe needs, and its additional arguments."""
    if recipe.repair is not None:
        return RepairTrainer, {"rollout_func": roll_out}
    if recipe.interpreter is not None:
        desk = Desk(asked.client, recipe.interpreter)
        return InterpreterTrainer, {"environment_factory": functools.partial(Interpreter, desk)}
    return OverlappingTrainer if recipe.dynamic_sampling is None else DynamicSamplingTrainer, {}


def _run(trainer: GRPOTrainer, checkpoint: Path | None, progress: Progress, console: Console) -> Exit:
    """Train. If the verifier or a signal stops it early, save a checkpoint.

    Raises:
        TrainerError: Out of memory, or a checkpoint could not be written.
        VerifierRefused: After saving a checkpoint.
    """
    with _signals_save(trainer) as stop:
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except torch.OutOfMemoryError as problem:
            progress.close()
            raise TrainerError(
                f"out of memory in step {trainer.state.global_step + 1}: {problem}; `plan-memory` shows what uses it "
                "and what to change; --resume continues from the last checkpoint"
            ) from problem
        except SavingFailed as problem:
            progress.close()
            raise TrainerError(
                f"{problem}; earlier checkpoints are intact: free some space and continue with --resume"
            ) from problem
        except STOPS as problem:
            progress.close()
            saved = _save(trainer)
            console.print(
                f"[bold red]stopped at step {trainer.state.global_step}[/]: {problem}", highlight=False, soft_wrap=True
            )
            console.print(f"the run is saved in {saved}; continue with --resume", highlight=False, soft_wrap=True)
            if isinstance(problem, VerifierDown):
                return Exit.VERIFIER_DOWN
            raise
        is_asked = stop.is_asked_anywhere()  # also if the signal came after the last step
    if is_asked:
        _save(trainer)
        console.print(f"stopped by a signal at step {trainer.state.global_step}; saved, continue with --resume")
        return Exit.STOPPED
    return Exit.DONE


class _StopOnSignal(TrainerCallback):
    """Ends the run with a checkpoint after any of its processes has received a signal.

    It ends after the current step or, if a generation batch serves several steps, after the last of them: TRL does not
    save completions, so a run cannot be resumed in the middle of a batch.
    """

    def __init__(self) -> None:
        self.asked = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        asked = self.is_asked_anywhere()
        # AsyncGRPO has neither: its completions come from a queue, so it can stop after any step.
        span = getattr(args, "steps_per_generation", 1) * getattr(args, "num_iterations", 1)
        at_the_end_of_a_batch = state.global_step * args.gradient_accumulation_steps % span == 0
        if asked and at_the_end_of_a_batch and state.global_step < state.max_steps:
            self.asked = True
            control.should_save = True
            control.should_training_stop = True
        return control

    def is_asked_anywhere(self) -> bool:
        """Return whether any process has received a signal. This is a collective call with the same result for all."""
        return any(gather_object([self.asked])) if process_state().num_processes > 1 else self.asked


@contextlib.contextmanager
def _signals_save(trainer: GRPOTrainer) -> Iterator[_StopOnSignal]:
    """Turn the first SIGINT or SIGTERM into an orderly stop. A second one ends the process as usual."""
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
    """Save the state after the last complete step as a checkpoint that `--resume` finds."""
    folder = Path(str(trainer.args.output_dir)) / f"checkpoint-{trainer.state.global_step}"
    if not (folder / "trainer_state.json").exists():
        trainer._save_checkpoint(cast(Any, trainer.model), trial=None)
        trainer.state.save_to_json(str(folder / "trainer_state.json"))
    return folder


def _evaluate(
    model: Model, prepared: Prepared, client: VerifierClient, folder: Path, console: Console, trainer: GRPOTrainer
) -> None:
    """Measure held-out accuracy, unless a resumed run has already measured it.

    One process measures; with vLLM, the others help to generate. A sharded model can only be measured with vLLM, and
    only after training has begun: before that, it is not laid out yet.
    """
    if not prepared.held_out:
        return
    if _is_sharded(trainer) and not trainer.use_vllm:
        console.print(
            "a sharded model cannot be evaluated during the run without vLLM; use `python -m trainer evaluate`"
        )
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
    """Return whether the model is sharded, so that no process holds all of it."""
    return trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled


def _checkpoint(recipe: Recipe, resume: bool, from_start: bool, console: Console) -> Path | None:
    """Prepare the run's folder, and return the checkpoint to resume from, if any.

    A run resumed before its first checkpoint keeps its cold start and its evaluations. A new run sets aside an older
    run's folder.

    Raises:
        DataError: There is nothing to resume, or the hosts do not share the folder.
    """
    folder, state = recipe.run_dir, process_state()
    see_the_same_folder(folder, state)
    if recipe.final_dir is not None:
        see_the_same_folder(recipe.final_dir.parent, state)
    kept = folder / "recipe.yaml"
    checkpoint = None
    if resume:
        if not kept.is_file():
            raise DataError(f"{folder} has no run to resume; start one without --resume")
        checkpoint = last_checkpoint(folder)
        for change in recipe_changes(yaml.safe_load(kept.read_text(encoding="utf-8")), recipe):
            console.print(f"resumed with a changed recipe: {change}", style="yellow", highlight=False, soft_wrap=True)
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
    """Return one sentence for each field in which a recipe differs from the one that the run began with."""
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
    """Return this process's rank and the number of processes. The first call joins them."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=COLLECTIVE_TIMEOUT)


__all__ = ["Exit", "prepare", "process_state", "run_control", "train"]
