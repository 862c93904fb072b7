"""Every setting of the service, read from `VERIFIER_*` in the environment; no other module reads it."""

import base64
import binascii
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from verifier_service.schema.limits import MEMORY, OUTPUT, PROCESSES, TIME, WALL


class RunnerChoice(StrEnum):
    """Which backend runs untrusted programs."""

    AUTO = "auto"
    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"


class Stack(StrEnum):
    """Other software whose endpoints are served beside our own."""

    NEMO_GYM = "nemo-gym"
    SANDBOX_FUSION = "sandbox-fusion"
    OPENRLHF = "openrlhf"
    SLIME = "slime"
    OPEN_INSTRUCT = "open-instruct"
    PISTON = "piston"
    OPEN_R1 = "open-r1"
    CODE_JUDGE = "code-judge"
    NEMO_SKILLS = "nemo-skills"


def webhook_key(secret: SecretStr) -> bytes:
    """Return the key that the secret of a webhook stands for.

    Raises:
        ValueError: it is not 24 to 64 bytes in base64.
    """
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("it must be `whsec_` and the base64 of 24 to 64 random bytes")
    return key


def _usable(secret: SecretStr) -> SecretStr:
    webhook_key(secret)
    return secret


def _stacks(given: object) -> object:
    """Read names with commas between; `all` is every one of them, and `none` or nothing is none."""
    if not isinstance(given, str):
        return given
    names = {one.strip().lower() for one in given.split(",")} - {"", "none"}
    return frozenset(Stack) if names == {"all"} else names


def _hosts(given: object) -> object:
    """Read addresses of daemons with commas between.

    Raises:
        ValueError: one is no such address, or is there twice.
    """
    names = [one.strip() for one in given.split(",") if one.strip()] if isinstance(given, str) else given
    if not isinstance(names, list):
        raise ValueError(f"{given!r} are no addresses with commas between")
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"(unix:///|tcp://|ssh://)\S+", name):
            raise ValueError(f"{name!r} is no daemon's address: unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST")
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice")
    return names


WebhookSecret = Annotated[SecretStr, AfterValidator(_usable)]


def _not_empty(value: SecretStr | Path | None) -> SecretStr | Path | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if value is not None and text.strip() in ("", "."):
        raise ValueError("it is empty, and an empty key is no key: set one, or leave the setting out altogether")
    return value


def _user_state_dir() -> Path:
    """Return where programs keep the state of a user, as the XDG base directory specification has it."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():
        return given / "grpo-verifier"
    try:
        return Path.home() / ".local" / "state" / "grpo-verifier"
    except RuntimeError:  # a user without a home
        return Path(".grpo-verifier").absolute()


class Settings(BaseSettings):
    """The service's settings. Times are in seconds, memory in MiB."""

    model_config = SettingsConfigDict(env_prefix="VERIFIER_", frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="the port to listen on; 0 takes any that is free")
    log_format: Literal["console", "json"] = Field(default="console", description="`json` is for machines")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`"
    )
    log_text: bool = Field(default=False, description="whether logs may quote submissions, tests and what they caused")
    access_log: Literal["off", "debug", "info"] = Field(
        default="info", description="at which level each request has a line; probes and /metrics are at debug"
    )

    api_key: SecretStr | None = Field(
        default=None, description="the key called `default`: requests must carry `Authorization: Bearer <key>`"
    )
    api_key_file: Path | None = Field(default=None, description="a file that holds it, for secrets that are mounted")
    keys_file: Path | None = Field(
        default=None, description="named keys, as `python -m verifier_service keys` makes them"
    )
    insecure: bool = Field(default=False, description="serve without a key on an address that others reach")
    published_on: str | None = Field(
        default=None,
        description="the address on which others reach this service, where that is not `host`: a container listens on "
        "0.0.0.0, and its port is published on 127.0.0.1",
    )
    allowed_hosts: str = Field(
        default="",
        description="names, with commas between, that requests may have as Host beside loopback, addresses, `host` and "
        "this machine's own; `*.example.org` allows all below it, `*` every one",
    )
    otlp_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", description="where traces are sent"
    )

    runner: RunnerChoice = Field(
        default=RunnerChoice.AUTO, description="`docker`, `bubblewrap`, or `auto`: the first that works here"
    )
    isolation: Literal["submission", "container"] = Field(
        default="submission", description="`container` uses every box for one submission only"
    )
    boxes: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="programs that run at once")
    docker_hosts: Annotated[list[str], NoDecode, BeforeValidator(_hosts)] = Field(
        default=[],
        description="daemons to share the boxes among, with commas between: `unix:///PATH`, `tcp://HOST:2376`, "
        "`ssh://USER@HOST`; one alone is given as `DOCKER_HOST`. Without `VERIFIER_BOXES` there are as many boxes as "
        "all of them have cores",
    )
    docker_runtime: str | None = Field(default=None, description="for instance `runsc`; Docker's default when unset")
    libraries: Literal["pinned", "none"] = Field(
        default="pinned",
        description="what Python programs may import under bubblewrap: the same as in the image, or with `none` the "
        "standard library alone, and no pytest; for a machine on which nothing was prepared",
    )
    image_prefix: str = Field(default="grpo-verifier", description="sandbox images are called PREFIX/LANGUAGE")

    math_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="comparisons that run at once"
    )
    math_time_limit_s: float = Field(default=10.0, gt=0, description="CPU seconds for one comparison")
    math_memory_limit_mb: int = Field(
        default=1024, ge=128, description="MiB a math worker may add to what it starts with"
    )
    math_secret: SecretStr | None = Field(
        default=None,
        description="draws the points at which expressions are compared; a random one, kept in `state_dir`, when unset",
    )

    max_batch: int = Field(default=4096, ge=1, description="submissions in one request")
    max_queued: int = Field(
        default=16384, ge=1, description="submissions waiting or running; above it requests wait, and then get 503"
    )
    queue_wait_s: float = Field(
        default=10.0, ge=0, description="how long a request waits for a place in the queue, within its deadline"
    )
    max_body_mb: int = Field(default=64, ge=1, description="the largest body of a request")
    max_bodies_mb: int = Field(
        default=256,
        ge=1,
        description="what the bodies of all requests in hand may take; a client may have as much as it leaves free, "
        "and whoever has no room gets 503",
    )
    default_deadline_s: float = Field(default=600.0, gt=0, description="for requests without a `deadline_s`")

    max_connections: int = Field(
        default=1024, ge=8, description="open at once; at most half of the descriptors that the process may have"
    )
    header_time_s: float = Field(default=10.0, gt=0, description="how long a client may take to send a request's head")
    body_time_s: float = Field(
        default=20.0,
        gt=0,
        description="how long a body may take to come, or an answer to be read, beside what `min_body_kb_s` allows",
    )
    min_body_kb_s: float = Field(
        default=16.0,
        gt=0,
        description="KiB a second: a body that comes more slowly than this, over all, is given up, and an answer "
        "that is read more slowly",
    )
    keep_alive_s: float = Field(default=15.0, gt=0, description="how long a connection may be idle between requests")
    drain_s: float = Field(
        default=30.0, ge=0, description="how long requests in hand may go on after SIGTERM, before they get 503"
    )
    _keys_are_not_empty = field_validator("api_key", "api_key_file", "keys_file")(_not_empty)

    compat: Annotated[frozenset[Stack], NoDecode, BeforeValidator(_stacks)] = Field(
        default=frozenset(Stack),
        description="other stacks whose endpoints are served, with commas between: " + ", ".join(Stack) + "; or `none`",
    )
    nemo_gym_judge_error: Literal["mask", "error"] = Field(
        default="mask",
        description="how NeMo-Gym's callers hear that we failed: `mask_sample` with 200, or 503 for those that do not "
        "read that field",
    )

    default_time_limit_s: float = TIME.default_field()
    max_time_limit_s: float = TIME.maximum_field()
    max_wall_limit_s: float = WALL.maximum_field()
    default_memory_limit_mb: int = MEMORY.default_field()
    max_memory_limit_mb: int = MEMORY.maximum_field()
    default_output_limit_kb: int = OUTPUT.default_field()
    max_output_limit_kb: int = OUTPUT.maximum_field()
    default_max_processes: int = PROCESSES.default_field()
    max_max_processes: int = PROCESSES.maximum_field()
    budget_share: float = Field(
        default=1 / 3, gt=0, le=1, description="the part of a deadline that all tests of one submission may take"
    )
    compile_time_limit_s: float = Field(default=20.0, gt=0, description="CPU seconds of a compiler")
    compile_cache_mb: int = Field(
        default=256, ge=0, description="what compilers made is kept up to here; 0 keeps nothing"
    )

    max_suites: int = Field(default=10_000, ge=1, description="suites kept; above it the one unused for longest goes")
    max_suites_mb: int = Field(default=1024, ge=1, description="what all kept suites may take together")

    state_dir: Path = Field(
        default_factory=_user_state_dir,
        description="where suites, and without `database_url` submissions, are kept: `$XDG_STATE_HOME/grpo-verifier`, "
        "which is `~/.local/state/grpo-verifier`",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="`postgresql+psycopg://...`: durable submissions in a database that several services may share",
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="`NORMAL` may lose the last submissions when the power fails, and is faster"
    )
    durable_deadline_s: float = Field(
        default=86400.0, gt=0, description="how long a durable submission without a `deadline_s` may take"
    )
    lease_s: float = Field(
        default=30.0,
        ge=1,
        description="how long one of several services may be silent with what it took",
    )
    keep_results_s: float = Field(
        default=7 * 86400.0, gt=0, description="how long a durable submission is kept when done"
    )
    keep_results_mb: int = Field(
        default=4096, ge=1, description="what all that are done may take together; above it the oldest go"
    )
    webhook_hosts: list[str] = Field(
        default=[],
        description="hosts that a `callback_url` may name; private addresses only if they or their networks are here",
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None, description="signs webhooks: `whsec_` and base64, as Standard Webhooks has it"
    )
    webhook_secrets: dict[str, WebhookSecret] = Field(
        default={}, description="the secrets of single clients, by the name of their key"
    )


def variable_of(field: str) -> str:
    """Return the variable of the environment from which a setting is read, by the setting's name or its alias."""
    info = Settings.model_fields.get(field)
    return field if info is None else str(info.validation_alias or f"VERIFIER_{field.upper()}")


def is_secret(field: str) -> bool:
    """Tell whether a setting holds secrets, alone or among other things."""
    info = Settings.model_fields.get(field)
    return info is not None and "SecretStr" in str(info.annotation)
