"""What becomes of a trained model: an adapter made part of it, so that others load it without PEFT; and the hub."""

import json
from pathlib import Path

import torch
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HFValidationError, HTTPError  # pyright: ignore[reportPrivateImportUsage]
from huggingface_hub.utils import validate_repo_id
from rich.console import Console

from trainer.config import Pretrained, Recipe
from trainer.errors import DataError
from trainer.files import WEIGHTS
from trainer.models import base_model, load_model, load_tokenizer


@torch.no_grad()
def merge(recipe: Recipe, adapter: Path, output: Path, push_to: str | None, console: Console) -> None:
    """Add an adapter to the weights of the recipe's model and save both as one, with the tokenizer.

    Weights that were quantized for training are loaded as they were before: merged in 4 bits they would lose more than
    the adapter gives. `push_to` is the hub id that the result is pushed to, as by `push`.

    Raises:
        DataError: there is no adapter, or `output` holds something already, and nothing is overwritten; or as `push`.
    """
    if push_to is not None:
        _token(push_to)
    if not (adapter / "adapter_config.json").is_file():
        raise DataError(f"{adapter} holds no adapter: adapter_config.json is not there")
    if output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output} is not empty; give another --output")
    if isinstance(recipe.model, Pretrained):
        recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"quantization": None})})
    base = base_model(recipe, [])
    model = load_model(recipe, base, adapter).merge_and_unload(safe_merge=True)
    tokenizer = load_tokenizer(recipe, base)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    console.print(f"merged: {output}", highlight=False, soft_wrap=True)
    if push_to is not None:
        push(output, push_to, False, console)


def push(folder: Path, to: str, public: bool, console: Console) -> None:
    """Push a folder that holds a model or an adapter to the hub, into a repository that is made where there is none.

    A repository that is made is private unless `public`. What only the trainer needs (`training_args.bin`) stays here.

    Raises:
        DataError: there are no weights, the adapter's model is a folder of this machine, `to` is no hub id, there is no
            token, or the hub does not take it.
    """
    if not any(path.stat().st_size for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise DataError(f"{folder} holds no weights to push")
    config = folder / "adapter_config.json"
    base = json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"] if config.is_file() else ""
    if base and Path(base).exists():
        raise DataError(
            f"{folder} is an adapter of the model in {base}, a folder that nobody else has: push the whole model, by "
            f"`merge --push-to {to}`"
        )
    api = HfApi(token=_token(to))
    try:
        api.create_repo(to, private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=to,
            folder_path=folder,
            commit_message="Trained with GRPO, rewarded by a verifier",
            ignore_patterns=["training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state*", ".*"],
        )
    except (OSError, HTTPError) as problem:
        raise DataError(f"{api.endpoint} does not take {to}: {' '.join(str(problem).split())}") from problem
    console.print(f"pushed: {api.endpoint}/{to}", highlight=False, soft_wrap=True)


def _token(to: str) -> str:
    """Return the hub's token, after looking at where it is to be used."""
    try:
        validate_repo_id(to)
    except HFValidationError as problem:
        raise DataError(f"{to!r} is no hub id, as ORG/NAME is: {problem}") from problem
    token = get_token()
    if token is None:
        raise DataError(f"there is no hub token to push {to} with: set HF_TOKEN, or `hf auth login`; it has to write")
    return token
