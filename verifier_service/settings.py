"""Every setting of the service, read from `VERIFIER_*` in the environment; no other module reads it."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from verifier_service.schema.limits import MEMORY, OUTPUT, PROCESSES, TIME, WALL


class RunnerChoice(StrEnum):
    """Which backend runs untrusted programs."""

    AUTO = "auto"
    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"


class Settings(BaseSettings):
    """The service's settings. Times are in seconds, memory in MiB."""

    model_config = SettingsConfigDict(env_prefix="VERIFIER_", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = 8000
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    api_key: str | None = Field(default=None, description="when set, requests must carry `Authorization: Bearer <key>`")

    runner: RunnerChoice = RunnerChoice.AUTO
    isolation: Literal["submission", "container"] = Field(
        default="submission", description="`container` uses every box for one submission only"
    )
    boxes: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="programs that run at once")
    docker_runtime: str | None = Field(default=None, description="for instance `runsc`; Docker's default when unset")
    image_prefix: str = Field(default="grpo-verifier", description="sandbox images are called PREFIX/LANGUAGE")

    math_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
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
        default=16384, ge=1, description="submissions waiting or running; above it requests get 503"
    )
    max_body_mb: int = Field(default=64, ge=1)
    default_deadline_s: float = Field(default=600.0, gt=0)

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
    compile_time_limit_s: float = Field(default=20.0, gt=0)
    compile_cache_mb: int = Field(
        default=256, ge=0, description="what compilers made is kept up to here; 0 keeps nothing"
    )

    max_suites: int = Field(default=10_000, ge=1, description="suites kept; above it the one unused for longest goes")
    max_suites_mb: int = Field(default=1024, ge=1, description="what all kept suites may take together")

    state_dir: Path = Field(default=Path("runs/verifier"), description="where durable submissions are kept")
    keep_results_s: float = Field(
        default=7 * 86400.0, gt=0, description="how long a durable submission is kept when done"
    )
