"""Generated products, which a small model cannot work out in its head and an interpreter can.

Some demonstrations run a program and answer what it printed; the others only estimate, which is seldom right. A cold
start that imitates both leaves it to the reward which of the two habits pays. One in five pairs of numbers is held out;
a pair and its mirror image are always on the same side of the split, and the split is the same for every seed.
"""

import random
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import Source

HELD_OUT_ONE_IN = 5
_SPLIT_SEED = 20240205  # the split belongs to the task, not to the run


class Products(Source):
    """Generated products: `What is 27 * 45?`, answered by `\\boxed{1215}`. A demonstration runs `print(27*45)`."""

    kind: Literal["products"] = "products"
    split: Literal["train", "held_out"] = Field(default="train", description="which pairs of numbers")
    estimated_share: float = Field(
        default=0.0, ge=0, le=1, description="share of demonstrations that run nothing and round down to hundreds"
    )

    @property
    def needs_hub(self) -> bool:
        """Whether reading the rows may need the network."""
        return False

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield every pair of the split once, in an order that depends on the seed alone."""
        pairs = [(a, b) for a in range(11, 100) for b in range(11, 100)]
        chosen = [pair for pair in pairs if _is_held_out(*pair) == (self.split == "held_out")]
        random.Random(seed).shuffle(chosen)
        for a, b in chosen:
            estimates = random.Random(f"{_SPLIT_SEED} estimate {a}*{b}").random() < self.estimated_share
            yield Problem(
                id=f"products-{a}*{b}",
                task="products",
                question=f"What is {a} * {b}?",
                submission={"kind": "math", "reference": str(a * b), "form": "final"},
                solution=f"\\boxed{{{a * b}}}",
                demonstration=f"\\boxed{{{a * b // 100 * 100}}}" if estimates else None,
                program=None if estimates else f"print({a}*{b})",
            )


def _is_held_out(a: int, b: int) -> bool:
    low, high = sorted((a, b))
    return random.Random(_SPLIT_SEED + low * 1_000 + high).randrange(HELD_OUT_ONE_IN) == 0
