"""Proximal policy optimization with a critic. It is written out here because TRL 1.16 no longer has a PPO trainer.

Sources: Schulman et al., arXiv:1707.06347 (clipped objective, equation 7) and arXiv:1506.02438 (generalized advantage
estimation, equation 16). The value loss is clipped like the policy's, as in TRL's former trainer.

One step: the policy writes a completion for each prompt of the batch. The verifier's reward arrives at the last token;
with a reference model, every token also costs `beta` times its KL in nats. The critic estimates a value at each token,
GAE turns rewards and values into advantages, and policy and critic take a few clipped steps on the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel

from trainer.baselines.setting import Recorder, Setting
from trainer.config import Recipe
from trainer.data.load import conversation, token_ids, verifier_text
from trainer.data.tasks import Problem
from trainer.evaluation.generation import Written, policy_sampling, write
from trainer.models import init_arguments, load_model
from trainer.rewards import objectives
from trainer.rewards.components import Judged
from trainer.rewards.reward import judge
from verifier_service.schema import Result, Verdict


class Critic(torch.nn.Module):
    """Estimates a value at each position: the start model's layers, and a linear head initialized to zero."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.body = AutoModel.from_pretrained(setting.prepared.start, **init_arguments(setting.recipe))
        self.head = torch.nn.Linear(self.body.config.hidden_size, 1, dtype=self.body.dtype)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, prompt: int) -> torch.Tensor:
        """Return the value before each token of the completion.

        Args:
            ids: Token ids. Shape: (batch, prompt + completion).
            mask: Attention mask of the same shape.
            prompt: Number of prompt tokens.

        Returns:
            Values in float32. Shape: (batch, completion).
        """
        hidden = self.body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return self.head(hidden[:, prompt - 1 : -1])[..., 0].float()


@dataclass(frozen=True)
class Rollout:
    """One batch. `ids` and `attention` are (batch, prompt + completion), the other tensors (batch, completion).

    `mask` is 1 for the tokens that the loss counts: those up to and including the end token, in completions that have
    a reward.
    """

    ids: torch.Tensor
    attention: torch.Tensor
    prompt: int
    mask: torch.Tensor
    old: torch.Tensor
    values: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor

    def rows(self, chosen: torch.Tensor) -> "Rollout":
        """Return the chosen rows of the batch."""
        names = ("mask", "old", "values", "advantages", "returns")
        return Rollout(
            self.ids[chosen], self.attention[chosen], self.prompt, *(getattr(self, name)[chosen] for name in names)
        )


def ppo(setting: Setting, recorder: Recorder) -> None:
    """Train policy and critic until the budget is spent."""
    options, grpo = setting.compare.ppo, setting.recipe.grpo
    policy = setting.policy()
    critic = Critic(setting).to(policy.device)
    reference = load_model(setting.recipe, setting.prepared.start, setting.prepared.adapter) if grpo.beta else None
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": trained, "lr": options.learning_rate},
            {"params": list(critic.parameters()), "lr": options.critic_learning_rate},
        ],
        weight_decay=grpo.weight_decay,
    )
    recorder.at(policy, 0)
    for step, problems in enumerate(setting.batches(1), start=1):
        rollout = _rollout(setting, policy, critic, reference, problems)
        policy.train()
        for _ in range(options.epochs):
            for chosen in torch.randperm(len(problems)).split(options.minibatch):
                loss = _loss(setting, policy, critic, rollout.rows(chosen))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_([*trained, *critic.parameters()], grpo.max_grad_norm)
                optimizer.step()
        recorder.at(policy, step * setting.batch)


@torch.no_grad()
def _rollout(
    setting: Setting,
    policy: PreTrainedModel,
    critic: Critic,
    reference: PreTrainedModel | None,
    asked: list[Problem],
) -> Rollout:
    """Write a completion for each problem, have it judged, and compute advantages and returns."""
    options, grpo = setting.compare.ppo, setting.recipe.grpo
    policy.eval()
    written = _write(setting, policy, asked)
    ids, prompt = written.ids, written.prompt
    end = torch.isin(written.completions, torch.tensor(written.ends, device=ids.device))
    mask = (end.cumsum(1) - end.long() == 0).float()  # up to and including the first end token
    rewards = _rewards(setting, asked, written.completions, mask)
    if grpo.mask_truncated_completions:
        rewards[~end.any(1)] = torch.nan
    attention = torch.cat([written.attention, mask.long()], dim=1)
    old = _log_probs(policy, ids, attention, prompt, grpo.temperature)
    values = critic(ids, attention, prompt)
    at_token = torch.zeros_like(old)
    if reference is not None:
        at_token -= grpo.beta * (old - _log_probs(reference, ids, attention, prompt, grpo.temperature))
    last = mask.sum(1).long() - 1
    at_token[torch.arange(len(asked)), last] += rewards.nan_to_num(0.0)
    advantages = gae(at_token, values, mask, options.gamma, options.lam)
    learnt = mask * (~rewards.isnan()).float()[:, None]
    returns = advantages + values
    return Rollout(ids, attention, prompt, learnt, old, values, whitened(advantages, learnt), returns)


def gae(rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float) -> torch.Tensor:
    """Estimate the advantage of each token: A_t = d_t + gamma lam A_t+1, d_t = r_t + gamma V_t+1 - V_t.

    The value after a completion's last token is 0.

    Args:
        rewards: Reward at each token. Shape: (batch, completion).
        values: The critic's values, of the same shape.
        mask: 1 for the tokens of each completion and 0 after its end, of the same shape.
        gamma: Discount factor.
        lam: Lambda of generalized advantage estimation.

    Source: arXiv:1506.02438, equations 11, 12 and 16.
    """
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        has_next = mask[:, t + 1] if t + 1 < values.shape[1] else torch.zeros_like(following)
        next_value = values[:, t + 1] * has_next if t + 1 < values.shape[1] else torch.zeros_like(following)
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = (delta + gamma * lam * has_next * following) * mask[:, t]
        advantages[:, t] = following
    return advantages


def whitened(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Scale the masked-in values to mean 0 and standard deviation 1, and set the others to 0."""
    count = mask.sum().clamp(min=1)
    mean = (values * mask).sum() / count
    variance = ((values - mean).square() * mask).sum() / count
    return (values - mean) * torch.rsqrt(variance + 1e-8) * mask


def clipped_loss(ratio: torch.Tensor, advantages: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Return PPO's loss for each token: minus the smaller of the plain and the clipped objective.

    Source: arXiv:1707.06347, equation 7.
    """
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - epsilon, 1 + epsilon) * advantages)


def _loss(setting: Setting, policy: PreTrainedModel, critic: Critic, batch: Rollout) -> torch.Tensor:
    options, grpo = setting.compare.ppo, setting.recipe.grpo
    new = _log_probs(policy, batch.ids, batch.attention, batch.prompt, grpo.temperature)
    values = critic(batch.ids, batch.attention, batch.prompt)
    near = batch.values + (values - batch.values).clamp(-options.value_clip, options.value_clip)
    value_error = torch.maximum((values - batch.returns).square(), (near - batch.returns).square())
    tokens = clipped_loss((new - batch.old).exp(), batch.advantages, grpo.epsilon)
    total = tokens + 0.5 * options.value_weight * value_error
    return (total * batch.mask).sum() / batch.mask.sum().clamp(min=1)


def _write(setting: Setting, policy: PreTrainedModel, problems: list[Problem]) -> Written:
    """Sample one completion for each problem with the recipe's training settings."""
    sampling = policy_sampling(setting.recipe, setting.recipe.grpo.temperature)
    options = setting.recipe.prompt
    prompts = [conversation(problem, options) for problem in problems]
    ids = [token_ids(prompt, setting.tokenizer, sampling.chat_template_kwargs) for prompt in prompts]
    return write(policy, setting.tokenizer, ids, sampling)


def _rewards(setting: Setting, problems: list[Problem], written: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the recipe's reward for each completion; NaN for a `judge_error`."""
    texts = setting.tokenizer.batch_decode(written, skip_special_tokens=True)
    pairs = [(verifier_text(problem), text) for problem, text in zip(problems, texts, strict=True)]
    tokens = [int(count) for count in mask.sum(1).tolist()]
    totals = rewards_of(setting.recipe, texts, tokens, judge(setting.client, pairs).results)
    return torch.tensor([float("nan") if total is None else total for total in totals], device=written.device)


def rewards_of(
    recipe: Recipe, texts: Sequence[str], tokens: Sequence[int], results: Sequence[Result]
) -> list[float | None]:
    """Return the weighted sum of the reward components for each completion; None for a `judge_error`.

    Each completion is its own group, so a component with `only_when: any_right` counts for accepted completions only.
    """
    limit = recipe.grpo.max_completion_length
    totals = []
    for text, count, result in zip(texts, tokens, results, strict=True):
        judged = None if result.verdict is Verdict.JUDGE_ERROR else Judged(text, count, limit, result)
        [values] = objectives.of_group([judged], recipe.reward)
        totals.append(objectives.weighted(values, recipe.reward))
    return totals


def _log_probs(
    model: PreTrainedModel, ids: torch.Tensor, attention: torch.Tensor, prompt: int, temperature: float
) -> torch.Tensor:
    """Return the log-probability of each token of the completion. Shape: (batch, completion)."""
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=attention, position_ids=positions, use_cache=False).logits
    logits = logits[:, prompt - 1 : -1].float() / temperature
    return -functional.cross_entropy(logits.transpose(1, 2), ids[:, prompt:], reduction="none")
