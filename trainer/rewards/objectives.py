"""Combine reward components: as a weighted sum, or normalized within the group one by one first (GDPO)."""

from collections.abc import Sequence
from statistics import fmean, stdev

from trainer.rewards.components import FROM_VERDICT, Component, Judged

EPSILON = 1e-4  # TRL adds the same to a standard deviation before dividing by it
Values = dict[str, float] | None
"""A completion's value for each component, without weights; None for a `judge_error`."""


def values_of(judged: Judged | None, any_right: bool, components: Sequence[Component]) -> Values:
    """Return each component's value for one completion. `any_right` says whether its group has a right one."""
    if judged is None:
        return None
    return {part.kind: part.value(judged) if part.only_when is None or any_right else 0.0 for part in components}


def of_group(group: Sequence[Judged | None], components: Sequence[Component]) -> list[Values]:
    """Return each component's value for each completion of one whole group."""
    any_right = any(judged is not None and judged.accepted for judged in group)
    return [values_of(judged, any_right, components) for judged in group]


def weighted(values: Values, components: Sequence[Component]) -> float | None:
    """Return the weighted sum of a completion's components."""
    return None if values is None else sum(part.weight * values[part.kind] for part in components)


def from_verdict(values: Values, components: Sequence[Component]) -> float | None:
    """Return the part of a completion's reward that depends on the verdict alone, without shaping."""
    return None if values is None else weighted(values, [part for part in components if part.kind in FROM_VERDICT])


def normalized(group: Sequence[Values], components: Sequence[Component]) -> list[float | None]:
    """Return the weighted sum of a group's components after normalizing each one within the group.

    Normalizing subtracts the component's mean and divides by its standard deviation. So a component with equal values
    contributes nothing, and one with large values does not drown out the others. With `scale_rewards: batch`, TRL
    divides the sum by the batch's standard deviation afterwards.
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
    """Return whether the known values of a group differ by more than `EPSILON`."""
    known = [value for value in values if value is not None]
    return bool(known) and max(known) - min(known) > EPSILON
