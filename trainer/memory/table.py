"""The output of `plan-memory`: tables of parts for GRPO, DPO and PPO, what fits on the card, and what to change."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Column, Table

from trainer.config import Recipe
from trainer.errors import RecipeError
from trainer.memory.known_models import config_of
from trainer.memory.plan import (
    GIB,
    NF4_BYTES,
    Algorithm,
    Method,
    Plan,
    Setting,
    Shape,
    Sharding,
    fits,
    full_logits_bytes,
    plan,
    setting_of,
    shape_of,
    vllm_lacks,
    vllm_needs,
    what_to_change,
)


def show(recipe: Recipe, config: Path | None, card_gib: float, devices: int, sharding: str, console: Console) -> None:
    """Print the memory plan of a recipe.

    Args:
        recipe: The recipe.
        config: The model's `config.json`, or None if its sizes are known.
        card_gib: Memory of one GPU in GiB.
        devices: Number of GPUs.
        sharding: One of `none`, `zero1`, `zero2` and `zero3`.
        console: Where the plan is printed.

    Raises:
        RecipeError: The sharding is unknown, the model's sizes are not known without its `config.json`, or that file
            does not describe a causal language model that transformers knows.
    """
    if sharding not in get_args(Sharding):
        raise RecipeError(
            "--sharding", [f"--sharding is {sharding!r}; it must be one of {', '.join(get_args(Sharding))}"]
        )
    targets = recipe.adapter.targets if recipe.adapter is not None else "all-linear"
    try:
        shape = shape_of(config_of(recipe, config), None if targets == "all-linear" else targets)
    except (ValueError, AttributeError, TypeError) as problem:  # what transformers raises depends on the model's type
        raise RecipeError(str(config or recipe.name), [f"its sizes cannot be read: {problem}"]) from problem
    card = int(card_gib * GIB)
    setting = setting_of(recipe, card, devices, sharding)  # type: ignore[arg-type]  # checked above
    console.print(
        f"{recipe.name}: {shape.parameters / 1e9:.3f} B parameters, {setting.method}, micro batch "
        f"{setting.micro_batch} x {setting.tokens} tokens, devices: {devices}, sharding: {sharding}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_by_algorithm(shape, setting, card))
    console.print(_by_method(shape, setting, card))
    recipe_plan = plan(shape, setting)
    if vllm_lacks(shape, setting):
        console.print(
            f"[bold red]vLLM does not start[/] with {setting.vllm_bytes / GIB:.1f} GiB: its weights, one sequence and "
            f"overhead need {vllm_needs(shape, setting) / GIB:.1f} GiB",
            highlight=False,
            soft_wrap=True,
        )
    if fits(shape, setting, card):
        console.print(f"[green]fits[/] {card_gib:g} GiB; the peak is at the {recipe_plan.peak_moment}", highlight=False)
    else:
        console.print(
            f"[bold red]does not fit[/] {card_gib:g} GiB; any one of these changes makes it fit:", highlight=False
        )
        for change in what_to_change(shape, setting, card) or ["no single change; combine them"]:
            console.print(f"  {change}", highlight=False, soft_wrap=True)
    written_out = full_logits_bytes(setting.micro_batch, setting.tokens, shape.vocabulary)
    console.print(
        f"[dim]TRL's fused head does not materialize full logits; a trainer that does needs {written_out / GIB:.1f} "
        "GiB more. Fragmentation makes real runs differ: leave a tenth free.[/]",
        highlight=False,
        soft_wrap=True,
    )


def _by_algorithm(shape: Shape, setting: Setting, card: int) -> Table:
    """Return a table with a column for each algorithm, with the recipe's method, and a row for each part."""
    settings = {
        "this recipe": setting,
        "GRPO, beta 0": replace(setting, reference=False),
        "GRPO, beta > 0": replace(setting, reference=True),
        "DPO": replace(setting, algorithm=Algorithm.DPO),
        "PPO": replace(setting, algorithm=Algorithm.PPO, reference=True),
    }
    plans = {name: plan(shape, one) for name, one in settings.items()}
    table = Table(Column("GiB of one device", no_wrap=True), *plans, title="Part by part")
    names = dict.fromkeys(part for one in plans.values() for part in one.parts)
    for name in names:
        table.add_row(name, *(_gib(one.parts.get(name, 0)) for one in plans.values()))
    table.add_section()
    table.add_row("peak", *(_peak(one, card) for one in plans.values()))
    return table


def _by_method(shape: Shape, setting: Setting, card: int) -> Table:
    """Return a table of GRPO's peak for full, LoRA and QLoRA, on one device, on eight sharded, and next to vLLM."""
    table = Table("GRPO's peak, GiB", "one device", "8, sharded (zero3)", "one, with vLLM", title="What else fits")
    adapter = {"rank": setting.rank or 16}
    methods = {
        "full, 16-bit states": replace(setting, method=Method.FULL, weight_bytes=2, state_bytes=4),
        "full, 32-bit states": replace(setting, method=Method.FULL, weight_bytes=4, state_bytes=8),
        "LoRA": replace(setting, method=Method.LORA, weight_bytes=2, state_bytes=8, **adapter),
        "QLoRA, 4 bits": replace(
            setting, method=Method.QLORA, weight_bytes=2, state_bytes=4, quantized_bytes=NF4_BYTES, **adapter
        ),
    }
    for name, one in methods.items():
        alone = replace(one, sharding="none", devices=1, vllm_bytes=0, generates_here=True)
        shared = replace(alone, sharding="zero3", devices=8, state_bytes=8)
        share = max(int(0.3 * card), vllm_needs(shape, alone))
        beside = replace(alone, vllm_bytes=share, generates_here=False)
        is_quantized = one.method is Method.QLORA
        cells = (_peak(plan(shape, alone), card), "–" if is_quantized else _peak(plan(shape, shared), card))
        table.add_row(name, *cells, _peak(plan(shape, beside), card))
    return table


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}" if size else ""


def _peak(one: Plan, card: int) -> str:
    style = "green" if one.peak <= card else "red"
    return f"[{style}]{one.peak / GIB:.1f}[/]"
