"""Measure what needs a GPU, in six minutes and without a network: speed, waiting, memory, log-probabilities.

    scripts/gpu-check            # on a machine with a GPU
    scripts/gpu-check --try      # the same code with tiny sizes, on any machine

It creates models of real architectures with random weights. For each case, the real trainer runs a few steps against a
verifier that is started for this (or the one in VERIFIER_URL). A case that cannot run says why. Memory is compared with
the plan of `plan-memory`. The results are runs/benchmarks/gpu-check-CARD.json and a Markdown table for
docs/measured.md.
"""

import argparse
import importlib.util
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache
from rich.console import Console
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
from transformers.utils.import_utils import is_flash_attn_2_available

from benchmarks.results import FOLDER, Table, console
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import load_problems
from trainer.files import write_whole
from trainer.memory.known_models import KNOWN_CONFIGS
from trainer.memory.plan import GIB, RUNTIME_BYTES, plan, setting_of, shape_of
from trainer.models import tiny_tokenizer
from trainer.progress import Metrics, Progress
from trainer.rewards.reward import Reward
from trainer.smoke import shrunk
from trainer.train import Prepared, grpo_trainer

WITHIN_S = 330
"""No case starts later than this, so that the last one ends within six minutes."""
COMPLETIONS = 16
"""Completions per step, in two groups. When transformers generates, more completions take no longer; longer ones do."""
MEMORY_WITHIN = 0.15
LOGP_WITHIN = {"bf16 and fp32": 0.05, "eager and sdpa": 0.05, "flash_attention_2 and sdpa": 0.05}
"""Mean difference of log-probabilities, in nats per token, that rounding to 16 bits explains."""
HALF_BILLION = {
    **KNOWN_CONFIGS["Qwen/Qwen2.5-1.5B-Instruct"],
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
}


@dataclass(frozen=True)
class Case:
    """One model and how it is trained."""

    name: str
    config: dict[str, Any]
    recipe: dict[str, Any] = field(default_factory=dict)
    needs: str | None = None  # a package


LORA = {"adapter": {"rank": 16}}
QWEN_15, QWEN_7 = KNOWN_CONFIGS["Qwen/Qwen2.5-1.5B-Instruct"], KNOWN_CONFIGS["Qwen/Qwen2.5-7B"]
CASES = [
    Case("0.5B, all weights", HALF_BILLION),
    Case("1.5B, LoRA", QWEN_15, LORA),
    Case(
        "1.5B, LoRA, vLLM",
        QWEN_15,
        {**LORA, "vllm": {"vllm_gpu_memory_utilization": 0.3, "vllm_max_model_length": 640}},
        needs="vllm",
    ),
    Case("1.5B, 4 bits under LoRA", QWEN_15, {**LORA, "quantization": "4bit"}, needs="bitsandbytes"),
    Case("7B, LoRA", QWEN_7, LORA),
]


@dataclass
class Found:
    """The outcome of a case; `not_run` says why it has no numbers."""

    name: str
    not_run: str | None = None
    tokens_per_s: float = 0.0
    step_s: float = 0.0
    wait_share: float = 0.0
    planned_gib: float = 0.0
    measured_gib: dict[str, float] = field(default_factory=dict)
    """After loading, the peak while writing completions, and the peak of the whole case; empty without a GPU."""

    @property
    def is_as_planned(self) -> bool:
        """Whether the peak is within 15 % of the plan; true if there is no GPU to measure it."""
        peak = self.measured_gib.get("peak")
        return peak is None or abs(peak / self.planned_gib - 1) <= MEMORY_WITHIN


def check(url: str, tiny: bool, folder: Path, keep: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Run everything and return it: the card, versions, cases, and differences of log-probabilities.

    `keep` gets the results so far after each case, so that an interrupted check keeps what it measured.
    """
    began = time.monotonic()
    has_gpu = torch.cuda.is_available()
    found: list[Found] = []
    differences: dict[str, float] = {}

    def result() -> dict[str, Any]:
        return {
            "card": torch.cuda.get_device_name(0) if has_gpu else "no GPU",
            "tiny": tiny,
            "versions": {name: _version(name) for name in ("torch", "transformers", "trl", "vllm", "flash_attn")},
            "cases": [asdict(one) | {"is_as_planned": one.is_as_planned} for one in found],
            "log_probability_differences": differences,
            "equal": all(value <= LOGP_WITHIN[name] for name, value in differences.items()) if differences else None,
            "seconds": round(time.monotonic() - began, 1),
        }

    differences |= log_probability_differences(tiny)
    for case in CASES:
        if case.needs is not None and (not has_gpu or importlib.util.find_spec(case.needs) is None):
            found.append(Found(case.name, not_run=f"needs a GPU and the package {case.needs}"))
        elif time.monotonic() - began > WITHIN_S:
            found.append(Found(case.name, not_run="there was no time left"))
        else:
            found.append(_guarded(case, url, tiny, folder))
            console.print(f"{case.name}: {asdict(found[-1])}", highlight=False, soft_wrap=True)
        keep(result())
    return result()


def write(result: dict[str, Any]) -> Path:
    """Write the measurements as JSON, in a file named after the card."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"gpu-check-{re.sub(r'[^A-Za-z0-9]+', '-', result['card'])}.json"
    write_whole(path, json.dumps(result, indent=1))
    return path


def _guarded(case: Case, url: str, tiny: bool, folder: Path) -> Found:
    """Run a case. If it fails, for example because memory is full, the others still run."""
    try:
        return _run(case, url, tiny, folder / re.sub(r"\W+", "-", case.name))
    except Exception as problem:  # noqa: BLE001  # what fails on a GPU is what is looked for
        return Found(case.name, not_run=f"failed: {type(problem).__name__}: {str(problem)[:300]}")


def _run(case: Case, url: str, tiny: bool, folder: Path) -> Found:
    recipe = _recipe(case, url, tiny, folder)
    problems = load_problems(recipe.data, seed=0)
    tokenizer = tiny_tokenizer(recipe, problems)
    config = shrunk(case.config, len(tokenizer)) if tiny else case.config
    _save_random(config, tokenizer, folder / "model")
    has_gpu = torch.cuda.is_available()
    clear_device_cache(garbage_collection=True)  # models and trainers refer to themselves
    if has_gpu:
        torch.cuda.reset_peak_memory_stats()
    with client_of(recipe.verifier) as client:
        metrics = Metrics(folder / "metrics.jsonl", 0)
        progress = Progress(metrics, recipe.grpo.max_steps, Console(quiet=True), case.name)
        prepared = Prepared(recipe, problems, [], tokenizer, str(folder / "model"), None)
        trainer = grpo_trainer(prepared, folder, Reward(recipe, client), recipe.grpo.max_steps, progress)
        loaded = torch.cuda.memory_allocated() if has_gpu else 0
        generating = _calls(trainer, "_generate")
        trainer.train()
    rows = metrics.rows[1:]  # the first step compiles kernels and fills caches
    card = torch.cuda.get_device_properties(0).total_memory if has_gpu else 80 * GIB
    setting = setting_of(recipe, card, 1, "none")
    planned = plan(shape_of(config), setting).peak - RUNTIME_BYTES  # vLLM allocates in this process too
    written = sum(row["completions/mean_length"] for row in rows) * recipe.generation_batch_per_device
    moments = {"loaded": loaded, "written": generating[0][1], "peak": torch.cuda.max_memory_allocated()}
    return Found(
        case.name,
        tokens_per_s=round(written / sum(seconds for seconds, _ in generating[1:]), 1),
        step_s=round(sum(row["step_time"] for row in rows) / len(rows), 3),
        wait_share=round(sum(row.get("verifier/wait_share", 0.0) for row in rows) / len(rows), 4),
        planned_gib=round(planned / GIB, 3),
        measured_gib={name: round(size / GIB, 3) for name, size in moments.items()} if has_gpu else {},
    )


def _calls(owner: object, method: str) -> list[tuple[float, int]]:
    """Return a list to which every call of a method adds its seconds and the card's peak memory in bytes so far."""
    inner: Callable[..., object] = getattr(owner, method)
    calls: list[tuple[float, int]] = []

    def measured(*positional: object, **named: object) -> object:
        began = time.monotonic()
        try:
            return inner(*positional, **named)
        finally:
            calls.append((time.monotonic() - began, torch.cuda.max_memory_allocated()))

    setattr(owner, method, measured)
    return calls


def _recipe(case: Case, url: str, tiny: bool, folder: Path) -> Recipe:
    options = dict(case.recipe)
    quantization = options.pop("quantization", None)
    tokens = 8 if tiny else 128
    return parse_recipe(
        {
            "name": "gpu-check",
            "output_dir": str(folder),
            "verifier": {"url": url},
            "model": {"kind": "pretrained", "name": str(folder / "model"), "quantization": quantization},
            "data": [{"kind": "addition", "digits": 2, "working": False, "limit": 64}],
            "grpo": {
                "max_steps": 3,
                "num_generations": 8,
                "per_device_train_batch_size": COMPLETIONS,
                "learning_rate": 1e-6,
                "max_completion_length": tokens,
                "max_prompt_tokens": 32,
                "save_steps": 100,
                "trl": {"generation_kwargs": {"min_new_tokens": tokens}} if "vllm" not in options else {},
            },
            **options,
        }
    )


def _save_random(config: dict[str, Any], tokenizer: Any, folder: Path) -> None:
    """Write a random 16-bit model for training to load. It is created on the GPU, because that is fast."""
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.bfloat16)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model.generation_config = GenerationConfig(**ids)
    model.config.update({**ids, "bos_token_id": None})
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def log_probability_differences(tiny: bool) -> dict[str, float]:
    """Compare one random model's log-probabilities in 16 and 32 bits, and for each available attention.

    Returns: mean absolute difference in nats per token, by comparison.
    """
    clear_device_cache(garbage_collection=True)
    has_gpu = torch.cuda.is_available()
    device = "cuda" if has_gpu else "cpu"
    config = shrunk(HALF_BILLION, 512) if tiny else HALF_BILLION
    torch.manual_seed(0)
    ids = torch.randint(8, config["vocab_size"], (2, 64 if tiny else 512), device=device)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.float32).to(device).eval()

    def log_probabilities(attention: str, dtype: torch.dtype) -> torch.Tensor:
        model.to(dtype).set_attn_implementation(attention)
        logits = model(input_ids=ids).logits[:, :-1].float()
        return logits.log_softmax(-1).gather(-1, ids[:, 1:, None])

    exact = log_probabilities("sdpa", torch.float32)
    rounded = log_probabilities("sdpa", torch.bfloat16)
    found = {
        "bf16 and fp32": (exact - rounded).abs().mean(),
        "eager and sdpa": (log_probabilities("eager", torch.bfloat16) - rounded).abs().mean(),
    }
    if has_gpu and is_flash_attn_2_available():
        flash = log_probabilities("flash_attention_2", torch.bfloat16)
        found["flash_attention_2 and sdpa"] = (flash - rounded).abs().mean()
    return {name: round(float(value), 5) for name, value in found.items()}


def table(result: dict[str, Any]) -> Table:
    """Return the cases as docs/measured.md has them."""
    memory = ["loaded / written / peak, GiB", "plan-memory, GiB"]
    columns = ["", "tokens/s", "step, s", "waiting for the verifier", *memory]
    shown = Table(f"{result['card']}: random models, {COMPLETIONS} completions a step", columns)
    for case in result["cases"]:
        if case["not_run"]:
            shown.add(case["name"], case["not_run"], "", "", "", "")
            continue
        peak = " / ".join(f"{size:.2f}" for size in case["measured_gib"].values()) or "–"
        numbers = (f"{case['tokens_per_s']:.0f}", f"{case['step_s']:.2f}", f"{case['wait_share']:.1%}")
        shown.add(case["name"], *numbers, peak, f"{case['planned_gib']:.2f}")
    return shown


def main() -> None:
    """Run the check, write the JSON, and exit with 1 if memory or log-probabilities are off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--try", dest="tiny", action="store_true", help="tiny sizes, on any machine")
    tiny = parser.parse_args().tiny
    if not tiny and not torch.cuda.is_available():
        sys.exit("there is no GPU that PyTorch can use; `--try` runs the same code with tiny sizes")
    with _verifier() as url, tempfile.TemporaryDirectory() as folder:
        result = check(url, tiny, Path(folder), keep=write)
    shown = table(result)
    shown.show()
    print(shown.markdown())
    print(f"log-probabilities, nats a token: {result['log_probability_differences']}\n{write(result)}")
    failed = [c["name"] for c in result["cases"] if str(c["not_run"]).startswith("failed") or not c["is_as_planned"]]
    if failed or not result["equal"]:
        sys.exit(f"not as it should be: {', '.join(failed) or 'log-probabilities'}")


@contextmanager
def _verifier() -> Iterator[str]:
    """Yield the address in VERIFIER_URL, or that of a verifier started for this check."""
    if os.environ.get("VERIFIER_URL"):
        yield os.environ["VERIFIER_URL"]
        return
    from benchmarks.service import running

    with running() as service:
        yield service.url


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
