"""Held-out completions by the vLLM that the trainer generates with, written by all of its processes together.

TRL's `VLLMGeneration` has two modes, a server and an engine in each process, and in both of them generating and sending
the weights are calls in which every process has to take part. So one process leads: it evaluates as it would alone, and
for each call tells the others what to write; each writes an equal part. The others follow until it is done.

Nobody has run this on a GPU: the tests put a model in the place of vLLM itself, behind TRL's own code.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accelerate.utils import broadcast_object_list, gather_object
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer.evaluation.generation import Sampling

DECIDED = {"n", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"}
"""Arguments of vLLM that an evaluation decides, whatever `grpo.trl.generation_kwargs` says of them."""


@dataclass(frozen=True)
class _Order:
    """What all processes are to write together."""

    ids: list[list[int]]
    sampling: Sampling


class Vllm:
    """Writes with a trainer's vLLM, after sending it the weights of the trainer's step where it has older ones."""

    def __init__(self, trainer: GRPOTrainer) -> None:
        self._trainer = trainer

    @contextlib.contextmanager
    def together(self) -> Iterator[bool]:
        """Let the main process write within, while the others help it; yield whether this process is the main one."""
        if not self._trainer.accelerator.is_main_process:
            while (order := self._told(None)) is not None:
                self._part(order)
            yield False
            return
        try:
            yield True
        finally:
            self._told(None)

    def write(self, ids: list[list[int]], sampling: Sampling) -> list[list[int]]:
        """Write one completion for each prompt, both as token ids. On the main process, within `together`."""
        if not ids:
            return []
        order = _Order(ids, sampling)
        self._told(order)
        return self._part(order)

    def _told(self, order: _Order | None) -> _Order | None:
        """Return the main process's order on every process; None says that it is done."""
        told = [order]
        if self._trainer.accelerator.num_processes > 1:
            broadcast_object_list(told)
        return told[0]

    def _part(self, order: _Order) -> list[list[int]]:
        """Write this process's part, and return what all have written."""
        trainer = self._trainer
        engine: VLLMGeneration = trainer.vllm_generation
        if trainer.state.global_step != trainer._last_loaded_step:
            engine.sync_weights()
            trainer._last_loaded_step = trainer.state.global_step
        own = part_of(order.ids, trainer.accelerator.process_index, trainer.accelerator.num_processes)
        with _as(engine, order.sampling):
            _, written, _, _ = engine.generate(prompts=own, images=None, num_generations=1)
        everything = gather_object(written) if trainer.accelerator.num_processes > 1 else written
        return [list(ids) for ids in everything[: len(order.ids)]]


def part_of(ids: Sequence[list[int]], process: int, processes: int) -> list[list[int]]:
    """Return a process's prompts: all get equally many, and the first prompt fills up where that does not come out."""
    each = -(-len(ids) // processes)
    padded = [*ids, *[ids[0]] * (each * processes - len(ids))]
    return padded[process * each : (process + 1) * each]


@contextlib.contextmanager
def _as(engine: VLLMGeneration, sampling: Sampling) -> Iterator[None]:
    """Have the engine sample otherwise, and afterwards as it did."""
    wanted = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "max_completion_length": sampling.max_tokens,
        "generation_kwargs": {name: value for name, value in engine.generation_kwargs.items() if name not in DECIDED},
    }
    before = {name: getattr(engine, name) for name in wanted}
    for name, value in wanted.items():
        setattr(engine, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(engine, name, value)
