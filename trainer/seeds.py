"""One recipe with several seeds: a run for each, one after the other, in a process and a folder of its own.

`RUN/seeds.json` says which seeds belong together, `RUN/seed-N/` is a run like any other, and its `done.json` says that
nothing of it is left to do. A process for each gives a GPU's memory back in between, vLLM's too.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from trainer.config import Recipe, recipe_text
from trainer.errors import DataError, RecipeError
from trainer.files import SEEDS, set_aside, write_whole
from trainer.pace import clock

DONE = "done.json"


def seeds_of(text: str) -> list[int]:
    """Read `0,1,2`.

    Raises:
        RecipeError: it is no list of different whole numbers from 0 on.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise RecipeError("--seeds", [f"{text!r} is no list of different whole numbers from 0 on; write --seeds 0,1,2"])
    return [int(part) for part in parts]


def train(recipe: Recipe, seeds: Sequence[int], resume: bool, console: Console) -> int:
    """Run the recipe with each seed that is not done, and stop at the first run that does not end well.

    `resume` goes on with what is there; it may also add seeds. Without it an older folder is moved aside.
    Returns: 0, or with what the run ended that stopped it; `resume` goes on there.

    Raises:
        RecipeError: a launcher of several processes started this.
        DataError: there is nothing to resume.
    """
    if "WORLD_SIZE" in os.environ:
        said = "several seeds are runs of their own, and a launcher starts one: launch `train --seed N --output-dir "
        raise RecipeError("seeds", [f"{said}{recipe.run_dir}/seed-N` for each, then `report {recipe.run_dir}`"])
    folder = recipe.run_dir
    _begin(folder, recipe, seeds, resume)
    took_s: list[float] = []
    for number, seed in enumerate(seeds):
        run = folder / f"seed-{seed}"
        if (run / DONE).is_file():
            console.print(f"seed {seed} is done: {run}", highlight=False, soft_wrap=True)
            continue
        began = time.monotonic()
        code = _child([*_command(recipe, folder, seed), *_flags(run, resume)])
        if code:
            console.print(f"seed {seed} ended with {code}; go on with --resume", highlight=False, soft_wrap=True)
            return code
        write_whole(run / DONE, json.dumps({"seed": seed}))
        took_s.append(time.monotonic() - began)
        left = sum(not (folder / f"seed-{other}" / DONE).is_file() for other in seeds)
        ahead = f", {clock(sum(took_s) / len(took_s) * left)} left" if left else ""
        said = f"seed {seed} ({number + 1} of {len(seeds)}) took {clock(took_s[-1])}{ahead}"
        console.print(said, highlight=False, soft_wrap=True)
    return 0


def _begin(folder: Path, recipe: Recipe, seeds: Sequence[int], resume: bool) -> None:
    if resume and not (folder / SEEDS).is_file():
        raise DataError(f"{folder} holds no seeds to resume; start them without --resume")
    if not resume:
        set_aside(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "recipe.yaml", recipe_text(recipe.model_copy(update={"seeds": []})))
    known = json.loads((folder / SEEDS).read_text(encoding="utf-8")) if resume else []
    write_whole(folder / SEEDS, json.dumps(sorted({*known, *seeds})))


def _command(recipe: Recipe, folder: Path, seed: int) -> list[str]:
    command = [sys.executable, "-m", "trainer", "train", str(folder / "recipe.yaml"), "--seed", str(seed)]
    command += ["--output-dir", str(folder / f"seed-{seed}"), "--verifier-url", recipe.verifier.url]
    return command + (["--set", f"final_dir={recipe.final_dir / f'seed-{seed}'}"] if recipe.final_dir else [])


def _flags(run: Path, resume: bool) -> list[str]:
    return ["--resume"] if resume and (run / "recipe.yaml").is_file() else []


def _child(command: list[str]) -> int:
    """Run a command to its end and return its code; signals that this process gets are handed on to it."""
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, hand_on) for number in watched}
    try:
        child = subprocess.Popen(command, start_new_session=True)  # a terminal's Ctrl-C would reach it twice
        for number in early:
            child.send_signal(number)
        return child.wait()
    finally:
        for number in watched:
            signal.signal(number, before[number])
