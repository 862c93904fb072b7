"""GRPO and RLOO: TRL's trainers with the same arguments and the same reward callable."""

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

# GRPO's arguments that exist in RLOO with the same name and meaning. The remaining ones belong to the estimator.
SHARED = (
    "output_dir", "seed", "use_cpu", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
    "num_generations", "steps_per_generation", "num_iterations", "learning_rate", "lr_scheduler_type", "warmup_steps",
    "weight_decay", "optim", "max_grad_norm", "max_completion_length", "temperature", "top_p", "top_k", "min_p",
    "repetition_penalty", "generation_kwargs", "chat_template_kwargs", "gradient_checkpointing", "bf16", "beta",
    "mask_truncated_completions", "shuffle_dataset", "disable_tqdm", "dataloader_pin_memory",
)  # fmt: skip


def grpo(setting: Setting, recorder: Recorder) -> None:
    """Train with group-relative policy optimization, as the recipe's own run does (arXiv:2402.03300)."""
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
    """Train with REINFORCE and the mean of the group's other completions as baseline (arXiv:2402.14740)."""
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
    """Counts the completions judged for learning in `judged`, including those that dynamic sampling drops."""

    judged = 0
    _samples_dynamically = False

    def results(self, completions: Sequence[Completion], verifier: Sequence[str]) -> list[Result]:
        """Judge completions for dynamic sampling, which rewards its batch from these results later."""
        self._samples_dynamically = True
        self.judged += len(completions)
        return super().results(completions, verifier)

    def _judge_together(self, pairs: list[Pair], called_at: float) -> Judgement:
        self.judged += 0 if self._samples_dynamically else len(pairs)
        return super()._judge_together(pairs, called_at)


def rloo_arguments(setting: Setting) -> RLOOConfig:
    """Return RLOO's configuration: the arguments it shares with the recipe's GRPO. vLLM is not used."""
    theirs = _arguments(setting)
    shared = {name: getattr(theirs, name) for name in SHARED}
    if setting.recipe.vllm is not None:
        shared["generation_kwargs"] = None
    return RLOOConfig(**shared, save_strategy="no", report_to="none")


def _prompts(setting: Setting) -> Dataset:
    """Lay out the prompts for the whole budget, which can be longer than the recipe's own run."""
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
    """Measures after each generation batch that reaches a point of the budget, and stops once the budget is spent.

    With dynamic sampling, a step judges more completions than its batch holds, and the budget runs out before the
    scheduler's last step. The learning rate then follows the share of the budget instead of the share of the steps.
    """

    def __init__(self, setting: Setting, recorder: Recorder, reward: CountedReward) -> None:
        self.setting = setting
        self.recorder = recorder
        self.reward = reward

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: object
    ) -> None:
        scheduler = given.get("lr_scheduler")
        scheduler = getattr(scheduler, "scheduler", scheduler)  # accelerate wraps the real one
        if self.setting.recipe.dynamic_sampling is not None and isinstance(scheduler, LambdaLR):
            laid_out = cast(list[Callable[[float], float]], scheduler.lr_lambdas)  # none of them needs an integer
            scheduler.lr_lambdas = [self._by_budget(factor, state.max_steps) for factor in laid_out]

    def _by_budget(self, factor: Callable[[float], float], steps: int) -> Callable[[int], float]:
        """Return a learning-rate factor that depends on the share of the budget judged so far."""
        return lambda _step: factor(min(1.0, self.reward.judged / self.setting.budget) * steps)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: object
    ) -> None:
        batches = state.global_step * args.gradient_accumulation_steps
        if batches % self.setting.recipe.batches_per_generation == 0:
            self.recorder.at(cast(PreTrainedModel, given["model"]), self.reward.judged)
            control.should_training_stop |= self.reward.judged >= self.setting.budget
