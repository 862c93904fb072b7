"""The kinds of tests: what enters the box for each, and how an answer that comes out is compared.

To add a kind: its type in `schema.requests`, a function here with a line in `KINDS`, and its mode in the box.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic_core import PydanticSerializationError

from sandboxes.protocol import plain
from sandboxes.protocol.facts import TestFacts
from sandboxes.protocol.job import Mode, Run, TwinRun
from verifier_service.checkers import TEXT_CHECKERS, VALUE_CHECKERS, Checked
from verifier_service.errors import Cause, JudgeError
from verifier_service.extract import wanted
from verifier_service.extract.wanted import Wanted
from verifier_service.judges.code import guards, literal_asserts
from verifier_service.judges.code.literal_asserts import LiteralTests
from verifier_service.judges.code.twins import TwinPlan, sites
from verifier_service.schema import (
    AssertTests,
    CallTests,
    Process,
    PytestTests,
    SpecialJudge,
    StdioCase,
    StdioTests,
    Tests,
)
from verifier_service.schema.requests import options_of

OUTPUT_SLACK_KB = 64
"""What a program can write beyond the size of the expected output, unless the request sets a limit."""


@dataclass(frozen=True, eq=False)
class Suite:
    """Tests prepared for the box once, however many submissions share them.

    `key` is equal for equal tests. `compare` is set for tests whose answers are compared here. `value_kb` is the size
    of the longest expected value. `wanted` are the names that the tests need from a program. `literal` are test files
    that can run as calls.
    """

    key: object
    mode: Mode
    prelude: str = ""
    weights: tuple[float, ...] = ()
    stop_on_failure: bool = False
    runs: tuple[Run, ...] = ()
    calls: tuple[bytes, ...] = ()
    value_kb: int = 0
    entry_point: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    module: str = "solution"
    compare: Callable[[TestFacts], Checked] | None = None
    is_shared: bool = False
    special_judge: SpecialJudge | None = None
    cases: tuple[StdioCase, ...] = ()
    wanted: Wanted = wanted.NOTHING
    literal: LiteralTests | None = None

    @property
    def kind(self) -> Literal["assert", "pytest"]:
        """How test files are read."""
        return "assert" if self.mode is Mode.ASSERT else "pytest"

    @cached_property
    def twin_plan(self) -> TwinPlan:
        """What can be changed in test files."""
        return sites(self.files, self.kind)

    @property
    def runs_of_tests(self) -> int:
        """How many times all tests run: test files across the wall and in plain Python, or once in every copy."""
        return 1 if not self.files else guards.RUNS if self.is_shared else 2

    @cached_property
    def copies_apart(self) -> tuple[TwinRun, ...]:
        """The copies that guard tests with a process of their own. No submission sees them, so one set serves all."""
        return () if self.is_shared or not self.files else guards.of_separate(self.twin_plan)


def prepare(tests: Tests) -> Suite:
    """Return `tests` in the form in which they enter a box.

    Raises:
        JudgeError: they contain something that cannot enter it.
    """
    return KINDS[tests.kind](tests)


def output_of(case: StdioCase, fact: TestFacts) -> bytes | None:
    """Return what is judged: standard output, or the file that the case names. None if that file is missing."""
    return fact.stdout if case.stdout_file is None else fact.files.get(case.stdout_file)


def _key(tests: Tests) -> object:
    try:
        return tests.model_dump_json()
    # lone surrogates or long integers cannot be written, so such tests equal no others
    except (PydanticSerializationError, ValueError):
        return object()


def _kb(size: int) -> int:
    return size // 1024 + OUTPUT_SLACK_KB


def _stdio(tests: StdioTests) -> Suite:
    checker = options_of(tests.checker)

    def compare(fact: TestFacts) -> Checked:
        case = tests.cases[fact.index]
        actual = output_of(case, fact)
        if actual is None:
            return Checked(False, f"the program wrote no file {case.stdout_file!r}")
        return TEXT_CHECKERS[checker.kind](case.stdout.encode(), actual, checker)

    special = checker if isinstance(checker, SpecialJudge) else None
    return Suite(
        _key(tests),
        Mode.STDIO,
        prelude=tests.prelude,
        weights=tuple(case.weight for case in tests.cases),
        stop_on_failure=tests.stop_on_failure,
        runs=tuple(map(_run, tests.cases)),
        compare=compare if special is None else None,
        special_judge=special,
        cases=tuple(tests.cases),
    )


def _run(case: StdioCase) -> Run:
    files = {name: text.encode() for name, text in case.files.items()}
    stdin = case.stdin.encode()
    if case.stdin_file is not None:
        files, stdin = {**files, case.stdin_file: stdin}, b""
    return Run(
        stdin=stdin,
        files=files,
        fetch=() if case.stdout_file is None else (case.stdout_file,),
        output_limit_kb=_kb(len(case.stdout.encode())),
    )


def _call(tests: CallTests) -> Suite:
    checker = options_of(tests.checker)
    expected = [case.expected for case in tests.cases]

    def compare(fact: TestFacts) -> Checked:
        try:
            value = plain.decode(fact.value)
        except plain.Malformed as error:
            return Checked(False, f"the returned value cannot be read: {error}")
        return VALUE_CHECKERS[checker.kind](expected[fact.index], value, checker)

    return Suite(
        _key(tests),
        Mode.CALL,
        prelude=tests.prelude,
        weights=tuple(case.weight for case in tests.cases),
        stop_on_failure=tests.stop_on_failure,
        calls=tuple(_encode(index, [case.args, case.kwargs]) for index, case in enumerate(tests.cases)),
        value_kb=_kb(max(len(_encode(index, value)) for index, value in enumerate(expected))),
        entry_point=_entry_point(tests.entry_point),
        compare=compare,
        wanted=wanted.by_call(_entry_point(tests.entry_point)),
    )


def _entry_point(name: str) -> str:
    """Return the name as a box knows it. Both `Solution().f` and `Solution.f` mean a method of a fresh instance."""
    return name.replace("()", "")


def _encode(index: int, value: Any) -> bytes:
    try:
        return plain.encode(value)
    except plain.NotPlain as error:
        raise JudgeError(f"tests.cases.{index} cannot enter the sandbox: {error}", Cause.BAD_REQUEST) from error


def _assert(tests: AssertTests) -> Suite:
    entry_point = tests.entry_point and _entry_point(tests.entry_point)
    is_shared = tests.process is Process.SHARED
    return Suite(
        _key(tests),
        Mode.ASSERT,
        prelude=tests.prelude,
        files={"tests.py": tests.code},
        entry_point=entry_point,
        wanted=wanted.by_asserts(tests.code, entry_point),
        is_shared=is_shared,
        literal=None if is_shared else literal_asserts.read(tests.code, entry_point),
    )


def _pytest(tests: PytestTests) -> Suite:
    is_shared = tests.process is Process.SHARED
    return Suite(
        _key(tests),
        Mode.PYTEST,
        wanted=wanted.by_pytest(tests.files, tests.module),
        prelude=tests.prelude,
        files=dict(tests.files),
        module=tests.module,
        is_shared=is_shared,
        literal=None if is_shared else literal_asserts.read_pytest(tests.files, tests.module),
    )


KINDS: Mapping[str, Callable[[Any], Suite]] = {
    "stdio": _stdio,
    "call": _call,
    "assert": _assert,
    "pytest": _pytest,
}
