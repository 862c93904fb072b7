"""All names of TRL that this project relies on.

Recipe fields in `grpo:` and `vllm:` have the names of TRL's fields, and metrics have those of TRL's metrics. If TRL
renames one, `missing_names` says which, and the test that calls it fails with this sentence.
Importing this module does not import TRL, so a recipe is validated in milliseconds.
"""

import difflib
from collections.abc import Iterable
from dataclasses import fields

# Former names of recipe fields, from before they had TRL's names. The error for an old recipe suggests the new one.
RENAMED = {
    "grpo": {
        "steps": "max_steps",
        "group_size": "num_generations",
        "per_device_batch": "per_device_train_batch_size",
        "gradient_accumulation": "gradient_accumulation_steps",
        "iterations": "num_iterations",
        "scheduler": "lr_scheduler_type",
        "optimizer": "optim",
        "loss": "loss_type",
        "importance_level": "importance_sampling_level",
        "mask_truncated": "mask_truncated_completions",
        "max_completion_tokens": "max_completion_length",
        "log_every_steps": "logging_steps",
        "save_every_steps": "save_steps",
        "keep_checkpoints": "save_total_limit",
    },
    "vllm": {
        "mode": "vllm_mode",
        "gpu_memory_share": "vllm_gpu_memory_utilization",
        "tensor_parallel": "vllm_tensor_parallel_size",
        "max_model_tokens": "vllm_max_model_length",
        "sleep": "vllm_enable_sleep_mode",
        "server_url": "vllm_server_base_url",
        "server_timeout_s": "vllm_server_timeout",
        "group_port": "vllm_group_port",
    },
}

# Fields of trl.GRPOConfig that the trainer sets itself, and their source. A recipe cannot set them under `grpo.trl`.
OWNED_FIELDS = {
    "output_dir": ", from the recipe's output_dir",
    "seed": ", from the recipe's seed",
    "data_seed": "",
    "use_cpu": "",
    "use_vllm": ", when the recipe has vllm",
    "shuffle_dataset": "",
    "num_train_epochs": "",
    "log_completions": "",
    "num_completions_to_print": "",
    "remove_unused_columns": "",
    "save_strategy": "",
    "logging_strategy": "",
    "eval_strategy": "",
    "disable_tqdm": "",
    "reward_weights": "; each reward component has a weight",
    "model_init_kwargs": ", from the recipe's model",
    "chat_template_kwargs": ", from prompt.chat_template_kwargs",
    "logging_first_step": "",
    "pad_to_multiple_of": "",
    "ignore_data_skip": "",
    "generation_batch_size": ", from per_device_train_batch_size and steps_per_generation",
    "save_only_model": "",
    "auto_find_batch_size": "",
    "resume_from_checkpoint": "",
    "trust_remote_code": ", from model.trust_remote_code",
    "load_best_model_at_end": "",
    "max_tool_calling_iterations": ", from interpreter.max_calls",
}

# Attributes of trl.GRPOTrainer and transformers.Trainer that the trainer uses.
TRAINER_METHODS = (
    "train",
    "save_model",
    "_save_checkpoint",
    "create_model_card",
    "log",
    "add_callback",
    "_generate",
    "_generate_single_turn",
    "_generate_and_score_completions",
)
# Positions in the tuple that `_generate` returns.
GENERATED_PROMPT_IDS, GENERATED_IDS, GENERATED_MASK, GENERATED_COMPLETIONS, GENERATED_LOGPROBS = 0, 1, 2, 3, 4

# Columns of the Parquet table that TRL writes for each logged step, besides those of `log_extra` and of each reward.
COMPLETION_COLUMNS = ("step", "prompt", "completion", "advantage")


def missing_names(recipe_fields: Iterable[str]) -> list[str]:
    """Find the names in recipes and in the tables above that the installed TRL does not have.

    Returns:
        One sentence for each stale name.
    """
    import trl
    from trl.trainer import grpo_trainer

    known = config_fields()
    wanted = {"a field of recipes": recipe_fields, "trl_names.OWNED_FIELDS": OWNED_FIELDS}
    problems = [
        f"trl.GRPOConfig has no field {name!r} ({where}; TRL {trl.__version__})"
        for where, names in wanted.items()
        for name in names
        if name not in known
    ]
    problems += [
        f"trl.GRPOTrainer has no method {name!r} (trl_names.TRAINER_METHODS; TRL {trl.__version__})"
        for name in TRAINER_METHODS
        if not hasattr(grpo_trainer.GRPOTrainer, name)
    ]
    return problems


def unknown_fields(wanted: Iterable[str]) -> list[str]:
    """Return one sentence for each field under `grpo.trl` that the installed TRL does not have, with a suggestion."""
    known = config_fields()
    near = {name: difflib.get_close_matches(name, known, n=1) for name in sorted(set(wanted) - known)}
    return [
        f"grpo.trl.{name}: TRL's GRPOConfig has no such field" + "".join(f"; the nearest is {one!r}" for one in found)
        for name, found in near.items()
    ]


def config_fields() -> set[str]:
    """Return the names of all fields of the installed `trl.GRPOConfig`."""
    from trl.trainer.grpo_config import GRPOConfig

    return {field.name for field in fields(GRPOConfig)}
