"""Generated addition, small enough to be learnt on a laptop's CPU.

A solution shows its working digit by digit. Some demonstrations may only estimate, which is seldom right: a cold start
that imitates both leaves it to the reward which of the two habits pays. One in five pairs of numbers is held out; a
pair and its mirror image are always on the same side of the split, and the split is the same for every seed.
"""

import random
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import Source

HELD_OUT_ONE_IN = 5
_SPLIT_SEED = 20240205  # the split belongs to the task, not to the run


class Addition(Source):
    """Generated addition: `What is 27 + 45?`, answered by `7+5=12;2+4+1=7;\\boxed{72}`; an estimate says `\\boxed{70}`.

    The question repeated, `\\boxed{27 + 45}`, is not accepted: the form is `final`.
    """

    kind: Literal["addition"] = "addition"
    digits: Literal[1, 2, 3] = Field(default=2, description="digits of both numbers")
    split: Literal["train", "held_out"] = Field(default="train", description="which pairs of numbers")
    working: bool = Field(default=True, description="show the working in solutions")
    estimated_share: float = Field(
        default=0.0, ge=0, le=1, description="share of demonstrations that only round the sum down to tens"
    )

    @property
    def needs_hub(self) -> bool:
        """Whether reading the rows may need the network."""
        return False

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield every pair of the split once, in an order that depends on the seed alone."""
        low, high = 10 ** (self.digits - 1), 10**self.digits
        pairs = [(a, b) for a in range(low, high) for b in range(low, high)]
        if self.digits == 3:
            pairs = random.Random(_SPLIT_SEED).sample(pairs, 20_000)
        chosen = [pair for pair in pairs if _is_held_out(*pair) == (self.split == "held_out")]
        random.Random(seed).shuffle(chosen)
        for a, b in chosen:
            yield Problem(
                id=f"{self.label}-{a}+{b}",
                task="addition",
                question=f"What is {a} + {b}?",
                submission={"kind": "math", "reference": str(a + b), "form": "final"},
                solution=(worked(a, b) if self.working else "") + f"\\boxed{{{a + b}}}",
                demonstration=f"\\boxed{{{(a + b) // 10 * 10}}}" if self._is_estimated(a, b) else None,
            )

    def _is_estimated(self, a: int, b: int) -> bool:
        return random.Random(f"{_SPLIT_SEED} estimate {a}+{b}").random() < self.estimated_share


def worked(a: int, b: int) -> str:
    """Write the column addition of two numbers: for each column `digit+digit[+carry]=sum;`, from the right."""
    columns, carry = [], 0
    while a or b:
        digits = [a % 10, b % 10] + ([carry] if carry else [])
        total = sum(digits)
        columns.append("+".join(map(str, digits)) + f"={total};")
        a, b, carry = a // 10, b // 10, total // 10
    return "".join(columns)


def _is_held_out(a: int, b: int) -> bool:
    low, high = sorted((a, b))
    return random.Random(_SPLIT_SEED + low * 1_000 + high).randrange(HELD_OUT_ONE_IN) == 0
