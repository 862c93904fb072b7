"""Measure pass rates: sample several answers to each problem, judge them, and write rows that a recipe can read.

The rows have the format of `kind: rows`, with the additional columns `pass_rate`, `samples` and `judged`. An unfinished
file is continued if its settings, stored next to it, are the same. A completion with a `judge_error` does not count
toward the rate. A problem without any judged completion has no rate, and is tried again the next time.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from trainer.client import client_of
from trainer.config import Recipe
from trainer.data.load import load_problems, verifier_text
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.evaluation.answers import answer, turn_settings
from trainer.evaluation.evaluate import Model
from trainer.evaluation.evaluations import load_model_named
from trainer.evaluation.generation import policy_sampling
from trainer.pace import Pace
from verifier_service.client import VerifierClient
from verifier_service.schema import Verdict
from verifier_service.schema.base import counted

Row = dict[str, Any]
BLOCK_BATCHES = 4  # batches that are generated, judged and stored together; an interruption loses at most this much
TENTHS = 10


@dataclass(frozen=True)
class Options:
    """The options of `score`. `model` is a folder or hub id; None means the recipe's own start."""

    samples: int
    model: str | None = None
    temperature: float | None = None
    limit: int | None = None
    output: Path | None = None


def score(recipe: Recipe, options: Options, console: Console) -> Path:
    """Sample `samples` answers to every problem in the recipe's data, and write rows with pass rates.

    Returns:
        The path of the rows: `options.output`, or `scored.jsonl` in the run's folder.

    Raises:
        DataError: The file has rows with other settings, or the data cannot be read.
        VerifierDown, VerifierRefused: As the client. The same command continues where it stopped.
    """
    problems = load_problems(recipe.data, recipe.seed)[: options.limit]
    path = options.output or recipe.run_dir / "scored.jsonl"
    settings = settings_of(recipe, options)
    rows = _begun(path, settings)
    left = _left(problems, rows)
    pace = Pace(console, "score: completions")
    total = (len(rows) + len(left)) * options.samples
    written = len(rows) * options.samples
    pace(written, total)

    def more(count: int) -> None:
        nonlocal written
        written += count
        pace(written, total)

    if left:
        with client_of(recipe.verifier) as client, path.open("a", encoding="utf-8") as out:
            client.info()
            model = load_model_named(recipe, settings["model"] or None, problems)
            size = max(1, BLOCK_BATCHES * recipe.evaluation.batch // options.samples)
            for start in range(0, len(left), size):
                torch.manual_seed(recipe.seed + len(rows))  # a continued file must not repeat earlier random numbers
                fresh = _rows(left[start : start + size], model, recipe, client, settings, more)
                out.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in fresh))
                out.flush()
                rows += fresh
    console.print(_table(rows))
    console.print(f"rows: {path}; to use them in a recipe:", highlight=False, soft_wrap=True)
    console.print(f"  data: [{{kind: rows, path: {path}, pass_rate: [0.1, 0.9]}}]", highlight=False, soft_wrap=True)
    return path


def settings_of(recipe: Recipe, options: Options) -> dict[str, Any]:
    """Return everything besides the problem that a pass rate depends on: model, prompt and sampling."""
    temperature = options.temperature or recipe.grpo.temperature
    sampling = asdict(policy_sampling(recipe, temperature))
    for same_everywhere in ("batch", "chat_template_kwargs"):  # the first changes no answer; `prompt` has the second
        del sampling[same_everywhere]
    settings = {
        "model": options.model or start_of(recipe),
        "recipe_model": recipe.model.model_dump(mode="json", exclude={"attention"}),
        "samples": options.samples,
        "temperature": temperature,
        "max_completion_length": recipe.grpo.max_completion_length,
        "sampling": sampling,
        "prompt": recipe.prompt.model_dump(mode="json"),
        **turn_settings(recipe),
    }
    return json.loads(json.dumps(settings))  # as it will be when read from the file


def start_of(recipe: Recipe) -> str:
    """Return the folder of the run's cold start if it is finished, and "" for the recipe's own model."""
    folder = recipe.run_dir / "cold-start"
    return str(folder) if (folder / "done.json").exists() else ""


def _rows(
    problems: Sequence[Problem],
    model: Model,
    recipe: Recipe,
    client: VerifierClient,
    settings: dict[str, Any],
    progress: Callable[[int], None],
) -> list[Row]:
    samples = settings["samples"]
    sampling = policy_sampling(recipe, settings["temperature"])
    asked = [problem for problem in problems for _ in range(samples)]
    answers = answer(model.network, model.tokenizer, asked, recipe, sampling, client, progress)
    verdicts = [one.result.verdict for one in answers]
    return [
        row_of(problem, verdicts[i * samples : (i + 1) * samples], settings["model"])
        for i, problem in enumerate(problems)
    ]


def row_of(problem: Problem, verdicts: Sequence[Verdict], model: str) -> Row:
    """Return a problem as a row of `kind: rows`, with the share of its judged completions that were accepted."""
    judged = [verdict for verdict in verdicts if verdict is not Verdict.JUDGE_ERROR]
    right = sum(verdict is Verdict.ACCEPTED for verdict in judged)
    return {
        "id": problem.id,
        "task": problem.task,
        "prompt": problem.question if problem.messages is None else problem.messages,
        "verifier": verifier_text(problem),
        "solution": problem.solution,
        "demonstration": problem.demonstration,
        "retry": problem.retry,
        "program": problem.program,
        "pass_rate": right / len(judged) if judged else None,
        "samples": len(verdicts),
        "judged": len(judged),
        "model": model,
    }


def _begun(path: Path, settings: dict[str, Any]) -> list[Row]:
    """Return the existing rows, without an incomplete last line and without rows that have no rate.

    Raises:
        DataError: They were written with other settings.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.with_suffix(".settings.json")
    if path.is_file() and kept.is_file():
        before = json.loads(kept.read_text(encoding="utf-8"))
        changed = [f"{k} was {before.get(k)!r} and is {now!r}" for k, now in settings.items() if before.get(k) != now]
        if changed:
            raise DataError(f"{path} was begun with other settings: {'; '.join(changed)}; choose another --output")
    elif path.is_file():
        raise DataError(f"{path} was not written by `score` ({kept.name} is missing); choose another --output")
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    rows = [row for row in map(json.loads, lines) if row["pass_rate"] is not None]
    kept.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return rows


def _left(problems: Sequence[Problem], rows: Sequence[Row]) -> list[Problem]:
    """Return the problems that have no row yet. Problems with the same id and submission count as the same."""
    done = Counter(_key(row["id"], row["verifier"]) for row in rows)
    left = []
    for problem in problems:
        key = _key(problem.id, verifier_text(problem))
        if done[key]:
            done[key] -= 1
        else:
            left.append(problem)
    return left


def _key(problem_id: str, verifier: str) -> tuple[str, str]:
    return problem_id, verifier


def _table(rows: Sequence[Row]) -> Table:
    """Return a table of how many problems are never right, in each tenth of the pass rate, and always right."""
    rates = [row["pass_rate"] for row in rows]
    counts = Counter(_tenth(rate) for rate in rates)
    table = Table(
        "pass rate", "problems", title=f"{counted(len(rows), 'problem')}, {sum(row['judged'] for row in rows)} judged"
    )
    names = ["never right", *(f"{i / TENTHS:.1f} to {(i + 1) / TENTHS:.1f}" for i in range(TENTHS)), "always right"]
    for place, name in enumerate(names):
        table.add_row(name, str(counts[place]))
    if counts[None]:
        table.add_row("not judged", str(counts[None]))
    return table


def _tenth(rate: float | None) -> int | None:
    """Return 0 for never right, 11 for always right, and 1 to 10 for the tenths in between."""
    if rate is None:
        return None
    if rate in (0.0, 1.0):
        return 0 if rate == 0.0 else TENTHS + 1
    return 1 + int(rate * TENTHS)
