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
from dataclasses import dataclass, replace
from typing import Any

from accelerate.utils import gather_object

from trainer.config import Recipe
from trainer.errors import STOPS, Stop, VerifierDown
from trainer.rewards import objectives
from trainer.rewards.components import Judged
from trainer.rewards.groups import Groups
from trainer.rewards.objectives import Values
from verifier_service.client import Traffic, VerifierClient
from verifier_service.schema import Result, UnreadResult, Verdict

Completion = str | list[dict[str, Any]]
LogExtra = Callable[[str, list[Any]], None]
LogMetric = Callable[[str, float], None]
LOST = "the interpreter failed in the middle of it, by no fault of the policy"
Pair = tuple[str, str]  # what the verifier needs besides the completion, as JSON text, and the completion


@dataclass(frozen=True)
class Judgement:
    """One result for each completion, in order; what went over the wire; and how many seconds it took."""

    results: list[Result]
    traffic: Traffic
    took_s: float


class Reward:
    """What TRL calls with each generation batch.

    Its metrics are named `reward/COMPONENT`, `groups/...`, `task/NAME/...` and `verifier/...`.
    """

    __name__ = "verifier"  # TRL names the column of its table after it

    def __init__(self, recipe: Recipe, client: VerifierClient, processes: int = 1) -> None:
        self.recipe = recipe
        self.client = client
        self.groups = Groups(recipe.grpo.num_generations, processes)
        self._returned_at: float | None = None
        self._failing_since: float | None = None
        self._ahead: tuple[list[Pair], Future[Judgement]] | None = None
        self._known: dict[Pair, Result] = {}
        self._before = Judgement([], Traffic(), 0.0)
        self._waited_s = 0.0
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
        problem_id: Sequence[str] | None = None,
        log_extra: LogExtra | None = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Reward a batch.

        `verifier` holds, for each completion, a submission without its completion as JSON text; the column
        `task` names the metrics by task. Of completions in turns two columns more tell `own_tokens`, how many of the
        tokens are the policy's, and `is_lost`, whether our failure was in the middle of it.
        Returns: one reward for each completion; None where the verifier had a `judge_error`.

        Raises:
            VerifierDown: the verifier stayed away longer than `verifier.patience_s`, here or on another process, or
                had nothing but judge errors for as long.
            VerifierRefused: the verifier will not take such submissions.
        """
        called_at = time.monotonic()
        texts = [text_of(completion) for completion in completions]
        judgement = self._judge_together(list(zip(verifier, texts, strict=True)), called_at)
        traffic, took_s = self._before.traffic + judgement.traffic, self._before.took_s + judgement.took_s
        judgement = replace(judgement, traffic=traffic, took_s=took_s)
        self.forget()
        results = [
            UnreadResult.judge_error(None, LOST) if is_lost else result
            for result, is_lost in zip(judgement.results, columns.get("is_lost") or [False] * len(texts), strict=True)
        ]
        judgement = replace(judgement, results=results)
        tokens = columns.get("own_tokens") or [len(ids) for ids in completion_ids]
        judged = [
            None
            if result.verdict is Verdict.JUDGE_ERROR
            else Judged(text, own_tokens, self.recipe.grpo.max_completion_length, result)
            for text, own_tokens, result in zip(texts, tokens, results, strict=True)
        ]
        values = self._values(judged)
        groups = self.groups.whole(values)
        if log_extra is not None:
            if problem_id is not None:
                log_extra("problem_id", list(problem_id))
            log_extra("verdict", [str(result.verdict) for result in results])
            log_extra("message", [message_of(result) for result in results])
            log_extra("extracted", [result.extracted for result in results])
            log_extra("tokens", list(tokens))
            for part in self.recipe.reward:
                log_extra(f"reward/{part.kind}", [v and part.weight * v[part.kind] for v in values])
        totals = [objectives.weighted(v, self.recipe.reward) for v in values]
        if log_metric is not None:
            self._log_rewards(log_metric, values, groups)
            self._log_tasks(log_metric, columns.get("task", []), results, totals)
            self._log_verifier(log_metric, judgement, self._waited_s + time.monotonic() - called_at)
        self._returned_at, self._waited_s = time.monotonic(), 0.0
        if self.recipe.grpo.multi_objective_aggregation == "normalize_then_sum":
            return self.groups.own([objectives.normalized(group, self.recipe.reward) for group in groups])
        return totals

    def results(self, completions: Sequence[Completion], verifier: Sequence[str]) -> list[Result]:
        """Have completions judged before their rewards are asked for, which then costs nothing more.

        Raises: what a call raises, on all processes together.
        """
        called_at = time.monotonic()
        pairs = list(zip(verifier, map(text_of, completions), strict=True))
        judgement = self._judge_together(pairs, called_at)
        self._known |= dict(zip(pairs, judgement.results, strict=True))
        self._before = Judgement([], self._before.traffic + judgement.traffic, self._before.took_s + judgement.took_s)
        self._waited_s += time.monotonic() - called_at
        return judgement.results

    def remember(self, completions: Sequence[Completion], verifier: Sequence[str], results: Sequence[Result]) -> None:
        """Take results that another process was told, of completions whose rewards are asked for here."""
        self._known |= dict(zip(zip(verifier, map(text_of, completions), strict=True), results, strict=True))

    def forget(self) -> None:
        """Forget what was judged before its rewards were asked for."""
        self._known, self._before = {}, Judgement([], Traffic(), 0.0)

    def _values(self, judged: Sequence[Judged | None]) -> list[Values]:
        """Return what each component gives to each completion; 0 in groups in which it does not count."""
        right = self.groups.whole([j is not None and j.accepted for j in judged])
        any_right = self.groups.own([[any(group)] * len(group) for group in right])
        return [
            objectives.values_of(j, is_any_right, self.recipe.reward)
            for j, is_any_right in zip(judged, any_right, strict=True)
        ]

    def _judge_together(self, pairs: list[Pair], called_at: float) -> Judgement:
        """Have completions judged; what goes wrong on any process is raised on every one.

        Raises: what `__call__` raises.
        """
        failure: Stop | None = None
        judgement = Judgement([], Traffic(), 0.0)
        try:
            judgement = self._judge(pairs)
            self._see_that_it_judges(judgement.results, called_at)
        except STOPS as problem:
            failure = problem
        self.agree(failure)
        return judgement

    def _judge(self, pairs: list[Pair]) -> Judgement:
        """Return what is known or was sent ahead when it is what is asked for; otherwise have it judged now."""
        if self._known and all(pair in self._known for pair in pairs):
            return Judgement([self._known[pair] for pair in pairs], Traffic(), 0.0)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == pairs:
            return ahead[1].result()
        return judge(self.client, pairs)

    def _see_that_it_judges(self, results: list[Result], called_at: float) -> None:
        """Hold a verifier that fails at everything for down: a run without any reward only costs."""
        if not results:
            return
        if any(result.verdict is not Verdict.JUDGE_ERROR for result in results):
            self._failing_since = None
            return
        if self._failing_since is None:
            self._failing_since = called_at
        silent_s = time.monotonic() - self._failing_since
        if silent_s > self.client.options.patience_s:
            problem = f"every completion had a judge_error, such as: {message_of(results[-1])}"
            raise VerifierDown(self.client.url, silent_s, problem)

    def _log_rewards(self, log_metric: LogMetric, values: Sequence[Values], groups: Sequence[Sequence[Values]]) -> None:
        """Log each component's mean, and of how many groups the reward differs by nothing but shaping."""
        parts = self.recipe.reward
        scored = [v for v in values if v is not None]
        for part in parts if scored else []:
            log_metric(f"reward/{part.kind}", sum(part.weight * v[part.kind] for v in scored) / len(scored))
        if self.recipe.grpo.multi_objective_aggregation == "normalize_then_sum" and scored:
            log_metric("reward/sum", sum(objectives.weighted(v, parts) or 0.0 for v in scored) / len(scored))
        shaping_only = [
            objectives.differ([objectives.weighted(v, parts) for v in group])
            and not objectives.differ([objectives.from_verdict(v, parts) for v in group])
            for group in groups
        ]
        log_metric("groups/shaping_only_share", sum(shaping_only) / len(groups))

    def _log_tasks(
        self, log_metric: LogMetric, tasks: Sequence[str], results: list[Result], totals: Sequence[float | None]
    ) -> None:
        """Log reward and accuracy by task, a value a completion: TRL's mean over processes then weighs all alike."""
        for task, result, total in zip(tasks, results, totals, strict=False):
            if total is not None:
                log_metric(f"task/{task}/reward", total)
                log_metric(f"task/{task}/accepted_share", float(result.verdict is Verdict.ACCEPTED))

    def _log_verifier(self, log_metric: LogMetric, judgement: Judgement, waited_s: float) -> None:
        results, traffic = judgement.results, judgement.traffic
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

    def agree(self, failure: Stop | None) -> None:
        """Raise on every process what went wrong on any: one alone would leave the others waiting for it.

        All processes call it, those that nothing happened to with None.
        """
        failures = gather_object([str(failure) if failure else None]) if self.groups.processes > 1 else []
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
    traffic = Traffic()
    results = client.verify([{**json.loads(spec), "completion": text} for spec, text in distinct], traffic=traffic)
    by_pair = dict(zip(distinct, results, strict=True))
    return Judgement([by_pair[pair] for pair in pairs], traffic, time.monotonic() - began)


def text_of(completion: Completion) -> str:
    """Return what the policy answered: a text as it is, of a conversation what the assistant said last."""
    if isinstance(completion, str):
        return completion
    said = [str(message.get("content") or "") for message in completion if message.get("role") == "assistant"]
    return said[-1] if said else ""


def message_of(result: Result) -> str:
    """Say in one line why a completion got its verdict; of code, also what the first failed test said."""
    tests = getattr(result, "tests", [])
    failed = next((test.message for test in tests if test.verdict is not Verdict.ACCEPTED and test.message), "")
    passed = f"{result.passed} of {result.total} tests passed" if result.kind == "code" and result.total else ""
    said = [result.message, passed, "" if failed in result.message else failed]
    return "; ".join(filter(None, said))[:500]
