"""How cost grows, as data and as plots: both axes logarithmic, so that a cost in proportion is a line of slope 1."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # a server has no screen

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from benchmarks.figures import IN_PROPORTION, Better, Figure, Unit, figure, slug

INK, GREY = "#1f2933", "#7b8794"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")  # Okabe and Ito: safe for color blindness
MARKERS = "osD^v"
STYLES = ("-", "--")
STEP = 4
"""The minimum ratio of two compared sizes: between close sizes, noise looks like growth."""


@dataclass(frozen=True)
class Point:
    """The cost of one request of a size: wall time, and CPU time of the service and its boxes (0 if unknown).

    `wall_s` is the median of the repeats in `walls_s`.
    """

    size: int
    wall_s: float
    cpu_s: float
    walls_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Curve:
    """Measurements that one line joins. `colour` and `style` are indices."""

    name: str
    points: list[Point]
    colour: int
    style: int = 0

    def steepest(self, costs: list[float]) -> tuple[float, int]:
        """Return the largest exponent over a step of at least `STEP`, and the size at the end of that step."""
        by_size = list(zip((point.size for point in self.points), costs, strict=True))
        exponents = [
            (math.log(later / cost) / math.log(largest / size), largest)
            for size, cost in by_size
            for largest, later in by_size
            if largest >= STEP * size and cost > 0 and later > 0
        ]
        return max(exponents, default=(0.0, 0))

    def exponents(self) -> list[float]:
        """Return the steepest step of the medians, then that of each repeat that every size has."""
        costs = [[point.wall_s for point in self.points]]
        repeats = min(len(point.walls_s) for point in self.points)
        costs += [[point.walls_s[n] for point in self.points] for n in range(repeats)]
        return [self.steepest(one)[0] for one in costs]

    def each_more_ms(self) -> float:
        """Return the milliseconds that each further unit took between the last two sizes."""
        a, b = self.points[-2:]
        return 1000 * (b.wall_s - a.wall_s) / (b.size - a.size)


@dataclass(frozen=True)
class Chart:
    """One plot: the size along x, and the cost of a request along y."""

    name: str
    title: str
    x_label: str
    curves: list[Curve]

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def rows(self) -> list[list[str]]:
        """Return a row for each curve: smallest, largest, the cost of each further unit, and the steepest step."""
        return [
            [
                f"{self.name}: {curve.name}",
                f"{1000 * curve.points[0].wall_s:.1f} ms at {curve.points[0].size}",
                f"{1000 * curve.points[-1].wall_s:.0f} ms at {curve.points[-1].size}",
                f"{curve.each_more_ms():.4f}",
                _step(*curve.steepest([point.wall_s for point in curve.points])),
                _step(*curve.steepest([point.cpu_s for point in curve.points])),
            ]
            for curve in self.curves
        ]


def figures_of(chart: Chart) -> list[Figure]:
    """Return the steepest step of each curve, and the times of its smallest and its largest request."""
    found = []
    for curve in chart.curves:
        at, first, last = f"growth/{chart.name}/{slug(curve.name)}", curve.points[0], curve.points[-1]
        if curve.steepest([point.wall_s for point in curve.points])[1]:
            title = f"{chart.name}: {curve.name}: steepest step, clock"
            found.append(figure(f"{at}/exponent", title, curve.exponents(), Unit.EXPONENT, Better.LOWER))
        for point, name in ((first, "smallest"), (last, "largest")):
            title = f"{chart.name}: {curve.name}: {point.size} {chart.x_label}"
            walls_ms = [1000 * one for one in point.walls_s or (point.wall_s,)]
            found.append(figure(f"{at}/{name}_ms", title, walls_ms, Unit.MS, Better.LOWER))
    return found


def _step(exponent: float, size: int) -> str:
    if not size:
        return ""
    return f"{exponent:.2f} up to {size}{', worse than linear' if exponent > IN_PROPORTION else ''}"


def draw(chart: Chart, path: Path) -> None:
    """Write the plot as SVG. The same numbers give the same file."""
    with mpl.rc_context({"svg.hashsalt": "grpo-verifier", "font.family": "DejaVu Sans"}):
        drawing = Drawing(figsize=(7.4, 3.8), layout="constrained")
        axes = drawing.add_subplot()
        for curve in chart.curves:
            axes.plot(
                [point.size for point in curve.points],
                [1000 * point.wall_s for point in curve.points],
                STYLES[curve.style],
                color=COLOURS[curve.colour],
                marker=MARKERS[curve.colour],
                markersize=4,
                lw=1.6,
                label=curve.name,
            )
        _draw_slope(axes, chart)
        _finish(drawing, axes, chart)
        drawing.savefig(path, metadata={"Date": None})


def _draw_slope(axes: Axes, chart: Chart) -> None:
    """Draw a faint line of slope 1 from the cheapest point, as a ruler. The axis still fits the curves only."""
    points = [point for curve in chart.curves for point in curve.points]
    smallest, largest = min(one.size for one in points), max(one.size for one in points)
    lowest, highest = min(one.wall_s for one in points), max(one.wall_s for one in points)
    start = 1000 * lowest / 1.5
    axes.set_ylim(start, 1000 * highest * 1.5)
    axes.plot([smallest, largest], [start, start * largest / smallest], ":", color=GREY, lw=1, label="in proportion")


def _finish(drawing: Drawing, axes: Axes, chart: Chart) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(chart.title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel(chart.x_label, color=INK, fontsize=9)
    axes.set_ylabel("milliseconds a request", color=INK, fontsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.grid(which="major", color="#e4e7eb", lw=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors="#52606d", labelsize=8)
    handles, labels = axes.get_legend_handles_labels()
    by_cost = sorted(zip(chart.curves, handles, labels, strict=False), key=lambda one: -one[0].points[-1].wall_s)
    shown = [*((handle, label) for _, handle, label in by_cost), (handles[-1], labels[-1])]
    drawing.legend(*zip(*shown, strict=True), frameon=False, fontsize=8, loc="outside right upper")
