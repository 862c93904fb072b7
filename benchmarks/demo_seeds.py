"""Run a demo with several seeds, each like `make demo`, and write a table of what each one learned.

    python -m benchmarks.demo_seeds demo 0 1 2

Each seed takes minutes. The runs are kept in runs/RECIPE-seed-N, and the table in runs/benchmarks/demo_seeds.md and
.json.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Better, Figure, Unit
from benchmarks.results import Table, machine, save
from trainer.progress import read_metrics
from trainer.report.page import read_held_out

ROOT = Path(__file__).parents[1]
EVALUATIONS = ("before", "after", "control")


def run(recipe: str, seed: int) -> tuple[Path, float]:
    """Train with one seed; return the run's folder and the wall time in seconds."""
    folder = ROOT / "runs" / f"{Path(recipe).stem}-seed-{seed}"
    began = time.monotonic()
    command = [str(ROOT / "scripts" / "demo"), "--seed", str(seed), "--output-dir", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"RECIPE": recipe})
    return folder, time.monotonic() - began


def row(seed: int, folder: Path, took_s: float) -> list[str]:
    """Return one row of the table."""
    held_out = read_held_out(folder)
    steps = read_metrics(folder / "metrics.jsonl")
    rewards = [step["reward"] for step in steps if step["reward"] is not None]
    waited_s = sum(step["verifier/wait_s"] for step in steps)
    return [
        str(seed),
        *(_interval(held_out.get(name)) for name in EVALUATIONS),
        f"{sum(rewards[:5]) / 5:.3f} -> {sum(rewards[-5:]) / 5:.3f}",
        f"{100 * waited_s / sum(step['step_time'] for step in steps):.1f} %",
        f"{int(took_s) // 60} min {int(took_s) % 60} s",
    ]


def _interval(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return "-"
    return "{value:.3f} ({low:.3f}-{high:.3f})".format(**summary["greedy"])


def figures_of(recipe: str, seed: int, folder: Path) -> list[Figure]:
    """Return the greedy accuracies with their intervals; only for the one after training is higher better."""
    held_out, name = read_held_out(folder), Path(recipe).stem
    return [
        Figure(
            id=f"demo_seeds/{name}/{seed}/{when}",
            title=f"{name}, seed {seed}: greedy accuracy, {when}",
            unit=Unit.SHARE,
            better=Better.HIGHER if when == "after" else Better.NEITHER,
            **{end: held_out[when]["greedy"][end] for end in ("value", "low", "high")},
        )
        for when in EVALUATIONS
        if when in held_out
    ]


def main(recipe: str, seeds: list[int]) -> None:
    """Train, then print and write the table."""
    about, figures = machine(), list[Figure]()
    columns = ["seed", *EVALUATIONS, "reward, first 5 -> last 5 steps", "waiting", "wall time"]
    table = Table(f"{recipe}: greedy accuracy before, after, and of the control", columns)
    for seed in seeds:
        folder, took_s = run(recipe, seed)
        table.add(*row(seed, folder, took_s))
        figures += figures_of(recipe, seed, folder)
    save("demo_seeds", about, {"recipe": recipe}, [table], figures)


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]] or [0])
