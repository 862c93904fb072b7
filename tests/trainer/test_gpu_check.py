"""The GPU check runs here with tiny sizes: the same code, except for CUDA, vLLM and 4-bit weights."""

from pathlib import Path
from typing import Any

from benchmarks.gpu_check import CASES, Found, check, table


def test_the_check_of_gpus_runs_on_a_cpu_with_tiny_sizes(verifier_url: str, tmp_path: Path) -> None:
    kept: list[dict[str, Any]] = []
    result = check(verifier_url, tiny=True, folder=tmp_path, keep=kept.append)
    assert [len(one["cases"]) for one in kept] == [*range(1, len(CASES) + 1)], "after each case"
    by_name = {case["name"]: case for case in result["cases"]}
    run = [case for case in by_name.values() if case["not_run"] is None]
    assert [case["name"] for case in run] == [case.name for case in CASES if case.needs is None]
    assert all(case["tokens_per_s"] > 0 and case["step_s"] > 0 and case["planned_gib"] > 0 for case in run), run
    assert by_name["1.5B, LoRA, vLLM"]["not_run"] == "needs a GPU and the package vllm"
    assert result["log_probability_differences"].keys() == {"bf16 and fp32", "eager and sdpa"}
    assert result["equal"], result["log_probability_differences"]
    assert f"| {CASES[0].name} | {run[0]['tokens_per_s']:.0f} |" in table(result).markdown()


def test_a_peak_that_is_not_the_plans_is_not_as_planned() -> None:
    assert Found("a", measured_gib={"peak": 11.4}, planned_gib=10.0).is_as_planned
    assert not Found("a", measured_gib={"peak": 11.6}, planned_gib=10.0).is_as_planned
    assert not Found("a", measured_gib={"peak": 8.4}, planned_gib=10.0).is_as_planned
