"""Algorithms by name: what each of them sets of a recipe, and the paper that says so.

A recipe that names one and says otherwise in a field is refused: a name in a report should mean the paper.
What a paper leaves open, such as learning rates and lengths, is the recipe's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Setting = float | str | bool
Name = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo"]


@dataclass(frozen=True)
class Algorithm:
    """Fields of `grpo:` that an algorithm sets, whether it samples dynamically, and where that is written."""

    source: str
    grpo: Mapping[str, Setting]
    samples_dynamically: bool = False

    def applied(self, grpo: Mapping[str, object]) -> dict[str, object]:
        """Return the fields of `grpo:` with those that the algorithm sets.

        Raises:
            ValueError: the recipe gives one of them another value; the message names it and both.
        """
        for field, value in self.grpo.items():
            if field in grpo and grpo[field] != value:
                raise ValueError(
                    f"grpo.{field} is {grpo[field]}, and the algorithm's ({self.source}) is {value}; leave "
                    f"grpo.{field} out, or the algorithm, and set its other fields"
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
        # Neither lengths nor spreads divide; no reference model.
        "dr_grpo": Algorithm(
            "arXiv:2503.20783",
            {
                "loss_type": "dr_grpo",
                "scale_rewards": "none",
                "importance_sampling_level": "token",
                "beta": 0.0,
            },
        ),
        # Sections 2.3 and 3.1 to 3.3, numbers from 4.1. What is cut off is punished softly (3.4) and not masked, as in
        # the recipe that its authors released: a punishment that is masked moves nobody but the rest of the group.
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
        # Section 5.1. It differs from GRPO only where a batch serves several steps; the paper takes four.
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
        # MiniMax-M1 gives the loss and no number for the cap; 5 is that of ScaleRL (arXiv:2510.13786).
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
