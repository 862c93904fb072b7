"""Held-out accuracy through the verifier: greedy pass@1, unbiased pass@k, maj@k, each with a confidence interval.

An evaluation is a folder: `settings.json` says what was asked, `records.jsonl` holds one problem a line and grows while
it runs (so a run that was stopped goes on where it was), `summary.json` holds the numbers.
A completion with a `judge_error` counts neither as right nor as wrong: it is left out, and the summary says how many.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer import statistics, votes
from trainer.client import VerifierClient
from trainer.config import Evaluation, Recipe
from trainer.data import conversation, verifier_text
from trainer.errors import DataError
from trainer.generation import Sampling, complete
from trainer.reward import judge, message_of
from trainer.tasks import Problem
from verifier_service.schema import Result, Verdict

BLOCK_BATCHES = 4  # generated, judged and written together: what is done again after a stop


@dataclass(frozen=True)
class Model:
    """A model to evaluate: the network, its tokenizer, and the name that the records carry."""

    network: Any
    tokenizer: Any
    name: str


def evaluate(
    model: Model,
    problems: Sequence[Problem],
    recipe: Recipe,
    client: VerifierClient,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Evaluate one model on problems and return the summary, which is also written to `folder`.

    `progress` is told how many problems are done, of how many. An evaluation of the same settings goes on where it was.

    Raises:
        DataError: the folder holds an evaluation of other settings, or there are no problems.
        VerifierDown, VerifierRefused: as the client does; what was judged until then is kept.
    """
    if not problems:
        raise DataError("there are no problems to evaluate on")
    options = recipe.evaluation
    settings = {
        "model": model.name,
        "samples": options.samples,
        "temperature": options.temperature,
        "max_completion_tokens": recipe.grpo.max_completion_tokens,
        "problems": len(problems),
        "problems_sha256": _digest(problems, recipe),
    }
    records = _resume(folder, settings)
    done = {record["id"] for record in records}
    left = [problem for problem in problems if problem.id not in done]
    block = max(1, BLOCK_BATCHES * options.batch // (options.samples + 1))
    with (folder / "records.jsonl").open("a", encoding="utf-8") as out:
        for start in range(0, len(left), block):
            progress(len(records), len(problems))
            for record in _block(model, left[start : start + block], recipe, client):
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
                records.append(record)
            out.flush()
    progress(len(records), len(problems))
    summary = {**settings, **summarise(records, options.samples)}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    return summary


def summarise(records: Sequence[dict[str, Any]], samples: int) -> dict[str, Any]:
    """Make the numbers of an evaluation from its records.

    Returns: `greedy`, `pass@1`, `pass@k` and `maj@k` for k = 2, 4, 8 ... and `samples`, each with `value`, `low` and
    `high` (95 %); a measure for which nothing could be judged is left out. `unjudged` counts completions.
    """
    greedy = [r["greedy"]["verdict"] == Verdict.ACCEPTED for r in records if _is_judged(r["greedy"])]
    summary: dict[str, Any] = {
        "judged_problems": len(greedy),
        "unjudged": sum(not _is_judged(c) for r in records for c in [r["greedy"], *r["samples"]]),
    }
    if greedy:
        summary["greedy"] = asdict(statistics.proportion(sum(greedy), len(greedy)))
    judged = [[c for c in r["samples"] if _is_judged(c)] for r in records]
    for k in sorted({2**i for i in range(samples.bit_length())} | {samples} - {0}):
        enough = [completions for completions in judged if len(completions) >= k]
        if not enough:
            continue
        chances = [statistics.pass_at_k(len(cs), sum(c["verdict"] == Verdict.ACCEPTED for c in cs), k) for cs in enough]
        summary[f"pass@{k}"] = asdict(statistics.mean(chances))
        if k > 1 and any(c["vote"] is not None for cs in enough for c in cs):
            votes = [
                statistics.majority_is_right(
                    [c["vote"] for c in cs[:k]], [c["verdict"] == Verdict.ACCEPTED for c in cs[:k]]
                )
                for cs in enough
            ]
            summary[f"maj@{k}"] = asdict(statistics.mean(votes))
    return summary


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Compare the greedy verdicts of two evaluations, problem by problem, with McNemar's exact test.

    Problems that either could not have judged are left out.

    Raises:
        DataError: a folder holds no evaluation, or they have no problem in common.
    """
    a, b = ({r["id"]: r for r in read_records(folder)} for folder in (first, second))
    both = [i for i in a if i in b and _is_judged(a[i]["greedy"]) and _is_judged(b[i]["greedy"])]
    if not both:
        raise DataError(f"{first} and {second} have no judged problem in common")
    paired = statistics.compare(*([r[i]["greedy"]["verdict"] == Verdict.ACCEPTED for i in both] for r in (a, b)))
    return {"first": str(first), "second": str(second), **asdict(paired)}


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Read the records of an evaluation; a last line that was cut off while it was written is dropped.

    Raises:
        DataError: there are none.
    """
    path = folder / "records.jsonl"
    if not path.is_file():
        raise DataError(f"{folder} holds no evaluation: {path.name} is not there")
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def _resume(folder: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    if not path.exists():
        path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        return []
    before = json.loads(path.read_text(encoding="utf-8"))
    if before != settings:
        differing = ", ".join(f"{k}: {before.get(k)!r} and {v!r}" for k, v in settings.items() if before.get(k) != v)
        raise DataError(f"{folder} holds an evaluation of other settings ({differing}); choose another folder")
    if not (folder / "records.jsonl").exists():
        return []
    records = read_records(folder)
    kept = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / "records.jsonl").write_text(kept, encoding="utf-8")
    return records


def _block(model: Model, problems: Sequence[Problem], recipe: Recipe, client: VerifierClient) -> list[dict[str, Any]]:
    options: Evaluation = recipe.evaluation
    prompts = [conversation(problem, recipe.prompt) for problem in problems]
    greedy = Sampling(0.0, recipe.grpo.max_completion_tokens, options.batch)
    texts = complete(model.network, model.tokenizer, prompts, greedy)
    if options.samples:
        sampled = Sampling(options.temperature, recipe.grpo.max_completion_tokens, options.batch)
        texts += complete(model.network, model.tokenizer, [p for p in prompts for _ in range(options.samples)], sampled)
    specs = [verifier_text(problem) for problem in problems]
    specs += [spec for spec in specs for _ in range(options.samples)]
    results = judge(client, list(zip(specs, texts, strict=True))).results
    completions = [_record(text, result) for text, result in zip(texts, results, strict=True)]
    count = len(problems)
    sampled_of = [completions[count + i * options.samples : count + (i + 1) * options.samples] for i in range(count)]
    votes.cast(sampled_of, client)
    return [
        {
            "id": problem.id,
            "task": problem.task,
            "prompt": prompt,
            "greedy": completions[i],
            "samples": sampled_of[i],
        }
        for i, (problem, prompt) in enumerate(zip(problems, prompts, strict=True))
    ]


def _record(text: str, result: Result) -> dict[str, Any]:
    return {
        "text": text,
        "verdict": str(result.verdict),
        "score": result.score,
        "extracted": result.extracted if result.kind == "math" else None,
        "message": message_of(result),
    }


def _digest(problems: Sequence[Problem], recipe: Recipe) -> str:
    """Tell evaluations of other problems, or of the same ones asked otherwise, from this one."""
    asked = [[problem.id, conversation(problem, recipe.prompt), problem.submission] for problem in problems]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _is_judged(completion: dict[str, Any]) -> bool:
    return completion["verdict"] != Verdict.JUDGE_ERROR
