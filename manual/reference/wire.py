"""The pages of the wire types: requests.md and results.md."""

import typing
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

from pydantic import BaseModel

from manual.reference.markdown import join, json_block, table
from manual.reference.sections import Section, titles_of, written
from verifier_service.api.examples import EXAMPLES
from verifier_service.schema import (
    LIMITS,
    Alive,
    AssertTests,
    CallCase,
    CallTests,
    Checkers,
    CodeResult,
    CodeSubmission,
    CompileResult,
    ExtractionRule,
    FloatChecker,
    Form,
    Info,
    KeptSuite,
    LanguageInfo,
    LimitInfo,
    Limits,
    LimitTables,
    MadeBy,
    MathExplanation,
    MathResult,
    MathSubmission,
    Problem,
    ProblemField,
    Process,
    Protocol,
    PytestTests,
    Readiness,
    Rounding,
    Run,
    RunEnd,
    RunRequest,
    RunResponse,
    RunResult,
    SpecialJudge,
    StdioCase,
    StdioTests,
    StoredAttempt,
    StoredBatch,
    StoredBatchGet,
    StoredFound,
    StoredIds,
    StoredPage,
    StoredState,
    StoredSubmission,
    SubmitRequest,
    SuiteDigest,
    TestExplanation,
    TestResult,
    UnreadResult,
    Verdict,
    VerifyRequest,
    VerifyResponse,
)
from verifier_service.schema.described import Described
from verifier_service.schema.limits import Limit
from verifier_service.schema.patterns import PATTERN_WORDS
from verifier_service.schema.requests import TextChecker, ValueChecker
from verifier_service.schema.results import JudgedResult
from verifier_service.settings import variable_of

UNITS = {
    "weight": "",
    "passed": "tests",
    "total": "tests",
    "counts": "submissions",
    "StoredBatch.total": "submissions",
    "exit_code": "",
    "signal": "",
    "status": "",
    "number": "",
    "attempt": "attempts",
    "position": "submissions",
    "callback_tries": "requests",
    "max_batch": "submissions",
    "bytes": "bytes",
    "abs_tol": "",
    "rel_tol": "",
    "score": "",
    "max_processes": "processes and threads",
    "time_limit_s": "CPU seconds",
    "time_s": "CPU seconds",
    "wall_s": "seconds on the clock",
    "wall_limit_s": "seconds on the clock",
    "created_at": "UTC",
    "started_at": "UTC",
    "ended_at": "UTC",
    "finished_at": "UTC",
    "deadline_at": "UTC",
    "callback_done_at": "UTC",
    "maximum": "",
    "default": "",
}
"""Units of numbers and times whose names do not end with one; "" is a plain number."""

VERIFY = EXAMPLES["VerifyRequest"]


def _submission(example: str) -> Mapping[str, object]:
    """Return the submission of an example that the OpenAPI document has."""
    body = cast("Mapping[str, list[Mapping[str, object]]]", VERIFY[example])
    return body["submissions"][0]


def _limits() -> str:
    """Return the table of limits: their default values, and the settings that change them."""
    rows = ((f"`{one.name}`", one.unit, _default(one), f"{one.maximum:g}", _settings(one), one.what) for one in LIMITS)
    return table(("limit", "unit", "default", "maximum", "settings", "meaning"), rows)


def _default(limit: Limit) -> str:
    return f"`{limit.rule}`" if limit.default is None else f"{limit.default:g}"


def _settings(limit: Limit) -> str:
    names = [] if limit.default is None else [limit.default_setting]
    return ", ".join(f"`{variable_of(name)}`" for name in (*names, limit.maximum_setting))


REQUESTS = (
    Section(
        "A batch to judge",
        VerifyRequest,
        "batch",
        "batches",
        example=VERIFY["a group that shares its tests"],
        text="The body of `POST /v1/verify`. " + (VerifyRequest.__doc__ or ""),
    ),
    Section(
        "Math submissions",
        MathSubmission,
        "math submission",
        "math submissions",
        example=_submission("a math answer"),
        words={"form": Form, "rounding": Rounding, "extract": ExtractionRule},
        after="[Math answers](math.md) says what is read, and what is equal.",
    ),
    Section(
        "Code submissions",
        CodeSubmission,
        "code submission",
        "code submissions",
        example=_submission("a function and calls of it"),
        after="[Tests and checkers for code](code.md) says how the program is found, run and judged.",
    ),
    Section(
        "Limits",
        Limits,
        "limits",
        "limits",
        example={"time_limit_s": 2, "memory_limit_mb": 256},
        text=(Limits.__doc__ or "") + "\n\nThese are the limits of a service whose settings were left alone:",
        fields=_limits(),
    ),
    Section(
        "Tests by input and output",
        StdioTests,
        "`stdio` tests",
        "`stdio` tests",
        example=_submission("a program and its output")["tests"],
    ),
    Section("Cases of stdio", StdioCase, "case", "cases", level=3, example={"stdin": "21\n", "stdout": "42\n"}),
    Section(
        "Tests by calls",
        CallTests,
        "`call` tests",
        "`call` tests",
        example=_submission("a function and calls of it")["tests"],
    ),
    Section("Cases of call", CallCase, "case", "cases", level=3, example={"args": [1, 2], "expected": 3}),
    Section(
        "Tests by asserts",
        AssertTests,
        "`assert` tests",
        "`assert` tests",
        example=_submission("asserts")["tests"],
        words={"process": Process},
    ),
    Section(
        "Tests by pytest",
        PytestTests,
        "`pytest` tests",
        "`pytest` tests",
        example=_submission("pytest")["tests"],
        words={"process": Process},
    ),
    Section("Kept suites", SuiteDigest, "kept suite", "kept suites", example={"sha256": "0" * 64}),
    Section("Float checkers", FloatChecker, "checker", "checkers", level=3, example={"kind": "float", "abs_tol": 0.01}),
    Section(
        "Special judges",
        SpecialJudge,
        "special judge",
        "special judges",
        level=3,
        example={
            "language": "python",
            "code": "def check(stdin, expected, actual):\n    return abs(float(actual) - float(expected)) < 0.5",
        },
        words={"protocol": Protocol},
    ),
    Section(
        "A batch to run",
        RunRequest,
        "batch",
        "batches",
        example=EXAMPLES["RunRequest"]["a program"],
        text="The body of `POST /v1/run`. " + (RunRequest.__doc__ or ""),
    ),
    Section("Runs", Run, "run", "runs", level=3),
    Section(
        "A batch to store",
        SubmitRequest,
        "batch",
        "batches",
        example=EXAMPLES["SubmitRequest"]["a math answer"],
        text="The body of `POST /v1/submissions`. " + (SubmitRequest.__doc__ or ""),
        without=tuple(VerifyRequest.model_fields),
    ),
    Section(
        "Durable submissions by their ids",
        StoredBatchGet,
        "ids",
        "ids",
        example={"ids": ["0b5e8a4c7f214d0f9f0c1a2b3c4d5e6f"]},
        text="The body of `POST /v1/submissions/batch-get`. " + (StoredBatchGet.__doc__ or ""),
    ),
)


def _checkers_of(union: object) -> list[type[BaseModel]]:
    """Return the models of a union of checkers, without the arm for bare names."""
    arms = [typing.get_args(arm)[0] for arm in typing.get_args(typing.get_args(union)[0])]
    return [arm for arm in arms if isinstance(arm, type)]


CHECKERS: dict[type[BaseModel], str] = {}
"""Every checker, and the kinds of tests that take it."""
for _kind, _union in (("stdio", TextChecker), ("call", ValueChecker)):
    for _model in _checkers_of(_union):
        CHECKERS[_model] = f"{CHECKERS[_model]}, {_kind}" if _model in CHECKERS else _kind
CHECKER_LINKS = ("[checker](#checkers)", "[checkers](#checkers)")
CHECKER_SECTION = "Float checkers"
"""The section that follows the table of all checkers."""

MADE_BY = MadeBy(verifier="0.1.0+3f0c9a1b2c4d", image="sha256:096be02ca0ea")
MATH_RESULT = MathResult(
    id="a",
    verdict=Verdict.ACCEPTED,
    score=1.0,
    message="the answer equals the reference",
    extracted="\\frac{1}{2}",
    extracted_by=ExtractionRule.BOXED,
    judge_s=0.004,
    made_by=MadeBy(verifier=MADE_BY.verifier),
)
CODE_RESULT = CodeResult(
    id="b",
    verdict=Verdict.WRONG_ANSWER,
    score=0.5,
    message="test 2 of 2: expected 0, got -2",
    extracted="def add(a, b):\n    return a - b if a < 0 else a + b",
    run_s=0.003,
    made_by=MADE_BY,
    passed=1,
    total=2,
    tests=[
        TestResult(verdict=Verdict.ACCEPTED, time_s=0.001, memory_mb=11.2),
        TestResult(verdict=Verdict.WRONG_ANSWER, time_s=0.001, memory_mb=11.2, message="expected 0, got -2"),
    ],
)
RUN_RESULT = RunResult(
    id="a",
    end=RunEnd.EXITED,
    exit_code=0,
    stdout="cba\n",
    stderr="",
    time_s=0.01,
    wall_s=0.02,
    memory_mb=9.1,
    files={},
    made_by=MADE_BY,
)
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
STORED = StoredSubmission(
    id="0b5e8a4c7f214d0f9f0c1a2b3c4d5e6f",
    state=StoredState.QUEUED,
    batch_id="9f1c6d2e4b8a4c7f8e0d1a2b3c4d5e6f",
    kind="math",
    submission_id="a",
    created_at=AT,
    deadline_at=AT.replace(month=2, day=1),
    position=3,
)


AND_MORE = "It has the fields of [every result](#every-result), and these."
WORDS = {"Verdict": "a [verdict](verdicts.md)", "ExtractionRule": "a [rule](verdicts.md#rules-that-find-math-answers)"}
"""Enumerations that another page lists."""


def _sent(answer: BaseModel) -> object:
    return answer.model_dump(mode="json")


RESULTS = (
    Section(
        "Results of a batch",
        VerifyResponse,
        "results",
        "results",
        text="The answer of `POST /v1/verify`. " + (VerifyResponse.__doc__ or ""),
        after="With `Accept: application/x-ndjson` they come one by one: [The API](api.md) says how.",
    ),
    Section(
        "Every result",
        JudgedResult,
        "result",
        "results",
        text="The fields that the result of every submission has.",
        after="[Verdicts and signals](verdicts.md) has the verdicts, with their scores, and the signals.",
    ),
    Section(
        "Math results",
        MathResult,
        "math result",
        "math results",
        example=_sent(MATH_RESULT),
        without=tuple(JudgedResult.model_fields),
        text=f"{MathResult.__doc__} {AND_MORE}",
    ),
    Section(
        "Code results",
        CodeResult,
        "code result",
        "code results",
        example=_sent(CODE_RESULT),
        without=tuple(JudgedResult.model_fields),
        text=f"{CodeResult.__doc__} {AND_MORE}",
    ),
    Section("Results of tests", TestResult, "test result", "test results", level=3),
    Section(
        "Unread results",
        UnreadResult,
        "unread result",
        "unread results",
        without=tuple(JudgedResult.model_fields),
        text=f"{UnreadResult.__doc__} {AND_MORE}",
        example=_sent(
            UnreadResult(
                id="c",
                verdict=Verdict.JUDGE_ERROR,
                score=None,
                message="kind 'mathematics': it must be 'math' or 'code'; the nearest is 'math'",
            )
        ),
    ),
    Section("Made by", MadeBy, "made by", "made by", level=3, example=_sent(MADE_BY)),
    Section(
        "Explanations of math",
        MathExplanation,
        "explanation",
        "explanations",
        level=3,
        example=_sent(
            MathExplanation(
                answer="2 x + 1", reference="x^{2} + 5", point={"x": "2"}, answer_value="5", reference_value="9"
            )
        ),
    ),
    Section(
        "Explanations of tests",
        TestExplanation,
        "explanation",
        "explanations",
        level=3,
        example=_sent(TestExplanation(output="42\n", stderr="", wall_s=0.02)),
    ),
    Section(
        "Results of runs",
        RunResponse,
        "results",
        "results",
        text="The answer of `POST /v1/run`. " + (RunResponse.__doc__ or ""),
    ),
    Section(
        "What a program did",
        RunResult,
        "run result",
        "run results",
        level=3,
        example=_sent(RUN_RESULT),
        words={"end": RunEnd},
    ),
    Section("What a compiler did", CompileResult, "compile result", "compile results", level=3),
    Section(
        "Ids of a batch",
        StoredIds,
        "ids",
        "ids",
        example=_sent(StoredIds(ids=[STORED.id], batch_id=STORED.batch_id)),
        text="The answer of `POST /v1/submissions`. " + (StoredIds.__doc__ or ""),
    ),
    Section(
        "Durable submissions",
        StoredSubmission,
        "durable submission",
        "durable submissions",
        example=_sent(STORED),
        words={"state": StoredState},
    ),
    Section("Attempts that failed", StoredAttempt, "attempt", "attempts", level=3),
    Section(
        "Pages of durable submissions",
        StoredPage,
        "page",
        "pages",
        level=3,
        text="The answer of `GET /v1/submissions`. " + (StoredPage.__doc__ or ""),
    ),
    Section(
        "Durable submissions that were looked up",
        StoredFound,
        "found",
        "found",
        level=3,
        text="The answer of `POST /v1/submissions/batch-get`. " + (StoredFound.__doc__ or ""),
    ),
    Section("Batches of durable submissions", StoredBatch, "batch", "batches", level=3),
    Section(
        "Suites that were kept",
        KeptSuite,
        "kept suite",
        "kept suites",
        example=_sent(KeptSuite(sha256="0" * 64, bytes=180)),
        text="The answer of `PUT` and `GET /v1/suites/{sha256}`. " + (KeptSuite.__doc__ or ""),
    ),
    Section(
        "What a service offers",
        Info,
        "info",
        "info",
        text="The answer of `GET /v1/info`. " + (Info.__doc__ or ""),
    ),
    Section("Languages", LanguageInfo, "language", "languages", level=3),
    Section("Names of checkers", Checkers, "checkers", "checkers", level=3),
    Section("Limits by name", LimitTables, "limits", "limits", level=3),
    Section("Limits with their meaning", LimitInfo, "limit", "limits", level=3),
    Section("Alive", Alive, "alive", "alive", example=_sent(Alive())),
    Section(
        "Ready",
        Readiness,
        "readiness",
        "readiness",
        example=_sent(Readiness(ready=False, reasons={"code": "no sandbox can be started: the Docker daemon is away"})),
    ),
    Section(
        "Errors",
        Problem,
        "error",
        "errors",
        example=_sent(
            Problem(
                title="The request is not valid",
                status=422,
                detail="submissions 5000: at most 4096 in one request",
                errors=[ProblemField(field="submissions", value="5000", allowed="at most 4096 in one request")],
                request_id="7d1f0c5e",
            )
        ),
    ),
    Section("Fields that are wrong", ProblemField, "wrong field", "wrong fields", level=3),
)

REQUESTS_HEAD = """# Requests

Every field that you can send to `/v1`, with its unit, its default and what is allowed. You need this page when you
write a client, or when a request is refused. The service refuses fields that are not here: a misspelled limit is an
error, never a limit that is silently ignored.

A dash stands for null, or for an empty string, list or object. [Endpoints](endpoints.md) has the paths, and
[Results](results.md) has what comes back. This page is generated from the code.
"""
RESULTS_HEAD = """# Results

Every field that the service returns under `/v1`. You need this page when you read results. Every field is always there;
one that does not apply is null or empty. Ignore fields that you do not know: later versions add some.

[Requests](requests.md) has the fields that you send. This page is generated from the code.
"""


def _asked(described: Iterable[Described]) -> str:
    """Return the table of fields of a request."""
    rows = ((f"`{one.name}`", one.quantity, one.default, one.allowed, one.meaning) for one in described)
    return table(("field", "type", "default", "allowed", "meaning"), rows)


def _answered(described: Iterable[Described]) -> str:
    """Return the table of fields of an answer, all of which are always there."""
    rows = ((f"`{one.name}`", one.quantity, one.allowed, one.meaning) for one in described)
    return table(("field", "type", "range", "meaning"), rows)


def _checkers() -> str:
    rows = (
        (f"`{model.model_fields['kind'].default}`", kinds, _first_sentence(model), _options(model))
        for model, kinds in CHECKERS.items()
    )
    return join(
        "## Checkers",
        "What compares an output or a value with the expected one. Give a checker by its name, or as an object with\n"
        "its options. The options of another checker are refused.",
        table(("`kind`", "tests", "what it does", "options"), rows),
        json_block({"kind": "float", "abs_tol": 0.01}, "FloatChecker"),
    )


def _first_sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _options(model: type[BaseModel]) -> str:
    return ", ".join(f"`{name}`" for name in model.model_fields if name != "kind")


def requests() -> str:
    """Return requests.md."""
    titles = titles_of(REQUESTS, PATTERN_WORDS, dict.fromkeys(CHECKERS.keys() - {SpecialJudge}, CHECKER_LINKS))
    parts = [REQUESTS_HEAD]
    for section in REQUESTS:
        if section.title == CHECKER_SECTION:
            parts.append(_checkers())
        parts.append(written(section, titles, UNITS, _asked))
    return join(*parts)


def results() -> str:
    """Return results.md."""
    titles = titles_of(RESULTS, PATTERN_WORDS, words=WORDS)
    return join(RESULTS_HEAD, *(written(section, titles, UNITS, _answered) for section in RESULTS))
