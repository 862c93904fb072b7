"""`check` finds problems that would spoil a run: in the data, the model's sizes, and the verifier."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.client.servers import FaultServer
from tests.conftest import free_port
from trainer.check import Finding, Level, _model, check
from trainer.cli import app
from trainer.config import parse_recipe
from trainer.data.load import load_problems
from trainer.errors import RecipeError
from trainer.models import base_model

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
        "grpo": {"max_steps": 1, "learning_rate": 1e-3, "max_completion_length": 24},
        **changes,
    }


def problems(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, finding.text) for finding in found if finding.level is Level.PROBLEM]


def samples(found: list[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.text) for finding in found if finding.what == "samples"]


def test_rows_of_every_task_are_judged_with_their_own_answers(verifier_url: str, tmp_path: Path) -> None:
    """A math row needs no solution: its reference is an answer."""
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
    assert (what, text.partition(";")[0]) == ("languages", "the verifier does not have cobol")


def test_a_verifier_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ((what, text),) = problems(check(parse_recipe(values(tmp_path, MATH_ROW, verifier={"url": url})), offline=False))
    assert (what, text.startswith(f"the verifier at {url} cannot be reached")) == ("verifier", True)


def test_something_else_at_the_verifiers_address_is_a_problem(tmp_path: Path) -> None:
    with FaultServer(lambda *_: (200, {}, b""), info=b"[]") as other:
        recipe = parse_recipe(values(tmp_path, MATH_ROW, verifier={"url": other.url}))
        ((what, text),) = problems(check(recipe, offline=False))
    assert (what, text) == ("verifier", f"{other.url} is not a verifier: /v1/info answered '[]'")


def test_an_address_that_is_none_is_the_recipe_s_fault(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="'localhost:8000': it must begin with http:// or https://"):
        parse_recipe(values(tmp_path, MATH_ROW, verifier={"url": "http://a:1, localhost:8000"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adapter": {"targets": ["q_proj", "query"]}}, "the model has no module query; it has down_proj, gate_proj"),
        ({"adapter": {"targets": ["lm_head"]}}, "an adapter on lm_head would not be trained"),
        ({"model": {"kind": "tiny", "max_tokens": 24}}, "that exceeds the model's context of 24 tokens"),
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
        ({"grpo": {"max_steps": 1, "learning_rate": 1e-3, "max_completion_length": 300}}, "the model's context of 256"),
        ({"adapter": {"targets": ["qkv"]}}, "the model has no module qkv; it has down_proj, gate_proj"),
        ({"model": {"kind": "pretrained", "name": "MODEL", "quantization": "4bit"}}, "add an adapter to the recipe"),
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
        ({"grpo": {"max_steps": 1, "learning_rate": 1e-3, "num_generations": 7}}, 1),
        ({"sed": 1}, 1),
    ]:
        path.write_text(yaml.safe_dump(values(tmp_path, *[MATH_ROW] * 8) | changes), encoding="utf-8")
        done = CliRunner().invoke(app, ["check", str(path), "--offline"])
        assert done.exit_code == code, done.output


def test_held_out_questions_that_are_trained_on_are_found_whatever_their_ids(tmp_path: Path) -> None:
    row = MATH_ROW | {"prompt": "What is  2 + 3?", "id": "other"}
    (tmp_path / "held.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    chat = MATH_ROW | {"prompt": [{"role": "user", "content": "what is 2 + 3?"}]}
    for trained in (MATH_ROW | {"prompt": "What is 2 + 3?"}, chat):
        held_out = {"data": [{"kind": "rows", "path": str(tmp_path / "held.jsonl")}]}
        recipe = parse_recipe(values(tmp_path, *[trained] * 4, evaluation=held_out))
        text = "the training data has 1 held-out question too, such as 'What is  2 + 3?'"
        assert ("evaluation.data", text) in problems(check(recipe, offline=True))


def test_two_problems_of_one_id_are_refused(tmp_path: Path) -> None:
    """An evaluation would treat the second one as done, and a comparison would only count one of them."""
    recipe = parse_recipe(values(tmp_path, *[MATH_ROW | {"id": "a"}] * 2))
    place = f"{tmp_path / 'rows.jsonl'} [train]"
    assert problems(check(recipe, offline=True)) == [
        ("data", f"the id 'a' appears twice, in {place}; ids must be unique")
    ]


def test_sources_of_one_kind_and_split_have_ids_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        row = {"problem": f"What is 1, {name}?", "solution": "1"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    sources = [{"kind": "math", "path": str(tmp_path / f"{name}.jsonl")} for name in ("one", "two")]
    recipe = parse_recipe(values(tmp_path, data=sources))
    assert {problem.id for problem in load_problems(recipe.data, 0)} == {
        f"{tmp_path / name} [train] 0" for name in ("one.jsonl", "two.jsonl")
    }


def test_the_first_prompt_is_shown_as_the_model_reads_it(tmp_path: Path) -> None:
    recipe = parse_recipe(values(tmp_path, *[MATH_ROW] * 4, prompt={"system": "Be brief."}))
    (shown,) = [finding.text for finding in check(recipe, offline=True) if finding.what == "prompt"]
    assert shown == "the first prompt is '<|system|>Be brief.<|user|>What is 2 + 2?<|assistant|>'"


TURN = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% if m['role'] == 'assistant' %}<|im_end|>{% endif %}"
)
OWN_SYSTEM = "You only answer questions about computer science, and refuse to answer any other question there may be. "


@pytest.mark.parametrize(
    ("model", "prompt", "said"),
    [
        (
            {"chat_template": OWN_SYSTEM + TURN + "{% endfor %}"},
            {},
            "the model's template adds its own text before each",
        ),
        (
            {"chat_template": TURN + "{% endfor %}"},
            {},
            "ends an answer with '<|im_end|>', but generation stops at '<|end|>'",
        ),
        (
            {"chat_template": TURN + "{% endfor %}", "eos_token": "<|assistant|>"},
            {},
            "generation stops at '<|assistant|>'",
        ),
        (
            {"chat_template": TURN + "{% endfor %}{% if thinks %}<think>{% endif %}"},
            {"chat_template_kwargs": {"thinks": True}},
            "the first prompt is '<user>What is 2 + 2?<think>'",
        ),
    ],
)
def test_what_the_template_does_is_said(
    model: dict[str, Any], prompt: dict[str, Any], said: str, tmp_path: Path
) -> None:
    tiny = parse_recipe(values(tmp_path, *[MATH_ROW] * 4, output_dir=str(tmp_path)))
    base = base_model(tiny, load_problems(tiny.data, 0))
    options = {"kind": "pretrained", "name": base, **model}
    recipe = parse_recipe(values(tmp_path, *[MATH_ROW] * 4, model=options, prompt=prompt))
    texts = [finding.text for finding in _model(recipe, False, load_problems(recipe.data, 0))]
    assert any(said in text for text in texts), texts


@pytest.mark.parametrize(
    ("grpo", "vllm", "said"),
    [
        (
            {"loss_type": "vespo"},
            {"vllm_importance_sampling_mode": "sequence_mask"},
            "vespo with vLLM needs vllm_importance_sampling_mode token_truncate or token_mask",
        ),
        ({"top_p": 0.9, "top_k": 20}, {}, "top_p 0.9, top_k 20: vLLM's log-probabilities"),
        ({"max_completion_length": 24}, {"vllm_max_model_length": 16}, "vllm_max_model_length 16 leaves no room"),
        ({"bf16": True, "trl": {"fp16": True}}, None, "bf16 and trl.fp16 are both on"),
        ({"loss_type": "cispo"}, None, "TRL recommends 5.0"),
        (
            {"mask_truncated_completions": True},
            None,
            "reward overlong and grpo.mask_truncated_completions both handle truncated completions",
        ),
        ({}, {"vllm_max_model_length": 40}, "evaluation's max_completion_length 50 (checked sums)"),
        ({"optim": "paged_adamw_8bit"}, None, "grpo.optim paged_adamw_8bit needs the package bitsandbytes"),
    ],
)
def test_settings_that_spoil_a_run_without_an_error_are_said(
    grpo: dict[str, Any], vllm: dict[str, Any] | None, said: str, tmp_path: Path
) -> None:
    changed = values(tmp_path, *[MATH_ROW] * 4, vllm=vllm)
    longer = {"kind": "addition", "name": "checked sums", "evaluate": {"max_completion_length": 50}}
    reward = [{"kind": "correctness"}, {"kind": "overlong", "buffer_tokens": 8}]
    whole = changed | {"grpo": changed["grpo"] | grpo, "reward": reward, "evaluation": {"data": [longer]}}
    recipe = parse_recipe(whole)
    texts = [finding.text for finding in check(recipe, offline=True) if finding.level is not Level.OK]
    assert any(said in text for text in texts), texts


@pytest.mark.parametrize(("every", "is_inside"), [(3, True), (4, False)])
def test_an_evaluation_inside_a_generation_batch_is_a_problem(every: int, is_inside: bool, tmp_path: Path) -> None:
    """If a run stops there because the verifier is away, it would resume with other prompts."""
    changed = values(tmp_path, *[MATH_ROW] * 4, evaluation={"every_steps": every})
    grpo = changed["grpo"] | {"save_steps": 4, "steps_per_generation": 2}
    texts = [text for what, text in problems(check(parse_recipe(changed | {"grpo": grpo}), offline=True))]
    assert any(text.startswith(f"evaluation.every_steps {every} falls inside") for text in texts) is is_inside, texts
