"""Algorithms by name: with its fields, TRL's loss is the paper's formula, and contradictions are refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from trl.trainer.utils import nanstd

from tests.trainer.test_training import QUIET
from trainer.algorithms import ALGORITHMS
from trainer.client import client_of
from trainer.config import Recipe, VerifierOptions, parse_recipe
from trainer.errors import RecipeError
from trainer.progress import Metrics, Progress
from trainer.rewards.reward import RandomReward
from trainer.train import grpo_trainer, prepare

LENGTH = 6
KL_WEIGHT = 0.04
Formula: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From log-probabilities (of the policy, when sampled, of the reference), a mask and advantages to a loss."""


def recipe(folder: Path, algorithm: str, **fields: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "algorithm",
            "output_dir": str(folder),
            "model": {"kind": "tiny", "layers": 1, "width": 16, "heads": 2, "max_tokens": 48},
            "data": [{"kind": "addition", "digits": 1, "working": False}],
            "algorithm": algorithm,
            "grpo": {
                "max_steps": 1,
                "num_generations": 2,
                "per_device_train_batch_size": 4,
                "learning_rate": 1e-3,
                "max_completion_length": LENGTH,
                "gradient_checkpointing": False,
            },
            **fields,
        }
    )


def surrogate(ratio: torch.Tensor, advantage: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """PPO's clipped objective."""
    return torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def grpo(lp: torch.Tensor, old: torch.Tensor, ref: torch.Tensor, mask: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """DeepSeekMath, equation 3, with the estimator of equation 4; TRL weighs the latter by the ratio."""
    ratio = (lp - old).exp()
    kl = ((ref - lp).exp() - (ref - lp) - 1) * ratio
    objective = surrogate(ratio, a, 0.2, 0.2) - KL_WEIGHT * kl
    return -((objective * mask).sum(1) / mask.sum(1)).mean()


def dr_grpo(lp: torch.Tensor, old: torch.Tensor, _: torch.Tensor, mask: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The sum over tokens, divided by a constant that does not depend on the completions."""
    return -(surrogate((lp - old).exp(), a, 0.2, 0.2) * mask).sum() / (len(lp) * LENGTH)


def dapo(lp: torch.Tensor, old: torch.Tensor, _: torch.Tensor, mask: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """Equation 8: all tokens of the batch have the same weight, and the upper clip is higher."""
    return -(surrogate((lp - old).exp(), a, 0.2, 0.28) * mask).sum() / mask.sum()


def gspo(lp: torch.Tensor, old: torch.Tensor, _: torch.Tensor, mask: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """Equations 5 and 7: one ratio for a whole answer, the geometric mean of its tokens'."""
    ratio = (((lp - old) * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)).exp()
    return -surrogate(ratio, a, 3e-4, 4e-4).mean()


def cispo(lp: torch.Tensor, old: torch.Tensor, _: torch.Tensor, mask: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """REINFORCE with a capped ratio, which itself has no gradient."""
    return -((lp - old).exp().clamp(max=5.0).detach() * a * lp * mask).sum() / mask.sum()


FORMULAS: dict[str, Formula] = {"grpo": grpo, "dr_grpo": dr_grpo, "dapo": dapo, "gspo": gspo, "cispo": cispo}
PAGE = Path(__file__).parents[2] / "docs/explanation/grpo.md"


def of_the_page(name: str) -> Any:
    """Return the definition with this name in docs/explanation/grpo.md; the last one if there are several."""
    *_, code = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if name in block)
    names: dict[str, Any] = {}
    exec(code, names)
    return names[name]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("algorithms")


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_trls_loss_is_the_papers_formula(name: str, base: Path) -> None:
    assert_that_trls_loss_is(FORMULAS[name], name, base)


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "dapo"])
def test_trls_loss_is_the_formula_of_the_grpo_page(name: str, base: Path) -> None:
    assert_that_trls_loss_is(of_the_page("LOSSES")[name], name, base)


def test_the_advantages_of_the_grpo_page_are_trls() -> None:
    """They agree with TRL's, which ignores completions without a reward."""
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.5], [1.0, 1.0, float("nan"), 0.0]])
    theirs = (rewards - rewards.nanmean(1, keepdim=True)) / (nanstd(rewards, dim=1, keepdim=True) + 1e-4)
    assert torch.allclose(of_the_page("advantages")(rewards), torch.nan_to_num(theirs, nan=0.0))


def assert_that_trls_loss_is(formula: Formula, name: str, base: Path) -> None:
    """Compare loss and gradient on ratios that leave every clip on both sides, and answers of different lengths."""
    small = recipe(base, name)
    with client_of(VerifierOptions()) as client:
        prepared = prepare(small, client, QUIET)
    progress = Progress(Metrics(base / "metrics.jsonl", 0), 1, QUIET, name)
    trainer: Any = grpo_trainer(prepared, base, RandomReward(0), 1, progress)
    trainer.current_gradient_accumulation_steps = 1
    chance = torch.Generator().manual_seed(0)
    prompt = torch.randint(6, 16, (4, 5), generator=chance)
    answer = torch.randint(6, 16, (4, LENGTH), generator=chance)
    mask = (torch.arange(LENGTH) < torch.tensor([[6], [2], [4], [1]])).long()
    ids, attention = torch.cat([prompt, answer], 1), torch.cat([torch.ones_like(prompt), mask], 1)
    lp, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, ids, attention, LENGTH)
    old = lp.detach() + 0.5 * torch.randn(lp.shape, generator=chance)
    old[0] = lp[0].detach() - 2.0  # a ratio of 7.4, which CISPO caps
    ref = lp.detach() + 0.5 * torch.randn(lp.shape, generator=chance)
    advantages = torch.tensor([1.0, -1.0, 0.5, -0.25])
    inputs = {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": answer,
        "completion_mask": mask,
        "advantages": advantages,
        "num_items_in_batch": mask.sum(),
        "old_per_token_logps": old,
        "ref_per_token_logps": ref,
    }
    expected = formula(lp, old, ref, mask, advantages.unsqueeze(1))
    weights = [p for p in trainer.model.parameters() if p.requires_grad]
    theirs = trainer._compute_loss(trainer.model, inputs)
    assert theirs.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, trls in zip(torch.autograd.grad(expected, weights), torch.autograd.grad(theirs, weights), strict=True):
        assert torch.allclose(ours, trls, atol=1e-6)


def test_a_name_sets_fields_and_what_contradicts_it_is_refused(tmp_path: Path) -> None:
    small = recipe(tmp_path, "dapo")
    assert (small.grpo.epsilon_high, small.grpo.loss_type, small.grpo.mask_truncated_completions) == (
        0.28,
        "dapo",
        False,
    )
    assert small.dynamic_sampling is not None
    assert parse_recipe(small.model_dump(mode="json")) == small  # a run's recipe.yaml is read again
    assert recipe(tmp_path, "gspo").dynamic_sampling is None
    other = small.model_dump(mode="json")
    other["grpo"]["epsilon_high"] = 0.3
    with pytest.raises(RecipeError, match=r"epsilon_high is 0.3, but the algorithm .* sets 0.28"):
        parse_recipe(other)
    with pytest.raises(RecipeError, match="needs dynamic_sampling"):
        recipe(tmp_path, "dapo", dynamic_sampling=None)
    with pytest.raises(RecipeError, match="algorithm"):
        recipe(tmp_path, "dappo")
