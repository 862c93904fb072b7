"""Generated small Python functions, rewarded by unit tests that run in the sandbox.

A problem describes two steps in words (`f(x): add 3, then multiply by 2`); the answer is a function. Some
demonstrations may leave the second step out: a cold start that imitates both leaves it to the unit tests to say which
is right. With `order: untold` it is not said which step comes first, so that nobody can know at once: a first answer is
right half of the time, and a second one can be, for those who are told that the first was wrong. One in five
descriptions is held out; the split is the same for every seed.
"""

import random
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

from pydantic import Field

from trainer.data.tasks.row import Problem
from trainer.data.tasks.source import Source

HELD_OUT_ONE_IN = 5
_SPLIT_SEED = 20240205  # the split belongs to the task, not to the run
_INPUTS = (-7, 0, 1, 4, 12)

Step = tuple[str, int]  # the words of `STEPS`, and the number in them

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
    """Generated functions: two steps in words, to be written as `def f(x):` with one assignment for each step."""

    kind: Literal["functions"] = "functions"
    split: Literal["train", "held_out"] = Field(default="train", description="which descriptions")
    time_limit_s: float = Field(default=2.0, description="CPU time of one test")
    unfinished_share: float = Field(
        default=0.0, ge=0, le=1, description="share of demonstrations that leave the second step out"
    )
    order: Literal["told", "untold"] = Field(
        default="told", description="whether the question says which step comes first"
    )
    repeated_share: float = Field(
        default=0.0, ge=0, le=1, description="with `order: untold`, share of second answers that repeat the first"
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
            if self.order == "told":
                yield self._problem(first, second)
            elif _values(first, second) != _values(second, first):
                yield self._untold(first, second)

    def _untold(self, one: Step, other: Step) -> Problem:
        """Ask for two steps; which comes first, and which a demonstration tries first, is thrown by coins."""
        words = " and ".join(step.format(n=n) for step, n in (one, other))
        coin = random.Random(f"{_SPLIT_SEED} untold {words}")
        right, wrong = coin.sample([(one, other), (other, one)], 2)
        is_wrong, repeats = coin.random() < 0.5, coin.random() < self.repeated_share
        return Problem(
            id=f"functions-{words}-untold",
            task="functions",
            question=f"Write f(x): {words}.",
            submission=self._submission(*right),
            solution=_program(*right),
            demonstration=_program(*wrong) if is_wrong else None,
            retry=_program(*wrong) if is_wrong and repeats else None,
        )

    def _problem(self, first: Step, second: Step) -> Problem:
        words = ", then ".join(step.format(n=n) for step, n in (first, second))
        return Problem(
            id=f"{self.label}-{words}",
            task="functions",
            question=f"Write f(x): {words}.",
            submission=self._submission(first, second),
            solution=_program(first, second),
            demonstration=f"def f(x):\n    return {_line(first)}\n" if self._is_unfinished(words) else None,
        )

    def _submission(self, first: Step, second: Step) -> dict[str, Any]:
        cases = [{"args": [x], "expected": y} for x, y in zip(_INPUTS, _values(first, second), strict=True)]
        return {
            "kind": "code",
            "language": "python",
            "tests": {"kind": "call", "entry_point": "f", "cases": cases},
            "limits": {"time_limit_s": self.time_limit_s},
        }

    def _is_unfinished(self, words: str) -> bool:
        return random.Random(f"{_SPLIT_SEED} unfinished {words}").random() < self.unfinished_share


def _line(step: Step) -> str:
    words, n = step
    return STEPS[words].format(n=n)


def _program(first: Step, second: Step) -> str:
    return f"def f(x):\n    x = {_line(first)}\n    return {_line(second)}\n"


def _values(first: Step, second: Step) -> list[int]:
    """Return what the function gives for each input of the tests."""
    return [_apply(second, _apply(first, x)) for x in _INPUTS]


def _apply(step: Step, x: int) -> int:
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


def _is_held_out(pair: tuple[Step, Step]) -> bool:
    return random.Random(f"{_SPLIT_SEED} {pair}").randrange(HELD_OUT_ONE_IN) == 0
