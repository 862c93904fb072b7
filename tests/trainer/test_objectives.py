"""Components within a group: gated shaping, shaping alone, and separately normalized objectives."""

import json
from typing import Any

import pytest
import torch
from trl.trainer.utils import nanstd

from tests.trainer.test_reward import Log, client
from trainer.config import Recipe, parse_recipe
from trainer.errors import RecipeError
from trainer.rewards import objectives
from trainer.rewards.reward import Reward

RIGHT, WRONG, LONG = "\\boxed{4}", "\\boxed{5}", "well, " * 5 + "\\boxed{5}"


def recipe(*components: dict[str, Any], **grpo: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "groups",
            "model": {"kind": "tiny"},
            "data": [{"kind": "addition"}],
            "reward": list(components),
            "grpo": {"max_steps": 1, "learning_rate": 1e-3, "num_generations": 2, **grpo},
        }
    )


def rewards(small: Recipe, url: str, texts: list[str]) -> tuple[list[float | None], Log]:
    log = Log()
    with client(url) as verifier:
        values = Reward(small, verifier)(
            prompts=["?"] * len(texts),
            completions=texts,
            completion_ids=[[0] * len(text) for text in texts],
            verifier=[json.dumps({"kind": "math", "reference": "4"})] * len(texts),
            task=["sums"] * 2 + ["others"] * (len(texts) - 2),
            log_extra=log.extra,
            log_metric=log.metric,
        )
    return values, log


def test_gated_shaping_leaves_a_group_of_wrong_answers_alone(verifier_url: str) -> None:
    """Ungated, the short wrong answer would be preferred; a mixed group is shaped either way."""
    short = {"kind": "verbosity", "free_tokens": 9, "full_tokens": 39}
    texts = [WRONG, LONG, RIGHT, LONG]
    free, log = rewards(recipe({"kind": "correctness"}, short), verifier_url, texts)
    assert free == [0.0, -1.0, 1.0, -1.0]
    assert log.metrics["groups/shaping_only_share"] == 0.5
    gated, log = rewards(recipe({"kind": "correctness"}, short | {"only_when": "any_right"}), verifier_url, texts)
    assert gated == [0.0, 0.0, 1.0, -1.0]
    assert log.metrics["groups/shaping_only_share"] == 0.0
    assert log.columns["reward/verbosity"] == [0.0, 0.0, 0.0, -1.0]
    assert log.columns["tokens"] == [len(text) for text in texts]
    assert log.metrics["task/others/accepted_share"] == 0.0
    assert {name for name in log.metrics if name.startswith("task/")} == {
        f"task/{task}/{measure}" for task in ("sums", "others") for measure in ("reward", "accepted_share")
    }


def test_objectives_normalized_apart_give_trls_advantages_of_several_functions(verifier_url: str) -> None:
    """TRL computes the same advantages from the single callable as from one function for each component."""
    parts = ({"kind": "correctness"}, {"kind": "verbosity", "free_tokens": 9, "full_tokens": 200, "weight": 0.5})
    settings = {"num_generations": 4, "multi_objective_aggregation": "normalize_then_sum", "scale_rewards": "batch"}
    texts = [RIGHT, RIGHT + "!" * 30, WRONG, LONG, WRONG, WRONG, LONG, LONG * 2]
    ours, log = rewards(recipe(*parts, **settings), verifier_url, texts)
    by_function = torch.stack(
        [torch.tensor(log.columns["reward/correctness"]), torch.tensor(log.columns["reward/verbosity"]) / 0.5], dim=1
    )
    grouped = by_function.view(-1, 4, 2)
    normal = (grouped - grouped.mean(1, keepdim=True)) / (nanstd(grouped, dim=1, keepdim=True) + 1e-4)
    summed = (normal.view(-1, 2) * torch.tensor([1.0, 0.5])).sum(1)
    expected = (summed - summed.mean()) / (nanstd(summed) + 1e-4)
    total = torch.tensor(ours)
    advantages = (total - total.view(-1, 4).mean(1).repeat_interleave(4)) / (nanstd(total) + 1e-4)
    assert torch.allclose(advantages, expected, atol=1e-5)
    plain = (by_function * torch.tensor([1.0, 0.5])).sum(1).mean().item()
    assert log.metrics["reward/sum"] == pytest.approx(plain)


def test_a_judge_error_has_no_reward_and_sets_nobody_apart() -> None:
    parts = recipe({"kind": "correctness"}).reward
    group: list[objectives.Values] = [{"correctness": 1.0}, None, {"correctness": 0.0}]
    ours = objectives.normalized(group, parts)
    assert ours[1] is None
    assert ours[0] == pytest.approx(-(ours[2] or 0.0))
    assert objectives.normalized([None, None], parts) == [None, None]
    assert not objectives.differ([None, 1.0, 1.0])


def test_gdpo_without_the_batchs_deviation_is_refused() -> None:
    with pytest.raises(RecipeError, match="needs scale_rewards batch, not group"):
        recipe({"kind": "correctness"}, multi_objective_aggregation="normalize_then_sum")
