"""Generate held-out completions with the trainer's vLLM, on all processes together.

TRL's `VLLMGeneration` has two modes, a server and an engine in each process. In both, generating and sending the
weights are collective calls: every process must take part. So one process leads. It evaluates as if it were alone and
broadcasts what to write before each call; the others follow until it is done. Each process writes an equal part.

This has not run on a GPU yet: the tests replace vLLM itself with a model, behind TRL's own code.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accelerate.utils import broadcast_object_list, gather_object
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer.evaluation.generation import Sampling

DECIDED = {"n", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"}
"""vLLM arguments that an evaluation sets itself, ignoring `grpo.trl.generation_kwargs`."""


@dataclass(frozen=True)
class _Order:
    """Prompts that all processes write completions for."""

    ids: list[list[int]]
    sampling: Sampling


class Vllm:
    """Generates with a trainer's vLLM, after sending it the current weights if it has older ones."""

    def __init__(self, trainer: GRPOTrainer) -> None:
        self._trainer = trainer

    @contextlib.contextmanager
    def together(self) -> Iterator[bool]:
        """Let the main process call `write` inside the block; yield whether this process is the main one.

        The other processes help with each call and leave the block when the main one does.
        """
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
        """Write one completion for each prompt. Call it on the main process, inside `together`."""
        if not ids:
            return []
        order = _Order(ids, sampling)
        self._told(order)
        return self._part(order)

    def _told(self, order: _Order | None) -> _Order | None:
        """Send the main process's order to all processes; None means that it is done."""
        told = [order]
        if self._trainer.accelerator.num_processes > 1:
            broadcast_object_list(told)
        return told[0]

    def _part(self, order: _Order) -> list[list[int]]:
        """Write this process's part, and return the completions of all processes."""
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
    """Return a process's share of the prompts. The first prompt is repeated so that all shares have the same size."""
    each = -(-len(ids) // processes)
    padded = [*ids, *[ids[0]] * (each * processes - len(ids))]
    return padded[process * each : (process + 1) * each]


@contextlib.contextmanager
def _as(engine: VLLMGeneration, sampling: Sampling) -> Iterator[None]:
    """Change the engine's sampling inside the block, and restore it afterwards."""
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
