"""The trainable weights of a model, taken out of it, put back, and averaged: in float32, on the model's device."""

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
    """Give a model the weights that were taken from it or from a model of the same shape."""
    for parameter, value in zip(_trainable(model), weights, strict=True):
        parameter.copy_(value)


def mix(first: Weights, second: Weights, share: float) -> Weights:
    """Return the weights that lie between two others: a `share` of 0 is the first, of 1 the second."""
    return [torch.lerp(a, b, share) for a, b in zip(first, second, strict=True)]


class Mean:
    """The mean of the weights that a model had when it was asked to `add` them."""

    def __init__(self) -> None:
        self._sum: Weights = []
        self._count = 0

    @torch.no_grad()
    def add(self, model: Any) -> None:
        """Count the weights that the model has now."""
        if not self._sum:
            self._sum = of(model)
        else:
            for total, parameter in zip(self._sum, _trainable(model), strict=True):
                total.add_(parameter.detach())
        self._count += 1

    def take(self) -> Weights:
        """Return the mean and begin anew."""
        mean = [total / self._count for total in self._sum]
        self._sum, self._count = [], 0
        return mean


def _trainable(model: Any) -> Sequence[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
