"""DAPO's dynamic sampling on top of TRL's GRPOTrainer: fill the batch with groups that carry a learning signal.

A group whose verdicts are all the same has no advantage, apart from shaping. Such a group is dropped, and completions
for another problem are generated instead, until the batch is full or `max_rounds` rounds have been generated. Remaining
gaps are filled with dropped groups whose tokens are masked: they contribute neither to the loss nor to its denominator
(in losses that count tokens; `grpo` and `dr_grpo` divide by sequences).

Verdicts decide, not rewards: a length penalty makes rewards differ even if all answers are equally right or wrong.
Source: DAPO (arXiv:2503.14476), section 3.2. Which problems are drawn depends only on the seed and the step, so a
resumed run draws the same ones. All processes see all verdicts and make the same decisions. Every round is cut into
equal parts, because TRL, vLLM and sharded models gather the same amount from each process.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch

from trainer.config import DynamicSampling
from trainer.data.load import Messages, Row
from trainer.errors import RecipeError
from trainer.rewards.groups import Groups
from trainer.rewards.reward import Completion, Reward
from trainer.trl.names import GENERATED_COMPLETIONS, GENERATED_IDS, GENERATED_LOGPROBS, GENERATED_PROMPT_IDS
from trainer.trl.overlap import Generated, OverlappingTrainer, Scored
from verifier_service.schema import Result, Verdict


class Fate(StrEnum):
    """The fate of a completion's group, in the column `sampling` of TRL's table."""

    KEPT = "kept"
    REFILL = "refill"
    MASKED = "masked"


@dataclass(frozen=True)
class Rollout:
    """One completion, as TRL generated it, with its row and its result."""

    row: Row
    prompt_ids: list[int]
    ids: list[int]
    completion: Completion
    logprobs: list[float] | None
    result: Result
    fate: Fate

    @property
    def verdict(self) -> Verdict:
        """The verifier's verdict."""
        return self.result.verdict


Group = list[Rollout]


class DynamicSamplingTrainer(OverlappingTrainer):
    """Trains only on groups with different verdicts. With a reward that uses no verifier, it acts like its base."""

    _options = DynamicSampling()
    _problems: Sequence[Row] = ()
    _masked: Sequence[bool] = ()  # for the completions of all processes
    _own_masked: Sequence[bool] = ()

    def draw_from(self, problems: Sequence[Row], options: DynamicSampling) -> None:
        """Set the problems that replace dropped ones.

        Raises:
            RecipeError: The recipe has several turns or tools, which cannot be combined with refilling.
        """
        if self.tools or self.rollout_func is not None:
            raise RecipeError("recipe", ["dynamic_sampling works with single answers only, not with turns or tools"])
        self._problems, self._options = problems, options

    def _generate(self, prompts: list[Messages]) -> Generated:
        reward = self.reward_funcs[0]
        if not isinstance(reward, Reward):
            return super()._generate(prompts)
        rows = self._rows
        first = self._round(rows, prompts, reward, Fate.KEPT)
        wanted = len(first)
        kept = [group for group in first if has_signal(group)]
        spare = [group for group in first if not has_signal(group)]
        logged = {name: len(values) for name, values in self._metrics["train"].items()}
        reserve = self._reserve({group[0].row["problem_id"] for group in first})
        tried = wanted
        rounds = 1
        while len(kept) < wanted and rounds < self._options.max_rounds:
            count = round_size(wanted, len(kept), tried, reward.groups)
            asked, reserve = reserve[:count], reserve[count:]
            if len(asked) < count:
                break
            own = reward.groups.own([[row] * reward.groups.size for row in asked])
            groups = self._round(own, [row["prompt"] for row in own], reward, Fate.REFILL)
            kept += [group for group in groups if has_signal(group)]
            spare += [group for group in groups if not has_signal(group)]
            tried += count
            rounds += 1
        for name, values in self._metrics["train"].items():
            if name != "num_tokens":  # keep TRL's length metrics from the first round only: refills are a biased choice
                del values[logged.get(name, len(values)) :]
        self._report(first, kept[:wanted], rounds, tried)
        return self._hand_over(batch_of(first, kept, spare), rows, prompts, reward)

    def _round(self, rows: list[Row], prompts: list[Messages], reward: Reward, fate: Fate) -> list[Group]:
        """Generate and judge one completion for each of this process's rows, and return all processes' groups."""
        self._rows = rows
        generated = super()._generate(prompts)
        completions = generated[GENERATED_COMPLETIONS]
        results = reward.results(completions, [row["verifier"] for row in rows])
        logprobs = generated[GENERATED_LOGPROBS]
        ids, prompt_ids = generated[GENERATED_IDS], generated[GENERATED_PROMPT_IDS]
        return reward.groups.whole(
            [
                Rollout(row, prompt_ids[i], ids[i], completions[i], logprobs and logprobs[i], results[i], fate)
                for i, row in enumerate(rows)
            ]
        )

    def _hand_over(self, batch: list[Group], rows: list[Row], prompts: list[Messages], reward: Reward) -> Generated:
        """Return this process's part in `_generate`'s format.

        TRL continues with the same list objects of rows and prompts, so they are replaced in place.
        """
        own = reward.groups.own(batch)
        completions = [rollout.completion for rollout in own]
        reward.remember(completions, [rollout.row["verifier"] for rollout in own], [rollout.result for rollout in own])
        rows[:] = [rollout.row for rollout in own]
        prompts[:] = [rollout.row["prompt"] for rollout in own]
        self._masked = [rollout.fate is Fate.MASKED for group in batch for rollout in group]
        self._own_masked = [rollout.fate is Fate.MASKED for rollout in own]
        self._log_completion_extra("sampling", [str(rollout.fate) for rollout in own])
        logprobs = None if own[0].logprobs is None else [rollout.logprobs for rollout in own]
        ids = ([rollout.prompt_ids for rollout in own], [rollout.ids for rollout in own])
        return *ids, None, completions, logprobs, {}, None, []

    def _generate_and_score_completions(self, inputs: list[Scored]) -> Scored:
        self._masked = ()
        output = super()._generate_and_score_completions(inputs)
        if not any(self._masked):
            return output
        masked = torch.tensor(self._own_masked, device=output["advantages"].device)
        output["advantages"][masked] = 0.0
        output["completion_mask"][masked] = 0
        tokens = self.accelerator.gather(output["completion_mask"].sum())
        output["num_items_in_batch"] = torch.as_tensor(tokens).sum()
        advantages = self._logs["advantages"]
        for i, is_masked in enumerate(self._masked, start=len(advantages) - len(self._masked)):
            if is_masked:
                advantages[i] = 0.0
        return output

    def _reserve(self, used: set[str]) -> list[Row]:
        """Return the problems that are not in the batch, in the order in which they are drawn."""
        accumulation = self.args.gradient_accumulation_steps
        batch = self.state.global_step * accumulation + self._step % accumulation
        left = [problem for problem in self._problems if problem["problem_id"] not in used]
        return random.Random(f"{self.args.seed}:{batch}").sample(left, len(left))

    def _report(self, first: list[Group], kept: list[Group], rounds: int, tried: int) -> None:
        accepted = [group for group in first if all(rollout.verdict is Verdict.ACCEPTED for rollout in group)]
        values = {
            "rounds": rounds,
            "groups_dropped": sum(not has_signal(group) for group in first),
            "groups_masked": len(first) - len(kept),
            "completions_judged": tried * len(first[0]),
            "accepted_share": sum(r.verdict is Verdict.ACCEPTED for g in first for r in g) / sum(map(len, first)),
            "all_accepted_share": len(accepted) / len(first),
        }
        for name, value in values.items():
            self._metrics["train"][f"dynamic_sampling/{name}"].append(float(value))


def has_signal(group: Group) -> bool:
    """Return whether a group has both accepted and other completions, not counting judge errors."""
    accepted = {rollout.verdict is Verdict.ACCEPTED for rollout in group if rollout.verdict is not Verdict.JUDGE_ERROR}
    return len(accepted) == 2


def round_size(wanted: int, kept: int, tried: int, groups: Groups) -> int:
    """Return the number of groups to generate next, so that the batch should be full if as many are kept as so far.

    It is never larger than the batch itself, which is known to fit into memory, and gives all processes equal parts.

    Args:
        wanted: Groups in the batch.
        kept: Groups with a learning signal so far.
        tried: Groups generated so far.
        groups: The layout of groups over processes.
    """
    unit = groups.processes // math.gcd(groups.size, groups.processes)
    expected = math.ceil((wanted - kept) * tried / kept) if kept else wanted
    return min(wanted, -(-expected // unit) * unit)


def batch_of(first: list[Group], kept: list[Group], spare: list[Group]) -> list[Group]:
    """Return the first round with its dropped groups replaced by refills, or by masked groups if refills run out."""
    refills = [group for group in kept if group[0].fate is Fate.REFILL]
    refills += [[replace(rollout, fate=Fate.MASKED) for rollout in group] for group in spare]
    left = iter(refills)
    return [group if has_signal(group) else next(left) for group in first]
