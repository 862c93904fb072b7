"""What the components of a reward come to: their weighted sum, or each of them set against its group first."""

from collections.abc import Sequence
from statistics import fmean, stdev

from trainer.rewards.components import FROM_VERDICT, Component, Judged

EPSILON = 1e-4  # TRL's, under which a spread counts for nothing
Values = dict[str, float] | None
"""A completion's values by component, before their weights; None where the verifier had a `judge_error`."""


def values_of(judged: Judged | None, any_right: bool, components: Sequence[Component]) -> Values:
    """Return what each component gives to a completion of a group in which some completion is right, or none is."""
    if judged is None:
        return None
    return {part.kind: part.value(judged) if part.only_when is None or any_right else 0.0 for part in components}


def of_group(group: Sequence[Judged | None], components: Sequence[Component]) -> list[Values]:
    """Return what each component gives to each completion of one whole group."""
    any_right = any(judged is not None and judged.accepted for judged in group)
    return [values_of(judged, any_right, components) for judged in group]


def weighted(values: Values, components: Sequence[Component]) -> float | None:
    """Return the sum of a completion's components, each with its weight."""
    return None if values is None else sum(part.weight * values[part.kind] for part in components)


def from_verdict(values: Values, components: Sequence[Component]) -> float | None:
    """Return what of a completion's reward the verifier's conclusion makes: all but shaping."""
    return None if values is None else weighted(values, [part for part in components if part.kind in FROM_VERDICT])


def normalized(group: Sequence[Values], components: Sequence[Component]) -> list[float | None]:
    """Return the sum of a group's components, each minus its mean and divided by its spread within the group.

    A component that all completions got the same of adds nothing, and one of large numbers drowns no other.
    TRL divides by the batch's standard deviation afterwards, where `scale_rewards` is `batch`.
    Source: GDPO (arXiv:2601.05242).
    """
    sums = [None if values is None else 0.0 for values in group]
    for part in components:
        known = [values[part.kind] for values in group if values is not None]
        if not known:
            continue
        mean, spread = fmean(known), stdev(known) if len(known) > 1 else 0.0
        for i, values in enumerate(group):
            if values is not None:
                sums[i] = (sums[i] or 0.0) + part.weight * (values[part.kind] - mean) / (spread + EPSILON)
    return sums


def differ(values: Sequence[float | None]) -> bool:
    """Tell whether the values of a group, those that are known, are not all the same."""
    known = [value for value in values if value is not None]
    return bool(known) and max(known) - min(known) > EPSILON
