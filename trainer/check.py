"""What can be known to be wrong with a recipe before a GPU is paid for: seconds, no model weights.

Each finding is a sentence with a remedy. `problem` stops a run or spoils it; `warning` may be meant; `skipped` was not
looked at, and says why.
"""

import importlib.util
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainer import trl_names
from trainer.client import VerifierClient
from trainer.config import Pretrained, Recipe, Tiny
from trainer.data import conversation, load_problems
from trainer.errors import TrainerError
from trainer.shaping.overlong import Overlong
from trainer.tasks import Problem
from verifier_service.schema import Verdict

SAMPLE_ROWS = 3
TOKEN_CHECK_ROWS = 200


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    PROBLEM = "problem"
    WARNING = "warning"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    text: str


def check(recipe: Recipe, offline: bool, processes: int = 1) -> list[Finding]:
    """Look a recipe over. `offline` leaves out what needs the verifier or a hub; `processes` is the number of GPUs."""
    findings = [*_batch(recipe, processes), *_trl(recipe), *_packages(recipe)]
    problems, data_findings = _data(recipe, offline)
    findings += data_findings
    findings += _model(recipe, offline, problems)
    if offline:
        findings.append(Finding(Level.SKIPPED, "verifier", "not asked (--offline)"))
    else:
        findings += _verifier(recipe, problems)
    return findings


def _batch(recipe: Recipe, processes: int) -> list[Finding]:
    grpo = recipe.grpo
    batch = recipe.generation_batch_per_device * processes
    said = f"{batch} completions are generated at once ({processes} process{'es' if processes > 1 else ''})"
    if batch % grpo.group_size:
        nearest = max(grpo.group_size, round(batch / grpo.group_size) * grpo.group_size)
        return [
            Finding(
                Level.PROBLEM,
                "batch",
                f"group_size {grpo.group_size} does not divide the generation batch: {said}; per_device_batch x "
                f"steps_per_generation x processes has to be a multiple, such as {nearest}",
            )
        ]
    findings = [Finding(Level.OK, "batch", f"{said}: {batch // grpo.group_size} groups of {grpo.group_size}")]
    spans = (grpo.steps_per_generation or grpo.gradient_accumulation) * grpo.iterations
    if grpo.save_every_steps * grpo.gradient_accumulation % spans:
        findings.append(
            Finding(
                Level.PROBLEM,
                "batch",
                f"save_every_steps {grpo.save_every_steps} falls inside a generation batch, which is used for "
                f"{spans / grpo.gradient_accumulation:g} steps; a resumed run would skip prompts. Save at a multiple",
            )
        )
    for part in recipe.reward:
        if isinstance(part, Overlong) and part.buffer_tokens > grpo.max_completion_tokens:
            text = f"overlong: buffer_tokens {part.buffer_tokens} is above max_completion_tokens"
            findings.append(Finding(Level.PROBLEM, "reward", f"{text} {grpo.max_completion_tokens}"))
    return findings


def _trl(recipe: Recipe) -> list[Finding]:
    stale = trl_names.missing_names()
    unknown = sorted(set(recipe.grpo.trl) - trl_names.config_fields())
    findings = [Finding(Level.PROBLEM, "trl", text) for text in stale]
    findings += [Finding(Level.PROBLEM, "trl", f"grpo.trl.{name}: GRPOConfig has no such field") for name in unknown]
    return findings or [Finding(Level.OK, "trl", "every field is known to the installed TRL")]


def _packages(recipe: Recipe) -> list[Finding]:
    """Name packages that the recipe needs and that are not installed here."""
    needed: dict[str, str] = dict.fromkeys(recipe.grpo.report_to, "grpo.report_to")
    if recipe.vllm is not None:
        needed["vllm"] = "vllm"
    if isinstance(recipe.model, Pretrained):
        if recipe.model.quantization is not None:
            needed["bitsandbytes"] = "model.quantization"
        if recipe.model.attention == "flash_attention_2":
            needed["flash_attn"] = "model.attention"
    return [
        Finding(Level.WARNING, "packages", f"{field} needs the package {name}, which is not installed here")
        for name, field in needed.items()
        if importlib.util.find_spec(name) is None
    ]


def _data(recipe: Recipe, offline: bool) -> tuple[list[Problem], list[Finding]]:
    findings, loaded = [], []
    for where, sources in (("data", recipe.data), ("evaluation.data", recipe.evaluation.data)):
        remote = [source for source in sources if source.needs_hub]
        if offline and remote:
            names = ", ".join(str(getattr(source, "dataset", source.kind)) for source in remote)
            findings.append(Finding(Level.SKIPPED, where, f"not read (--offline): {names}"))
            continue
        if not sources:
            findings.append(Finding(Level.WARNING, where, "no held-out problems: nothing will tell whether it learnt"))
            continue
        try:
            problems = load_problems(sources, recipe.seed)
        except TrainerError as problem:
            findings.append(Finding(Level.PROBLEM, where, str(problem)))
            continue
        findings.append(Finding(Level.OK, where, f"{len(problems)} problems"))
        loaded.append(problems)
        if where == "data":
            groups = recipe.generation_batch_per_device // recipe.grpo.group_size
            if len(problems) < groups:
                text = f"{len(problems)} problems are fewer than the {groups} that one generation batch holds"
                findings.append(Finding(Level.PROBLEM, where, text))
            if recipe.cold_start is not None and not any(problem.solution for problem in problems):
                findings.append(Finding(Level.PROBLEM, "cold_start", "no row of the data has a solution to imitate"))
    if len(loaded) == 2:
        both = {p.id for p in loaded[0]} & {p.id for p in loaded[1]}
        same = {p.question for p in loaded[0] if p.question} & {p.question for p in loaded[1]}
        if both and same:
            text = f"{len(same)} held-out questions are among the training problems too"
            findings.append(Finding(Level.PROBLEM, "evaluation.data", text))
    return (loaded[0] if loaded else []), findings


def _model(recipe: Recipe, offline: bool, problems: list[Problem]) -> list[Finding]:
    options = recipe.model
    longest = recipe.grpo.max_completion_tokens + (recipe.grpo.max_prompt_tokens or 0)
    if isinstance(options, Tiny):
        return _context(options.max_tokens, longest, recipe)
    if not isinstance(options, Pretrained):
        return [Finding(Level.OK, "model", f"{options.kind} is made when the run begins")]
    if offline and not Path(options.name).exists():
        return [Finding(Level.SKIPPED, "model", f"{options.name} was not looked at (--offline)")]
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            options.name, revision=options.revision, trust_remote_code=options.trust_remote_code
        )
    except (OSError, ValueError) as problem:
        return [Finding(Level.PROBLEM, "model", f"{options.name} cannot be read: {problem}")]
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    findings = _context(context, longest, recipe) if context else []
    findings += _adapter(recipe, config)
    findings += _tokens(recipe, context, problems)
    return findings


def _context(context: int, longest: int, recipe: Recipe) -> list[Finding]:
    if longest > context:
        text = (
            f"grpo.max_completion_tokens {recipe.grpo.max_completion_tokens} and prompts of "
            f"{recipe.grpo.max_prompt_tokens or 0} tokens are more than the model's context of {context}"
        )
        return [Finding(Level.PROBLEM, "model", text)]
    return [Finding(Level.OK, "model", f"{longest} of the context's {context} tokens are used")]


def _adapter(recipe: Recipe, config: Any) -> list[Finding]:
    """Look for the adapter's modules in the model, built without weights."""
    if recipe.adapter is None or recipe.adapter.targets == "all-linear":
        return []
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    missing = [target for target in recipe.adapter.targets if target.rpartition(".")[2] not in names]
    if missing:
        text = f"adapter.targets: the model has no {', '.join(missing)}; it has {', '.join(sorted(names))}"
        return [Finding(Level.PROBLEM, "adapter", text)]
    return [Finding(Level.OK, "adapter", f"{', '.join(recipe.adapter.targets)} are there")]


def _tokens(recipe: Recipe, context: int | None, problems: list[Problem]) -> list[Finding]:
    """Count the tokens of prompts: a prompt and its completion have to fit the model's context."""
    if not problems:
        return []
    from trainer.data import token_ids
    from trainer.models import load_tokenizer

    assert isinstance(recipe.model, Pretrained)
    try:
        tokenizer = load_tokenizer(recipe, recipe.model.name)
        lengths = [len(token_ids(conversation(p, recipe.prompt), tokenizer)) for p in problems[:TOKEN_CHECK_ROWS]]
    except (OSError, ValueError, TrainerError) as problem:
        return [Finding(Level.PROBLEM, "tokenizer", str(problem))]
    longest = max(lengths)
    text = f"the longest of {len(lengths)} prompts has {longest} tokens"
    kept = min(longest, recipe.grpo.max_prompt_tokens or longest)
    if context and kept + recipe.grpo.max_completion_tokens > context:
        over = f"{text}; with max_completion_tokens {recipe.grpo.max_completion_tokens} that is more than {context}"
        return [Finding(Level.PROBLEM, "tokenizer", over)]
    return [Finding(Level.OK, "tokenizer", text)]


def _verifier(recipe: Recipe, problems: list[Problem]) -> list[Finding]:
    try:
        with VerifierClient(recipe.verifier.model_copy(update={"patience_s": 10.0})) as client:
            info = client.info()
            findings = [Finding(Level.OK, "verifier", f"{client.url} answers")]
            findings += _languages(info, problems)
            if not any(finding.level is Level.PROBLEM for finding in findings):
                findings += _samples(client, problems)
            return findings
    except TrainerError as problem:
        return [Finding(Level.PROBLEM, "verifier", str(problem))]


def _languages(info: dict[str, Any], problems: list[Problem]) -> list[Finding]:
    wanted = {p.submission.get("language", "python") for p in problems if p.submission["kind"] == "code"}
    known = {language["name"]: language for language in info["languages"]}
    has = {name for name, language in known.items() if language["available"]}
    missing = sorted(wanted - has)
    if missing:
        hints = [known[name]["hint"] for name in missing if name in known and known[name].get("hint")]
        text = f"the verifier lacks {', '.join(missing)}; it has {', '.join(sorted(has)) or 'no language'}"
        return [Finding(Level.PROBLEM, "languages", "; ".join([text, *hints]))]
    return [Finding(Level.OK, "languages", ", ".join(sorted(wanted)))] if wanted else []


def _samples(client: VerifierClient, problems: list[Problem]) -> list[Finding]:
    """Have the solutions of a few problems judged: each should be accepted."""
    with_solution = [problem for problem in problems if problem.solution is not None]
    spread = max(1, len(with_solution) // SAMPLE_ROWS)
    chosen = with_solution[::spread][:SAMPLE_ROWS]
    if not chosen:
        return [Finding(Level.SKIPPED, "samples", "no row brings a solution that could be judged")]
    results, _ = client.verify([{**p.submission, "completion": p.solution} for p in chosen])
    return [
        Finding(
            Level.OK if result.verdict is Verdict.ACCEPTED else Level.PROBLEM,
            "samples",
            f"{problem.id}: its own solution is judged {result.verdict}: {result.message or 'no message'}",
        )
        for problem, result in zip(chosen, results, strict=True)
    ]


STYLES = {Level.OK: "green", Level.PROBLEM: "bold red", Level.WARNING: "yellow", Level.SKIPPED: "dim"}
