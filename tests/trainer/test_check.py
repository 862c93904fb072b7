"""`check` finds what would spoil a run: in the data, the model's sizes and the verifier that is there."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.conftest import free_port
from tests.trainer.servers import FaultServer
from trainer.__main__ import app
from trainer.check import Finding, Level, check
from trainer.config import parse_recipe

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 256,
    "max_position_embeddings": 256,
}
MATH_ROW = {"prompt": "What is 2 + 2?", "verifier": '{"kind": "math", "reference": "4"}'}
CODE_TESTS = {"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 2}]}
CODE_ROW = {
    "prompt": "Write f, which adds one.",
    "verifier": json.dumps({"kind": "code", "language": "python", "tests": CODE_TESTS}),
    "solution": "def f(x):\n    return x + 1\n",
}


def values(tmp_path: Path, *rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        "name": "checked",
        "model": {"kind": "tiny"},
        "data": [{"kind": "rows", "path": str(tmp_path / "rows.jsonl")}],
        "grpo": {"steps": 1, "learning_rate": 1e-3, "max_completion_tokens": 24},
        **changes,
    }


def problems(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, finding.text) for finding in found if finding.level is Level.PROBLEM]


def samples(found: list[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.text) for finding in found if finding.what == "samples"]


def test_rows_of_every_task_are_judged_with_their_own_answers(verifier_url: str, tmp_path: Path) -> None:
    """A row of mathematics needs no solution: its reference is an answer."""
    rows = [MATH_ROW | {"task": "sums", "id": "m"}, CODE_ROW | {"task": "code", "id": "c"}]
    recipe = parse_recipe(values(tmp_path, *rows, verifier={"url": verifier_url}))
    assert samples(check(recipe, offline=False)) == [
        (Level.OK, "m: its own answer is judged accepted: 4 equals 4: the same text"),
        (Level.OK, "c: its own answer is judged accepted: 1 of 1 tests passed"),
    ]


def test_a_row_whose_own_answer_is_wrong_is_a_problem(verifier_url: str, tmp_path: Path) -> None:
    rows = [CODE_ROW | {"id": "c", "solution": "def f(x):\n    return x\n"}]
    recipe = parse_recipe(values(tmp_path, *rows, verifier={"url": verifier_url}))
    ((level, text),) = samples(check(recipe, offline=False))
    assert level is Level.PROBLEM
    assert text.startswith("c: its own answer is judged wrong_answer: ")


def test_limits_that_the_verifier_does_not_allow_are_a_problem(verifier_url: str, tmp_path: Path) -> None:
    asked = {"kind": "code", "language": "python", "tests": CODE_TESTS, "limits": {"time_limit_s": 1000}}
    rows = [CODE_ROW | {"verifier": json.dumps(asked)}]
    recipe = parse_recipe(values(tmp_path, *rows, verifier={"url": verifier_url}))
    ((what, text),) = problems(check(recipe, offline=False))
    assert (what, "judge_error" in text, "limits.time_limit_s 1000.0: the maximum" in text) == ("samples", True, True)


def test_a_language_that_the_verifier_lacks_is_a_problem(verifier_url: str, tmp_path: Path) -> None:
    asked = {"kind": "code", "language": "cobol", "tests": CODE_TESTS}
    recipe = parse_recipe(values(tmp_path, CODE_ROW | {"verifier": json.dumps(asked)}, verifier={"url": verifier_url}))
    ((what, text),) = problems(check(recipe, offline=False))
    assert (what, text.partition(";")[0]) == ("languages", "the verifier lacks cobol")


def test_a_verifier_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ((what, text),) = problems(check(parse_recipe(values(tmp_path, MATH_ROW, verifier={"url": url})), offline=False))
    assert (what, text.startswith(f"the verifier at {url} cannot be reached")) == ("verifier", True)


def test_something_else_at_the_verifiers_address_is_a_problem(tmp_path: Path) -> None:
    with FaultServer(lambda *_: (200, {}, b""), info=b"[]") as other:
        recipe = parse_recipe(values(tmp_path, MATH_ROW, verifier={"url": other.url}))
        ((what, text),) = problems(check(recipe, offline=False))
    assert (what, text) == ("verifier", f"verifier.url: {other.url} is not a verifier: /v1/info answered '[]'")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adapter": {"targets": ["q_proj", "query"]}}, "the model has no module query; it has down_proj, gate_proj"),
        ({"adapter": {"targets": ["lm_head"]}}, "an adapter on lm_head would not be trained"),
        ({"model": {"kind": "tiny", "max_tokens": 24}}, "that is more than the model's context of 24"),
        ({"data": [{"kind": "rows", "path": "not-there.jsonl"}]}, "not-there.jsonl [train] cannot be read"),
        ({"cold_start": {"steps": 1, "learning_rate": 1e-3}}, "no row of the data has a solution to imitate"),
    ],
)
def test_what_is_wrong_is_found_offline(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    found = problems(check(parse_recipe(values(tmp_path, MATH_ROW) | changes), offline=True))
    assert any(said in text for _, text in found), found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grpo": {"steps": 1, "learning_rate": 1e-3, "max_completion_tokens": 300}}, "the model's context of 256"),
        ({"adapter": {"targets": ["qkv"]}}, "the model has no module qkv; it has down_proj, gate_proj"),
        ({"model": {"kind": "pretrained", "name": "MODEL", "quantization": "4bit"}}, "give the recipe an adapter"),
    ],
)
def test_a_model_in_a_folder_is_looked_at_offline(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    model = {"kind": "pretrained", "name": "MODEL"}
    recipe = values(tmp_path, MATH_ROW) | {"model": model} | changes
    recipe["model"] = recipe["model"] | {"name": str(folder)}
    found = problems(check(parse_recipe(recipe), offline=True))
    assert any(said in text for _, text in found), found


def test_the_command_ends_with_1_when_there_is_a_problem_and_with_0_when_not(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    for changes, code in [
        ({}, 0),
        ({"grpo": {"steps": 1, "learning_rate": 1e-3, "group_size": 7}}, 1),
        ({"sed": 1}, 1),
    ]:
        path.write_text(yaml.safe_dump(values(tmp_path, *[MATH_ROW] * 8) | changes), encoding="utf-8")
        done = CliRunner().invoke(app, ["check", str(path), "--offline"])
        assert done.exit_code == code, done.output
