"""Recipes: every one that comes with the package is sound, and a wrong field is named together with the right one."""

from pathlib import Path
from typing import Any

import pytest

from trainer.arguments import grpo_arguments
from trainer.check import Level, check
from trainer.config import RECIPES_DIR, Pretrained, load_recipe, parse_recipe
from trainer.errors import RecipeError
from trainer.shaping.long_wrong_answer import LongWrongAnswer

RECIPES = sorted(path.stem for path in RECIPES_DIR.glob("*.yaml"))
SMALLEST: dict[str, Any] = {
    "name": "small",
    "model": {"kind": "tiny"},
    "data": [{"kind": "addition"}],
    "grpo": {"steps": 1, "learning_rate": 1e-3},
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_packaged_recipe_is_sound(name: str) -> None:
    """Each is parsed, checked without a network, and translated into a configuration that TRL takes."""
    recipe = load_recipe(name)
    assert [finding for finding in check(recipe, offline=True) if finding.level is Level.PROBLEM] == []


@pytest.mark.parametrize("name", [name for name in RECIPES if load_recipe(name).grpo.bf16 is None])
def test_packaged_recipes_become_trl_configurations(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, {"model.attention": None} if "qwen" in name else None)
    arguments = grpo_arguments(recipe.model_copy(update={"vllm": None}), tmp_path, steps=3)
    assert arguments.num_generations == recipe.grpo.group_size
    assert arguments.max_steps == 3


def test_the_reference_recipe_is_as_published() -> None:
    recipe = load_recipe("gsm8k-deepseek-coder-6.7b")
    assert isinstance(recipe.model, Pretrained)
    assert recipe.model.name == "deepseek-ai/deepseek-coder-6.7b-instruct"
    assert recipe.model.attention == "flash_attention_2"
    assert recipe.model.pad_token == "eos"
    assert str(recipe.final_dir) == "grpo-reasoning-adapter"
    assert recipe.adapter is not None
    assert "\\boxed{}" in recipe.prompt.template
    data = recipe.data[0]
    assert (data.kind, data.split) == ("gsm8k", "train[:1%]")
    grpo = recipe.grpo
    assert (grpo.group_size, grpo.beta, grpo.learning_rate) == (8, 0.04, 5e-6)
    assert (grpo.per_device_batch, grpo.gradient_accumulation, grpo.max_grad_norm) == (4, 2, 1.0)
    assert (grpo.max_completion_tokens, grpo.bf16, grpo.log_every_steps) == (512, True, 10)
    assert [part.kind for part in recipe.reward] == ["correctness", "long_wrong_answer"]
    shaping = recipe.reward[1]
    assert isinstance(shaping, LongWrongAnswer)
    assert (shaping.penalty, shaping.over_chars) == (0.1, 200)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verifer": {}}, "verifer: there is no such field; the nearest is 'verifier'"),
        ({"learning_rate": 1e-3}, "learning_rate: there is no such field; perhaps 'grpo.learning_rate'"),
        (
            {"data": [{"kind": "addition", "digts": 2}]},
            "data.0.addition.digts: there is no such field; the nearest is 'digits'",
        ),
        ({"name": None}, "name: Input should be a valid string (it is None)"),
    ],
)
def test_a_wrong_field_is_named_with_the_nearest_right_one(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(SMALLEST | change)
    assert raised.value.problems == [said]


def test_trl_words_are_answered_with_ours() -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(SMALLEST | {"grpo": {"steps": 1, "learning_rate": 1e-3, "num_generations": 4}})
    assert raised.value.problems == [
        "grpo.num_generations: there is no such field; TRL's num_generations is called 'group_size' here"
    ]


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(SMALLEST | {"sed": 1, "grpo": {"steps": 0}})
    assert len(raised.value.problems) == 3


def test_a_field_that_trl_lacks_is_an_error(tmp_path: Path) -> None:
    recipe = parse_recipe(SMALLEST | {"grpo": {"steps": 1, "learning_rate": 1e-3, "trl": {"no_such_field": 1}}})
    with pytest.raises(RecipeError, match=r"grpo\.trl\.no_such_field: TRL's GRPOConfig has no such field"):
        grpo_arguments(recipe, tmp_path, steps=1)


def test_what_the_trainer_sets_cannot_be_set_behind_its_back() -> None:
    with pytest.raises(RecipeError, match=r"trl\.num_generations is the recipe's grpo\.group_size"):
        parse_recipe(SMALLEST | {"grpo": {"steps": 1, "learning_rate": 1e-3, "trl": {"num_generations": 4}}})


def test_the_environment_decides_over_the_recipe_and_the_command_line_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VERIFIER_URL", "http://elsewhere:1")
    assert load_recipe("demo").verifier.url == "http://elsewhere:1"
    assert load_recipe("demo", {"verifier.url": "http://here:2"}).verifier.url == "http://here:2"


def test_an_unknown_recipe_is_answered_with_the_known_names() -> None:
    with pytest.raises(RecipeError, match=r"no packaged recipe of that name \(demo, demo-code"):
        load_recipe("dmeo")


@pytest.mark.parametrize(
    ("grpo", "said"),
    [
        ({"group_size": 7}, "group_size 7 does not divide the generation batch"),
        ({"steps_per_generation": 4, "save_every_steps": 50}, "save_every_steps 50 falls inside a generation batch"),
        ({"max_completion_tokens": 500}, "that is more than the model's context of 128"),
        ({"scheduler": "liner"}, "TRL refuses it: liner is not a valid SchedulerType"),
        ({"optimizer": "adam"}, "TRL refuses it: adam is not a valid OptimizerNames"),
        ({"trl": {"no_such_field": 1}}, "grpo.trl.no_such_field: TRL's GRPOConfig has no such field"),
        ({"per_device_batch": 80_000}, "problems are fewer than the 10000"),
    ],
)
def test_check_finds_what_would_spoil_a_run(grpo: dict[str, Any], said: str) -> None:
    values = {"steps": 1, "learning_rate": 1e-3, "max_completion_tokens": 24}
    recipe = parse_recipe(SMALLEST | {"grpo": values | grpo})
    problems = [finding.text for finding in check(recipe, offline=True) if finding.level is Level.PROBLEM]
    assert any(said in problem for problem in problems), problems
