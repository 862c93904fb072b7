"""Copy, restore and average the trainable weights of a model, in float32 and on the model's device."""

from collections.abc import Sequence
from typing import Any

import torch

Weights = list[torch.Tensor]
"""A copy of each trainable parameter, in the model's order."""


def of(model: Any) -> Weights:
    """Copy the trainable weights."""
    return [parameter.detach().float().clone() for parameter in _trainable(model)]


@torch.no_grad()
def put(model: Any, weights: Weights) -> None:
    """Restore weights that were copied from this model or from one of the same shape."""
    for parameter, value in zip(_trainable(model), weights, strict=True):
        parameter.copy_(value)


def mix(first: Weights, second: Weights, share: float) -> Weights:
    """Interpolate linearly between two sets of weights: a `share` of 0 is the first, 1 the second."""
    return [torch.lerp(a, b, share) for a, b in zip(first, second, strict=True)]


class Mean:
    """The mean of a model's weights at the times when `add` was called."""

    def __init__(self) -> None:
        self._sum: Weights = []
        self._count = 0

    @torch.no_grad()
    def add(self, model: Any) -> None:
        """Add the model's current weights."""
        if not self._sum:
            self._sum = of(model)
        else:
            for total, parameter in zip(self._sum, _trainable(model), strict=True):
                total.add_(parameter.detach())
        self._count += 1

    def take(self) -> Weights:
        """Return the mean, and start again from nothing."""
        mean = [total / self._count for total in self._sum]
        self._sum, self._count = [], 0
        return mean


def _trainable(model: Any) -> Sequence[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
