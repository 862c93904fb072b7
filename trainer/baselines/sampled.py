"""Methods that learn from completions sampled and judged beforehand: rejection sampling, and DPO on pairs.

Both work in rounds: the current policy writes groups, the verifier judges them, and the policy is trained on the
completions that the verdicts select. A completion with a `judge_error` is never selected.
"""

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any

from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel
from transformers.trainer_callback import PrinterCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from trainer.baselines.setting import Recorder, Setting
from trainer.config import OfflineOptions
from trainer.data.load import conversation
from trainer.data.tasks import Problem
from verifier_service.schema import Verdict

Message = dict[str, str]
Text = str | list[Message]
Group = tuple[Problem, list[str], list[str]]
"""A problem, its distinct accepted completions, and its distinct rejected ones."""
REFERENCE = "ref"  # TRL's DPO adds a copy of the adapter under this name; a leftover copy would break the next round


def rejection_sft(setting: Setting, recorder: Recorder) -> None:
    """Fine-tune on accepted completions, in rounds (RFT, arXiv:2308.01825; ReST, arXiv:2308.08998)."""
    model = setting.policy()
    recorder.at(model, 0)
    for judged, groups in rounds(setting, model):
        rows = [(problem, text) for problem, right, _ in groups for text in right]
        if rows:
            _fit_accepted(setting, model, rows)
        recorder.at(model, judged)


def dpo(setting: Setting, recorder: Recorder) -> None:
    """Train on pairs of an accepted and a rejected completion of one problem (DPO, arXiv:2305.18290).

    The reference of each round is the policy at its start.
    """
    model = setting.policy()
    recorder.at(model, 0)
    for judged, groups in rounds(setting, model):
        rows = [
            (problem, good, bad)
            for problem, right, wrong in groups
            for good, bad in zip(right, wrong, strict=False)  # as many pairs as the shorter list allows
        ]
        if rows:
            _fit_pairs(setting, model, rows)
        recorder.at(model, judged)


def rounds(setting: Setting, model: PreTrainedModel) -> Iterator[tuple[int, list[Group]]]:
    """Yield for each round the number of completions judged so far, and the groups of the round."""
    size = setting.recipe.grpo.num_generations
    batches = setting.batches(size)
    each, judged = max(1, setting.steps // setting.compare.points), 0
    while batch := [problem for problems in islice(batches, each) for problem in problems]:
        texts = setting.sample(model, batch)
        verdicts = setting.verdicts(batch, texts)
        judged += len(batch)
        groups = []
        for start in range(0, len(batch), size):
            own = list(zip(texts[start : start + size], verdicts[start : start + size], strict=True))
            right = [text for text, verdict in own if verdict is Verdict.ACCEPTED]
            wrong = [text for text, verdict in own if verdict not in (Verdict.ACCEPTED, Verdict.JUDGE_ERROR)]
            groups.append((batch[start], list(dict.fromkeys(right)), list(dict.fromkeys(wrong))))
        yield judged, groups


def _fit_accepted(setting: Setting, model: PreTrainedModel, rows: list[tuple[Problem, str]]) -> None:
    options = setting.compare.rejection_sft
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**_common(setting, options)),
        train_dataset=accepted_rows(setting, rows),
        processing_class=setting.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def _fit_pairs(setting: Setting, model: PreTrainedModel, rows: list[tuple[Problem, str, str]]) -> None:
    options = setting.compare.dpo
    trainer = DPOTrainer(
        model=model,
        ref_model=copy.deepcopy(model) if setting.recipe.adapter is None else None,
        args=DPOConfig(beta=options.beta, **_common(setting, options)),
        train_dataset=pair_rows(setting, rows),
        processing_class=setting.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    if isinstance(model, PeftModel) and REFERENCE in model.peft_config:
        model.delete_adapter(REFERENCE)


def accepted_rows(setting: Setting, rows: list[tuple[Problem, str]]) -> Dataset:
    """Return accepted completions as a dataset for TRL's SFT trainer."""
    answers = [_answer(setting, text) for _, text in rows]
    return Dataset.from_dict({**_prompts(setting, [problem for problem, _ in rows]), "completion": answers})


def pair_rows(setting: Setting, rows: list[tuple[Problem, str, str]]) -> Dataset:
    """Return pairs of an accepted and a rejected completion as a dataset for TRL's DPO trainer."""
    answers = {
        "chosen": [_answer(setting, good) for _, good, _ in rows],
        "rejected": [_answer(setting, bad) for _, _, bad in rows],
    }
    return Dataset.from_dict({**_prompts(setting, [problem for problem, _, _ in rows]), **answers})


def _prompts(setting: Setting, problems: list[Problem]) -> dict[str, list[object]]:
    """Return the prompt columns, including the one from which SFT and DPO read the chat template's arguments."""
    options = setting.recipe.prompt
    columns: dict[str, list[object]] = {"prompt": [conversation(problem, options) for problem in problems]}
    if options.chat_template_kwargs:
        columns["chat_template_kwargs"] = [options.chat_template_kwargs] * len(problems)
    return columns


def _answer(setting: Setting, text: str) -> Text:
    return [{"role": "assistant", "content": text}] if setting.recipe.prompt.chat else text


def _common(setting: Setting, options: OfflineOptions) -> dict[str, Any]:
    """Return the arguments that SFTConfig and DPOConfig share: the method's options, and the recipe's for the rest."""
    import torch

    has_gpu = torch.cuda.is_available()
    grpo = setting.recipe.grpo
    return {
        "output_dir": str(setting.folder),
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": options.batch,
        "learning_rate": options.learning_rate,
        "lr_scheduler_type": "constant",
        "bf16": grpo.bf16 if grpo.bf16 is not None else has_gpu,
        "use_cpu": not has_gpu,
        "gradient_checkpointing": grpo.gradient_checkpointing,
        "seed": setting.recipe.seed,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": has_gpu,
    }
