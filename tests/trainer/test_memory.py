"""`plan-memory` agrees with published figures, and with the peaks of real steps within 15 %."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.config import load_recipe
from trainer.known_models import KNOWN_CONFIGS
from trainer.memory import (
    GIB,
    Algorithm,
    Method,
    Setting,
    Shape,
    full_logits_bytes,
    plan,
    setting_of,
    shape_of,
)

ROOT = Path(__file__).parents[2]
WITHIN = 0.15


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("deepseek-ai/deepseek-coder-6.7b-instruct", 6_740_512_768),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
    ],
)
def test_parameters_are_those_of_the_published_models(name: str, parameters: int) -> None:
    """The counts on the models' pages."""
    assert shape_of(KNOWN_CONFIGS[name]).parameters == parameters


def test_the_adapter_of_smollm2_has_as_many_weights_as_peft_prints() -> None:
    shape = shape_of(KNOWN_CONFIGS["HuggingFaceTB/SmolLM2-135M-Instruct"])
    assert (shape.parameters, shape.adapter_per_rank * 16) == (134_515_008, 4_884_480)


@pytest.mark.parametrize(("sharding", "gigabytes"), [("none", 120.0), ("zero1", 31.4), ("zero2", 16.6), ("zero3", 1.9)])
def test_states_of_seven_and_a_half_billion_parameters_are_zeros_table_1(sharding: str, gigabytes: float) -> None:
    """ZeRO (arXiv:1910.02054), figure 1: 7.5 B parameters, 64 devices, K = 12. Its GB are 10^9 bytes.

    The paper keeps weights and gradients in 16 bits and a 32-bit master among the states.
    """
    seven_and_a_half = Shape(7_500_000_000, 7_500_000_000, 1, 1, 1, 1, 1, 1, 1, 1)
    setting = Setting(sharding="none", devices=64, weight_bytes=2, state_bytes=12, on_gpu=False)
    parts = plan(seven_and_a_half, setting).parts
    shards = {"none": (1, 1, 1), "zero1": (1, 1, 64), "zero2": (1, 64, 64), "zero3": (64, 64, 64)}[sharding]
    kinds = ("policy weights", "policy gradients", "policy optimizer states")
    total = sum(parts[kind] / shard for kind, shard in zip(kinds, shards, strict=True))
    assert round(total / 1e9, 1) == gigabytes


def test_logits_that_are_written_out_are_what_unsloth_published() -> None:
    """Llama 3.1 8B, 8 completions, 20,480 tokens: 78.3 GB (unsloth.ai/blog/grpo)."""
    assert round(full_logits_bytes(8, 20_480, 128_256) / GIB, 1) == 78.3


def test_without_a_critic_and_a_reward_model_less_is_needed() -> None:
    """Full fine-tuning in mixed precision: PPO 36, DPO and GRPO with a reference 18, GRPO without 16 bytes a weight."""
    shape = shape_of(KNOWN_CONFIGS["Qwen/Qwen2.5-7B"])
    states = {}
    for name, setting in {
        "ppo": Setting(algorithm=Algorithm.PPO, reference=True),
        "dpo": Setting(algorithm=Algorithm.DPO),
        "grpo-kl": Setting(reference=True),
        "grpo": Setting(),
        "grpo-lora-kl": Setting(reference=True, method=Method.LORA),
    }.items():
        mixed = replace(setting, weight_bytes=2, state_bytes=12)
        parts = plan(shape, mixed).parts
        kinds = ("weights", "gradients", "states")
        states[name] = sum(size for part, size in parts.items() if part.endswith(kinds)) / shape.parameters
    assert {name: round(size, 1) for name, size in states.items() if "lora" not in name} == {
        "ppo": 36.0,
        "dpo": 18.0,
        "grpo-kl": 18.0,
        "grpo": 16.0,
    }
    assert states["grpo-lora-kl"] < 2.2


def test_the_reference_recipe_fits_80_gb_and_its_full_fine_tune_does_not() -> None:
    recipe = load_recipe("gsm8k-deepseek-coder-6.7b")
    shape = shape_of(KNOWN_CONFIGS["deepseek-ai/deepseek-coder-6.7b-instruct"])
    card = 80 * GIB
    assert plan(shape, setting_of(recipe, card, 1, "none")).peak < card
    full = replace(setting_of(recipe, card, 1, "none"), method=Method.FULL, weight_bytes=4)
    assert plan(shape, full).peak > card


@pytest.mark.parametrize(
    "case", ["grpo", *(pytest.param(case, marks=pytest.mark.long) for case in ("grpo-kl", "grpo-lora", "dpo", "ppo"))]
)
def test_predicted_peaks_are_those_of_real_steps(case: str) -> None:
    """Two steps on the CPU in a process of its own; the peak is the kernel's."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "trainer_memory.py"), case],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["predicted_mib"] == pytest.approx(line["measured_mib"], rel=WITHIN), line
