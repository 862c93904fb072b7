"""A resumed run does not repeat finished work, and a signal in the last step stops all processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import free_port
from tests.trainer.test_algorithms import recipe
from tests.trainer.test_training import QUIET
from trainer.config import parse_recipe
from trainer.train import Exit, train

ROOT = Path(__file__).parents[2]
LAST_STEP = """
from types import SimpleNamespace
from accelerate import PartialState
from trainer.train import _StopOnSignal, process_state

place = process_state()
stop = _StopOnSignal()
stop.asked = place.process_index == 1
arguments = SimpleNamespace(steps_per_generation=1, num_iterations=1, gradient_accumulation_steps=1)
control = SimpleNamespace(should_save=False, should_training_stop=False)
stop.on_step_end(arguments, SimpleNamespace(global_step=4, max_steps=4), control)
print(stop.is_asked_anywhere(), flush=True)
"""


def test_a_control_goes_on_and_a_model_that_is_saved_is_not_set_aside(verifier_url: str, tmp_path: Path) -> None:
    """The run was stopped during the evaluation of its control."""
    values: dict[str, Any] = recipe(tmp_path / "run", "dr_grpo").model_dump(mode="json")
    held_out = {"kind": "addition", "digits": 1, "working": False, "split": "held_out", "limit": 2}
    values |= {"verifier": {"url": verifier_url}, "control": {"steps": 1}}
    values["grpo"] |= {"max_steps": 1, "save_steps": 1}
    values["evaluation"] = {"data": [held_out], "samples": 0, "before": False, "after": False}
    small = parse_recipe(values)
    assert train(small, QUIET) is Exit.DONE
    control = small.run_dir / "control"
    summary = control / "evaluations" / "after" / "summary.json"
    summary.unlink()
    saved = {path: path.stat().st_mtime_ns for path in (control / "checkpoint-1", small.run_dir / "final")}
    rows = (control / "metrics.jsonl").read_text()
    assert train(small, QUIET, resume=True) is Exit.DONE
    assert summary.is_file()
    assert {path: path.stat().st_mtime_ns for path in saved} == saved
    assert (control / "metrics.jsonl").read_text() == rows
    assert list(small.run_dir.glob("final.[0-9]*")) == []
    kept = small.run_dir / "final.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"step": 0}))  # as for a run with more steps
    assert train(small, QUIET, resume=True) is Exit.DONE
    assert (small.run_dir / "final.1").is_dir()


def test_a_signal_in_the_last_step_stops_every_process(tmp_path: Path) -> None:
    """One that returned alone would leave the others waiting for it."""
    program = tmp_path / "program.py"
    program.write_text(LAST_STEP, encoding="utf-8")
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(program)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=300) for process in processes]
    assert [out.split() for out, _ in said] == [["True"], ["True"]], said
