"""The report of one benchmark run: the machine, the parts, and a flat list of figures."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.figures import Figure
from benchmarks.parts import Form
from benchmarks.results import BUSY_LOAD


class Outcome(BaseModel):
    """How one part went."""

    name: str
    seconds: float
    exit_code: int


class KeptRun(BaseModel):
    """A longer run of one part whose figures the manual shows; `python -m benchmarks.keep` adds one.

    Reports are never compared with it: `compare` looks at the figures of the report alone.
    """

    model_config = ConfigDict(frozen=True)

    part: str
    """The name of the measurement; the ids of its figures begin with `kept/` and this name."""
    command: str
    machine: str
    date: str
    figures: list[Figure]


class Report(BaseModel):
    """All results of one run."""

    model_config = ConfigDict(frozen=True)

    form: Form
    machine: dict[str, Any]
    parts: list[Outcome]
    figures: list[Figure]
    runs: list[KeptRun] = []
    """Longer runs, kept alongside the report in docs/measured.json."""

    @property
    def failed(self) -> list[str]:
        """The parts that failed."""
        return [one.name for one in self.parts if one.exit_code]

    @property
    def busy(self) -> bool:
        """Whether the machine had other work when the run began."""
        return float(self.machine.get("load before", 0)) > BUSY_LOAD


def figures_in(folder: Path, name: str) -> list[Figure]:
    """Return the figures that a part wrote; none if it failed before that."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return []
    return [Figure.model_validate(one) for one in json.loads(path.read_text(encoding="utf-8"))["figures"]]


def write(report: Report, path: Path) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """Read a report.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a report.
    """
    return Report.model_validate_json(path.read_text(encoding="utf-8"))
