"""Measure held-out accuracy through the verifier: greedy, avg@n, unbiased pass@k and maj@k with confidence intervals.

An evaluation is a folder. `settings.json` holds its settings, `records.jsonl` has one line for each problem and grows
while the evaluation runs, so an interrupted one can continue, and `summary.json` holds the results.
A completion with a `judge_error` counts neither as right nor as wrong; the summary says how many there were.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trainer.config import Recipe
from trainer.data.load import Messages, conversation, token_ids, verifier_text
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.evaluation import statistics, votes
from trainer.evaluation.answers import Answer, in_turns, turn_settings
from trainer.evaluation.generation import Sampling, Writer, complete, own_randomness, policy_sampling
from trainer.files import write_whole
from trainer.rewards.reward import judge, message_of
from verifier_service.client import VerifierClient
from verifier_service.schema import Verdict

BLOCK_BATCHES = 4  # batches that are generated, judged and stored together; an interruption loses at most this much
WRITER_BLOCK = 2048  # completions per block with vLLM: larger, since a call can begin with sending it the weights

Place = tuple[int, int]
"""The index of a problem and the number of one of its completions; number 0 is the greedy one."""
Asked = list[tuple[Sampling, list[Place]]]
Answers = dict[Place, Answer]


@dataclass(frozen=True)
class Model:
    """A model to evaluate: the network, its tokenizer, and its name in the records.

    `writer` generates the completions if the network does not do so itself.
    """

    network: Any
    tokenizer: Any
    name: str
    writer: Writer | None = None

    def complete(self, prompts: Sequence[Messages], sampling: Sampling, progress: Callable[[int], None]) -> list[str]:
        """Write one completion for each prompt; see `generation.complete`."""
        if self.writer is None:
            return complete(self.network, self.tokenizer, prompts, sampling, progress)
        ids = [token_ids(prompt, self.tokenizer, sampling.chat_template_kwargs) for prompt in prompts]
        texts = self.tokenizer.batch_decode(self.writer.write(ids, sampling), skip_special_tokens=True)
        progress(len(texts))
        return texts


@dataclass(frozen=True)
class How:
    """How one source is measured: with or without a greedy completion, how many samples, and the k to report."""

    greedy: Sampling | None
    sampled: Sampling
    samples: int
    ks: tuple[int, ...]

    @property
    def completions(self) -> int:
        """The number of completions for each problem."""
        return self.samples + (self.greedy is not None)

    def settings(self) -> dict[str, Any]:
        """Return everything that results depend on, as it is stored in an evaluation's settings."""
        return {
            "samples": self.samples,
            "temperature": self.sampled.temperature,
            "top_p": self.sampled.top_p,
            "top_k": self.sampled.top_k,
            "min_p": self.sampled.min_p,
            "repetition_penalty": self.sampled.repetition_penalty,
            "max_completion_length": self.sampled.max_tokens,
            **({} if self.greedy else {"greedy": False}),
        }


def how_of(recipe: Recipe) -> dict[str, How]:
    """Return how each source of the recipe's evaluation is measured; the key "" stands for any other source.

    Raises:
        DataError: A source has neither a greedy completion nor samples.
    """
    evaluation = recipe.evaluation
    asked = {source.label: evaluation.of(source) for source in evaluation.data}
    found = {}
    for label, own in {**asked, "": evaluation}.items():
        changes = {name: getattr(own, name) for name in ("top_p", "top_k", "min_p") if getattr(own, name) is not None}
        sampled = policy_sampling(recipe, recipe.grpo.temperature if own.temperature is None else own.temperature)
        sampled = replace(sampled, **changes, max_tokens=own.max_completion_length or sampled.max_tokens)
        samples = own.samples or 0
        if own.greedy is False and not samples and label:
            raise DataError(f"the source {label!r} has neither greedy nor samples, so it would measure nothing")
        ks = own.k or sorted({2**i for i in range(samples.bit_length())} | {samples} - {0})
        greedy = None if own.greedy is False else replace(sampled, temperature=0.0)
        found[label] = How(greedy, sampled, samples, tuple(k for k in ks if k <= samples))
    return found


def evaluate(
    model: Model,
    problems: Sequence[Problem],
    recipe: Recipe,
    client: VerifierClient,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Evaluate one model on problems, or continue an interrupted evaluation with the same settings.

    Args:
        model: The model.
        problems: The problems, from the sources of the recipe's evaluation.
        recipe: The recipe.
        client: The verifier.
        folder: The folder of the evaluation.
        progress: Called with the number of completions written so far and the total.

    Returns:
        The summary, which is also written to `folder`; see `summarise`.

    Raises:
        DataError: The folder holds an evaluation with other settings, or there are no problems.
        VerifierDown, VerifierRefused: As the client. Everything judged so far is kept.
    """
    if not problems:
        raise DataError("there are no problems to evaluate on")
    hows = how_of(recipe)
    settings: dict[str, Any] = {
        "model": model.name,
        **hows[""].settings(),
        "seed": recipe.seed,
        "problems": len(problems),
        "problems_sha256": _digest(problems, recipe),
        **turn_settings(recipe),
    }
    if own := {label: how.settings() for label, how in hows.items() if how != hows[""]}:
        settings["of_sources"] = own
    records = _resume(folder, settings)
    done = {record["id"] for record in records}
    left = [problem for problem in problems if problem.id not in done]
    total = sum(_how(problem, hows).completions for problem in problems)
    written = total - sum(_how(problem, hows).completions for problem in left)
    progress(written, total)

    def more(count: int) -> None:
        nonlocal written
        written += count
        progress(written, total)

    with (folder / "records.jsonl").open("a", encoding="utf-8") as out:
        for block in _blocks(left, hows, WRITER_BLOCK if model.writer else BLOCK_BATCHES * recipe.evaluation.batch):
            for record in _block(model, block, recipe, hows, client, more):
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
                records.append(record)
            out.flush()
    summary = {**settings, **summarise(records, {label: how.ks for label, how in hows.items()})}
    write_whole(folder / "summary.json", json.dumps(summary, indent=1))
    return summary


def _how(problem: Problem, hows: Mapping[str, How]) -> How:
    return hows.get(problem.source, hows[""])


def _blocks(problems: Sequence[Problem], hows: Mapping[str, How], completions: int) -> list[list[Problem]]:
    """Split problems into blocks of about `completions` completions, with at least one problem each."""
    blocks: list[list[Problem]] = []
    room = 0
    for problem in problems:
        needed = _how(problem, hows).completions
        if not blocks or needed > room:
            blocks.append([])
            room = completions
        blocks[-1].append(problem)
        room -= needed
    return blocks


def summarise(records: Sequence[dict[str, Any]], ks: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Compute the results of an evaluation from its records.

    Args:
        records: The evaluation's records, one for each problem.
        ks: The k to report for each source; the key "" stands for any other source.

    Returns:
        `greedy`, `avg@n` over all n samples, `pass@k` and `maj@k`, each with `value`, `low` and `high` (95 %). Measures
        without any judged completion are omitted. `unjudged` counts completions. With several sources, `sources`
        has the same for each of them. If sources are measured in different ways, `accuracy` replaces these measures:
        the mean over problems, each with its own source's measure.
    """
    sources = list(dict.fromkeys(r.get("source", "") for r in records))
    of = {name: tuple(ks.get(name, ks.get("", ()))) for name in sources}
    ways = {(of[r.get("source", "")], r["greedy"] is None, len(r["samples"])) for r in records}
    if len(ways) == 1:
        summary = _measures(records, next(iter(of.values())))
    else:
        values = [value for record in records if (value := accuracy_of(record)) is not None]
        summary = _counts(records) | ({"accuracy": asdict(statistics.mean(values))} if values else {})
    if len(sources) > 1:
        summary["sources"] = {
            name: _measures([r for r in records if r.get("source", "") == name], of[name]) for name in sources
        }
    return summary


def accuracy_of(record: dict[str, Any]) -> float | None:
    """Return a problem's accuracy: that of its greedy completion, or of its samples. None if none was judged."""
    completions = record["samples"] if record["greedy"] is None else [record["greedy"]]
    judged = [completion["verdict"] == Verdict.ACCEPTED for completion in completions if _is_judged(completion)]
    return sum(judged) / len(judged) if judged else None


def headline(summary: dict[str, Any], source: str | None = None) -> dict[str, float] | None:
    """Return a summary's main accuracy, over all problems or for one source. None if nothing was judged.

    This is `greedy` if there are greedy completions, and `avg@n` otherwise. For sources measured in different ways, it
    is their mean `accuracy`.
    """
    found = summary.get("sources", {}).get(source, summary) if source else summary
    average = next((value for name, value in found.items() if name.startswith("avg@")), None)
    return found.get("greedy") or found.get("accuracy") or average


def _counts(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    completions = [c for r in records for c in [r["greedy"], *r["samples"]] if c is not None]
    return {
        "judged_problems": sum(accuracy_of(r) is not None for r in records),
        "unjudged": sum(not _is_judged(c) for c in completions),
    }


def _measures(records: Sequence[dict[str, Any]], ks: Sequence[int]) -> dict[str, Any]:
    summary = _counts(records)
    asked = [r["greedy"] for r in records if r["greedy"] is not None]
    greedy = [completion["verdict"] == Verdict.ACCEPTED for completion in asked if _is_judged(completion)]
    if greedy:
        summary["greedy"] = asdict(statistics.proportion(sum(greedy), len(greedy)))
        summary |= _of_turns([completion for completion in asked if _is_judged(completion)])
    judged = [[c for c in r["samples"] if _is_judged(c)] for r in records]
    right = [[c["verdict"] == Verdict.ACCEPTED for c in completions] for completions in judged]
    if any(right):
        samples = max(len(r["samples"]) for r in records)
        summary[f"avg@{samples}"] = asdict(statistics.mean([sum(r) / len(r) for r in right if r]))
    for k in ks:
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


def _of_turns(judged: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the share solved by each turn, and the share with an interpreter call, if the recipe has them."""
    found: dict[str, Any] = {}
    for turn in range(1, max(len(one.get("verdicts", ())) for one in judged) + 1):
        solved = [Verdict.ACCEPTED in one["verdicts"][:turn] for one in judged]
        found[f"greedy, by turn {turn}"] = asdict(statistics.proportion(sum(solved), len(solved)))
    if "calls" in judged[0]:
        used = [one["calls"] > 0 for one in judged]
        found["greedy, with a call"] = asdict(statistics.proportion(sum(used), len(used)))
    return found


def intervals(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return a summary's measures by name: over all problems, then for each source if there are several.

    `pass@1` is omitted if there is `avg@n`, which is the same number.
    """
    found = {name: value for name, value in summary.items() if isinstance(value, dict) and "value" in value}
    if any(name.startswith("avg@") for name in found):
        found.pop("pass@1", None)
    for source, measures in summary.get("sources", {}).items():
        found |= {f"{name}, {source}": value for name, value in intervals(measures).items()}
    return found


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Compare two evaluations of the same problems, problem by problem.

    Greedy verdicts are compared with McNemar's exact test. A problem that could not be judged in both evaluations is
    omitted.

    Returns:
        `differences` holds, for `greedy` and `avg@n`, over all problems and for each source, the mean of second minus
        first with its 95 % bootstrap interval. If both have greedy verdicts, the fields of `statistics.Paired` follow.

    Raises:
        DataError: A folder is not an evaluation, or they have no judged problem in common.
    """
    a, b = ({r["id"]: r for r in read_records(folder)} for folder in (first, second))
    common = [(a[i], b[i]) for i in a if i in b]
    differences = _differences(common)
    if not differences:
        raise DataError(f"{first} and {second} have no judged problem in common")
    found: dict[str, Any] = {"first": str(first), "second": str(second), "differences": differences}
    both = [pair for pair in common if all(r["greedy"] is not None and _is_judged(r["greedy"]) for r in pair)]
    if both:
        right = ([r["greedy"]["verdict"] == Verdict.ACCEPTED for r in side] for side in zip(*both, strict=True))
        found |= asdict(statistics.compare(*right))
    return found


def _differences(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return the mean differences, named like the measures of `intervals`."""
    sources = list(dict.fromkeys(a.get("source", "") for a, _ in pairs))
    named: dict[str, list[float]] = {}
    for a, b in pairs:
        for measure, (before, after) in _comparable(a, b).items():
            for name in [measure] + ([f"{measure}, {a.get('source', '')}"] if len(sources) > 1 else []):
                named.setdefault(name, []).append(after - before)
    total = len(pairs)
    asked = {name: len(values) for name, values in named.items()}
    mixed = {name for name in named if ", " not in name and len(sources) > 1 and asked[name] < total}
    return {name: asdict(statistics.difference(values)) for name, values in named.items() if name not in mixed}


def _comparable(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return a problem's values in both evaluations: `greedy`, and `avg@n` if both have the same number of samples."""
    found = {}
    if a["greedy"] and b["greedy"] and _is_judged(a["greedy"]) and _is_judged(b["greedy"]):
        found["greedy"] = tuple(float(r["greedy"]["verdict"] == Verdict.ACCEPTED) for r in (a, b))
    samples = len(a["samples"])
    shares = [accuracy_of({**r, "greedy": None}) for r in (a, b)]
    if samples and samples == len(b["samples"]) and shares[0] is not None and shares[1] is not None:
        found[f"avg@{samples}"] = (shares[0], shares[1])
    return found


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Read the records of an evaluation, ignoring an incomplete last line.

    Raises:
        DataError: The folder has no records.
    """
    path = folder / "records.jsonl"
    if not path.is_file():
        raise DataError(f"{folder} is not the folder of an evaluation: it has no {path.name}")
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def _resume(folder: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    if not path.exists():
        write_whole(path, json.dumps(settings, indent=1))
        return []
    before = json.loads(path.read_text(encoding="utf-8"))
    if before != settings:
        differing = ", ".join(f"{k}: {before.get(k)!r}, now {v!r}" for k, v in settings.items() if before.get(k) != v)
        raise DataError(f"{folder} holds an evaluation with other settings ({differing}); choose another folder")
    if not (folder / "records.jsonl").exists():
        return []
    records = read_records(folder)
    kept = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_whole(folder / "records.jsonl", kept)
    return records


def _block(
    model: Model,
    problems: Sequence[Problem],
    recipe: Recipe,
    hows: Mapping[str, How],
    client: VerifierClient,
    progress: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Generate completions for some problems as their sources require, judge them together, and build the records."""
    asked = _asked([_how(problem, hows) for problem in problems])
    with own_randomness(_seed(recipe, problems)):
        if recipe.repair or recipe.interpreter:
            answers = _in_turns(model, problems, recipe, asked, client, progress)
        else:
            answers = _at_once(model, problems, recipe, asked, client, progress)
    places = sorted(answers)
    completions = {place: _record(answers[place], recipe) for place in places}
    sampled = [[completions[place] for place in places if place[0] == i and place[1]] for i in range(len(problems))]
    votes.cast(sampled, client)
    return [
        {
            "id": problem.id,
            "task": problem.task,
            "source": problem.source,
            "prompt": conversation(problem, recipe.prompt),
            "greedy": completions.get((i, 0)),
            "samples": sampled[i],
        }
        for i, problem in enumerate(problems)
    ]


def _at_once(
    model: Model,
    problems: Sequence[Problem],
    recipe: Recipe,
    asked: Asked,
    client: VerifierClient,
    progress: Callable[[int], None],
) -> Answers:
    prompts = [conversation(problem, recipe.prompt) for problem in problems]
    texts: dict[Place, str] = {}
    for sampling, asked_places in asked:
        written = model.complete([prompts[i] for i, _ in asked_places], sampling, progress)
        texts |= zip(asked_places, written, strict=True)
    specs = [verifier_text(problem) for problem in problems]
    places = sorted(texts)
    results = judge(client, [(specs[i], texts[i, number]) for i, number in places]).results
    return {place: Answer(texts[place], result) for place, result in zip(places, results, strict=True)}


def _in_turns(
    model: Model,
    problems: Sequence[Problem],
    recipe: Recipe,
    asked: Asked,
    client: VerifierClient,
    progress: Callable[[int], None],
) -> Answers:
    answers: Answers = {}
    for sampling, places in asked:
        chosen = [problems[i] for i, _ in places]
        found = in_turns(model.network, model.tokenizer, chosen, recipe, sampling, client, model.writer)
        answers |= zip(places, found, strict=True)
        progress(len(places))
    return answers


def _asked(hows: Sequence[How]) -> Asked:
    """Group the completions to write by their sampling, so that equal ones are generated together."""
    asked: Asked = []
    for i, how in enumerate(hows):
        wanted = [(how.sampled, [(i, number) for number in range(1, how.samples + 1)])]
        if how.greedy is not None:
            wanted.append((how.greedy, [(i, 0)]))
        for sampling, places in wanted:
            known = next((found for same, found in asked if same == sampling), None)
            if known is None:
                asked.append((sampling, places))
            else:
                known += places
    return [(sampling, places) for sampling, places in asked if places]


def _record(one: Answer, recipe: Recipe) -> dict[str, Any]:
    result = one.result
    turns = {"verdicts": [str(verdict) for verdict in one.verdicts]} if recipe.repair else {}
    calls = {"calls": one.calls, "call_errors": one.errors} if recipe.interpreter else {}
    return {
        "text": one.text,
        "verdict": str(result.verdict),
        "score": result.score,
        "extracted": result.extracted if result.kind == "math" else None,
        "message": message_of(result),
        **turns,
        **calls,
    }


def _digest(problems: Sequence[Problem], recipe: Recipe) -> str:
    """Return a digest of the problems and how they are asked, to recognize an evaluation of something else."""
    asked = [[problem.id, conversation(problem, recipe.prompt), problem.submission] for problem in problems]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _seed(recipe: Recipe, problems: Sequence[Problem]) -> int:
    """Return a seed for the block that begins with the first problem; a resumed evaluation gets the same."""
    return int(hashlib.sha256(f"{recipe.seed} {problems[0].id}".encode()).hexdigest()[:12], 16)


def _is_judged(completion: dict[str, Any]) -> bool:
    return completion["verdict"] != Verdict.JUDGE_ERROR
