"""Merge a trained adapter into its model, so that it loads without PEFT, and push models to the hub."""

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
    """Merge an adapter into the weights of the recipe's model and save the result with its tokenizer.

    If training used quantized weights, the original ones are loaded: merging in 4 bits would lose more than the
    adapter adds.

    Args:
        recipe: The recipe that names the model.
        adapter: The adapter's folder.
        output: The folder to write, which must be empty or missing.
        push_to: The hub id to push the result to, or None.
        console: Where the result is reported.

    Raises:
        DataError: There is no adapter, or `output` is not empty; or as `push`.
    """
    if push_to is not None:
        _token(push_to)
    if not (adapter / "adapter_config.json").is_file():
        raise DataError(f"{adapter} is not an adapter's folder: it has no adapter_config.json")
    if output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output} is not empty; choose another --output")
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
    """Push the folder of a model or an adapter to the hub, creating the repository if needed.

    A new repository is private unless `public` is set. Files that only the trainer needs are not pushed.

    Raises:
        DataError: The folder has no weights, the adapter's base model is a local folder, `to` is not a hub id, there is
            no token, or the hub refuses the upload.
    """
    if not any(path.stat().st_size for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise DataError(f"{folder} has no weights to push")
    config = folder / "adapter_config.json"
    base = json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"] if config.is_file() else ""
    if base and Path(base).exists():
        raise DataError(
            f"{folder} is an adapter for the model in {base}, a folder on this machine only: push the whole model with "
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
        raise DataError(f"{api.endpoint} refuses {to}: {' '.join(str(problem).split())}") from problem
    console.print(f"pushed: {api.endpoint}/{to}", highlight=False, soft_wrap=True)


def _token(to: str) -> str:
    """Return the hub's token after validating the id that it will be used for."""
    try:
        validate_repo_id(to)
    except HFValidationError as problem:
        raise DataError(f"{to!r} is not a hub id such as ORG/NAME: {problem}") from problem
    token = get_token()
    if token is None:
        raise DataError(
            f"no hub token to push {to} with: set HF_TOKEN to one with write access, or run `hf auth login`"
        )
    return token
