"""The wire types: what they refuse, what they ignore, and that tables and literals agree."""

import typing
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sandboxes.protocol import job
from verifier_service import limits
from verifier_service.checkers import TEXT_CHECKERS, VALUE_CHECKERS
from verifier_service.dispatch import RESULTS
from verifier_service.errors import BadItem
from verifier_service.judges.code.special import PROTOCOLS
from verifier_service.judges.code.tests import KINDS
from verifier_service.schema import (
    LIMITS,
    CodeResult,
    CodeSubmission,
    Limits,
    MathResult,
    Problem,
    Protocol,
    Result,
    RunEnd,
    RunResult,
    StdioTests,
    StoredSubmission,
    Tests,
    Verdict,
    VerifyResponse,
)
from verifier_service.schema.requests import CHECKERS_BY_NAME, TextChecker, ValueChecker, options_of
from verifier_service.settings import Settings


@pytest.mark.parametrize("result_type", [MathResult, CodeResult])
@pytest.mark.parametrize(
    ("verdict", "score"),
    [(verdict, 0.0 if verdict is Verdict.JUDGE_ERROR else None) for verdict in Verdict] + [("accepted", float("nan"))],
)
def test_a_score_is_null_if_and_only_if_the_verdict_is_judge_error(
    result_type: type[MathResult], verdict: Verdict, score: float | None
) -> None:
    with pytest.raises(ValidationError):
        result_type(id=None, verdict=verdict, score=score)


@pytest.mark.parametrize("score", [-0.1, 1.1, 7.0])
def test_a_score_is_a_share(score: float) -> None:
    with pytest.raises(ValidationError):
        CodeResult(id=None, verdict=Verdict.WRONG_ANSWER, score=score)


def test_a_run_has_an_error_if_and_only_if_it_is_a_judge_error() -> None:
    assert RunResult.judge_error("a", "no box").error == "no box"
    for wrong in ({"end": RunEnd.JUDGE_ERROR}, {"end": RunEnd.EXITED, "error": "no"}):
        with pytest.raises(ValidationError):
            RunResult.model_validate({"id": None, **wrong})


NEW: dict[str, Any] = {"a_field_that_does_not_exist_yet": {"of": ["any", "kind"]}}
MATH = {"id": None, "kind": "math", "verdict": "accepted", "score": 1.0}
CODE = {"id": None, "kind": "code", "verdict": "accepted", "score": 1.0, "tests": [{"verdict": "accepted", **NEW}]}


@pytest.mark.parametrize(
    ("answer_type", "answer"),
    [
        (VerifyResponse, {"results": [MATH | NEW, CODE | NEW], **NEW}),
        (
            Problem,
            {
                "title": "t",
                "status": 422,
                "detail": "d",
                "errors": [{"field": "f", "value": "", "allowed": "a", **NEW}],
            },
        ),
        (StoredSubmission, {"id": "a", "state": "done", "result": MATH | NEW, **NEW}),
    ],
)
def test_a_reader_ignores_fields_that_it_does_not_know(answer_type: Any, answer: dict[str, Any]) -> None:
    read = answer_type.model_validate(answer)
    assert "does_not_exist_yet" not in read.model_dump_json()


def test_a_request_refuses_fields_that_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"time_limit": 1})


def stdio(**fields: Any) -> dict[str, Any]:
    return {"kind": "stdio", "cases": [{"stdout": "1"}]} | fields


@pytest.mark.parametrize(
    "checker",
    ["tokens", {"kind": "tokens"}, "float", {"kind": "float", "abs_tol": 0.1}, {"language": "cpp", "code": "x"}],
)
def test_a_checker_is_its_name_or_an_object_with_its_own_options(checker: Any) -> None:
    tests = StdioTests.model_validate(stdio(checker=checker))
    assert options_of(tests.checker).kind in ("tokens", "float", "judge")


@pytest.mark.parametrize(
    "fields",
    [
        {"checker": "exact", "abs_tol": 0.1},
        {"abs_tol": 0.1},
        {"checker": {"kind": "exact", "abs_tol": 0.1}},
        {"checker": {"kind": "tokens"}, "rel_tol": 0.1},
        {"checker": "equal"},
    ],
)
def test_no_tolerance_can_be_given_that_would_not_be_applied(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StdioTests.model_validate(stdio(**fields))


def test_a_tolerance_beside_the_checker_float_is_its_own() -> None:
    beside = StdioTests.model_validate(stdio(checker="float", abs_tol=0.5))
    inside = StdioTests.model_validate(stdio(checker={"kind": "float", "abs_tol": 0.5}))
    assert beside == inside


def _arms(union: Any) -> tuple[set[str], set[str]]:
    """Return the bare names and the kinds that a checker of this type may have."""
    arms = typing.get_args(typing.get_args(union)[0])
    tags = [typing.get_args(arm) for arm in arms]
    names = next(set(typing.get_args(arm)) for arm, tag in tags if tag.tag == "name")
    return names, {tag.tag for _, tag in tags} - {"name"}


def test_the_tables_of_checkers_and_the_wire_have_the_same_names() -> None:
    text_names, text_kinds = _arms(TextChecker)
    value_names, value_kinds = _arms(ValueChecker)
    assert text_names == set(TEXT_CHECKERS) == text_kinds - {"judge"}
    assert value_names == set(VALUE_CHECKERS) == value_kinds
    assert {name: checker.kind for name, checker in CHECKERS_BY_NAME.items()} == {
        name: name for name in text_names | value_names
    }


def test_the_tables_of_test_kinds_protocols_and_results_and_the_wire_have_the_same_names() -> None:
    kinds = {arm.model_fields["kind"].annotation for arm in typing.get_args(typing.get_args(Tests)[0])}
    assert {typing.get_args(kind)[0] for kind in kinds} == set(KINDS) == {mode.value for mode in job.Mode}
    assert set(PROTOCOLS) == set(Protocol)
    assert {name: made.model_fields["kind"].default for name, made in RESULTS.items() if name != "run"} == {
        name: name for name in RESULTS if name != "run"
    }


def test_the_table_of_limits_is_all_there_is_to_know_of_a_limit() -> None:
    names = [limit.name for limit in LIMITS]
    assert names == list(Limits.model_fields)
    assert names == [name for name in job.Limits.__dataclass_fields__ if name != "compile_time_limit_s"]
    settings = Settings()
    for limit in LIMITS:
        assert limits.maximum(limit, settings) == limit.maximum
        assert limit.default is None or limits.default(limit, settings) == limit.default
        asked = Limits.model_validate({limit.name: 1})
        assert getattr(limits.fill(asked, settings), limit.name) >= 1


def test_limits_that_are_left_out_follow_from_the_others() -> None:
    filled = limits.fill(Limits(time_limit_s=4), Settings())
    assert (filled.wall_limit_s, filled.memory_limit_mb, filled.output_limit_kb) == (14, 512, 1024)
    assert limits.fill(Limits(time_limit_s=30, wall_limit_s=1), Settings()).wall_limit_s == 30
    assert limits.fill(Limits(time_limit_s=30), Settings(max_wall_limit_s=50)).wall_limit_s == 50


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", ".", "a/..", "", "a/./b", "x" * 201, "a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        StdioTests.model_validate(stdio(cases=[{"stdout": "", "files": {path: ""}}]))


@pytest.mark.parametrize("path", ["input.txt", ".hidden", "a..b", "d/e/f.txt", "é.txt", "with space"])
def test_an_ordinary_path_is_taken(path: str) -> None:
    StdioTests.model_validate(stdio(cases=[{"stdout": "", "files": {path: ""}, "stdout_file": path}]))


def test_results_of_every_kind_survive_the_wire() -> None:
    adapter: TypeAdapter[Result] = TypeAdapter(Result)
    for result in (
        MathResult(id="a", verdict=Verdict.ACCEPTED, score=1.0, extracted="1"),
        CodeResult(id="b", verdict=Verdict.WRONG_ANSWER, score=0.5, passed=1, total=2, signals=["left_processes"]),
        RESULTS["unknown"].judge_error(None, "no"),
    ):
        assert adapter.validate_json(result.model_dump_json()) == result


def test_a_submission_may_name_its_tests_in_three_ways() -> None:
    for tests in (stdio(), "p1", {"sha256": "0" * 64}):
        CodeSubmission.model_validate({"kind": "code", "completion": "", "tests": tests})


@pytest.mark.parametrize(
    ("asked", "tests", "deadline_s", "budget_s"),
    [
        (Limits(), 10, 600, 84),  # 2 * 17 + 10 * 5
        (Limits(time_limit_s=2, wall_limit_s=3), 1, 600, 8),
        (Limits(), 10, 120, 40),  # a third of the deadline
        (Limits(), 10, 10, 5),  # room for one test
        (Limits(), 10, 3, 1.5),  # half of the deadline
    ],
)
def test_the_budget_of_all_tests_follows_from_the_request(
    asked: Limits, tests: int, deadline_s: float, budget_s: float
) -> None:
    filled = limits.fill(asked, Settings())
    once = limits.budget(asked, filled, Settings(), deadline_s, runs=1)
    twice = limits.budget(asked, filled, Settings(), deadline_s, runs=2)
    assert once.of(tests) == pytest.approx(budget_s)
    assert twice.of(tests) == pytest.approx(max(min(2 * budget_s, deadline_s / 2), budget_s))


def test_a_time_limit_that_the_deadline_has_no_room_for_is_refused_by_name() -> None:
    asked = Limits(time_limit_s=20)
    with pytest.raises(BadItem, match=r"limits.time_limit_s 20.*at most deadline_s, which is 10"):
        limits.budget(asked, limits.fill(asked, Settings()), Settings(), 10, runs=1)
