"""The reward: one callable that has completions judged and turns the results into numbers.

There is exactly one reward function, which combines all components. With several functions, TRL would sum their
rewards and count a missing one as 0, so a failure of the verifier would become a penalty. A completion has no reward
(None) if and only if its verdict is `judge_error`.

Completions can be sent to the verifier ahead of the call that asks for their rewards (`send_ahead`), so that it judges
them while the policy computes something else. A reward can be pickled: TRL's asynchronous trainer calls it in another
process.
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
LOST = "an interpreter call failed in the middle of the completion, through no fault of the policy"
Pair = tuple[str, str]  # a submission without its completion, as JSON text, and the completion


@dataclass(frozen=True)
class Judgement:
    """One result for each completion, in order; the requests that were made; and the seconds that judging took."""

    results: list[Result]
    traffic: Traffic
    took_s: float


class Reward:
    """The reward function that TRL calls with each generation batch.

    Its metrics are named `reward/COMPONENT`, `groups/...`, `task/NAME/...` and `verifier/...`.
    """

    __name__ = "verifier"  # TRL uses it as the name of a column in its table

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
        """Drop the thread and the pending future, which belong to this process."""
        return {**self.__dict__, "_ahead": None, "_thread": None}

    def send_ahead(self, completions: Sequence[Completion], verifier: Sequence[str]) -> None:
        """Start judging the completions that the next call will ask rewards for."""
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

        Args:
            prompts: Not used.
            completions: The completions, as texts or conversations.
            completion_ids: Their token ids.
            verifier: For each completion, its submission without the completion, as JSON text.
            problem_id: The ids of the problems, for TRL's table.
            log_extra: TRL's function that adds a column to its table.
            log_metric: TRL's function that logs a metric.
            columns: The data set's other columns. `task` names the metrics by task. Completions in turns also have
                `own_tokens`, the number of tokens that the policy wrote, and `is_lost`, which is true if one of our
                failures interrupted the completion.

        Returns:
            One reward for each completion; None for a `judge_error`.

        Raises:
            VerifierDown: On this or another process, the verifier did not answer for `verifier.patience_s`, or returned
                only judge errors for as long.
            VerifierRefused: The verifier does not accept such submissions.
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
        """Judge completions now, and remember the results for the call that asks for their rewards.

        Raises:
            VerifierError: As `__call__`, on all processes together.
        """
        called_at = time.monotonic()
        pairs = list(zip(verifier, map(text_of, completions), strict=True))
        judgement = self._judge_together(pairs, called_at)
        self._known |= dict(zip(pairs, judgement.results, strict=True))
        self._before = Judgement([], self._before.traffic + judgement.traffic, self._before.took_s + judgement.took_s)
        self._waited_s += time.monotonic() - called_at
        return judgement.results

    def remember(self, completions: Sequence[Completion], verifier: Sequence[str], results: Sequence[Result]) -> None:
        """Add results that another process obtained, for completions whose rewards are computed here."""
        self._known |= dict(zip(zip(verifier, map(text_of, completions), strict=True), results, strict=True))

    def forget(self) -> None:
        """Forget the results that were judged in advance."""
        self._known, self._before = {}, Judgement([], Traffic(), 0.0)

    def _values(self, judged: Sequence[Judged | None]) -> list[Values]:
        """Return each component's value for each completion; 0 in groups where it does not count."""
        right = self.groups.whole([j is not None and j.accepted for j in judged])
        any_right = self.groups.own([[any(group)] * len(group) for group in right])
        return [
            objectives.values_of(j, is_any_right, self.recipe.reward)
            for j, is_any_right in zip(judged, any_right, strict=True)
        ]

    def _judge_together(self, pairs: list[Pair], called_at: float) -> Judgement:
        """Judge completions. An error on any process is raised on all of them.

        Raises:
            VerifierError: As `__call__`.
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
        """Return results judged in advance or sent ahead, if they match these completions; otherwise judge them now."""
        if self._known and all(pair in self._known for pair in pairs):
            return Judgement([self._known[pair] for pair in pairs], Traffic(), 0.0)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == pairs:
            return ahead[1].result()
        return judge(self.client, pairs)

    def _see_that_it_judges(self, results: list[Result], called_at: float) -> None:
        """Treat a verifier that returns only judge errors as down: a run without rewards only costs money.

        Raises:
            VerifierDown: This has lasted longer than `verifier.patience_s`.
        """
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
        """Log each component's mean, and the share of groups whose rewards differ only through shaping."""
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
        """Log reward and accuracy by task, one value per completion, so that TRL's mean weights all of them equally."""
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
        """Log the share of completions with each signal, beginning with the step in which the signal first occurs."""
        counts = Counter(signal for result in results for signal in set(result.signals))
        self._signals |= counts.keys()
        for signal in sorted(self._signals):
            log_metric(f"verifier/signal/{signal}", counts[signal] / len(results))

    def agree(self, failure: Stop | None) -> None:
        """Raise an error on every process if it occurred on any: otherwise the others would wait forever.

        All processes must call it; those without an error pass None.
        """
        failures = gather_object([str(failure) if failure else None]) if self.groups.processes > 1 else []
        if failure is not None:
            raise failure
        others = [text for text in failures if text]
        if others:
            raise VerifierDown(self.client.url, 0.0, f"on another process: {others[0]}")


class RandomReward:
    """The control's reward: a coin toss, whatever the completion says. Nothing is sent to the verifier."""

    __name__ = "coin"

    def __init__(self, seed: int) -> None:
        self._coin = random.Random(seed)

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Completion], log_metric: LogMetric | None = None, **_: Any
    ) -> list[float | None]:
        """Return 0.0 or 1.0 for each completion."""
        return [float(self._coin.random() < 0.5) for _ in completions]


def judge(client: VerifierClient, pairs: Sequence[Pair]) -> Judgement:
    """Judge completions. Equal completions for the same problem are sent only once.

    Raises:
        VerifierError: As `VerifierClient.verify`.
    """
    began = time.monotonic()
    distinct = list(dict.fromkeys(pairs))
    traffic = Traffic()
    results = client.verify([{**json.loads(spec), "completion": text} for spec, text in distinct], traffic=traffic)
    by_pair = dict(zip(distinct, results, strict=True))
    return Judgement([by_pair[pair] for pair in pairs], traffic, time.monotonic() - began)


def text_of(completion: Completion) -> str:
    """Return the policy's answer: a text as it is, or the assistant's last message in a conversation."""
    if isinstance(completion, str):
        return completion
    said = [str(message.get("content") or "") for message in completion if message.get("role") == "assistant"]
    return said[-1] if said else ""


def message_of(result: Result) -> str:
    """Return one line that explains a verdict; for code, with the message of the first failed test."""
    tests = getattr(result, "tests", [])
    failed = next((test.message for test in tests if test.verdict is not Verdict.ACCEPTED and test.message), "")
    passed = f"{result.passed} of {result.total} tests passed" if result.kind == "code" and result.total else ""
    said = [result.message, passed, "" if failed in result.message else failed]
    return "; ".join(filter(None, said))[:500]
