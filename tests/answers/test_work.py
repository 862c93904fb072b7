"""The search for a closed form is limited by work, never by time, so a busy machine gives the same verdicts."""

import pytest
import sympy

from verifier_service.answers.compare import compare
from verifier_service.answers.compute import algebra
from verifier_service.answers.compute.algebra import BUDGET, MAX_CALLS
from verifier_service.answers.read.reading import read
from verifier_service.answers.tree.bounds import TooComplex

X = sympy.Symbol("x", real=True)


def work(answer: str, reference: str) -> tuple[bool, int]:
    """Compare two answers; return whether they are equal, and the calls that it took."""
    equal = compare(read(answer), read(reference)).equal
    return equal, MAX_CALLS - BUDGET.left


def test_an_integral_that_no_quadrature_settles_is_proved_by_its_closed_form() -> None:
    """With a budget in seconds, this was accepted only on an idle machine."""
    assert work("\\int_{-\\infty}^{\\infty} \\frac{\\cos x}{1+x^2} dx", "\\frac{\\pi}{e}")[0]


def test_an_answer_costs_the_same_when_it_is_remembered() -> None:
    """Otherwise, what can be proved about an answer would depend on the worker's earlier answers.

    Only the numbering of sympy's dummy symbols continues from one search to the next, about one percent of its work.
    """
    answer, reference = "\\sum_{n=1}^{\\infty} \\frac{n}{3^n}", "0.75"
    equal, calls = work(answer, reference)
    assert equal
    assert calls > 10_000
    assert work(answer, reference) == (True, pytest.approx(calls, rel=0.05))
    algebra._searched.cache_clear()
    assert work(answer, reference) == (True, pytest.approx(calls, rel=0.05))


def test_a_comparison_that_takes_more_work_than_its_budget_is_not_proved() -> None:
    """Many integrals in one answer: each has a closed form, and they share one budget."""
    one = "\\int_0^\\infty \\frac{\\cos(k x)}{1+x^2} dx"
    many = "+".join(one.replace("k", str(k)) for k in range(1, 40))
    outcome = compare(read(many), read("1"))
    assert not outcome.equal
    assert "not proved" in outcome.why


def test_sympy_is_ended_at_the_call_after_the_last_one_allowed() -> None:
    """It stops even where sympy catches every ordinary exception."""
    count = algebra._Count(5_000)
    with pytest.raises(TooComplex, match="more than 5000 calls"), count.running():
        sympy.integrate(sympy.cos(X) / (1 + X**2), (X, -sympy.oo, sympy.oo))
    assert count.calls == 5_001
