"""The contract of a runner: what goes into a box, which facts come out, and what a caller may conclude from failures.

A *runner* (docker, bubblewrap) starts boxes. A *box* is one warm sandbox for one language that runs one job after
another, and proves after each that nothing of it is left. A *job* is one submission with the inputs of its tests; what
the tests expect is not in it where the service can compare by itself (`stdio`, `call`). What comes back are *facts*;
verdicts are made in `judges.code_judge`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from verifier_service.languages import Language


@dataclass(frozen=True, kw_only=True)
class BoxLimits:
    """What one test of a job may use; all of it is enforced inside and, where it can be, again outside the box."""

    time_limit_s: float
    wall_limit_s: float
    memory_limit_mb: int
    output_limit_kb: int
    max_processes: int
    compile_time_limit_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """One submission and what its tests feed it.

    `inputs`: for `stdio` the bytes of each stdin; for `call` the `sandboxes.harness.wire` encoding of `[args, kwargs]`
    of each case. `files` and `module` are for the tester process: `assert` has one file, `tests.py`.
    """

    language: Language
    mode: Literal["stdio", "call", "assert", "pytest"]
    source: str
    limits: BoxLimits
    inputs: tuple[bytes, ...] = ()
    argv: tuple[str, ...] = ()
    side_files: dict[str, bytes] = field(default_factory=dict)
    """`stdio` only: files that lie beside the program, readable by it, and arguments that may name them."""
    entry_point: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    module: str = "solution"


class End(StrEnum):
    """How one test of the program ended, as a fact that was seen from outside the program."""

    EXITED = "exited"  # stdio: it ended by itself, see exit_code
    SIGNALED = "signaled"  # it was ended by a signal that we did not send
    RETURNED = "returned"  # call: it answered, see value
    RAISED = "raised"  # call: the entry point raised, or the module did when it was loaded
    UNPLAIN = "unplain"  # call: it returned what is not plain data
    LOST = "lost"  # call, assert, pytest: the program ended, or its answers broke off, before it had answered
    CPU_LIMIT = "cpu_limit"
    WALL_LIMIT = "wall_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    NOT_COMPILED = "not_compiled"  # Python: the source is no Python


@dataclass(frozen=True, kw_only=True)
class CompileFacts:
    """What the compiler said. `end` is EXITED with its exit code, or the limit that it hit."""

    end: End
    exit_code: int = 0
    message: str = ""
    time_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TestFacts:
    """What was seen of one test of `stdio` or `call`; they come in order of `index`.

    `stdout` is complete, or `end` is OUTPUT_LIMIT. `value` is the wire encoding of what was returned, made by the
    program and therefore not to be trusted in any way. `message` is for people: a tail of stderr, an exception.
    """

    __test__ = False

    index: int
    end: End
    exit_code: int = 0
    signal: int = 0
    stdout: bytes = b""
    value: bytes = b""
    message: str = ""
    time_s: float = 0.0
    wall_s: float = 0.0
    memory_mb: float = 0.0


class TestOutcome(StrEnum):
    """What the tester process concluded of one of its tests."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # the test could not be carried out: a fixture or its own code broke
    SKIPPED = "skipped"
    MISSING = "missing"  # it was collected and has no outcome


@dataclass(frozen=True, kw_only=True)
class TesterTest:
    """One test of the tester process: an assert statement, a `check(candidate)`, or an id of pytest."""

    __test__ = False

    id: str
    outcome: TestOutcome
    message: str = ""
    time_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TesterFacts:
    """What the tester process reported over its own channel, which the program cannot reach.

    `tests` lists every collected test. `broken` is set when the test code itself cannot be used whatever the
    submission is (a syntax error, no test in it): ReferenceUnusable. `program_end` is set when the program did not
    live to the end of the tests: with which limit, or LOST.
    """

    __test__ = False

    tests: tuple[TesterTest, ...]
    finished: bool
    broken: str = ""
    program_end: End | None = None
    message: str = ""
    time_s: float = 0.0
    memory_mb: float = 0.0


Fact = CompileFacts | TestFacts | TesterFacts


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of a self-check: a guarantee, whether it holds here, and what was seen."""

    name: str
    ok: bool
    detail: str


class Box(ABC):
    """One warm sandbox. Not for concurrent use."""

    language: Language

    @abstractmethod
    def run(self, job: Job) -> AsyncGenerator[Fact, None]:
        """Run `job` and yield its facts as they come: one CompileFacts if the language compiles, then one TestFacts for
        each input in order, or one TesterFacts.

        The iterator ends only after the box has proved that nothing of the job is left. Closing the iterator early
        (`aclose`, cancellation, stop_on_failure) stops the job; the box may be used again only if `healthy`.

        Raises:
            BoxDied: the box died, broke the protocol or could not be reset; nothing may be concluded of the tests
                whose facts did not arrive, and the box is unusable.
        """

    @property
    @abstractmethod
    def healthy(self) -> bool:
        """Whether the box may run another job: it lives, and the reset after the last job was proved."""

    @abstractmethod
    async def close(self) -> None:
        """Destroy the box and everything in it. Never raises, may be called twice."""


class Runner(ABC):
    """A way to start boxes on this machine."""

    name: str

    @abstractmethod
    async def start_box(self, language: Language) -> Box:
        """Start one box and wait until its interpreter is warm.

        Raises:
            RunnerUnavailable: no box can be started for this language; the message says what to do.
        """

    @abstractmethod
    async def available(self) -> str | None:
        """Return None if boxes can be started here, else the reason why not and what to do about it."""

    @abstractmethod
    async def languages(self) -> dict[str, str]:
        """Return the languages whose boxes can be started here, each with its compiler's or interpreter's version."""

    @abstractmethod
    async def self_check(self) -> list[Check]:
        """Try every guarantee in a real box (no network, read-only root, ...) and tell what was seen."""

    @abstractmethod
    async def close(self) -> None:
        """Destroy every box that this runner started, also those that were lost track of."""
