"""The reward: one callable that has completions judged and makes numbers of the verdicts.

TRL sums the rewards of several functions and counts a missing one as 0, so that with two functions a failure of the
verifier would become a punishment. Therefore there is exactly one, and the parts of the reward are made inside it. A
completion has no reward (None) when, and only when, the verifier had a `judge_error`.

Completions may be sent ahead of the call that asks for their rewards (`send_ahead`), so that the verifier judges while
the policy computes something else. A reward can be pickled: TRL's asynchronous trainer calls it in another process.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from accelerate.utils import gather_object

from trainer.client import Traffic, VerifierClient
from trainer.config import Recipe
from trainer.errors import TrainerError, VerifierDown
from trainer.shaping import Judged
from verifier_service.schema import Result, Verdict

Completion = str | list[dict[str, Any]]
LogExtra = Callable[[str, list[Any]], None]
LogMetric = Callable[[str, float], None]
Pair = tuple[str, str]  # what the verifier needs besides the completion, as JSON text, and the completion


@dataclass(frozen=True)
class Judgement:
    """One result for each completion, in order; what went over the wire; and how many seconds it took."""

    results: list[Result]
    traffic: Traffic
    took_s: float


class Reward:
    """What TRL calls with each generation batch. Its metrics are named `reward/PART` and `verifier/...`."""

    __name__ = "verifier"  # TRL names the column of its table after it

    def __init__(self, recipe: Recipe, client: VerifierClient, processes: int = 1) -> None:
        self.recipe = recipe
        self.client = client
        self._processes = processes
        self._returned_at: float | None = None
        self._judged_at: float | None = None
        self._ahead: tuple[list[Pair], Future[Judgement]] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._signals: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what belongs to this process."""
        return {**self.__dict__, "_ahead": None, "_thread": None}

    def send_ahead(self, completions: Sequence[Completion], verifier: Sequence[str]) -> None:
        """Begin to have completions judged whose rewards will be asked for by the next call."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="reward")
        pairs = list(zip(verifier, map(text_of, completions), strict=True))
        self._ahead = pairs, self._thread.submit(judge, self.client, pairs)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]],
        verifier: Sequence[str],
        log_extra: LogExtra | None = None,
        log_metric: LogMetric | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Reward a batch.

        `verifier` holds, for each completion, a submission without its completion as JSON text.
        Returns: one reward for each completion; None where the verifier had a `judge_error`.

        Raises:
            VerifierDown: the verifier stayed away longer than `verifier.patience_s`, here or on another process, or
                had nothing but judge errors for as long.
            VerifierRefused: the verifier will not take such submissions.
        """
        called_at = time.monotonic()
        texts = [text_of(completion) for completion in completions]
        failure: TrainerError | None = None
        judgement = Judgement([], Traffic(), 0.0)
        try:
            judgement = self._judge(list(zip(verifier, texts, strict=True)))
            self._see_that_it_judges(judgement.results, called_at)
        except TrainerError as problem:
            failure = problem
        self._agree(failure)
        results = judgement.results

        judged = [
            None
            if result.verdict is Verdict.JUDGE_ERROR
            else Judged(text, len(ids), self.recipe.grpo.max_completion_tokens, result)
            for text, ids, result in zip(texts, completion_ids, results, strict=True)
        ]
        parts = {part.kind: [j and part.weight * part.value(j) for j in judged] for part in self.recipe.reward}
        rewards = [
            None if j is None else sum(values[i] or 0.0 for values in parts.values()) for i, j in enumerate(judged)
        ]
        if log_extra is not None:
            log_extra("verdict", [str(result.verdict) for result in results])
            log_extra("message", [message_of(result) for result in results])
            log_extra("extracted", [result.extracted for result in results])
            for kind, values in parts.items():
                log_extra(f"reward/{kind}", values)
        if log_metric is not None:
            self._log(log_metric, parts, judgement, time.monotonic() - called_at)
        self._returned_at = time.monotonic()
        return rewards

    def _judge(self, pairs: list[Pair]) -> Judgement:
        """Return what was sent ahead when it is what is asked for; otherwise have it judged now."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == pairs:
            return ahead[1].result()
        return judge(self.client, pairs)

    def _see_that_it_judges(self, results: list[Result], called_at: float) -> None:
        """Hold a verifier that fails at everything for down: a run without any reward only costs."""
        if self._judged_at is None:
            self._judged_at = called_at
        if any(result.verdict is not Verdict.JUDGE_ERROR for result in results):
            self._judged_at = time.monotonic()
            return
        silent_s = time.monotonic() - self._judged_at
        if silent_s > self.client.options.patience_s:
            problem = f"every completion had a judge_error, such as: {message_of(results[-1])}"
            raise VerifierDown(self.client.url, silent_s, problem)

    def _log(
        self,
        log_metric: LogMetric,
        parts: dict[str, list[float | None]],
        judgement: Judgement,
        waited_s: float,
    ) -> None:
        results, traffic = judgement.results, judgement.traffic
        for kind, values in parts.items():
            scored = [value for value in values if value is not None]
            if scored:
                log_metric(f"reward/{kind}", sum(scored) / len(scored))
        verdicts = Counter(result.verdict for result in results)
        log_metric("verifier/accepted_share", verdicts[Verdict.ACCEPTED] / len(results))
        log_metric("verifier/judge_error_share", verdicts[Verdict.JUDGE_ERROR] / len(results))
        self._log_signals(log_metric, results)
        log_metric("verifier/judging_s", judgement.took_s)
        log_metric("verifier/wait_s", waited_s)
        if self._returned_at is not None:
            log_metric("verifier/wait_share", waited_s / (time.monotonic() - self._returned_at))
        log_metric("verifier/latency_p50_s", traffic.quantile_s(0.5))
        log_metric("verifier/latency_p95_s", traffic.quantile_s(0.95))
        log_metric("verifier/requests", traffic.requests)
        log_metric("verifier/retries", traffic.retries)

    def _log_signals(self, log_metric: LogMetric, results: list[Result]) -> None:
        """Log the share of completions with each signal, from when it was first seen: whichever the verifier knows."""
        counts = Counter(signal for result in results for signal in set(result.signals))
        self._signals |= counts.keys()
        for signal in sorted(self._signals):
            log_metric(f"verifier/signal/{signal}", counts[signal] / len(results))

    def _agree(self, failure: TrainerError | None) -> None:
        """Raise on every process what went wrong on any: one alone would leave the others waiting for it."""
        failures = gather_object([str(failure) if failure else None]) if self._processes > 1 else []
        if failure is not None:
            raise failure
        others = [text for text in failures if text]
        if others:
            raise VerifierDown(self.client.url, 0.0, f"on another process: {others[0]}")


class RandomReward:
    """The control: a coin decides, whatever was written. Nothing is sent to the verifier."""

    __name__ = "coin"

    def __init__(self, seed: int) -> None:
        self._coin = random.Random(seed)

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Completion], log_metric: LogMetric | None = None, **_: Any
    ) -> list[float | None]:
        """Return 0.0 or 1.0 for each completion."""
        return [float(self._coin.random() < 0.5) for _ in completions]


def judge(client: VerifierClient, pairs: Sequence[Pair]) -> Judgement:
    """Have completions judged, equal ones of the same problem once.

    Raises: what `VerifierClient.verify` raises.
    """
    began = time.monotonic()
    distinct = list(dict.fromkeys(pairs))
    results, traffic = client.verify([{**json.loads(spec), "completion": text} for spec, text in distinct])
    by_pair = dict(zip(distinct, results, strict=True))
    return Judgement([by_pair[pair] for pair in pairs], traffic, time.monotonic() - began)


def text_of(completion: Completion) -> str:
    """Return what the policy wrote: a text as it is, of a conversation what the assistant said."""
    if isinstance(completion, str):
        return completion
    return "\n".join(str(message.get("content") or "") for message in completion if message.get("role") == "assistant")


def message_of(result: Result) -> str:
    """Say in one line why a completion got its verdict; of code, also what the first failed test said."""
    tests = getattr(result, "tests", [])
    failed = next((test.message for test in tests if test.verdict is not Verdict.ACCEPTED and test.message), "")
    passed = f"{result.passed} of {result.total} tests passed" if result.kind == "code" and result.total else ""
    said = [result.message, passed, "" if failed in result.message else failed]
    return "; ".join(filter(None, said))[:500]
