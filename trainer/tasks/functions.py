"""Generated small Python functions, rewarded by unit tests that run in the sandbox.

A problem describes two steps in words (`f(x): add 3, then multiply by 2`); the answer is a function. Some
demonstrations may leave the second step out: a cold start that imitates both leaves it to the unit tests to say which
is right. One in five descriptions is held out; the split is the same for every seed.
"""

import random
from collections.abc import Iterator
from itertools import product
from typing import Literal

from pydantic import Field

from trainer.tasks.row import Problem
from trainer.tasks.source import Source

HELD_OUT_ONE_IN = 5
_SPLIT_SEED = 20240205  # the split belongs to the task, not to the run
_INPUTS = (-7, 0, 1, 4, 12)

# words -> Python expression over `x` and the number `n`.
STEPS = {
    "add {n}": "x + {n}",
    "subtract {n}": "x - {n}",
    "subtract from {n}": "{n} - x",
    "multiply by {n}": "x * {n}",
    "remainder by {n}": "x % {n}",
    "divide by {n}": "x // {n}",
    "at most {n}": "min(x, {n})",
    "at least {n}": "max(x, {n})",
}


class Functions(Source):
    """Two steps in words, to be written as `def f(x):` with one assignment for each step."""

    kind: Literal["functions"] = "functions"
    split: Literal["train", "held_out"] = "train"
    time_limit_s: float = 2.0
    unfinished_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the demonstrations that leave the second step out"
    )

    @property
    def needs_hub(self) -> bool:
        """Whether reading the rows may need the network."""
        return False

    def problems(self, seed: int) -> Iterator[Problem]:
        """Yield every description of the split once, in an order that depends on the seed alone."""
        steps = [(words, n) for words in STEPS for n in range(2, 10)]
        descriptions = [pair for pair in product(steps, steps) if _is_held_out(pair) == (self.split == "held_out")]
        random.Random(seed).shuffle(descriptions)
        for first, second in descriptions:
            yield self._problem(first, second)

    def _problem(self, first: tuple[str, int], second: tuple[str, int]) -> Problem:
        words = ", then ".join(step.format(n=n) for step, n in (first, second))
        lines = [STEPS[step].format(n=n) for step, n in (first, second)]
        return Problem(
            id=f"functions-{words}",
            task="functions",
            question=f"Write f(x): {words}.",
            submission={
                "kind": "code",
                "language": "python",
                "tests": {
                    "kind": "call",
                    "entry_point": "f",
                    "cases": [{"args": [x], "expected": _apply(second, _apply(first, x))} for x in _INPUTS],
                },
                "limits": {"time_limit_s": self.time_limit_s},
            },
            solution=f"def f(x):\n    x = {lines[0]}\n    return {lines[1]}\n",
            demonstration=f"def f(x):\n    return {lines[0]}\n" if self._is_unfinished(words) else None,
        )

    def _is_unfinished(self, words: str) -> bool:
        return random.Random(f"{_SPLIT_SEED} unfinished {words}").random() < self.unfinished_share


def _apply(step: tuple[str, int], x: int) -> int:
    words, n = step
    match words.split(" {n}")[0]:
        case "add":
            return x + n
        case "subtract":
            return x - n
        case "subtract from":
            return n - x
        case "multiply by":
            return x * n
        case "remainder by":
            return x % n
        case "divide by":
            return x // n
        case "at most":
            return min(x, n)
        case "at least":
            return max(x, n)
    raise ValueError(f"no step is called {words!r}")


def _is_held_out(pair: tuple[tuple[str, int], tuple[str, int]]) -> bool:
    return random.Random(f"{_SPLIT_SEED} {pair}").randrange(HELD_OUT_ONE_IN) == 0
