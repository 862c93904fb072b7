"""The picture of a comparison: accuracy against completions judged and against seconds, and peak memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainer.report.charts import COLOURS, GREY

LABELS = {"grpo": "GRPO", "rloo": "RLOO", "ppo": "PPO", "rejection_sft": "rejection SFT", "dpo": "DPO"}


def draw(kept: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the results of each method as a PNG with three panels."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    judged, seconds, memory = figure.subplots(1, 3, width_ratios=(4, 4, 3))
    for one, colour in zip(kept, COLOURS, strict=False):
        points = one["points"]
        label = LABELS.get(one["method"], one["method"])
        heights = [point["accuracy"] for point in points]
        for axes, name in ((judged, "judged"), (seconds, "wall_s")):
            across = [point[name] for point in points]
            axes.plot(across, heights, color=colour, label=label, marker="o", markersize=3.5)
            if axes is judged:
                low, high = ([point[side] for point in points] for side in ("low", "high"))
                axes.fill_between(across, low, high, color=colour, alpha=0.12, linewidth=0)
    _frame(judged, "completions judged", "held-out greedy accuracy")
    _frame(seconds, "seconds of training (without evaluations)", "")
    judged.legend(frameon=False, fontsize=9)
    bars = memory.barh(
        [LABELS.get(one["method"], one["method"]) for one in kept],
        [one["peak_mib"] for one in kept],
        color=COLOURS[: len(kept)],
    )
    memory.bar_label(bars, fmt="%.0f", padding=3, fontsize=9)
    memory.invert_yaxis()
    memory.margins(x=0.15)
    memory.set_xlabel("peak memory, MiB above the start")
    memory.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _frame(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(0, 1.02)
    axes.grid(color=GREY, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
