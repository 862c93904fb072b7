"""Completions of a model outside of training: for evaluations, and for the accuracy that ends a cold start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.data import Messages, token_ids


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn. A temperature of 0 is greedy."""

    temperature: float
    max_tokens: int
    batch: int = 64
    top_p: float = 1.0
    top_k: int = 0


@torch.no_grad()
def complete(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Messages],
    sampling: Sampling,
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Write one completion for each prompt.

    Prompts are batched by length, so that little is padding. The model is left in the mode it was in.
    `progress` is told how many more completions are done.
    Returns: the completions' texts, without special tokens, in the order of the prompts.
    """
    was_training = model.training
    model.eval()
    try:
        ids = [token_ids(prompt, tokenizer) for prompt in prompts]
        by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        texts = [""] * len(ids)
        for start in range(0, len(by_length), sampling.batch):
            chosen = by_length[start : start + sampling.batch]
            written = _write(model, tokenizer, [ids[i] for i in chosen], sampling)
            for i, text in zip(chosen, written, strict=True):
                texts[i] = text
            progress(len(chosen))
        return texts
    finally:
        model.train(was_training)


def _write(model: Any, tokenizer: Any, ids: list[list[int]], sampling: Sampling) -> list[str]:
    batch = tokenizer.pad({"input_ids": ids}, padding=True, padding_side="left", return_tensors="pt").to(model.device)
    drawn: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if sampling.temperature > 0:
        drawn = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
    out = model.generate(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=sampling.max_tokens,
        pad_token_id=tokenizer.pad_token_id,
        **drawn,
    )
    return tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
