"""Facts: observations of a job from outside the program. A box sends them to the service, which draws verdicts."""

from dataclasses import dataclass, field
from enum import StrEnum

from sandboxes.protocol.job import BuiltFile


class End(StrEnum):
    """How one test of the program ended."""

    EXITED = "exited"  # stdio: it ended by itself, see exit_code
    SIGNALED = "signaled"  # a signal ended it that we did not send
    RETURNED = "returned"  # call: it answered, see value
    RAISED = "raised"  # call: the entry point raised, or loading the module did
    NOT_PLAIN = "not_plain"  # call: the returned value is not plain data
    LOST = "lost"  # call, assert, pytest: the program ended, or its answers stopped, before it had answered
    CPU_LIMIT = "cpu_limit"
    WALL_LIMIT = "wall_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    NOT_COMPILED = "not_compiled"  # Python: the source is not valid Python
    BUDGET = "budget"  # all tests together exceeded their budget; later tests did not start


class Signal(StrEnum):
    """Something that a trainer may want to log or penalize. A signal is never a verdict by itself."""

    ENDED_EARLY = "ended_early"  # it ended by itself while an answer was expected
    LEFT_PROCESSES = "left_processes"  # some of its processes were still alive when it ended
    PASSED_ONLY_ACROSS_THE_WALL = "passed_only_across_the_wall"  # a test failed when both sides shared a process
    FAILED_TWIN = "failed_twin"  # it passed a copy of a test that must fail
    FAILED_LINE_UP = "failed_line_up"  # one of its objects claimed to equal a value that it cannot equal
    TRIED_A_SOCKET = "tried_a_socket"  # it sent something over a network, or tried to; a box has no network
    FORBIDDEN_SYSTEM_CALL = "forbidden_system_call"  # the kernel ended it for a forbidden system call


@dataclass(frozen=True, kw_only=True)
class CompileFacts:
    """The outcome of the compiler. `end` is EXITED with its exit code, SIGNALED, or the limit that it exceeded.

    `message` is for people: the end of the compiler's output. `built` is set if the job asked for it and the compiler
    succeeded; it is None if the result is too large to keep.
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
    """Whether these facts come from an earlier compilation of the same program. Only the service's cache sets this."""

    @property
    def succeeded(self) -> bool:
        """Whether the compiler produced a program."""
        return self.end is End.EXITED and self.exit_code == 0


@dataclass(frozen=True, kw_only=True)
class TestFacts:
    """The outcome of one `stdio` or `call` test. Facts arrive in the order of `index`.

    `stdout` is complete unless `end` is OUTPUT_LIMIT. In that case it is empty or, if the job asked for all of stderr,
    holds the beginning. `stderr` is empty unless the job asked for it. `value` is the plain encoding of the returned
    value; the program wrote it, so it is untrusted. `files` are the files of `Run.fetch` that exist, are regular files,
    and fit into the output limit. `message` is for people: the end of stderr, or an exception.
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
    """What the test used of the job's budget: its CPU time or, if larger, the wall time in which it could have run."""
    signals: tuple[Signal, ...] = ()


class TestOutcome(StrEnum):
    """The tester process's conclusion about one of its tests."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # the test could not run: a fixture or its own code failed
    SKIPPED = "skipped"
    LEFT_OUT = "left_out"  # its author marked it to be skipped; it does not count
    MISSING = "missing"  # it was collected but has no outcome


class Twin(StrEnum):
    """Whether a passed test counts only if a changed copy of it fails.

    This is required if an operator of the submission's own class took part in passing it.
    """

    NO = ""
    IF_THERE_IS_ONE = "if_there_is_one"
    ALWAYS = "always"


@dataclass(frozen=True, kw_only=True)
class TesterTest:
    """One test of the tester process: an assert statement, a `check(candidate)`, or a pytest id.

    `needs_twin` says that an operator of the submission's own class took part in passing it, so a changed copy must
    fail. `guard` is `twins` for a test in a shared process whose changed copies failed, and `none` for one that has
    nothing to change. `end` says how the process ended in which a missing test should have run.
    """

    __test__ = False

    id: str
    outcome: TestOutcome
    message: str = ""
    time_s: float = 0.0
    needs_twin: Twin = Twin.NO
    guard: str = ""
    end: End | None = None


@dataclass(frozen=True, kw_only=True)
class TesterFacts:
    """What the tester process reported over its own channel, which the program cannot reach.

    `tests` lists every collected test. `broken` is set if the test code is unusable for any submission, such as with a
    syntax error or without tests. `program_end` is set if the program ended before the tests did: to the limit that it
    exceeded, or to LOST. `lied` describes an impossible claim that the submission made about its own objects; then no
    test counts.
    """

    __test__ = False

    tests: tuple[TesterTest, ...]
    finished: bool
    broken: str = ""
    lied: str = ""
    program_end: End | None = None
    message: str = ""
    time_s: float = 0.0
    wall_s: float = 0.0
    memory_mb: float = 0.0
    signals: tuple[Signal, ...] = ()


Fact = CompileFacts | TestFacts | TesterFacts
