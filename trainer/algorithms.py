"""Algorithms by name: the recipe fields that each one sets, and the paper they come from.

A recipe that names an algorithm and contradicts it in a field is refused, so that a name in a report means what the
paper describes. What a paper leaves open, such as learning rates and lengths, is up to the recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Setting = float | str | bool
Name = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo"]


@dataclass(frozen=True)
class Algorithm:
    """The fields of `grpo:` that an algorithm sets, whether it samples dynamically, and its source."""

    source: str
    grpo: Mapping[str, Setting]
    samples_dynamically: bool = False

    def applied(self, grpo: Mapping[str, object]) -> dict[str, object]:
        """Return the fields of `grpo:`, completed with those that the algorithm sets.

        Raises:
            ValueError: The recipe sets one of them to another value; the message names the field and both values.
        """
        for field, value in self.grpo.items():
            if field in grpo and grpo[field] != value:
                raise ValueError(
                    f"grpo.{field} is {grpo[field]}, but the algorithm ({self.source}) sets {value}; remove "
                    f"grpo.{field}, or remove `algorithm` and set its other fields yourself"
                )
        return {**grpo, **self.grpo}


ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        # Section 4.2 for the weight of the KL penalty.
        "grpo": Algorithm(
            "arXiv:2402.03300",
            {
                "loss_type": "grpo",
                "scale_rewards": "group",
                "importance_sampling_level": "token",
                "beta": 0.04,
            },
        ),
        # Divides neither by length nor by standard deviation, and needs no reference model.
        "dr_grpo": Algorithm(
            "arXiv:2503.20783",
            {
                "loss_type": "dr_grpo",
                "scale_rewards": "none",
                "importance_sampling_level": "token",
                "beta": 0.0,
            },
        ),
        # Sections 2.3 and 3.1 to 3.3; the numbers are from 4.1. Truncated completions get a soft penalty (3.4) and are
        # not masked, as in the authors' released recipe: a masked penalty would only shift the rest of the group.
        "dapo": Algorithm(
            "arXiv:2503.14476",
            {
                "loss_type": "dapo",
                "scale_rewards": "group",
                "importance_sampling_level": "token",
                "epsilon": 0.2,
                "epsilon_high": 0.28,
                "beta": 0.0,
                "mask_truncated_completions": False,
            },
            samples_dynamically=True,
        ),
        # Section 5.1. It differs from GRPO only if a batch serves several steps; the paper uses four.
        "gspo": Algorithm(
            "arXiv:2507.18071",
            {
                "loss_type": "grpo",
                "scale_rewards": "group",
                "importance_sampling_level": "sequence",
                "epsilon": 3e-4,
                "epsilon_high": 4e-4,
                "beta": 0.0,
            },
        ),
        # MiniMax-M1 defines the loss but gives no number for the cap; 5 is ScaleRL's (arXiv:2510.13786).
        "cispo": Algorithm(
            "arXiv:2506.13585 and arXiv:2510.13786",
            {
                "loss_type": "cispo",
                "scale_rewards": "group",
                "importance_sampling_level": "token",
                "epsilon_high": 5.0,
                "beta": 0.0,
            },
        ),
    }
)
