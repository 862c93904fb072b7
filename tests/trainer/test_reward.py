"""The reward: one callable; our failure is None and not zero; each component is visible by itself."""

import json
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import httpx
import pytest

from tests.client.servers import FaultServer, losing_results
from trainer.client import client_of
from trainer.config import Recipe, VerifierOptions, parse_recipe
from trainer.errors import VerifierDown
from trainer.rewards.components import Judged
from trainer.rewards.components.format import Format
from trainer.rewards.components.long_wrong_answer import LongWrongAnswer
from trainer.rewards.components.overlong import Overlong
from trainer.rewards.components.repetition import Repetition
from trainer.rewards.components.verbosity import Verbosity
from trainer.rewards.reward import Reward, message_of
from verifier_service.client import VerifierClient
from verifier_service.schema import MathResult, Verdict


def recipe(*parts: dict[str, Any]) -> Recipe:
    return parse_recipe(
        {
            "name": "reward",
            "model": {"kind": "tiny"},
            "data": [{"kind": "addition"}],
            "reward": list(parts) or [{"kind": "correctness"}],
            "grpo": {"max_steps": 1, "learning_rate": 1e-3, "max_completion_length": 24},
        }
    )


class Log:
    """Records what a reward logs, as TRL would."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.metrics: dict[str, float] = {}

    def extra(self, column: str, values: list[Any]) -> None:
        self.columns[column] = values

    def metric(self, name: str, value: float) -> None:
        self.metrics[name] = value


def call(reward: Reward, texts: list[str], references: list[str], log: Log) -> list[float | None]:
    conversations = [[{"role": "assistant", "content": text}] for text in texts]
    return reward(
        prompts=[[{"role": "user", "content": "?"}]] * len(texts),
        completions=conversations,
        completion_ids=[[0] * len(text) for text in texts],
        verifier=[json.dumps({"kind": "math", "reference": reference}) for reference in references],
        log_extra=log.extra,
        log_metric=log.metric,
        trainer_state=None,
        problem_id=["p"] * len(texts),
    )


def client(url: str) -> VerifierClient:
    return client_of(VerifierOptions.model_validate({"url": url, "patience_s": 300.0}))


def test_right_is_one_and_wrong_is_zero(verifier_url: str) -> None:
    log = Log()
    with client(verifier_url) as verifier:
        rewards = call(Reward(recipe(), verifier), ["\\boxed{4}", "\\boxed{5}", ""], ["4"] * 3, log)
    assert rewards == [1.0, 0.0, 0.0]
    assert log.columns["verdict"] == ["accepted", "wrong_answer", "no_answer"]
    assert log.metrics["reward/correctness"] == pytest.approx(1 / 3)
    assert log.metrics["verifier/judge_error_share"] == 0.0


def test_our_failure_is_none_not_zero_whatever_else_is_rewarded(verifier_url: str) -> None:
    """One result in three is lost; a part that every completion earns must not turn the missing ones into numbers."""
    parts = ({"kind": "correctness"}, {"kind": "format", "weight": 0.1})
    texts = [f"\\boxed{{{n}}}" for n in range(9)]
    log = Log()
    with losing_results(verifier_url, every=3) as server, client(server.url) as verifier:
        rewards = call(Reward(recipe(*parts), verifier), texts, [str(n) for n in range(9)], log)
    assert rewards == [1.1, 1.1, None] * 3
    assert log.columns["reward/format"] == [0.1, 0.1, None] * 3
    assert log.metrics["verifier/judge_error_share"] == pytest.approx(1 / 3)
    assert log.metrics["reward/correctness"] == 1.0


def test_a_verifier_that_fails_at_everything_for_longer_than_patience_is_down(verifier_url: str) -> None:
    texts, references = ["\\boxed{1}", "\\boxed{2}"], ["1", "2"]
    with losing_results(verifier_url, every=1) as server:
        options = VerifierOptions.model_validate({"url": server.url, "patience_s": 3.0})
        with client_of(options) as verifier:
            reward = Reward(recipe(), verifier)
            assert call(reward, texts, references, Log()) == [None, None]
            time.sleep(3.1)
            with pytest.raises(VerifierDown, match="every completion had a judge_error, such as: the box died twice"):
                call(reward, texts, references, Log())


def test_the_time_in_which_nothing_was_asked_does_not_count_against_a_verifier(verifier_url: str) -> None:
    patience_s = 10.0
    with losing_results(verifier_url, every=1) as server, client(verifier_url) as verifier:
        reward = Reward(recipe(), verifier)
        assert call(reward, ["\\boxed{1}"], ["1"], Log()) == [1.0]
        time.sleep(patience_s + 0.1)  # completions are written
        options = VerifierOptions.model_validate({"url": server.url, "patience_s": patience_s})
        with client_of(options) as reward.client:
            assert call(reward, ["\\boxed{1}"], ["1"], Log()) == [None]


def test_equal_completions_of_a_group_are_sent_once(verifier_url: str) -> None:
    sent = []

    def forward(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        sent.extend(json.loads(body)["submissions"])
        return 200, {}, httpx.post(f"{verifier_url}/v1/verify", content=body, timeout=600).content

    with FaultServer(forward) as server, client(server.url) as verifier:
        rewards = call(Reward(recipe(), verifier), ["\\boxed{4}"] * 6, ["4", "4", "4", "5", "5", "5"], Log())
    assert rewards == [1.0] * 3 + [0.0] * 3
    assert len(sent) == 2


def test_the_long_wrong_answer_of_the_reference_recipe_costs_a_tenth(verifier_url: str) -> None:
    parts = ({"kind": "correctness"}, {"kind": "long_wrong_answer", "penalty": 0.1, "over_chars": 200})
    ramble = "x" * 201
    texts = ["\\boxed{4}", ramble + "\\boxed{4}", "\\boxed{5}", ramble + "\\boxed{5}", ramble]
    with client(verifier_url) as verifier:
        assert call(Reward(recipe(*parts), verifier), texts, ["4"] * 5, Log()) == [1.0, 1.0, 0.0, -0.1, -0.1]


def test_a_copy_in_another_process_rewards_as_the_original(verifier_url: str) -> None:
    """TRL's asynchronous trainer pickles the reward for another process, and passes no log functions."""
    arguments = {
        "prompts": ["?"] * 2,
        "completions": ["\\boxed{4}", "\\boxed{5}"],
        "completion_ids": [[0]] * 2,
        "verifier": ['{"kind": "math", "reference": "4"}'] * 2,
    }
    with client(verifier_url) as verifier, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        assert process.submit(Reward(recipe(), verifier), **arguments).result(timeout=600) == [1.0, 0.0]


def test_what_was_sent_ahead_is_judged_once_and_only_for_what_is_asked(verifier_url: str) -> None:
    """The call does not wait for completions judged earlier; others than those sent ahead are judged again."""
    bodies = []
    answered = threading.Event()

    def slowly(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        bodies.append(body)
        content = httpx.post(f"{verifier_url}/v1/verify", content=body, timeout=600).content
        time.sleep(1)
        answered.set()
        return 200, {}, content

    log = Log()
    specs = ['{"kind": "math", "reference": "4"}'] * 2
    with FaultServer(slowly) as server, client(server.url) as verifier:
        reward = Reward(recipe(), verifier)
        reward.send_ahead(["\\boxed{4}", "\\boxed{5}"], specs)
        answered.wait()
        assert call(reward, ["\\boxed{4}", "\\boxed{5}"], ["4", "4"], log) == [1.0, 0.0]
        assert log.metrics["verifier/wait_s"] < log.metrics["verifier/judging_s"]
        assert len(bodies) == 1
        reward.send_ahead(["\\boxed{4}", "\\boxed{5}"], specs)
        assert call(reward, ["\\boxed{5}", "\\boxed{4}"], ["4", "4"], log) == [0.0, 1.0]


def test_what_was_judged_before_costs_once_and_is_forgotten(verifier_url: str) -> None:
    """Turns request results repeatedly, even if there is nothing left to judge; the time is reported once."""
    four = json.dumps({"kind": "math", "reference": "4"})
    with client(verifier_url) as verifier:
        reward = Reward(recipe(), verifier)
        reward.results(["\\boxed{5}"], [four])
        before = reward._before
        reward.results(["\\boxed{5}"], [four])
        assert reward.results([], []) == []
        assert reward._before == before
        assert before.took_s > 0
        assert call(reward, ["\\boxed{5}"], ["4"], Log()) == [0.0]
    assert (reward._known, reward._before.took_s) == ({}, 0.0)


def test_a_message_says_a_thing_once(verifier_url: str) -> None:
    tests = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 2}, {"args": [0], "expected": 0}]}
    submission = {"kind": "code", "language": "python", "completion": "def f(x): return x", "tests": tests}
    with client(verifier_url) as verifier:
        (result,) = verifier.verify([submission])
    assert message_of(result) == "test 1 of 2: expected 2, got 1; 1 of 2 tests passed"


def test_each_signal_is_a_metric_from_when_it_was_first_seen() -> None:
    def seen(*signals: str) -> MathResult:
        return MathResult(id=None, verdict=Verdict.WRONG_ANSWER, score=0.0, signals=list(signals))

    steps = [[seen(), seen()], [seen("left_processes", "of_a_later_version"), seen("left_processes")], [seen(), seen()]]
    with client("http://127.0.0.1:9") as verifier:
        reward, logged = Reward(recipe(), verifier), []
        for results in steps:
            log = Log()
            reward._log_signals(log.metric, list(results))
            logged.append(log.metrics)
    assert logged == [
        {},
        {"verifier/signal/left_processes": 1.0, "verifier/signal/of_a_later_version": 0.5},
        {"verifier/signal/left_processes": 0.0, "verifier/signal/of_a_later_version": 0.0},
    ]


def judged(text: str = "", tokens: int = 0, right: bool = False) -> Judged:
    verdict = Verdict.ACCEPTED if right else Verdict.WRONG_ANSWER
    return Judged(text, tokens, 100, MathResult(id=None, verdict=verdict, score=float(right)))


def test_overlong_follows_equation_13_of_dapo() -> None:
    part = Overlong(buffer_tokens=20)
    assert [part.value(judged(tokens=n)) for n in (0, 80, 85, 90, 100, 120)] == [0.0, 0.0, -0.25, -0.5, -1.0, -1.0]


def test_verbosity_counts_whom_it_applies_to() -> None:
    part = Verbosity(free_tokens=10, full_tokens=30, applies_to="right")
    assert [part.value(judged(tokens=n, right=True)) for n in (10, 20, 30, 40)] == [0.0, -0.5, -1.0, -1.0]
    assert part.value(judged(tokens=40)) == 0.0


def test_repetition_is_the_share_of_ngrams_that_came_before() -> None:
    part = Repetition(ngram=2)
    assert part.value(judged("a b c d")) == 0.0
    assert part.value(judged("a b a b a b")) == pytest.approx(-0.6)
    assert part.value(judged("a")) == 0.0


def test_format_can_ask_for_exactly_one() -> None:
    part = Format(pattern=r"\\boxed\{", once=True)
    assert [part.value(judged(text)) for text in ("", "\\boxed{1}", "\\boxed{1}\\boxed{2}")] == [0.0, 1.0, 0.0]


def test_long_wrong_answer_starts_above_the_limit() -> None:
    part = LongWrongAnswer()
    assert [part.value(judged("x" * n)) for n in (200, 201)] == [0.0, -0.1]
