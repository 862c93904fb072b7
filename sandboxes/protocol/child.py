"""What the supervisor and the processes it starts say to each other, over a channel of their own for each process.

To the process go messages of `length (4) | bytes`: its orders first, then for calls one question after the other. From
it come answers of `kind (1) | length (4) | bytes`. The process may write anything there once its program runs, so an
answer is only ever read with a limit on its length, and proves nothing.
"""

import marshal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from struct import Struct

from sandboxes.protocol.config import Confinement
from sandboxes.protocol.job import Mode

CHANNEL_FD, LINK_FD = 1000, 1001
"""Where a process finds its channel, and the link between a program and its tester."""
LENGTH = Struct(">I")
ANSWER = Struct(">BI")  # kind, length


class Answer(IntEnum):
    """The kinds of answers."""

    CONFINED = 0  # first of all: what ends a process before is our failure, what ends it after is the program's
    READY = 1  # the module is loaded
    RETURNED = 2
    RAISED = 3
    NOT_PLAIN = 4
    OUT_OF_MEMORY = 5
    NOT_COMPILED = 6
    REPORT = 7  # from a tester, see `protocol.report`
    LEFT_PROCESSES = 8  # in namespaces of its own: the program has ended, and processes of it had not


class Role(StrEnum):
    """What a process is started for; `sandboxes.harness.child.main.ROLES` has the code for each."""

    EXECUTE = "execute"  # become another program: a compiler, or a submission that is not Python
    SCRIPT = "script"  # run the source as `__main__`
    CALLS = "calls"  # load the source as a module and answer calls
    SERVE = "serve"  # load the source as a module and let the tester use it
    TEST = "test"  # be that tester
    LIST = "list"  # find out which tests there are, with no submission anywhere near
    PLAIN = "plain"  # be both: load the source as a module, and run the tests against it in the same process


@dataclass(frozen=True, kw_only=True)
class TestOrders:
    """What a tester has to do: the tests, and how they name the submission.

    `folder` is for the files of pytest, and is made if it is not there. `wanted` are the only tests of interest, by the
    ids that they were `collected` under before; None for all.
    """

    __test__ = False

    mode: Mode
    files: dict[str, str]
    module: str = "solution"
    entry_point: str | None = None
    folder: str | None = None
    wanted: tuple[str, ...] | None = None
    collected: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a forked process has to become. It gets them over its channel, so they are in no other process's memory."""

    role: Role
    folder: str
    writable: tuple[str, ...]
    private_folder: bool = True
    """With namespaces: whether the process gets a copy of the folder that nobody else sees."""
    working_folder: str = ""
    """Where the process starts, if not in `folder`: one that it shares with others, who may use what it makes."""
    argv: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    uid: int
    confinement: Confinement
    seccomp: bool
    no_new_privileges: bool
    """Whether that is set already."""
    rlimits: tuple[tuple[int, int], ...]
    source_file: str
    prelude: bytes = b""
    module: str
    entry_point: str | None
    exact_answers: bool = False
    tests: TestOrders | None = None

    def to_bytes(self) -> bytes:
        """Return the orders for the channel; marshal is the quickest to read, and both ends are one interpreter."""
        plain = {name: str(value) if isinstance(value, StrEnum) else value for name, value in vars(self).items()}
        if self.tests is not None:
            plain["tests"] = {**vars(self.tests), "mode": str(self.tests.mode)}
        return marshal.dumps(plain)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Orders":
        """Read orders that the supervisor wrote; never anything else."""
        plain = marshal.loads(data)
        plain["role"] = Role(plain["role"])
        plain["confinement"] = Confinement(plain["confinement"])
        if plain["tests"] is not None:
            plain["tests"] = TestOrders(**{**plain["tests"], "mode": Mode(plain["tests"]["mode"])})
        return cls(**plain)


def read_exactly(size: int, read: Callable[[int], bytes]) -> bytes:
    """Return the next `size` bytes of what `read(at_most)` gives piece by piece.

    Raises:
        EOFError: the other end has hung up.
    """
    data = read(size)
    if len(data) == size:
        return data
    parts = bytearray(data)
    while len(parts) < size:
        chunk = read(size - len(parts))
        if not chunk:
            raise EOFError
        parts += chunk
    return bytes(parts)


def read_message(read: Callable[[int], bytes]) -> bytes:
    """Return the next message of a process's channel.

    Raises:
        EOFError: the other end has hung up.
    """
    (length,) = LENGTH.unpack(read_exactly(LENGTH.size, read))
    return read_exactly(length, read)


class Answers:
    """Cuts what a process writes to its channel into answers."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk."""
        self._buffer += chunk

    @property
    def too_long(self) -> bool:
        """Whether an answer, or all that came ahead of a question, is longer than allowed."""
        if len(self._buffer) < ANSWER.size:
            return False
        announced = ANSWER.unpack_from(self._buffer)[1]
        return max(announced, len(self._buffer) - ANSWER.size) > self._max_bytes

    @property
    def next_kind(self) -> int | None:
        """The kind of the next answer, complete or not, if any of it has come."""
        return self._buffer[0] if self._buffer else None

    def take(self) -> tuple[int, bytes] | None:
        """Return the kind and the payload of the next answer if it is complete."""
        if len(self._buffer) < ANSWER.size:
            return None
        kind, length = ANSWER.unpack_from(self._buffer)
        end = ANSWER.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[ANSWER.size : end])
        del self._buffer[:end]
        return kind, payload

    def __len__(self) -> int:
        return len(self._buffer)
