"""The reward: one callable; our failure is None and not zero; each part can be seen by itself."""

import json
from typing import Any

import pytest

from tests.trainer.servers import FaultServer, losing_results
from trainer.client import VerifierClient
from trainer.config import Recipe, VerifierOptions, parse_recipe
from trainer.reward import Reward
from trainer.shaping import Judged
from trainer.shaping.format import Format
from trainer.shaping.long_wrong_answer import LongWrongAnswer
from trainer.shaping.overlong import Overlong
from trainer.shaping.repetition import Repetition
from trainer.shaping.verbosity import Verbosity
from verifier_service.schema import MathResult, Verdict


def recipe(*parts: dict[str, Any]) -> Recipe:
    return parse_recipe(
        {
            "name": "reward",
            "model": {"kind": "tiny"},
            "data": [{"kind": "addition"}],
            "reward": list(parts) or [{"kind": "correctness"}],
            "grpo": {"steps": 1, "learning_rate": 1e-3, "max_completion_tokens": 24},
        }
    )


class Log:
    """Keeps what a reward logs, as TRL would."""

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
    return VerifierClient(VerifierOptions.model_validate({"url": url, "patience_s": 30.0}))


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


def test_equal_completions_of_a_group_are_sent_once(verifier_url: str) -> None:
    sent = []
    import httpx

    def forward(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        sent.extend(json.loads(body)["submissions"])
        return 200, {}, httpx.post(f"{verifier_url}/v1/verify", content=body, timeout=60).content

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
