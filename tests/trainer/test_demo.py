"""`make demo` does what README claims, on every CPU and with every seed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from trainer.config import load_recipe
from trainer.train import Exit, train

README = Path(__file__).parents[2] / "README.md"
CLAIM = re.compile(r"at most (0\.\d+) before, at least (0\.\d+) after and at most (0\.\d+) with the coin")


def demo(verifier_url: str, folder: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    """Run the demo; return the summary of each evaluation."""
    everything = {"verifier.url": verifier_url, "output_dir": str(folder), **changes}
    assert train(load_recipe("demo", everything), Console(quiet=True)) is Exit.DONE
    places = {"before": folder, "after": folder, "control": folder / "control"}
    files = {
        name: place / "evaluations" / ("after" if name == "control" else name) / "summary.json"
        for name, place in places.items()
    }
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}


def claimed() -> tuple[float, ...]:
    """Return README's claims about greedy accuracy: before, after, and with random rewards."""
    found = CLAIM.search(README.read_text(encoding="utf-8"))
    assert found is not None, "README does not say what the demo does"
    return tuple(float(number) for number in found.groups())


def test_the_demo_starts_as_one_who_estimates_and_learns_in_a_third_of_its_steps(
    verifier_url: str, tmp_path: Path
) -> None:
    """At first, nearly all greedy answers are wrong and one sampled answer in four is right; later most are right."""
    changes = {"grpo.max_steps": 50, "evaluation.samples": 2, "control": None}
    found = demo(verifier_url, tmp_path / "run", **changes)
    assert found["before"]["greedy"]["value"] <= claimed()[0]
    assert 0.15 < found["before"]["pass@1"]["value"] < 0.35
    assert found["after"]["greedy"]["low"] > 0.6


@pytest.mark.long
def test_the_demo_does_what_the_readme_claims(verifier_url: str, tmp_path: Path) -> None:
    """The verdict alone teaches it, and a coin does not."""
    found = demo(verifier_url, tmp_path / "run")
    before, after, coin = claimed()
    assert found["before"]["greedy"]["value"] <= before
    assert found["after"]["greedy"]["value"] >= after
    assert found["control"]["greedy"]["value"] <= coin
