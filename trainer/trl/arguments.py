"""Translate a recipe into the configuration of TRL's trainer."""

from pathlib import Path

import torch
from trl.trainer.grpo_config import GRPOConfig

from trainer.config import OUR_FIELDS, Pretrained, Recipe
from trainer.errors import RecipeError
from trainer.models import init_arguments
from trainer.trl import names as trl_names


def grpo_arguments(recipe: Recipe, folder: Path, steps: int) -> GRPOConfig:
    """Return TRL's configuration for a recipe. Fields that are missing or None get TRL's own default.

    Raises:
        RecipeError: `grpo.trl` names a field that the installed TRL does not have, or TRL refuses a value.
    """
    if unknown := trl_names.unknown_fields(recipe.grpo.trl):
        raise RecipeError(recipe.name, unknown)
    has_gpu = torch.cuda.is_available()
    values = recipe.grpo.model_dump(exclude=set(OUR_FIELDS), exclude_none=True)
    values |= {
        "max_steps": steps,
        "bf16": recipe.grpo.bf16 if recipe.grpo.bf16 is not None else has_gpu,
        "report_to": recipe.grpo.report_to or "none",
        "output_dir": str(folder),
        "seed": recipe.seed,
        "use_cpu": not has_gpu,
        "shuffle_dataset": False,  # the data set is already in training order
        "log_completions": True,
        "num_completions_to_print": 0,
        "disable_tqdm": True,
        "logging_first_step": True,
        "dataloader_pin_memory": has_gpu,
        "model_init_kwargs": init_arguments(recipe),
        "trust_remote_code": isinstance(recipe.model, Pretrained) and recipe.model.trust_remote_code,
        "chat_template_kwargs": recipe.prompt.chat_template_kwargs or None,
    }
    if recipe.interpreter is not None:
        values["max_tool_calling_iterations"] = recipe.interpreter.max_calls
    if recipe.vllm is not None:
        values |= {"use_vllm": True, **recipe.vllm.model_dump(exclude_none=True)}
    try:
        return GRPOConfig(**(values | recipe.grpo.trl))
    except (TypeError, ValueError) as problem:
        raise RecipeError(recipe.name, [f"grpo: TRL refuses these fields: {problem}"]) from problem
