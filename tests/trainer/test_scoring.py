"""Examining data with the verifier: pass rates that a recipe can read, stored completions judged again, audits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.client.servers import losing_results
from trainer.cli import app
from trainer.config import Recipe, parse_recipe, recipe_text
from trainer.data.load import in_training_order, load_problems
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.pace import left_s
from trainer.scoring.rejudge import Options as RejudgeOptions
from trainer.scoring.rejudge import rejudge, steps_of
from trainer.scoring.score import Options, row_of, score, settings_of
from verifier_service.schema import Verdict

QUIET = Console(quiet=True)


def values(folder: Path, url: str = "http://127.0.0.1:1", **changes: Any) -> dict[str, Any]:
    return {
        "name": "scored",
        "output_dir": str(folder / "run"),
        "verifier": {"url": url},
        "model": {"kind": "tiny", "layers": 1, "width": 16, "heads": 2, "max_tokens": 48},
        "data": [{"kind": "addition", "digits": 1, "working": False, "limit": 12}],
        **changes,
    } | {"grpo": GRPO | changes.get("grpo", {})}


GRPO = {
    "max_steps": 2,
    "num_generations": 2,
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-3,
    "max_completion_length": 4,
}


def recipe(folder: Path, url: str = "http://127.0.0.1:1", **changes: Any) -> Recipe:
    return parse_recipe(values(folder, url, **changes))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


PROBLEM = Problem("one", "sums", "What is 2 + 2?", {"kind": "math", "reference": "4"}, solution="\\boxed{4}")


def write_rows(path: Path, rates: list[float | None]) -> None:
    rows = [row_of(PROBLEM, [], "") | {"id": f"p{i}", "pass_rate": rate} for i, rate in enumerate(rates)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_problem_is_read_again_as_it_was_scored(tmp_path: Path) -> None:
    shown = replace(PROBLEM, demonstration="\\boxed{5}", retry="\\boxed{4}!", program="print(2 + 2)", pass_rate=0.5)
    path = tmp_path / "scored.jsonl"
    path.write_text(json.dumps(row_of(shown, [Verdict.ACCEPTED, Verdict.WRONG_ANSWER], "m")), encoding="utf-8")
    (read,) = load_problems(recipe(tmp_path, data=[{"kind": "rows", "path": str(path)}]).data, seed=0)
    assert replace(read, source="") == shown


def test_a_judge_error_is_no_failure_in_a_pass_rate() -> None:
    """One right, one wrong, two that could not be judged: half of what was judged is right."""
    row = row_of(PROBLEM, [Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.JUDGE_ERROR, Verdict.JUDGE_ERROR], "m")
    assert (row["pass_rate"], row["samples"], row["judged"]) == (0.5, 4, 2)
    assert row_of(PROBLEM, [Verdict.JUDGE_ERROR], "m")["pass_rate"] is None


def test_scores_go_on_where_they_stopped_and_ask_again_what_was_not_judged(verifier_url: str, tmp_path: Path) -> None:
    """The file is cut after five rows and in the middle of a sixth; one of the five has no rate."""
    small = recipe(tmp_path, verifier_url)
    path = score(small, Options(samples=2), QUIET)
    whole = rows_of(path)
    assert [row["id"] for row in whole] == [problem.id for problem in load_problems(small.data, small.seed)]
    assert {(row["samples"], row["judged"]) for row in whole} == {(2, 2)}
    cut = [row | ({"pass_rate": None} if i == 2 else {}) for i, row in enumerate(whole[:5])]
    marked = [row | {"model": "kept"} for row in cut]
    path.write_text("".join(json.dumps(row) + "\n" for row in marked) + '{"id": "addit', encoding="utf-8")
    again = rows_of(score(small, Options(samples=2), QUIET))
    assert sorted(row["id"] for row in again) == sorted(row["id"] for row in whole)
    assert [row["id"] for row in again if row["model"] == "kept"] == [cut[i]["id"] for i in (0, 1, 3, 4)]
    assert None not in [row["pass_rate"] for row in again]
    with pytest.raises(DataError, match="samples was 2 and is 3"):
        score(small, Options(samples=3), QUIET)


def test_a_verifier_that_loses_results_lowers_no_rate(verifier_url: str, tmp_path: Path) -> None:
    """Every third result is a judge error: fewer are judged, and they are not counted as wrong answers."""
    with losing_results(verifier_url, every=3) as server:
        rows = rows_of(score(recipe(tmp_path, server.url), Options(samples=3, limit=6), QUIET))
    assert sum(row["judged"] for row in rows) < 18
    assert all((row["pass_rate"] is None) == (row["judged"] == 0) for row in rows)


def test_rows_are_chosen_by_their_pass_rate_and_laid_out_by_it(tmp_path: Path) -> None:
    """Both bounds are inclusive, unjudged rows are dropped, and a curriculum goes from easy to hard."""
    path = tmp_path / "rows.jsonl"
    write_rows(path, [0.0, 0.1, None, 0.5, 0.9, 1.0, 0.3, 0.7])
    source = {"kind": "rows", "path": str(path), "pass_rate": [0.1, 0.9]}
    chosen = recipe(
        tmp_path, data=[source], curriculum="easy_first", grpo={"per_device_train_batch_size": 4, "max_steps": 4}
    )
    problems = load_problems(chosen.data, 0)
    assert [problem.id for problem in problems] == ["p1", "p3", "p4", "p6", "p7"]
    ids = in_training_order(problems, chosen, 1)["problem_id"]
    rate = {problem.id: problem.pass_rate or 0.0 for problem in problems}
    epochs = [[rate[i] for i in ids[start : start + 4]] for start in (0, 4)]
    assert all(epoch == sorted(epoch, reverse=True) for epoch in epochs), epochs
    hard = chosen.model_copy(update={"curriculum": "hard_first"})
    first = [rate[i] for i in in_training_order(problems, hard, 1)["problem_id"][:4]]
    assert first == sorted(first)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"pass_rate": [0.9, 0.1]}, r"write the lower bound first, as in \[0.1, 0.9\]"),
        ({"pass_rate": [0.1, 1.5]}, "less than or equal to 1"),
    ],
)
def test_bounds_that_are_no_range_are_refused(data: dict[str, Any], said: str, tmp_path: Path) -> None:
    """The error names the field."""
    from trainer.errors import RecipeError

    with pytest.raises(RecipeError, match=said) as problem:
        recipe(tmp_path, data=[{"kind": "rows", "path": "rows.jsonl", **data}])
    assert "pass_rate" in str(problem.value)


def test_rows_without_pass_rates_cannot_be_chosen_or_ordered_by_them(tmp_path: Path) -> None:
    """Both errors say which command makes them."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "2 + 2", "verifier": '{"kind": "math", "reference": "4"}'}) + "\n")
    with pytest.raises(DataError, match="`trainer score` writes"):
        load_problems(recipe(tmp_path, data=[{"kind": "rows", "path": str(path), "pass_rate": [0.1, 0.9]}]).data, 0)
    ordered = recipe(tmp_path, curriculum="easy_first")
    with pytest.raises(DataError, match="8 of 8 have none"):
        in_training_order(load_problems(ordered.data, 0), ordered, 1)


def stored_run(folder: Path, small: Recipe) -> Path:
    """A run's folder with one table, as TRL writes it: two prompts with a right and a wrong completion each."""
    run = small.run_dir
    (run / "completions").mkdir(parents=True)
    (run / "recipe.yaml").write_text(recipe_text(small), encoding="utf-8")
    chosen = load_problems(small.data, small.seed)[:2]
    rows = [
        {
            "step": 1,
            "prompt": [{"role": "user", "content": problem.question}],
            "completion": [{"role": "assistant", "content": f"\\boxed{{{answer}}}"}],
            "verifier": float(answer != "99"),
            "verdict": "accepted" if answer != "99" else "wrong_answer",
            "advantage": 0.0,
        }
        for problem in chosen
        for answer in (str(problem.submission["reference"]), "99")
    ]
    pd.DataFrame(rows).to_parquet(run / "completions" / "completions_00001.parquet")
    return run


def test_stored_completions_are_judged_again_by_other_rewards_and_references(verifier_url: str, tmp_path: Path) -> None:
    """The same judge and reward change nothing; a weight changes the right ones; a reference of 99 changes all."""
    small = recipe(tmp_path, verifier_url)
    run = stored_run(tmp_path, small)
    assert [one.differs for one in rejudge(run, small, RejudgeOptions(), QUIET)] == [False] * 4
    double = recipe(tmp_path, verifier_url, reward=[{"kind": "correctness", "weight": 2.0}])
    done = rejudge(run, double, RejudgeOptions(), QUIET)
    assert [(one.stored.reward, one.reward) for one in done if one.differs] == [(1.0, 2.0)] * 2
    assert (run / "rejudged.jsonl").is_file()
    assert [row["differs"] for row in rows_of(run / "rejudged.1.jsonl")] == [True, False, True, False]
    other = tmp_path / "other.jsonl"
    questions = [problem.question for problem in load_problems(small.data, small.seed)[:2]]
    submission = '{"kind": "math", "reference": "99"}'
    other.write_text("".join(json.dumps({"prompt": q, "verifier": submission}) + "\n" for q in questions))
    changed = recipe(tmp_path, verifier_url, data=[{"kind": "rows", "path": str(other)}])
    failed = rejudge(run, changed, RejudgeOptions(failed=True), QUIET)
    assert [(one.stored.verdict, str(one.result.verdict)) for one in failed] == [("wrong_answer", "accepted")] * 2


def test_what_cannot_be_judged_again_shows_no_difference(verifier_url: str, tmp_path: Path) -> None:
    """A judge error says nothing about a completion."""
    with losing_results(verifier_url, every=1) as server:
        small = recipe(tmp_path, server.url)
        done = rejudge(stored_run(tmp_path, small), small, RejudgeOptions(), QUIET)
    assert [(one.differs, one.reward, one.row()["verdict"]) for one in done] == [(False, None, "judge_error")] * 4


def test_the_command_prints_the_rows_that_differ(verifier_url: str, tmp_path: Path) -> None:
    """By default the run's own recipe judges, with what `--set` changes."""
    run = stored_run(tmp_path, recipe(tmp_path, verifier_url))
    change = "reward=[{kind: correctness, weight: 3.0}]"
    said = CliRunner().invoke(app, ["rejudge", str(run), "--set", change]).output
    assert "accepted 1.0 -> accepted 3.0" in said
    assert "2 of 4 completions differ" in said
    assert "is not the folder of a run" in CliRunner().invoke(app, ["rejudge", str(tmp_path / "none")]).output


def test_steps_are_one_or_a_range() -> None:
    """Anything else is refused with what was given."""
    assert (steps_of(None), steps_of("7"), steps_of("3-9")) == (None, (7, 7), (3, 9))
    with pytest.raises(DataError, match="'3-x' is not a range"):
        steps_of("3-x")


def test_every_own_answer_is_audited_on_request(verifier_url: str, tmp_path: Path) -> None:
    """The eleventh of twelve sums has a wrong solution, which the samples of `check` miss."""
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": f"r{i}", "prompt": f"{i}?", "verifier": json.dumps({"kind": "math", "reference": str(i)})}
        for i in range(12)
    ]
    rows[10]["solution"] = "\\boxed{0}"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    held = [{"kind": "addition", "digits": 1, "limit": 4}]
    made = values(tmp_path, verifier_url, data=[{"kind": "rows", "path": str(path)}], evaluation={"data": held})
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(made), encoding="utf-8")
    plain = CliRunner().invoke(app, ["check", str(file)])
    assert plain.exit_code == 0, plain.output
    audited = CliRunner().invoke(app, ["check", str(file), "--audit"])
    assert audited.exit_code == 1
    assert "r10: its own answer is judged wrong_answer" in audited.output
    assert "11 of the data's own answers are accepted, 1 are not" in audited.output


def test_an_estimate_needs_something_done() -> None:
    """Ten seconds for two of ten: forty more."""
    assert (left_s(0, 10, 5.0), left_s(2, 8, 10.0)) == (None, 40.0)


def test_another_model_or_sampling_is_another_file(tmp_path: Path) -> None:
    """The settings distinguish models and everything that affects sampling, but not the batch size."""
    named = {"kind": "pretrained", "name": "org/one"}
    others: list[dict[str, Any]] = [
        {"model": named | {"name": "org/two"}},
        {"model": named | {"revision": "v2"}},
        {"model": named, "repair": {}},
    ]
    base = settings_of(recipe(tmp_path, model=named), Options(samples=2))
    for changes in others:
        assert settings_of(recipe(tmp_path, **changes), Options(samples=2)) != base
    colder = recipe(tmp_path, model=named, grpo={"min_p": 0.1})
    assert settings_of(colder, Options(samples=2))["sampling"] != base["sampling"]
    assert settings_of(recipe(tmp_path, model=named, evaluation={"batch": 3}), Options(samples=2)) == base


def normalized_run(folder: Path, small: Recipe) -> Path:
    """A run whose table has its tokens, and rewards that TRL was given: of each pair one is right."""
    run = stored_run(folder, small)
    path = run / "completions" / "completions_00001.parquet"
    table = pd.read_parquet(path)
    table["tokens"] = [4, 2, 4, 2]
    table["verifier"] = REWARDS
    table.to_parquet(path)
    return run


SHARE = 0.5 / (0.5**0.5 + 1e-4)
REWARDS = [SHARE - SHARE * 1.0, -SHARE + SHARE * 1.0] * 2
GDPO = {"multi_objective_aggregation": "normalize_then_sum", "scale_rewards": "batch"}
SHORT = {"kind": "verbosity", "free_tokens": 2, "full_tokens": 4}


def test_a_reward_of_groups_is_made_again_of_whole_groups(verifier_url: str, tmp_path: Path) -> None:
    """Components are normalized within whole groups even if only failures are requested; nothing differs."""
    small = recipe(tmp_path, verifier_url, reward=[{"kind": "correctness"}, SHORT], grpo=GDPO)
    run = normalized_run(tmp_path, small)
    assert [one.differs for one in rejudge(run, small, RejudgeOptions(), QUIET)] == [False] * 4
    failed = rejudge(run, small, RejudgeOptions(failed=True), QUIET)
    assert [one.reward for one in failed] == pytest.approx(REWARDS[1::2])


def test_gated_components_and_stored_tokens_count_as_they_did(verifier_url: str, tmp_path: Path) -> None:
    """Right answers with 4 tokens lose 1, regardless of the tokenizer; without a right one, nothing is lost."""
    gated = recipe(tmp_path, verifier_url, reward=[{"kind": "correctness"}, SHORT | {"only_when": "any_right"}])
    run = normalized_run(tmp_path, gated)
    assert [one.reward for one in rejudge(run, gated, RejudgeOptions(), QUIET)] == [0.0, 0.0] * 2
    path = run / "completions" / "completions_00001.parquet"
    table = pd.read_parquet(path)
    table["tokens"] = 4
    table["completion"] = [table["completion"][1]] * 4
    table.to_parquet(path)
    assert [one.reward for one in rejudge(run, gated, RejudgeOptions(), QUIET)] == [0.0] * 4


@pytest.mark.parametrize("command", ["compare", "score", "merge"])
def test_commands_that_load_a_model_stay_on_one_card(command: str, tmp_path: Path, monkeypatch: Any) -> None:
    """With two GPUs, the command says so; then it fails, because there is no verifier and no adapter."""
    import torch

    for name in ("WORLD_SIZE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_text(recipe(tmp_path, verifier={"url": "http://127.0.0.1:1", "patience_s": 0.1})), "utf-8")
    said = CliRunner().invoke(app, [command, str(path)])
    assert said.exit_code == 1
    assert "using the first of 2 GPUs" in said.output
