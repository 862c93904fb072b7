"""The limits of one test: one table, from which the wire type, settings, checks and documents are derived.

To add a limit, add a row and a field here, its settings, a field of `sandboxes.protocol.job.Limits`, and the code that
enforces it in the box.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from verifier_service.schema.base import Asked


@dataclass(frozen=True)
class Limit:
    """One limit. `default` and `maximum` are those of a service whose settings leave them alone.

    A limit whose default is None has a `rule` that derives it from other limits. `least` is the smallest value that a
    setting can have.
    """

    name: str
    unit: str
    what: str
    default: float | None
    maximum: float
    rule: str = ""
    least: float = 1

    @property
    def default_setting(self) -> str:
        """The name of the setting with its default."""
        return f"default_{self.name}"

    @property
    def maximum_setting(self) -> str:
        """The name of the setting with the maximum that a request may ask for."""
        return f"max_{self.name}"

    # The next three return `Any` because pydantic types `Field()` as Any.

    def asked(self) -> Any:
        """Return the field of a request."""
        return Field(default=None, gt=0, allow_inf_nan=False, description=f"{self.unit} {self.what}")

    def default_field(self) -> Any:
        """Return the setting of the default."""
        return Field(
            default=self.default,
            ge=self.least,
            description=f"default of `limits.{self.name}`, for requests that omit it",
        )

    def maximum_field(self) -> Any:
        """Return the setting of the maximum."""
        return Field(
            default=self.maximum, ge=self.least, description=f"largest `limits.{self.name}` that a request can ask for"
        )


TIME = Limit("time_limit_s", "CPU seconds", "for one test, all its processes together", 5.0, 30.0, least=0.001)
WALL = Limit(
    "wall_limit_s",
    "seconds on the clock",
    "for one test, a safety net above the CPU time",
    None,
    120.0,
    rule="3 * time_limit_s + 2",
    least=0.001,
)
MEMORY = Limit("memory_limit_mb", "MiB", "for one test, beyond what an empty program takes", 512, 2048, least=16)
OUTPUT = Limit("output_limit_kb", "KiB", "of stdout and stderr together, or of one returned value", 1024, 16384)
PROCESSES = Limit("max_processes", "processes and threads", "of one test that are alive at once", 128, 256)

LIMITS = (TIME, WALL, MEMORY, OUTPUT, PROCESSES)


class Limits(Asked):
    """How much one test can use. A field that is omitted has the service's default.

    `GET /v1/info` has the defaults and maxima of your service. A limit above the maximum is a `judge_error` of that
    submission.
    """

    time_limit_s: float | None = TIME.asked()
    wall_limit_s: float | None = WALL.asked()
    memory_limit_mb: int | None = MEMORY.asked()
    output_limit_kb: int | None = OUTPUT.asked()
    max_processes: int | None = PROCESSES.asked()
