"""Every packaged recipe runs all stages here, without CUDA and with a random model of its own architecture."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.conftest import free_port
from trainer.config import RECIPES_DIR, Recipe, load_recipe, parse_recipe
from trainer.memory.known_models import config_of
from trainer.smoke import Stages, advice, run, shrunk, smaller

RECIPES = sorted(path.stem for path in RECIPES_DIR.glob("*.yaml"))
STAGES = {"verifier", "packages", "prepare", "load", "generate", "judge", "step", "save", "reload", "evaluate"}


ROOM = """
import io, pathlib
from rich.console import Console
from trainer import smoke
from trainer.config import load_recipe
from trainer.errors import DataError
from trainer.train import process_state

folder = pathlib.Path("{folder}")
changes = {{"verifier.url": "http://127.0.0.1:9", "verifier.patience_s": 0.1}}
other = folder / "other-smoke"
if process_state().is_main_process:
    other.mkdir()
    (other / "mine.txt").touch()
process_state().wait_for_everyone()
try:
    smoke.run(load_recipe("demo", changes | {{"output_dir": str(folder / "other")}}), Console(quiet=True), tiny=True)
except DataError:
    print("refused")
made = []
save = smoke._save_random
smoke._save_random = lambda *given: (made.append(given), save(*given))
recipe = load_recipe("gsm8k-deepseek-coder-6.7b", changes | {{"output_dir": str(folder / "run")}})
went_well = smoke.run(recipe, Console(quiet=True), tiny=True)
print("well" if went_well else "failed")
print(len(made) if process_state().is_main_process else 1 - len(made))
"""


def smoked(recipe: Recipe) -> tuple[bool, str]:
    """Run the stages, and return the output."""
    console = Console(file=io.StringIO(), width=1000, color_system=None)
    went_well = run(recipe, console, tiny=True)
    assert isinstance(console.file, io.StringIO)
    return went_well, console.file.getvalue()


@pytest.mark.parametrize("name", RECIPES)
def test_every_packaged_recipe_goes_its_whole_way(name: str, verifier_url: str, tmp_path: Path) -> None:
    """Load, generate, judge, step, save, reload, evaluate: two steps of everything but CUDA, vLLM and four bits."""
    recipe = load_recipe(name, {"output_dir": str(tmp_path / "run"), "verifier.url": verifier_url})
    went_well, said = smoked(recipe)
    assert went_well, said
    times = dict(part.rsplit(" ", 2)[:2] for part in said.splitlines()[-1].partition(": ")[2].split(", "))
    assert times.keys() == STAGES
    assert "2 logged, " in said
    assert "100% judged" in said
    assert "evaluate: 8 of 8 problems judged" in said
    assert list(tmp_path.iterdir()) == [], "a run that went well leaves nothing"


def test_stand_ins_are_mixed_and_judged_as_the_sources_are() -> None:
    """There is no curriculum, because generated problems have no pass rates."""
    whole = load_recipe("demo").model_dump(mode="json")
    data = [
        {"kind": "gsm8k", "weight": 2},
        {"kind": "mbpp", "weight": 1},
        {"kind": "dataset", "dataset": "some/code", "format": "livecodebench", "weight": 3},
    ]
    small = smaller(parse_recipe(whole | {"data": data, "curriculum": "easy_first"}), tiny=True)
    assert [(source.kind, source.weight) for source in small.data] == [
        ("addition", 2),
        ("functions", 1),
        ("functions", 3),
    ]
    assert small.curriculum is None


def test_two_processes_of_which_one_writes(tmp_path: Path) -> None:
    """Both start in the folder that the first one created, and both refuse the folder of another run."""
    program = tmp_path / "program.py"
    program.write_text(ROOM.format(folder=tmp_path), encoding="utf-8")
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    places = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in (0, 1)]
    command = [sys.executable, str(program)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes, env=os.environ | shared | place) for place in places]
    said = [process.communicate(timeout=300) for process in running]
    assert [out.split() for out, _ in said] == [["refused", "failed", "1"]] * 2, said
    assert (tmp_path / "run-smoke" / "random" / "config.json").is_file()


def test_a_stage_that_fails_is_named_with_what_to_change(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    changes = {"output_dir": str(tmp_path / "run"), "verifier.url": url, "verifier.patience_s": 0.1}
    went_well, said = smoked(load_recipe("demo", changes))
    assert not went_well
    assert said.startswith("verifier failed the verifier at http://127.0.0.1:")
    assert "start a verifier with python -m verifier_service serve" in said


def test_a_folder_that_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "run-smoke" / "mine.txt"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(Exception, match="was not written by `smoke`"):
        smoked(load_recipe("demo", {"output_dir": str(tmp_path / "run")}))
    assert kept.exists()


def test_the_innermost_stage_is_the_one_that_failed() -> None:
    stages = Stages()
    with pytest.raises(ZeroDivisionError), stages.stage("step"), stages.stage("judge"):
        _ = 1 / 0
    assert stages.failed == "judge"


@pytest.mark.parametrize(
    ("problem", "stage", "said"),
    [
        (ImportError("vLLM is not installed"), "load", "-e '.[trainer,vllm]'"),
        (ImportError("bitsandbytes >= 0.46.1 is needed"), "load", "-e '.[trainer,qlora]'"),
        (RuntimeError("timed out"), "sync", "zero3.yaml"),
        (ValueError("No available memory for the cache blocks"), "load", "vllm.vllm_gpu_memory_utilization"),
    ],
)
def test_advice_names_what_to_change(problem: Exception, stage: str, said: str) -> None:
    assert said in " ".join(advice(problem, stage, load_recipe("math-qwen2.5-1.5b-lora")))


def test_a_shrunk_model_keeps_its_architecture() -> None:
    """It keeps the ratio of queries to keys and tied weights, because code paths can depend on them."""
    large = config_of(load_recipe("math-qwen2.5-7b-full"))
    small = shrunk(large, 100)
    assert (small["model_type"], small["tie_word_embeddings"]) == ("qwen2", False)
    assert (small["num_attention_heads"], small["num_key_value_heads"]) == (4, 1)
