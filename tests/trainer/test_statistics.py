"""The statistics of an evaluation agree with their definitions."""

import itertools

import pytest

from trainer.evaluation import statistics


@pytest.mark.parametrize(("samples", "right", "k"), [(4, 1, 1), (4, 1, 2), (5, 2, 3), (6, 0, 2), (6, 6, 4), (6, 4, 3)])
def test_pass_at_k_is_the_share_of_all_choices_of_k_that_hold_a_right_one(samples: int, right: int, k: int) -> None:
    outcomes = [True] * right + [False] * (samples - right)
    choices = list(itertools.combinations(outcomes, k))
    expected = sum(any(choice) for choice in choices) / len(choices)
    assert statistics.pass_at_k(samples, right, k) == pytest.approx(expected)


def test_pass_at_more_than_was_sampled_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@5 cannot be estimated from 1 right of 4 samples"):
        statistics.pass_at_k(4, 1, 5)


@pytest.mark.parametrize(
    ("answers", "right", "expected"),
    [
        (["1", "2", "2"], [True, False, False], 0.0),
        (["1", "1", "2"], [True, True, False], 1.0),
        (["1", "2"], [True, False], 0.5),
        ([None, None, "1"], [False, False, True], 1.0),
        ([None, None], [False, False], 0.0),
    ],
)
def test_the_majority_votes_and_ties_share(answers: list[str | None], right: list[bool], expected: float) -> None:
    assert statistics.majority_is_right(answers, right) == expected


def test_wilsons_interval_is_the_published_one() -> None:
    """81 of 263: 0.2553 to 0.3662 (Newcombe 1998, table I, method 3)."""
    interval = statistics.proportion(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def test_no_successes_still_have_an_interval() -> None:
    interval = statistics.mean([0.0] * 20)
    assert (interval.value, interval.low) == (0.0, 0.0)
    assert 0.1 < interval.high < 0.2


def test_mcnemar_counts_only_what_changed() -> None:
    """Ten gained and two lost of twelve that changed: two-sided exact p = 2 * sum C(12, i) / 2^12 for i <= 2."""
    first = [True] * 2 + [False] * 10 + [True] * 50
    second = [False] * 2 + [True] * 10 + [True] * 50
    paired = statistics.compare(first, second)
    assert (paired.only_first, paired.only_second) == (2, 10)
    assert paired.p_value == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert paired.difference.value == pytest.approx(8 / 62)
