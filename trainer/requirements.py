"""Check what a run needs before it begins: packages, and a readable model. Nothing is moved or written."""

import importlib.util

from transformers import AutoConfig

from trainer.config import Pretrained, Recipe
from trainer.errors import RecipeError
from trainer.models import load_tokenizer
from trainer.trl import asynchronous


def missing_packages(recipe: Recipe) -> list[str]:
    """Return one sentence for each package that the recipe needs and that is not installed here."""
    needed: dict[str, str] = dict.fromkeys(recipe.grpo.report_to, "grpo.report_to")
    if recipe.vllm is not None:
        needed["vllm"] = "vllm"
    if recipe.async_grpo is not None:
        needed |= dict.fromkeys(asynchronous.PACKAGES, "async_grpo")
    if any(part in recipe.grpo.optim for part in ("8bit", "4bit", "bnb", "paged")):
        needed["bitsandbytes"] = f"grpo.optim {recipe.grpo.optim}"
    if isinstance(recipe.model, Pretrained):
        if recipe.model.quantization is not None:
            needed["bitsandbytes"] = "model.quantization"
        if "/" in recipe.model.attention:  # `attention_used` replaces a missing flash attention
            needed["kernels"] = f"model.attention {recipe.model.attention}"
    return [
        f"{field} needs the package {name}, which is not installed here"
        for name, field in needed.items()
        if importlib.util.find_spec(name) is None
    ]


def see_that_it_can_start(recipe: Recipe) -> None:
    """Check that nothing prevents the run from starting.

    Raises:
        RecipeError: A package is missing, or the model's files cannot be read; one sentence for each problem.
    """
    missing = missing_packages(recipe)
    if recipe.async_grpo is not None:
        missing = asynchronous.refused(recipe) or missing or asynchronous.lacking(recipe.async_grpo, recipe)
    if missing:
        raise RecipeError(recipe.name, missing)
    options = recipe.model
    if not isinstance(options, Pretrained):
        return
    try:
        AutoConfig.from_pretrained(options.name, revision=options.revision, trust_remote_code=options.trust_remote_code)
        load_tokenizer(recipe, options.name)
    except (OSError, ValueError, ImportError) as problem:
        raise RecipeError(
            recipe.name, [f"model.name {options.name} cannot be read: {first_line(problem)}"]
        ) from problem


def first_line(problem: Exception) -> str:
    """Return the first line of a library's error; the rest is advice for programmers."""
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)[:300]
