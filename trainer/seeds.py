"""Train one recipe with several seeds, one after the other, each in its own process and folder.

`RUN/seeds.json` lists the seeds. `RUN/seed-N/` is a run like any other; its `done.json` marks it as finished. Separate
processes make sure that all GPU memory is released between runs, including vLLM's.
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
    """Parse a list of seeds such as `0,1,2`.

    Raises:
        RecipeError: This is not a list of distinct non-negative integers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise RecipeError("--seeds", [f"{text!r} is not a list of distinct integers from 0 up; write --seeds 0,1,2"])
    return [int(part) for part in parts]


def train(recipe: Recipe, seeds: Sequence[int], resume: bool, console: Console) -> int:
    """Run the recipe with each seed that is not finished, and stop at the first run that fails.

    Args:
        recipe: The recipe.
        seeds: The seeds.
        resume: Continue with the existing folder, possibly with additional seeds. Otherwise an older folder is set
            aside.
        console: Where progress is printed.

    Returns:
        0, or the exit code of the run that failed. With `resume`, the next call continues there.

    Raises:
        RecipeError: A launcher for several processes started this.
        DataError: There is nothing to resume.
    """
    if "WORLD_SIZE" in os.environ:
        said = "a launcher can only start a single run, not several seeds: launch `train --seed N --output-dir "
        raise RecipeError("seeds", [f"{said}{recipe.run_dir}/seed-N` for each, then `report {recipe.run_dir}`"])
    folder = recipe.run_dir
    _begin(folder, recipe, seeds, resume)
    took_s: list[float] = []
    for number, seed in enumerate(seeds):
        run = folder / f"seed-{seed}"
        if (run / DONE).is_file():
            console.print(f"seed {seed} is finished: {run}", highlight=False, soft_wrap=True)
            continue
        began = time.monotonic()
        code = _child([*_command(recipe, folder, seed), *_flags(run, resume)])
        if code:
            console.print(f"seed {seed} exited with {code}; continue with --resume", highlight=False, soft_wrap=True)
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
        raise DataError(f"{folder} has no seeds to resume; start without --resume")
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
    """Run a command and return its exit code. SIGINT and SIGTERM are forwarded to it."""
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
        child = subprocess.Popen(command, start_new_session=True)  # otherwise Ctrl-C would reach it twice
        for number in early:
            child.send_signal(number)
        return child.wait()
    finally:
        for number in watched:
            signal.signal(number, before[number])
