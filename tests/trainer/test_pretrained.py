"""A run of a model from a folder, with an adapter, in 16 bits, with each batch used twice; and its files."""

import json
import resource
import shutil
from pathlib import Path
from typing import cast

import pytest
import torch
from rich.console import Console
from transformers import Trainer

from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import load_problems
from trainer.errors import RecipeError, SavingFailed, TrainerError
from trainer.evaluation.evaluate import Model, evaluate
from trainer.evaluation.generation import complete, own_randomness, policy_sampling
from trainer.files import last_checkpoint, save_model
from trainer.models import base_model, load_model, load_tokenizer
from trainer.train import Exit, train

QUIET = Console(quiet=True)
DATA = {"kind": "addition", "digits": 1, "working": False, "split": "train"}
FILE_LIMIT_BYTES = 200_000


def recipe(folder: Path, url: str, max_steps: int = 4, changes: dict[str, object] | None = None) -> Recipe:
    """Return a recipe whose model is the folder `base` next to the run's."""
    values: dict[str, object] = {
        "name": "pretrained",
        "output_dir": str(folder),
        "final_dir": str(folder.parent / "adapter"),
        "verifier": {"url": url},
        "model": {"kind": "pretrained", "name": str(folder.parent / "base"), "dtype": "bfloat16"},
        "adapter": {"rank": 64},
        "data": [DATA],
        "grpo": {
            "max_steps": max_steps,
            "num_generations": 4,
            "per_device_train_batch_size": 8,
            "steps_per_generation": 2,
            "num_iterations": 2,
            "learning_rate": 1e-2,
            "max_completion_length": 6,
            "gradient_checkpointing": False,
            "save_steps": 4,
            "bf16": True,
        },
        "evaluation": {
            "data": [
                {**DATA, "split": "held_out", "limit": 3},
                {"kind": "rows", "path": str(folder.parent / "r.jsonl")},
            ],
            "samples": 1,
            "after": False,
        },
    }
    return parse_recipe(values | (changes or {}))


@pytest.fixture(scope="module")
def place(verifier_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, whose own settings have a repetition penalty, and a run that was trained from it."""
    place = tmp_path_factory.mktemp("pretrained")
    row = {"prompt": "What is 2 + 2?", "verifier": '{"kind": "math", "reference": "4"}'}
    (place / "r.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    tiny = parse_recipe(
        {
            "name": "base",
            "output_dir": str(place),
            "model": {"kind": "tiny", "layers": 1, "width": 64, "heads": 2, "max_tokens": 48},
            "data": [DATA],
            "grpo": {"max_steps": 1, "learning_rate": 1e-3},
        }
    )
    base = Path(base_model(tiny, load_problems(tiny.data, 0)))
    own = json.loads((base / "generation_config.json").read_text(encoding="utf-8"))
    own |= {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1}
    (base / "generation_config.json").write_text(json.dumps(own), encoding="utf-8")
    (place / "adapter").mkdir()
    (place / "adapter" / "old.txt").write_text("an older adapter", encoding="utf-8")
    assert train(recipe(place / "run", verifier_url), QUIET) is Exit.DONE
    return place


def test_every_step_has_its_line_also_those_on_completions_that_were_used_before(place: Path) -> None:
    """TRL logs a reward in the step that generates only; clipping begins after it."""
    lines = (place / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["reward"] is not None for row in rows] == [True, False, False, False]
    assert all(row["clip_ratio/region_mean"] is not None for row in rows)


def test_the_adapter_is_there_and_what_its_folder_held_before_too(place: Path) -> None:
    assert (place / "adapter" / "adapter_model.safetensors").stat().st_size > 0
    assert not (place / "adapter" / "old.txt").exists()
    assert (place / "adapter.1" / "old.txt").read_text(encoding="utf-8") == "an older adapter"


def test_accuracy_is_told_of_each_source(place: Path) -> None:
    summary = json.loads((place / "run" / "evaluations" / "before" / "summary.json").read_text(encoding="utf-8"))
    counts = {name: measures["judged_problems"] for name, measures in summary["sources"].items()}
    assert counts == {"addition": 3, f"{place / 'r.jsonl'} [train]": 1}
    assert summary["judged_problems"] == 4


def test_completions_outside_of_training_owe_nothing_to_the_models_own_settings(place: Path) -> None:
    """A repetition penalty that the model was published with is not the policy's; the model keeps it."""
    small = recipe(place / "run", "http://none")
    model, plain = (load_model(small, str(place / "base")) for _ in range(2))
    tokenizer = load_tokenizer(small, str(place / "base"))
    plain.generation_config = type(plain.generation_config)(eos_token_id=tokenizer.eos_token_id)
    prompts = [[{"role": "user", "content": f"What is {n} + 3?"}] for n in range(8)]
    own = model.generation_config
    assert complete(model, tokenizer, prompts, policy_sampling(small, 0.0)) == complete(
        plain, tokenizer, prompts, policy_sampling(small, 0.0)
    )
    assert model.generation_config is own
    assert own.repetition_penalty == 9.0


def test_an_evaluation_changes_nothing_of_what_is_sampled_after_it(
    verifier_url: str, place: Path, tmp_path: Path
) -> None:
    small = recipe(place / "run", verifier_url)
    base = str(place / "base")
    model = Model(load_model(small, base), load_tokenizer(small, base), "base")
    problems = load_problems(small.evaluation.data, 0)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with client_of(small.verifier) as client:
        evaluate(model, problems, small, client, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    with own_randomness(1):
        first = torch.rand(1)
    with own_randomness(1):
        assert torch.rand(1) == first


def test_a_disk_that_fills_up_while_saving_costs_no_checkpoint(verifier_url: str, place: Path, tmp_path: Path) -> None:
    """A file size limit interrupts the second checkpoint; the first one is used."""
    for name in ("run", "base"):
        shutil.copytree(place / name, tmp_path / name)
    shutil.copy(place / "r.jsonl", tmp_path / "r.jsonl")
    longer = recipe(tmp_path / "run", verifier_url, max_steps=8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, hard))
    try:
        with pytest.raises(TrainerError, match=r"checkpoint-8 could not be saved: .*; earlier checkpoints are intact"):
            train(longer, QUIET, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert train(longer, QUIET, resume=True) is Exit.DONE
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoint-8"
    assert (tmp_path / "run" / "broken-checkpoint-8.1").is_dir()
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


def test_half_a_checkpoint_is_set_aside_and_the_one_before_it_taken(tmp_path: Path) -> None:
    """A process that is killed while saving leaves weights without a state, or half of the state."""
    for step, state in ((5, '{"global_step": 5}'), (10, '{"global_st'), (15, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").touch()
        if state is not None:
            (folder / "trainer_state.json").write_text(state, encoding="utf-8")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-5"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "broken-checkpoint-10.1",
        "broken-checkpoint-15.1",
        "checkpoint-5",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vllm": {}}, "vllm needs the package vllm, which is not installed here"),
        ({"model": {"kind": "pretrained", "name": "no/such/model"}}, "model.name no/such/model cannot be read: "),
        ({"data": [{"kind": "rows", "path": "none.jsonl"}]}, "none.jsonl [train] cannot be read"),
    ],
)
def test_what_is_missing_is_said_before_an_older_run_is_moved(
    changes: dict[str, object], said: str, verifier_url: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # there might be no hub, and none is needed
    with pytest.raises(TrainerError) as raised:
        train(recipe(place / "run", verifier_url, changes=changes), QUIET)
    problems = raised.value.problems if isinstance(raised.value, RecipeError) else [str(raised.value)]
    assert any(problem.startswith(said) and "\n" not in problem for problem in problems), problems
    assert (place / "run" / "checkpoint-4").is_dir()
    assert not (place / "run.1").exists()


class _SavesNothing:
    """A trainer that silently saves no weights, as transformers does under FSDP with a sharded state dict."""

    is_fsdp_enabled = False

    class accelerator:
        is_main_process = True
        state = None

        @staticmethod
        def wait_for_everyone() -> None:
            """Do nothing: there are no other processes."""

    def save_model(self, folder: str) -> None:
        Path(folder).mkdir()
        (Path(folder) / "tokenizer.json").touch()


def test_a_model_without_weights_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(SavingFailed, match="no weights were written"):
        save_model(cast(Trainer, _SavesNothing()), tmp_path / "final")


@pytest.mark.parametrize("path", sorted(Path("trainer/accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_launch_files_are_read_by_accelerate_and_save_whole_weights(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    sharded = cast(dict[str, object], getattr(config, "fsdp_config", None) or {})
    deepspeed = cast(dict[str, object], getattr(config, "deepspeed_config", None) or {})
    assert sharded.get("fsdp_state_dict_type", "FULL_STATE_DICT") == "FULL_STATE_DICT"
    assert deepspeed.get("zero3_save_16bit_model", True) is True
    assert config.mixed_precision == "bf16"
