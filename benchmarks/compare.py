"""Compare a run of the benchmarks with an earlier one: what is worse, better or missing.

    python -m benchmarks --check KEPT.json                                 # measures, then compares
    python -m benchmarks.compare KEPT.json runs/benchmarks/report.json     # compares two reports

Only figures that are comparable between machines are compared. A figure is worse if it moved in the wrong direction by
more than its unit's tolerance and the spreads of both runs do not overlap. Either condition alone can result from
ordinary variation between runs on the same machine.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.figures import IN_PROPORTION, TOLERANCES, Better, Figure, Unit, number
from benchmarks.report import read
from benchmarks.results import Table


class Judgement(StrEnum):
    """How a figure compares with the earlier one."""

    WORSE = "worse"
    MISSING = "missing"
    OTHER_UNIT = "other unit"
    BETTER = "better"
    NEW = "new"
    SAME = "same"


@dataclass(frozen=True)
class Row:
    """A figure in the earlier run, in this one, or both."""

    judgement: Judgement
    kept: Figure | None
    now: Figure | None

    @property
    def figure(self) -> Figure:
        """The current figure, or the earlier one if it is missing now."""
        found = self.now or self.kept
        assert found is not None
        return found


def judge(kept: Figure, now: Figure) -> Judgement:
    """Judge one figure."""
    if kept.unit is not now.unit or kept.better is not now.better:
        return Judgement.OTHER_UNIT
    in_proportion = kept.unit is Unit.EXPONENT and max(kept.value, now.value) <= IN_PROPORTION
    if kept.better is Better.NEITHER or in_proportion:
        return Judgement.SAME
    tolerance = TOLERANCES[kept.unit]
    up = now.low > kept.high and now.value > kept.value * (1 + tolerance)
    down = now.high < kept.low and now.value < kept.value * (1 - tolerance)
    if not up and not down:
        return Judgement.SAME
    return Judgement.BETTER if up == (kept.better is Better.HIGHER) else Judgement.WORSE


def compare(kept: Iterable[Figure], now: Iterable[Figure]) -> list[Row]:
    """Return a row for each comparable figure of either run, the worst first."""
    before = {one.id: one for one in kept if one.comparable}
    after = {one.id: one for one in now}
    rows = [
        Row(judge(one, after[id_]) if id_ in after else Judgement.MISSING, one, after.get(id_))
        for id_, one in before.items()
    ]
    rows += [Row(Judgement.NEW, None, one) for id_, one in after.items() if one.comparable and id_ not in before]
    order = list(Judgement)
    return sorted(rows, key=lambda row: order.index(row.judgement))


def table_of(rows: list[Row]) -> Table:
    """Return a table of figures that are worse, better or missing; its title counts the others."""
    same, new = (sum(row.judgement is one for row in rows) for one in (Judgement.SAME, Judgement.NEW))
    title = f"Compared with the earlier report: {same} figures are the same, {new} are new"
    table = Table(title, ["", "figure", "kept", "now"])
    for row in rows:
        if row.judgement not in (Judgement.SAME, Judgement.NEW):
            table.add(row.judgement, row.figure.id, _words(row.kept), _words(row.now))
    return table


def _words(figure: Figure | None) -> str:
    if figure is None:
        return ""
    value, low, high = (number(one, figure.unit) for one in (figure.value, figure.low, figure.high))
    return value if low == high else f"{value} ({low} - {high})"


def worse(rows: list[Row]) -> list[str]:
    """Return the ids of the figures that are worse."""
    return [row.figure.id for row in rows if row.judgement is Judgement.WORSE]


def main() -> None:
    """Compare two reports. The exit code is 1 if a figure is worse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kept", type=Path)
    parser.add_argument("now", type=Path)
    options = parser.parse_args()
    rows = compare(read(options.kept).figures, read(options.now).figures)
    table_of(rows).show()
    sys.exit(bool(worse(rows)))


if __name__ == "__main__":
    main()
