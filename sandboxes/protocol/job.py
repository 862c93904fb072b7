"""A job: a program, how to compile and run it, what to feed it, what it may use. It crosses from service to box."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    """What is done with the program; `sandboxes.harness.modes.MODES` has the code for each."""

    STDIO = "stdio"  # run it once for each of `runs`
    CALL = "call"  # load it once, and call its entry point with each of `calls`
    ASSERT = "assert"  # run `tests` (one file, `tests.py`) against it
    PYTEST = "pytest"  # run `tests` (files of pytest) against it


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one test of a job may use; every limit is enforced inside and, where it can be, again outside the box.

    Names and units are those of the wire.
    """

    time_limit_s: float
    wall_limit_s: float
    memory_limit_mb: int
    output_limit_kb: int
    max_processes: int
    compile_time_limit_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all tests of a job may take together: `base_s` and `per_test_s` for each, but at most `most_s`.

    Of each test the larger counts: its CPU time, or its time on the clock without what it stood in line for a core.
    So a busy machine takes nothing from it, and a program that sleeps uses it up.
    """

    base_s: float
    per_test_s: float
    most_s: float

    def of(self, tests: int) -> float:
        """Return the seconds for this many tests."""
        return min(self.base_s + tests * self.per_test_s, self.most_s)


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """How programs of one language are compiled and run; without `run` the box's warm interpreter is forked.

    `cap_address_space` sets RLIMIT_AS besides watching what is resident; runtimes that reserve far more than they use
    do without. `startup_memory_mb` and `min_processes` are what an empty program of that runtime takes.
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

    `files` are placed beside the program for this run (relative paths, folders are made), `fetch` are the paths that
    are read when it has ended. `output_limit_kb` takes the place of the job's where this run needs another one.
    """

    stdin: bytes = b""
    argv: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    fetch: tuple[str, ...] = ()
    output_limit_kb: int | None = None


@dataclass(frozen=True, kw_only=True)
class TwinRun:
    """Copies of the files of tests. Those of the `changed` tests expect something else than they should, so that every
    honest submission fails them. Tests are named as by the tester, without parameters or a number in their line.

    `is_proof` is false where operands were changed: who passes that copy has not shown that it judges, and no more.
    """

    files: dict[str, str]
    changed: tuple[str, ...]
    is_proof: bool = True


@dataclass(frozen=True, kw_only=True)
class BuiltFile:
    """A file that a compiler made, with the permission bits that count."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program with the inputs of its tests. What tests expect is not in it where the service can compare by itself.

    `calls` are `[args, kwargs]` in the form of `sandboxes.protocol.plain`. With `exact_answers` an answer has to be of
    exact builtin types, and no coroutine is awaited: it is what a statement beside the program would get. `side_files`
    lie beside the program in every run and while it is compiled, and are not its to change. `built` is what an earlier
    compile of this very program made (paths relative to the program's folder): with it nothing is compiled.
    `keep_build` asks for it. `keep_stderr` asks for the whole stderr and not only its end. `prelude` is run in the
    program's namespace before it, by the warm interpreter only; with a toolchain that runs another, it is empty.
    Without `budget` each test has its own limits only.

    With `twins` the tests share a process with the program: one run for each of them, and a test has passed if its
    unchanged copies passed and its changed ones failed; `twinned` are the tests that can be changed. Without, `apart`
    has copies in which every test is changed that can be: for tests in which an operator of the program's own took
    part.
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
