"""TRL's AsyncGRPO: a vLLM server generates on, in groups of older policies, while the policy is trained.

TRL 1.16 calls it experimental. It trains by one loss, token by token with clipped ratios and no reference, and needs a
GPU whose attention is flash attention 3 from a kernel of the hub, the package vllm on the trainer's side, and a vLLM
server of the same model that takes weights (`VLLM_SERVER_DEV_MODE=1`, `--weight-transfer-config '{"backend":"nccl"}'`).
What of that is missing is said before anything of an older run is moved. Nobody has run it on a GPU: the tests run its
rollouts against a server that speaks vLLM's protocol, and the real verifier.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerCallback

from trainer.config import Adapter, AsyncGrpo, Grpo, Pretrained, Recipe
from trainer.models import lora_config

if TYPE_CHECKING:  # at run time it warns of itself: imported by those who use it
    from trl.experimental.async_grpo.async_grpo_config import AsyncGRPOConfig
    from trl.experimental.async_grpo.async_grpo_trainer import (
        AsyncGRPOTrainer,
        RolloutWorkerProtocol,
        WeightTransferProtocol,
    )

PACKAGES = ("vllm", "aiohttp", "kernels")
OUR_FIELDS = {"max_prompt_tokens", "trl"}
"""Fields of `grpo:` that the trainer applies itself."""
PROBE_S = 5.0


def _config() -> type[AsyncGRPOConfig]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are importing from 'trl.experimental'")
        from trl.experimental.async_grpo.async_grpo_config import AsyncGRPOConfig
    return AsyncGRPOConfig


def refused(recipe: Recipe) -> list[str]:
    """Name what a recipe asks for and AsyncGRPO does not do, one sentence each."""
    parts = ("vllm", "dynamic_sampling", "repair", "interpreter", "control", "cold_start")
    problems = [
        f"async_grpo does not go with {name}: leave it out" for name in parts if getattr(recipe, name) is not None
    ]
    known = {field.name for field in fields(_config())} | OUR_FIELDS
    problems += [
        f"grpo.{name} {getattr(recipe.grpo, name)!r}: AsyncGRPO knows only {field.default!r}, which is what it does"
        for name, field in Grpo.model_fields.items()
        if name not in known and getattr(recipe.grpo, name) != field.default
    ]
    problems += [f"grpo.trl.{name}: AsyncGRPOConfig has no such field" for name in sorted(set(recipe.grpo.trl) - known)]
    if not isinstance(recipe.model, Pretrained):
        problems.append(f"async_grpo needs a model that a vLLM server can serve, and not kind {recipe.model.kind}")
    elif recipe.model.quantization is not None:
        problems.append("async_grpo does not go with model.quantization: leave it out")
    if not recipe.prompt.chat:
        problems.append("async_grpo renders messages: leave out prompt.chat false")
    if recipe.evaluation.before or recipe.evaluation.after or recipe.evaluation.every_steps:
        problems.append("async_grpo does not evaluate: set evaluation.before and after to false, and use `evaluate`")
    return problems


def lacking(options: AsyncGrpo, recipe: Recipe) -> list[str]:
    """Name what of the machine is missing, besides packages, one sentence each."""
    problems = []
    if not torch.cuda.is_available():
        problems.append("async_grpo needs a GPU: TRL trains it with flash attention 3, which has no form for CPUs")
    url = options.vllm_server_base_url.rstrip("/")
    try:
        with httpx.Client(base_url=url, timeout=PROBE_S) as http:
            served = [model["id"] for model in http.get("/v1/models").raise_for_status().json()["data"]]
            is_open = http.get("/server_info", params={"config_format": "json"}).status_code == 200
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as problem:
        said = str(problem).split("\n")[0] or type(problem).__name__
        return [*problems, f"async_grpo.vllm_server_base_url {url}: no vLLM server answers there ({said})"]
    name = recipe.model.name if isinstance(recipe.model, Pretrained) else recipe.model.kind
    if name not in served:
        problems.append(f"async_grpo: the vLLM server at {url} serves {', '.join(served)} and not {name}")
    if not is_open:
        problems.append(f"async_grpo: the vLLM server at {url} takes no weights: start it with VLLM_SERVER_DEV_MODE=1")
    return problems


def async_arguments(recipe: Recipe, folder: Path, steps: int) -> AsyncGRPOConfig:
    """Make AsyncGRPO's configuration of a recipe; what is left out, or None, has TRL's own default."""
    assert recipe.async_grpo is not None, "the caller asks for recipes that have it"
    known = {field.name for field in fields(_config())}
    own = recipe.grpo.model_dump(exclude_none=True, include=known)
    has_gpu = torch.cuda.is_available()
    model = recipe.model
    return _config()(
        **{
            **own,
            **recipe.async_grpo.model_dump(exclude_none=True),
            "max_steps": steps,
            "bf16": recipe.grpo.bf16 if recipe.grpo.bf16 is not None else has_gpu,
            "report_to": recipe.grpo.report_to or "none",
            "output_dir": str(folder),
            "seed": recipe.seed,
            "use_cpu": not has_gpu,
            "disable_tqdm": True,
            "logging_first_step": True,
            "dataloader_pin_memory": has_gpu,
            "trust_remote_code": isinstance(model, Pretrained) and model.trust_remote_code,
            "dtype": model.dtype if isinstance(model, Pretrained) else "float32",
            "chat_template_kwargs": recipe.prompt.chat_template_kwargs or None,
            **recipe.grpo.trl,
        }
    )


def async_trainer(
    recipe: Recipe,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    ordered: Dataset,
    reward: Callable[..., list[float | None]],
    callback: TrainerCallback,
    worker: RolloutWorkerProtocol | None = None,
    transfer: WeightTransferProtocol | None = None,
) -> AsyncGRPOTrainer:
    """Make TRL's trainer. `worker` and `transfer` take the place of TRL's own process of rollouts and of its NCCL."""
    assert isinstance(recipe.model, Pretrained), "other kinds are refused"
    arguments = async_arguments(recipe, folder, recipe.grpo.max_steps)
    if recipe.model.revision is not None:
        arguments.model_init_kwargs = {"revision": recipe.model.revision}
    from trl.experimental.async_grpo.async_grpo_trainer import AsyncGRPOTrainer, RewardFunc

    return AsyncGRPOTrainer(
        model=recipe.model.name,
        reward_funcs=[cast(RewardFunc, reward)],  # TRL takes None for a reward, and does not say so
        args=arguments,
        train_dataset=ordered,
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=lora_config(recipe.adapter) if isinstance(recipe.adapter, Adapter) else None,
        rollout_worker=worker,
        weight_transfer=transfer,
    )


def was_away(problem: RuntimeError) -> str | None:
    """Return what the process of rollouts said of a verifier that stayed away; None where it failed otherwise."""
    said = str(problem.__cause__ or "")
    kind, _, rest = said.partition(": ")
    return rest.split("\n")[0] if kind == "VerifierDown" else None
