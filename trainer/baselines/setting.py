"""What all compared methods share, so that only the method differs: start, problems, verifier, budget, measurement.

The budget counts the completions judged for learning. Held-out accuracy is measured at a few points along the way; the
completions, seconds and memory of these measurements are not charged to the method.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.config import Compare, Recipe
from trainer.data.load import conversation, verifier_text
from trainer.data.tasks import Problem
from trainer.evaluation import statistics
from trainer.evaluation.generation import complete, policy_sampling
from trainer.models import load_model, lora_config
from trainer.pace import clock, left_s
from trainer.rewards.reward import judge
from trainer.train import Prepared
from verifier_service.client import VerifierClient
from verifier_service.schema import Verdict

KIB, MIB = 1024, 1024**2


@dataclass(frozen=True)
class Point:
    """Held-out greedy accuracy with its 95 % interval after `judged` completions and `wall_s` seconds of the method."""

    judged: int
    wall_s: float
    accuracy: float
    low: float
    high: float


class Recorder:
    """Measures held-out accuracy at evenly spaced points of the budget, and the method's time and peak memory."""

    def __init__(self, setting: "Setting", name: str) -> None:
        self.points: list[Point] = []
        self.peak_bytes = 0
        self._setting = setting
        self._name = name
        self._wall_s = 0.0
        _reset_peak()
        self._base_bytes = _resident_bytes("VmRSS")
        self._began = time.monotonic()

    def at(self, model: PreTrainedModel, judged: int) -> None:
        """Measure if the next point of the budget is reached. The first call always measures: it is the start."""
        options, due = self._setting.compare, len(self.points)
        if judged < due * self._setting.budget / options.points:
            return
        self._wall_s += time.monotonic() - self._began
        self.peak_bytes = max(self.peak_bytes, _peak_bytes() - self._base_bytes)
        found = self._setting.accuracy(model)
        self.points.append(Point(judged, round(self._wall_s, 2), found.value, found.low, found.high))
        left = left_s(judged, self._setting.budget - judged, self._wall_s)
        self._setting.console.print(
            f"{self._name}: {judged} of {self._setting.budget} completions judged, held-out accuracy {found.value:.3f}"
            + (f", {clock(left)} left" if left else ""),
            highlight=False,
            soft_wrap=True,
        )
        _reset_peak()
        self._began = time.monotonic()

    def write(self, path: Path) -> None:
        """Write the points, the method's seconds, and its peak memory in MiB above the start's."""
        kept = {
            "method": self._name,
            "settings": self._setting.text(),
            "points": [asdict(point) for point in self.points],
            "peak_mib": round(self.peak_bytes / MIB, 1),
            "wall_s": round(self._wall_s, 2),
        }
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Setting:
    """One comparison: a prepared run, its verifier, and the folder for the methods' files."""

    prepared: Prepared
    client: VerifierClient
    folder: Path
    console: Console

    @property
    def recipe(self) -> Recipe:
        """The recipe that all methods share."""
        return self.prepared.recipe

    @property
    def compare(self) -> Compare:
        """The recipe's `compare` part."""
        return self.recipe.compare

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The policy's tokenizer."""
        return self.prepared.tokenizer

    @property
    def batch(self) -> int:
        """Completions that are written and judged together."""
        return self.recipe.generation_batch_per_device

    @property
    def steps(self) -> int:
        """Number of batches in the budget."""
        return max(1, self.compare.completions // self.batch)

    @property
    def optimizer_steps(self) -> int:
        """Optimizer steps that GRPO and RLOO take within the budget."""
        return self.steps * self.recipe.batches_per_generation // self.recipe.grpo.gradient_accumulation_steps

    @property
    def budget(self) -> int:
        """Completions judged for learning, rounded down to whole batches."""
        return self.steps * self.batch

    def text(self) -> str:
        """Return the settings as text; a stored result is reused only if its text is the same."""
        return json.dumps(
            {"recipe": self.recipe.model_dump(mode="json", exclude={"verifier", "output_dir"})}, sort_keys=True
        )

    def policy(self) -> PreTrainedModel:
        """Load the start model for training: all weights, or an adapter if the recipe has one."""
        torch.manual_seed(self.recipe.seed)
        adapter = self.prepared.adapter
        model = load_model(self.recipe, self.prepared.start, adapter, trainable=True)
        if self.recipe.adapter is None or adapter is not None:
            return model
        from peft import get_peft_model

        return get_peft_model(model, lora_config(self.recipe.adapter))

    def sample(self, model: PreTrainedModel, problems: Sequence[Problem]) -> list[str]:
        """Sample one completion for each problem with the recipe's training settings."""
        sampling = policy_sampling(self.recipe, self.recipe.grpo.temperature)
        return complete(model, self.tokenizer, [conversation(p, self.recipe.prompt) for p in problems], sampling)

    def verdicts(self, problems: Sequence[Problem], texts: Sequence[str]) -> list[Verdict]:
        """Return the verdicts of completions, one for each problem."""
        pairs = [(verifier_text(problem), text) for problem, text in zip(problems, texts, strict=True)]
        return [result.verdict for result in judge(self.client, pairs).results]

    def accuracy(self, model: PreTrainedModel) -> statistics.Interval:
        """Return greedy accuracy on the held-out problems, without those that could not be judged."""
        held_out = self.prepared.held_out
        greedy = policy_sampling(self.recipe, 0.0)
        prompts = [conversation(problem, self.recipe.prompt) for problem in held_out]
        verdicts = self.verdicts(held_out, complete(model, self.tokenizer, prompts, greedy))
        judged = [verdict for verdict in verdicts if verdict is not Verdict.JUDGE_ERROR]
        return statistics.proportion(sum(v is Verdict.ACCEPTED for v in judged), len(judged))

    def batches(self, num_generations: int) -> Iterator[list[Problem]]:
        """Yield the problems of each batch, epoch after epoch, each `num_generations` times in a row."""
        import random

        chance = random.Random(self.recipe.seed)
        each, waiting = self.batch // num_generations, []
        for _ in range(self.steps):
            while len(waiting) < each:
                waiting += chance.sample(self.prepared.problems, len(self.prepared.problems))
            chosen, waiting = waiting[:each], waiting[each:]
            yield [problem for problem in chosen for _ in range(num_generations)]


def _peak_bytes() -> int:
    """Return the peak memory since the last reset: the GPU's, or without a GPU the process's resident peak (VmHWM)."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else _resident_bytes("VmHWM")


def _resident_bytes(field: str) -> int:
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated()
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * KIB
    return 0


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):  # without permission, the peak is that of the whole process so far
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
