"""Dynamic sampling: a batch keeps its size, its groups carry a learning signal, and masked groups have no gradient."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.conftest import free_port
from tests.trainer.test_training import HANG_S, QUIET, from_start, recipe, run_process, started
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import Row, rows
from trainer.progress import Metrics, Progress, read_metrics
from trainer.rewards.groups import Groups
from trainer.rewards.reward import RandomReward, Reward
from trainer.train import Exit, grpo_trainer, prepare, train
from trainer.trl.dynamic_sampling import DynamicSamplingTrainer, Fate, Rollout, round_size

__all__ = ["started"]  # a fixture
GROUP = 4


def sampled(folder: Path, url: str, max_rounds: int, **grpo: Any) -> Recipe:
    """Return a recipe with dynamic sampling, and with shaping that makes rewards of wrong answers differ."""
    values = recipe(folder, url, **grpo).model_dump(mode="json")
    values["dynamic_sampling"] = {"max_rounds": max_rounds}
    values["reward"] = [{"kind": "correctness"}, {"kind": "verbosity", "free_tokens": 0, "full_tokens": 8}]
    values["evaluation"] |= {"before": False, "after": False}
    return parse_recipe(values)


def tables(folder: Path) -> dict[int, list[list[dict[str, Any]]]]:
    """Return the groups of each step, from TRL's tables."""
    found = {}
    for path in sorted((folder / "completions").glob("*.parquet")):
        rows = pd.read_parquet(path).to_dict("records")
        groups = [rows[start : start + GROUP] for start in range(0, len(rows), GROUP)]
        found[rows[0]["step"]] = groups
    return found


def check_groups(groups: list[list[dict[str, Any]]]) -> None:
    """Check that each group answers a different problem, and that its verdicts differ unless it is masked."""
    questions = [{row["prompt"][0]["content"] for row in group} for group in groups]
    assert [len(asked) for asked in questions] == [1] * len(groups)
    assert len(set.union(*questions)) == len(groups)
    for group in groups:
        fates = {row["sampling"] for row in group}
        assert len(fates) == 1
        if fates == {"masked"}:
            assert {row["advantage"] for row in group} == {0.0}
        else:
            assert len({row["verdict"] == "accepted" for row in group}) == 2


def test_a_batch_is_filled_with_groups_that_differ_in_their_verdicts_and_resume_draws_the_same(
    verifier_url: str, started: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    from_start(started, folder)
    small = sampled(folder, verifier_url, 20, max_steps=4, save_steps=2)
    assert train(small, QUIET, from_start=True) is Exit.DONE
    whole = tables(folder)
    assert sorted(whole) == [1, 2, 3, 4]
    for groups in whole.values():
        assert len(groups) == 8
        check_groups(groups)
    metrics = read_metrics(folder / "metrics.jsonl")
    assert sum(row["dynamic_sampling/groups_dropped"] for row in metrics) > 0
    assert [row["dynamic_sampling/groups_masked"] for row in metrics] == [0.0] * 4
    assert all(row["dynamic_sampling/completions_judged"] > 32 for row in metrics if row["dynamic_sampling/rounds"] > 1)
    assert {row["groups/shaping_only_share"] for row in metrics} == {0.0}
    refills = [group for groups in whole.values() for group in groups if group[0]["sampling"] == "refill"]
    assert refills
    with client_of(small.verifier) as client:
        for group in refills:
            a, b = (int(n) for n in group[0]["prompt"][0]["content"][len("What is ") : -1].split(" + "))
            texts = [row["completion"][0]["content"] for row in group]
            judged = client.verify(
                [{"kind": "math", "form": "final", "reference": str(a + b), "completion": text} for text in texts]
            )
            assert [str(result.verdict) for result in judged] == [row["verdict"] for row in group]
    shutil.rmtree(folder / "checkpoint-4")
    assert train(small, QUIET, resume=True) is Exit.DONE
    resumed = tables(folder)
    for step in (3, 4):
        assert [[r["completion"][0] for r in g] for g in resumed[step]] == [
            [r["completion"][0] for r in g] for g in whole[step]
        ]


def test_a_dropped_group_that_nothing_replaced_has_no_gradient(
    verifier_url: str, started: Path, tmp_path: Path
) -> None:
    """The gradient of the batch is that of its kept groups, although shaping made the others' rewards differ."""
    folder = tmp_path / "run"
    from_start(started, folder)
    small = sampled(folder, verifier_url, 1, max_steps=1)
    with client_of(small.verifier) as client:
        trainer = grpo_trainer(prepare(small, client, QUIET), folder, Reward(small, client), 1, progress(folder))
        batch = next(iter(trainer.get_train_dataloader()))
        scored = trainer._generate_and_score_completions(batch)
    trainer.current_gradient_accumulation_steps = 1
    masked = scored["completion_mask"].sum(dim=1) == 0
    assert 0 < int(masked.sum()) < len(masked)
    assert scored["num_items_in_batch"] == scored["completion_mask"].sum()
    kept = {k: v[~masked] if v.dim() else v for k, v in scored.items()}
    assert torch.allclose(gradient(trainer, scored), gradient(trainer, kept), atol=1e-7)


def test_what_another_process_had_judged_is_not_judged_again(verifier_url: str, started: Path, tmp_path: Path) -> None:
    """The batch is distributed again: one process can get another's completions, together with their results."""
    folder = tmp_path / "run"
    from_start(started, folder)
    small = sampled(folder, verifier_url, 1, max_steps=1)
    away = small.verifier.model_copy(update={"url": f"http://127.0.0.1:{free_port()}", "patience_s": 0.1})
    with client_of(small.verifier) as client, client_of(away) as nobody:
        prepared = prepare(small, client, QUIET)
        row = rows(prepared.problems[:1], small.prompt)[0]
        texts = [[{"role": "assistant", "content": text}] for text in ("\\boxed{1}", "\\boxed{2}")] * 2
        results = Reward(small, client).results(texts, [row["verifier"]] * GROUP)
        reward = Reward(small, nobody)
        trainer = grpo_trainer(prepared, folder, reward, 1, progress(folder))
        assert isinstance(trainer, DynamicSamplingTrainer)
        group = [Rollout(row, [1], [2], texts[i], None, results[i], Fate.KEPT) for i in range(GROUP)]
        own: list[Row] = []
        trainer._hand_over([group], own, [], reward)
        verifier = [one["verifier"] for one in own]
        assert len(reward([None] * GROUP, texts, completion_ids=[[2]] * GROUP, verifier=verifier)) == GROUP


def gradient(trainer: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the gradient of TRL's loss with respect to all weights."""
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, inputs).backward()
    return torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])


def progress(folder: Path) -> Progress:
    return Progress(Metrics(folder / "metrics.jsonl", 0), 1, QUIET, "test")


def test_two_processes_that_share_a_group_agree_on_what_is_dropped(
    verifier_url: str, started: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    from_start(started, folder)
    sizes = {"per_device_train_batch_size": 3, "steps_per_generation": 2, "gradient_accumulation_steps": 4}
    process = run_process(sampled(folder, verifier_url, 3, max_steps=2, **sizes), folder, "--from-start", processes=2)
    output = process.communicate(timeout=HANG_S)[0]
    assert process.returncode == 0, output
    for groups in tables(folder).values():
        check_groups(groups)
    metrics = read_metrics(folder / "metrics.jsonl")
    assert sum(row["dynamic_sampling/groups_dropped"] for row in metrics) > 0


@pytest.mark.parametrize(
    ("wanted", "kept", "tried", "size", "processes", "expected"),
    [
        (16, 15, 16, 8, 1, 2),  # one is missing, and one in sixteen is dropped
        (16, 8, 16, 8, 1, 16),
        (16, 0, 16, 8, 1, 16),
        (16, 1, 16, 8, 1, 16),  # not 240: no more than a batch
        (6, 5, 6, 4, 3, 3),  # three processes get equal parts of a multiple of three groups only
        (3, 2, 3, 4, 2, 2),
    ],
)
def test_a_round_is_as_large_as_it_should_have_to_be(
    wanted: int, kept: int, tried: int, size: int, processes: int, expected: int
) -> None:
    assert round_size(wanted, kept, tried, Groups(size, processes)) == expected


def test_a_coin_has_no_verdicts_and_drops_nothing(verifier_url: str, started: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    from_start(started, folder)
    small = sampled(folder, verifier_url, 5, max_steps=1)
    with client_of(small.verifier) as client:
        prepared = prepare(small, client, QUIET)
    trainer = grpo_trainer(prepared, folder, RandomReward(0), 1, progress(folder))
    trainer.train()
    assert not [name for row in read_metrics(folder / "metrics.jsonl") for name in row if "dynamic" in name]
