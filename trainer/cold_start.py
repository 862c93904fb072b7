"""A short supervised stage on the task's own demonstrations: a policy that never succeeds gets no reward to learn from.

It uses TRL's SFTTrainer and stops once sampled completions of training prompts are right often enough, and no more
often than that. This leaves most of the learning to the reward, on every machine.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from trainer import weights
from trainer.config import ColdStart, Recipe
from trainer.data.load import conversation
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.evaluation.answers import answer
from trainer.evaluation.generation import policy_sampling
from trainer.files import save_model, write_whole
from trainer.models import init_arguments, lora_config
from trainer.turns.teaching import shown_in_turns
from verifier_service.client import VerifierClient
from verifier_service.schema import Verdict

MAX_HALVINGS = 8
"""How many mixes to try between two checks. If none is within the tolerance, the last one is kept."""


def run(recipe: Recipe, base: str, tokenizer: Any, problems: list[Problem], client: VerifierClient, say: Any) -> Path:
    """Train on demonstrations, unless an earlier run has finished this stage.

    Args:
        recipe: A recipe with a cold start.
        base: The hub id or folder of the model to start from.
        tokenizer: The model's tokenizer.
        problems: Training problems; those with a demonstration are used.
        client: The verifier, which judges the completions that decide when to stop.
        say: Called with sentences for the user.

    Returns:
        The folder of the result: a model, or an adapter if the recipe has one.

    Raises:
        DataError: No problem has a demonstration.
    """
    options = recipe.cold_start
    assert options is not None, "callers pass only recipes with a cold start"
    folder = recipe.run_dir / "cold-start"
    done = folder / "done.json"
    if done.exists():
        return folder
    shown = [problem for problem in problems if problem.shown]
    if not shown:
        raise DataError("cold_start: no row of the data has a solution to imitate; remove cold_start")
    watch = _Watch(options, recipe, tokenizer, shown, client, say)
    trainer = SFTTrainer(
        model=base,
        args=_arguments(options, recipe, folder),
        train_dataset=_dataset(recipe, shown[: options.steps * options.batch], tokenizer, client),
        processing_class=tokenizer,
        peft_config=lora_config(recipe.adapter) if recipe.adapter else None,
        callbacks=[watch],
    )
    _quiet(trainer)
    trainer.train()
    save_model(trainer, folder)
    if trainer.accelerator.is_main_process:
        write_whole(done, json.dumps({"steps": trainer.state.global_step, "accuracy": watch.accuracy}))
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


def _dataset(
    recipe: Recipe, problems: list[Problem], tokenizer: PreTrainedTokenizerBase, client: VerifierClient
) -> Dataset:
    if recipe.repair or recipe.interpreter:
        return Dataset.from_list([dict(row) for row in shown_in_turns(recipe, problems, tokenizer, client)])
    return _in_one_turn(recipe, problems)


def _in_one_turn(recipe: Recipe, problems: list[Problem]) -> Dataset:
    prompts = [conversation(problem, recipe.prompt) for problem in problems]
    shown = [problem.shown for problem in problems]
    if not recipe.prompt.chat:
        return Dataset.from_dict({"prompt": prompts, "completion": shown})
    answers = [[{"role": "assistant", "content": text}] for text in shown]
    columns: dict[str, Sequence[object]] = {"prompt": prompts, "completion": answers}
    if recipe.prompt.chat_template_kwargs:  # TRL reads them from this column only
        columns["chat_template_kwargs"] = [recipe.prompt.chat_template_kwargs] * len(problems)
    return Dataset.from_dict(columns)


class _Watch(TrainerCallback):
    """Checks the sampled accuracy on training prompts from time to time, and ends the stage once it is high enough.

    It measures and keeps the mean of the weights since the previous check. The weights of single steps oscillate
    between the habits in the demonstrations, and their direction depends on the last bits of the floats, that is, on
    the CPU. A mean whose accuracy exceeds the target by more than `accuracy_tolerance` is mixed with the previous one,
    by bisection, until the accuracy is between the two bounds.
    """

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
        self.mean = weights.Mean()
        self.below: weights.Weights = []
        """The last weights whose accuracy was still too low."""

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self.options.until_accuracy is not None:
            self.below = weights.of(model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> Any:
        enough = self.options.until_accuracy
        if enough is None:
            return control
        self.mean.add(model)
        if state.global_step % self.options.check_every_steps:
            return control
        single, reached = weights.of(model), self.mean.take()
        weights.put(model, reached)
        self.accuracy = self._measure(model)
        said = f"step {state.global_step} of at most {state.max_steps}, sampled accuracy on training problems"
        self.say(f"cold start: {said} {self.accuracy:.2f}; stops at {enough:.2f}")
        if self.accuracy >= enough:
            self._go_back(model, reached, enough)
            control.should_training_stop = True
        elif state.global_step < state.max_steps:
            self.below = reached
            weights.put(model, single)
        return control

    def _go_back(self, model: Any, reached: weights.Weights, enough: float) -> None:
        """Mix the weights reached with the last ones that were too weak, until the accuracy is within the tolerance."""
        low, high = 0.0, 1.0
        too_much = enough + self.options.accuracy_tolerance
        for _ in range(MAX_HALVINGS):
            if self.accuracy is None or enough <= self.accuracy <= too_much:
                return
            share = (low + high) / 2
            weights.put(model, weights.mix(self.below, reached, share))
            self.accuracy = self._measure(model)
            self.say(f"cold start: overshot; back to {share:.2f} of the last stretch, accuracy {self.accuracy:.2f}")
            low, high = (share, high) if self.accuracy < enough else (low, share)

    def _measure(self, model: Any) -> float:
        """Return the share of sampled completions that are right; all processes get the same value."""
        sampling = policy_sampling(self.recipe, self.recipe.grpo.temperature)
        answers = answer(model, self.tokenizer, self.problems, self.recipe, sampling, self.client)
        judged = [one.result for one in answers if one.result.verdict is not Verdict.JUDGE_ERROR]
        accuracy = sum(result.verdict is Verdict.ACCEPTED for result in judged) / max(len(judged), 1)
        return broadcast_object_list([accuracy])[0]  # all processes must stop at the same step


def _quiet(trainer: Any) -> None:
    """Remove the callback that prints every log line: the caller shows the progress."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
