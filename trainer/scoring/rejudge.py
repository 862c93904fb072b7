"""Judge a run's stored completions again: with another verifier, other rewards, or other references.

The tables in `completions/` hold each completion with its verdict and reward. It is judged again with the given recipe,
and the result has both the old and the new verdict and reward. A completion that cannot be judged now, or could not be
before, never counts as different.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainer.client import client_of
from trainer.config import Recipe
from trainer.data.load import conversation, load_problems, verifier_text
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.models import base_model, load_tokenizer
from trainer.pace import Pace
from trainer.rewards import objectives
from trainer.rewards.components import Judged
from trainer.rewards.reward import judge, message_of, text_of
from verifier_service.schema import Result, Verdict

BLOCK = 1024
SAME_REWARD = 1e-6  # TRL keeps rewards as 32-bit floats
COUNTS_TOKENS = ("overlong", "verbosity")
"""Components that depend on a completion's number of tokens, which the tables of older runs lack."""


@dataclass(frozen=True)
class Options:
    """The options of `rejudge`. `steps` are the first and the last step; `show` is the maximum of printed rows."""

    failed: bool = False
    steps: tuple[int, int] | None = None
    show: int = 20
    output: Path | None = None


@dataclass(frozen=True)
class Stored:
    """One completion from a run's tables, and the problem it belongs to. `tokens` is None if the table lacks it."""

    step: int
    problem: Problem
    text: str
    verdict: str
    reward: float | None
    tokens: int | None


@dataclass(frozen=True)
class Rejudged:
    """One completion with its new result and reward. `reward` is None if it could not be judged."""

    stored: Stored
    result: Result
    reward: float | None

    @property
    def is_judged(self) -> bool:
        """Whether the completion was judged both now and before."""
        return self.result.verdict is not Verdict.JUDGE_ERROR and self.stored.verdict != Verdict.JUDGE_ERROR

    @property
    def differs(self) -> bool:
        """Whether the verdict or the reward has changed."""
        if not self.is_judged:
            return False
        before, after = self.stored.reward, self.reward
        is_other = before is not None and after is not None and not _same(before, after)
        return is_other or self.stored.verdict != self.result.verdict

    def row(self) -> dict[str, object]:
        """Return the completion's line in the file."""
        return {
            "step": self.stored.step,
            "problem_id": self.stored.problem.id,
            "differs": self.differs,
            "verdict_before": self.stored.verdict,
            "verdict": str(self.result.verdict),
            "reward_before": self.stored.reward,
            "reward": self.reward,
            "message": message_of(self.result),
            "completion": self.stored.text,
        }


def rejudge(run: Path, recipe: Recipe, options: Options, console: Console) -> list[Rejudged]:
    """Judge a run's completions again, write all of them as JSON lines, and print those that differ.

    If a reward depends on the whole group, all completions of the group are judged, even if only some are requested.

    Args:
        run: The run's folder.
        recipe: The recipe whose verifier, data and rewards are used.
        options: Which completions to judge, and where to write them.
        console: Where the differences are printed.

    Returns:
        The requested completions, in the order of the tables.

    Raises:
        DataError: The run has no tables, or none of its prompts occurs in the recipe's data.
        VerifierDown, VerifierRefused: As the client.
    """
    stored, unknown = _stored(run, recipe, options)
    count = _counter(recipe, stored)
    done: list[Rejudged] = []
    pace = Pace(console, "rejudge: completions")
    path = options.output or _free(run / "rejudged.jsonl")
    with client_of(recipe.verifier) as client, path.open("w", encoding="utf-8") as out:
        client.info()
        seen = 0
        for block in _blocks(stored):
            results = judge(client, [(verifier_text(one.problem), one.text) for one in block]).results
            totals = _rewards(recipe, block, results, count)
            fresh = [Rejudged(*one) for one in zip(block, results, totals, strict=True) if _is_asked(one[0], options)]
            out.write("".join(json.dumps(one.row(), ensure_ascii=False) + "\n" for one in fresh))
            done += fresh
            seen += len(block)
            pace(seen, len(stored))
    _show(done, unknown, options.show, console)
    console.print(f"rows: {path}", highlight=False, soft_wrap=True)
    return done


def steps_of(text: str | None) -> tuple[int, int] | None:
    """Parse a range of steps: `10-20`, or `10` for one step.

    Raises:
        DataError: The text is neither.
    """
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise DataError(f"--steps {text!r} is not a range of steps; write 10-20, or 10 for one step")
    return int(first), int(last if dash else first)


def _stored(run: Path, recipe: Recipe, options: Options) -> tuple[list[Stored], int]:
    """Return the requested completions, and the number of those that belong to none of the recipe's problems."""
    problems = load_problems(recipe.data, recipe.seed)
    by_id = {problem.id: problem for problem in problems}
    by_prompt = {_key(conversation(problem, recipe.prompt)): problem for problem in problems}
    by_group, found, unknown = _counts_groups(recipe), [], 0
    for row in _table_rows(run, options.steps):
        if options.failed and not by_group and row["verdict"] == Verdict.ACCEPTED:
            continue
        problem = by_id.get(str(row.get("problem_id"))) or by_prompt.get(_key(row["prompt"]))
        if problem is None:
            unknown += 1
            continue
        reward = row["verifier"]
        known = None if reward is None or math.isnan(reward) else float(reward)
        completion = row["completion"]
        text = text_of(completion if isinstance(completion, str) else [dict(message) for message in completion])
        tokens = row.get("tokens")
        count = None if tokens is None or math.isnan(tokens) else int(tokens)
        found.append(Stored(int(row["step"]), problem, text, str(row["verdict"]), known, count))
    if not any(_is_asked(one, options) for one in found):
        said = (
            f"none of the {unknown} completions of {run} belongs to a problem in the recipe's data" if unknown else ""
        )
        raise DataError(said or f"{run} has no completions that match the options")
    return found, unknown


def _table_rows(run: Path, steps: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
    tables = sorted((run / "completions").glob("*.parquet"))
    if not tables:
        raise DataError(f"{run / 'completions'} has no tables of completions")
    for path in tables:
        table = pd.read_parquet(path)
        if "verdict" not in table:
            raise DataError(f"{path} has no column `verdict`: its rewards did not come from the verifier")
        for row in table.to_dict("records"):
            if steps is None or steps[0] <= row["step"] <= steps[1]:
                yield {str(name): value for name, value in row.items()}


def _key(prompt: str | Sequence[dict[str, str]]) -> str:
    if isinstance(prompt, str):
        return prompt
    return json.dumps([[message["role"], message["content"]] for message in prompt], ensure_ascii=False)


def _is_asked(one: Stored, options: Options) -> bool:
    return not options.failed or one.verdict != Verdict.ACCEPTED


def _counts_groups(recipe: Recipe) -> bool:
    """Return whether a completion's reward depends on the other completions of its group."""
    apart = recipe.grpo.multi_objective_aggregation == "normalize_then_sum"
    return apart or any(part.only_when is not None for part in recipe.reward)


def _counter(recipe: Recipe, stored: Sequence[Stored]) -> Callable[[Stored], int]:
    """Return a function that counts a completion's tokens: from the table or, for older tables, with the tokenizer."""
    counts = any(part.kind in COUNTS_TOKENS for part in recipe.reward)
    if not counts or all(one.tokens is not None for one in stored):
        return lambda one: one.tokens or 0
    tokenizer = load_tokenizer(recipe, base_model(recipe, [one.problem for one in stored]))
    return lambda one: len(tokenizer(one.text)["input_ids"]) if one.tokens is None else one.tokens


def _group_of(one: Stored) -> tuple[int, str, str]:
    """Return a key for the completion's group: in the tables, the completions of a group are adjacent."""
    return one.step, one.problem.id, verifier_text(one.problem)


def _blocks(stored: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Yield blocks of about `BLOCK` completions that consist of whole groups."""
    block: list[Stored] = []
    for _, group in itertools.groupby(stored, _group_of):
        block += group
        if len(block) >= BLOCK:
            yield block
            block = []
    if block:
        yield block


def _rewards(
    recipe: Recipe, block: Sequence[Stored], results: Sequence[Result], count: Callable[[Stored], int]
) -> list[float | None]:
    """Return the rewards that TRL would get for the completions of whole groups; None for a `judge_error`."""
    parts, limit = recipe.reward, recipe.grpo.max_completion_length
    totals: list[float | None] = []
    for _, group in itertools.groupby(zip(block, results, strict=True), lambda pair: _group_of(pair[0])):
        values = objectives.of_group(
            [
                None if result.verdict is Verdict.JUDGE_ERROR else Judged(one.text, count(one), limit, result)
                for one, result in group
            ],
            parts,
        )
        if recipe.grpo.multi_objective_aggregation == "normalize_then_sum":
            totals += objectives.normalized(values, parts)
        else:
            totals += [objectives.weighted(value, parts) for value in values]
    return totals


def _same(before: float, after: float) -> bool:
    return math.isclose(before, after, rel_tol=SAME_REWARD, abs_tol=SAME_REWARD)


def _free(path: Path) -> Path:
    """Return the path, or the next free numbered one if it exists."""
    number = 0
    while (numbered := path.with_stem(f"{path.stem}.{number}") if number else path).exists():
        number += 1
    return numbered


def _show(done: list[Rejudged], unknown: int, most: int, console: Console) -> None:
    changes = Counter((one.stored.verdict, str(one.result.verdict)) for one in done)
    table = Table("before", "now", "completions", title="verdicts")
    for (before, now), count in changes.most_common():
        table.add_row(before, now, str(count), style="" if before == now else "bold")
    console.print(table)
    different = [one for one in done if one.differs]
    for one in different[:most]:
        console.print(
            f"step {one.stored.step} {escape(one.stored.problem.id)}: {one.stored.verdict} {one.stored.reward} -> "
            f"{one.result.verdict} {one.reward}: {escape(message_of(one.result))}",
            highlight=False,
            soft_wrap=True,
        )
    if len(different) > most:
        console.print(f"and {len(different) - most} more in the file", highlight=False)
    both = [(one.stored.reward, one.reward) for one in done if one.is_judged]
    rewards = [(before, now) for before, now in both if before is not None and now is not None]
    if rewards:
        before, now = (sum(values) / len(rewards) for values in zip(*rewards, strict=True))
        console.print(f"mean reward {before:.3f} -> {now:.3f}", highlight=False)
    unjudged = sum(not one.is_judged for one in done)
    console.print(
        f"{len(different)} of {len(done)} completions differ; {unjudged} could not be judged now or before; {unknown} "
        "do not belong to any problem in the data",
        highlight=False,
        soft_wrap=True,
    )
