"""Recipes: every packaged one is valid, and a wrong field is named together with the right one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from trainer.check import Level, check
from trainer.cli import app
from trainer.config import RECIPES_DIR, Adapter, Pretrained, changed, load_recipe, parse_recipe
from trainer.errors import RecipeError
from trainer.models import init_arguments, lora_config
from trainer.rewards.components.long_wrong_answer import LongWrongAnswer
from trainer.trl.arguments import grpo_arguments
from trainer.trl.names import OWNED_FIELDS, RENAMED, config_fields

RECIPES = sorted(path.stem for path in RECIPES_DIR.glob("*.yaml"))
SMALLEST: dict[str, Any] = {
    "name": "small",
    "model": {"kind": "tiny"},
    "data": [{"kind": "addition"}],
    "grpo": {"max_steps": 1, "learning_rate": 1e-3},
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_packaged_recipe_is_sound(name: str) -> None:
    """Each is parsed, checked without a network, and translated into a configuration that TRL takes."""
    recipe = load_recipe(name)
    assert [finding for finding in check(recipe, offline=True) if finding.level is Level.PROBLEM] == []


@pytest.mark.parametrize("name", [name for name in RECIPES if load_recipe(name).grpo.bf16 is None])
def test_packaged_recipes_become_trl_configurations(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    arguments = grpo_arguments(recipe.model_copy(update={"vllm": None}), tmp_path, steps=3)
    assert arguments.num_generations == recipe.grpo.num_generations
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
    assert (grpo.num_generations, grpo.beta, grpo.learning_rate) == (8, 0.04, 5e-6)
    assert (grpo.per_device_train_batch_size, grpo.gradient_accumulation_steps, grpo.max_grad_norm) == (4, 2, 1.0)
    assert (grpo.max_completion_length, grpo.bf16, grpo.logging_steps) == (512, True, 10)
    assert [part.kind for part in recipe.reward] == ["correctness", "long_wrong_answer"]
    component = recipe.reward[1]
    assert isinstance(component, LongWrongAnswer)
    assert (component.penalty, component.over_chars) == (0.1, 200)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verifer": {}}, "verifer: there is no such field; the nearest is 'verifier'"),
        ({"learning_rate": 1e-3}, "learning_rate: there is no such field; did you mean 'grpo.learning_rate'?"),
        (
            {"data": [{"kind": "addition", "digts": 2}]},
            "data.0.digts: there is no such field; the nearest is 'digits'",
        ),
        ({"name": None}, "name: it must be a string (it is None)"),
        (
            {"model": {"kind": "tinny"}},
            "model.kind: it must be 'pretrained', 'tiny' or 'smollm2'; the nearest is 'tiny' (it is 'tinny')",
        ),
        ({"adapter": {"targets": 3}}, "adapter.targets: it must be a list of strings or 'all-linear' (it is 3)"),
        ({"data": []}, "data: it must have at least 1 item (it is an empty list)"),
    ],
)
def test_a_wrong_field_is_named_with_the_nearest_right_one(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(SMALLEST | change)
    assert raised.value.problems == [said]


@pytest.mark.parametrize(
    ("part", "old", "new"), [(part, old, new) for part, names in RENAMED.items() for old, new in names.items()]
)
def test_an_old_name_is_answered_with_the_one_of_today(part: str, old: str, new: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(SMALLEST | {part: {"max_steps": 1, "learning_rate": 1e-3, old: 4} if part == "grpo" else {old: 4}})
    assert f"{part}.{old}: there is no such field; it is now called {new!r}, as in TRL" in raised.value.problems


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(SMALLEST | {"sed": 1, "grpo": {"max_steps": 0}})
    assert len(raised.value.problems) == 3


def test_a_field_that_trl_lacks_is_an_error(tmp_path: Path) -> None:
    recipe = parse_recipe(SMALLEST | {"grpo": {"max_steps": 1, "learning_rate": 1e-3, "trl": {"no_such_field": 1}}})
    with pytest.raises(RecipeError, match=r"grpo\.trl\.no_such_field: TRL's GRPOConfig has no such field"):
        grpo_arguments(recipe, tmp_path, steps=1)


def test_what_the_trainer_sets_cannot_be_set_behind_its_back() -> None:
    with pytest.raises(RecipeError, match=r"trl\.num_generations: set it as grpo\.num_generations"):
        parse_recipe(SMALLEST | {"grpo": {"max_steps": 1, "learning_rate": 1e-3, "trl": {"num_generations": 4}}})


def test_the_environment_decides_over_the_recipe_and_the_command_line_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VERIFIER_URL", "http://elsewhere:1")
    assert load_recipe("demo").verifier.url == "http://elsewhere:1"
    assert load_recipe("demo", {"verifier.url": "http://here:2"}).verifier.url == "http://here:2"


def test_an_unknown_recipe_is_answered_with_the_known_names() -> None:
    with pytest.raises(
        RecipeError, match=r"dmeo: there is no such file or packaged recipe; the packaged recipes are demo, demo-code"
    ):
        load_recipe("dmeo")


@pytest.mark.parametrize(
    ("grpo", "said"),
    [
        ({"num_generations": 7}, "num_generations 7 does not divide the generation batch"),
        ({"steps_per_generation": 4, "save_steps": 50}, "save_steps 50 falls inside a generation batch"),
        ({"max_completion_length": 500}, "that exceeds the model's context of 128 tokens"),
        ({"lr_scheduler_type": "liner"}, "TRL refuses these fields: liner is not a valid SchedulerType"),
        ({"optim": "adam"}, "TRL refuses these fields: adam is not a valid OptimizerNames"),
        ({"trl": {"no_such_field": 1}}, "grpo.trl.no_such_field: TRL's GRPOConfig has no such field"),
        ({"per_device_train_batch_size": 80_000}, "problems cannot fill a batch: one generation batch needs 10000"),
    ],
)
def test_check_finds_what_would_spoil_a_run(grpo: dict[str, Any], said: str) -> None:
    values = {"max_steps": 1, "learning_rate": 1e-3, "max_completion_length": 24}
    recipe = parse_recipe(SMALLEST | {"grpo": values | grpo})
    problems = [finding.text for finding in check(recipe, offline=True) if finding.level is Level.PROBLEM]
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize("name", sorted(OWNED_FIELDS))
def test_fields_that_the_trainer_sets_are_refused_and_known_to_trl(name: str) -> None:
    assert name in config_fields()
    with pytest.raises(RecipeError, match=rf"trl\.{name} is set by the trainer itself"):
        parse_recipe(SMALLEST | {"grpo": {"max_steps": 1, "learning_rate": 1e-3, "trl": {name: 1}}})


def test_a_field_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("name: a\ngrpo:\n  beta: 0.1\n  beta: 0.2\n", encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    assert raised.value.problems == [f"{path}: it cannot be read: the field 'beta' appears twice, in lines 3 and 4"]


def test_a_misspelt_field_of_trl_is_refused_by_every_command(tmp_path: Path) -> None:
    changes = ["--set", "grpo.trl.num_iteration=2"]
    for command in ("plan-memory", "check", "train"):
        said = CliRunner().invoke(app, [command, "demo", *changes], env={"COLUMNS": "200"})
        assert said.exit_code == 1
        assert (
            "grpo.trl.num_iteration: TRL's GRPOConfig has no such field; the nearest is 'num_iterations'" in said.output
        )


def test_every_field_of_a_recipe_reaches_trl(tmp_path: Path) -> None:
    """Each arrives under its own name, including vLLM's and the model's options."""
    grpo = {"max_steps": 7, "learning_rate": 1e-3, "epsilon_high": 0.3, "mask_truncated_completions": True}
    grpo |= {"steps_per_generation": 2, "num_iterations": 3, "min_p": 0.1, "loss_type": "dr_grpo"}
    vllm = {"vllm_gpu_memory_utilization": 0.45, "vllm_tensor_parallel_size": 2, "vllm_max_model_length": 900}
    vllm |= {"vllm_enable_sleep_mode": True, "vllm_server_timeout": 30.0, "vllm_group_port": 5}
    model = {"kind": "pretrained", "name": "x/y", "trust_remote_code": True}
    prompt = {"chat_template_kwargs": {"enable_thinking": False}}
    recipe = parse_recipe(SMALLEST | {"grpo": grpo, "vllm": vllm, "model": model, "prompt": prompt})
    arguments = grpo_arguments(recipe, tmp_path, steps=7)
    wanted = grpo | vllm | {"use_vllm": True, "trust_remote_code": True, **prompt}
    assert {name: getattr(arguments, name) for name in wanted} == wanted


def test_an_adapter_and_quantization_are_what_the_recipe_says() -> None:
    made = lora_config(Adapter(rank=8, dropout=0.1))
    assert (made.r, made.lora_alpha, made.lora_dropout, made.target_modules) == (8, 16, 0.1, "all-linear")
    assert lora_config(Adapter(rank=8, alpha=4)).lora_alpha == 4
    recipe = parse_recipe(SMALLEST | {"model": {"kind": "pretrained", "name": "x", "quantization": "4bit"}})
    quantization = init_arguments(recipe)["quantization_config"]
    assert (quantization.load_in_4bit, quantization.bnb_4bit_quant_type) == (True, "nf4")
    assert (quantization.bnb_4bit_use_double_quant, quantization.bnb_4bit_compute_dtype) == (True, torch.bfloat16)


def test_a_field_that_is_given_twice_on_one_line_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("name: x\nadapter: {rank: 16, rank: 32}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="the field 'rank' appears twice, in lines 2 and 2"):
        load_recipe(path)


def test_items_of_lists_can_be_set_by_their_number() -> None:
    assert changed({"data": [{"kind": "gsm8k"}]}, ["data", "0", "limit"], 5) == {
        "data": [{"kind": "gsm8k", "limit": 5}]
    }
    assert changed({}, ["grpo", "trl", "seed"], 1) == {"grpo": {"trl": {"seed": 1}}}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data.1.limit", "'1' is not an index of the list; it has 0 to 0"),
        ("data.limit", "'limit' is not an index of the list"),
        ("name.first", "'first' cannot be set in 'x', which has no fields"),
    ],
)
def test_what_cannot_be_set_is_said(path: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        changed({"name": "x", "data": [{}]}, path.split("."), 1)
