"""What is asked: submissions with their tests, in a batch."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from verifier_service.schema.base import Asked
from verifier_service.schema.limits import Limits
from verifier_service.schema.verdicts import ExtractionRule

MAX_COMPLETION_CHARS = 1_000_000
MAX_SOURCE_CHARS = 1_000_000
MAX_TEXT_CHARS = 64 * 1024 * 1024
MAX_CASES = 10_000
MAX_PART_BYTES = 255
"""What a file system takes as the name of one file or folder."""


def _parts_fit(path: str) -> str:
    long = next((part for part in path.split("/") if len(part.encode()) > MAX_PART_BYTES), None)
    if long is not None:
        raise ValueError(f"a part of a path may have {MAX_PART_BYTES} bytes, {long[:40]!r}... has more")
    return path


Completion = Annotated[str, StringConstraints(max_length=MAX_COMPLETION_CHARS)]
Source = Annotated[str, StringConstraints(max_length=MAX_SOURCE_CHARS)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)]
Weight = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Deadline = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LanguageName = Annotated[str, StringConstraints(min_length=1, max_length=50)]
EntryPoint = Annotated[  # two_sum, Solution.twoSum, Solution().twoSum
    str, StringConstraints(pattern=r"^[^\W\d]\w*((\(\))?\.[^\W\d]\w*)?$", max_length=200)
]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w*$", max_length=100)]
TestFileName = Annotated[  # test_a.py, data/rows.json
    str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]+(/[A-Za-z0-9_\-]+){0,5}\.[a-z]{1,8}$", max_length=200)
]
FilePath = Annotated[  # input.txt, d/.x, a..b; not /etc/passwd, ../x, a//b, .
    str,
    StringConstraints(pattern=r"^\.{0,2}[^./\x00][^/\x00]*(/\.{0,2}[^./\x00][^/\x00]*){0,7}$", max_length=200),
    AfterValidator(_parts_fit),
]
SuiteName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
SubmissionId = Annotated[str, StringConstraints(max_length=200)]
Explain = Annotated[bool, Field(description="tell in `explanation` of the result what a person may want to see")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Prelude = Annotated[
    Source, Field(description="text placed before the program, or the name of a preset: `GET /v1/info` lists them")
]


# Checkers: each with its own options, so that none can be given that is not applied.


class TokensChecker(Asked):
    """The same words in the same order, however they are spaced."""

    kind: Literal["tokens"] = "tokens"


class ExactChecker(Asked):
    """The same text; only CRLF for LF and one final newline are forgiven."""

    kind: Literal["exact"] = "exact"


class UnorderedLinesChecker(Asked):
    """The same lines in any order."""

    kind: Literal["unordered_lines"] = "unordered_lines"


class FloatChecker(Asked):
    """Numbers may be off by `abs_tol`, or by `rel_tol` times the expected one.

    A tolerance that is left out is 1e-6, but 0 where both numbers are integers: only one that is given is for these.
    """

    kind: Literal["float"] = "float"
    abs_tol: Tolerance | None = None
    rel_tol: Tolerance | None = None


class EqualChecker(Asked):
    """The same value; lists and tuples are alike, numbers may be off by 1e-9 of an expected float."""

    kind: Literal["equal"] = "equal"


class UnorderedChecker(Asked):
    """The same elements in any order, each as often as expected."""

    kind: Literal["unordered"] = "unordered"


class Protocol(StrEnum):
    """How a special judge is asked, and how it answers. Its files are the stdin, the expected and the actual output."""

    CHECK = "check"  # Python: `check(stdin, expected, actual)` returns a bool, or the share from 0 to 1
    EXIT_CODE = "exit_code"  # argv: stdin, expected, actual; ends with 0 for accepted and 1 for wrong
    TESTLIB = "testlib"  # argv: stdin, actual, expected; ends with 0, 1, 2, 3 (the judge failed) or 7 (points)
    KATTIS = "kattis"  # argv: stdin, expected, a folder for feedback; actual on stdin; ends with 42 or 43
    SCORE = "score"  # argv: stdin, expected, actual; the first line it prints is the share from 0 to 1


class SpecialJudge(Asked):
    """A program that judges one output; it runs in a box of its own.

    `files` lie beside it, for instance `testlib.h`. Without a `protocol` it is `check` for Python that defines `check`,
    else `exit_code`. A judge that fails on an output is asked about the expected one: if it gets through that, the
    output is to blame, else the test is a `judge_error`.
    """

    kind: Literal["judge"] = Field(default="judge", description="may be left out")
    language: LanguageName
    code: Source
    protocol: Protocol | None = None
    files: dict[FilePath, Source] = Field(default_factory=dict, max_length=100)


def _kind(checker: Any) -> str | None:
    """Tell the arms of a checker apart: its bare name, the `kind` of an object, or a special judge."""
    if isinstance(checker, str):
        return "name"
    if isinstance(checker, dict):
        return checker.get("kind", "judge" if "code" in checker or "language" in checker else None)
    return getattr(checker, "kind", None)


TextChecker = Annotated[
    Annotated[Literal["tokens", "exact", "float", "unordered_lines"], Tag("name")]
    | Annotated[TokensChecker, Tag("tokens")]
    | Annotated[ExactChecker, Tag("exact")]
    | Annotated[FloatChecker, Tag("float")]
    | Annotated[UnorderedLinesChecker, Tag("unordered_lines")]
    | Annotated[SpecialJudge, Tag("judge")],
    Discriminator(_kind),
]
"""A checker of `stdio`: its name, an object with its options, or a special judge."""

ValueChecker = Annotated[
    Annotated[Literal["equal", "float", "unordered"], Tag("name")]
    | Annotated[EqualChecker, Tag("equal")]
    | Annotated[FloatChecker, Tag("float")]
    | Annotated[UnorderedChecker, Tag("unordered")],
    Discriminator(_kind),
]
"""A checker of `call`: its name, or an object with its options."""


CheckerOptions = (
    TokensChecker | ExactChecker | FloatChecker | UnorderedLinesChecker | SpecialJudge | EqualChecker | UnorderedChecker
)
CHECKERS_BY_NAME: dict[str, CheckerOptions] = {
    "tokens": TokensChecker(),
    "exact": ExactChecker(),
    "float": FloatChecker(),
    "unordered_lines": UnorderedLinesChecker(),
    "equal": EqualChecker(),
    "unordered": UnorderedChecker(),
}
"""What the bare name of a checker stands for: the checker with its defaults."""


def options_of(checker: str | CheckerOptions) -> CheckerOptions:
    """Return the checker with its options, also if it was given by its name alone."""
    return CHECKERS_BY_NAME[checker] if isinstance(checker, str) else checker


def _with_own_options(tests: Any) -> Any:
    """Move tolerances that stand beside `checker`, where they stood at first, into the checker whose they are."""
    if not isinstance(tests, dict) or not (beside := {"abs_tol", "rel_tol"} & tests.keys()):
        return tests
    checker = tests.get("checker")
    if checker == "float":
        checker = {"kind": "float"}
    if not isinstance(checker, dict) or checker.get("kind") != "float":
        name = sorted(beside)[0]
        raise ValueError(f"{name} is an option of the checker `float`; without it, it would not be applied")
    moved = {name: tests[name] for name in beside}
    return {**{key: value for key, value in tests.items() if key not in beside}, "checker": {**checker, **moved}}


# Tests


class StdioCase(Asked):
    """One run of the program: what it reads, and what it should write.

    A problem that reads `input.txt` and writes `output.txt` names them in `stdin_file` and `stdout_file`. `files` lie
    beside the program.
    """

    stdin: Text = ""
    stdout: Text
    weight: Weight = 1.0
    files: dict[FilePath, Text] = Field(default_factory=dict, max_length=100)
    stdin_file: FilePath | None = Field(
        default=None, description="`stdin` is in this file, and standard input is empty"
    )
    stdout_file: FilePath | None = Field(default=None, description="judge this file and not the standard output")


class StdioTests(Asked):
    """Run the program once for each case and compare what it writes."""

    kind: Literal["stdio"]
    prelude: Prelude = ""
    cases: list[StdioCase] = Field(min_length=1, max_length=MAX_CASES)
    checker: TextChecker = "tokens"
    stop_on_failure: bool = False

    _options = model_validator(mode="before")(_with_own_options)


class CallCase(Asked):
    """One call of the entry point: what it is given, and what it should return."""

    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any
    weight: Weight = 1.0


class CallTests(Asked):
    """Call a function (`f`) or a method of a fresh instance (`Class.method`, `Class().method`) and compare what it
    returns."""

    kind: Literal["call"]
    prelude: Prelude = ""
    entry_point: EntryPoint
    cases: list[CallCase] = Field(min_length=1, max_length=MAX_CASES)
    checker: ValueChecker = "equal"
    stop_on_failure: bool = False

    _options = model_validator(mode="before")(_with_own_options)


class Process(StrEnum):
    """Where tests run.

    `separate`: apart from the submission, which can only answer; and what passed once more in plain Python. `shared`:
    in one process with it alone, for tests that patch or inspect it from within; guarded by copies that expect
    something else, as far as a test has a literal that can be changed. `guard` in the result says what a test is worth.
    """

    SEPARATE = "separate"
    SHARED = "shared"


class AssertTests(Asked):
    """`assert` statements that use the submission's names, or a `check(candidate)` function with `entry_point`.

    Each statement at the top that judges the submission is a test, and each test function and method of a TestCase.
    """

    kind: Literal["assert"]
    prelude: Prelude = ""
    code: Source
    entry_point: EntryPoint | None = None
    process: Process = Process.SEPARATE


class PytestTests(Asked):
    """Test files for pytest, which import the submission under the name in `module`."""

    kind: Literal["pytest"]
    prelude: Prelude = ""
    files: dict[TestFileName, Source] = Field(min_length=1, max_length=100)
    module: ModuleName = "solution"
    process: Process = Process.SEPARATE


Tests = Annotated[StdioTests | CallTests | AssertTests | PytestTests, Field(discriminator="kind")]


class SuiteDigest(Asked):
    """Tests that the service keeps: `PUT /v1/suites/{sha256}` sends them once."""

    sha256: Sha256


def _kind_of_tests(tests: Any) -> str:
    """Tell inline tests, the name of a suite and the digest of a kept one apart."""
    if isinstance(tests, str):
        return "name"
    if isinstance(tests, SuiteDigest) or (isinstance(tests, dict) and "sha256" in tests and "kind" not in tests):
        return "digest"
    return "tests"


# Submissions


class Form(StrEnum):
    """What form an answer may have: any that is equal, or one that leaves nothing to be worked out."""

    EQUAL = "equal"
    FINAL = "final"


class Rounding(StrEnum):
    """Whether an answer may be rounded: not at all, or to as many digits as a decimal reference has."""

    NONE = "none"
    REFERENCE = "reference"


class MathSubmission(Asked):
    """A completion whose final answer should equal the reference, or any one of several."""

    kind: Literal["math"]
    id: SubmissionId | None = None
    completion: Completion
    reference: Completion | Annotated[list[Completion], Field(min_length=1, max_length=100)] = Field(
        description="a bare value, or a text that holds the answer like a completion does; of a list any one counts"
    )
    extract: list[ExtractionRule] | None = Field(
        default=None, min_length=1, description="the rules that may be used; all if left out"
    )
    form: Form = Form.EQUAL
    rounding: Rounding = Rounding.NONE
    explain: Explain = False

    @property
    def references(self) -> tuple[str, ...]:
        """The references, of which any one counts."""
        return (self.reference,) if isinstance(self.reference, str) else tuple(self.reference)


class CodeSubmission(Asked):
    """A completion whose code should pass the tests."""

    kind: Literal["code"]
    id: SubmissionId | None = None
    language: LanguageName = "python"
    completion: Completion
    tests: Annotated[
        Annotated[Tests, Tag("tests")] | Annotated[SuiteName, Tag("name")] | Annotated[SuiteDigest, Tag("digest")],
        Discriminator(_kind_of_tests),
    ] = Field(description="the tests, the name of a suite of this request, or the digest of one that the service keeps")
    limits: Limits = Limits()
    explain: Explain = False


Submission = Annotated[MathSubmission | CodeSubmission, Field(discriminator="kind")]


class VerifyRequest(Asked):
    """A batch of submissions. The results come in the same order.

    Each submission and each suite is read by itself: one that cannot be read gets a result that says why, and the
    others are judged.
    """

    submissions: list[Submission] = Field(min_length=1)
    suites: dict[SuiteName, Tests] = Field(default_factory=dict, description="tests that several submissions share")
    deadline_s: Deadline | None = Field(
        default=None, description="seconds from arrival; what is not judged by then is a judge_error"
    )
