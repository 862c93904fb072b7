"""The command line, `grpo-trainer`: train, check and smoke-test a recipe, evaluate a model, compare methods."""

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
UrlOption = Annotated[str | None, typer.Option(help="the verifier's address, overriding the recipe's")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="override a field, such as --set grpo.max_steps=10; repeat for several fields"),
]


@app.callback()
def main(
    _: VersionOption = False,
) -> None:
    """Train a model with GRPO and rewards from the verifier."""


@app.command()
def recipes() -> None:
    """List the packaged recipes with the first sentence of each file."""
    table = Table("name", "what it trains")
    for name, path in packaged_recipes().items():
        lines = takewhile(lambda line: line.startswith("# "), path.read_text(encoding="utf-8").splitlines())
        table.add_row(name, " ".join(line[2:] for line in lines).partition(". ")[0].removesuffix("."))
    Console().print(table)


@app.command()
def train(
    recipe: RecipeArgument,
    resume: Annotated[bool, typer.Option(help="continue from the run's last checkpoint")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="reuse the cold start in the run's folder")] = False,
    verifier_url: UrlOption = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="override the recipe's seed")] = None,
    seeds: Annotated[str | None, typer.Option(help="train once with each seed, such as 0,1,2")] = None,
    output_dir: Annotated[str | None, typer.Option(help="override the recipe's output_dir")] = None,
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
                raise RecipeError("--from-start", [f"it applies to a single run, not to several seeds; use {alone}"])
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
                console.print(f"the progress is saved in {loaded.run_dir}; continue with --resume", soft_wrap=True)
            raise typer.Exit(Exit.VERIFIER_DOWN) from problem
        if outcome is Exit.DONE and is_main_process:
            report.write(loaded.run_dir, console)
        raise typer.Exit(outcome)


@app.command()
def evaluate(
    recipe: RecipeArgument,
    model: Annotated[list[str] | None, typer.Option(help="a folder or hub id; give two to compare them")] = None,
    data: Annotated[str | None, typer.Option(help="a data source as in a recipe: '{kind: gsm8k, split: test}'")] = None,
    samples: Annotated[int | None, typer.Option(min=0, help="sampled completions for each problem")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="temperature of the sampled completions")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="use at most this many problems")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the evaluation; an unfinished one continues")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Measure pass@1, pass@k and maj@k of a model, or compare two models with a paired test."""
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
    tiny: Annotated[bool, typer.Option("--tiny", help="use a small random model that needs no GPU")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="keep the folder that it writes")] = False,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Run every stage of a recipe in minutes: two steps on eight problems, with the recipe's own model."""
    console = Console()
    with _said(console):
        loaded = _load_to_compute(recipe, verifier_url, changes, {}, console)
        from trainer import smoke as smokes

        if not smokes.run(loaded, console, tiny, keep):
            raise typer.Exit(1)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="the folder of a run")]) -> None:
    """Write a run's report again. The run can still be in progress."""
    console = Console()
    with _said(console):
        from trainer.files import SEEDS
        from trainer.report import page, seeds

        write = seeds.write if (run / SEEDS).is_file() else page.write
        write(run, console)


@app.command()
def check(
    recipe: RecipeArgument,
    offline: Annotated[bool, typer.Option("--offline", help="skip checks that need the verifier or a hub")] = False,
    processes: Annotated[
        int, typer.Option("--processes", "--devices", min=1, help="number of GPUs the recipe will run on")
    ] = 1,
    audit: Annotated[bool, typer.Option("--audit", help="judge all of the data's own answers, not just three")] = False,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Find mistakes in a recipe before you rent a GPU. Exits with 1 if there is a problem."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, verifier_url, changes, {})
        _quiet_libraries()
        from trainer import check as checks

        findings = checks.check(loaded, offline, processes)
        if audit:
            from trainer.pace import Pace

            findings += checks.audit_answers(loaded, Pace(console, "audit: the data's own answers"))
        for finding in findings:
            style = checks.STYLES[finding.level]
            text = f"[{style}]{finding.level:<8}[/] {finding.what}: {escape(finding.text)}"
            console.print(text, highlight=False, soft_wrap=True)
        if any(finding.level is checks.Level.PROBLEM for finding in findings):
            raise typer.Exit(1)


@app.command()
def merge(
    recipe: RecipeArgument,
    adapter: Annotated[Path | None, typer.Option(help="the adapter's folder (default: the recipe's)")] = None,
    output: Annotated[Path | None, typer.Option(help="folder for the merged model (default: RUN/merged)")] = None,
    push_to: Annotated[str | None, typer.Option(help="also push it to this hub id, as a private repository")] = None,
    changes: SetOption = None,
) -> None:
    """Merge a trained adapter into its model, so that it loads without PEFT."""
    console = Console()
    with _said(console):
        loaded = _load_to_compute(recipe, None, changes, {}, console)
        from trainer import export

        export.merge(loaded, adapter or loaded.trained_dir, output or loaded.run_dir / "merged", push_to, console)


@app.command()
def push(
    recipe: RecipeArgument,
    to: Annotated[str, typer.Option("--to", help="hub id, ORG/NAME; a new repository is private by default")],
    folder: Annotated[Path | None, typer.Option(help="a model or adapter (default: the trained one)")] = None,
    public: Annotated[bool, typer.Option("--public", help="make a new repository public")] = False,
    changes: SetOption = None,
) -> None:
    """Push the trained model or adapter to the hub, using the token from HF_TOKEN or `hf auth login`."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, None, changes, {})
        _quiet_libraries()
        from trainer import export

        export.push(folder or loaded.trained_dir, to, public, console)


@app.command()
def score(
    recipe: RecipeArgument,
    samples: Annotated[int, typer.Option(min=1, help="completions for each problem")] = 8,
    model: Annotated[str | None, typer.Option(help="a folder or hub id (default: the recipe's start)")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.01, help="override grpo.temperature")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="use at most this many problems")] = None,
    output: Annotated[Path | None, typer.Option(help="file of rows; an unfinished one is continued")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Measure a model's pass rate on each problem, and write rows that a recipe can filter by it."""
    console = Console()
    with _said(console):
        loaded = _load_to_compute(recipe, verifier_url, changes, {}, console)
        from trainer.scoring import score as scores

        scores.score(loaded, scores.Options(samples, model, temperature, limit, output), console)


@app.command()
def rejudge(
    run: Annotated[Path, typer.Argument(help="the folder of a run")],
    recipe: Annotated[str | None, typer.Option(help="use this recipe's data and rewards, not the run's")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="only completions that were not accepted")] = False,
    steps: Annotated[str | None, typer.Option(help="only these steps, such as 10-20")] = None,
    show: Annotated[int, typer.Option(min=0, help="print at most this many rows; the file has all")] = 20,
    output: Annotated[Path | None, typer.Option(help="file for the rows (default: RUN/rejudged.jsonl)")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Judge a run's stored completions again, with another verifier, reward or reference, and show what changed."""
    console = Console()
    with _said(console):
        kept = run / "recipe.yaml"
        if not kept.is_file():
            raise DataError(f"{run} is not the folder of a run: it has no recipe.yaml")
        loaded = _load(recipe or str(kept), verifier_url, changes, {})
        _quiet_libraries()
        from trainer.scoring import rejudge as rejudging

        rejudging.rejudge(run, loaded, rejudging.Options(failed, rejudging.steps_of(steps), show, output), console)


@app.command()
def compare(
    recipe: RecipeArgument,
    methods: Annotated[str, typer.Option(help="which methods to train")] = "grpo,rloo,ppo,rejection_sft,dpo",
    completions: Annotated[int | None, typer.Option(min=1, help="override compare.completions")] = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="faster, but peak memory is shared")] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="override the recipe's seed")] = None,
    output_dir: Annotated[str | None, typer.Option(help="override the recipe's output_dir")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Train with GRPO, RLOO, PPO, rejection sampling and DPO from the same start and budget, and compare them."""
    console = Console()
    with _said(console):
        options = {"compare.completions": completions, "seed": seed, "output_dir": output_dir}
        loaded = _load_to_compute(recipe, verifier_url, changes, options, console)
        from trainer.baselines import compare as comparing

        comparing.compare(loaded, methods.split(","), in_process, console)


@app.command()
def plan_memory(
    recipe: RecipeArgument,
    config: Annotated[Path | None, typer.Option(help="config.json of a model that is not known here")] = None,
    card_gib: Annotated[float, typer.Option(min=1, help="memory of one GPU, in GiB")] = 80.0,
    devices: Annotated[int, typer.Option("--devices", "--processes", min=1, help="number of GPUs")] = 1,
    sharding: Annotated[str, typer.Option(help="none, zero1, zero2 or zero3; FSDP is zero3")] = "none",
    changes: SetOption = None,
) -> None:
    """Estimate the GPU memory that a recipe needs, and that PPO and DPO would need, from config.json alone."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, None, changes, {})
        _quiet_libraries()
        from trainer.memory import table as memory_table

        memory_table.show(loaded, config, card_gib, devices, sharding, console)


@contextlib.contextmanager
def _said(console: Console) -> Iterator[None]:
    """Print expected errors without a traceback, and exit with 1."""
    try:
        yield
    except STOPS as problem:
        problems = getattr(problem, "problems", None) or [str(problem)]
        for line in problems:
            console.print(f"[bold red]error[/] {escape(line)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from problem


def _quiet_libraries() -> None:
    """Silence the libraries' own logs and progress bars, unless `TRANSFORMERS_VERBOSITY` is set. Keep our warnings."""
    import transformers

    warnings.filterwarnings("ignore", message=r"`(is_)?gradient_checkpointing(_enable|_disable)?` is deprecated")
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        logging.getLogger("trl").setLevel(logging.ERROR)
    import datasets

    datasets.disable_progress_bars()


def _stay_on_one_card(console: Console) -> None:
    """Limit a process started without a launcher to the first GPU.

    Otherwise transformers would spread the layers over all GPUs, which then work one after the other. A launcher sets
    `WORLD_SIZE`; set `CUDA_VISIBLE_DEVICES` to spread the layers anyway.
    """
    import torch

    if "WORLD_SIZE" in os.environ or "CUDA_VISIBLE_DEVICES" in os.environ:
        return
    cards = torch.cuda.device_count()
    if cards > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = "0"
        console.print(
            f"using the first of {cards} GPUs; to use all of them: "
            f"accelerate launch --config_file trainer/accelerate/ddp.yaml --num_processes {cards} -m trainer ...",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _seeds(recipe: Recipe, seed: int | None, seeds: str | None) -> list[int]:
    """Return the seeds if there are several runs, and an empty list for a single run."""
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
    """Load a recipe for a command that runs a model: silence the libraries, and use one GPU for one process."""
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
