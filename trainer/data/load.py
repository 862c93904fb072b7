"""Turn the recipe's sources into the rows that TRL trains on, with `prompt` and `verifier`, in one fixed order.

The order of the whole run, with all its epochs, depends only on the seed and is laid out before the run begins. TRL's
own shuffling would restart at the first epoch when a run is resumed; a list that is already in order cannot restart.
"""

import json
import random
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypedDict

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from trainer.config import Prompt, Recipe
from trainer.data.tasks import AnyTask, Problem
from trainer.errors import DataError
from verifier_service.schema.base import counted

Messages = list[dict[str, str]] | str


class Row(TypedDict):
    """One problem as TRL trains on it. `verifier` is its submission without the completion, as JSON text."""

    prompt: Messages
    verifier: str
    problem_id: str
    task: str


def load_problems(sources: Sequence[AnyTask], seed: int) -> list[Problem]:
    """Read all problems of a mixture.

    With weights, each source contributes in proportion to its weight, and the source that runs out first determines
    the size of the mixture. Without weights, all rows of all sources are used. A mixture of several sources is
    shuffled.

    Args:
        sources: The sources, in the recipe's order.
        seed: Determines the order and, with weights, which rows are chosen.

    Raises:
        DataError: A source cannot be read or is empty, two problems have the same id, or only some sources have a
            weight.
    """
    parts: list[list[Problem]] = []
    for source in sources:
        problems = [replace(p, source=source.label) for p in islice(source.problems(seed), source.limit)]
        if not problems:
            raise DataError(f"the source {source.kind!r} has no rows")
        parts.append(problems)
    _refuse_equal_ids(parts)
    if len(parts) == 1:
        return parts[0]
    weights = [source.weight for source in sources if source.weight is not None]
    if weights and len(weights) != len(parts):
        raise DataError("some sources have a weight and some do not; give every source a weight, or none")
    chance = random.Random(seed)
    if weights:
        total = min(len(part) / weight for part, weight in zip(parts, weights, strict=True))
        parts = [chance.sample(part, max(1, int(total * weight))) for part, weight in zip(parts, weights, strict=True)]
    mixed = [problem for part in parts for problem in part]
    chance.shuffle(mixed)
    return mixed


def _refuse_equal_ids(parts: Sequence[Sequence[Problem]]) -> None:
    """Refuse problems with the same id: an evaluation stores and compares them by id."""
    seen: dict[str, Problem] = {}
    for problem in (problem for part in parts for problem in part):
        other = seen.setdefault(problem.id, problem)
        if other is not problem:
            places = " and in ".join(dict.fromkeys([other.source, problem.source]))
            raise DataError(f"the id {problem.id!r} appears twice, in {places}; ids must be unique")


def conversation(problem: Problem, prompt: Prompt) -> Messages:
    """Put the recipe's prompt around a problem. A problem with its own conversation keeps it.

    Returns:
        Chat messages, or a text if the recipe does not use a chat template.
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
    """Return the problems whose prompt has at most `max_tokens` tokens."""
    return [
        p
        for p in problems
        if len(token_ids(conversation(p, prompt), tokenizer, prompt.chat_template_kwargs)) <= max_tokens
    ]


def token_ids(messages: Messages, tokenizer: Any, chat_template_kwargs: Mapping[str, object]) -> list[int]:
    """Return the token ids of a prompt, up to the point where the model begins to write."""
    if isinstance(messages, str):
        return tokenizer(messages)["input_ids"]
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, **chat_template_kwargs
    )["input_ids"]


def rendered(messages: Messages, tokenizer: PreTrainedTokenizerBase, chat_template_kwargs: Mapping[str, object]) -> str:
    """Return a prompt as the model sees it, with the special tokens of its chat template."""
    if isinstance(messages, str):
        return messages
    options = {"add_generation_prompt": True, "tokenize": False, **chat_template_kwargs}
    return str(tokenizer.apply_chat_template(messages, **options))


def repeated(first: Iterable[Problem], second: Iterable[Problem]) -> list[str]:
    """Return the questions of `second` that also occur in `first`, ignoring ids, case and white space."""
    known = {_normal(question_of(problem)) for problem in first} - {""}
    return [text for problem in second if _normal(text := question_of(problem)) in known]


def question_of(problem: Problem) -> str:
    """Return a problem's question; for a conversation, the user's messages."""
    if problem.messages is None:
        return problem.question
    return "\n".join(str(message["content"]) for message in problem.messages if message["role"] == "user")


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def in_training_order(problems: Sequence[Problem], recipe: Recipe, processes: int) -> Dataset:
    """Lay out the prompts of the whole run: a new permutation for each epoch, cut to whole generation batches.

    With a curriculum, each epoch is sorted by pass rate. If the run ends within an epoch, only the used part is sorted.

    Args:
        problems: The training problems.
        recipe: The recipe.
        processes: The number of training processes.

    Returns:
        A data set with the columns `prompt`, `verifier`, `problem_id` and `task`, and one row for each group.

    Raises:
        DataError: There are fewer problems than one generation batch needs, or the curriculum lacks pass rates.
    """
    grpo = recipe.grpo
    per_generation = recipe.generation_batch_per_device * processes // grpo.num_generations
    if len(problems) < per_generation:
        raise DataError(
            f"{counted(len(problems), 'problem')} cannot fill a batch: one generation batch needs {per_generation}"
        )
    spans = recipe.batches_per_generation
    batches = -(-grpo.max_steps * grpo.gradient_accumulation_steps // spans)
    chance = random.Random(recipe.seed)
    chosen: list[Problem] = []
    wanted = batches * per_generation
    while len(chosen) < wanted:
        epoch = chance.sample(problems, len(problems))
        size = min(len(epoch), wanted - len(chosen)) // per_generation * per_generation
        chosen += _by_pass_rate(epoch[:size], recipe)
    return Dataset.from_list([dict(row) for row in rows(chosen, recipe.prompt)])


def rows(problems: Sequence[Problem], prompt: Prompt) -> list[Row]:
    """Return the row that TRL gets for each problem."""
    return [
        {
            "prompt": conversation(problem, prompt),
            "verifier": verifier_text(problem),
            "problem_id": problem.id,
            "task": problem.task,
        }
        for problem in problems
    ]


def _by_pass_rate(epoch: list[Problem], recipe: Recipe) -> list[Problem]:
    """Sort an epoch by the recipe's curriculum, if it has one. Equally hard problems stay shuffled.

    Raises:
        DataError: The recipe has a curriculum, but some problems have no pass rate.
    """
    if recipe.curriculum is None:
        return epoch
    rates = [problem.pass_rate for problem in epoch]
    unknown = rates.count(None)
    if unknown:
        raise DataError(
            f"curriculum {recipe.curriculum} needs a pass rate for each problem, but {unknown} of {len(epoch)} have "
            "none; `python -m trainer score` writes rows with pass rates"
        )
    return sorted(epoch, key=lambda problem: problem.pass_rate or 0.0, reverse=recipe.curriculum == "easy_first")
