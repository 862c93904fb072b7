"""The report in a browser: filters, phones, and runs with little to show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rich.console import Console

from trainer.config import parse_recipe, recipe_text
from trainer.report import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser  # pyright: ignore[reportMissingImports]

QUIET = Console(quiet=True)
GROUP = 4


def run_folder(folder: Path, completions: int = 8, same: float = 0.0) -> Path:
    """Write the files of a run with two steps; `same` is the share of groups without an advantage."""
    recipe = {"name": "small", "model": {"kind": "tiny"}, "data": [{"kind": "addition"}]}
    grpo = {"max_steps": 2, "learning_rate": 1e-3, "num_generations": GROUP}
    (folder / "completions").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(recipe_text(parse_recipe({**recipe, "grpo": grpo})))
    row = {"reward": 0.25, "reward/correctness": 0.25, "frac_reward_zero_std": same, "clip_ratio/region_mean": 0.0}
    rows = [{"step": step, "entropy": 0.5, **row} for step in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    table = pd.DataFrame(
        {
            "step": [2] * completions,
            "prompt": [f"What is {i // GROUP} + 1?" for i in range(completions)],
            "completion": [f"A long answer without a single space: {'9' * 300} number {i}" for i in range(completions)],
            "verdict": ["accepted" if i % GROUP == 0 else "wrong_answer" for i in range(completions)],
            "message": [f"the answer is {'9' * 200}"] * completions,
            "verifier": [1.0 if i % GROUP == 0 else 0.0 for i in range(completions)],
            "advantage": [1.5 if i % GROUP == 0 else -0.5 for i in range(completions)],
        }
    )
    table.to_parquet(folder / "completions" / "completions_00002.parquet")
    return page.write(folder, QUIET)


def test_a_search_that_finds_nothing_says_so(browser: Browser, tmp_path: Path) -> None:
    """An empty space would look like a broken page."""
    tab = browser.new_page()
    tab.goto(run_folder(tmp_path / "run").as_uri())
    assert tab.locator("#count").inner_text() == "8 completions of step 2"
    tab.get_by_placeholder("text").fill("number 5")
    assert tab.locator("#count").inner_text() == "1 of 8 completions of step 2"
    assert tab.get_by_text("No completion matches").count() == 0
    tab.get_by_placeholder("text").fill("nobody wrote this")
    assert tab.get_by_text("No completion matches").is_visible()
    tab.close()


def test_completions_that_are_not_in_the_page_are_counted(browser: Browser, tmp_path: Path) -> None:
    """A step of 100 shows 96, and says that 4 are missing."""
    tab = browser.new_page()
    tab.goto(run_folder(tmp_path / "run", completions=100).as_uri())
    assert tab.locator("#count").inner_text() == "96 completions of step 2; 4 more are in the run's folder"
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(browser: Browser, tmp_path: Path, scheme: str) -> None:
    """At 390 pixels, the page does not scroll sideways and every cell is visible."""
    phone = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = phone.new_page()
    tab.goto(run_folder(tmp_path / "run").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    right = tab.evaluate("Math.max(...[...document.querySelectorAll('td')].map(e => e.getBoundingClientRect().right))")
    assert right <= 390
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == {"light": "rgb(245, 247, 250)", "dark": "rgb(15, 18, 22)"}[scheme]
    phone.close()


def test_what_says_nothing_is_not_drawn(tmp_path: Path) -> None:
    """The reward is drawn once, at the top, and a metric that is always zero is only mentioned."""
    text = run_folder(tmp_path / "run").read_text()
    alts = [part.partition('"')[0] for part in text.split('img alt="')[1:]]
    assert alts == ["Reward while training", "Entropy"]
    assert "Zero in every step, and not shown: Groups without an advantage, Clipped tokens." in text


@pytest.mark.parametrize(("same", "is_said"), [(1.0, True), (0.5, False)])
def test_a_run_that_cannot_have_learned_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], same: float, is_said: bool
) -> None:
    """It is on the page and on the terminal, next to the report's clickable address."""
    folder = tmp_path / "run"
    run_folder(folder, same=same)
    page.write(folder, Console(width=400))
    said = capsys.readouterr().out
    assert f"report: file://{folder}/report.html" in said
    assert ("no group had an advantage in any step" in said) is is_said
    assert ("No group had an advantage in any step" in (folder / "report.html").read_text()) is is_said
