"""GRPO and RLOO: TRL's trainers, with the same arguments and the same reward callable."""

from collections.abc import Callable, Sequence
from typing import cast

from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from trainer.baselines.setting import Recorder, Setting
from trainer.data.load import in_training_order, rows
from trainer.rewards.reward import Completion, Judgement, Pair, Reward
from trainer.trl.arguments import grpo_arguments
from trainer.trl.dynamic_sampling import DynamicSamplingTrainer
from trainer.trl.overlap import OverlappingTrainer
from verifier_service.schema import Result

# Arguments of GRPO that RLOO has under the same name and for the same purpose. Its own are the estimator.
SHARED = (
    "output_dir", "seed", "use_cpu", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
    "num_generations", "steps_per_generation", "num_iterations", "learning_rate", "lr_scheduler_type", "warmup_steps",
    "weight_decay", "optim", "max_grad_norm", "max_completion_length", "temperature", "top_p", "top_k", "min_p",
    "repetition_penalty", "generation_kwargs", "chat_template_kwargs", "gradient_checkpointing", "bf16", "beta",
    "mask_truncated_completions", "shuffle_dataset", "disable_tqdm", "dataloader_pin_memory",
)  # fmt: skip


def grpo(setting: Setting, recorder: Recorder) -> None:
    """Group-relative policy optimisation, as the recipe's own run does it (arXiv:2402.03300)."""
    model = setting.policy()
    recorder.at(model, 0)
    reward = CountedReward(setting.recipe, setting.client)
    options = setting.recipe.dynamic_sampling
    kind = OverlappingTrainer if options is None else DynamicSamplingTrainer
    trainer = kind(
        model=model,
        reward_funcs=reward,
        args=_arguments(setting),
        train_dataset=_prompts(setting),
        processing_class=setting.tokenizer,
        callbacks=[_Watch(setting, recorder, reward)],
    )
    if isinstance(trainer, DynamicSamplingTrainer) and options is not None:
        trainer.draw_from(rows(setting.prepared.problems, setting.recipe.prompt), options)
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def rloo(setting: Setting, recorder: Recorder) -> None:
    """REINFORCE with the mean of the group's other completions as baseline (arXiv:2402.14740)."""
    model = setting.policy()
    recorder.at(model, 0)
    reward = CountedReward(setting.recipe, setting.client)
    trainer = RLOOTrainer(
        model=model,
        reward_funcs=reward,
        args=rloo_arguments(setting),
        train_dataset=_prompts(setting),
        processing_class=setting.tokenizer,
        callbacks=[_Watch(setting, recorder, reward)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


class CountedReward(Reward):
    """Counts in `judged` what is judged for learning, also what dynamic sampling then drops."""

    judged = 0
    _samples_dynamically = False

    def results(self, completions: Sequence[Completion], verifier: Sequence[str]) -> list[Result]:
        """Have completions judged for dynamic sampling, whose batch is then rewarded by what is known."""
        self._samples_dynamically = True
        self.judged += len(completions)
        return super().results(completions, verifier)

    def _judge_together(self, pairs: list[Pair], called_at: float) -> Judgement:
        self.judged += 0 if self._samples_dynamically else len(pairs)
        return super()._judge_together(pairs, called_at)


def rloo_arguments(setting: Setting) -> RLOOConfig:
    """Return what RLOO shares with the recipe's GRPO, and nothing else; without vLLM, whose arguments are others."""
    theirs = _arguments(setting)
    shared = {name: getattr(theirs, name) for name in SHARED}
    if setting.recipe.vllm is not None:
        shared["generation_kwargs"] = None
    return RLOOConfig(**shared, save_strategy="no", report_to="none")


def _prompts(setting: Setting) -> Dataset:
    """Lay out the prompts of the budget, which may be longer than the recipe's own run."""
    grpo = setting.recipe.grpo.model_copy(update={"max_steps": setting.optimizer_steps})
    recipe = setting.recipe.model_copy(update={"grpo": grpo})
    return in_training_order(setting.prepared.problems, recipe, 1)


def _arguments(setting: Setting) -> GRPOConfig:
    arguments = grpo_arguments(setting.recipe, setting.folder / "trl", setting.optimizer_steps)
    arguments.model_init_kwargs = None  # the model is loaded already
    arguments.save_strategy = "no"
    arguments.report_to = []
    return arguments


class _Watch(TrainerCallback):
    """Measures after each generation batch that reaches a point of the budget, and stops when it is spent.

    With dynamic sampling a step judges more than its batch, so that the budget is spent before the last of the steps
    for which the learning rate was laid out. It then follows the share of the budget in place of that of the steps.
    """

    def __init__(self, setting: Setting, recorder: Recorder, reward: CountedReward) -> None:
        self.setting = setting
        self.recorder = recorder
        self.reward = reward

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: object
    ) -> None:
        scheduler = given.get("lr_scheduler")
        scheduler = getattr(scheduler, "scheduler", scheduler)  # accelerate's has the real one within
        if self.setting.recipe.dynamic_sampling is not None and isinstance(scheduler, LambdaLR):
            laid_out = cast(list[Callable[[float], float]], scheduler.lr_lambdas)  # none needs a whole number
            scheduler.lr_lambdas = [self._by_budget(factor, state.max_steps) for factor in laid_out]

    def _by_budget(self, factor: Callable[[float], float], steps: int) -> Callable[[int], float]:
        """Return the factor of the learning rate at the step that corresponds to what is judged so far."""
        return lambda _step: factor(min(1.0, self.reward.judged / self.setting.budget) * steps)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: object
    ) -> None:
        batches = state.global_step * args.gradient_accumulation_steps
        if batches % self.setting.recipe.batches_per_generation == 0:
            self.recorder.at(cast(PreTrainedModel, given["model"]), self.reward.judged)
            control.should_training_stop |= self.reward.judged >= self.setting.budget
