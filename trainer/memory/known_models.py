"""Model sizes that are known without a network: the `config.json` of the packaged recipes' models, and a few others.

`check` and `plan-memory` take sizes from a given file, the model's own folder, or this table.
"""

import json
from pathlib import Path
from typing import Any

from trainer.config import Pretrained, Recipe, Tiny
from trainer.errors import RecipeError

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
KNOWN_CONFIGS: dict[str, dict[str, Any]] = {
    "deepseek-ai/deepseek-coder-6.7b-instruct": {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 32256,
        "max_position_embeddings": 16384,
        "tie_word_embeddings": False,
    },
    "Qwen/Qwen2.5-1.5B-Instruct": {
        "model_type": "qwen2",
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
    },
    "Qwen/Qwen2.5-3B-Instruct": {
        "model_type": "qwen2",
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
    },
    "meta-llama/Llama-3.1-8B": {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
    },
    "Qwen/Qwen2.5-7B": {
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
    },
}
KNOWN_CONFIGS[SMOLLM2] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}
KNOWN_CONFIGS["Qwen/Qwen2.5-7B-Instruct"] = KNOWN_CONFIGS["Qwen/Qwen2.5-7B"]
KNOWN_CONFIGS["Qwen/Qwen2.5-Coder-1.5B-Instruct"] = KNOWN_CONFIGS["Qwen/Qwen2.5-1.5B-Instruct"]
KNOWN_CONFIGS["meta-llama/Llama-3.1-8B-Instruct"] = KNOWN_CONFIGS["meta-llama/Llama-3.1-8B"]


def config_of(recipe: Recipe, file: Path | None = None) -> dict[str, Any]:
    """Return the configuration of a recipe's model: from `file`, the model's folder, or the table above.

    Raises:
        RecipeError: None of them has it, or the file cannot be read.
    """
    model = recipe.model
    if isinstance(model, Pretrained) and file is None and (Path(model.name) / "config.json").is_file():
        file = Path(model.name) / "config.json"
    if file is not None:
        return _read(file)
    if isinstance(model, Tiny):
        return {
            "model_type": "llama",
            "hidden_size": model.width,
            "intermediate_size": 4 * model.width,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "vocab_size": 64,
            "max_position_embeddings": model.max_tokens,
            "tie_word_embeddings": True,
        }
    name = model.name if isinstance(model, Pretrained) else SMOLLM2
    if name not in KNOWN_CONFIGS:
        raise RecipeError(
            recipe.name, [f"the sizes of {name} are not known; pass its configuration with --config config.json"]
        )
    return KNOWN_CONFIGS[name]


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise RecipeError(str(file), [f"cannot be read: {problem}"]) from problem
    if not isinstance(values, dict) or "model_type" not in values:
        raise RecipeError(str(file), ["this is not a model's config.json: it has no model_type"])
    return values
