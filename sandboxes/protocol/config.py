"""How a box is started: the one argument of `python3 -m sandboxes.harness`, written by runners and read by the box."""

import json
from dataclasses import dataclass
from enum import StrEnum

from sandboxes.protocol.records import pack, unpack


class Confinement(StrEnum):
    """How the processes of programs are kept from everything else in a box."""

    UIDS = "uids"  # each gets a uid of its own; for supervisors that may change uid and kill
    NAMESPACES = "namespaces"  # each gets user, pid and mount namespaces of its own


@dataclass(frozen=True, kw_only=True)
class BoxConfig:
    """What a runner tells the supervisor of its box.

    Uids are taken from `uid_base` on. `seccomp` asks for the harness's own filter, where the runner sets none.
    `tester` is for boxes of a language that is called and tested from Python.
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
