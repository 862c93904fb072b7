"""Evaluation with the trainer's vLLM: TRL's own code, where only vLLM itself is replaced by a model.

vLLM cannot be installed here. Its replacement accepts what TRL passes to it, and returns what TRL expects.
"""

import json
import types
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import TrainerControl, TrainerState, TrainingArguments
from trl.generation import vllm_generation

from tests.trainer.test_algorithms import recipe as small_recipe
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import load_problems
from trainer.evaluation.during import EvaluationDuring
from trainer.evaluation.evaluate import Model, evaluate, read_records
from trainer.evaluation.generation import Sampling, write
from trainer.evaluation.vllm import Vllm, part_of
from trainer.models import base_model, load_model, load_tokenizer

QUIET = Console(quiet=True)


@dataclass
class Writes:
    """A model instead of vLLM; it records its requests and the tensors that it receives."""

    network: Any
    tokenizer: Any
    asked: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def ids(self, prompts: Sequence[list[int]], temperature: float, max_tokens: int) -> list[list[int]]:
        out = []
        for prompt in prompts:
            written = write(self.network, self.tokenizer, [prompt], Sampling(temperature, max_tokens))
            out.append(written.completions[0].tolist())
        return out


def server(writes: Writes) -> types.SimpleNamespace:
    """The client of a vLLM server, as TRL's VLLMClient answers."""

    def generate(prompts: list[list[int]], **sampling: Any) -> dict[str, Any]:
        writes.calls.append("generate")
        writes.asked.append(sampling)
        written = writes.ids(prompts, sampling["temperature"], sampling["max_tokens"])
        return {
            "prompt_ids": prompts,
            "completion_ids": written,
            "logprobs": [[[-0.5] for _ in one] for one in written],
            "logprob_token_ids": [[[token] for token in one] for one in written],
        }

    def update(names: list[Any], tensors: Any) -> None:
        writes.calls.append(f"{len(list(tensors))} tensors")
        assert all(len(name) == 3 for name in names)

    reset = partial(writes.calls.append, "reset")
    return types.SimpleNamespace(generate=generate, update_named_params=update, reset_prefix_cache=reset)


def engine(writes: Writes) -> types.SimpleNamespace:
    """vLLM's LLM in the trainer's process, which sleeps between generations."""

    def generate(prompts: list[dict[str, Any]], sampling_params: dict[str, Any], **_: Any) -> list[Any]:
        writes.calls.append("generate")
        writes.asked.append(sampling_params)
        ids = [prompt["prompt_token_ids"] for prompt in prompts]
        written = writes.ids(ids, sampling_params["temperature"], sampling_params["max_tokens"])
        logprobs = [[{token: types.SimpleNamespace(rank=1, logprob=-0.5)} for token in one] for one in written]
        outputs = [
            types.SimpleNamespace(token_ids=one, logprobs=own) for one, own in zip(written, logprobs, strict=True)
        ]
        return [
            types.SimpleNamespace(prompt_token_ids=prompt, outputs=[output])
            for prompt, output in zip(ids, outputs, strict=True)
        ]

    def load_weights(_: list[Any]) -> None:
        if writes.calls[-1] != "weights":
            writes.calls.append("weights")

    within: Any = types.SimpleNamespace(load_weights=load_weights)
    for name in ("model", "model_runner", "driver_worker", "model_executor"):
        within = types.SimpleNamespace(**{name: within})
    return types.SimpleNamespace(
        generate=generate,
        llm_engine=within,
        wake_up=lambda tags: writes.calls.append(f"wake {tags[0]}"),
        sleep=lambda level: writes.calls.append(f"sleep {level}"),
        reset_prefix_cache=partial(writes.calls.append, "reset"),
    )


@pytest.fixture
def recipe(verifier_url: str, tmp_path: Path) -> Recipe:
    values: dict[str, Any] = small_recipe(tmp_path / "run", "dr_grpo").model_dump(mode="json")
    held_out = {"kind": "addition", "digits": 1, "working": False, "split": "held_out", "limit": 3}
    evaluate = {"greedy": False, "samples": 2, "temperature": 0.7, "top_p": 0.9, "max_completion_length": 4}
    values["verifier"] = {"url": verifier_url}
    values["evaluation"] = {
        "data": [{**held_out, "name": "greedy"}, {**held_out, "digits": 2, "name": "sampled", "evaluate": evaluate}],
        "samples": 0,
    }
    return parse_recipe(values)


def trainer_with(recipe: Recipe, mode: str) -> tuple[Any, Writes, Model]:
    """Return the parts of a GRPOTrainer that the evaluation needs, with TRL's VLLMGeneration around the replacement."""
    base = base_model(recipe, load_problems(recipe.data, 0))
    network, tokenizer = load_model(recipe, base), load_tokenizer(recipe, base)
    accelerator = types.SimpleNamespace(
        is_main_process=True, num_processes=1, process_index=0, device=torch.device("cpu"), state=None
    )
    stand_in = Writes(network, tokenizer)
    theirs = object.__new__(vllm_generation.VLLMGeneration)
    theirs.__dict__ |= {
        "model": network,
        "accelerator": accelerator,
        "_dist": types.SimpleNamespace(is_fsdp=False, gather_params=lambda _: torch.no_grad()),
        "mode": mode,
        "vllm_client": server(stand_in),
        "llm": engine(stand_in),
        "tensor_parallel_size": 1,
        "enable_sleep_mode": True,
        "_llm_weights_sleeping": True,
        "_weight_metadata": None,
        "structured_outputs_regex": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": None,
        "repetition_penalty": 1.0,
        "max_completion_length": 8,
        "logprobs": 0,
        "generation_kwargs": {"stop": ["\n"], "seed": 7, "temperature": 0.1},
    }
    trainer: Any = types.SimpleNamespace(
        vllm_generation=theirs, state=TrainerState(global_step=2), _last_loaded_step=-1, accelerator=accelerator
    )
    return trainer, stand_in, Model(network, tokenizer, "model", Vllm(trainer))


def test_a_server_writes_what_the_model_would_and_samples_as_asked(recipe: Recipe) -> None:
    """The same greedy records as without vLLM; the trainer's own sampling is there again afterwards."""
    trainer, stand_in, model = trainer_with(recipe, "server")
    before = dict(trainer.vllm_generation.__dict__)
    problems = load_problems(recipe.evaluation.data, 0)
    with client_of(recipe.verifier) as client:
        evaluate(model, problems, recipe, client, recipe.run_dir / "vllm")
        evaluate(replace(model, writer=None), problems, recipe, client, recipe.run_dir / "plain")
    with_vllm, plain = (read_records(recipe.run_dir / name) for name in ("vllm", "plain"))
    assert [r["greedy"] for r in with_vllm] == [r["greedy"] for r in plain]
    tensors = len(list(model.network.named_parameters()))
    assert stand_in.calls == [f"{tensors} tensors", "reset", "generate", "generate"], "weights are sent once a step"
    by_temperature = {asked["temperature"]: asked for asked in stand_in.asked}
    assert set(by_temperature) == {0.0, 0.7}
    sampled = by_temperature[0.7]
    assert (sampled["top_p"], sampled["max_tokens"], sampled["n"]) == (0.9, 4, 1)
    assert sampled["generation_kwargs"] == {"stop": ["\n"]}, "what the evaluation decides is not the run's"
    changed = {name for name, value in trainer.vllm_generation.__dict__.items() if value is not before.get(name)}
    assert changed <= {"_weight_metadata"}
    assert trainer._last_loaded_step == 2


def test_an_engine_that_sleeps_is_sent_the_weights_before_each_call(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While training, through the callback; the best model is kept as without vLLM."""
    monkeypatch.setattr(vllm_generation, "SamplingParams", dict, raising=False)
    _, stand_in, model = trainer_with(recipe, "colocate")
    changes = {"every_steps": 2, "best_by": "sampled"}
    small = recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=changes)})
    problems = load_problems(small.evaluation.data, 0)
    saved: list[Path] = []

    def save(folder: Path) -> None:
        folder.mkdir()
        saved.append(folder)

    folder = small.run_dir / "evaluations" / "step-2"
    with client_of(small.verifier) as client:
        during = EvaluationDuring(model, problems, small, client, save, QUIET)
        arguments = TrainingArguments(output_dir=str(small.run_dir), use_cpu=True)
        during.on_step_end(arguments, TrainerState(global_step=2, max_steps=4), TrainerControl())
        once = ["wake weights", "weights", "reset", "wake kv_cache", "generate", "sleep 2"]
        assert stand_in.calls == once * 2
        assert {asked["n"] for asked in stand_in.asked} == {1}
        assert [path.name for path in saved] == ["best.new"]
        records = read_records(folder)
        assert len(records) == 6
        for record in records:  # from here on, all samples of one source are right, and none of the other
            record["greedy"] = record["greedy"] and record["greedy"] | {"verdict": "wrong_answer"}
            record["samples"] = [sample | {"verdict": "accepted"} for sample in record["samples"]]
        (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        during.on_step_end(arguments, TrainerState(global_step=2, max_steps=4), TrainerControl())
    assert json.loads((small.run_dir / "best.json").read_text(encoding="utf-8")) == {"step": 2, "accuracy": 1.0}
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8"))["accuracy"]["value"] == 0.5


def test_processes_get_equally_many_prompts_and_none_is_left_out() -> None:
    ids = [[number] for number in range(7)]
    parts = [part_of(ids, process, 3) for process in range(3)]
    assert [len(part) for part in parts] == [3, 3, 3]
    assert [one for part in parts for one in part][:7] == ids
