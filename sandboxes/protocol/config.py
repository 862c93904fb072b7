"""The configuration of a box: the single argument of `python3 -m sandboxes.harness`, which the runner writes."""

import json
from dataclasses import dataclass
from enum import StrEnum

from sandboxes.protocol.records import pack, unpack


class Confinement(StrEnum):
    """How processes of programs are isolated from everything else in a box."""

    UIDS = "uids"  # each gets its own uid; the supervisor needs the capabilities to change uids and to kill
    NAMESPACES = "namespaces"  # each gets its own user, pid and mount namespaces


@dataclass(frozen=True, kw_only=True)
class BoxConfig:
    """The configuration that a runner passes to the supervisor of its box.

    The box's uids start at `uid_base`. `seccomp` enables the harness's own filter, for runners that set none. `tester`
    is for languages that are called and tested from Python.
    """

    uid_base: int = 0
    confinement: Confinement = Confinement.UIDS
    seccomp: bool = False
    tester: bool = False

    def command(self, python: str) -> list[str]:
        """Return the command that starts a supervisor with this configuration."""
        head, _ = pack(self)
        return [python, "-m", "sandboxes.harness", json.dumps(head)]

    @classmethod
    def from_argument(cls, argument: str) -> "BoxConfig":
        """Read the configuration from the argument of that command."""
        return unpack(cls, json.loads(argument))
