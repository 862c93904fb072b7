"""What can be known to be wrong with a recipe before a GPU is paid for: seconds, no model weights.

Each finding is a sentence with a remedy. `problem` stops a run or spoils it; `warning` may be meant; `skipped` was not
looked at, and says why.
"""

import importlib.util
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trainer import trl_names
from trainer.arguments import grpo_arguments
from trainer.client import VerifierClient
from trainer.config import Pretrained, Recipe, Tiny
from trainer.data import conversation, load_problems, token_ids
from trainer.errors import RecipeError, TrainerError
from trainer.known_models import config_of
from trainer.models import load_tokenizer, tiny_tokenizer
from trainer.reward import message_of
from trainer.shaping.overlong import Overlong
from trainer.tasks import Problem
from verifier_service.schema import Info, Verdict

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
    findings = [*_batch(recipe, processes), *_method(recipe), *_trl(recipe), *_packages(recipe)]
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
    spans = recipe.batches_per_generation
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


def _method(recipe: Recipe) -> list[Finding]:
    """Look for parts of the recipe that cannot go together."""
    is_quantized = isinstance(recipe.model, Pretrained) and recipe.model.quantization is not None
    if is_quantized and recipe.adapter is None:
        text = "model.quantization: quantized weights cannot be trained themselves; give the recipe an adapter"
        return [Finding(Level.PROBLEM, "model", text)]
    is_sequence = recipe.grpo.importance_level == "sequence"
    if is_sequence and recipe.grpo.loss in ("bnpo", "dr_grpo", "dapo", "cispo"):
        text = f"importance_level sequence is GSPO's, whose loss is grpo; {recipe.grpo.loss} weighs tokens"
        return [Finding(Level.WARNING, "grpo", text)]
    if recipe.grpo.loss == "luspo" and not is_sequence:
        return [Finding(Level.WARNING, "grpo", "luspo is meant for importance_level: sequence")]
    return []


def _trl(recipe: Recipe) -> list[Finding]:
    """Have TRL look at its part of the recipe, as on a machine without a GPU: what it refuses here it refuses there."""
    stale = trl_names.missing_names()
    if stale:
        return [Finding(Level.PROBLEM, "trl", text) for text in stale]
    changes = {"bf16": False, "report_to": []}  # neither a GPU nor a logger has to be here
    if recipe.generation_batch_per_device % recipe.grpo.group_size:
        changes |= {"group_size": 2, "per_device_batch": 2}  # said already, with the number of processes in mind
    without_gpu = recipe.model_copy(update={"grpo": recipe.grpo.model_copy(update=changes), "vllm": None})
    try:
        grpo_arguments(without_gpu, recipe.run_dir, recipe.grpo.steps)
    except RecipeError as problem:
        return [Finding(Level.PROBLEM, "trl", text) for text in problem.problems]
    return [Finding(Level.OK, "trl", "the installed TRL takes every field")]


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
            if recipe.cold_start is not None and not any(problem.shown for problem in problems):
                findings.append(Finding(Level.PROBLEM, "cold_start", "no row of the data has a solution to imitate"))
    if len(loaded) == 2:
        both = {p.id for p in loaded[0]} & {p.id for p in loaded[1]}
        same = {p.question for p in loaded[0] if p.question} & {p.question for p in loaded[1]}
        if both and same:
            text = f"{len(same)} held-out questions are among the training problems too"
            findings.append(Finding(Level.PROBLEM, "evaluation.data", text))
    return (loaded[0] if loaded else []), findings


def _model(recipe: Recipe, offline: bool, problems: list[Problem]) -> list[Finding]:
    """Compare the recipe with the model's sizes, which are the hub's or, offline, those that are known without it."""
    name = recipe.model.name if isinstance(recipe.model, Pretrained) else recipe.model.kind
    try:
        config = _config(recipe, offline)
    except (OSError, ValueError) as problem:
        return [Finding(Level.PROBLEM, "model", f"{name} cannot be read: {problem}")]
    if config is None:
        return [Finding(Level.SKIPPED, "model", f"{name} was not looked at (--offline)")]
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    findings = _adapter(recipe, config)
    if isinstance(recipe.model, Tiny) or (isinstance(recipe.model, Pretrained) and not offline):
        counted = _tokens(recipe, context, problems)
        if counted:
            return [*findings, *counted]
    return [*findings, *(_context(context, recipe) if context else [])]


def _config(recipe: Recipe, offline: bool) -> Any:
    """Return the model's configuration, or None when it can only be had from the hub and that is left out."""
    from transformers import AutoConfig

    options = recipe.model
    if isinstance(options, Pretrained) and not offline:
        return AutoConfig.from_pretrained(
            options.name, revision=options.revision, trust_remote_code=options.trust_remote_code
        )
    try:
        return AutoConfig.for_model(**config_of(recipe))
    except RecipeError:
        return None


def _context(context: int, recipe: Recipe) -> list[Finding]:
    """Compare the context with what the recipe says of lengths, where no prompt's tokens can be counted."""
    completion, prompt = recipe.grpo.max_completion_tokens, recipe.grpo.max_prompt_tokens
    said = f"prompts of up to {prompt} tokens" if prompt else "their prompts"
    if completion + (prompt or 1) > context:
        text = f"grpo.max_completion_tokens {completion} and {said} are more than the model's context of {context}"
        return [Finding(Level.PROBLEM, "model", text)]
    return [Finding(Level.OK, "model", f"completions of {completion} tokens and {said} fit the context of {context}")]


def _adapter(recipe: Recipe, config: Any) -> list[Finding]:
    """Look for the adapter's modules in the model, built without weights."""
    if recipe.adapter is None or recipe.adapter.targets == "all-linear":
        return []
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if any(target.rpartition(".")[2] == "lm_head" for target in recipe.adapter.targets):
        text = "adapter.targets: an adapter on lm_head would not be trained, TRL's loss reads the head's own weights"
        return [Finding(Level.PROBLEM, "adapter", text)]
    missing = [
        target for target in recipe.adapter.targets if not any(f".{name}".endswith(f".{target}") for name in names)
    ]
    if missing:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
        text = f"adapter.targets: the model has no module {', '.join(missing)}; it has {known}"
        return [Finding(Level.PROBLEM, "adapter", text)]
    return [Finding(Level.OK, "adapter", f"{', '.join(recipe.adapter.targets)} are there")]


def _tokens(recipe: Recipe, context: int | None, problems: list[Problem]) -> list[Finding]:
    """Count the tokens of prompts: a prompt and its completion have to fit the model's context."""
    if not problems:
        return []
    try:
        tokenizer = tiny_tokenizer(recipe, problems) if isinstance(recipe.model, Tiny) else _hub_tokenizer(recipe)
        lengths = [len(token_ids(conversation(p, recipe.prompt), tokenizer)) for p in problems[:TOKEN_CHECK_ROWS]]
    except (OSError, ValueError, TrainerError) as problem:
        return [Finding(Level.PROBLEM, "tokenizer", str(problem))]
    longest, completion = max(lengths), recipe.grpo.max_completion_tokens
    kept = min(longest, recipe.grpo.max_prompt_tokens or longest)
    text = f"the longest of {len(lengths)} prompts has {longest} tokens"
    if context and kept + completion > context:
        over = (
            f"{text}; with grpo.max_completion_tokens {completion} that is more than the model's context of {context}"
        )
        return [Finding(Level.PROBLEM, "tokenizer", over)]
    return [Finding(Level.OK, "tokenizer", f"{text}; the context has {context or 'no limit'}")]


def _hub_tokenizer(recipe: Recipe) -> Any:
    assert isinstance(recipe.model, Pretrained), "the other kinds make their own"
    return load_tokenizer(recipe, recipe.model.name)


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


def _languages(info: Info, problems: list[Problem]) -> list[Finding]:
    wanted = {p.submission.get("language", "python").lower() for p in problems if p.submission["kind"] == "code"}
    known = {name: language for language in info.languages for name in (language.name, *language.aliases)}
    missing = sorted(name for name in wanted if name not in known or not known[name].available)
    if missing:
        has = sorted(language.name for language in info.languages if language.available)
        hints = [hint for name in missing if name in known and (hint := known[name].hint)]
        text = f"the verifier lacks {', '.join(missing)}; it has {', '.join(has) or 'no language'}"
        return [Finding(Level.PROBLEM, "languages", "; ".join([text, *hints]))]
    return [Finding(Level.OK, "languages", ", ".join(sorted(wanted)))] if wanted else []


def _samples(client: VerifierClient, problems: list[Problem]) -> list[Finding]:
    """Have a few rows judged with what they say is right: each should be accepted."""
    chosen = _sample_rows([(problem, _right(problem)) for problem in problems])
    if not chosen:
        return [Finding(Level.SKIPPED, "samples", "no row brings a solution that could be judged")]
    results, _ = client.verify([{**problem.submission, "completion": right} for problem, right in chosen])
    return [
        Finding(
            Level.OK if result.verdict is Verdict.ACCEPTED else Level.PROBLEM,
            "samples",
            f"{problem.id}: its own answer is judged {result.verdict}: {message_of(result) or 'no message'}",
        )
        for (problem, _), result in zip(chosen, results, strict=True)
    ]


def _right(problem: Problem) -> str | None:
    """Return a completion that should be accepted: the row's solution or, in mathematics, its reference answer."""
    if problem.solution is not None or problem.submission["kind"] != "math":
        return problem.solution
    reference = problem.submission.get("reference")
    return f"\\boxed{{{reference}}}" if isinstance(reference, str) and "\\boxed" not in reference else reference


def _sample_rows(rows: list[tuple[Problem, str | None]]) -> list[tuple[Problem, str]]:
    """Choose rows from all over the data, of every task where there are several."""
    by_task: dict[str, list[tuple[Problem, str]]] = {}
    for problem, right in rows:
        if right is not None:
            by_task.setdefault(problem.task, []).append((problem, right))
    each = max(1, SAMPLE_ROWS // max(len(by_task), 1))
    return [row for found in by_task.values() for row in found[:: max(1, len(found) // each)][:each]]


STYLES = {Level.OK: "green", Level.PROBLEM: "bold red", Level.WARNING: "yellow", Level.SKIPPED: "dim"}
