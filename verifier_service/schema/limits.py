"""The limits of one test: one table, from which wire type, settings, checks and documents follow.

To add a limit: a row and a field here, its settings, a field of `sandboxes.protocol.job.Limits`, and what enforces it
in the box.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from verifier_service.schema.base import Asked


@dataclass(frozen=True)
class Limit:
    """One limit. `default` and `maximum` are what holds if no setting says otherwise.

    A limit whose default is None has a `rule` that makes it from other limits; `least` is the least that a setting
    may say.
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
        """The name of the setting with the most that a request may ask for."""
        return f"max_{self.name}"

    # What follows goes into models, whose fields pydantic types as Any.

    def asked(self) -> Any:
        """Return the field of a request."""
        return Field(default=None, gt=0, allow_inf_nan=False, description=f"{self.unit}: {self.what}")

    def default_field(self) -> Any:
        """Return the setting of the default."""
        return Field(default=self.default, ge=self.least, description=f"{self.unit}; what `{self.name}` is if left out")

    def maximum_field(self) -> Any:
        """Return the setting of the maximum."""
        return Field(default=self.maximum, ge=self.least, description=f"{self.unit}; the most `{self.name}` may be")


TIME = Limit("time_limit_s", "CPU seconds", "one test, with all its processes", 5.0, 30.0, least=0.001)
WALL = Limit(
    "wall_limit_s",
    "seconds on the clock",
    "one test, a net above the CPU time",
    None,
    120.0,
    rule="3 * time_limit_s + 2",
    least=0.001,
)
MEMORY = Limit("memory_limit_mb", "MiB", "memory beyond what an empty program takes", 512, 2048, least=16)
OUTPUT = Limit("output_limit_kb", "KiB", "stdout and stderr together, or one returned value", 1024, 16384)
PROCESSES = Limit("max_processes", "processes and threads", "alive at once", 128, 256)

LIMITS = (TIME, WALL, MEMORY, OUTPUT, PROCESSES)


class Limits(Asked):
    """What one test may use. A field that is left out takes the service's default; `GET /v1/info` tells both."""

    time_limit_s: float | None = TIME.asked()
    wall_limit_s: float | None = WALL.asked()
    memory_limit_mb: int | None = MEMORY.asked()
    output_limit_kb: int | None = OUTPUT.asked()
    max_processes: int | None = PROCESSES.asked()
