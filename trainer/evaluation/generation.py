"""Generate completions outside of training: for evaluations, and for the accuracy that ends a cold start."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from trainer.config import Recipe
from trainer.data.load import Messages, token_ids
from trainer.turns.talk import ends_of_tokenizer


@dataclass(frozen=True)
class Sampling:
    """How completions are sampled. A temperature of 0 is greedy. `more` has other fields of a GenerationConfig."""

    temperature: float
    max_tokens: int
    batch: int = 64
    top_p: float = 1.0
    top_k: int = 0
    min_p: float | None = None
    repetition_penalty: float = 1.0
    more: Mapping[str, object] = field(default_factory=dict)
    chat_template_kwargs: Mapping[str, object] = field(default_factory=dict)


class Writer(Protocol):
    """Something that generates completions instead of the network, such as vLLM."""

    def write(self, ids: list[list[int]], sampling: Sampling) -> list[list[int]]:
        """Write one completion for each prompt. Prompts and completions are token ids."""
        ...


@dataclass(frozen=True)
class Written:
    """The completions of a batch of prompts, which are padded on the left.

    `ids` has the shape (batch, prompt + completion) and `attention` (batch, prompt). A completion ends with the first
    token that is in `ends`.
    """

    ids: torch.Tensor
    attention: torch.Tensor
    ends: list[int]

    @property
    def prompt(self) -> int:
        """The number of tokens in a padded prompt."""
        return self.attention.shape[1]

    @property
    def completions(self) -> torch.Tensor:
        """Token ids of the completions, including tokens after the end token. Shape: (batch, completion)."""
        return self.ids[:, self.prompt :]


def policy_sampling(recipe: Recipe, temperature: float) -> Sampling:
    """Return the sampling of the recipe's training, with the given temperature."""
    grpo = recipe.grpo
    return Sampling(
        temperature,
        grpo.max_completion_length,
        recipe.evaluation.batch,
        grpo.top_p,
        grpo.top_k,
        grpo.min_p,
        grpo.repetition_penalty,
        {} if recipe.vllm else grpo.trl.get("generation_kwargs") or {},
        recipe.prompt.chat_template_kwargs,
    )


@contextlib.contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed torch's generators inside the block, and restore their state afterwards."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def complete(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Messages],
    sampling: Sampling,
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Write one completion for each prompt. The model keeps its train or eval mode.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        prompts: The prompts. They are batched by length to reduce padding.
        sampling: How completions are sampled.
        progress: Called with the number of additional completions that are done.

    Returns:
        The completions' texts without special tokens, in the order of the prompts.
    """
    ids = [token_ids(prompt, tokenizer, sampling.chat_template_kwargs) for prompt in prompts]
    return tokenizer.batch_decode(complete_ids(model, tokenizer, ids, sampling, progress), skip_special_tokens=True)


@torch.no_grad()
def complete_ids(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[list[int]],
    sampling: Sampling,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """Do the same as `complete` with token ids. Each completion ends with its first end token."""
    was_training = model.training
    model.eval()
    try:
        by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found: list[list[int]] = [[]] * len(ids)
        for start in range(0, len(by_length), sampling.batch):
            chosen = by_length[start : start + sampling.batch]
            written = write(model, tokenizer, [ids[i] for i in chosen], sampling)
            for i, new in zip(chosen, written.completions.tolist(), strict=True):
                ends = [place for place, token in enumerate(new) if token in written.ends]
                found[i] = new[: ends[0] + 1] if ends else new
            progress(len(chosen))
        return found
    finally:
        model.train(was_training)


def write(model: Any, tokenizer: Any, ids: list[list[int]], sampling: Sampling) -> Written:
    """Write one completion for each prompt in a single batch, in the model's current mode."""
    batch = tokenizer.pad({"input_ids": ids}, padding=True, padding_side="left", return_tensors="pt").to(model.device)
    with _only(model, _generation_config(model.generation_config, tokenizer, sampling)) as config:
        out = model.generate(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], generation_config=config
        )
    return Written(out, batch["attention_mask"], _ids_of(config.eos_token_id))


def ends_of(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens that end a completion."""
    own = _ids_of(model.generation_config.eos_token_id) if model.generation_config is not None else []
    return ends_of_tokenizer(tokenizer) | set(own)


def _generation_config(
    own: GenerationConfig, tokenizer: PreTrainedTokenizerBase, sampling: Sampling
) -> GenerationConfig:
    """Return a complete configuration. Only the end tokens are taken from the model's own one."""
    drawn = {
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
    }
    return GenerationConfig(
        **{
            "max_new_tokens": sampling.max_tokens,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": list(dict.fromkeys([tokenizer.eos_token_id, *_ids_of(own.eos_token_id)])),
            "repetition_penalty": sampling.repetition_penalty,
            **(drawn if sampling.temperature > 0 else {"do_sample": False}),
            "disable_compile": True,
            **sampling.more,
        }
    )


def _ids_of(ends: int | list[int] | None) -> list[int]:
    return ends if isinstance(ends, list) else [] if ends is None else [ends]


@contextlib.contextmanager
def _only(model: PreTrainedModel | PeftModel, config: GenerationConfig) -> Iterator[GenerationConfig]:
    """Replace the model's own configuration inside the block: `generate` would fill in unset fields from it."""
    holders = [model, model.get_base_model()] if isinstance(model, PeftModel) else [model]
    before = [holder.generation_config for holder in holders]
    for holder in holders:
        holder.generation_config = config
    try:
        yield config
    finally:
        for holder, own in zip(holders, before, strict=True):
            holder.generation_config = own
