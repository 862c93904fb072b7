"""The charts of a report, drawn from the run's log and written as PNG files."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # servers have no display

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, GREY, GREEN, RED, BLUE = "#1f2933", "#9aa5b1", "#0b8a5f", "#c2410c", "#2563eb"
LABELS = "#52606d"
COLOURS = (BLUE, GREEN, RED, "#7c3aed", "#be185d", "#0e7490")
SMOOTHING_STEPS = 9
LARGE = (5.8, 3.1)  # inches; small enough that text stays readable on a phone, where it is 350 pixels wide


@dataclass(frozen=True)
class Chart:
    """One chart and the metrics of the log that it shows. `unit` labels the vertical axis."""

    name: str
    title: str
    metrics: tuple[str, ...]
    unit: str
    explanation: str


CHARTS = (
    Chart("reward", "Reward", ("reward",), "reward", "Mean reward of each step's completions."),
    Chart(
        "held_out_steps",
        "Held-out accuracy while training",
        ("held_out/greedy", "held_out/pass@1", "held_out/accuracy"),
        "share",
        "Measured after every evaluation.every_steps steps.",
    ),
    Chart("group_std", "Spread within a group", ("reward_std",), "std", "Without spread, there is no advantage."),
    Chart(
        "zero_advantage",
        "Groups without an advantage",
        ("frac_reward_zero_std",),
        "share",
        "All completions of the group got the same reward, so nothing is learned from it.",
    ),
    Chart("kl", "KL from the reference", ("kl",), "nats", "Logged only if beta is above 0."),
    Chart("entropy", "Entropy", ("entropy",), "nats", "Near 0, the policy writes the same text every time."),
    Chart(
        "length",
        "Completion length",
        ("completions/mean_length", "completions/max_length"),
        "tokens",
        "Mean and longest completion of each step.",
    ),
    Chart(
        "truncated", "Truncated", ("completions/clipped_ratio",), "share", "Completions that reached the token limit."
    ),
    Chart("clip", "Clipped tokens", ("clip_ratio/region_mean",), "share", "Tokens whose ratio left the trust region."),
    Chart(
        "sampling_ratio",
        "Importance ratio of vLLM's tokens",
        tuple(f"sampling/importance_sampling_ratio/{k}" for k in ("mean", "min", "max")),
        "ratio",
        "The policy's probability divided by vLLM's, truncated. A mean far from 1 means that they disagree.",
    ),
    Chart(
        "sampling_difference",
        "vLLM's log-probabilities",
        tuple(f"sampling/sampling_logp_difference/{k}" for k in ("mean", "max")),
        "nats",
        "Difference between vLLM's and the policy's, per token.",
    ),
    Chart(
        "shaping_only",
        "Groups moved by shaping alone",
        ("groups/shaping_only_share",),
        "share",
        "Groups whose rewards differ although the verifier gave all completions the same score.",
    ),
    Chart(
        "dynamic_sampling",
        "Dropped groups",
        ("dynamic_sampling/groups_dropped", "dynamic_sampling/groups_masked"),
        "groups",
        "Groups with equal verdicts, and those that could not be replaced.",
    ),
    Chart(
        "completions_judged",
        "Completions judged",
        ("dynamic_sampling/completions_judged",),
        "completions",
        "Per batch, over all rounds of dynamic sampling.",
    ),
    Chart(
        "turns",
        "Solved by turn",
        ("turns/solved_at_1", "turns/solved_at_2", "turns/solved_at_3", "turns/solved_at_4"),
        "share",
        "Completions whose answer was accepted in this turn.",
    ),
    Chart("turns_used", "Turns used", ("turns/used",), "turns", "Answers per completion."),
    Chart(
        "interpreter",
        "Interpreter calls",
        ("interpreter/used_share", "interpreter/error_share", "interpreter/lost_share"),
        "share",
        "Completions with a call; failed calls among all calls; completions lost through a failure of ours.",
    ),
    Chart("calls", "Calls made", ("interpreter/calls",), "calls", "Per completion."),
    Chart("grad_norm", "Gradient norm", ("grad_norm",), "norm", "Before clipping."),
    Chart(
        "latency",
        "Verifier latency",
        ("verifier/latency_p50_s", "verifier/latency_p95_s"),
        "s",
        "Per request: median and 95th percentile.",
    ),
    Chart("waiting", "Waiting for the verifier", ("verifier/wait_share",), "share", "Share of the step's time."),
    Chart(
        "judge_error", "Judge errors", ("verifier/judge_error_share",), "share", "Masked, since they have no reward."
    ),
)


def draw_metrics(rows: Sequence[dict[str, Any]], folder: Path) -> list[Chart]:
    """Draw every chart that the log has data for, as `folder/NAME.png`.

    Returns:
        The charts that were drawn.
    """
    drawn = []
    for chart in [*CHARTS, *_parts(rows), *_tasks(rows), *_sources(rows), *_signals(rows)]:
        series = {name: _series(rows, name) for name in chart.metrics}
        series = {name: points for name, points in series.items() if points}
        if series:
            _draw(chart, series, folder / f"{chart.name}.png")
            drawn.append(chart)
    return drawn


def is_zero(chart: Chart, rows: Sequence[dict[str, Any]]) -> bool:
    """Return whether all values of a chart that the log has are zero."""
    values = [value for name in chart.metrics for _, value in _series(rows, name)]
    return bool(values) and not any(values)


def draw_reward(rows: Sequence[dict[str, Any]], control: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the reward from the verifier and, if there is a control, the reward from its coin."""
    figure, axes = _figure(*LARGE)
    _line(axes, _series(rows, "reward"), GREEN, "reward from the verifier")
    if control:
        _line(axes, _series(control, "reward"), GREY, "control: reward from a coin")
    _finish(axes, "Reward while training", "reward")
    axes.legend(frameon=False, loc="best")
    figure.savefig(path, dpi=160)


def draw_seeds(curves: Mapping[str, Sequence[tuple[int, float]]], title: str, unit: str, path: Path) -> None:
    """Draw one curve for each seed, and their mean over the steps that all curves have."""
    figure, axes = _figure(*LARGE)
    for (label, points), colour in zip(curves.items(), itertools.cycle(COLOURS)):
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=colour, lw=1.1, alpha=0.75, label=label)
    common = set.intersection(*({step for step, _ in points} for points in curves.values()))
    if len(curves) > 1 and common:
        by_step = [dict(points) for points in curves.values()]
        mean = [(step, sum(one[step] for one in by_step) / len(by_step)) for step in sorted(common)]
        axes.plot(*zip(*mean, strict=True), color=INK, lw=2.2, label="mean")
    _finish(axes, title, unit)
    axes.legend(frameon=False, loc="best", fontsize=8)
    figure.savefig(path, dpi=160)


def draw_held_out(bars: Sequence[tuple[str, dict[str, float], str]], path: Path) -> None:
    """Draw held-out accuracies with their 95 % intervals. Each bar is a label, an interval and a color."""
    figure, axes = _figure(*LARGE)
    for x, (_, interval, colour) in enumerate(bars):
        value = interval["value"]
        axes.bar(x, value, 0.6, color=colour)
        # An interval that ends at the value can miss it by a rounding error, but matplotlib refuses negative lengths.
        below, above = max(0.0, value - interval["low"]), max(0.0, interval["high"] - value)
        axes.errorbar(x, value, [[below], [above]], color=INK, capsize=5, lw=1.2)
        axes.text(x, min(interval["high"] + 0.02, 1.03), f"{value:.3f}", ha="center", color=INK, fontsize=10)
    axes.set_xticks(range(len(bars)), [label for label, _, _ in bars])
    axes.set_ylim(0, 1.12)
    axes.set_title("Held-out accuracy with 95 % intervals", loc="left", color=INK, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)


def _parts(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    names = tuple(sorted({name for row in rows for name in row if name.startswith("reward/")}))
    if len(names) < 2:  # a single component is the reward itself
        return []
    return [Chart("parts", "Components of the reward", names, "reward", "Each component times its weight.")]


def _tasks(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the charts of accuracy and reward by task, if there is more than one task."""
    named = {name for row in rows for name in row if name.startswith("task/")}
    accepted, rewards = (
        tuple(sorted(name for name in named if name.endswith(end))) for end in ("/accepted_share", "/reward")
    )
    if len(accepted) < 2:
        return []
    explanation = "Share of accepted completions while training."
    return [
        Chart("tasks", "Accuracy by task", accepted, "share", explanation),
        Chart("tasks_reward", "Reward by task", rewards, "reward", "Mean reward of each task's completions."),
    ]


def _sources(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the chart of held-out accuracy by source, if there are several sources."""
    names = tuple(dict.fromkeys(name for row in rows for name in row if name.startswith("held_out/source/")))
    return (
        [Chart("held_out_sources", "Held-out accuracy by source", names, "share", "While training.")] if names else []
    )


def _signals(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the chart of the most frequent signals, as many as there are colors."""
    means: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith("verifier/signal/") and value:
                means[name] = means.get(name, 0.0) + value / len(rows)
    often = tuple(sorted(means, key=lambda name: (-means[name], name))[: len(COLOURS)])
    explanation = "Share of completions with each signal (docs/reference/api.md, signals)."
    return [Chart("signals", "Signals of programs", often, "share", explanation)] if often else []


def _series(rows: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(row["step"], row[name]) for row in rows if row.get(name) is not None]


def _draw(chart: Chart, series: dict[str, list[tuple[int, float]]], path: Path) -> None:
    figure, axes = _figure(4.6, 2.7)
    for (name, points), colour in zip(series.items(), COLOURS, strict=False):
        _line(axes, points, colour, _label(name))
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    _finish(axes, chart.title, chart.unit)
    if chart.unit == "share":
        axes.set_ylim(0, max(1.05 * max(value for points in series.values() for _, value in points), 0.01))
    figure.savefig(path, dpi=110)


def _label(name: str) -> str:
    """Return a metric's label in the legend: the name of its task or source, or the metric's last word."""
    words = name.split("/")
    return words[1] if words[0] == "task" else "/".join(words[2:]) if name.startswith("held_out/source/") else words[-1]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _line(axes: Axes, points: Sequence[tuple[int, float]], colour: str, label: str) -> None:
    """Draw the values as a faint line, and their moving average on top."""
    steps, values = [p[0] for p in points], [p[1] for p in points]
    axes.plot(steps, values, color=colour, alpha=0.3, lw=1)
    half = SMOOTHING_STEPS // 2
    windows = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    axes.plot(steps, [sum(w) / len(w) for w in windows], color=colour, lw=2, label=label)


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("step", color=LABELS, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # a run of three steps has no step 1.25
    axes.set_ylabel(unit, color=LABELS, fontsize=9)
    axes.grid(color="#e4e7eb", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=LABELS, labelsize=8)
