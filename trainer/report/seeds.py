"""The report of one recipe's runs with several seeds: mean and spread of all measures, and the curves."""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from trainer.errors import DataError
from trainer.evaluation.during import curve
from trainer.evaluation.evaluate import intervals
from trainer.files import SEEDS
from trainer.progress import read_metrics
from trainer.report import charts, page
from verifier_service.schema.base import counted

Curves = dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class Spread:
    """One measure over the seeds."""

    name: str
    by_seed: dict[int, float]

    @property
    def mean(self) -> float:
        """The mean over the seeds that have this measure."""
        return statistics.fmean(self.by_seed.values())

    @property
    def deviation(self) -> float | None:
        """The standard deviation of single runs, with n - 1; None for a single seed."""
        return statistics.stdev(self.by_seed.values()) if len(self.by_seed) > 1 else None

    def row(self) -> dict[str, object]:
        """Return all values, for the page and for the JSON file."""
        values = self.by_seed.values()
        numbers = {"mean": self.mean, "deviation": self.deviation, "least": min(values), "greatest": max(values)}
        return {**asdict(self), **numbers}


def write(folder: Path, console: Console) -> Path:
    """Write `report.html` and `seeds-summary.json` for the seeds in a folder, and print means and spreads.

    Returns:
        The path of the report.

    Raises:
        DataError: Nothing has been measured for any of the seeds.
    """
    seeds: list[int] = json.loads((folder / SEEDS).read_text(encoding="utf-8"))
    spreads = read_spreads(folder, seeds)
    measured = [seed for seed in seeds if any(seed in spread.by_seed for spread in spreads)]
    curves = {title: found for title, found in _curves(folder, seeds).items() if found}
    if not measured and not curves:
        raise DataError(f"{folder} has no measurements yet, for any of its seeds")
    (folder / "report").mkdir(exist_ok=True)
    pictures = []
    for number, ((title, unit), found) in enumerate(curves.items()):
        path = folder / "report" / f"seeds-{number}.png"
        charts.draw_seeds(found, title, unit, path)
        pictures.append({"title": title, "data": page.picture(path)})
    rows = [spread.row() for spread in spreads]
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    text = page.template("seeds.html.j2").render(
        name=recipe["name"],
        runs=measured,
        missing=[seed for seed in seeds if seed not in measured],
        rows=rows,
        pictures=pictures,
    )
    (folder / "seeds-summary.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    console.print(_table(spreads, recipe["name"], len(measured)))
    console.print(f"report: {path.absolute().as_uri()}", highlight=False, soft_wrap=True)
    return path


def read_spreads(folder: Path, seeds: list[int]) -> list[Spread]:
    """Read each measure of each evaluation, and the change from before to after, for all seeds that have it."""
    found: dict[str, dict[int, float]] = {}
    for seed in seeds:
        held_out = page.read_held_out(folder / f"seed-{seed}")
        by_evaluation = {name: intervals(held_out[name]) for name in page.EVALUATIONS if name in held_out}
        if "paired" in held_out:
            by_evaluation["change"] = held_out["paired"]["differences"]
        for name, measures in by_evaluation.items():
            for measure, interval in measures.items():
                found.setdefault(f"{name}, {measure}", {})[seed] = interval["value"]
    return [Spread(name, values) for name, values in found.items()]


def _curves(folder: Path, seeds: list[int]) -> dict[tuple[str, str], Curves]:
    """Return the curves of each chart, keyed by title and unit: steps and values for each seed."""
    rewards: Curves = {}
    accuracies: Curves = {}
    for seed in seeds:
        run, label = folder / f"seed-{seed}", f"seed {seed}"
        rows = [row for row in read_metrics(run / "metrics.jsonl") if row.get("reward") is not None]
        if rows:
            rewards[label] = [(row["step"], row["reward"]) for row in rows]
        names = "held_out/greedy", "held_out/accuracy"
        if measured := [(int(row["step"]), row[name]) for row in curve(run) for name in names if name in row]:
            accuracies[label] = measured
    return {("Reward while training", "reward"): rewards, ("Held-out accuracy", "share"): accuracies}


def _table(spreads: list[Spread], name: str, count: int) -> Table:
    table = Table("", "mean", "standard deviation", "minimum to maximum", title=f"{name}: {counted(count, 'seed')}")
    for spread in spreads:
        deviation = "–" if spread.deviation is None else f"{spread.deviation:.3f}"
        values = spread.by_seed.values()
        table.add_row(spread.name, f"{spread.mean:.3f}", deviation, f"{min(values):.3f} to {max(values):.3f}")
    return table
