"""The page of the command lines: commands.md, from the functions behind them."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType

import typer
from typer.models import ArgumentInfo, OptionInfo

from manual.reference.markdown import anchor, join, prose, table
from trainer.cli import app as trainer_app
from verifier_service.api.server import PORT_TAKEN
from verifier_service.cli import cli as verifier_app
from verifier_service.schema.described import shown_default

HEAD = """# Command lines

Every command of `grpo-verifier` (the service) and `grpo-trainer` (the trainer), with its arguments, options, defaults
and an example. You need this page when you write scripts; `--help` after a command says the same.

`python -m verifier_service` and `python -m trainer` are the same programs. This page is generated from the code.
"""
TYPES = {str: "string", int: "integer", float: "number", Path: "path", bool: "flag"}
VERIFIER_DOWN, STOPPED = 75, 130
"""How `grpo-trainer train` ends; `trainer.train.Exit` has them, and importing that loads PyTorch."""


@dataclass(frozen=True)
class Program:
    """One command line: the names and the exit codes that all of its commands share, and its environment."""

    name: str
    app: typer.Typer
    exits: Mapping[str, str]
    environment: Mapping[str, str]
    more: str = ""


PROGRAMS = (
    Program(
        "grpo-verifier",
        verifier_app,
        {
            "0": "success",
            "1": "the command failed, and says why on stderr; for `doctor`: a guarantee does not hold; for `audit`: "
            "rows could not be judged",
            "2": "an argument, an option or a setting is not allowed",
            str(PORT_TAKEN): "`serve`: the port is taken",
        },
        {},
        more="Every command reads the service's settings from the environment: [Settings](settings.md) lists them.",
    ),
    Program(
        "grpo-trainer",
        trainer_app,
        {
            "0": "success",
            "1": "the command failed, and says why; for `check` and `smoke`: there is a problem",
            "2": "an argument or an option is not allowed",
            str(VERIFIER_DOWN): "`train`: the verifier is away; the run is saved, go on with `--resume`",
            str(STOPPED): "`train`: SIGINT or SIGTERM stopped the run; it is saved, go on with `--resume`",
        },
        {
            "VERIFIER_URL": "address of the verifier; overrides the recipe",
            "VERIFIER_API_KEY": "key for the verifier",
            "HF_TOKEN": "token for the Hugging Face hub, for private models and for `push`",
            "HF_HOME": "folder of models and data sets from the hub",
            "HF_HUB_OFFLINE": "`1` uses only what is in that folder",
            "CUDA_VISIBLE_DEVICES": "GPUs to use; one process without it uses the first",
            "TRANSFORMERS_VERBOSITY": "`info` shows the log of transformers and TRL",
        },
    ),
)
NEEDS_TRAINING = "parsed only: needs a training run"
EXAMPLES: Mapping[str, tuple[str, str]] = {
    "grpo-verifier serve": ("parsed only: needs the port 8000", "grpo-verifier serve --port 8000"),
    "grpo-verifier verify": (
        "",
        'echo \'{"kind": "math", "completion": "#### 4", "reference": "4"}\' | grpo-verifier verify -',
    ),
    "grpo-verifier run": ("", """echo '{"source": "print(6 * 7)"}' | grpo-verifier run -"""),
    "grpo-verifier doctor": ("", "grpo-verifier doctor"),
    "grpo-verifier openapi": ("", "grpo-verifier openapi > openapi.json"),
    "grpo-verifier bench": ("parsed only: needs a quiet machine", "grpo-verifier bench --count 256"),
    "grpo-verifier audit": (
        "parsed only: needs the data set from the hub",
        "grpo-verifier audit openai/gsm8k --split test --limit 100",
    ),
    "grpo-verifier sandboxes": ("parsed only: needs minutes to build images", "grpo-verifier sandboxes python cpp"),
    "grpo-verifier settings": ("", "grpo-verifier settings"),
    "grpo-verifier keys add": ("", "grpo-verifier keys add trainer --file keys.jsonl"),
    "grpo-verifier keys list": ("", "grpo-verifier keys list --file keys.jsonl"),
    "grpo-verifier keys revoke": ("", "grpo-verifier keys revoke trainer --file keys.jsonl"),
    "grpo-trainer recipes": ("", "grpo-trainer recipes"),
    "grpo-trainer train": ("parsed only: needs minutes to train", "grpo-trainer train demo --set grpo.max_steps=40"),
    "grpo-trainer evaluate": (
        "parsed only: needs a trained model",
        "grpo-trainer evaluate demo --model runs/demo/final --samples 8",
    ),
    "grpo-trainer smoke": ("parsed only: needs minutes to train", "grpo-trainer smoke demo --tiny"),
    "grpo-trainer report": (NEEDS_TRAINING, "grpo-trainer report runs/demo"),
    "grpo-trainer check": ("", "grpo-trainer check demo --offline"),
    "grpo-trainer merge": (NEEDS_TRAINING, "grpo-trainer merge math-qwen2.5-1.5b-lora --output merged"),
    "grpo-trainer push": (NEEDS_TRAINING, "grpo-trainer push math-qwen2.5-1.5b-lora --to my-team/math-1.5b"),
    "grpo-trainer score": ("parsed only: needs minutes to sample", "grpo-trainer score demo --samples 8 --limit 50"),
    "grpo-trainer rejudge": (NEEDS_TRAINING, "grpo-trainer rejudge runs/demo --failed"),
    "grpo-trainer compare": ("parsed only: needs minutes to train", "grpo-trainer compare demo --methods grpo,dpo"),
    "grpo-trainer plan-memory": (
        "parsed only: needs the model's config.json",
        "grpo-trainer plan-memory math-qwen2.5-7b-full --card-gib 80 --devices 8 --sharding zero3",
    ),
}
"""An example of each command, with the comment that says how it is tested."""


@dataclass(frozen=True)
class Command:
    """One command: its name with those of the commands above it, and the function behind it."""

    name: str
    function: Callable[..., object]

    def parameters(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield name, type, default, what is allowed, and meaning of each argument and option."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        for name, parameter in inspect.signature(self.function).parameters.items():
            kind, info = _annotated(hints[name])
            is_flag = kind is bool
            yield (
                _spelt(name, info, is_flag),
                _type(kind, info),
                f"`{info.envvar}`" if info.envvar else _default(parameter.default, is_flag),
                _range(info),
                info.help or "",
            )


def commands(program: Program) -> list[Command]:
    """Return every command of a program, those of its groups under the name of the group."""
    return [Command(f"{program.name} {name}", function) for name, function in _of(program.app)]


def _of(app: typer.Typer) -> Iterator[tuple[str, Callable[..., object]]]:
    for one in app.registered_commands:
        if one.callback is not None:
            yield one.name or one.callback.__name__.replace("_", "-"), one.callback
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from ((f"{group.name} {name}", function) for name, function in _of(group.typer_instance))


def _annotated(hint: object) -> tuple[object, OptionInfo | ArgumentInfo]:
    """Return the type of a parameter, without None, and what Typer is told about it."""
    kind, info = typing.get_args(hint)[:2]
    assert isinstance(info, (OptionInfo, ArgumentInfo))
    arms = [one for one in typing.get_args(kind) if one is not NoneType]
    return (arms[0] if NoneType in typing.get_args(kind) else kind), info


def _spelt(name: str, info: OptionInfo | ArgumentInfo, is_flag: bool) -> str:
    if isinstance(info, ArgumentInfo):
        return f"`{name.upper()}`"
    given = (info.default, *(info.param_decls or ()))  # inside Annotated, Typer keeps the first name as the default
    spelt = [one for one in given if isinstance(one, str) and one.startswith("-")]
    long = f"--{name.replace('_', '-')}"
    found = spelt or ([long, f"--no-{long[2:]}"] if is_flag else [long])
    return ", ".join(f"`{one}`" for one in found)


def _type(kind: object, info: OptionInfo | ArgumentInfo) -> str:
    inner = typing.get_args(kind)
    if inner:
        several = "several" if isinstance(info, ArgumentInfo) else "repeatable"
        return f"{TYPES[inner[0]]}, {several}"
    assert isinstance(kind, type)
    return TYPES[kind]


def _default(value: object, is_flag: bool) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value == "":
        return "–"
    if is_flag:
        return "on" if value else "off"
    return shown_default(value)


def _range(info: OptionInfo | ArgumentInfo) -> str:
    low, high = info.min, info.max
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    return f"≥ {low:,}" if low is not None else f"≤ {high:,}" if high is not None else ""


def page() -> str:
    """Return commands.md."""
    return join(HEAD, *(part for program in PROGRAMS for part in _written(program)))


def _written(program: Program) -> Iterator[str]:
    found = commands(program)
    yield f"## {program.name}"
    yield program.more
    rows = ((f"[`{one.name}`](#{anchor(one.name)})", _first(one)) for one in found)
    yield table(("command", "what it does"), rows)
    yield "The exit codes are:"
    yield table(("code", "meaning"), ((f"`{code}`", meaning) for code, meaning in program.exits.items()))
    if program.environment:
        yield "These variables of the environment are read:"
        yield table(("variable", "meaning"), ((f"`{name}`", what) for name, what in program.environment.items()))
    for one in found:
        yield f"### {one.name}"
        yield prose(inspect.getdoc(one.function) or "")
        rows = list(one.parameters())
        if rows:
            yield table(("argument or option", "type", "default", "allowed", "meaning"), rows)
        comment, line = EXAMPLES[one.name]
        yield (f"<!-- test: {comment} -->\n" if comment else "") + f"```bash\n{line}\n```"


def _first(command: Command) -> str:
    return (inspect.getdoc(command.function) or "").split("\n\n")[0]
