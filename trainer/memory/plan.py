"""Estimate the GPU memory that a recipe needs, part by part, and what PPO and DPO would need for the same model.

Theory of operation. Memory that is held for the whole step (weights, frozen models, optimizer states) is computed from
the number of parameters. Memory that comes and goes (gradients, activations, logits, KV cache) is computed from the
number of tokens. A step has four critical moments, and the largest of them is the peak: generation, the start of the
backward pass (all activations, no gradients yet), its end (all gradients, one layer's activations), and the
optimizer's update. The number of parameters comes from a model built without weights: only `config.json` is read.

Sources: 16 bytes per parameter for mixed-precision states, and their sharding: ZeRO (arXiv:1910.02054, section 3 and
table 1). Activations, counted tensor by tensor for gated MLPs and RMSNorm: arXiv:2205.05198, section 4. NF4 with double
quantization: QLoRA (arXiv:2305.14314, section 3). `benchmarks/trainer_memory.py` measures what this predicts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from trainer.config import Pretrained, Recipe, Tiny

GIB = 1024**3
NF4_BYTES = 0.5 + 0.127 / 8  # per quantized weight, including the quantization constants
FUSED_HEAD_TOKENS = 4096  # TRL scores this many tokens ...
FUSED_HEAD_WORDS = 32768  # ... against this many entries of the vocabulary at once
VLLM_BYTES = GIB  # vLLM's memory besides weights and KV cache: its trial activations, CUDA graphs
RUNTIME_BYTES = int(1.2 * GIB)  # CUDA context, NCCL and allocator fragmentation; does not apply to CPUs


class Algorithm(StrEnum):
    """Decides which models are in memory: GRPO policy (and reference), DPO policy and reference, PPO all four."""

    GRPO = "grpo"
    DPO = "dpo"
    PPO = "ppo"


class Method(StrEnum):
    """What is trained: all weights, an adapter, or an adapter on 4-bit weights."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"


Sharding = Literal["none", "zero1", "zero2", "zero3"]


@dataclass(frozen=True)
class Shape:
    """A model's sizes.

    `linear` counts the weights of all linear layers except the head; `adapter_per_rank` counts the weights that each
    rank of a LoRA adapter adds.
    """

    parameters: int
    linear: int
    hidden: int
    layers: int
    attention: int  # heads times their width
    key_value: int  # key-value heads times their width
    intermediate: int  # width of one MLP; for a mixture of experts, summed over the experts that one token visits
    vocabulary: int
    context: int
    adapter_per_rank: int

    @property
    def largest_block(self) -> int:
        """Number of weights that a sharded run gathers at once: one layer, or the embedding."""
        return max(self.linear // self.layers, self.vocabulary * self.hidden)


@dataclass(frozen=True)
class Setting:
    """How a model is trained, in bytes and tokens."""

    algorithm: Algorithm = Algorithm.GRPO
    method: Method = Method.FULL
    weight_bytes: int = 2  # per weight, as loaded
    compute_bytes: int = 2  # per activation
    state_bytes: int = 8  # per trained weight, for both Adam moments
    quantized_bytes: float = NF4_BYTES  # per quantized weight under an adapter
    rank: int = 16
    reference: bool = False  # GRPO with beta above 0
    micro_batch: int = 8  # completions in one forward pass
    generation_batch: int = 8  # completions generated together
    tokens: int = 1024  # per prompt with its completion
    accumulates: bool = True  # gradients are kept over several backward passes
    checkpointing: bool = True
    sharding: Sharding = "none"
    devices: int = 1
    vllm_bytes: int = 0  # vLLM's share of this device
    vllm_devices: int = 1  # devices that share vLLM's copy of the weights
    vllm_sleeps: bool = False  # vLLM releases its memory while the policy is trained
    generates_here: bool = True  # the training model itself generates
    on_gpu: bool = True


@dataclass(frozen=True)
class Plan:
    """The bytes of one device, by part, and in each of the four critical moments."""

    parts: dict[str, int]
    moments: dict[str, int]

    @property
    def peak(self) -> int:
        """The bytes of the largest moment."""
        return max(self.moments.values())

    @property
    def peak_moment(self) -> str:
        """The name of the largest moment."""
        return max(self.moments, key=lambda name: self.moments[name])


def shape_of(config: dict[str, Any], targets: Sequence[str] | None = None) -> Shape:
    """Return a model's sizes from its `config.json`, building it without weights.

    Args:
        config: The contents of `config.json`.
        targets: The modules that an adapter is attached to; None means all linear layers except the head.

    Raises:
        ValueError: transformers does not know the model's type.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = AutoConfig.for_model(**config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(known)
    head = model.get_output_embeddings()
    linears = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]
    chosen = [m for name, m in linears if targets is None or name.rpartition(".")[2] in targets]
    text = known.get_text_config()
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    experts = getattr(text, "num_experts_per_tok", None)
    intermediate = getattr(text, "moe_intermediate_size", None) if experts else None
    return Shape(
        parameters=sum(p.numel() for p in model.parameters()),
        linear=sum(module.weight.numel() for _, module in linears),
        hidden=text.hidden_size,
        layers=text.num_hidden_layers,
        attention=heads * width,
        key_value=(getattr(text, "num_key_value_heads", None) or heads) * width,
        intermediate=(intermediate or text.intermediate_size) * (experts or 1),
        vocabulary=text.vocab_size,
        context=getattr(text, "max_position_embeddings", 0),
        adapter_per_rank=sum(module.in_features + module.out_features for module in chosen),
    )


def plan(shape: Shape, setting: Setting) -> Plan:
    """Estimate the bytes of one device, part by part."""
    trained = shape.parameters if setting.method is Method.FULL else shape.adapter_per_rank * setting.rank
    shard = _shards(setting)
    frozen = _frozen_bytes(shape, setting)
    one = _trained_bytes(trained, setting)
    learners = 2 if setting.algorithm is Algorithm.PPO else 1
    base = 0 if setting.method is Method.FULL else frozen
    judges = _frozen_models(setting)
    parts = {
        "policy weights": (base + one["weights"]) // shard["weights"],
        "policy gradients": one["gradients"] // shard["gradients"],
        "policy optimizer states": one["states"] // shard["states"],
    }
    if learners == 2:
        parts |= {
            "critic weights": (base + one["weights"]) // shard["weights"],
            "critic gradients": one["gradients"] // shard["gradients"],
            "critic optimizer states": one["states"] // shard["states"],
        }
    for name in judges:
        parts[f"{name} weights"] = frozen // shard["weights"]
    if setting.sharding == "zero3":
        parts["gathered weights"] = 2 * shape.largest_block * setting.compute_bytes
        parts["gathered head"] = _gathered_head(shape, setting)
    parts |= _passing(shape, setting, trained, learners)
    parts["vLLM"] = setting.vllm_bytes
    parts["runtime"] = RUNTIME_BYTES if setting.on_gpu else 0
    return Plan({name: size for name, size in parts.items() if size}, _moments(parts, setting, shape, learners))


def vllm_needs(shape: Shape, setting: Setting) -> int:
    """Return the bytes that vLLM needs on this device to start: weights, KV cache of one sequence, and overhead."""
    quantized = setting.method is Method.QLORA
    weights = _frozen_bytes(shape, setting) if quantized else shape.parameters * 2
    sequence = 2 * shape.layers * shape.key_value * 2 * setting.tokens
    return (weights + sequence) // setting.vllm_devices + VLLM_BYTES


def vllm_lacks(shape: Shape, setting: Setting) -> bool:
    """Return whether vLLM shares the device and its share is too small to start."""
    return 0 < setting.vllm_bytes < vllm_needs(shape, setting)


def fits(shape: Shape, setting: Setting, card_bytes: int) -> bool:
    """Return whether the peak fits on the card, and vLLM into its share of it."""
    return plan(shape, setting).peak <= card_bytes and not vllm_lacks(shape, setting)


def full_logits_bytes(sequences: int, tokens: int, vocabulary: int, copies: int = 2, value_bytes: int = 2) -> int:
    """Return the bytes of logits that are materialized for every token, as in trainers without a fused head.

    For Llama 3.1 with 8 sequences of 20,480 tokens, two copies in 16 bits take 78.3 GiB, the number Unsloth published.
    """
    return copies * sequences * tokens * vocabulary * value_bytes


def activation_bytes(shape: Shape, setting: Setting, tokens: int) -> tuple[int, int]:
    """Return the bytes kept for the backward pass of `tokens` tokens: in total, and for one layer.

    Without checkpointing, a layer keeps for each token: around each of its two norms, the residual (in 32 bits), the
    normalized and the scaled values (h each); query, key, value, and the attention's output before and after the heads
    are joined; and four tensors of the gated MLP.
    """
    value = setting.compute_bytes
    norms = 2 * shape.hidden * (4 + 2 * value)
    attention = (3 * shape.attention + 2 * shape.key_value) * value
    layer = (norms + attention + 4 * shape.intermediate * value) * tokens
    if setting.method is not Method.FULL:
        layer += 7 * setting.rank * value * tokens  # between the two matrices of each of a layer's seven adapters
    ends = shape.hidden * (4 + 2 * value) * tokens  # the last norm, and the head's input
    if setting.checkpointing:
        return shape.layers * shape.hidden * value * tokens + layer + ends, layer
    return shape.layers * layer + ends, layer


def _trained_bytes(trained: int, setting: Setting) -> dict[str, int]:
    """Return the bytes of the trained weights, their gradients and their optimizer states."""
    weight = setting.weight_bytes
    if setting.method is Method.LORA:
        weight = 4  # PEFT keeps adapters in 32 bits
    if setting.method is Method.QLORA:
        weight = 2  # TRL casts them, as in the QLoRA paper
    if setting.sharding != "none":
        weight = 4  # sharded runs keep 32-bit weights and compute in 16 bits
    return {"weights": trained * weight, "gradients": trained * weight, "states": trained * setting.state_bytes}


def _frozen_bytes(shape: Shape, setting: Setting) -> int:
    """Return the bytes of a frozen copy of the model."""
    if setting.method is Method.QLORA:
        return int(shape.linear * setting.quantized_bytes + (shape.parameters - shape.linear) * 2)
    return shape.parameters * setting.weight_bytes


def _frozen_models(setting: Setting) -> list[str]:
    """Name the frozen models besides the policy. With an adapter, the reference is the policy without its adapter."""
    has_reference = setting.method is Method.FULL and (setting.reference or setting.algorithm is not Algorithm.GRPO)
    models = ["reference"] if has_reference else []
    return [*models, "reward model"] if setting.algorithm is Algorithm.PPO else models


def _shards(setting: Setting) -> dict[str, int]:
    n = setting.devices
    stage = {"none": 0, "zero1": 1, "zero2": 2, "zero3": 3}[setting.sharding]
    return {
        "states": n if stage >= 1 else 1,
        "gradients": n if stage >= 2 else 1,
        "weights": n if stage >= 3 else 1,
    }


def _gathered_head(shape: Shape, setting: Setting) -> int:
    """Return the bytes of the head that TRL's fused head gathers from a sharded model, in the dtype it is stored in."""
    value = 4 if setting.method is Method.FULL else setting.weight_bytes
    return shape.vocabulary * shape.hidden * value


def _passing(shape: Shape, setting: Setting, trained: int, learners: int) -> dict[str, int]:
    """Return the bytes of what comes and goes within a step."""
    sequences = setting.micro_batch * (2 if setting.algorithm is Algorithm.DPO else 1)
    tokens = sequences * setting.tokens
    activations, _ = activation_bytes(shape, setting, tokens)
    words = min(shape.vocabulary, FUSED_HEAD_WORDS)
    tile = min(tokens, FUSED_HEAD_TOKENS) * words * setting.compute_bytes
    copies = 1 if setting.on_gpu else 8  # without Triton, ordinary operations process the tile, each with a result
    head_gradient = shape.vocabulary * shape.hidden * 4 if trained == shape.parameters else 0
    parts = {"activations": activations * learners, "logits": tile * copies + head_gradient}
    if setting.generates_here and setting.algorithm is not Algorithm.DPO:
        cached = 2 * shape.layers * shape.key_value * setting.compute_bytes
        parts["KV cache"] = cached * setting.tokens * setting.generation_batch
        parts["next-token logits"] = 2 * setting.generation_batch * shape.vocabulary * 4
    return parts


def _moments(parts: dict[str, int], setting: Setting, shape: Shape, learners: int) -> dict[str, int]:
    passing = {"activations", "logits", "gathered head", "KV cache", "next-token logits", "vLLM"}
    gradients = sum(size for name, size in parts.items() if name.endswith("gradients"))
    stays = sum(size for name, size in parts.items() if name not in passing and not name.endswith("gradients"))
    tokens = setting.micro_batch * setting.tokens * (2 if setting.algorithm is Algorithm.DPO else 1)
    _, layer = activation_bytes(shape, setting, tokens)
    held = gradients if setting.accumulates else 0
    vllm_while_training = 0 if setting.vllm_sleeps else parts["vLLM"]
    head = parts["logits"] + parts.get("gathered head", 0)
    activations = parts["activations"] + head
    if learners == 2:  # the actor's logits are freed before the critic's activations exist
        activations = max(parts["activations"] // 2 + head, parts["activations"])
    return {
        "generation": stays + parts["vLLM"] + parts.get("KV cache", 0) + parts.get("next-token logits", 0),
        "start of the backward pass": stays + vllm_while_training + held + activations,
        "end of the backward pass": stays + vllm_while_training + gradients + layer * learners,
        "optimizer": stays + vllm_while_training + gradients,
    }


def setting_of(recipe: Recipe, card_bytes: int, devices: int, sharding: Sharding) -> Setting:
    """Translate a recipe into bytes and tokens. Without `grpo.max_prompt_tokens`, prompts count as 512 tokens."""
    grpo, model = recipe.grpo, recipe.model
    quantization = model.quantization if isinstance(model, Pretrained) else None
    is_quantized = quantization is not None
    method = Method.FULL if recipe.adapter is None else (Method.QLORA if is_quantized else Method.LORA)
    dtype = "float32" if isinstance(model, Tiny) else model.dtype
    weight_bytes = 4 if dtype == "float32" else 2
    trained_bytes = 2 if method is Method.QLORA or (method is Method.FULL and weight_bytes == 2) else 4
    state_bytes = 2 if "8bit" in grpo.optim else 2 * (4 if sharding != "none" else trained_bytes)
    colocated = recipe.vllm is not None and recipe.vllm.vllm_mode == "colocate"
    return Setting(
        method=method,
        weight_bytes=weight_bytes,
        compute_bytes=4 if weight_bytes == 4 and grpo.bf16 is False else 2,
        state_bytes=state_bytes,
        quantized_bytes=1.0 if quantization == "8bit" else NF4_BYTES,
        rank=recipe.adapter.rank if recipe.adapter else 0,
        reference=grpo.beta > 0,
        micro_batch=grpo.per_device_train_batch_size,
        generation_batch=recipe.generation_batch_per_device,
        tokens=(grpo.max_prompt_tokens or 512) + grpo.max_completion_length,
        accumulates=grpo.gradient_accumulation_steps > 1,
        checkpointing=grpo.gradient_checkpointing,
        sharding=sharding,
        devices=devices,
        vllm_bytes=int(recipe.vllm.vllm_gpu_memory_utilization * card_bytes)
        if recipe.vllm is not None and colocated
        else 0,
        vllm_devices=recipe.vllm.vllm_tensor_parallel_size if recipe.vllm is not None else 1,
        vllm_sleeps=recipe.vllm is not None and recipe.vllm.vllm_enable_sleep_mode,
        generates_here=recipe.vllm is None,
    )


def what_to_change(shape: Shape, setting: Setting, card_bytes: int) -> list[str]:
    """Return single changes that make the recipe fit on the card; empty if no single change is enough."""
    share = math.ceil(100 * vllm_needs(shape, setting) / card_bytes) / 100 if setting.vllm_bytes else 0.0
    changes = {
        "an adapter (adapter: {rank: 16}) instead of all weights": replace(
            setting, method=Method.LORA, rank=16, state_bytes=8
        ),
        "4-bit weights under the adapter (model.quantization: 4bit)": replace(
            setting, method=Method.QLORA, rank=setting.rank or 16, state_bytes=4
        ),
        "grpo.gradient_checkpointing: true": replace(setting, checkpointing=True),
        "half of grpo.per_device_train_batch_size and twice grpo.gradient_accumulation_steps": replace(
            setting, micro_batch=max(1, setting.micro_batch // 2), accumulates=True
        ),
        "sharding over 8 GPUs (accelerate/fsdp2.yaml)": replace(setting, sharding="zero3", devices=8, state_bytes=8),
        "vLLM in server mode on another GPU": replace(setting, vllm_bytes=0, generates_here=False),
        f"vllm.vllm_gpu_memory_utilization: {share:.2f}": replace(setting, vllm_bytes=int(share * card_bytes)),
        "grpo.beta: 0, which needs no reference model": replace(setting, reference=False),
    }
    return [
        f"{words}: {plan(shape, changed).peak / GIB:.1f} GiB"
        for words, changed in changes.items()
        if changed != setting and fits(shape, changed, card_bytes)
    ]
