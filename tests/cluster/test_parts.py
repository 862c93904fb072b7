"""How a batch is cut into parts. Nothing runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.code_cases import submission
from verifier_service.cluster.parts import MOST_IN_A_PART, PART_S, Estimate, Piece, cut, may_take_s
from verifier_service.schema import MathSubmission, Run
from verifier_service.settings import Settings

PIECES = st.lists(
    st.builds(
        Piece,
        cost_s=st.floats(0.001, 4.0),
        suite=st.integers(0, 3),
        twin=st.integers(0, 5),
        alone=st.booleans(),
    ),
    max_size=60,
)


@given(PIECES)
def test_every_piece_is_in_one_part_and_those_that_are_to_be_alone_are_alone(pieces: list[Piece]) -> None:
    parts = cut(pieces)
    assert sorted(index for part in parts for index in part) == list(range(len(pieces)))
    assert all(parts)
    for part in parts:
        assert len(part) == 1 or not any(pieces[index].alone for index in part)


@given(PIECES)
def test_twins_are_never_parted_and_no_part_could_be_cut_again(pieces: list[Piece]) -> None:
    pieces = [Piece(one.cost_s, one.suite, (one.suite, one.twin)) for one in pieces]
    parts = cut(pieces)
    where = [
        {index: number for number, part in enumerate(parts) for index in part}[index] for index in range(len(pieces))
    ]
    for twin in {one.twin for one in pieces}:
        assert len({where[index] for index, one in enumerate(pieces) if one.twin == twin}) == 1
    for part in parts:
        costs = {pieces[index].twin: pieces[index].cost_s for index in reversed(part)}  # they run once
        assert len(costs) == 1 or sum(costs.values()) <= PART_S + 1e-9


def test_submissions_with_the_same_tests_go_together() -> None:
    pieces = [Piece(PART_S / 4, suite=index % 2, twin=index) for index in range(8)]
    assert cut(pieces) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_a_part_has_a_bound_however_little_its_submissions_take() -> None:
    assert [len(part) for part in cut([Piece(0.0, twin=index) for index in range(600)])] == [
        MOST_IN_A_PART,
        MOST_IN_A_PART,
        600 - 2 * MOST_IN_A_PART,
    ]


@pytest.mark.parametrize(
    ("tests", "cases"),
    [
        ({"kind": "stdio", "cases": [{"stdout": "1"}] * 7}, 7),
        ({"kind": "call", "entry_point": "f", "cases": [{"args": [1], "expected": 1}] * 3}, 3),
        ({"kind": "assert", "code": "assert f(1) == 1\nassert f(2) == 2"}, 2),
        ({"kind": "pytest", "files": {"test_a.py": "def test_a(): ...\ndef test_b(): ..."}}, 2),
    ],
)
def test_what_a_submission_may_take_is_its_cases_times_their_limit(tests: dict[str, object], cases: int) -> None:
    settings = Settings(default_time_limit_s=3)
    assert may_take_s(submission("x", tests), settings) == 3 * cases
    assert may_take_s(submission("x", tests, limits={"time_limit_s": 0.5}), settings) == 0.5 * cases


def test_a_run_may_take_its_limit_and_a_comparison_that_of_math() -> None:
    settings = Settings(math_time_limit_s=7)
    assert may_take_s(Run(language="python", source="1", limits={"time_limit_s": 2}), settings) == 2  # type: ignore[arg-type]
    assert may_take_s(MathSubmission(kind="math", completion="1", reference="1"), settings) == 7


def test_what_results_take_is_learned_and_a_lone_one_changes_little() -> None:
    estimate = Estimate()
    before_s = estimate.cost_s(10)
    estimate.learn(10, 10)
    assert before_s < estimate.cost_s(10) < 2
    for _ in range(1000):
        estimate.learn(10, 5)
    assert estimate.share == pytest.approx(0.5, abs=0.01)


def test_a_time_above_the_limit_counts_as_the_limit() -> None:
    estimate = Estimate()
    for _ in range(1000):
        estimate.learn(1, 100)
    assert 0.9 < estimate.share <= 1
