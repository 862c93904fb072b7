"""Statistics of an evaluation: unbiased pass@k, majority votes, confidence intervals and a paired comparison."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Estimate the probability that at least one of k completions is right, from n samples with c right ones.

    The estimate 1 - C(n-c, k) / C(n, k) is unbiased. Source: Chen et al., arXiv:2107.03374, equation 1.

    Raises:
        ValueError: Unless 1 <= k <= n and 0 <= c <= n.
    """
    if not (1 <= k <= samples and 0 <= right <= samples):
        raise ValueError(f"pass@{k} cannot be estimated from {right} right of {samples} samples")
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def majority_is_right(answers: Sequence[str | None], right: Sequence[bool]) -> float:
    """Return 1 if the most frequent answer is right and 0 if it is wrong; with ties, the share of right ones.

    Args:
        answers: The extracted answers to one problem; None for a completion without an answer.
        right: Whether each completion is right.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return 0.0
    most = max(votes.values())
    winners = [answer for answer, count in votes.items() if count == most]
    verdict = {answer: good for answer, good in zip(answers, right, strict=True) if answer is not None}
    return sum(verdict[winner] for winner in winners) / len(winners)


def proportion(right: int, total: int) -> Interval:
    """Return a proportion with Wilson's 95 % interval (Wilson 1927).

    Raises:
        ValueError: There are no observations.
    """
    if total <= 0:
        raise ValueError("a proportion needs at least one observation")
    p, z2 = right / total, Z_95**2
    centre = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 * math.sqrt(p * (1 - p) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return Interval(p, max(centre - half, 0.0), min(centre + half, 1.0))


def mean(values: Sequence[float], seed: int = 0, draws: int = 2000) -> Interval:
    """Return the mean over problems with a 95 % bootstrap interval: percentiles over resampled problems.

    Raises:
        ValueError: There are no observations.
    """
    if not values:
        raise ValueError("a mean needs at least one observation")
    if len(set(values)) == 1 and values[0] in (0.0, 1.0):
        return proportion(
            int(sum(values)), len(values)
        )  # all resamples are equal; Wilson's interval still depends on the number of problems
    chance = random.Random(seed)
    count = len(values)
    means = sorted(sum(chance.choices(values, k=count)) / count for _ in range(draws))
    return Interval(sum(values) / count, means[int(0.025 * draws)], means[int(0.975 * draws) - 1])


def difference(values: Sequence[float]) -> Interval:
    """Return the mean difference between two evaluations of the same problems, with a 95 % interval.

    The interval is the bootstrap's. If all differences are equal, the bootstrap's interval would have length zero
    however few problems there are; then it extends to both sides as far as Wilson's interval for 0 out of n.

    Args:
        values: One difference for each problem, from -1 to 1.

    Raises:
        ValueError: There are no observations.
    """
    if len(set(values)) != 1:
        return mean(values)
    reach = proportion(0, len(values)).high
    return Interval(values[0], max(values[0] - reach, -1.0), min(values[0] + reach, 1.0))


@dataclass(frozen=True)
class Paired:
    """Two evaluations of the same problems: the difference (second minus first), its interval and the p-value."""

    problems: int
    only_first: int
    only_second: int
    difference: Interval
    p_value: float


def compare(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Compare greedy verdicts on the same problems with McNemar's exact test (two-sided).

    Raises:
        ValueError: The lengths differ, or there is nothing to compare.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} verdicts are not a paired comparison")
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    won = sum(b and not a for a, b in zip(first, second, strict=True))
    n = lost + won
    tail = sum(math.comb(n, i) for i in range(min(lost, won) + 1)) / 2**n if n else 1.0
    changes = difference([float(b) - float(a) for a, b in zip(first, second, strict=True)])
    return Paired(len(first), lost, won, changes, min(1.0, 2 * tail))
