"""Measure the peak memory of one training step on the CPU, and print it next to that of `trainer.memory.plan`.

    python benchmarks/trainer_memory.py grpo|grpo-kl|grpo-lora|dpo|ppo

GRPO and DPO are TRL's own trainers. TRL 1.16 no longer has a PPO trainer, so its step is written out here: actor and
critic trained together, reference and reward model frozen, as in the trainer that TRL had.
The peak is the kernel's VmHWM of the process, minus the resident memory before the models were created.
"""

import json
import resource
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
from transformers import logging as transformers_logging

from trainer.memory.plan import Algorithm, Method, Setting, plan, shape_of

MIB = 1024**2
PROMPT_TOKENS, COMPLETION_TOKENS, BATCH, RANK = 32, 96, 16, 16
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "vocab_size": 8192,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": 0,
}
COMMON: dict[str, Any] = {
    "max_steps": 2,
    "learning_rate": 1e-5,
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "optim": "adamw_torch_fused",
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}


def setting(case: str) -> Setting:
    """Return the setting of a case for `trainer.memory.plan`."""
    return Setting(
        algorithm=Algorithm(case.partition("-")[0]),
        method=Method.LORA if case.endswith("lora") else Method.FULL,
        weight_bytes=4,
        compute_bytes=4,
        state_bytes=8,
        rank=RANK,
        reference=case == "grpo-kl",
        micro_batch=BATCH,
        generation_batch=BATCH,
        tokens=PROMPT_TOKENS + COMPLETION_TOKENS,
        accumulates=False,
        checkpointing=False,
        on_gpu=False,
    )


def measure(case: str) -> int:
    """Run two steps of a case and return the peak in bytes, minus the resident memory before."""
    from trl.trainer import dpo_trainer, grpo_trainer  # loaded first: its memory is not part of a step

    del dpo_trainer, grpo_trainer
    with tempfile.TemporaryDirectory() as folder:
        base, tokenizer = _saved_model(Path(folder))
        _reset_peak()
        before = _resident("VmRSS")
        {"grpo": _grpo, "dpo": _dpo, "ppo": _ppo}[case.partition("-")[0]](case, base, tokenizer, folder)
        return _resident("VmHWM") - before


def _grpo(case: str, base: str, tokenizer: Any, folder: str) -> None:
    from peft import LoraConfig
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    prompt = " ".join(["w7"] * PROMPT_TOKENS)
    arguments = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=BATCH,
        num_generations=BATCH,
        max_completion_length=COMPLETION_TOKENS,
        beta=0.04 if case == "grpo-kl" else 0.0,
        generation_kwargs={"min_new_tokens": COMPLETION_TOKENS},
        model_init_kwargs={"dtype": "float32"},
        **COMMON,
    )
    GRPOTrainer(
        model=base,
        reward_funcs=cast(Any, _alternate),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": [prompt] * 4}),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=RANK, target_modules="all-linear") if case.endswith("lora") else None,
    ).train()


def _alternate(prompts: list[Any], **_: Any) -> list[float | None]:
    return [float(i % 2) for i in range(len(prompts))]


def _dpo(_case: str, base: str, tokenizer: Any, folder: str) -> None:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    prompt, good, bad = (
        " ".join([word] * n)
        for word, n in (("w7", PROMPT_TOKENS), ("w8", COMPLETION_TOKENS), ("w9", COMPLETION_TOKENS))
    )
    rows = {"prompt": [prompt] * 64, "chosen": [good] * 64, "rejected": [bad] * 64}
    arguments = DPOConfig(
        output_dir=folder,
        per_device_train_batch_size=BATCH,
        model_init_kwargs={"dtype": "float32"},
        **COMMON,
    )
    DPOTrainer(model=base, args=arguments, train_dataset=Dataset.from_dict(rows), processing_class=tokenizer).train()


def _ppo(_case: str, base: str, _tokenizer: Any, _folder: str) -> None:
    from trl.trainer.utils import add_fused_lm_head

    actor: Any
    actor, reference = (LlamaForCausalLM.from_pretrained(base, dtype=torch.float32) for _ in range(2))
    critic, judge = (
        LlamaForSequenceClassification.from_pretrained(base, dtype=torch.float32, num_labels=1) for _ in range(2)
    )
    for model in (actor, reference):
        add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    optimizer = torch.optim.AdamW([*actor.parameters(), *critic.parameters()], lr=1e-5, fused=True)
    prompts = torch.full((BATCH, PROMPT_TOKENS), 7)
    for _ in range(2):
        with torch.no_grad():
            ids = actor.generate(
                prompts, max_new_tokens=COMPLETION_TOKENS, min_new_tokens=COMPLETION_TOKENS, do_sample=True
            )
            old = actor(ids, labels=ids, fused_lm_head=True).log_probs
            kept = reference(ids, labels=ids, fused_lm_head=True).log_probs
            reward = judge(ids).logits[:, 0]
            values = _values(critic, ids)
        advantage = reward[:, None] - 0.05 * (old - kept) - values[:, 1:]
        ratio = (actor(ids, labels=ids, fused_lm_head=True).log_probs - old).exp()
        clipped = ratio.clamp(0.8, 1.2)
        policy_loss = -torch.minimum(ratio * advantage, clipped * advantage).mean()
        value_loss = (_values(critic, ids)[:, 1:] - (advantage + values[:, 1:])).square().mean()
        (policy_loss + 0.1 * value_loss).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _values(critic: Any, ids: torch.Tensor) -> torch.Tensor:
    return critic.score(critic.model(ids, use_cache=False).last_hidden_state)[..., 0]


def _saved_model(folder: Path) -> tuple[str, Any]:
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordLevel

    words = {f"w{i}": i for i in range(CONFIG["vocab_size"])}
    raw = Tokenizer(WordLevel(words, unk_token="w2"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="w0", bos_token="w1", eos_token="w3")
    fields = {name: value for name, value in CONFIG.items() if name != "model_type"}
    LlamaForCausalLM(LlamaConfig(**fields)).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    return str(folder / "base"), tokenizer


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main(case: str) -> None:
    """Print one line of JSON: the case, MiB measured and predicted, and the predicted parts."""
    warnings.simplefilter("ignore")
    transformers_logging.set_verbosity_error()
    shape = shape_of(CONFIG)
    predicted = plan(shape, setting(case))
    measured = measure(case)
    line = {
        "case": case,
        "measured_mib": round(measured / MIB),
        "predicted_mib": round(predicted.peak / MIB),
        "moment": predicted.peak_moment,
        "parts_mib": {name: round(size / MIB) for name, size in predicted.parts.items()},
        "moments_mib": {name: round(size / MIB) for name, size in predicted.moments.items()},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main(sys.argv[1])
