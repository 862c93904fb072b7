"""Make the pictures of the manual: `python -m manual.pictures page`, or `demo`, `turns`, `methods` from finished runs.

| picture | is made from |
|---|---|
| `page` | the page of a service that this module starts, in Chromium |
| `demo` | `runs/demo`, after `make demo` |
| `turns` | `runs/demo-repair` and `runs/demo-tool`, after `make demo RECIPE=...` of each |
| `methods` | `runs/demo/compare`, after `python -m trainer compare demo` |
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.service import running
from tests.conftest import CHROMIUM
from trainer.progress import read_metrics

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
EXAMPLES = {"page-math": "Refuted", "page-code": "Standard input"}
"""Each picture of the page, and the example of the page that it shows."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Runs = Annotated[Path, typer.Option(help="the folder that holds the runs")]


@app.command()
def page() -> None:
    """Take screenshots of the page at / after two of its examples were judged."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        sys.exit("There is no Chromium on the PATH. Debian, Ubuntu: apt-get install chromium")
    with running() as service, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, example in EXAMPLES.items():
            tab = browser.new_page(viewport={"width": 1360, "height": 880}, color_scheme="light")
            tab.goto(service.url)
            tab.get_by_role("button", name=example, exact=True).click()
            tab.keyboard.press("Control+Enter")
            tab.locator("#result[aria-busy=false] .banner").wait_for()
            tab.evaluate("document.fonts.ready")
            tab.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


@app.command()
def demo(runs: Runs = ROOT / "runs") -> None:
    """Draw the reward of the demo and its control, and the held-out accuracies beside it."""
    from trainer.report import charts
    from trainer.report.page import read_held_out

    run = runs / "demo"
    control, rows = _metrics(run / "control"), _metrics(run)
    found = read_held_out(run)
    bars = [
        (label, found[label]["greedy"]["value"], found[label]["greedy"]["low"], found[label]["greedy"]["high"], colour)
        for label, colour in (("before", charts.GREY), ("after", charts.GREEN), ("control", charts.RED))
        if label in found
    ]
    figure, (left, right) = _two_panels(widths=(1.7, 1.0))
    _curve(left, rows, lambda row: row.get("reward"), charts.GREEN, "rewarded by the verifier")
    _curve(left, control, lambda row: row.get("reward"), charts.GREY, "control: rewarded by a coin")
    left.set_title("Mean reward while training", loc="left", fontsize=11)
    left.legend(frameon=False, fontsize=9)
    for x, (_, value, low, high, colour) in enumerate(bars):
        right.bar(x, value, 0.6, color=colour)
        right.errorbar(x, value, [[max(0.0, value - low)], [max(0.0, high - value)]], color=charts.INK, capsize=4)
        right.text(x, min(high + 0.03, 1.04), f"{value:.3f}", ha="center", fontsize=9)
    right.set_xticks(range(len(bars)), [label for label, *_ in bars])
    right.set_ylim(0, 1.15)
    right.set_title("Held-out accuracy, greedy", loc="left", fontsize=11)
    figure.savefig(PICTURES / "demo.png", dpi=110)


@app.command()
def turns(runs: Runs = ROOT / "runs") -> None:
    """Draw what the two demos in turns learn."""
    from trainer.report import charts

    figure, (left, right) = _two_panels()
    repair, tool = _metrics(runs / "demo-repair"), _metrics(runs / "demo-tool")
    _curve(left, repair, lambda row: row.get("reward"), charts.GREEN, "reward: solved in either turn")
    _curve(left, repair, lambda row: row.get("turns/solved_at_1"), charts.BLUE, "solved at turn 1")
    _curve(left, repair, _repaired, charts.RED, "of the others, solved at turn 2")
    left.set_title("demo-repair", loc="left", fontsize=11)
    _curve(right, tool, lambda row: row.get("reward"), charts.GREEN, "reward")
    _curve(right, tool, lambda row: row.get("interpreter/used_share"), charts.BLUE, "completions that run a program")
    right.set_title("demo-tool", loc="left", fontsize=11)
    for axes in (left, right):
        axes.set_ylim(0, 1.05)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(PICTURES / "turns.png", dpi=100)


@app.command()
def methods(runs: Runs = ROOT / "runs") -> None:
    """Copy the picture that `compare` drew."""
    shutil.copyfile(runs / "demo" / "compare" / "compare.png", PICTURES / "methods.png")


def _repaired(row: dict[str, Any]) -> float | None:
    """Return the share solved at turn 2 among the completions that turn 1 left unsolved."""
    first, second = row.get("turns/solved_at_1"), row.get("turns/solved_at_2")
    if first is None or second is None or first == 1:
        return None
    return second / (1 - first)


def _two_panels(widths: tuple[float, float] = (1.0, 1.0)) -> tuple[Any, Sequence[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=widths)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e7eb", lw=0.6)
        axes.set_axisbelow(True)
    return figure, panels


def _curve(
    axes: Any, rows: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float | None], colour: str, label: str
) -> None:
    """Draw the values faintly and their moving average over them."""
    from trainer.report.charts import SMOOTHING_STEPS

    points = [(row["step"], found) for row in rows if (found := value(row)) is not None]
    steps, values = [step for step, _ in points], [found for _, found in points]
    half = SMOOTHING_STEPS // 2
    windows = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    axes.plot(steps, values, color=colour, alpha=0.3, lw=1)
    axes.plot(steps, [sum(window) / len(window) for window in windows], color=colour, lw=2, label=label)
    axes.set_xlabel("step", fontsize=9)


def _metrics(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    if not path.is_file():
        sys.exit(f"{path} is missing. The docstring of {Path(__file__).name} says which run makes it.")
    return read_metrics(path)


if __name__ == "__main__":
    app()
