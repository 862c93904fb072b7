"""Run every stage of a recipe once, with two steps on eight problems, in minutes instead of hours.

Model, adapter, batch, vLLM and lengths are the recipe's own; `smaller` lists everything that changes. With `tiny`, the
model is a random one of the recipe's architecture with a few thousand weights, the problems are generated ones of the
same kind, and everything that needs a GPU is left out. So every recipe can be exercised on any machine.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from rich.console import Console
from rich.markup import escape
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer.client import client_of
from trainer.config import Control, Pretrained, Recipe, Tiny
from trainer.data.load import conversation, load_problems, token_ids
from trainer.data.tasks import AnyTask, Problem
from trainer.data.tasks.addition import Addition
from trainer.data.tasks.dataset import KnownDataset
from trainer.data.tasks.functions import Functions
from trainer.errors import STOPS, DataError, RecipeError, VerifierDown
from trainer.evaluation.during import measuring
from trainer.evaluation.evaluate import Model, evaluate
from trainer.evaluation.vllm import Vllm
from trainer.files import save_model
from trainer.memory.known_models import config_of
from trainer.memory.plan import GIB, RUNTIME_BYTES, plan, setting_of, shape_of, what_to_change
from trainer.models import load_model, tiny_tokenizer
from trainer.progress import Metrics, Progress
from trainer.requirements import see_that_it_can_start
from trainer.rewards.reward import Reward
from trainer.train import Prepared, grpo_trainer, prepare, process_state
from verifier_service.client import VerifierClient
from verifier_service.schema.base import counted

PROBLEMS = 8
STEPS = 2
TINY_TOKENS = 16
KL_ALLOWED = 0.01
"""Maximum KL divergence, in nats per token, between the trained model and the same model saved and reloaded."""
VLLM_ALLOWED = 0.2
"""Maximum mean difference of log-probabilities between vLLM and the policy. Stale weights exceed it by far."""
EXTRAS = {"vllm": "vllm", "bitsandbytes": "qlora", "flash_attn": "flash", "deepspeed": "deepspeed"}


class Stages:
    """Tracks the current stage, and the seconds of each stage without its nested stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: str | None = None
        self._open: list[str] = []
        self._since = time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block as one stage. The innermost stage that raises is the one that failed."""
        self._count()
        self._open.append(name)
        is_done = False
        try:
            yield
            is_done = True
        finally:
            if not is_done:
                self.failed = self.failed or name
            self._count()
            self._open.pop()

    def around(self, owner: object, method: str, name: str) -> None:
        """Count every call of a method as a stage."""
        inner: Callable[..., object] = getattr(owner, method)

        def counted(*positional: object, **named: object) -> object:
            with self.stage(name):
                return inner(*positional, **named)

        setattr(owner, method, counted)

    def _count(self) -> None:
        now = time.monotonic()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


def run(recipe: Recipe, console: Console, tiny: bool = False, keep: bool = False) -> bool:
    """Run the stages of a recipe, and print the time of each, or how to fix the one that failed.

    The files are in `runs/NAME-smoke`, which is removed at the end unless a stage failed or `keep` is set.

    Args:
        recipe: The recipe.
        console: Where results are printed.
        tiny: Use a small random model and generated problems, without a GPU.
        keep: Keep the folder.

    Returns:
        Whether all stages succeeded.

    Raises:
        DataError: The folder exists but was not written by `smoke`.
    """
    state = process_state()  # joins the processes: only the first one writes, and the others wait for it
    small = smaller(recipe, tiny)
    _make_room(small.run_dir)
    if tiny:
        with state.main_process_first():
            small = _random(small)
    stages = Stages()
    try:
        for said in _stages(small, stages):
            console.print(said, highlight=False, soft_wrap=True)
    except Exception as problem:  # noqa: BLE001  # finding out what a stage raises is the purpose of this command
        stage = stages.failed or "load"
        kind = "" if isinstance(problem, STOPS) else f"{type(problem).__name__}: "
        console.print(f"[bold red]{stage} failed[/] {escape(kind + str(problem))}", highlight=False, soft_wrap=True)
        for words in advice(problem, stage, small):
            console.print(f"  {escape(words)}", highlight=False, soft_wrap=True)
        console.print(f"the files are kept in {small.run_dir}", highlight=False, soft_wrap=True)
        return False
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages.seconds.items())
    console.print(f"[green]all stages passed[/]: {times}", highlight=False, soft_wrap=True)
    state.wait_for_everyone()
    if not keep and state.is_main_process:
        shutil.rmtree(small.run_dir)
    return True


def smaller(recipe: Recipe, tiny: bool) -> Recipe:
    """Return the recipe with two steps, few problems, no external logger, and a separate folder."""
    span = max(1, recipe.batches_per_generation // recipe.grpo.gradient_accumulation_steps)
    steps = -(-STEPS // span) * span
    grpo: dict[str, object] = {"max_steps": steps, "save_steps": steps, "logging_steps": 1, "report_to": []}
    cold = recipe.cold_start
    changes: dict[str, object] = {
        "output_dir": recipe.run_dir.with_name(f"{recipe.run_dir.name}-smoke"),
        "final_dir": None,
        "control": Control(steps=1) if recipe.control else None,
        "cold_start": cold and cold.model_copy(update={"steps": STEPS, "until_accuracy": None}),
    }
    data, held_out = recipe.data, recipe.evaluation.data
    if tiny:
        grpo |= _without_gpu(recipe)
        changes |= {"vllm": None, "curriculum": None}  # stand-ins have no pass rates
        data, held_out = _generated(data, "train"), _generated(held_out, "held_out")
    evaluation = recipe.evaluation.model_copy(
        update={"data": [_few(source, PROBLEMS) for source in held_out], "k": None, "best_by": None}
    ).insisting(greedy=True, samples=min(1, recipe.evaluation.samples))
    changes |= {"grpo": recipe.grpo.model_copy(update=grpo), "evaluation": evaluation}
    small = recipe.model_copy(update=changes)
    # Read more than needed: prompts that are too long are dropped.
    return small.model_copy(update={"data": [_few(source, 4 * _needed(small, 8)) for source in data]})


def advice(problem: BaseException, stage: str, recipe: Recipe) -> list[str]:
    """Return what to change after a stage failed, as recipe fields or shell commands."""
    text = str(problem)
    if isinstance(problem, torch.OutOfMemoryError):
        shape = shape_of(config_of(recipe))
        card = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0
        fitting = what_to_change(shape, setting_of(recipe, card, 1, "none"), card)
        return ["out of memory; according to plan-memory, each of these changes would be enough:", *fitting]
    for package, extra in EXTRAS.items():
        if (isinstance(problem, ImportError) or stage == "packages") and package in text.lower().replace("-", "_"):
            return [f"pip install -c constraints-gpu.txt -e '.[trainer,{extra}]' (docs/how-to/gpus.md)"]
    if isinstance(problem, VerifierDown):
        return ["start a verifier with python -m verifier_service serve, or pass --verifier-url http://HOST:8000"]
    if stage == "sync":
        return ["the weights did not reach vLLM; try trainer/accelerate/zero3.yaml or --set vllm.vllm_mode=colocate"]
    if stage in ("load", "generate") and recipe.vllm is not None:
        return [
            "vLLM needs its share of the GPU free when it starts: --set vllm.vllm_gpu_memory_utilization=...; in "
            "server mode, start it with the options in docs/how-to/gpus.md; --set vllm=null runs without it"
        ]
    if stage == "load" and isinstance(problem, OSError):
        return ["the model could not be loaded: set HF_TOKEN for a gated model, HF_HOME for a cache, or use a folder"]
    return []


def _stages(recipe: Recipe, stages: Stages) -> Iterator[str]:
    """Go through a run, and yield a sentence about each stage."""
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.reset_peak_memory_stats()
    with client_of(recipe.verifier) as client:
        with stages.stage("verifier"):
            client.info()
        with stages.stage("packages"):
            see_that_it_can_start(recipe)
        with stages.stage("prepare"):
            prepared = prepare(recipe, client, Console(quiet=True))
        processes = _processes()
        prepared = replace(prepared, problems=_enough(prepared.problems, _needed(recipe, processes)))
        yield f"data: {counted(len(prepared.problems), 'problem')}, {len(prepared.held_out)} held out"
        metrics = Metrics(recipe.run_dir / "metrics.jsonl", 0, _is_first())
        progress = Progress(metrics, recipe.grpo.max_steps, Console(quiet=True), recipe.name)
        with stages.stage("load"):
            reward = Reward(recipe, client, processes)
            trainer = grpo_trainer(prepared, recipe.run_dir, reward, recipe.grpo.max_steps, progress)
        yield f"load: {prepared.start} as {type(trainer.accelerator.unwrap_model(trainer.model)).__name__}"
        _watch(trainer, stages)
        with stages.stage("step"):
            trainer.train()
        yield f"step: {_of_steps(metrics)}"
        yield from _sync(metrics, stages)
        with stages.stage("save"):
            save_model(trainer, recipe.trained_dir)
            if _is_first():
                prepared.tokenizer.save_pretrained(str(recipe.trained_dir))
        trainer.accelerator.wait_for_everyone()
        if _is_first():
            yield from _after(recipe, prepared, trainer, client, stages)
        trainer.accelerator.wait_for_everyone()
        if trainer.use_vllm and prepared.held_out:
            network = trainer.accelerator.unwrap_model(trainer.model)
            model = Model(network, prepared.tokenizer, "smoke", Vllm(trainer))
            yield from _evaluated(model, recipe, prepared, client, stages)
        yield _memory(recipe, trainer.accelerator.unwrap_model(trainer.model).config.to_dict())
        trainer.accelerator.wait_for_everyone()


def _watch(trainer: object, stages: Stages) -> None:
    stages.around(trainer, "_generate", "generate")
    stages.around(trainer, "_calculate_rewards", "judge")
    stages.around(trainer, "_save_checkpoint", "save")
    vllm = getattr(trainer, "vllm_generation", None)
    if vllm is not None:
        stages.around(vllm, "sync_weights", "sync")


def _after(
    recipe: Recipe, prepared: Prepared, trainer: GRPOTrainer, client: VerifierClient, stages: Stages
) -> Iterator[str]:
    """Reload the saved model, compare it with the trained one, and evaluate it unless vLLM does the generation."""
    with stages.stage("reload"):
        is_adapter = (recipe.trained_dir / "adapter_config.json").is_file()
        if not is_adapter and not (recipe.trained_dir / "config.json").is_file():
            raise DataError(f"{recipe.trained_dir} has no weights: a sharded run has to save a full state dict")
        start = prepared.start if is_adapter else str(recipe.trained_dir)
        again = load_model(recipe, start, recipe.trained_dir if is_adapter else None)
        if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
            prompt = conversation(prepared.problems[0], recipe.prompt)
            ids = token_ids(prompt, prepared.tokenizer, recipe.prompt.chat_template_kwargs)
            nats = _divergence(trainer.accelerator.unwrap_model(trainer.model), again, ids)
            if nats > KL_ALLOWED:
                raise DataError(
                    f"the model differs from itself by {nats:.3f} nats per token after saving and reloading"
                )
            yield f"reload: {recipe.trained_dir} differs by {nats:.1g} nats per token"
    if prepared.held_out and not trainer.use_vllm:
        yield from _evaluated(Model(again, prepared.tokenizer, "smoke"), recipe, prepared, client, stages)


def _evaluated(
    model: Model, recipe: Recipe, prepared: Prepared, client: VerifierClient, stages: Stages
) -> Iterator[str]:
    """Evaluate a few problems the way the run would."""
    held_out = prepared.held_out[:PROBLEMS]
    with stages.stage("evaluate"), measuring(model) as is_main:
        if is_main:
            summary = evaluate(model, held_out, recipe, client, recipe.run_dir / "evaluations" / "smoke")
            yield f"evaluate: {summary['judged_problems']} of {counted(len(held_out), 'problem')} judged"


@torch.no_grad()
def _divergence(first: torch.nn.Module, second: torch.nn.Module, ids: list[int]) -> float:
    """Return the mean KL divergence of two models' next tokens after each token of a prompt, in nats."""
    logs = []
    for model in (first, second):
        was_training = model.training
        model.eval()
        device = next(model.parameters()).device
        logits = model(input_ids=torch.tensor([ids], device=device)).logits[0]
        logs.append(logits.float().log_softmax(-1).cpu())
        model.train(was_training)
    return float((logs[0].exp() * (logs[0] - logs[1])).sum(-1).mean())


def _of_steps(metrics: Metrics) -> str:
    rows = metrics.rows
    judged = [1 - row.get("verifier/judge_error_share", 0.0) for row in rows if "verifier/judge_error_share" in row]
    share = sum(judged) / max(len(judged), 1)
    tokens = [row["completions/mean_length"] for row in rows if "completions/mean_length" in row]
    return f"{len(rows)} logged, {sum(tokens) / max(len(tokens), 1):.0f} tokens per completion, {share:.0%} judged"


def _sync(metrics: Metrics, stages: Stages) -> Iterator[str]:
    """Compare vLLM's log-probabilities with the policy's, to check that vLLM used the current weights."""
    name = "sampling/sampling_logp_difference/mean"
    differences = [row[name] for row in metrics.rows if name in row]
    if differences and max(differences) > VLLM_ALLOWED:
        stages.failed = "sync"
        raise DataError(f"vLLM's log-probabilities differ from the policy's by {max(differences):.2f} per token")
    if differences:
        yield f"sync: vLLM's log-probabilities differ from the policy's by {max(differences):.3f} per token"


def _memory(recipe: Recipe, known: dict[str, Any]) -> str:
    """Return a sentence that compares this process's peak memory with the plan."""
    try:
        config = config_of(recipe)
    except RecipeError:
        config = known
    targets = recipe.adapter.targets if recipe.adapter is not None else "all-linear"
    has_gpu = torch.cuda.is_available()
    card = torch.cuda.get_device_properties(0).total_memory if has_gpu else 80 * GIB
    shape = shape_of(config, None if isinstance(targets, str) else targets)
    planned = plan(shape, replace(setting_of(recipe, card, 1, "none"), on_gpu=has_gpu)).peak
    if not has_gpu:
        return f"memory: the plan is {planned / GIB:.2f} GiB; the peak is measured only on a GPU"
    peak = torch.cuda.max_memory_reserved() + RUNTIME_BYTES
    return f"memory: the peak was {peak / GIB:.2f} GiB, the plan {planned / GIB:.2f} GiB of {card / GIB:.0f}"


def _needed(recipe: Recipe, processes: int) -> int:
    return max(PROBLEMS, recipe.generation_batch_per_device * processes // recipe.grpo.num_generations)


def _enough(problems: list[Problem], needed: int) -> list[Problem]:
    return (problems * -(-needed // len(problems)))[:needed]


def _few(source: AnyTask, most: int) -> AnyTask:
    return source.model_copy(update={"limit": min(most, source.limit or most)})


def _generated(sources: list[AnyTask], split: str) -> list[AnyTask]:
    """Replace sources on the hub by generated problems of the same kind, name and weight."""
    return [
        source
        if not source.needs_hub
        else _stand_in(source, n, split).model_copy(
            update={"name": source.label, "weight": source.weight, "evaluate": source.evaluate}
        )
        for n, source in enumerate(sources)
    ]


def _stand_in(source: AnyTask, n: int, split: str) -> AnyTask:
    """Return generated functions for code, and additions otherwise; the n-th source has `1 + n % 3` digits."""
    if source.kind == "mbpp" or (isinstance(source, KnownDataset) and source.is_code):
        return Functions.model_validate({"split": split})
    return Addition.model_validate({"split": split, "digits": 1 + n % 3, "working": False})


def _without_gpu(recipe: Recipe) -> dict[str, object]:
    """Return the fields of `grpo:` that a tiny run changes: short completions, one group at a time, no CUDA."""
    grpo = recipe.grpo
    return {
        "max_completion_length": min(grpo.max_completion_length, TINY_TOKENS),
        "per_device_train_batch_size": grpo.num_generations,
        "gradient_accumulation_steps": min(2, grpo.gradient_accumulation_steps),
        "bf16": grpo.bf16 if torch.cuda.is_available() else False,
        "optim": "adamw_torch" if "8bit" in grpo.optim or "paged" in grpo.optim else grpo.optim,
    }


def _random(recipe: Recipe) -> Recipe:
    """Replace the recipe's model by a random one of the same architecture, with the problems' words as vocabulary."""
    if isinstance(recipe.model, Tiny):
        return recipe
    folder = recipe.run_dir / "random"
    named = recipe.model.model_dump() if isinstance(recipe.model, Pretrained) else {"dtype": recipe.model.dtype}
    changed = {"kind": "pretrained", "name": str(folder), "revision": None, "chat_template": None, "quantization": None}
    if _is_first():
        _save_random(recipe, folder)
    return recipe.model_copy(update={"model": Pretrained.model_validate({**named, **changed})})


def _save_random(recipe: Recipe, folder: Path) -> None:
    problems = [p for sources in (recipe.data, recipe.evaluation.data) if sources for p in load_problems(sources, 0)]
    tokenizer = tiny_tokenizer(recipe, problems)
    config = shrunk(config_of(recipe), len(tokenizer))
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.float32)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    model.config.eos_token_id, model.config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def shrunk(config: dict[str, Any], vocabulary: int) -> dict[str, Any]:
    """Return the configuration of a small model of the same architecture, with the same ratio of queries to keys."""
    heads, keys = config["num_attention_heads"], config.get("num_key_value_heads", config["num_attention_heads"])
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    small |= {"num_key_value_heads": max(1, 4 * keys // heads), "vocab_size": vocabulary}
    return {**config, **small, "max_position_embeddings": 512, "bos_token_id": None}


def _make_room(folder: Path) -> None:
    """Empty the folder of an earlier smoke run.

    Raises:
        DataError: The folder holds something else. Raised on all processes.
    """
    mark = folder / "smoke"
    is_other = [folder.is_dir() and any(folder.iterdir()) and not mark.exists()]
    if _processes() > 1:
        broadcast_object_list(is_other)
    if is_other[0]:
        raise DataError(f"{folder} was not written by `smoke`; choose another folder with --set output_dir=...")
    if _is_first():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.touch()
    process_state().wait_for_everyone()


def _is_first() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def _processes() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
