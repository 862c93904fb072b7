"""The pictures of a report, each drawn from the run's own log and written as a PNG."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # a server has no screen

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, GREY, GREEN, RED, BLUE = "#1f2933", "#9aa5b1", "#0b8a5f", "#c2410c", "#2563eb"
LABELS = "#52606d"
COLOURS = (BLUE, GREEN, RED, "#7c3aed", "#be185d", "#0e7490")
SMOOTHING_STEPS = 9
LARGE = (5.8, 3.1)  # inches; letters stay readable where a phone shows it 350 pixels wide


@dataclass(frozen=True)
class Chart:
    """One picture: what is on it, and which metrics of the log. `unit` is written on the axis."""

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
        "Measured every evaluation.every_steps steps.",
    ),
    Chart("group_std", "Spread inside a group", ("reward_std",), "std", "Without spread there is no advantage."),
    Chart(
        "zero_advantage",
        "Groups without an advantage",
        ("frac_reward_zero_std",),
        "share",
        "All completions of the group got the same reward: nothing is learnt from it.",
    ),
    Chart("kl", "KL from the reference", ("kl",), "nats", "Only logged when beta is above 0."),
    Chart("entropy", "Entropy", ("entropy",), "nats", "Near 0 the policy says the same thing every time."),
    Chart(
        "length",
        "Completion length",
        ("completions/mean_length", "completions/max_length"),
        "tokens",
        "Mean and longest completion of each step.",
    ),
    Chart("truncated", "Cut off", ("completions/clipped_ratio",), "share", "Completions that reached the token limit."),
    Chart("clip", "Clipped tokens", ("clip_ratio/region_mean",), "share", "Tokens whose ratio left the trust region."),
    Chart(
        "sampling_ratio",
        "Importance of vLLM's tokens",
        tuple(f"sampling/importance_sampling_ratio/{k}" for k in ("mean", "min", "max")),
        "ratio",
        "Policy's probability over vLLM's, truncated. A mean that leaves 1 says that they disagree.",
    ),
    Chart(
        "sampling_difference",
        "vLLM's log-probabilities",
        tuple(f"sampling/sampling_logp_difference/{k}" for k in ("mean", "max")),
        "nats",
        "Distance between vLLM's and the policy's, by token.",
    ),
    Chart(
        "shaping_only",
        "Groups moved by shaping alone",
        ("groups/shaping_only_share",),
        "share",
        "Rewards differ though the verifier saw no difference.",
    ),
    Chart(
        "dynamic_sampling",
        "Dropped groups",
        ("dynamic_sampling/groups_dropped", "dynamic_sampling/groups_masked"),
        "groups",
        "Groups with equal verdicts, and those that no refill replaced.",
    ),
    Chart(
        "completions_judged",
        "Completions judged",
        ("dynamic_sampling/completions_judged",),
        "completions",
        "For one batch, all rounds of dynamic sampling.",
    ),
    Chart(
        "turns",
        "Solved, by turn",
        ("turns/solved_at_1", "turns/solved_at_2", "turns/solved_at_3", "turns/solved_at_4"),
        "share",
        "Completions whose answer in this turn was accepted.",
    ),
    Chart("turns_used", "Turns used", ("turns/used",), "turns", "Answers in one completion."),
    Chart(
        "interpreter",
        "Calls of the interpreter",
        ("interpreter/used_share", "interpreter/error_share", "interpreter/lost_share"),
        "share",
        "Completions with a call; of their calls those that failed; completions lost by our failure.",
    ),
    Chart("calls", "Calls made", ("interpreter/calls",), "calls", "In one completion."),
    Chart("grad_norm", "Gradient norm", ("grad_norm",), "norm", "Before clipping."),
    Chart(
        "latency",
        "Verifier latency",
        ("verifier/latency_p50_s", "verifier/latency_p95_s"),
        "s",
        "Of one request: median and 95th percentile.",
    ),
    Chart("waiting", "Waiting for the verifier", ("verifier/wait_share",), "share", "Of the whole step's time."),
    Chart("judge_error", "Judge errors", ("verifier/judge_error_share",), "share", "Masked: they have no reward."),
)


def draw_metrics(rows: Sequence[dict[str, Any]], folder: Path) -> list[Chart]:
    """Draw every chart for which the log has numbers, and one of the reward's parts.

    Returns: the charts that were drawn; the picture is `folder/NAME.png`.
    """
    drawn = []
    for chart in [*CHARTS, *_parts(rows), *_tasks(rows), *_sources(rows), *_signals(rows)]:
        series = {name: _series(rows, name) for name in chart.metrics}
        series = {name: points for name, points in series.items() if points}
        if series:
            _draw(chart, series, folder / f"{chart.name}.png")
            drawn.append(chart)
    return drawn


def draw_reward(rows: Sequence[dict[str, Any]], control: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the share of completions that the verifier accepted, and the control's reward, which is a coin's."""
    figure, axes = _figure(*LARGE)
    _line(axes, _series(rows, "reward"), GREEN, "reward from the verifier")
    if control:
        _line(axes, _series(control, "reward"), GREY, "control: reward from a coin")
    _finish(axes, "Reward while training", "reward")
    axes.legend(frameon=False, loc="best")
    figure.savefig(path, dpi=160)


def draw_seeds(curves: Mapping[str, Sequence[tuple[int, float]]], title: str, unit: str, path: Path) -> None:
    """Draw one curve for each seed, and over the steps that all have their mean."""
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
    """Draw held-out accuracies with their 95 % intervals; each bar is a label, an interval and a colour."""
    figure, axes = _figure(*LARGE)
    for x, (_, interval, colour) in enumerate(bars):
        value = interval["value"]
        axes.bar(x, value, 0.6, color=colour)
        # An interval that ends at the value itself may miss it by a rounding error, and lengths may not be negative.
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
    return [Chart("parts", "Parts of the reward", names, "reward", "Each part with its weight.")] if names else []


def _tasks(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the charts of accuracy and of reward by task, where there is more than one."""
    named = {name for row in rows for name in row if name.startswith("task/")}
    accepted, rewards = (
        tuple(sorted(name for name in named if name.endswith(end))) for end in ("/accepted_share", "/reward")
    )
    if len(accepted) < 2:
        return []
    explanation = "Share of completions that are accepted while training."
    return [
        Chart("tasks", "Accuracy by task", accepted, "share", explanation),
        Chart("tasks_reward", "Reward by task", rewards, "reward", "Mean reward of each task's completions."),
    ]


def _sources(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the chart of held-out accuracy by source, where there are several."""
    names = tuple(dict.fromkeys(name for row in rows for name in row if name.startswith("held_out/source/")))
    return (
        [Chart("held_out_sources", "Held-out accuracy by source", names, "share", "While training.")] if names else []
    )


def _signals(rows: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the chart of what the sandbox saw of programs: the signals that came most often, as far as colours go."""
    means: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith("verifier/signal/") and value:
                means[name] = means.get(name, 0.0) + value / len(rows)
    often = tuple(sorted(means, key=lambda name: (-means[name], name))[: len(COLOURS)])
    explanation = "Share of completions of which the sandbox told it (docs/reference/api.md, signals)."
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
    """Return what tells a metric from the others of its chart: a task's or a source's name, or the last word."""
    words = name.split("/")
    return words[1] if words[0] == "task" else "/".join(words[2:]) if name.startswith("held_out/source/") else words[-1]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _line(axes: Axes, points: Sequence[tuple[int, float]], colour: str, label: str) -> None:
    """Draw the numbers faintly and their moving average over them."""
    steps, values = [p[0] for p in points], [p[1] for p in points]
    axes.plot(steps, values, color=colour, alpha=0.3, lw=1)
    half = SMOOTHING_STEPS // 2
    windows = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    axes.plot(steps, [sum(w) / len(w) for w in windows], color=colour, lw=2, label=label)


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("step", color=LABELS, fontsize=9)
    axes.set_ylabel(unit, color=LABELS, fontsize=9)
    axes.grid(color="#e4e7eb", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=LABELS, labelsize=8)
