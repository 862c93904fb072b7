"""Problems: splits do not overlap, files are read as documented, mixtures have their shares, solutions are right."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from trainer.client import client_of
from trainer.config import Prompt, VerifierOptions, load_recipe, parse_recipe
from trainer.data.load import conversation, in_training_order, load_problems
from trainer.data.tasks import AnyTask
from trainer.data.tasks.addition import Addition, worked
from trainer.data.tasks.functions import Functions
from trainer.errors import DataError
from trainer.models import base_model, load_tokenizer
from verifier_service.schema import Verdict


def source(**fields: Any) -> AnyTask:
    return TypeAdapter(AnyTask).validate_python(fields)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("task", [Addition, Functions])
def test_held_out_problems_are_never_trained_on(task: type[Addition] | type[Functions]) -> None:
    train = {problem.question for problem in task(split="train").problems(seed=0)}
    held_out = {problem.question for problem in task(split="held_out").problems(seed=0)}
    assert not train & held_out
    assert 0.15 < len(held_out) / (len(train) + len(held_out)) < 0.25


def test_a_sum_and_its_mirror_image_are_on_the_same_side() -> None:
    train = {problem.id.removeprefix("addition-") for problem in Addition(split="train").problems(seed=0)}
    assert all("+".join(reversed(pair.split("+"))) in train for pair in train)


def test_the_split_does_not_depend_on_the_seed_and_the_order_does() -> None:
    first, second = ([p.id for p in Addition().problems(seed)] for seed in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)


@pytest.mark.parametrize(
    ("a", "b", "working"), [(27, 45, "7+5=12;2+4+1=7;"), (10, 20, "0+0=0;1+2=3;"), (99, 99, "9+9=18;9+9+1=19;")]
)
def test_working_is_what_one_writes_on_paper(a: int, b: int, working: str) -> None:
    assert worked(a, b) == working


def test_generated_solutions_are_accepted_by_the_verifier(verifier_url: str) -> None:
    problems = [*list(Addition().problems(0))[:20], *list(Functions().problems(0))[:20]]
    with client_of(VerifierOptions(url=verifier_url)) as client:
        results = client.verify([{**p.submission, "completion": p.solution} for p in problems])
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}


def test_a_share_of_the_demonstrations_is_wrong_and_no_solution() -> None:
    additions = list(Addition(estimated_share=0.65).problems(0))
    estimated = [problem for problem in additions if problem.shown != problem.solution]
    assert 0.6 < len(estimated) / len(additions) < 0.7
    functions = list(Functions(unfinished_share=0.5).problems(0))
    unfinished = [problem.shown for problem in functions if problem.shown != problem.solution]
    assert 0.45 < len(unfinished) / len(functions) < 0.55
    assert {text.count("\n") for text in unfinished if text} == {2}


def test_gsm8k_rows_give_the_answer_behind_the_hashes(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "g.jsonl", [{"question": f"q{n}", "answer": f"so\n#### {n},000"} for n in range(10)])
    problems = list(source(kind="gsm8k", path=path, split="train[:30%]").problems(0))
    asked = {"kind": "math", "form": "final"}
    assert [problem.submission for problem in problems] == [asked | {"reference": f"{n},000"} for n in range(3)]
    assert problems[1].solution == "so\n\\boxed{1,000}"


def test_a_row_without_its_column_is_named(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "g.jsonl", [{"question": "q", "reply": "#### 1"}])
    with pytest.raises(DataError, match=r"the column 'answer' is missing or empty; the columns are question, reply"):
        list(source(kind="gsm8k", path=path).problems(0))


def test_mbpp_rows_become_asserts_and_show_the_first_test(tmp_path: Path) -> None:
    row = {"text": "Add.", "code": "def f(a):\r\n  return a", "test_list": ["assert f(1) == 1"], "task_id": 7}
    path = write_rows(tmp_path / "m.jsonl", [row | {"test_setup_code": "import math"}])
    (problem,) = source(kind="mbpp", path=path, time_limit_s=3).problems(0)
    assert problem.submission == {
        "kind": "code",
        "language": "python",
        "tests": {"kind": "assert", "code": "import math\nassert f(1) == 1"},
        "limits": {"time_limit_s": 3.0},
    }
    assert "assert f(1) == 1" in problem.question


def test_rows_may_mix_maths_and_code_as_text_or_as_objects(tmp_path: Path) -> None:
    """Arrow fills the fields that other objects have with None; what is sent is what was written."""
    math = {"kind": "math", "reference": "4"}
    cases = [{"args": [None, 1], "kwargs": {}, "expected": None}]
    code = {"kind": "code", "language": "python", "tests": {"kind": "call", "entry_point": "f", "cases": cases}}
    as_text = write_rows(tmp_path / "t.jsonl", [{"prompt": "p", "verifier": json.dumps(v)} for v in (math, code)])
    messages = [{"role": "user", "content": "p"}]
    as_objects = write_rows(tmp_path / "o.jsonl", [{"prompt": messages, "verifier": v} for v in (math, code)])
    assert [p.submission for p in source(kind="rows", path=as_text).problems(0)] == [math, code]
    problems = list(source(kind="rows", path=as_objects).problems(0))
    assert [p.submission["kind"] for p in problems] == ["math", "code"]
    assert problems[0].submission == math
    assert problems[1].submission["tests"]["cases"][0]["expected"] is None
    assert problems[0].messages == messages


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        (
            {"kind": "math", "referense": "4"},
            "reference: this field is required; referense '4': there is no such field",
        ),
        ({"kind": "mat", "reference": "4"}, "kind 'mat': it must be 'math' or 'code'; the nearest is 'math'"),
        (
            {"kind": "code", "tests": {"kind": "stdio", "cases": []}},
            "tests.cases an empty list: it must have at least 1 case",
        ),
        ({"kind": "math", "reference": 4}, "reference 4: "),
    ],
)
def test_a_row_that_no_verifier_would_take_is_named_before_anything_is_trained(
    tmp_path: Path, verifier: dict[str, object], said: str
) -> None:
    good = {"kind": "math", "reference": "4"}
    path = write_rows(tmp_path / "r.jsonl", [{"prompt": "p", "verifier": json.dumps(one)} for one in (good, verifier)])
    with pytest.raises(DataError) as refused:
        list(source(kind="rows", path=path).problems(0))
    assert "r.jsonl [train]: `verifier` of row 1 is not a submission: " in str(refused.value)
    assert said in str(refused.value)


def test_a_mixture_has_the_shares_of_its_weights() -> None:
    mixture = [source(kind="addition", weight=3), source(kind="functions", weight=1)]
    problems = load_problems(mixture, seed=0)
    tasks = [problem.task for problem in problems]
    assert tasks.count("addition") == pytest.approx(3 * tasks.count("functions"), abs=3)
    assert len(set(tasks[:20])) == 2


def test_every_epoch_has_every_prompt_and_its_own_order() -> None:
    recipe = parse_recipe(
        {
            "name": "order",
            "model": {"kind": "tiny"},
            "data": [{"kind": "addition", "limit": 12}],
            "grpo": {"max_steps": 9, "num_generations": 4, "per_device_train_batch_size": 16, "learning_rate": 1e-3},
        }
    )
    ids = in_training_order(load_problems(recipe.data, 0), recipe, processes=1)["problem_id"]
    epochs = [list(ids[i : i + 12]) for i in range(0, 36, 12)]
    assert len(ids) == 36
    assert [sorted(epoch) for epoch in epochs] == [sorted(epochs[0])] * 3
    assert epochs[0] != epochs[1]


def test_a_prompt_keeps_braces_and_gets_its_system_message() -> None:
    (problem,) = list(source(kind="addition", limit=1).problems(0))[:1]
    prompt = Prompt(system="Be brief.", template="{question} Answer in \\boxed{}.")
    assert conversation(problem, prompt) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{problem.question} Answer in \\boxed{{}}."},
    ]


@pytest.mark.parametrize("name", ["demo", "demo-code"])
def test_the_tiny_tokenizer_gives_back_every_text(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, {"output_dir": str(tmp_path)})
    problems = load_problems(recipe.data, 0)
    tokenizer = load_tokenizer(recipe, base_model(recipe, problems))
    held_out = load_problems(recipe.evaluation.data, 0)
    for problem in [*problems[:50], *held_out[:50]]:
        ids = tokenizer(problem.solution)["input_ids"]
        assert tokenizer.decode(ids) == problem.solution
        assert tokenizer.unk_token_id not in tokenizer(problem.question)["input_ids"]
        assert len(ids) < recipe.grpo.max_completion_length
