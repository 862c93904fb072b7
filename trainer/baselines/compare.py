"""`trainer compare`: every method from the same start, with the same verifier and budget, measured side by side.

Each method runs in a process of its own, so that its memory is its own, and keeps `compare/METHOD.json`; one that is
there with the same settings is not run again. The table and the picture are made of those files.
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
    """Run methods that were not run yet, print the table, and draw `compare.png`.

    `in_process` runs them in this process: quicker, and memory is then that of a process that did other things before.
    Returns: what was kept of each method, in the order of `methods`.

    Raises:
        RecipeError: there is no such method.
        DataError: the recipe has no held-out problems.
        TrainerError: a method failed; what the others did is kept.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise RecipeError("--methods", [f"{name!r} is no method; there are {', '.join(METHODS)}" for name in unknown])
    if recipe.repair or recipe.interpreter:
        said = "compare trains on answers of one turn: leave out repair and interpreter (--set repair=null)"
        raise RecipeError(recipe.name, [said])
    if not recipe.evaluation.data:
        raise DataError("the recipe has no evaluation.data: nothing would tell what a method learnt")
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
    """Write each method's numbers as cells: accuracy at the start and the end, half-way, judged, time, memory."""
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
    table = Table(*HEAD, title="held-out greedy accuracy, same start, verifier and budget")
    for row in rows(kept):
        table.add_row(*row)
    return table


def _in_its_own_process(recipe: Recipe, name: str, folder: Path) -> None:
    path = folder / "recipe.yaml"
    path.write_text(recipe_text(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "trainer", "compare", str(path), "--methods", name]
    command += ["--verifier-url", recipe.verifier.url]  # over the environment's, as here
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise TrainerError(f"compare: {name} ended with {done.returncode}; what other methods did is kept in {folder}")
