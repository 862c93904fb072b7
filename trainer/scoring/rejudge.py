"""A run's stored completions judged again: by another verifier, with other rewards, or against other references.

The tables in `completions/` hold what was written and what it got. Each completion is judged by the recipe that is
given now, and each row says what it had and what it has. What cannot be judged now shows no difference.
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
"""Components whose value hangs on the tokens of a completion, which tables of older runs do not hold."""


@dataclass(frozen=True)
class Options:
    """What `rejudge` is asked for. `steps` are the first and the last one; `show` is how many rows are printed."""

    failed: bool = False
    steps: tuple[int, int] | None = None
    show: int = 20
    output: Path | None = None


@dataclass(frozen=True)
class Stored:
    """One completion of a run's tables, and the problem it belongs to. `tokens` is None where the table has none."""

    step: int
    problem: Problem
    text: str
    verdict: str
    reward: float | None
    tokens: int | None


@dataclass(frozen=True)
class Rejudged:
    """One completion, and what it is given now. `reward` is None where nothing could be judged."""

    stored: Stored
    result: Result
    reward: float | None

    @property
    def is_judged(self) -> bool:
        """Whether anything may be concluded from it, and could be before."""
        return self.result.verdict is not Verdict.JUDGE_ERROR and self.stored.verdict != Verdict.JUDGE_ERROR

    @property
    def differs(self) -> bool:
        """Whether it has another verdict or another reward than it had."""
        if not self.is_judged:
            return False
        before, after = self.stored.reward, self.reward
        is_other = before is not None and after is not None and not _same(before, after)
        return is_other or self.stored.verdict != self.result.verdict

    def row(self) -> dict[str, object]:
        """Write it as one line of the file."""
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
    """Judge a run's completions again by `recipe`, write all rows as JSON lines, and print those that differ.

    A reward in which completions of a group count together is made of whole groups, also where only some are asked for.
    Returns: every completion that was asked for, in the order of the tables.

    Raises:
        DataError: the run has no tables, or none of its prompts is among the recipe's data.
        VerifierDown, VerifierRefused: as the client does.
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
    """Read `10-20`, or `10` for one step.

    Raises:
        DataError: it is neither.
    """
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise DataError(f"--steps {text!r} is no range of steps; write 10-20, or 10 for one step")
    return int(first), int(last if dash else first)


def _stored(run: Path, recipe: Recipe, options: Options) -> tuple[list[Stored], int]:
    """Return the completions that are asked for, and how many of them belong to no problem of the recipe."""
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
        said = f"{unknown} completions of {run} belong to no problem of the recipe's data" if unknown else ""
        raise DataError(said or f"{run} holds no completions that are asked for")
    return found, unknown


def _table_rows(run: Path, steps: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
    tables = sorted((run / "completions").glob("*.parquet"))
    if not tables:
        raise DataError(f"{run / 'completions'} holds no tables of completions")
    for path in tables:
        table = pd.read_parquet(path)
        if "verdict" not in table:
            raise DataError(f"{path} has no column `verdict`: its rewards are not the verifier's")
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
    """Tell whether a completion's reward hangs on the others of its group."""
    apart = recipe.grpo.multi_objective_aggregation == "normalize_then_sum"
    return apart or any(part.only_when is not None for part in recipe.reward)


def _counter(recipe: Recipe, stored: Sequence[Stored]) -> Callable[[Stored], int]:
    """Return what tells the tokens of a completion: the table, or the tokenizer where an older one does not say."""
    counts = any(part.kind in COUNTS_TOKENS for part in recipe.reward)
    if not counts or all(one.tokens is not None for one in stored):
        return lambda one: one.tokens or 0
    tokenizer = load_tokenizer(recipe, base_model(recipe, [one.problem for one in stored]))
    return lambda one: len(tokenizer(one.text)["input_ids"]) if one.tokens is None else one.tokens


def _group_of(one: Stored) -> tuple[int, str, str]:
    """Tell groups apart: the tables hold the completions of a problem one after the other."""
    return one.step, one.problem.id, verifier_text(one.problem)


def _blocks(stored: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Yield whole groups, some of them together."""
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
    """Return what TRL would be given for each completion of whole groups; None for a `judge_error`."""
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
    """Return the path, or where something is there already the next one with a number."""
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
        console.print(f"and {len(different) - most} more, in the file", highlight=False)
    both = [(one.stored.reward, one.reward) for one in done if one.is_judged]
    rewards = [(before, now) for before, now in both if before is not None and now is not None]
    if rewards:
        before, now = (sum(values) / len(rewards) for values in zip(*rewards, strict=True))
        console.print(f"mean reward {before:.3f} -> {now:.3f}", highlight=False)
    unjudged = sum(not one.is_judged for one in done)
    console.print(
        f"{len(different)} of {len(done)} completions differ; {unjudged} could not be judged now or before; {unknown} "
        "belong to no problem of the data",
        highlight=False,
        soft_wrap=True,
    )
