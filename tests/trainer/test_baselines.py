"""Baselines with the same start, verifier and budget: spending, records, and PPO's arithmetic."""

import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.client.servers import losing_results
from trainer.baselines import compare as comparing
from trainer.baselines import online, ppo, sampled
from trainer.baselines.compare import METHODS, compare, markdown
from trainer.baselines.ppo import clipped_loss, gae, whitened
from trainer.baselines.sampled import rounds
from trainer.baselines.setting import Recorder, Setting
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.errors import DataError, RecipeError, TrainerError
from trainer.rewards.reward import Judgement, Pair
from trainer.train import prepare
from verifier_service.schema import MathResult, Verdict

QUIET = Console(quiet=True)


@contextmanager
def setting_of(small: Recipe, folder: Path) -> Iterator[Setting]:
    """A comparison that is ready to begin."""
    with client_of(small.verifier) as client:
        yield Setting(prepare(small, client, QUIET), client, folder, QUIET)


def recipe(folder: Path, url: str, **changes: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "small",
            "output_dir": str(folder / "run"),
            "verifier": {"url": url},
            "model": {"kind": "tiny", "layers": 1, "width": 32, "heads": 2, "max_tokens": 32},
            "data": [{"kind": "addition", "digits": 1, "working": False}],
            "cold_start": {"steps": 30, "learning_rate": 3e-3},
            "grpo": {
                "max_steps": 1,
                "num_generations": 4,
                "per_device_train_batch_size": 32,
                "learning_rate": 3e-4,
                "max_completion_length": 6,
                "gradient_checkpointing": False,
            },
            "compare": {"completions": 64, "points": 2},
            "evaluation": {"data": [{"kind": "addition", "digits": 1, "split": "held_out", "working": False}]},
            **changes,
        }
    )


def test_every_method_spends_the_same_budget_from_the_same_start(verifier_url: str, tmp_path: Path) -> None:
    """The short form with two batches each: equal starts, points at the same budgets, and a picture."""
    small = recipe(tmp_path, verifier_url)
    kept = compare(small, list(METHODS), True, QUIET)
    assert [one["method"] for one in kept] == list(METHODS)
    assert {tuple(point["judged"] for point in one["points"]) for one in kept} == {(0, 32, 64)}
    assert len({one["points"][0]["accuracy"] for one in kept}) == 1
    assert all(one["peak_mib"] > 0 and one["wall_s"] > 0 for one in kept)
    folder = small.run_dir / "compare"
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "compare.md").read_text(encoding="utf-8") == markdown(kept)
    times = [path.stat().st_mtime_ns for path in sorted(folder.glob("*.json"))]
    compare(small, list(METHODS), True, QUIET)
    assert times == [path.stat().st_mtime_ns for path in sorted(folder.glob("*.json"))], "done methods are kept"


def test_what_could_not_be_judged_is_in_no_choice(verifier_url: str, tmp_path: Path) -> None:
    """Judge errors alone give nothing to learn from: neither a right completion nor a wrong one."""
    with losing_results(verifier_url, every=1) as server:
        small = recipe(tmp_path, server.url)
        with client_of(small.verifier) as client:
            setting = Setting(prepare(small, client, QUIET), client, tmp_path, QUIET)
            found = list(rounds(setting, setting.policy()))
    assert [judged for judged, _ in found] == [32, 64]
    assert all(not right and not wrong for _, groups in found for _, right, wrong in groups)


def test_unknown_methods_and_missing_problems_are_named(tmp_path: Path) -> None:
    """This happens before the verifier is contacted."""
    small = recipe(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(RecipeError, match="'ppp' is not one of grpo, rloo, ppo, rejection_sft, dpo"):
        compare(small, ["grpo", "ppp"], True, QUIET)
    blind = small.model_copy(update={"evaluation": small.evaluation.model_copy(update={"data": []})})
    with pytest.raises(DataError, match=r"evaluation\.data"):
        compare(blind, ["grpo"], True, QUIET)


def test_advantages_are_those_of_the_definition() -> None:
    """GAE equals the sum that it abbreviates, for a completion of three tokens in a row of four."""
    rewards = torch.tensor([[0.0, -0.1, 1.0, 0.0]])
    values = torch.tensor([[0.5, 0.2, 0.4, 9.0]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    gamma, lam = 0.9, 0.8
    following = [0.2, 0.4, 0.0]
    deltas = [float(rewards[0, t]) + gamma * following[t] - float(values[0, t]) for t in range(3)]
    expected = [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, 3)) for t in range(3)]
    assert gae(rewards, values, mask, gamma, lam)[0].tolist() == pytest.approx([*expected, 0.0], abs=1e-5)


def test_the_clipped_objective_has_no_slope_beyond_its_bound() -> None:
    """Equation 7: a good token above 1 + epsilon and a bad one below 1 - epsilon have no gradient; the others do."""
    ratio = torch.tensor([1.5, 0.5, 0.5, 1.5], requires_grad=True)
    loss = clipped_loss(ratio, torch.tensor([1.0, 1.0, -1.0, -1.0]), 0.2)
    assert loss.tolist() == pytest.approx([-1.2, -0.5, 0.8, 1.5])
    loss.sum().backward()
    assert ratio.grad is not None
    assert ratio.grad.tolist() == [0.0, -1.0, 0.0, 1.0]


def test_whitening_looks_at_what_is_learnt_from_only() -> None:
    """The masked value is neither counted nor changed into anything but 0."""
    white = whitened(torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    assert white.tolist() == [pytest.approx([-1.0, 1.0, 0.0])]


def test_the_result_belongs_to_its_recipe(verifier_url: str, tmp_path: Path) -> None:
    """Another budget requires another run; the verifier's address does not matter."""
    small = recipe(tmp_path, verifier_url)
    compare(small, ["rejection_sft"], True, QUIET)
    path = small.run_dir / "compare" / "rejection_sft.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    larger = small.model_copy(update={"compare": small.compare.model_copy(update={"completions": 96})})
    after = compare(larger, ["rejection_sft"], True, QUIET)[0]
    assert (before["points"][-1]["judged"], after["points"][-1]["judged"]) == (64, 96)
    assert math.isclose(before["points"][0]["accuracy"], after["points"][0]["accuracy"])


HELD_OUT = {"kind": "addition", "digits": 1, "split": "held_out", "working": False, "limit": 4}
QUICK: dict[str, Any] = {"cold_start": None, "evaluation": {"data": [HELD_OUT]}}
BASE: dict[str, Any] = {
    "max_steps": 1,
    "num_generations": 4,
    "per_device_train_batch_size": 16,
    "learning_rate": 3e-4,
    "max_completion_length": 6,
    "gradient_checkpointing": False,
}


def counted(setting: Setting, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, int]:
    """Run GRPO or RLOO; return the completions judged, those of the record's last point, and the optimizer's steps."""
    asked: list[int] = []
    steps: list[int] = []

    class Watching(online._Watch):
        def on_step_end(self, args: Any, state: Any, control: Any, **given: object) -> Any:
            steps.append(state.global_step)
            return super().on_step_end(args, state, control, **given)

    class Counting(online.CountedReward):
        def _judge(self, pairs: list[Pair]) -> Judgement:
            asked.append(0 if self._known and all(pair in self._known for pair in pairs) else len(pairs))
            return super()._judge(pairs)

    monkeypatch.setattr(online, "CountedReward", Counting)
    monkeypatch.setattr(online, "_Watch", Watching)
    recorder = Recorder(setting, name)
    METHODS[name](setting, recorder)
    return sum(asked), recorder.points[-1].judged, steps[-1]


@pytest.mark.parametrize("name", ["grpo", "rloo"])
def test_batches_that_are_used_again_cost_no_budget(
    name: str, verifier_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps a generation and two iterations of each: 64 completions are judged, not four times as many."""
    small = recipe(tmp_path, verifier_url, **QUICK, grpo=BASE | {"steps_per_generation": 2, "num_iterations": 2})
    with setting_of(small, tmp_path) as setting:
        assert (setting.batch, setting.budget) == (32, 64)
        assert counted(setting, name, monkeypatch) == (64, 64, 8)


def test_rloo_writes_as_the_recipe_writes(verifier_url: str, tmp_path: Path) -> None:
    """Its prompts and its sampling are the recipe's, including fields that TRL only passes on."""
    more = {"trl": {"generation_kwargs": {"typical_p": 0.9}}, "num_iterations": 2, "steps_per_generation": 2}
    prompt = {"chat_template_kwargs": {"thinks": True}}
    small = recipe(tmp_path, verifier_url, **QUICK, prompt=prompt, grpo=BASE | more)
    with setting_of(small, tmp_path) as setting:
        arguments = online.rloo_arguments(setting)
    assert arguments.chat_template_kwargs == {"thinks": True}
    assert arguments.generation_kwargs == {"typical_p": 0.9}
    assert (arguments.num_iterations, arguments.steps_per_generation) == (2, 2)


def test_what_dynamic_sampling_drops_is_of_the_budget(
    verifier_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an untrained policy, judging every group is in vain: a budget of two batches ends in the first step."""
    small = recipe(tmp_path, verifier_url, **QUICK, dynamic_sampling={"max_rounds": 4})
    with setting_of(small, tmp_path) as setting:
        asked, judged, steps = counted(setting, "grpo", monkeypatch)
    assert asked == judged >= setting.budget
    assert steps == 1


def test_the_learning_rate_falls_with_the_budget_and_not_with_steps_that_never_come(
    verifier_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rounds a step: a budget of six batches is spent after three steps, and so is the linear schedule."""
    seen: list[tuple[int, float]] = []

    class Watching(online._Watch):
        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> Any:
            seen.append((self.reward.judged, given["lr_scheduler"].get_last_lr()[0]))
            return super().on_step_end(args, state, control, **given)

    monkeypatch.setattr(online, "_Watch", Watching)
    changes = {**QUICK, "dynamic_sampling": {"max_rounds": 2}, "compare": {"completions": 96, "points": 1}}
    with setting_of(recipe(tmp_path, verifier_url, grpo=BASE, **changes), tmp_path) as setting:
        assert setting.optimizer_steps == 6
        METHODS["grpo"](setting, Recorder(setting, "grpo"))
        expected = [BASE["learning_rate"] * (1 - judged / setting.budget) for judged, _ in seen]
    assert [rate for _, rate in seen] == pytest.approx(expected)
    assert (len(seen), seen[-1][0]) == (3, 96)


ADAPTED: dict[str, Any] = {
    **QUICK,
    "adapter": {"rank": 2, "alpha": 4, "targets": ["q_proj"]},
    "prompt": {"chat_template_kwargs": {"thinks": True}},
}


def test_dpo_trains_an_adapter_round_after_round(verifier_url: str, tmp_path: Path) -> None:
    """Each round has its own reference; only one adapter is left at the end."""
    with setting_of(recipe(tmp_path, verifier_url, **ADAPTED), tmp_path) as setting:
        model = setting.policy()
        rows = [(problem, "\\boxed{4}", "\\boxed{5}") for problem in setting.prepared.problems[:2]]
        for _ in range(2):
            sampled._fit_pairs(setting, model, rows)
    assert list(model.peft_config) == ["default"]
    assert all(parameter.requires_grad for name, parameter in model.named_parameters() if "lora" in name)


def test_methods_on_stored_completions_render_prompts_as_the_recipe_does(verifier_url: str, tmp_path: Path) -> None:
    """TRL's SFT and DPO take the arguments of the chat template from a column."""
    with setting_of(recipe(tmp_path, verifier_url, **ADAPTED), tmp_path) as setting:
        problem = setting.prepared.problems[0]
        for made in (
            sampled.accepted_rows(setting, [(problem, "4")]),
            sampled.pair_rows(setting, [(problem, "4", "5")]),
        ):
            assert made[0]["chat_template_kwargs"] == {"thinks": True}
        plain = setting.recipe.model_copy(
            update={"prompt": setting.recipe.prompt.model_copy(update={"chat_template_kwargs": {}})}
        )
        without = Setting(replace(setting.prepared, recipe=plain), setting.client, tmp_path, QUIET)
        assert sampled.accepted_rows(without, [(problem, "4")]).column_names == ["prompt", "completion"]


def test_ppo_writes_as_the_recipe_samples_and_ends_where_the_model_does(verifier_url: str, tmp_path: Path) -> None:
    """The model's published settings have no effect, `min_p: 1` is greedy, and its second end token ends a text."""
    small = recipe(tmp_path, verifier_url, **QUICK, grpo=BASE | {"min_p": 1.0, "mask_truncated_completions": True})
    with setting_of(small, tmp_path) as setting:
        policy: Any = setting.policy().eval()
        policy.get_output_embeddings().weight.data[setting.tokenizer.eos_token_id] = 0.0  # it is never the likeliest
        problems = setting.prepared.problems[:8]
        torch.manual_seed(0)
        first = ppo._write(setting, policy, problems).completions
        policy.generation_config.repetition_penalty = 1e9
        policy.generation_config.eos_token_id = [setting.tokenizer.eos_token_id, int(first[0, 0])]
        torch.manual_seed(1)
        again = ppo._write(setting, policy, problems)
        critic = ppo.Critic(setting)
        rollout = ppo._rollout(setting, policy, critic, None, problems)
    assert int(first[0, 0]) in set(again.ends) - {int(str(setting.tokenizer.eos_token_id))}
    assert again.completions[0, 0] == first[0, 0]
    assert again.completions[:, 0].tolist() == first[:, 0].tolist()
    assert rollout.mask[0].sum() == 1


def test_ppo_counts_gated_components_for_accepted_completions_only(tmp_path: Path) -> None:
    """A completion is its own group; a judge error has no reward."""
    gated = {"kind": "verbosity", "free_tokens": 0, "full_tokens": 6, "only_when": "any_right"}
    small = recipe(tmp_path, "http://127.0.0.1:1", reward=[{"kind": "correctness"}, gated])
    verdicts = (Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.JUDGE_ERROR)
    scores = (1.0, 0.0, None)
    results = [
        MathResult(id="x", verdict=verdict, score=score, message="")
        for verdict, score in zip(verdicts, scores, strict=True)
    ]
    assert ppo.rewards_of(small, ["a", "b", "c"], [6, 6, 6], results) == [0.0, 0.0, None]


def test_a_methods_own_process_asks_the_same_verifier(verifier_url: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The child's environment names another one, but does not override the parent's."""
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("VERIFIER_URL", "http://127.0.0.1:1")
    with pytest.raises(TrainerError, match="grpo exited with 3"):
        comparing._in_its_own_process(recipe(tmp_path, verifier_url), "grpo", tmp_path)
    said = commands[0]
    assert said[said.index("--verifier-url") + 1] == verifier_url
