"""Run a demo with several seeds, each as `make demo` does, and print what each learnt as a table.

    python -m benchmarks.demo_seeds demo 0 1 2

Minutes for each seed; the runs are kept in runs/RECIPE-seed-N.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from trainer.progress import read_metrics
from trainer.report.page import read_held_out

ROOT = Path(__file__).parents[1]


def run(recipe: str, seed: int) -> tuple[Path, float]:
    """Train with one seed; return the folder of the run and the seconds on the clock."""
    folder = ROOT / "runs" / f"{Path(recipe).stem}-seed-{seed}"
    began = time.monotonic()
    command = [str(ROOT / "scripts" / "demo"), "--seed", str(seed), "--output-dir", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"RECIPE": recipe})
    return folder, time.monotonic() - began


def row(seed: int, folder: Path, took_s: float) -> str:
    """Write one row of the table."""
    held_out = read_held_out(folder)
    steps = read_metrics(folder / "metrics.jsonl")
    rewards = [step["reward"] for step in steps if step["reward"] is not None]
    waited_s = sum(step["verifier/wait_s"] for step in steps)
    cells = [
        str(seed),
        *(_interval(held_out.get(name)) for name in ("before", "after", "control")),
        f"{sum(rewards[:5]) / 5:.3f} -> {sum(rewards[-5:]) / 5:.3f}",
        f"{100 * waited_s / sum(step['step_time'] for step in steps):.1f} %",
        f"{int(took_s) // 60} min {int(took_s) % 60} s",
    ]
    return f"| {' | '.join(cells)} |"


def _interval(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return "-"
    return "{value:.3f} ({low:.3f}-{high:.3f})".format(**summary["greedy"])


def main(recipe: str, seeds: list[int]) -> None:
    """Print the table."""
    rows = [row(seed, *run(recipe, seed)) for seed in seeds]
    print("| seed | before | after | control (coin) | reward, first 5 -> last 5 steps | waiting | wall time |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print(json.dumps({"recipe": recipe, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]] or [0])
