"""Every setting of the service, read from `VERIFIER_*` in the environment; no other module reads it."""

import base64
import binascii
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from verifier_service.schema.limits import MEMORY, OUTPUT, PROCESSES, TIME, WALL

PREFIX = "VERIFIER_"
OTHER_VARIABLES = frozenset(
    f"{PREFIX}{name}" for name in ("URL", "BIND", "MEMORY", "CPUS", "DOCKER_HOST", "E2E", "E2E_URL")
)
"""Variables with the prefix of the settings that the client, docker-compose.yml or the tests read."""
_OF_KUBERNETES = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""What Kubernetes sets in every container for a service that is called `verifier`: VERIFIER_PORT_8000_TCP_ADDR."""


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
        ValueError: one is not such an address, or occurs twice.
    """
    names = [one.strip() for one in given.split(",") if one.strip()] if isinstance(given, str) else given
    if not isinstance(names, list):
        raise ValueError(f"{given!r} is not a list of addresses with commas between")
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"(unix:///|tcp://|ssh://)\S+", name):
            raise ValueError(
                f"{name!r} is not the address of a Docker daemon: unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"
            )
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice")
    return names


WebhookSecret = Annotated[SecretStr, AfterValidator(_usable)]


def _not_empty(value: SecretStr | Path | None) -> SecretStr | Path | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if value is not None and text.strip() in ("", "."):
        raise ValueError("it is empty: set a key, or omit the setting")
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

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_name_is_misspelled(cls, values: object) -> object:
        if wrong := misspelled(os.environ):
            raise ValueError(
                "; ".join(f"{name}: there is no such setting; the nearest is {near}" for name, near in wrong.items())
            )
        return values

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    log_format: Literal["console", "json"] = Field(
        default="console", description="form of the log: `console` for people, `json` for machines"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least important level that is logged"
    )
    log_text: bool = Field(default=False, description="quote submissions, tests and their output in the log")
    access_log: Literal["off", "debug", "info"] = Field(
        default="info", description="level at which each request is logged; probes and `/metrics` are always at `debug`"
    )

    api_key: SecretStr | None = Field(
        default=None, description="a key, named `default`, that requests must send as `Authorization: Bearer KEY`"
    )
    api_key_file: Path | None = Field(default=None, description="a file with that key, for mounted secrets")
    keys_file: Path | None = Field(default=None, description="a file with named keys, made by `grpo-verifier keys`")
    insecure: bool = Field(default=False, description="allow serving without a key on an address that others can reach")
    published_on: str | None = Field(
        default=None,
        description="address on which others reach the service, if not `VERIFIER_HOST`: a container listens on 0.0.0.0 "
        "and its port is published on 127.0.0.1",
    )
    allowed_hosts: str = Field(
        default="",
        description="names that requests can have in `Host`, separated by commas, besides loopback, addresses, "
        "`VERIFIER_HOST` and the machine's own name; `*.example.org` allows every name below it, `*` every name",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="address to send traces to; without it there are none",
    )

    runner: RunnerChoice = Field(
        default=RunnerChoice.AUTO, description="what starts boxes; `auto` takes the first that works here"
    )
    isolation: Literal["submission", "container"] = Field(
        default="submission", description="when a box is replaced: `container` uses each one for a single submission"
    )
    boxes: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="boxes, and so programs that run at once"
    )
    docker_hosts: Annotated[list[str], NoDecode, BeforeValidator(_hosts)] = Field(
        default=[],
        description="Docker daemons that share the boxes, separated by commas: `unix:///PATH`, `tcp://HOST:2376`, "
        "`ssh://USER@HOST`. Without `VERIFIER_BOXES` there is a box for each of their cores. For a single daemon use "
        "`DOCKER_HOST`",
    )
    docker_runtime: str | None = Field(
        default=None, description="Docker runtime of the boxes, for example `runsc`; Docker's default when unset"
    )
    libraries: Literal["pinned", "none"] = Field(
        default="pinned",
        description="what Python programs can import under bubblewrap: the libraries of the image (`pinned`), or only "
        "the standard library and no pytest (`none`, for a machine on which nothing was prepared)",
    )
    image_prefix: str = Field(
        default="grpo-verifier", description="prefix of the names of sandbox images: PREFIX/LANGUAGE"
    )

    math_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="math workers, and so comparisons that run at once",
    )
    math_time_limit_s: float = Field(default=10.0, gt=0, description="CPU time of one comparison")
    math_memory_limit_mb: int = Field(
        default=1024, ge=128, description="memory that one comparison can add to a math worker"
    )
    math_secret: SecretStr | None = Field(
        default=None,
        description="secret that draws the points at which expressions are compared; when unset, a random one is kept "
        "in `VERIFIER_STATE_DIR`",
    )

    max_batch: int = Field(default=4096, ge=1, description="most submissions or runs in one request")
    max_queued: int = Field(
        default=16384, ge=1, description="most submissions that wait or run; beyond it requests wait, and then get 503"
    )
    queue_wait_s: float = Field(
        default=10.0, ge=0, description="longest wait for a place in the queue, within the request's deadline"
    )
    max_body_mb: int = Field(default=64, ge=1, description="largest body of a request")
    max_bodies_mb: int = Field(
        default=256,
        ge=1,
        description="most memory for the bodies of all requests in flight; one client can have as much as is then "
        "still free, and gets 503 beyond it",
    )
    default_deadline_s: float = Field(default=600.0, gt=0, description="`deadline_s` of requests that omit it")

    max_connections: int = Field(
        default=1024, ge=8, description="most open connections; at most half of the process's file descriptors"
    )
    header_time_s: float = Field(
        default=10.0, gt=0, description="longest time for a client to send the request headers"
    )
    body_time_s: float = Field(
        default=20.0,
        gt=0,
        description="longest time for a body to arrive or an answer to be read, in addition to what "
        "`VERIFIER_MIN_BODY_KB_S` allows for its size",
    )
    min_body_kb_s: float = Field(
        default=16.0,
        gt=0,
        description="slowest average pace at which a body can arrive and an answer can be read",
    )
    keep_alive_s: float = Field(default=15.0, gt=0, description="longest idle time of a connection between requests")
    drain_s: float = Field(
        default=30.0, ge=0, description="time for requests in flight to finish after SIGTERM; then they get 503"
    )
    _keys_are_not_empty = field_validator("api_key", "api_key_file", "keys_file")(_not_empty)

    compat: Annotated[frozenset[Stack], NoDecode, BeforeValidator(_stacks)] = Field(
        default=frozenset(Stack),
        description="other stacks whose endpoints are also served, separated by commas: "
        + ", ".join(Stack)
        + "; or `none`",
    )
    nemo_gym_judge_error: Literal["mask", "error"] = Field(
        default="mask",
        description="what NeMo-Gym's callers get for a `judge_error`: `mask_sample` with status 200, or status 503 for "
        "callers that do not read that field",
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
        default=1 / 3, gt=0, le=1, description="share of a deadline that all tests of one submission can take"
    )
    compile_time_limit_s: float = Field(default=20.0, gt=0, description="CPU time of a compiler")
    compile_cache_mb: int = Field(
        default=256, ge=0, description="memory for compiled programs that are kept; 0 keeps none"
    )

    max_suites: int = Field(
        default=10_000, ge=1, description="most kept suites; beyond it the least recently used one is deleted"
    )
    max_suites_mb: int = Field(default=1024, ge=1, description="most room for all kept suites")

    state_dir: Path = Field(
        default_factory=_user_state_dir,
        description="folder of kept suites, the math secret and, without `VERIFIER_DATABASE_URL`, durable submissions: "
        "`$XDG_STATE_HOME/grpo-verifier`, else `~/.local/state/grpo-verifier`",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL database for durable submissions, which several services can share: "
        "`postgresql+psycopg://USER:PASSWORD@HOST/NAME`",
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL",
        description="SQLite's `synchronous`: `NORMAL` is faster and can lose the last submissions when the power fails",
    )
    durable_deadline_s: float = Field(
        default=86400.0, gt=0, description="`deadline_s` of durable submissions that omit it"
    )
    lease_s: float = Field(
        default=30.0,
        ge=1,
        description="how long one of several services can be silent before the others take over its submissions",
    )
    keep_results_s: float = Field(
        default=7 * 86400.0, gt=0, description="how long finished durable submissions are kept"
    )
    keep_results_mb: int = Field(
        default=4096, ge=1, description="most room for finished durable submissions; beyond it the oldest are deleted"
    )
    webhook_hosts: list[str] = Field(
        default=[],
        description="hosts that a `callback_url` can name, as JSON; private addresses only if they or their networks "
        "are listed",
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None, description="secret that signs webhooks: `whsec_` and the base64 of 24 to 64 random bytes"
    )
    webhook_secrets: dict[str, WebhookSecret] = Field(
        default={}, description="webhook secrets of single clients, as JSON: the name of a key to its secret"
    )


def variable_of(field: str) -> str:
    """Return the variable of the environment from which a setting is read, by the setting's name or its alias."""
    info = Settings.model_fields.get(field)
    return field if info is None else str(info.validation_alias or f"{PREFIX}{field.upper()}")


def misspelled(names: Iterable[str]) -> dict[str, str]:
    """Return the variables that are not settings but look like one, each with the setting that it resembles.

    A misspelled setting would otherwise be ignored without a word: the service would run with the default. Names that
    resemble no setting can belong to other software.

    >>> misspelled(["VERIFIER_ISOLATON", "VERIFIER_URL", "VERIFIER_SERVICE_HOST"])
    {'VERIFIER_ISOLATON': 'VERIFIER_ISOLATION'}
    """
    known = {
        name.removeprefix(PREFIX): name for name in map(variable_of, Settings.model_fields) if name.startswith(PREFIX)
    }
    found = {}
    for name in sorted(names):
        upper = name.upper()  # the settings are read in any case
        stem = upper.removeprefix(PREFIX)
        if stem == upper or stem in known or upper in OTHER_VARIABLES or _OF_KUBERNETES.fullmatch(upper):
            continue
        if near := get_close_matches(stem, known, n=1, cutoff=0.85):
            found[name] = known[near[0]]
    return found


def is_secret(field: str) -> bool:
    """Tell whether a setting holds secrets, alone or among other things."""
    info = Settings.model_fields.get(field)
    return info is not None and "SecretStr" in str(info.annotation)
