"""Facts: what was seen of a job, from outside the program. They cross from box to service; verdicts are made there."""

from dataclasses import dataclass, field
from enum import StrEnum

from sandboxes.protocol.job import BuiltFile


class End(StrEnum):
    """How one test of the program ended."""

    EXITED = "exited"  # stdio: it ended by itself, see exit_code
    SIGNALED = "signaled"  # it was ended by a signal that we did not send
    RETURNED = "returned"  # call: it answered, see value
    RAISED = "raised"  # call: the entry point raised, or the module did when it was loaded
    NOT_PLAIN = "not_plain"  # call: it returned what is not plain data
    LOST = "lost"  # call, assert, pytest: the program ended, or its answers broke off, before it had answered
    CPU_LIMIT = "cpu_limit"
    WALL_LIMIT = "wall_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    NOT_COMPILED = "not_compiled"  # Python: the source is not valid Python
    BUDGET = "budget"  # all its tests together took longer than they may; no later test was begun


class Signal(StrEnum):
    """What the box saw that a trainer may want to log or punish; never a verdict by itself."""

    ENDED_EARLY = "ended_early"  # it ended by itself while an answer was owed
    LEFT_PROCESSES = "left_processes"  # processes of it were alive when it had ended
    TRIED_A_SOCKET = "tried_a_socket"  # it sent or tried to send something over the network, of which there is none
    FORBIDDEN_SYSTEM_CALL = "forbidden_system_call"  # the kernel ended it for a system call that no program may make


@dataclass(frozen=True, kw_only=True)
class CompileFacts:
    """What the compiler did. `end` is EXITED with its exit code, SIGNALED, or the limit that it hit.

    `message` is for people: the end of what it wrote. `built` is set if the job asked for it and the compiler was
    content; None if it is too large to keep.
    """

    end: End
    exit_code: int = 0
    signal: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    message: str = ""
    time_s: float = 0.0
    wall_s: float = 0.0
    memory_mb: float = 0.0
    built: dict[str, BuiltFile] | None = None
    cached: bool = False
    """Whether this is what an earlier compile of the same program did; the service's cache says so, no box does."""

    @property
    def succeeded(self) -> bool:
        """Whether there is a program to run."""
        return self.end is End.EXITED and self.exit_code == 0


@dataclass(frozen=True, kw_only=True)
class TestFacts:
    """What was seen of one test of `stdio` or `call`; they come in order of `index`.

    `stdout` is complete, or `end` is OUTPUT_LIMIT: then it is empty, or the beginning of it if the job asked for the
    whole of stderr. `stderr` is empty if the job did not. `value`
    is the plain encoding of what was returned, made by the program and therefore not to be trusted in any way.
    `files` are those of `Run.fetch` that exist, are plain files and fit into the output limit. `message` is for
    people: the end of stderr, or an exception.
    """

    __test__ = False

    index: int
    end: End
    exit_code: int = 0
    signal: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    value: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    message: str = ""
    time_s: float = 0.0
    wall_s: float = 0.0
    memory_mb: float = 0.0
    counted_s: float = 0.0
    """What the test took of the budget of all: CPU time, or time on the clock in which nothing kept it from running."""
    signals: tuple[Signal, ...] = ()


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
    submission is (a syntax error, no test in it). `program_end` is set when the program did not live to the end of
    the tests: with which limit, or LOST.
    """

    __test__ = False

    tests: tuple[TesterTest, ...]
    finished: bool
    broken: str = ""
    program_end: End | None = None
    message: str = ""
    time_s: float = 0.0
    wall_s: float = 0.0
    memory_mb: float = 0.0
    signals: tuple[Signal, ...] = ()


Fact = CompileFacts | TestFacts | TesterFacts
