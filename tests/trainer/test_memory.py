"""`plan-memory` agrees with published figures, and with the peaks of real steps within 15 %."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.config import load_recipe
from trainer.memory.known_models import KNOWN_CONFIGS
from trainer.memory.plan import (
    GIB,
    Algorithm,
    Method,
    Setting,
    Shape,
    Sharding,
    fits,
    full_logits_bytes,
    plan,
    setting_of,
    shape_of,
    what_to_change,
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


KINDS = ("policy weights", "policy gradients", "policy optimizer states")
SEVEN_AND_A_HALF = Shape(7_500_000_000, 7_500_000_000, 1, 1, 1, 1, 1, 1, 1, 1)


def test_states_of_seven_and_a_half_billion_parameters_are_zeros_figure_1() -> None:
    """ZeRO (arXiv:1910.02054), figure 1, the first row: 7.5 B parameters, K = 12. Its GB are 10^9 bytes.

    The paper keeps weights and gradients in 16 bits and a 32-bit master among the states.
    """
    parts = plan(SEVEN_AND_A_HALF, Setting(weight_bytes=2, state_bytes=12, on_gpu=False)).parts
    assert [round(parts[kind] / 1e9, 1) for kind in KINDS] == [15.0, 15.0, 90.0]


@pytest.mark.parametrize(
    ("sharding", "gigabytes"),
    [
        ("none", [30.0, 30.0, 60.0]),
        ("zero1", [30.0, 30.0, 0.94]),
        ("zero2", [30.0, 0.47, 0.94]),
        ("zero3", [0.47, 0.47, 0.94]),
    ],
)
def test_what_each_stage_shards_over_64_devices(sharding: Sharding, gigabytes: list[float]) -> None:
    """Stage 1 shards the states, 2 the gradients too, 3 the weights too (the paper's figure 1), all in 32 bits here."""
    setting = Setting(sharding=sharding, devices=64, weight_bytes=4, state_bytes=8, on_gpu=False)
    parts = plan(SEVEN_AND_A_HALF, setting).parts
    assert [round(parts[kind] / 1e9, 2) for kind in KINDS] == gigabytes


def test_an_optimizer_in_8_bits_keeps_a_byte_for_each_moment() -> None:
    recipe = load_recipe("gsm8k-qwen2.5-7b-qlora")
    assert "8bit" in recipe.grpo.optim
    shape = shape_of(KNOWN_CONFIGS["Qwen/Qwen2.5-7B-Instruct"])
    setting = setting_of(recipe, 24 * GIB, 1, "none")
    assert plan(shape, setting).parts["policy optimizer states"] == 2 * shape.adapter_per_rank * setting.rank


def test_weights_under_an_adapter_take_what_nf4_takes() -> None:
    """QLoRA (arXiv:2305.14314), section 3: 4 bits and 0.127 for constants; embeddings, head and norms in 16 bits."""
    shape = shape_of(KNOWN_CONFIGS["Qwen/Qwen2.5-7B-Instruct"])
    parts = plan(shape, Setting(method=Method.QLORA, rank=1)).parts
    frozen = parts["policy weights"] - 2 * shape.adapter_per_rank
    assert frozen == pytest.approx(shape.linear * 4.127 / 8 + (shape.parameters - shape.linear) * 2)


@pytest.mark.parametrize("sleeps", [False, True])
def test_vllm_is_in_the_peak_of_generation_and_while_training_unless_it_sleeps(sleeps: bool) -> None:
    shape = shape_of(KNOWN_CONFIGS["Qwen/Qwen2.5-1.5B-Instruct"])
    without = Setting(generates_here=False)
    with_vllm = replace(without, vllm_bytes=24 * GIB, vllm_sleeps=sleeps)
    before, after = plan(shape, without).moments, plan(shape, with_vllm).moments
    grown = {name: (after[name] - before[name]) // GIB for name in before}
    assert grown.pop("generation") == 24
    assert set(grown.values()) == {0 if sleeps else 24}


def test_a_share_in_which_vllm_cannot_load_the_weights_does_not_fit() -> None:
    """30 % of 40 GiB is less than the 12.6 GiB of 6.7 B weights; the suggested share is enough."""
    recipe = load_recipe("gsm8k-deepseek-coder-6.7b", {"vllm.vllm_gpu_memory_utilization": 0.3})
    shape = shape_of(KNOWN_CONFIGS["deepseek-ai/deepseek-coder-6.7b-instruct"])
    setting, card = setting_of(recipe, 40 * GIB, 1, "none"), 40 * GIB
    assert plan(shape, setting).peak < card
    assert not fits(shape, setting, card)
    changes = [words for words in what_to_change(shape, setting, card) if "vllm_gpu_memory_utilization" in words]
    assert changes[0].startswith("vllm.vllm_gpu_memory_utilization: 0.36: ")
    assert fits(shape, replace(setting, vllm_bytes=int(0.36 * card)), card)
    assert fits(shape, replace(setting, vllm_devices=2), card), "each of two holds half of the weights"


def test_a_sharded_head_is_gathered_whole() -> None:
    """TRL's fused head calls `full_tensor()` on the head's 32-bit weights: 2 GiB for Qwen2.5-7B."""
    shape = shape_of(KNOWN_CONFIGS["Qwen/Qwen2.5-7B"])
    sharded = plan(shape, setting_of(load_recipe("math-qwen2.5-7b-full"), 80 * GIB, 8, "zero3"))
    assert sharded.parts["gathered head"] == 152_064 * 3584 * 4
    others = sum(sharded.parts[name] for name in ("activations", "logits", "policy gradients"))
    stays = [name for name in sharded.parts if name.endswith(("weights", "states")) or name == "runtime"]
    expected = others + sum(sharded.parts[name] for name in stays) + sharded.parts["gathered head"]
    assert sharded.moments["start of the backward pass"] == expected
    assert (
        "gathered head" not in plan(shape, setting_of(load_recipe("math-qwen2.5-7b-full"), 80 * GIB, 1, "none")).parts
    )


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
    """Two steps on the CPU in a separate process; the kernel reports the peak."""
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
