"""The `evaluate` command: load one or two models, measure them on the same problems, and compare them."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trainer.client import client_of
from trainer.config import Recipe
from trainer.data.load import load_problems
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.evaluation.evaluate import Model, compare, evaluate, intervals
from trainer.models import attention_note, base_model, load_model, load_tokenizer
from trainer.pace import Pace


def run(recipe: Recipe, models: list[str], limit: int | None, output: Path | None, console: Console) -> None:
    """Evaluate one model, or compare two, and print the results.

    Args:
        recipe: The recipe.
        models: One or two folders or hub ids.
        limit: The maximum number of problems.
        output: The folder for the evaluations; `evaluations/` in the run's folder if None.
        console: Where tables are printed.

    Raises:
        DataError: There are no problems, or more than two models.
        VerifierDown, VerifierRefused: As the client. The same command continues where it stopped.
    """
    if len(models) > 2:
        raise DataError(f"at most two models can be compared, not {len(models)}")
    if not recipe.evaluation.data:
        raise DataError("the recipe has no evaluation.data; give --data '{kind: ...}'")
    problems = load_problems(recipe.evaluation.data, seed=0)[:limit]
    if note := attention_note(recipe):
        console.print(note, style="yellow", highlight=False, soft_wrap=True)
    folders = []
    with client_of(recipe.verifier) as client:
        client.info()
        for name in models:
            folder = (output or recipe.run_dir / "evaluations") / _folder_name(name)
            pace = Pace(console, f"{name}: completions")
            summary = evaluate(load_model_named(recipe, name, problems), problems, recipe, client, folder, pace)
            console.print(_table(name, summary))
            console.print(f"records and summary: {folder}", highlight=False, soft_wrap=True)
            folders.append(folder)
    if len(folders) == 2:
        paired = compare(folders[0], folders[1])
        path = folders[0].parent / f"{folders[0].name}--and--{folders[1].name}.json"
        path.write_text(json.dumps(paired, indent=1), encoding="utf-8")
        for measure, difference in paired["differences"].items():
            said = "{value:+.3f} (95 % {low:+.3f} to {high:+.3f})".format(**difference)
            console.print(f"{measure}, second minus first: {said}", highlight=False, soft_wrap=True)
        if "p_value" in paired:
            console.print(
                f"greedy: {paired['only_second']} gained, {paired['only_first']} lost of {paired['problems']}; "
                f"McNemar's exact p = {paired['p_value']:.2g}",
                highlight=False,
                soft_wrap=True,
            )
        console.print(f"comparison: {path}", highlight=False, soft_wrap=True)


def load_model_named(recipe: Recipe, name: str | None, problems: list[Problem]) -> Model:
    """Load a folder or hub id; for an adapter's folder, load the recipe's model with it.

    If `name` is None, load the recipe's own model as it is before training.
    """
    name = name or base_model(recipe, problems)
    folder = Path(name)
    if (folder / "adapter_config.json").is_file():
        base = base_model(recipe, problems)
        return Model(load_model(recipe, base, folder), load_tokenizer(recipe, base), name)
    tokenizer_from = name if (folder / "tokenizer_config.json").is_file() else base_model(recipe, problems)
    return Model(load_model(recipe, name), load_tokenizer(recipe, tokenizer_from), name)


def _folder_name(model: str) -> str:
    return model.strip("./").replace("/", "--") or "model"


def _table(name: str, summary: dict[str, Any]) -> Table:
    table = Table("measure", "value", "95 %", title=f"{name}: {summary['judged_problems']} problems")
    for measure, interval in intervals(summary).items():
        table.add_row(measure, f"{interval['value']:.3f}", f"{interval['low']:.3f} to {interval['high']:.3f}")
    if summary["unjudged"]:
        table.add_row("not judged", str(summary["unjudged"]), "")
    return table
