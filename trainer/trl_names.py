"""The one place that knows what TRL calls things.

A recipe speaks this project's words; these tables turn them into TRL's. When TRL renames a field, `missing_names`
says which line of which table is out of date, and the test that calls it fails with that sentence.
Importing this module does not import TRL: a recipe is checked in milliseconds.
"""

from dataclasses import fields
from typing import Any

# The recipe's `grpo:` field -> field of trl.GRPOConfig.
GRPO_FIELDS = {
    "steps": "max_steps",
    "group_size": "num_generations",
    "per_device_batch": "per_device_train_batch_size",
    "gradient_accumulation": "gradient_accumulation_steps",
    "steps_per_generation": "steps_per_generation",
    "iterations": "num_iterations",
    "learning_rate": "learning_rate",
    "scheduler": "lr_scheduler_type",
    "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay",
    "optimizer": "optim",
    "max_grad_norm": "max_grad_norm",
    "beta": "beta",
    "epsilon": "epsilon",
    "epsilon_high": "epsilon_high",
    "loss": "loss_type",
    "scale_rewards": "scale_rewards",
    "importance_level": "importance_sampling_level",
    "mask_truncated": "mask_truncated_completions",
    "max_completion_tokens": "max_completion_length",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "gradient_checkpointing": "gradient_checkpointing",
    "bf16": "bf16",
    "log_every_steps": "logging_steps",
    "save_every_steps": "save_steps",
    "keep_checkpoints": "save_total_limit",
    "report_to": "report_to",
}

# The recipe's `vllm:` field -> field of trl.GRPOConfig.
VLLM_FIELDS = {
    "mode": "vllm_mode",
    "gpu_memory_share": "vllm_gpu_memory_utilization",
    "tensor_parallel": "vllm_tensor_parallel_size",
    "max_model_tokens": "vllm_max_model_length",
    "sleep": "vllm_enable_sleep_mode",
    "server_url": "vllm_server_base_url",
    "server_timeout_s": "vllm_server_timeout",
    "group_port": "vllm_group_port",
}

# Fields of trl.GRPOConfig that the trainer sets itself; a recipe may not set them under `grpo.trl`.
OWNED_FIELDS = (
    "output_dir",
    "seed",
    "data_seed",
    "use_cpu",
    "use_vllm",
    "shuffle_dataset",
    "num_train_epochs",
    "log_completions",
    "num_completions_to_print",
    "remove_unused_columns",
    "save_strategy",
    "logging_strategy",
    "eval_strategy",
    "disable_tqdm",
    "reward_weights",
    "model_init_kwargs",
    "chat_template_kwargs",
    "logging_first_step",
    "pad_to_multiple_of",
    "ignore_data_skip",
)

# Attributes of trl.GRPOTrainer and transformers.Trainer that the trainer uses.
TRAINER_METHODS = (
    "train",
    "save_model",
    "_save_checkpoint",
    "log",
    "add_callback",
    "_generate",
    "_generate_and_score_completions",
)
GENERATED_COMPLETIONS = 3  # where `_generate` has the completions in what it returns

# This project's words in the log <- the metric's name in TRL's log.
METRICS = {
    "reward": "reward",
    "reward_std": "reward_std",
    "zero_advantage_share": "frac_reward_zero_std",
    "kl": "kl",
    "entropy": "entropy",
    "completion_tokens_mean": "completions/mean_length",
    "completion_tokens_max": "completions/max_length",
    "truncated_share": "completions/clipped_ratio",
    "clip_share": "clip_ratio/region_mean",
    "step_time_s": "step_time",
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
}

# Columns of the parquet table that TRL writes for each logged step, besides those of `log_extra` and of each reward.
COMPLETION_COLUMNS = ("step", "prompt", "completion", "advantage")


def missing_names() -> list[str]:
    """Say which names of the tables above the installed TRL does not have.

    Returns: one sentence for each stale name; empty when all is well.
    """
    import trl
    from trl.trainer import grpo_trainer

    known = config_fields()
    problems = [
        f"trl.GRPOConfig has no field {theirs!r} (trl_names.{table}, our {ours!r}; TRL {trl.__version__})"
        for table, names in (("GRPO_FIELDS", GRPO_FIELDS), ("VLLM_FIELDS", VLLM_FIELDS))
        for ours, theirs in names.items()
        if theirs not in known
    ]
    problems += [
        f"trl.GRPOConfig has no field {name!r} (trl_names.OWNED_FIELDS; TRL {trl.__version__})"
        for name in OWNED_FIELDS
        if name not in known
    ]
    problems += [
        f"trl.GRPOTrainer has no method {name!r} (trl_names.TRAINER_METHODS; TRL {trl.__version__})"
        for name in TRAINER_METHODS
        if not hasattr(grpo_trainer.GRPOTrainer, name)
    ]
    return problems


def config_fields() -> set[str]:
    """Return the names of all fields of the installed `trl.GRPOConfig`."""
    from trl.trainer.grpo_config import GRPOConfig

    return {field.name for field in fields(GRPOConfig)}


def to_trl(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Translate our field names into TRL's; a value of None means TRL's own default and is left out."""
    return {names[ours]: value for ours, value in values.items() if ours in names and value is not None}


def from_trl(logs: dict[str, Any]) -> dict[str, Any]:
    """Translate a log line of TRL: known metrics get this project's word, those of the reward keep theirs.

    What neither we nor the reward named is kept under TRL's own name, so that nothing is lost.
    """
    ours = {theirs: word for word, theirs in METRICS.items()}
    return {ours.get(name, name): value for name, value in logs.items()}
