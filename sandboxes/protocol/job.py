"""A job: a program, how to compile and run it, its inputs, and its limits. The service sends it to a box."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    """How the program is run; `sandboxes.harness.modes.MODES` has the code for each."""

    STDIO = "stdio"  # run it once for each of `runs`
    CALL = "call"  # load it once, and call its entry point with each of `calls`
    ASSERT = "assert"  # run `tests` (one file, `tests.py`) against it
    PYTEST = "pytest"  # run `tests` (files of pytest) against it


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one test. Each is enforced inside the box and, if possible, again from outside.

    Names and units are the same as in the REST API.
    """

    time_limit_s: float
    wall_limit_s: float
    memory_limit_mb: int
    output_limit_kb: int
    max_processes: int
    compile_time_limit_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The time limit for all tests of a job together: `base_s` plus `per_test_s` for each, but at most `most_s`.

    For each test, the larger of two times counts: its CPU time, or its wall time without the time it waited for a core.
    So a busy machine does not use up the budget, but a program that sleeps does.
    """

    base_s: float
    per_test_s: float
    most_s: float

    def of(self, tests: int) -> float:
        """Return the seconds for this many tests."""
        return min(self.base_s + tests * self.per_test_s, self.most_s)


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """How programs of one language are compiled and run. Without `run`, the box's warm interpreter is forked.

    `cap_address_space` sets RLIMIT_AS in addition to watching resident memory. It is false for runtimes that reserve
    far more address space than they use. `startup_memory_mb` and `min_processes` are what an empty program needs.
    """

    source_file: str
    compile: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cap_address_space: bool = True
    startup_memory_mb: int = 0
    min_processes: int = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a `stdio` job.

    `files` are placed next to the program for this run; their paths are relative, and folders are created. `fetch` are
    the paths to read after the run. `output_limit_kb` overrides the job's limit.
    """

    stdin: bytes = b""
    argv: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    fetch: tuple[str, ...] = ()
    output_limit_kb: int | None = None


@dataclass(frozen=True, kw_only=True)
class TwinRun:
    """A copy of the test files in which the `changed` tests expect something wrong, so every honest submission fails.

    Tests have the tester's names, without parameters or the number within a line. `is_proof` is false if operands were
    changed instead of the expectation: passing such a copy does not prove a lie, but the test then proves nothing.
    """

    files: dict[str, str]
    changed: tuple[str, ...]
    is_proof: bool = True


@dataclass(frozen=True, kw_only=True)
class BuiltFile:
    """A file that a compiler wrote, and whether it is executable."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program with the inputs of its tests. Expected outputs are not included if the service can compare them.

    Attributes:
        calls: `[args, kwargs]` of each call, in the format of `sandboxes.protocol.plain`.
        exact_answers: Answers must have exact builtin types, and coroutines are not awaited: an answer is what a
            statement next to the program would get.
        side_files: Files next to the program, in every run and during compilation. The program cannot change them.
        built: The result of an earlier compilation of this program, with paths relative to its folder. If it is set,
            nothing is compiled.
        keep_build: Return the result of the compilation in `CompileFacts.built`.
        keep_stderr: Return all of stderr and not only its end.
        prelude: Code that runs in the program's namespace before the program. Only the warm interpreter supports it.
        budget: The time limit for all tests together. Without it, each test only has its own limits.
        twins: The tests share a process with the program, in one run for each of these copies. A test passes if its
            unchanged copies pass and its changed copies fail.
        twinned: The tests that can be changed, for `twins`.
        apart: For tests across the wall: copies in which every test is changed that can be. They are run for tests
            that an operator of the program's own class took part in.
    """

    mode: Mode
    source: bytes
    prelude: bytes = b""
    toolchain: Toolchain
    limits: Limits
    budget: Budget | None = None
    runs: tuple[Run, ...] = ()
    calls: tuple[bytes, ...] = ()
    side_files: dict[str, bytes] = field(default_factory=dict)
    exact_answers: bool = False
    entry_point: str | None = None
    tests: dict[str, str] = field(default_factory=dict)
    module: str = "solution"
    twins: tuple[TwinRun, ...] = ()
    apart: tuple[TwinRun, ...] = ()
    twinned: tuple[str, ...] = ()
    built: dict[str, BuiltFile] | None = None
    keep_build: bool = False
    keep_stderr: bool = False
