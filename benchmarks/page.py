"""The page of a report: one file with embedded plots, which needs no network.

Figures are grouped by topic: ratios as bars around 1 with their spread, plots of cost growth, and a table of all.
"""

import base64
import math
from dataclasses import dataclass
from pathlib import Path

import jinja2

from benchmarks.compare import Row
from benchmarks.figures import Better, Figure, Unit, number
from benchmarks.parts import PARTS
from benchmarks.report import Report

TEMPLATES = (Path(__file__).parent, Path(__file__).parent.parent / "trainer" / "report")
HEADLINES = (
    "code_speed/call/ratio_to_python3",
    "concurrency/64/call/ratio_to_docker_run",
    "math_speed/groups_of_8/ratio_to_math_verify",
    "code_under_load/crowd/false_time_outs",
    "code_under_load/eightfold/changed",
    "code_correctness/human_eval/references_refused",
)
"""Ids of the figures at the top of the page, if they were measured."""


def page(report: Report, folder: Path, judged: list[Row]) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = number
    by_id = {one.id: one for one in report.figures}
    return environment.get_template("bench.html.j2").render(
        report=report,
        headlines=[by_id[one] for one in HEADLINES if one in by_id],
        topics=[topic for name in PARTS if (topic := topic_of(name, report, folder))],
        judged=judged,
    )


WORDS = {
    Better.HIGHER: "More is better",
    Better.LOWER: "Less is better",
    Better.NEITHER: "For comparison",
}


@dataclass(frozen=True)
class Bar:
    """A ratio as a bar from 1 on a logarithmic axis, with a line from the lowest to the highest; in hundredths."""

    figure: Figure
    start: float
    width: float
    spread_start: float
    spread_width: float
    tone: str


@dataclass(frozen=True)
class Topic:
    """The figures of one part, as the page shows them."""

    name: str
    title: str
    about: str
    figures: list[Figure]
    bars: list[tuple[str, list[Bar]]]
    """Grouped by the direction that is better, with words for it, on one axis."""
    one_at: float
    plots: list[str]
    failed: bool


def topic_of(name: str, report: Report, folder: Path) -> Topic | None:
    """Return the topic of a part, or None if it was not run."""
    outcome = next((one for one in report.parts if one.name == name), None)
    if outcome is None:
        return None
    figures = [one for one in report.figures if one.topic == name]
    compared = [one for one in figures if one.unit is Unit.TIMES and one.low > 0]
    axis = Axis.around(compared)
    plots = [
        base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.glob(f"{name}-*.svg"), key=_as_drawn)
    ]
    return Topic(
        name,
        PARTS[name].title,
        PARTS[name].about,
        figures,
        [
            (words, [axis.bar(one) for one in compared if one.better is better])
            for better, words in WORDS.items()
            if any(one.better is better for one in compared)
        ],
        axis.at(1),
        plots,
        bool(outcome.exit_code),
    )


def _as_drawn(path: Path) -> float:
    return path.stat().st_mtime


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis. Positions on it are hundredths of its width."""

    low: float
    high: float

    @classmethod
    def around(cls, figures: list[Figure]) -> "Axis":
        """Return an axis that contains 1 and every spread."""
        ends = [1.0, *(one.low for one in figures), *(one.high for one in figures)]
        return cls(min(ends) / 1.1, max(ends) * 1.1)

    def at(self, value: float) -> float:
        """Return the position of a value."""
        return round(100 * math.log(value / self.low) / math.log(self.high / self.low), 2)

    def bar(self, figure: Figure) -> Bar:
        """Return a figure's bar. Its tone says whether it is on the better side of 1."""
        one, value, low, high = map(self.at, (1, figure.value, figure.low, figure.high))
        good = (figure.value >= 1) == (figure.better is Better.HIGHER)
        tone = "plain" if figure.better is Better.NEITHER else "good" if good else "bad"
        return Bar(figure, min(one, value), abs(value - one), low, high - low, tone)
