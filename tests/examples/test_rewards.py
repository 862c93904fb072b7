"""The rewards for other trainers, called as those trainers do, with a real verifier."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = json.dumps(
    {"kind": "code", "tests": {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 2}]}}
)
RIGHT, WRONG = "so \\boxed{4}", "so \\boxed{5}"
PROGRAM = "def f(x):\n    return x + 1"
BROKEN = json.dumps({"kind": "code", "language": "cobol", "tests": {"kind": "stdio", "cases": [{"stdout": ""}]}})
"""What no verifier can judge: the request's fault, and so a judge_error."""

Load = Callable[[str], Any]


@pytest.fixture
def load(verifier_url: str, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.setenv("VERIFIER_URL", verifier_url)
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def loaded(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


def test_every_example_is_short_and_named_in_the_table() -> None:
    table = (EXAMPLES / "README.md").read_text()
    for file in EXAMPLES.glob("*.py"):
        assert f"`{file.name}`" in table
        assert len(file.read_text().splitlines()) <= 25, file.name


def test_trl(load: Load) -> None:
    verified = load("trl_reward").verified
    logged: dict[str, list[Any]] = {}
    chat = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG, PROGRAM, "")]
    scores = asyncio.run(
        verified(
            prompts=["?"] * 4,
            completions=chat,
            completion_ids=[[1]] * 4,
            verifier=["4", "4", CODE, BROKEN],
            log_extra=logged.__setitem__,
            log_metric=lambda *_: None,
            trainer_state=None,
        )
    )
    assert scores == [1.0, 0.0, 1.0, None]
    assert logged["verdict"] == ["accepted", "wrong_answer", "accepted", "judge_error"]


def test_verl(load: Load) -> None:
    compute_score = load("verl_compute_score").compute_score

    async def together() -> list[dict[str, Any]]:
        asked = [(RIGHT, "4"), (WRONG, 4), (PROGRAM, CODE), (PROGRAM, json.loads(CODE))]
        return await asyncio.gather(
            *(compute_score("set", text, truth, {"index": n, "num_turns": 2}) for n, (text, truth) in enumerate(asked))
        )

    results = asyncio.run(together())
    assert [one["score"] for one in results] == [1.0, 0.0, 1.0, 1.0]
    assert len({tuple(one) for one in results}) == 1  # verl looks up the keys of the first result in all results
    with pytest.raises(RuntimeError, match="cobol"):
        asyncio.run(compute_score("set", "", BROKEN))


def test_openrlhf(load: Load) -> None:
    reward_func = load("openrlhf_reward").reward_func
    answer = reward_func(queries=["2+2? " + RIGHT, "2+2? " + WRONG], prompts=["2+2? "] * 2, labels=["4", "4"])
    assert answer == {"rewards": [1.0, 0.0], "scores": [1.0, 0.0]}
    assert reward_func(queries=[], prompts=[], labels=[])["rewards"] == []
    with pytest.raises(RuntimeError, match="1 of 1 could not be judged"):
        reward_func(queries=["x"], prompts=[""], labels=[BROKEN])


def test_verifiers(load: Load) -> None:
    verified = load("verifiers_reward").verified
    trace = SimpleNamespace(last_reply=RIGHT)
    assert asyncio.run(verified(SimpleNamespace(answer="4"), trace, None)) == 1.0  # `task` is a row, a vf.TaskData
    with pytest.raises(RuntimeError, match="cobol"):
        asyncio.run(verified(SimpleNamespace(answer=BROKEN), trace, None))


def test_areal(load: Load) -> None:
    verified = load("areal_reward").verified
    assert verified("2+2?", RIGHT, [1], [2], answer="4", question="2+2?") == 1.0
    with pytest.raises(RuntimeError, match="cobol"):
        verified("?", "", [1], [2], answer=BROKEN)


def test_rllm(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is not installed here, so the test has the three fields of its RewardOutput."""
    stand_in = ModuleType("rllm.rewards")
    stand_in.__dict__["RewardOutput"] = lambda reward, is_correct, metadata: (reward, is_correct, metadata)
    monkeypatch.setitem(sys.modules, "rllm", ModuleType("rllm"))
    monkeypatch.setitem(sys.modules, "rllm.rewards", stand_in)
    verified = load("rllm_reward").verified
    assert verified({"ground_truth": "4"}, RIGHT)[:2] == (1.0, True)
    assert verified({"verifier": json.loads(CODE)}, "def f(x): return 0")[:2] == (0.0, False)


def test_skyrl(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is not installed here, so the test has a base class and the four fields of its answer."""
    stand_in = ModuleType("skyrl_gym.envs.base_text_env")
    stand_in.__dict__["BaseTextEnv"] = object
    stand_in.__dict__["BaseTextEnvStepOutput"] = lambda **fields: fields
    for name in ("skyrl_gym", "skyrl_gym.envs"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "skyrl_gym.envs.base_text_env", stand_in)
    env = load("skyrl_env").VerifiedEnv({}, {"reward_spec": {"ground_truth": "4"}})
    assert env.step(RIGHT) == {"observations": [], "reward": 1.0, "done": True, "metadata": {}}


def test_unsloth(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package cannot be imported without a GPU, so the test checks that its rows fit TRL's reward."""
    stand_in = ModuleType("unsloth")
    stand_in.__dict__["FastLanguageModel"] = object
    monkeypatch.setitem(sys.modules, "unsloth", stand_in)
    example = load("unsloth_grpo")
    row = example.row({"question": "2+2?", "answer": "Two and two.\n#### 4"})
    assert asyncio.run(example.verified(completions=[RIGHT], verifier=[row["verifier"]])) == [1.0]
