"""The messages between the supervisor and the processes it starts. Each process has its own channel.

The supervisor sends messages of the form `length (4) | bytes`: first the orders and then, for calls, one question after
the other. The process sends answers of the form `kind (1) | length (4) | bytes`. Once its program runs, the process can
write anything to the channel. So the supervisor reads answers only up to a maximum length, and they prove nothing.
"""

import marshal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from struct import Struct

from sandboxes.protocol.config import Confinement
from sandboxes.protocol.job import Mode

CHANNEL_FD, LINK_FD = 1000, 1001
"""The descriptors of a process's channel, and of the link between a program and its tester."""
LENGTH = Struct(">I")
ANSWER = Struct(">BI")  # kind, length


class Answer(IntEnum):
    """The kinds of answers."""

    CONFINED = 0  # comes first: if the process ends before it, we have failed; if it ends after, the program has
    READY = 1  # the module is loaded
    RETURNED = 2
    RAISED = 3
    NOT_PLAIN = 4
    OUT_OF_MEMORY = 5
    NOT_COMPILED = 6
    REPORT = 7  # from a tester, see `protocol.report`
    LEFT_PROCESSES = 8  # with namespaces: some of the program's processes were still alive when it ended


class Role(StrEnum):
    """The purpose of a process; `sandboxes.harness.child.main.ROLES` has the code for each."""

    EXECUTE = "execute"  # become another program: a compiler, or a submission that is not Python
    SCRIPT = "script"  # run the source as `__main__`
    CALLS = "calls"  # load the source as a module and answer calls
    SERVE = "serve"  # load the source as a module and let the tester use it
    TEST = "test"  # be that tester
    LIST = "list"  # list the tests, in a process that never sees the submission
    PLAIN = "plain"  # be both: load the source as a module, and run the tests against it in the same process


@dataclass(frozen=True, kw_only=True)
class TestOrders:
    """The orders of a tester: the tests, and how they refer to the submission.

    `folder` is for pytest's files and is created if necessary. `wanted` limits the run to some tests, given by the ids
    under which an earlier run `collected` them; None means all.
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
    """What a forked process has to become. They are sent over its channel, so no other process has them in memory."""

    role: Role
    folder: str
    writable: tuple[str, ...]
    private_folder: bool = True
    """With namespaces: whether the process gets its own private copy of the folder."""
    working_folder: str = ""
    """The process's working folder if it is not `folder`: it is shared, and other processes can use its files."""
    argv: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    uid: int
    confinement: Confinement
    seccomp: bool
    no_new_privileges: bool
    """Whether the kernel's no_new_privs flag is already set."""
    rlimits: tuple[tuple[int, int], ...]
    source_file: str
    prelude: bytes = b""
    module: str
    entry_point: str | None
    exact_answers: bool = False
    tests: TestOrders | None = None

    def to_bytes(self) -> bytes:
        """Return the orders as bytes. Marshal is the fastest format, and both ends are the same interpreter."""
        plain = {name: str(value) if isinstance(value, StrEnum) else value for name, value in vars(self).items()}
        if self.tests is not None:
            plain["tests"] = {**vars(self.tests), "mode": str(self.tests.mode)}
        return marshal.dumps(plain)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Orders":
        """Read orders. Only use this on bytes from the supervisor: marshal must never read untrusted data."""
        plain = marshal.loads(data)
        plain["role"] = Role(plain["role"])
        plain["confinement"] = Confinement(plain["confinement"])
        if plain["tests"] is not None:
            plain["tests"] = TestOrders(**{**plain["tests"], "mode": Mode(plain["tests"]["mode"])})
        return cls(**plain)


def read_exactly(size: int, read: Callable[[int], bytes]) -> bytes:
    """Read exactly `size` bytes with `read(at_most)`, which can return fewer bytes at a time.

    Raises:
        EOFError: The other end has hung up.
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
    """Read the next message from a process's channel.

    Raises:
        EOFError: The other end has hung up.
    """
    (length,) = LENGTH.unpack(read_exactly(LENGTH.size, read))
    return read_exactly(length, read)


class Answers:
    """Splits the bytes that a process writes to its channel into answers."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Add the next chunk."""
        self._buffer += chunk

    @property
    def too_long(self) -> bool:
        """Whether the buffered data, or the announced length of the next answer, exceeds the maximum."""
        if len(self._buffer) < ANSWER.size:
            return False
        announced = ANSWER.unpack_from(self._buffer)[1]
        return max(announced, len(self._buffer) - ANSWER.size) > self._max_bytes

    @property
    def next_kind(self) -> int | None:
        """The kind of the next answer, complete or not; None if nothing is buffered."""
        return self._buffer[0] if self._buffer else None

    def take(self) -> tuple[int, bytes] | None:
        """Remove the next answer and return its kind and payload; None if it is not complete yet."""
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
