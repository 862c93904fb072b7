"""TRL's AsyncGRPO: a vLLM server keeps generating, with slightly older weights, while the policy is trained.

TRL 1.16 calls it experimental. It has a single loss: token by token, with clipped ratios and without a reference model.
It needs a GPU with flash attention 3 from a hub kernel, the package vllm in the trainer's environment, and a vLLM
server with the same model that accepts weights (`VLLM_SERVER_DEV_MODE=1`,
`--weight-transfer-config '{"backend":"nccl"}'`). Missing requirements are reported before an older run is set aside.

This has not run on a GPU yet: the tests run its rollouts against a server that speaks vLLM's protocol, and against the
real verifier.
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

if TYPE_CHECKING:  # importing it prints a warning, so at run time only the functions that need it do
    from trl.experimental.async_grpo.async_grpo_config import AsyncGRPOConfig
    from trl.experimental.async_grpo.async_grpo_trainer import (
        AsyncGRPOTrainer,
        RolloutWorkerProtocol,
        WeightTransferProtocol,
    )

PACKAGES = ("vllm", "aiohttp", "kernels")
OUR_FIELDS = {"max_prompt_tokens", "trl"}
"""Fields of `grpo:` that our trainer handles itself."""
PROBE_S = 5.0


def _config() -> type[AsyncGRPOConfig]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are importing from 'trl.experimental'")
        from trl.experimental.async_grpo.async_grpo_config import AsyncGRPOConfig
    return AsyncGRPOConfig


def refused(recipe: Recipe) -> list[str]:
    """Return one sentence for each part of the recipe that AsyncGRPO does not support."""
    parts = ("vllm", "dynamic_sampling", "repair", "interpreter", "control", "cold_start")
    problems = [f"async_grpo does not support {name}: remove it" for name in parts if getattr(recipe, name) is not None]
    known = {field.name for field in fields(_config())} | OUR_FIELDS
    problems += [
        f"grpo.{name} is {getattr(recipe.grpo, name)!r}: AsyncGRPO supports only {field.default!r}"
        for name, field in Grpo.model_fields.items()
        if name not in known and getattr(recipe.grpo, name) != field.default
    ]
    problems += [f"grpo.trl.{name}: AsyncGRPOConfig has no such field" for name in sorted(set(recipe.grpo.trl) - known)]
    if not isinstance(recipe.model, Pretrained):
        problems.append(f"async_grpo needs a model that a vLLM server can serve, not kind {recipe.model.kind}")
    elif recipe.model.quantization is not None:
        problems.append("async_grpo does not support model.quantization: remove it")
    if not recipe.prompt.chat:
        problems.append("async_grpo needs a chat template: remove prompt.chat: false")
    if recipe.evaluation.before or recipe.evaluation.after or recipe.evaluation.every_steps:
        problems.append(
            "async_grpo does not evaluate: set evaluation.before and evaluation.after to false, remove "
            "evaluation.every_steps, and run `evaluate` afterwards"
        )
    return problems


def lacking(options: AsyncGrpo, recipe: Recipe) -> list[str]:
    """Return one sentence for each requirement, besides packages, that this machine or the vLLM server lacks."""
    problems = []
    if not torch.cuda.is_available():
        problems.append("async_grpo needs a GPU: TRL trains it with flash attention 3, which does not exist for CPUs")
    url = options.vllm_server_base_url.rstrip("/")
    try:
        with httpx.Client(base_url=url, timeout=PROBE_S) as http:
            served = [model["id"] for model in http.get("/v1/models").raise_for_status().json()["data"]]
            is_open = http.get("/server_info", params={"config_format": "json"}).status_code == 200
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as problem:
        said = str(problem).split("\n")[0] or type(problem).__name__
        return [*problems, f"async_grpo.vllm_server_base_url {url}: no vLLM server answers at this address ({said})"]
    name = recipe.model.name if isinstance(recipe.model, Pretrained) else recipe.model.kind
    if name not in served:
        problems.append(f"async_grpo: the vLLM server at {url} serves {', '.join(served)}, not {name}")
    if not is_open:
        text = f"async_grpo: the vLLM server at {url} does not accept weights: start it with VLLM_SERVER_DEV_MODE=1"
        problems.append(text)
    return problems


def async_arguments(recipe: Recipe, folder: Path, steps: int) -> AsyncGRPOConfig:
    """Return AsyncGRPO's configuration for a recipe. Fields that are missing or None get TRL's own default."""
    assert recipe.async_grpo is not None, "callers pass only recipes with async_grpo"
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
    """Create TRL's trainer. `worker` and `transfer` replace TRL's own rollout process and its NCCL transfer."""
    assert isinstance(recipe.model, Pretrained), "other kinds are refused"
    arguments = async_arguments(recipe, folder, recipe.grpo.max_steps)
    if recipe.model.revision is not None:
        arguments.model_init_kwargs = {"revision": recipe.model.revision}
    from trl.experimental.async_grpo.async_grpo_trainer import AsyncGRPOTrainer, RewardFunc

    return AsyncGRPOTrainer(
        model=recipe.model.name,
        reward_funcs=[cast(RewardFunc, reward)],  # TRL accepts None as a reward, but its type does not say so
        args=arguments,
        train_dataset=ordered,
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=lora_config(recipe.adapter) if isinstance(recipe.adapter, Adapter) else None,
        rollout_worker=worker,
        weight_transfer=transfer,
    )


def was_away(problem: RuntimeError) -> str | None:
    """Return the rollout process's message if it stopped because the verifier is down; None for other failures."""
    said = str(problem.__cause__ or "")
    kind, _, rest = said.partition(": ")
    return rest.split("\n")[0] if kind == "VerifierDown" else None
