"""What is sent: submissions with their tests, in a batch."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from verifier_service.schema import patterns
from verifier_service.schema.base import Asked, Worded
from verifier_service.schema.limits import Limits
from verifier_service.schema.verdicts import ExtractionRule

MAX_COMPLETION_CHARS = 1_000_000
MAX_SOURCE_CHARS = 1_000_000
MAX_TEXT_CHARS = 64 * 1024 * 1024
MAX_CASES = 10_000
MAX_PART_BYTES = 255
"""The longest name of one file or folder that file systems accept."""


def _parts_fit(path: str) -> str:
    long = next((part for part in path.split("/") if len(part.encode()) > MAX_PART_BYTES), None)
    if long is not None:
        raise ValueError(f"the part {long[:40]!r}... of the path is too long; the maximum is {MAX_PART_BYTES} bytes")
    return path


Completion = Annotated[str, StringConstraints(max_length=MAX_COMPLETION_CHARS)]
Source = Annotated[str, StringConstraints(max_length=MAX_SOURCE_CHARS)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)]
Weight = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Deadline = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LanguageName = Annotated[str, StringConstraints(min_length=1, max_length=50)]
EntryPoint = Annotated[str, StringConstraints(pattern=patterns.ENTRY_POINT, max_length=200)]
ModuleName = Annotated[str, StringConstraints(pattern=patterns.MODULE_NAME, max_length=100)]
TestFileName = Annotated[str, StringConstraints(pattern=patterns.TEST_FILE_NAME, max_length=200)]
FilePath = Annotated[str, StringConstraints(pattern=patterns.FILE_PATH, max_length=200), AfterValidator(_parts_fit)]
SuiteName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
SubmissionId = Annotated[str, StringConstraints(max_length=200)]
Explain = Annotated[bool, Field(description="add an `explanation` to the result, for a person who looks at it")]
StopOnFailure = Annotated[bool, Field(description="run no further case after the first that fails")]
AN_ID = "an id of your own, which the result repeats"
Sha256 = Annotated[str, StringConstraints(pattern=patterns.SHA256)]
Prelude = Annotated[
    Source,
    Field(
        description="text placed before the program, or the name of a preset (`contest`, `leetcode`); `GET /v1/info` "
        "lists the presets"
    ),
]


# Each checker has options of its own, so a request cannot give one that is never applied.


class TokensChecker(Asked):
    """Accept the same words in the same order, however they are spaced."""

    kind: Literal["tokens"] = "tokens"


class ExactChecker(Asked):
    """Accept the same text. Only CRLF for LF and one final newline are forgiven."""

    kind: Literal["exact"] = "exact"


class UnorderedLinesChecker(Asked):
    """Accept the same lines in any order."""

    kind: Literal["unordered_lines"] = "unordered_lines"


class FloatChecker(Asked):
    """Accept numbers that are off by up to `abs_tol`, or by up to `rel_tol` times the expected number.

    Two integers have to be equal unless you give a tolerance: a count that is off by one is wrong.
    """

    kind: Literal["float"] = "float"
    abs_tol: Tolerance | None = Field(
        default=None, description="largest absolute error; 1e-6 when omitted, and 0 between two integers"
    )
    rel_tol: Tolerance | None = Field(
        default=None,
        description="largest error as a share of the expected number; 1e-6 when omitted, and 0 between two integers",
    )


class EqualChecker(Asked):
    """Accept the same value. Lists and tuples are alike; a number can be off by 1e-9 of an expected float."""

    kind: Literal["equal"] = "equal"


class UnorderedChecker(Asked):
    """Accept the same elements in any order, each as often as expected."""

    kind: Literal["unordered"] = "unordered"


class Protocol(Worded):
    """How a special judge gets the stdin, the expected and the actual output, and how it answers."""

    CHECK = (
        "check",
        "Python: `check(stdin, expected, actual)` gets three texts; returns a bool, or a share from 0 to 1.",
    )
    EXIT_CODE = (
        "exit_code",
        "Arguments: paths of stdin, expected, actual. Exits with 0 (accepted) or 1 (wrong); its output is the message.",
    )
    TESTLIB = (
        "testlib",
        "Arguments: stdin, actual, expected. Exits with 0 (accepted), 1, 2, 4 or 8 (wrong), 7 (points from 0 to 1) or "
        "3 (the judge failed).",
    )
    KATTIS = (
        "kattis",
        "Arguments: stdin, expected, a folder for feedback; the actual output on standard input. "
        "Exits with 42 (accepted) or 43 (wrong).",
    )
    SCORE = "score", "Arguments: stdin, expected, actual. Prints the share from 0 to 1 on its first line."


class SpecialJudge(Asked):
    """Accept what a program of yours accepts; it runs in a sandbox of its own.

    A judge that fails on an output is called again with the expected output. If it handles that, the output is wrong;
    otherwise the test is a `judge_error`.
    """

    kind: Literal["judge"] = Field(default="judge", description="optional: an object with `code` is a special judge")
    language: LanguageName = Field(description="language of the judge, one that `GET /v1/info` lists")
    code: Source = Field(description="source of the judge")
    protocol: Protocol | None = Field(
        default=None,
        description="how it is called and how it answers; when omitted, `check` for Python that defines `check`, else "
        "`exit_code`",
    )
    files: dict[FilePath, Source] = Field(
        default_factory=dict,
        max_length=100,
        description="files next to the judge, for example `testlib.h`: path to text",
    )


def _kind(checker: Any) -> str | None:
    """Return the tag of a checker: `name` for a bare name, the `kind` of an object, or `judge` for a special judge."""
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
"""A checker for `stdio`: its name, an object with its options, or a special judge."""

ValueChecker = Annotated[
    Annotated[Literal["equal", "float", "unordered"], Tag("name")]
    | Annotated[EqualChecker, Tag("equal")]
    | Annotated[FloatChecker, Tag("float")]
    | Annotated[UnorderedChecker, Tag("unordered")],
    Discriminator(_kind),
]
"""A checker for `call`: its name, or an object with its options."""


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
"""The checker with its defaults that each bare name stands for."""


def options_of(checker: str | CheckerOptions) -> CheckerOptions:
    """Return the checker with its options, also when only its name was given."""
    return CHECKERS_BY_NAME[checker] if isinstance(checker, str) else checker


def _with_own_options(tests: Any) -> Any:
    """Move tolerances that stand next to `checker`, as in the first version, into the checker `float`."""
    if not isinstance(tests, dict) or not (beside := {"abs_tol", "rel_tol"} & tests.keys()):
        return tests
    checker = tests.get("checker")
    if checker == "float":
        checker = {"kind": "float"}
    if not isinstance(checker, dict) or checker.get("kind") != "float":
        name = sorted(beside)[0]
        raise ValueError(f"{name} is an option of the checker `float`; set `checker` to `float`, or omit {name}")
    moved = {name: tests[name] for name in beside}
    return {**{key: value for key, value in tests.items() if key not in beside}, "checker": {**checker, **moved}}


# Tests


class StdioCase(Asked):
    """One run of the program: its input and expected output.

    For a problem that reads `input.txt` and writes `output.txt`, name these in `stdin_file` and `stdout_file`.
    """

    stdin: Text = Field(default="", description="the program's standard input")
    stdout: Text = Field(description="the output that the checker expects")
    weight: Weight = Field(default=1.0, description="weight of this case in the score")
    files: dict[FilePath, Text] = Field(
        default_factory=dict, max_length=100, description="files next to the program: path to text"
    )
    stdin_file: FilePath | None = Field(
        default=None, description="put `stdin` into this file, and leave standard input empty"
    )
    stdout_file: FilePath | None = Field(default=None, description="judge this file instead of the standard output")


class StdioTests(Asked):
    """Run the program once for each case and compare its output."""

    kind: Literal["stdio"]
    prelude: Prelude = ""
    cases: list[StdioCase] = Field(min_length=1, max_length=MAX_CASES, description="the runs of the program")
    checker: TextChecker = Field(
        default="tokens", description="compares outputs: a checker's name, a checker with options, or a special judge"
    )
    stop_on_failure: StopOnFailure = False

    _options = model_validator(mode="before")(_with_own_options)


class CallCase(Asked):
    """One call of the entry point: its arguments, and what it should return."""

    args: list[Any] = Field(default_factory=list, description="positional arguments")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")
    expected: Any = Field(description="the value that the checker expects")
    weight: Weight = Field(default=1.0, description="weight of this case in the score")


class CallTests(Asked):
    """Call the entry point once for each case and compare what it returns."""

    kind: Literal["call"]
    prelude: Prelude = ""
    entry_point: EntryPoint = Field(
        description="a function (`f`), or a method of a fresh instance (`Class.method`, `Class().method`)"
    )
    cases: list[CallCase] = Field(min_length=1, max_length=MAX_CASES, description="the calls")
    checker: ValueChecker = Field(
        default="equal", description="compares values: a checker's name, or a checker with options"
    )
    stop_on_failure: StopOnFailure = False

    _options = model_validator(mode="before")(_with_own_options)


class Process(Worded):
    """Where tests run."""

    SEPARATE = (
        "separate",
        "In a process apart from the submission, which can only answer. What passes is run once more in plain Python.",
    )
    SHARED = (
        "shared",
        "In one process with the submission, for tests that patch or inspect it from within. Copies of the tests that "
        "expect something else guard them; `guard` in the result says how far.",
    )


Where = Annotated[Process, Field(description="where the tests run")]


class AssertTests(Asked):
    """Run Python code with `assert` statements that use the submission's names.

    Each top-level statement that judges the submission is a test, and so is each test function and each method of a
    `unittest.TestCase`.
    """

    kind: Literal["assert"]
    prelude: Prelude = ""
    code: Source = Field(description="the test code; with `entry_point`, a `check(candidate)` function")
    entry_point: EntryPoint | None = Field(
        default=None, description="what `check` is called with: `f`, `Class.method` or `Class().method`"
    )
    process: Where = Process.SEPARATE


class PytestTests(Asked):
    """Run pytest on test files that import the submission."""

    kind: Literal["pytest"]
    prelude: Prelude = ""
    files: dict[TestFileName, Source] = Field(
        min_length=1, max_length=100, description="test files and what they need: path to text"
    )
    module: ModuleName = Field(default="solution", description="name under which the tests import the submission")
    process: Where = Process.SEPARATE


Tests = Annotated[StdioTests | CallTests | AssertTests | PytestTests, Field(discriminator="kind")]


class SuiteDigest(Asked):
    """A kept suite: tests that the service stores under their digest, after `PUT /v1/suites/{sha256}`."""

    sha256: Sha256 = Field(description="SHA-256 of the body that was sent, in lower-case hexadecimal")


def _kind_of_tests(tests: Any) -> str:
    """Return the tag of tests: `tests` (inline), `name` (a suite of the request) or `digest` (a kept suite)."""
    if isinstance(tests, str):
        return "name"
    if isinstance(tests, SuiteDigest) or (isinstance(tests, dict) and "sha256" in tests and "kind" not in tests):
        return "digest"
    return "tests"


# Submissions


class Form(Worded):
    """The form that an answer must have, besides being equal to the reference."""

    EQUAL = "equal", "Any: `12+34` equals 46."
    FINAL = "final", "Worked out: it leaves no operation to be done that the reference does not have as often."


class Rounding(Worded):
    """Whether a rounded answer is accepted."""

    NONE = "none", "No: 0.333 is not 1/3."
    REFERENCE = "reference", "Yes, to the digits of a decimal reference: 1/3 is accepted for 0.333."


class MathSubmission(Asked):
    """A completion whose final answer should equal the reference, or one of several references."""

    kind: Literal["math"]
    id: SubmissionId | None = Field(default=None, description=AN_ID)
    completion: Completion = Field(description="what the model wrote, unchanged")
    reference: Completion | Annotated[list[Completion], Field(min_length=1, max_length=100)] = Field(
        description="the correct answer: a bare value, or a text that states it as a completion would; "
        "to equal one of a list is enough; above 100,000 characters it is a `judge_error`"
    )
    extract: list[ExtractionRule] | None = Field(
        default=None, min_length=1, description="rules by which to look for the answer; all when omitted"
    )
    form: Form = Field(default=Form.EQUAL, description="the form that the answer must have")
    rounding: Rounding = Field(default=Rounding.NONE, description="whether a rounded answer is accepted")
    explain: Explain = False

    @property
    def references(self) -> tuple[str, ...]:
        """The references, one of which the answer should equal."""
        return (self.reference,) if isinstance(self.reference, str) else tuple(self.reference)


class CodeSubmission(Asked):
    """A completion whose program should pass the tests."""

    kind: Literal["code"]
    id: SubmissionId | None = Field(default=None, description=AN_ID)
    language: LanguageName = Field(
        default="python", description="a language that `GET /v1/info` lists, by its name or an alias, in any case"
    )
    completion: Completion = Field(description="what the model wrote, unchanged; the program is extracted from it")
    tests: Annotated[
        Annotated[Tests, Tag("tests")] | Annotated[SuiteName, Tag("name")] | Annotated[SuiteDigest, Tag("digest")],
        Discriminator(_kind_of_tests),
    ] = Field(description="the tests, the name of a suite of this request, or the digest of a kept suite")
    limits: Limits = Field(default=Limits(), description="how much each test can use")
    explain: Explain = False


Submission = Annotated[MathSubmission | CodeSubmission, Field(discriminator="kind")]


class VerifyRequest(Asked):
    """A batch of submissions. Results come in the same order.

    Submissions and suites are read one by one: one that is invalid gets a result that says why, and the others are
    judged.
    """

    submissions: list[Submission] = Field(
        min_length=1, description="what to judge; at most `VERIFIER_MAX_BATCH` (4096 by default)"
    )
    suites: dict[SuiteName, Tests] = Field(
        default_factory=dict, description="tests that several submissions share: a name of yours to tests"
    )
    deadline_s: Deadline | None = Field(
        default=None,
        description="seconds from arrival after which what is not judged is a `judge_error`; "
        "`VERIFIER_DEFAULT_DEADLINE_S` (600 by default) when omitted",
    )
