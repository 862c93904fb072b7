"""The page of the fields of a recipe: recipe-fields.md."""

import typing
from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from manual.reference.markdown import join, table
from manual.reference.sections import Section, titles_of, written
from trainer.config import (
    Adapter,
    AsyncGrpo,
    ColdStart,
    Compare,
    Control,
    DpoOptions,
    DynamicSampling,
    Evaluation,
    Grpo,
    Interpreter,
    OfflineOptions,
    PpoOptions,
    Pretrained,
    Prompt,
    Recipe,
    Repair,
    Smollm2,
    Tiny,
    VerifierOptions,
    Vllm,
)
from trainer.data.tasks import AnyTask
from trainer.data.tasks.source import DatasetSource, Measuring, Source
from trainer.rewards.components import AnyComponent
from trainer.rewards.components.judged import ComponentOptions
from verifier_service.schema.described import Described
from verifier_service.schema.patterns import PATTERN_WORDS

UNITS = {
    "accuracy_tolerance": "",
    "adam_beta2": "",
    "alpha": "",
    "Adapter.rank": "",
    "batch": "completions",
    "ColdStart.batch": "solutions",
    "OfflineOptions.batch": "rows",
    "DpoOptions.batch": "rows",
    "beta": "",
    "buffer_tokens": "tokens",
    "check_every_steps": "steps",
    "check_rows": "problems",
    "chunk": "submissions",
    "completions": "completions",
    "concurrency": "requests",
    "critic_learning_rate": "",
    "digits": "digits",
    "dropout": "",
    "epochs": "passes",
    "epsilon": "",
    "epsilon_high": "",
    "estimated_share": "",
    "every_steps": "steps",
    "free_tokens": "tokens",
    "full_tokens": "tokens",
    "gamma": "",
    "gradient_accumulation_steps": "forward passes",
    "heads": "heads",
    "k": "",
    "lam": "",
    "layers": "layers",
    "learning_rate": "",
    "limit": "rows",
    "logging_steps": "steps",
    "max_calls": "calls",
    "max_completion_length": "tokens",
    "max_grad_norm": "",
    "max_inflight_tasks": "completions",
    "max_prompt_tokens": "tokens",
    "max_rounds": "generations",
    "max_staleness": "steps",
    "max_steps": "steps",
    "max_tokens": "tokens",
    "max_turns": "answers",
    "min_p": "",
    "minibatch": "completions",
    "ngram": "words",
    "num_generations": "completions",
    "num_iterations": "times",
    "over_chars": "characters",
    "pass_rate": "",
    "penalty": "",
    "per_device_batch": "solutions",
    "per_device_train_batch_size": "completions",
    "points": "times",
    "queue_maxsize": "completions",
    "repeated_share": "",
    "repetition_penalty": "",
    "request_timeout": "seconds",
    "samples": "completions",
    "save_steps": "steps",
    "save_total_limit": "checkpoints",
    "seed": "",
    "seeds": "",
    "steps": "steps",
    "steps_per_generation": "forward passes",
    "temperature": "",
    "time_limit_s": "CPU seconds",
    "token_budget": "tokens",
    "top_k": "tokens",
    "top_p": "",
    "unfinished_share": "",
    "until_accuracy": "",
    "value_clip": "",
    "value_weight": "",
    "vllm_gpu_memory_utilization": "",
    "vllm_group_port": "",
    "vllm_max_model_length": "tokens",
    "vllm_server_timeout": "seconds",
    "vllm_tensor_parallel_size": "GPUs",
    "wall_limit_s": "seconds on the clock",
    "warmup_steps": "steps",
    "weight": "",
    "weight_decay": "",
    "weight_sync_steps": "steps",
    "weight_sync_timeout": "seconds",
    "width": "",
}
"""Units of numbers whose names do not end with one; "" is a plain number."""


def _kind(model: type[BaseModel], base: type[BaseModel], every: str, one: str) -> Section:
    """Return the section of one kind of source or component: its own fields, and a link to those of its base."""
    kind = str(model.model_fields["kind"].default)
    more = f"It has the fields of [{every}](#{every.replace(' ', '-')}), and these."
    text = f"{(model.__doc__ or '').strip()}\n\n{more}"
    title = f"{one} {kind}"
    return Section(title, model, f"`{kind}`", f"`{kind}`", level=3, without=tuple(base.model_fields), text=text)


def _source(model: type[BaseModel]) -> Section:
    base, every = (DatasetSource, "every data set") if issubclass(model, DatasetSource) else (Source, "every source")
    return _kind(model, base, every, "Source")


def _component(model: type[BaseModel]) -> Section:
    return _kind(model, ComponentOptions, "every component", "Component")


def _kinds(models: Iterable[type[BaseModel]], one: str) -> str:
    kinds = [str(model.model_fields["kind"].default) for model in models]
    return ", ".join(f"[`{kind}`](#{one}-{kind})" for kind in kinds)


def _part(title: str, model: type[BaseModel], level: int = 2, **options: object) -> Section:
    name = title if any(letter.isupper() for letter in title[1:]) else title.lower()
    return Section(title, model, name, name, level=level, **options)  # pyright: ignore[reportArgumentType]


TASKS: tuple[type[BaseModel], ...] = typing.get_args(typing.get_args(AnyTask)[0])
COMPONENTS: tuple[type[BaseModel], ...] = typing.get_args(typing.get_args(AnyComponent)[0])
SECTIONS: Sequence[Section] = (
    _part("The recipe", Recipe),
    _part("Verifier", VerifierOptions),
    _part("Pretrained model", Pretrained),
    _part("Tiny model", Tiny),
    _part("Model smollm2", Smollm2),
    _part("Adapter", Adapter),
    _part("Prompt", Prompt),
    _part("Every source", Source, text=f"{Source.__doc__} Each source has one of the kinds {_kinds(TASKS, 'source')}."),
    _part(
        "Every data set",
        DatasetSource,
        without=tuple(Source.model_fields),
        text=f"{DatasetSource.__doc__}\n\nIt has the fields of [every source](#every-source), and these.",
    ),
    *map(_source, TASKS),
    _part("Measuring", Measuring, level=3),
    _part("Cold start", ColdStart),
    _part(
        "Every component",
        ComponentOptions,
        text="The options of every component of a reward. "
        f"Each component has one of the kinds {_kinds(COMPONENTS, 'component')}.",
    ),
    *map(_component, COMPONENTS),
    _part("GRPO", Grpo),
    _part("Dynamic sampling", DynamicSampling),
    _part("vLLM", Vllm),
    _part("AsyncGRPO", AsyncGrpo),
    _part("Repair", Repair),
    _part("Interpreter", Interpreter),
    _part(
        "Evaluation",
        Evaluation,
        without=tuple(Measuring.model_fields.keys() - {"greedy", "samples"}),
        text=f"{Evaluation.__doc__}\n\nIt has the fields of [measuring](#measuring), and these.",
    ),
    _part("Control", Control),
    _part("Compare", Compare),
    _part("Rejection sampling", OfflineOptions, level=3),
    _part("DPO", DpoOptions, level=3),
    _part("PPO", PpoOptions, level=3),
)
HEAD = """# Fields of a recipe

Every field of a recipe, with its unit, its default and what is allowed. You need this page when you write or change a
recipe; [Recipes](recipes.md) says how recipes are made, and [The trainer](trainer.md) what it does with them.

A dash stands for null, or for an empty string, list or object. The trainer refuses fields that are not here, and names
the nearest one. Change a field for one run with `--set grpo.max_steps=10`. This page is generated from the code.
"""


def _fields(described: Iterable[Described]) -> str:
    rows = ((f"`{one.name}`", one.quantity, one.default, one.allowed, one.meaning) for one in described)
    return table(("field", "type", "default", "allowed", "meaning"), rows)


def fields() -> str:
    """Return recipe-fields.md."""
    sources = dict.fromkeys(TASKS, ("[source](#every-source)", "[sources](#every-source)"))
    components = dict.fromkeys(COMPONENTS, ("[component](#every-component)", "[components](#every-component)"))
    titles = titles_of(SECTIONS, PATTERN_WORDS, {**sources, **components})
    return join(HEAD, *(written(section, titles, UNITS, _fields) for section in SECTIONS))
