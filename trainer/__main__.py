"""The command line: `python -m trainer train|evaluate|report|plan-memory|check RECIPE`."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from trainer.config import Recipe, load_recipe
from trainer.errors import RecipeError, TrainerError, VerifierDown

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
RecipeArgument = Annotated[str, typer.Argument(help="a YAML file, or the name of a packaged recipe")]
UrlOption = Annotated[str | None, typer.Option(help="the verifier's address, instead of the recipe's")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="change a field, as --set grpo.steps=10; may be repeated")
]


@app.callback()
def main() -> None:
    """Train a model with GRPO, rewarded by the verifier."""


@app.command()
def train(
    recipe: RecipeArgument,
    resume: Annotated[bool, typer.Option(help="go on from the last checkpoint of the run")] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="keep the cold start that the run's folder holds")
    ] = False,
    verifier_url: UrlOption = None,
    seed: Annotated[int | None, typer.Option(help="instead of the recipe's")] = None,
    output_dir: Annotated[str | None, typer.Option(help="instead of the recipe's")] = None,
    changes: SetOption = None,
) -> None:
    """Run a recipe, measure held-out accuracy before and after, and write a report."""
    is_main_process = os.environ.get("RANK", "0") == "0"
    console = Console(quiet=not is_main_process)
    with _said(Console()):
        loaded = _load(recipe, verifier_url, changes, {"seed": seed, "output_dir": output_dir})
        _quiet_libraries()
        from trainer import report
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
    temperature: Annotated[float | None, typer.Option(help="of the sampled completions")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the most problems")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the evaluation, which is resumed there")] = None,
    verifier_url: UrlOption = None,
    changes: SetOption = None,
) -> None:
    """Measure pass@1, pass@k and maj@k of a model, and compare it with another one by a paired test."""
    console = Console()
    with _said(console):
        options = {"evaluation.samples": samples, "evaluation.temperature": temperature}
        if data is not None:
            options["evaluation.data"] = [yaml.safe_load(data)]
        loaded = _load(recipe, verifier_url, changes, options)
        _quiet_libraries()
        from trainer import evaluations

        evaluations.run(loaded, model or [str(loaded.trained_dir)], limit, output, console)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="the folder of a run")]) -> None:
    """Write the report of a run again, also of one that is still going on."""
    console = Console()
    with _said(console):
        from trainer import report as reports

        reports.write(run, console)


@app.command()
def check(
    recipe: RecipeArgument,
    offline: Annotated[bool, typer.Option("--offline", help="leave out what needs the verifier or a hub")] = False,
    processes: Annotated[int, typer.Option(min=1, help="on how many GPUs the recipe will run")] = 1,
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
        for finding in findings:
            style = checks.STYLES[finding.level]
            text = f"[{style}]{finding.level:<8}[/] {finding.what}: {escape(finding.text)}"
            console.print(text, highlight=False, soft_wrap=True)
        if any(finding.level is checks.Level.PROBLEM for finding in findings):
            raise typer.Exit(1)


@app.command()
def plan_memory(
    recipe: RecipeArgument,
    config: Annotated[Path | None, typer.Option(help="the model's config.json, where it is not known")] = None,
    card_gib: Annotated[float, typer.Option(min=1, help="memory of one GPU")] = 80.0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs that share the training")] = 1,
    sharding: Annotated[str, typer.Option(help="none, zero1, zero2 or zero3 (FSDP is zero3)")] = "none",
    changes: SetOption = None,
) -> None:
    """Say what a recipe needs of a GPU's memory, and what PPO and DPO would need, from config.json alone."""
    console = Console()
    with _said(console):
        loaded = _load(recipe, None, changes, {})
        _quiet_libraries()
        from trainer import memory_table

        memory_table.show(loaded, config, card_gib, devices, sharding, console)


@contextlib.contextmanager
def _said(console: Console) -> Iterator[None]:
    """Say what stopped the command, and nothing of where in the code that was."""
    try:
        yield
    except TrainerError as problem:
        problems = getattr(problem, "problems", None) or [str(problem)]
        for line in problems:
            console.print(f"[bold red]error[/] {escape(line)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from problem


def _quiet_libraries() -> None:
    """Leave what the libraries log about themselves to `TRANSFORMERS_VERBOSITY=info`; warnings of ours are printed."""
    import transformers

    warnings.filterwarnings("ignore", message=r"`(is_)?gradient_checkpointing` is deprecated")
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        logging.getLogger("trl").setLevel(logging.ERROR)
    import datasets

    datasets.disable_progress_bars()


def _load(recipe: str, verifier_url: str | None, changes: list[str] | None, options: dict[str, object]) -> Recipe:
    overrides = {name: value for name, value in options.items() if value is not None}
    for change in changes or []:
        name, sign, value = change.partition("=")
        if not sign:
            raise RecipeError("--set", [f"{change!r} has no `=`; write --set grpo.steps=10"])
        overrides[name] = yaml.safe_load(value)
    if verifier_url is not None:
        overrides["verifier.url"] = verifier_url
    return load_recipe(recipe, overrides)


if __name__ == "__main__":
    app()
