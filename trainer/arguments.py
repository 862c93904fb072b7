"""A recipe in TRL's words: the configuration that its trainer takes."""

from pathlib import Path

import torch
from trl.trainer.grpo_config import GRPOConfig

from trainer import trl_names
from trainer.config import Recipe
from trainer.errors import RecipeError
from trainer.models import init_arguments


def grpo_arguments(recipe: Recipe, folder: Path, steps: int) -> GRPOConfig:
    """Translate a recipe into TRL's configuration.

    Raises:
        RecipeError: `grpo.trl` names a field that the installed TRL does not have, or TRL refuses a value.
    """
    unknown = sorted(set(recipe.grpo.trl) - trl_names.config_fields())
    if unknown:
        raise RecipeError(recipe.name, [f"grpo.trl.{name}: TRL's GRPOConfig has no such field" for name in unknown])
    has_gpu = torch.cuda.is_available()
    values = trl_names.to_trl(recipe.grpo.model_dump(), trl_names.GRPO_FIELDS)
    values |= {
        "max_steps": steps,
        "bf16": recipe.grpo.bf16 if recipe.grpo.bf16 is not None else has_gpu,
        "report_to": recipe.grpo.report_to or "none",
        "output_dir": str(folder),
        "seed": recipe.seed,
        "use_cpu": not has_gpu,
        "shuffle_dataset": False,  # the data is in its order already
        "log_completions": True,
        "num_completions_to_print": 0,
        "disable_tqdm": True,
        "logging_first_step": True,
        "dataloader_pin_memory": has_gpu,
        "model_init_kwargs": init_arguments(recipe),
    }
    if recipe.vllm is not None:
        values |= {"use_vllm": True, **trl_names.to_trl(recipe.vllm.model_dump(), trl_names.VLLM_FIELDS)}
    try:
        return GRPOConfig(**(values | recipe.grpo.trl))
    except (TypeError, ValueError) as problem:
        raise RecipeError(recipe.name, [f"grpo: TRL refuses it: {problem}"]) from problem
