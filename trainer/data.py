"""From the recipe's sources to what TRL trains on: rows with `prompt` and `verifier`, in one fixed order.

The order of the whole run, all its epochs, depends on the seed alone and is laid out before it begins. TRL's own
shuffling starts again from the first epoch when a run is resumed; a list that is already in order cannot.
"""

import json
import random
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from datasets import Dataset

from trainer.config import Prompt, Recipe
from trainer.errors import DataError
from trainer.tasks import AnyTask, Problem

Messages = list[dict[str, str]] | str


def load_problems(sources: Sequence[AnyTask], seed: int) -> list[Problem]:
    """Read all problems of a mixture.

    With weights, every source gives the share it weighs, and the source that is used up first sets the size; without,
    every source gives all its rows. A mixture of several sources is shuffled by the seed.

    Raises:
        DataError: a source cannot be read, is empty, or some sources have a weight and some have none.
    """
    parts: list[list[Problem]] = []
    for source in sources:
        problems = list(islice(source.problems(seed), source.limit))
        if not problems:
            raise DataError(f"the source {source.kind!r} has no rows")
        parts.append(problems)
    if len(parts) == 1:
        return parts[0]
    weights = [source.weight for source in sources if source.weight is not None]
    if weights and len(weights) != len(parts):
        raise DataError("either every source of a mixture has a weight, or none has")
    chance = random.Random(seed)
    if weights:
        total = min(len(part) / weight for part, weight in zip(parts, weights, strict=True))
        parts = [chance.sample(part, max(1, int(total * weight))) for part, weight in zip(parts, weights, strict=True)]
    mixed = [problem for part in parts for problem in part]
    chance.shuffle(mixed)
    return mixed


def conversation(problem: Problem, prompt: Prompt) -> Messages:
    """Put the recipe's prompt around a problem. Data that brings its own conversation keeps it.

    Returns: chat messages, or a text when the recipe does not use a chat template.
    """
    if problem.messages is not None:
        has_system = any(message["role"] == "system" for message in problem.messages)
        system = [] if has_system or prompt.system is None else [{"role": "system", "content": prompt.system}]
        return [*system, *problem.messages]
    text = prompt.text(problem.question)
    if not prompt.chat:
        return text if prompt.system is None else f"{prompt.system}\n\n{text}"
    system = [] if prompt.system is None else [{"role": "system", "content": prompt.system}]
    return [*system, {"role": "user", "content": text}]


def verifier_text(problem: Problem) -> str:
    """Return the submission without its completion as JSON text."""
    return json.dumps(problem.submission, ensure_ascii=False, sort_keys=True)


def within_tokens(problems: Iterable[Problem], prompt: Prompt, tokenizer: Any, max_tokens: int) -> list[Problem]:
    """Keep the problems whose prompt has at most `max_tokens` tokens."""
    return [p for p in problems if len(token_ids(conversation(p, prompt), tokenizer)) <= max_tokens]


def token_ids(messages: Messages, tokenizer: Any) -> list[int]:
    """Return the tokens of a prompt, up to where the model begins to write."""
    if isinstance(messages, str):
        return tokenizer(messages)["input_ids"]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)[
        "input_ids"
    ]


def in_training_order(problems: Sequence[Problem], recipe: Recipe, processes: int) -> Dataset:
    """Lay out the prompts of the whole run: a fresh permutation for each epoch, cut to whole generation batches.

    Returns: a dataset with the columns `prompt`, `verifier`, `problem_id` and `task`; one row for each group.

    Raises:
        DataError: there are fewer problems than one generation batch needs.
    """
    grpo = recipe.grpo
    per_generation = recipe.generation_batch_per_device * processes // grpo.group_size
    if len(problems) < per_generation:
        raise DataError(f"{len(problems)} problems are too few: one generation batch holds {per_generation} prompts")
    spans = recipe.batches_per_generation
    batches = -(-grpo.steps * grpo.gradient_accumulation // spans)
    chance = random.Random(recipe.seed)
    chosen: list[Problem] = []
    while len(chosen) < batches * per_generation:
        epoch = chance.sample(problems, len(problems))
        chosen += epoch[: len(epoch) // per_generation * per_generation]
    chosen = chosen[: batches * per_generation]
    return Dataset.from_dict(
        {
            "prompt": [conversation(problem, recipe.prompt) for problem in chosen],
            "verifier": [verifier_text(problem) for problem in chosen],
            "problem_id": [problem.id for problem in chosen],
            "task": [problem.task for problem in chosen],
        }
    )
