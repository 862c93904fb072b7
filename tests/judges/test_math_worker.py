"""What a math worker does with an unexpected exception: it goes on, and reports it without the text."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from verifier_service.answers.read.reading import read
from verifier_service.answers.tree.shape import MAX_SHAPE_CHARS, shape
from verifier_service.judges.math import worker
from verifier_service.judges.math.judge import MathJudge
from verifier_service.settings import Settings


def fail() -> None:
    """Fail as a comparison could."""
    raise ZeroDivisionError("13 / 0 of the answer's text")


def test_an_exception_is_reported_with_the_shape_of_its_input_and_not_its_text() -> None:
    reports: list[tuple[str, dict[str, Any]]] = []
    failure = worker._attempt("comparing", fail, lambda *report: reports.append(report), lambda: "pow(matrix,num)")
    ((stage, value),) = reports
    assert (stage, value["doing"], value["error"], value["input"]) == (
        "failed", "comparing", "ZeroDivisionError", "pow(matrix,num)",
    )  # fmt: skip
    assert str(failure).startswith("comparing failed with ZeroDivisionError at test_math_worker.py:")


def test_running_out_of_memory_still_ends_the_worker() -> None:
    """Its exit status shows it, and it is charged to the item."""

    def allocate() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        worker._attempt("comparing", allocate, lambda *report: None, lambda: "")


def test_the_service_logs_what_a_worker_reports_and_waits_for_the_result() -> None:
    judge = MathJudge(Settings(math_workers=1))
    value = {"doing": "comparing", "error": "TypeError", "at": "numeric.py:7", "input": "num and pow(sym,num)"}
    with capture_logs() as logs:
        assert judge._outcome("failed", value) is None
    assert logs == [{"event": "math_comparison_failed", "log_level": "warning", **value}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("\\sin(x)^2 + 3", "add(pow(sin(sym),num),num)"), ("(1, f(2))", "tuple(num,call(num))"), ("7", "num")],
)
def test_a_shape_holds_no_letter_number_or_word_of_the_answer(text: str, expected: str) -> None:
    (tree,) = read(text).trees
    assert shape(tree) == expected


def test_a_shape_is_cut() -> None:
    (tree,) = read("+".join("x" * 90)).trees
    assert len(shape(tree)) == MAX_SHAPE_CHARS
