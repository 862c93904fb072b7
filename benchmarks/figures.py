"""A figure: one number that a benchmark has measured, for the report and for comparison with later runs.

Its id is `PART/WHAT/OF_WHAT`, for example `code_speed/call/ratio_to_python3`. Ids must never change; titles can. The
unit decides whether figures from two machines are comparable, and how large a difference has to be to matter.
"""

import re
import statistics
from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, computed_field

DIGITS = 5


class Better(StrEnum):
    """Which direction is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"
    """The figure is about something that this project is compared with."""


class Unit(StrEnum):
    """The unit of a figure."""

    TIMES = "times"
    EXPONENT = "exponent"
    SHARE = "share"
    COUNT = "count"
    PER_S = "1/s"
    MS = "ms"
    S = "s"
    MIB = "MiB"
    GIB = "GiB"
    MB = "MB"
    NS = "ns"


TOLERANCES: dict[Unit, float] = {Unit.TIMES: 0.15, Unit.EXPONENT: 0.15, Unit.SHARE: 0.0, Unit.COUNT: 0.0}
"""Units whose figures mean the same on every machine, and by what fraction such a figure may differ.

Counts are of events that must not happen, and shares of answers that are right: one event more or one right answer
less is already worse.
"""

IN_PROPORTION = 1.15
"""An exponent above this exceeds the variation of repeats on a quiet machine; all below it count as linear."""


class Figure(BaseModel):
    """One number with its spread: the lowest and the highest repeat, both equal to the value if there was only one."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    value: float
    low: float
    high: float
    unit: Unit
    better: Better

    @computed_field
    @property
    def comparable(self) -> bool:
        """Whether it means the same on every machine; other figures only hold for the machine that measured them."""
        return self.unit in TOLERANCES

    @property
    def topic(self) -> str:
        """The part of the benchmarks that measured it."""
        return self.id.partition("/")[0]


def figure(id_: str, title: str, found: float | Sequence[float], unit: Unit, better: Better) -> Figure:
    """Return a figure: the median of the measured values, with the lowest and the highest as its spread."""
    every = [found] if isinstance(found, (int, float)) else list(found)
    value, low, high = (float(f"{one:.{DIGITS}g}") for one in (statistics.median(every), min(every), max(every)))
    return Figure(id=id_, title=title, value=value, low=low, high=high, unit=unit, better=better)


def ratios(of: Sequence[float], beside: Sequence[float]) -> list[float]:
    """Return the ratios round by round, because a machine that slows down slows both sides of a round."""
    return [one / other for one, other in zip(of, beside, strict=True)]


def slug(words: str) -> str:
    """Return words as a part of an id: `assert, 10 lines` becomes `assert_10_lines`."""
    return re.sub(r"[^a-z0-9.+]+", "_", words.lower()).strip("_")


def number(value: float, unit: Unit) -> str:
    """Write a value for people: `2.16×`, `4.9 ms`, `0`, `99.7 %`."""
    if unit is Unit.SHARE:
        return f"{100 * value:.1f} %".replace(".0 %", " %")
    if unit is Unit.COUNT:
        return f"{value:,.0f}"
    digits = next((digits for least, digits in ((100, 0), (10, 1), (0.2, 2)) if abs(value) >= least), 3)
    words = f"{value:,.{digits}f}" if value else "0"
    return f"{words}×" if unit is Unit.TIMES else words if unit is Unit.EXPONENT else f"{words} {unit}"
