"""The command line, `grpo-trainer`: train, check and smoke a recipe, evaluate a model, compare methods."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainer.config import Recipe, load_recipe, packaged_recipes
from trainer.errors import STOPS, DataError, RecipeError, VerifierDown
from verifier_service.usage import Commands, VersionOption

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _recipes(begun: str) -> list[str]:
    return [name for name in packaged_recipes() if name.startswith(begun)]


RecipeArgument = Annotated[
    str, typer.Argument(help="a YAML file, or the name of a packaged recipe", autocompletion=_recipes)
]
UrlOption = Annotated[str | None, typer.Option(help="the verifier's address, instead of the recipe's")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="change a field, as --set grpo.max_steps=10; may be repeated")
]


@app.callback()
def main(
    _: VersionOption = False,
) -> None:
    """Train a model with GRPO, rewarded by the verifier."""


@app.command()
def recipes() -> None:
    """List the recipes that come with the package, each with what its file says of it first."""
    table = Table("name", "what it trains")
    for name, path in packaged_recipes().items():
        lines = takewhile(lambda line: line.startswith("# "), path.read_text(encoding="utf-8").splitlines())
        table.add_row(name, " ".join(line[2:] for line in lines).partition(". ")[0])
    Console().print(table)


@app.command()
def train(
    recipe: RecipeArgument,
    resume: Annotated[bool, typer.Option(help="go on from the last checkpoint of the run")] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="keep the cold start that the run's folder holds")
    ] = False,
    verifier_url: UrlOption = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="instead of the recipe's")] = None,
    seeds: Annotated[str | None, typer.Option(help="several runs one after the other, as 0,1,2")] = None,
    output_dir: Annotated[str | None, typer.Option(help="instead of the recipe's")] = None,
    changes: SetOption = None,
) -> None:
    """Run a recipe, measure held-out accuracy before and after, and write a report."""
    is_main_process = os.environ.get("RANK", "0") == "0"
    console = Console(quiet=not is_main_process)
    with _said(Console()):
        loaded = _load(recipe, verifier_url, changes, {"seed": seed, "output_dir": output_dir})
        wanted = _seeds(loaded, seed, seeds)
        if wanted:
            from trainer import seeds as several
            from trainer.report import seeds as seeds_report

            if from_start:
                alone = "train --seed N --output-dir RUN/seed-N --from-start"
                raise RecipeError("--from-start", [f"it is of one run, and these are several: {alone}"])
            if code := several.train(loaded, wanted, resume, console):
                raise typer.Exit(code)
            seeds_report.write(loaded.run_dir, console)
            return
        _quiet_libraries()
        _stay_on_one_card(console)
        from trainer.report import page as report
        from trainer.train import Exit
        from trainer.train import train as run

        try:
            outcome = run(loaded, console, resume, from_start)
        except VerifierDown as problem:
            console.print(f"[bold red]error[/] {escape(str(problem))}", highlight=False, soft_wrap=True)
            if (loaded.run_dir / "recipe.yaml").is_file():
                console.print(f"{loaded.run_dir} keeps what was done; go on with --resume", soft_wrap=True)
            raise typer.Exit(Exit.VERIFIER_DOWN) from problem
        if outcome is Exit.DONE and is_main_process:
            report.write(loaded.run_dir, console)
        raise typer.Exit(outcome)


@app.command()
def evaluate(
    recipe: RecipeArgument,
    model: Annotated[list[str] | None, typer.Option(help="a folder or hub id; a second is compared with it")] = None,
    data: Annotated[str | None, typer.Option(help="a source as in a recipe: '{kind: gsm8k, split: test}'")] = None,
    samples: Annotated[int | None, typer.Option(min=0, help="sampled completions of each problem")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="of the sampled completions")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the most problems")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the evaluation, which is resumed there")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Measure pass@1, pass@k and maj@k of a model, and compare it with another one by a paired test."""
    console = Console()
    with _said(console):
        options: dict[str, object] = {} if data is None else {"evaluation.data": [_yaml("--data", data)]}
        loaded = _load_to_compute(recipe, verifier_url, changes, options, console)
        given = {"samples": samples, "temperature": temperature}
        asked = loaded.evaluation.insisting(**{name: value for name, value in given.items() if value is not None})
        loaded = loaded.model_copy(update={"evaluation": asked})
        from trainer.evaluation import evaluations

        evaluations.run(loaded, model or [str(loaded.trained_dir)], limit, output, console)


@app.command()
def smoke(
    recipe: RecipeArgument,
    tiny: Annotated[bool, typer.Option("--tiny", help="a small random model, no GPU")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="leave the folder that it writes")] = False,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Run two steps on eight problems with the recipe's own model: what breaks in hours breaks here in minutes."""
    console = Console()
    with _said(console):
        loaded = _load_to_compute(recipe, verifier_url, changes, {}, console)
        from trainer import smoke as smokes

        if not smokes.run(loaded, console, tiny, keep):
            raise typer.Exit(1)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="the folder of a run")]) -> None:
    """Write the report of a run again, also of one that is still going on."""
    console = Console()
    with _said(console):
        from trainer.files import SEEDS
        from trainer.report import page, seeds

        write = seeds.write if (run / SEEDS).is_file() else page.write
        write(run, console)


@app.command()
def check(
    recipe: RecipeArgument,
    offline: Annotated[bool, typer.Option("--offline", help="leave out what needs the verifier or a hub")] = False,
    processes: Annotated[
        int, typer.Option("--processes", "--devices", min=1, help="on how many GPUs the recipe will run")
    ] = 1,
    audit: Annotated[bool, typer.Option("--audit", help="have every own answer of the data judged, not three")] = False,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Look a recipe over before a GPU is paid for. Ends with 1 when there is a problem."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, verifier_url, changes, {})
        _quiet_libraries()
        from trainer import check as checks

        findings = checks.check(loaded, offline, processes)
        if audit:
            from trainer.pace import Pace

            findings += checks.audit_answers(loaded, Pace(console, "audit: own answers"))
        for finding in findings:
            style = checks.STYLES[finding.level]
            text = f"[{style}]{finding.level:<8}[/] {finding.what}: {escape(finding.text)}"
            console.print(text, highlight=False, soft_wrap=True)
        if any(finding.level is checks.Level.PROBLEM for finding in findings):
            raise typer.Exit(1)


@app.command()
def merge(
    recipe: RecipeArgument,
    adapter: Annotated[Path | None, typer.Option(help="its folder, instead of the recipe's trained one")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the whole model; merged, in the run's folder")] = None,
    push_to: Annotated[str | None, typer.Option(help="also push it to this hub id, as a private repository")] = None,
    changes: SetOption = None,
) -> None:
    """Make a trained adapter part of its model: one folder that loads without PEFT."""
    console = Console()
    with _said(console):
        loaded = _load_to_compute(recipe, None, changes, {}, console)
        from trainer import export

        export.merge(loaded, adapter or loaded.trained_dir, output or loaded.run_dir / "merged", push_to, console)


@app.command()
def push(
    recipe: RecipeArgument,
    to: Annotated[str, typer.Option("--to", help="hub id, as ORG/NAME; made, and private, where it is not there")],
    folder: Annotated[Path | None, typer.Option(help="of the model or adapter, instead of the trained one")] = None,
    public: Annotated[bool, typer.Option("--public", help="make the repository public")] = False,
    changes: SetOption = None,
) -> None:
    """Push the trained model or adapter to the hub, with the token of HF_TOKEN or `hf auth login`."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, None, changes, {})
        _quiet_libraries()
        from trainer import export

        export.push(folder or loaded.trained_dir, to, public, console)


@app.command()
def score(
    recipe: RecipeArgument,
    samples: Annotated[int, typer.Option(min=1, help="completions of each problem")] = 8,
    model: Annotated[str | None, typer.Option(help="a folder or hub id, instead of the recipe's own start")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.01, help="instead of grpo.temperature")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the most problems")] = None,
    output: Annotated[Path | None, typer.Option(help="the file of the rows, which is gone on with")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Measure how often a model is right on each problem, and write rows with pass rates."""
    console = Console()
    with _said(console):
        loaded = _load_to_compute(recipe, verifier_url, changes, {}, console)
        from trainer.scoring import score as scores

        scores.score(loaded, scores.Options(samples, model, temperature, limit, output), console)


@app.command()
def rejudge(
    run: Annotated[Path, typer.Argument(help="the folder of a run")],
    recipe: Annotated[str | None, typer.Option(help="its data and rewards, instead of those of the run")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="only completions that were not accepted")] = False,
    steps: Annotated[str | None, typer.Option(help="only these steps, as 10-20")] = None,
    show: Annotated[int, typer.Option(min=0, help="the most rows that are printed; the file has all")] = 20,
    output: Annotated[Path | None, typer.Option(help="the file of the rows, RUN/rejudged.jsonl when left out")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Judge a run's stored completions again, by another verifier, reward or reference, and show what differs."""
    console = Console()
    with _said(console):
        kept = run / "recipe.yaml"
        if not kept.is_file():
            raise DataError(f"{run} holds no run: recipe.yaml is not there")
        loaded = _load(recipe or str(kept), verifier_url, changes, {})
        _quiet_libraries()
        from trainer.scoring import rejudge as rejudging

        rejudging.rejudge(run, loaded, rejudging.Options(failed, rejudging.steps_of(steps), show, output), console)


@app.command()
def compare(
    recipe: RecipeArgument,
    methods: Annotated[str, typer.Option(help="some of these")] = "grpo,rloo,ppo,rejection_sft,dpo",
    completions: Annotated[int | None, typer.Option(min=1, help="instead of compare.completions")] = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="quicker; memory is not each one's own")] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="instead of the recipe's")] = None,
    output_dir: Annotated[str | None, typer.Option(help="instead of the recipe's")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Train by GRPO, RLOO, PPO, rejection sampling and DPO from one start and budget; draw accuracy, time, memory."""
    console = Console()
    with _said(console):
        options = {"compare.completions": completions, "seed": seed, "output_dir": output_dir}
        loaded = _load_to_compute(recipe, verifier_url, changes, options, console)
        from trainer.baselines import compare as comparing

        comparing.compare(loaded, methods.split(","), in_process, console)


@app.command()
def plan_memory(
    recipe: RecipeArgument,
    config: Annotated[Path | None, typer.Option(help="the model's config.json, where it is not known")] = None,
    card_gib: Annotated[float, typer.Option(min=1, help="memory of one GPU")] = 80.0,
    devices: Annotated[int, typer.Option("--devices", "--processes", min=1, help="GPUs that share the training")] = 1,
    sharding: Annotated[str, typer.Option(help="none, zero1, zero2 or zero3 (FSDP is zero3)")] = "none",
    changes: SetOption = None,
) -> None:
    """Say what a recipe needs of a GPU's memory, and what PPO and DPO would need, from config.json alone."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, None, changes, {})
        _quiet_libraries()
        from trainer.memory import table as memory_table

        memory_table.show(loaded, config, card_gib, devices, sharding, console)


@contextlib.contextmanager
def _said(console: Console) -> Iterator[None]:
    """Say what stopped the command, and nothing of where in the code that was."""
    try:
        yield
    except STOPS as problem:
        problems = getattr(problem, "problems", None) or [str(problem)]
        for line in problems:
            console.print(f"[bold red]error[/] {escape(line)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from problem


def _quiet_libraries() -> None:
    """Leave what the libraries log about themselves to `TRANSFORMERS_VERBOSITY=info`; warnings of ours are printed."""
    import transformers

    warnings.filterwarnings("ignore", message=r"`(is_)?gradient_checkpointing(_enable|_disable)?` is deprecated")
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        logging.getLogger("trl").setLevel(logging.ERROR)
    import datasets

    datasets.disable_progress_bars()


def _stay_on_one_card(console: Console) -> None:
    """Keep a process that was started alone to the first GPU: over several, layers would work one after the other.

    A launcher sets `WORLD_SIZE`; whoever wants the layers spread names the cards in `CUDA_VISIBLE_DEVICES`.
    """
    import torch

    if "WORLD_SIZE" in os.environ or "CUDA_VISIBLE_DEVICES" in os.environ:
        return
    cards = torch.cuda.device_count()
    if cards > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = "0"
        console.print(
            f"one process uses the first of {cards} GPUs; for all of them: "
            f"accelerate launch --config_file trainer/accelerate/ddp.yaml --num_processes {cards} -m trainer ...",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _seeds(recipe: Recipe, seed: int | None, seeds: str | None) -> list[int]:
    """Return the seeds of several runs; none for a single run."""
    if seeds is None:
        return [] if seed is not None else recipe.seeds
    if seed is not None:
        raise RecipeError("--seeds", ["--seed and --seeds are both given; choose one"])
    from trainer.seeds import seeds_of

    return seeds_of(seeds)


def _yaml(option: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise RecipeError(option, [f"{text!r} is not YAML: {' '.join(str(problem).split())}"]) from problem


def _load_to_compute(
    recipe: str, verifier_url: str | None, changes: list[str] | None, options: dict[str, object], console: Console
) -> Recipe:
    """Load a recipe for a command that runs a model: the libraries are quiet, and one process stays on one GPU."""
    loaded = _load(recipe, verifier_url, changes, options)
    _quiet_libraries()
    _stay_on_one_card(console)
    return loaded


def _load(recipe: str, verifier_url: str | None, changes: list[str] | None, options: dict[str, object]) -> Recipe:
    overrides = {name: value for name, value in options.items() if value is not None}
    for change in changes or []:
        name, sign, value = change.partition("=")
        if not sign:
            raise RecipeError("--set", [f"{change!r} has no `=`; write --set grpo.max_steps=10"])
        overrides[name] = _yaml(f"--set {name}", value)
    if verifier_url is not None:
        overrides["verifier.url"] = verifier_url
    loaded = load_recipe(recipe, overrides)
    if loaded.grpo.trl:
        from trainer.trl.names import unknown_fields

        if unknown := unknown_fields(loaded.grpo.trl):
            raise RecipeError(recipe, unknown)
    return loaded
