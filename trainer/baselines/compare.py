"""`trainer compare`: several methods with the same start, verifier and budget, measured side by side.

Each method runs in its own process, so that its peak memory can be measured, and writes `compare/METHOD.json`. A method
whose file already exists with the same settings is not run again. The table and the picture are built from these files.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from trainer.baselines import online, ppo, sampled
from trainer.baselines.picture import draw
from trainer.baselines.setting import Recorder, Setting
from trainer.client import client_of
from trainer.config import Recipe, recipe_text
from trainer.errors import DataError, RecipeError, TrainerError
from trainer.train import prepare

METHODS: dict[str, Callable[[Setting, Recorder], None]] = {
    "grpo": online.grpo,
    "rloo": online.rloo,
    "ppo": ppo.ppo,
    "rejection_sft": sampled.rejection_sft,
    "dpo": sampled.dpo,
}


def compare(recipe: Recipe, methods: Sequence[str], in_process: bool, console: Console) -> list[dict[str, Any]]:
    """Run the methods that have not run yet, print the table, and draw `compare.png`.

    Args:
        recipe: The recipe whose start, data and verifier all methods share.
        methods: Names from `METHODS`.
        in_process: Run the methods in this process. That is faster, but a method's peak memory then includes what
            earlier methods left behind.
        console: Where progress and the table are printed.

    Returns:
        The contents of each method's file, in the order of `methods`.

    Raises:
        RecipeError: A method is unknown, or the recipe trains on conversations of several turns.
        DataError: The recipe has no held-out problems.
        TrainerError: A method failed; the results of the others are kept.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise RecipeError("--methods", [f"{name!r} is not one of {', '.join(METHODS)}" for name in unknown])
    if recipe.repair or recipe.interpreter:
        said = "compare trains on single answers only: remove repair and interpreter (--set repair=null)"
        raise RecipeError(recipe.name, [said])
    if not recipe.evaluation.data:
        raise DataError("the recipe has no evaluation.data, which compare needs to measure what a method learned")
    folder = recipe.run_dir / "compare"
    folder.mkdir(parents=True, exist_ok=True)
    with client_of(recipe.verifier) as client:
        client.info()
        setting = Setting(prepare(recipe, client, console), client, folder, console)
        for number, name in enumerate(methods, start=1):
            path = folder / f"{name}.json"
            if path.is_file() and json.loads(path.read_text(encoding="utf-8"))["settings"] == setting.text():
                continue
            console.print(f"{name}: method {number} of {len(methods)}", highlight=False)
            if in_process or len(methods) == 1:
                torch.manual_seed(recipe.seed)
                recorder = Recorder(setting, name)
                METHODS[name](setting, recorder)
                recorder.write(path)
            else:
                _in_its_own_process(recipe, name, folder)
    kept = [json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in methods]
    draw(kept, folder / "compare.png")
    (folder / "compare.md").write_text(markdown(kept), encoding="utf-8")
    console.print(_table(kept))
    console.print(f"table and picture: {folder}/compare.md, compare.png", highlight=False, soft_wrap=True)
    return kept


def rows(kept: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return each method's table cells, in the order of `HEAD`."""
    cells = []
    for one in kept:
        points = one["points"]
        last = points[-1]
        cells.append(
            [
                one["method"],
                f"{points[0]['accuracy']:.3f}",
                f"{points[len(points) // 2]['accuracy']:.3f}",
                f"{last['accuracy']:.3f} ({last['low']:.3f}-{last['high']:.3f})",
                f"{last['judged']:,}",
                f"{one['wall_s']:.0f} s",
                f"{one['peak_mib']:.0f} MiB",
            ]
        )
    return cells


HEAD = ("method", "start", "half-way", "end (95 %)", "judged", "wall time", "peak memory")


def markdown(kept: Sequence[dict[str, Any]]) -> str:
    """Write the table as Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows(kept)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _table(kept: Sequence[dict[str, Any]]) -> Table:
    table = Table(*HEAD, title="held-out greedy accuracy with the same start, verifier and budget")
    for row in rows(kept):
        table.add_row(*row)
    return table


def _in_its_own_process(recipe: Recipe, name: str, folder: Path) -> None:
    path = folder / "recipe.yaml"
    path.write_text(recipe_text(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "trainer", "compare", str(path), "--methods", name]
    command += ["--verifier-url", recipe.verifier.url]  # otherwise VERIFIER_URL could override it in the child
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise TrainerError(f"compare: {name} exited with {done.returncode}; {folder} keeps the results of the others")
