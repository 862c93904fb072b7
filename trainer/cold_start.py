"""A short supervised stage on the task's own demonstrations: a policy that never succeeds has no reward to learn from.

It uses TRL's SFTTrainer, and stops as soon as sampled completions of training prompts are right often enough, so that
most of what there is to learn is left to the reward.
"""

import json
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers import TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from trainer.client import VerifierClient
from trainer.config import ColdStart, Recipe
from trainer.data import conversation, verifier_text
from trainer.errors import DataError
from trainer.generation import Sampling, complete
from trainer.models import init_arguments, lora_config
from trainer.reward import judge
from trainer.tasks import Problem
from verifier_service.schema import Verdict


def run(recipe: Recipe, base: str, tokenizer: Any, problems: list[Problem], client: VerifierClient, say: Any) -> Path:
    """Train on demonstrations and return the folder of the result: a model, or an adapter where the recipe has one.

    A stage that was finished before is not done again. `say` is called with sentences for the user.

    Raises:
        DataError: the problems have nothing to imitate.
    """
    options = recipe.cold_start
    assert options is not None, "the caller asks only for recipes that have a cold start"
    folder = recipe.run_dir / "cold-start"
    done = folder / "done.json"
    if done.exists():
        return folder
    shown = [problem for problem in problems if problem.shown]
    if not shown:
        raise DataError("cold_start: no row of the data has a solution to imitate")
    watch = _Watch(options, recipe, tokenizer, shown, client, say)
    trainer = SFTTrainer(
        model=base,
        args=_arguments(options, recipe, folder),
        train_dataset=_dataset(recipe, shown[: options.steps * options.batch]),
        processing_class=tokenizer,
        peft_config=lora_config(recipe.adapter) if recipe.adapter else None,
        callbacks=[watch],
    )
    _quiet(trainer)
    trainer.train()
    trainer.save_model(str(folder))
    if trainer.accelerator.is_main_process:
        done.write_text(json.dumps({"steps": trainer.state.global_step, "accuracy": watch.accuracy}), encoding="utf-8")
    trainer.accelerator.wait_for_everyone()
    return folder


def _arguments(options: ColdStart, recipe: Recipe, folder: Path) -> SFTConfig:
    import torch

    per_device = options.per_device_batch or options.batch
    has_gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        max_steps=options.steps,
        per_device_train_batch_size=per_device,
        gradient_accumulation_steps=max(1, options.batch // per_device),
        learning_rate=options.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=options.warmup_steps,
        adam_beta2=options.adam_beta2,
        optim="adamw_torch",
        model_init_kwargs=init_arguments(recipe),
        bf16=recipe.grpo.bf16 if recipe.grpo.bf16 is not None else has_gpu,
        use_cpu=not has_gpu,
        gradient_checkpointing=recipe.grpo.gradient_checkpointing,
        seed=recipe.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=has_gpu,
    )


def _dataset(recipe: Recipe, problems: list[Problem]) -> Dataset:
    prompts = [conversation(problem, recipe.prompt) for problem in problems]
    shown = [problem.shown for problem in problems]
    if not recipe.prompt.chat:
        return Dataset.from_dict({"prompt": prompts, "completion": shown})
    answers = [[{"role": "assistant", "content": text}] for text in shown]
    return Dataset.from_dict({"prompt": prompts, "completion": answers})


class _Watch(TrainerCallback):
    """Measures the sampled accuracy on training prompts now and then, and ends the stage when it is enough."""

    def __init__(
        self,
        options: ColdStart,
        recipe: Recipe,
        tokenizer: Any,
        problems: list[Problem],
        client: VerifierClient,
        say: Any,
    ) -> None:
        self.options = options
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.problems = problems[-options.check_rows :]
        self.client = client
        self.say = say
        self.accuracy: float | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> Any:
        if self.options.until_accuracy is None or state.global_step % self.options.check_every_steps:
            return control
        self.accuracy = broadcast_object_list([self._measure(model)])[0]  # all processes stop at the same step
        self.say(f"cold start: step {state.global_step}, sampled accuracy on training problems {self.accuracy:.2f}")
        if self.accuracy >= self.options.until_accuracy:
            control.should_training_stop = True
        return control

    def _measure(self, model: Any) -> float:
        grpo = self.recipe.grpo
        sampling = Sampling(grpo.temperature, grpo.max_completion_tokens, self.recipe.evaluation.batch)
        prompts = [conversation(problem, self.recipe.prompt) for problem in self.problems]
        texts = complete(model, self.tokenizer, prompts, sampling)
        pairs = [(verifier_text(problem), text) for problem, text in zip(self.problems, texts, strict=True)]
        judged = [result for result in judge(self.client, pairs).results if result.verdict is not Verdict.JUDGE_ERROR]
        return sum(result.verdict is Verdict.ACCEPTED for result in judged) / max(len(judged), 1)


def _quiet(trainer: Any) -> None:
    """Take away the callback that prints every log line; progress is shown by the caller."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
