"""Find the mistakes in a recipe that can be found before renting a GPU: in seconds, without model weights.

Each finding is a sentence with a remedy. A `problem` stops or spoils a run, a `warning` might be intended, and
`skipped` says what was not checked and why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from trainer.client import client_of
from trainer.config import TRL_FIELDS, Pretrained, Recipe, Tiny
from trainer.data.load import conversation, load_problems, rendered, repeated, token_ids
from trainer.data.tasks import Problem
from trainer.errors import STOPS, RecipeError
from trainer.memory.known_models import config_of
from trainer.models import attention_note, load_tokenizer, tiny_tokenizer
from trainer.requirements import first_line, missing_packages
from trainer.rewards.components.overlong import Overlong
from trainer.rewards.reward import message_of
from trainer.scoring.audit import audit, own_answer
from trainer.trl import asynchronous
from trainer.trl import names as trl_names
from trainer.trl.arguments import grpo_arguments
from verifier_service.client import VerifierClient
from verifier_service.schema import Info, Verdict
from verifier_service.schema.base import counted

SAMPLE_ROWS = 3
TOKEN_CHECK_ROWS = 200
TEMPLATE_LETTERS = 60  # more letters than role names have: the template adds a system message


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    PROBLEM = "problem"
    WARNING = "warning"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    level: Level
    what: str
    text: str


def check(recipe: Recipe, offline: bool, processes: int = 1) -> list[Finding]:
    """Check a recipe.

    Args:
        recipe: The recipe.
        offline: Skip the checks that need the verifier or a model hub.
        processes: The number of training processes, one for each GPU.
    """
    findings = [*_batch(recipe, processes), *_method(recipe), *_sampling(recipe), *_trl(recipe), *_packages(recipe)]
    problems, data_findings = _data(recipe, offline)
    findings += data_findings
    findings += _turns(recipe, problems, processes)
    findings += _asynchronous(recipe)
    findings += _model(recipe, offline, problems)
    if offline:
        findings.append(Finding(Level.SKIPPED, "verifier", "not contacted (--offline)"))
    else:
        findings += _verifier(recipe, problems)
    return findings


def audit_answers(recipe: Recipe, progress: Callable[[int, int], None]) -> list[Finding]:
    """Judge every answer that the data itself contains.

    Returns:
        One finding for each answer that is not accepted, and one with the counts.
    """
    try:
        problems = load_problems(recipe.data, recipe.seed)
        with client_of(recipe.verifier) as client:
            client.info()
            done = audit(client, problems, progress)
    except STOPS as problem:
        return [Finding(Level.PROBLEM, "audit", str(problem))]
    findings = [
        Finding(level, "audit", f"{problem.id}: its own answer is judged {result.verdict}: {message_of(result)}")
        for level, found in ((Level.PROBLEM, done.refused), (Level.WARNING, done.unjudged))
        for problem, result in found
    ]
    said = f"{done.accepted} of the data's own answers are accepted, {len(done.refused)} are not"
    counts = {"could not be judged": len(done.unjudged), "problems have none": done.without_answer}
    rest = "".join(f", {count} {what}" for what, count in counts.items() if count)
    return [*findings, Finding(Level.PROBLEM if done.refused else Level.OK, "audit", said + rest)]


def _batch(recipe: Recipe, processes: int) -> list[Finding]:
    grpo = recipe.grpo
    batch = recipe.generation_batch_per_device * processes
    said = f"{batch} completions are generated at once ({processes} process{'es' if processes > 1 else ''})"
    if batch % grpo.num_generations:
        nearest = max(grpo.num_generations, round(batch / grpo.num_generations) * grpo.num_generations)
        return [
            Finding(
                Level.PROBLEM,
                "batch",
                f"num_generations {grpo.num_generations} does not divide the generation batch: {said}; make "
                f"per_device_train_batch_size x steps_per_generation x processes a multiple of it, such as {nearest}",
            )
        ]
    findings = [Finding(Level.OK, "batch", f"{said}: {batch // grpo.num_generations} groups of {grpo.num_generations}")]
    spans = recipe.batches_per_generation
    for name, steps in (
        ("save_steps", grpo.save_steps),
        ("evaluation.every_steps", recipe.evaluation.every_steps or 0),  # a run also saves here if the verifier is down
    ):
        if steps * grpo.gradient_accumulation_steps % spans:
            text = (
                f"{name} {steps} falls inside a generation batch, which lasts "
                f"{spans / grpo.gradient_accumulation_steps:g} steps: a resumed run would skip prompts; use a multiple"
            )
            findings.append(Finding(Level.PROBLEM, "batch", text))
    for part in recipe.reward:
        if isinstance(part, Overlong) and part.buffer_tokens > grpo.max_completion_length:
            text = f"overlong: buffer_tokens {part.buffer_tokens} is above max_completion_length"
            findings.append(Finding(Level.PROBLEM, "reward", f"{text} {grpo.max_completion_length}"))
    return findings


def _method(recipe: Recipe) -> list[Finding]:
    """Look for parts of the recipe that conflict."""
    return [*_truncated(recipe), *_losses(recipe)]


def _truncated(recipe: Recipe) -> list[Finding]:
    """Look for a penalty on truncated completions in a recipe that masks them."""
    if not (recipe.grpo.mask_truncated_completions and any(isinstance(part, Overlong) for part in recipe.reward)):
        return []
    text = (
        "reward overlong and grpo.mask_truncated_completions both handle truncated completions: these get the full "
        "penalty but are masked, so it only shifts the rest of the group; choose one (DAPO's released recipe uses "
        "overlong)"
    )
    return [Finding(Level.WARNING, "reward", text)]


def _losses(recipe: Recipe) -> list[Finding]:
    is_quantized = isinstance(recipe.model, Pretrained) and recipe.model.quantization is not None
    if is_quantized and recipe.adapter is None:
        text = "model.quantization: quantized weights cannot be trained; add an adapter to the recipe"
        return [Finding(Level.PROBLEM, "model", text)]
    is_sequence = recipe.grpo.importance_sampling_level == "sequence"
    if is_sequence and recipe.grpo.loss_type in ("bnpo", "dr_grpo", "dapo", "cispo"):
        text = (
            f"importance_sampling_level sequence is GSPO's and goes with loss_type grpo; {recipe.grpo.loss_type} "
            "weights single tokens"
        )
        return [Finding(Level.WARNING, "grpo", text)]
    if recipe.grpo.loss_type == "luspo" and not is_sequence:
        return [Finding(Level.WARNING, "grpo", "luspo is meant for importance_sampling_level: sequence")]
    return []


def _asynchronous(recipe: Recipe) -> list[Finding]:
    if recipe.async_grpo is None:
        return []
    return [Finding(Level.PROBLEM, "async_grpo", text) for text in asynchronous.refused(recipe)]


def _sampling(recipe: Recipe) -> list[Finding]:
    """Look for sampling and clipping settings that TRL accepts but that probably have an unintended effect."""
    grpo, vllm = recipe.grpo, recipe.vllm
    findings = []
    if grpo.bf16 and grpo.trl.get("fp16"):
        findings.append(Finding(Level.PROBLEM, "grpo", "bf16 and trl.fp16 are both on; choose one"))
    if grpo.loss_type == "cispo" and grpo.epsilon_high is None:
        text = f"cispo caps its weights at epsilon_high, which defaults to epsilon {grpo.epsilon}; TRL recommends 5.0"
        findings.append(Finding(Level.WARNING, "grpo", text))
    if vllm is None:
        return findings
    length = vllm.vllm_max_model_length
    if vllm.vllm_mode == "colocate" and length is not None and length <= grpo.max_completion_length:
        text = f"vllm_max_model_length {length} leaves no room for a prompt besides max_completion_length"
        findings.append(Finding(Level.PROBLEM, "vllm", f"{text} {grpo.max_completion_length}"))
    for label, own in {source.label: recipe.evaluation.of(source) for source in recipe.evaluation.data}.items():
        if length is not None and (own.max_completion_length or 0) >= length:
            text = (
                f"vllm_max_model_length {length} leaves no room for a prompt besides evaluation's max_completion_length"
            )
            findings.append(Finding(Level.PROBLEM, "vllm", f"{text} {own.max_completion_length} ({label})"))
    if grpo.loss_type == "vespo" and vllm.vllm_importance_sampling_mode not in ("token_truncate", "token_mask"):
        text = "vespo with vLLM needs vllm_importance_sampling_mode token_truncate or token_mask, not"
        findings.append(Finding(Level.PROBLEM, "vllm", f"{text} {vllm.vllm_importance_sampling_mode}"))
    neutral = {"top_p": (1.0,), "top_k": (0, -1), "min_p": (None, 0.0)}
    cut = [f"{name} {getattr(grpo, name)}" for name, values in neutral.items() if getattr(grpo, name) not in values]
    if cut:
        text = f"{', '.join(cut)}: vLLM's log-probabilities cover the tokens that remain, the policy's cover all tokens"
        findings.append(Finding(Level.WARNING, "vllm", f"{text}, which biases the importance ratio"))
    if isinstance(recipe.model, Pretrained) and recipe.model.quantization is not None:
        text = "vLLM gets the adapter merged into quantized weights; rounding makes it sample from a different policy"
        findings.append(Finding(Level.WARNING, "vllm", text))
    return findings


def _trl(recipe: Recipe) -> list[Finding]:
    """Let TRL validate its part of the recipe as if there were no GPU: anything it refuses here, it refuses there."""
    stale = trl_names.missing_names(TRL_FIELDS)
    if stale:
        return [Finding(Level.PROBLEM, "trl", text) for text in stale]
    changes = {"bf16": False, "report_to": []}  # this machine needs neither a GPU nor the loggers
    if recipe.generation_batch_per_device % recipe.grpo.num_generations:
        # `_batch` has reported it already, taking the number of processes into account.
        changes |= {"num_generations": 2, "per_device_train_batch_size": 2}
    without_gpu = recipe.model_copy(update={"grpo": recipe.grpo.model_copy(update=changes)})
    try:
        grpo_arguments(without_gpu, recipe.run_dir, recipe.grpo.max_steps)
    except RecipeError as problem:
        return [Finding(Level.PROBLEM, "trl", text) for text in problem.problems]
    return [Finding(Level.OK, "trl", "the installed TRL accepts every field")]


def _packages(recipe: Recipe) -> list[Finding]:
    """Warn about packages that the recipe needs and this machine lacks. The recipe might run on another one."""
    note = attention_note(recipe)
    findings = [Finding(Level.WARNING, "model", note)] if note else []
    return findings + [Finding(Level.WARNING, "packages", text) for text in missing_packages(recipe)]


def _turns(recipe: Recipe, problems: list[Problem], processes: int) -> list[Finding]:
    """Look for ways to exploit turns without solving problems, and for combinations that TRL cannot run in turns."""
    findings, repair, tool = [], recipe.repair, recipe.interpreter
    if repair is not None and repair.show == "expected":
        told = repair.max_turns - 1
        few = sum(0 < _tests_of(problem) <= told for problem in problems)
        text = f"show expected reveals the expected output of {told} failed tests in a completion, which can be printed"
        if few:
            text += f"; {few} of {len(problems)} problems have no further test; use show input"
        findings.append(Finding(Level.PROBLEM if few else Level.WARNING, "repair", text))
    vllm = recipe.vllm if tool is not None and processes > 1 else None
    if vllm is not None and (vllm.vllm_mode == "server" or vllm.vllm_tensor_parallel_size > 1):
        text = "processes take different numbers of turns, but vllm_mode server and vllm_tensor_parallel_size above 1 "
        text += "make them generate together: use colocate with vllm_tensor_parallel_size 1, or one process"
        findings.append(Finding(Level.PROBLEM, "interpreter", text))
    part = repair or tool
    if part is not None and not findings:
        bounds = ", ".join(f"{name} {value}" for name, value in part.model_dump().items())
        findings.append(Finding(Level.OK, "repair" if repair else "interpreter", bounds))
    return findings


def _tests_of(problem: Problem) -> int:
    """Return a problem's number of tests: 1 for math, the cases for code; 0 if they cannot be counted here."""
    tests = problem.submission.get("tests")
    if not isinstance(tests, dict):
        return 1
    cases = tests.get("cases")
    return len(cases) if isinstance(cases, list) else 0


def _data(recipe: Recipe, offline: bool) -> tuple[list[Problem], list[Finding]]:
    findings, loaded = [], []
    for where, sources in (("data", recipe.data), ("evaluation.data", recipe.evaluation.data)):
        remote = [source for source in sources if source.needs_hub]
        if offline and remote:
            names = ", ".join(str(getattr(source, "dataset", source.kind)) for source in remote)
            findings.append(Finding(Level.SKIPPED, where, f"not read (--offline): {names}"))
            continue
        if not sources:
            text = "no held-out problems: the run cannot show whether it learned anything"
            findings.append(Finding(Level.WARNING, where, text))
            continue
        try:
            problems = load_problems(sources, recipe.seed)
        except STOPS as problem:
            findings.append(Finding(Level.PROBLEM, where, str(problem)))
            continue
        findings.append(Finding(Level.OK, where, counted(len(problems), "problem")))
        loaded.append(problems)
        if where == "data":
            groups = recipe.generation_batch_per_device // recipe.grpo.num_generations
            if len(problems) < groups:
                text = f"{counted(len(problems), 'problem')} cannot fill a batch: one generation batch needs {groups}"
                findings.append(Finding(Level.PROBLEM, where, text))
            if recipe.cold_start is not None and not any(problem.shown for problem in problems):
                findings.append(
                    Finding(
                        Level.PROBLEM, "cold_start", "no row of the data has a solution to imitate; remove cold_start"
                    )
                )
    if len(loaded) == 2 and (same := repeated(*loaded)):
        text = f"the training data has {counted(len(same), 'held-out question')} too, such as {same[0]!r:.120}"
        findings.append(Finding(Level.PROBLEM, "evaluation.data", text))
    return (loaded[0] if loaded else []), findings


def _model(recipe: Recipe, offline: bool, problems: list[Problem]) -> list[Finding]:
    """Compare the recipe with the model's sizes, read from the hub or, offline, from `known_models`."""
    name = recipe.model.name if isinstance(recipe.model, Pretrained) else recipe.model.kind
    try:
        config = _config(recipe, offline)
    except (OSError, ValueError) as problem:
        return [Finding(Level.PROBLEM, "model", f"{name} cannot be read: {first_line(problem)}")]
    if config is None:
        return [Finding(Level.SKIPPED, "model", f"{name} was not checked (--offline)")]
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    findings = _adapter(recipe, config)
    if isinstance(recipe.model, Tiny) or (isinstance(recipe.model, Pretrained) and not offline):
        counted = _tokens(recipe, context, problems)
        if counted:
            return [*findings, *counted]
    return [*findings, *(_context(context, recipe) if context else [])]


def _config(recipe: Recipe, offline: bool) -> Any:
    """Return the model's configuration, or None if only the hub has it and `offline` is set."""
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
    """Compare the model's context with the recipe's lengths; for models whose prompts cannot be tokenized here."""
    completion, prompt = recipe.grpo.max_completion_length, recipe.grpo.max_prompt_tokens
    said = f"prompts of up to {prompt} tokens" if prompt else "their prompts"
    if completion + (prompt or 1) > context:
        text = f"grpo.max_completion_length {completion} and {said} exceed the model's context of {context} tokens"
        return [Finding(Level.PROBLEM, "model", text)]
    text = f"completions of {completion} tokens and {said} fit into the context of {context} tokens"
    return [Finding(Level.OK, "model", text)]


def _adapter(recipe: Recipe, config: Any) -> list[Finding]:
    """Look up the adapter's target modules in the model, which is built without weights."""
    if recipe.adapter is None or recipe.adapter.targets == "all-linear":
        return []
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if any(target.rpartition(".")[2] == "lm_head" for target in recipe.adapter.targets):
        text = "adapter.targets: an adapter on lm_head would not be trained: TRL's loss reads the head's base weights"
        return [Finding(Level.PROBLEM, "adapter", text)]
    missing = [
        target for target in recipe.adapter.targets if not any(f".{name}".endswith(f".{target}") for name in names)
    ]
    if missing:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
        text = f"adapter.targets: the model has no module {', '.join(missing)}; it has {known}"
        return [Finding(Level.PROBLEM, "adapter", text)]
    return [Finding(Level.OK, "adapter", f"the model has {', '.join(recipe.adapter.targets)}")]


def _tokens(recipe: Recipe, context: int | None, problems: list[Problem]) -> list[Finding]:
    """Count the tokens of prompts: a prompt and its completion must fit into the model's context."""
    if not problems:
        return []
    arguments = recipe.prompt.chat_template_kwargs
    try:
        tokenizer = tiny_tokenizer(recipe, problems) if isinstance(recipe.model, Tiny) else _hub_tokenizer(recipe)
        prompts = [conversation(problem, recipe.prompt) for problem in problems[:TOKEN_CHECK_ROWS]]
        lengths = [len(token_ids(prompt, tokenizer, arguments)) for prompt in prompts]
        findings = _template(recipe, tokenizer)
        findings.append(
            Finding(Level.OK, "prompt", f"the first prompt is {rendered(prompts[0], tokenizer, arguments)!r}")
        )
    except (OSError, ValueError, ImportError, TemplateError, *STOPS) as problem:
        return [Finding(Level.PROBLEM, "tokenizer", first_line(problem))]
    longest, completion = max(lengths), recipe.grpo.max_completion_length
    kept = min(longest, recipe.grpo.max_prompt_tokens or longest)
    text = f"the longest of {counted(len(lengths), 'prompt')} has {counted(longest, 'token')}"
    if context and kept + completion > context:
        over = (
            f"{text}; with grpo.max_completion_length {completion} that exceeds the model's context of {context} tokens"
        )
        return [*findings, Finding(Level.PROBLEM, "tokenizer", over)]
    limit = f"{context} tokens" if context else "no known limit"
    return [*findings, Finding(Level.OK, "tokenizer", f"{text}; the context has {limit}")]


def _template(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> list[Finding]:
    """Check what the model's chat template adds by itself, and how it ends an answer."""
    if not recipe.prompt.chat:
        return []
    arguments = recipe.prompt.chat_template_kwargs
    asked = {"role": "user", "content": "QUESTION"}
    own = rendered([asked], tokenizer, arguments).partition("QUESTION")[0]
    findings = []
    if recipe.prompt.system is None and sum(letter.isalpha() for letter in own) > TEMPLATE_LETTERS:
        text = f"prompt.system is not set, so the model's template adds its own text before each question: {own!r}"
        findings.append(Finding(Level.WARNING, "prompt", text))
    turn = [asked, {"role": "assistant", "content": "ANSWER"}]
    text = str(tokenizer.apply_chat_template(turn, **{"tokenize": False, **arguments}))
    end = text.partition("ANSWER")[2].strip()
    if end and str(tokenizer.eos_token) not in end:
        text = f"the template ends an answer with {end!r}, but generation stops at {tokenizer.eos_token!r}"
        findings.append(Finding(Level.WARNING, "tokenizer", f"{text}; set model.eos_token to the template's end token"))
    return findings


def _hub_tokenizer(recipe: Recipe) -> Any:
    assert isinstance(recipe.model, Pretrained), "the other kinds build their own tokenizer"
    return load_tokenizer(recipe, recipe.model.name)


def _verifier(recipe: Recipe, problems: list[Problem]) -> list[Finding]:
    try:
        with client_of(recipe.verifier.model_copy(update={"patience_s": 30.0})) as client:
            info = client.info()
            findings = [Finding(Level.OK, "verifier", f"{client.url} answers")]
            findings += _languages(info, problems)
            if not any(finding.level is Level.PROBLEM for finding in findings):
                findings += _samples(client, problems)
            return findings
    except STOPS as problem:
        return [Finding(Level.PROBLEM, "verifier", str(problem))]


def _languages(info: Info, problems: list[Problem]) -> list[Finding]:
    wanted = {p.submission.get("language", "python").lower() for p in problems if p.submission["kind"] == "code"}
    known = {name: language for language in info.languages for name in (language.name, *language.aliases)}
    missing = sorted(name for name in wanted if name not in known or not known[name].available)
    if missing:
        has = sorted(language.name for language in info.languages if language.available)
        hints = [hint for name in missing if name in known and (hint := known[name].hint)]
        text = f"the verifier does not have {', '.join(missing)}; it has {', '.join(has) or 'no language'}"
        return [Finding(Level.PROBLEM, "languages", "; ".join([text, *hints]))]
    return [Finding(Level.OK, "languages", ", ".join(sorted(wanted)))] if wanted else []


def _samples(client: VerifierClient, problems: list[Problem]) -> list[Finding]:
    """Judge the own answers of a few rows: each should be accepted."""
    chosen = _sample_rows([(problem, own_answer(problem)) for problem in problems])
    if not chosen:
        return [Finding(Level.SKIPPED, "samples", "no row contains an answer that could be judged")]
    results = client.verify([{**problem.submission, "completion": right} for problem, right in chosen])
    return [
        Finding(
            Level.OK if result.verdict is Verdict.ACCEPTED else Level.PROBLEM,
            "samples",
            f"{problem.id}: its own answer is judged {result.verdict}: {message_of(result) or 'no message'}",
        )
        for (problem, _), result in zip(chosen, results, strict=True)
    ]


def _sample_rows(rows: list[tuple[Problem, str | None]]) -> list[tuple[Problem, str]]:
    """Choose rows evenly from the whole data, and from each task."""
    by_task: dict[str, list[tuple[Problem, str]]] = {}
    for problem, right in rows:
        if right is not None:
            by_task.setdefault(problem.task, []).append((problem, right))
    each = max(1, SAMPLE_ROWS // max(len(by_task), 1))
    return [row for found in by_task.values() for row in found[:: max(1, len(found) // each)][:each]]


STYLES = {Level.OK: "green", Level.PROBLEM: "bold red", Level.WARNING: "yellow", Level.SKIPPED: "dim"}
