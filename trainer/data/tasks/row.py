"""What a task gives for each problem, before the recipe's prompt is put around it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One problem: what is asked, what the verifier needs, and a right completion where one is known.

    `submission` is what `POST /v1/verify` takes, without `completion`. `solution` is a completion that should be
    accepted: `check` sends it to the verifier. `demonstration` is what a cold start imitates, the solution when left
    out; it may be wrong. `messages` is set instead of `question` when the data brings its own conversation. `source`
    says where the problem was read; `load_problems` sets it.
    In turns a cold start imitates more: `retry` is what is shown after a demonstration that the verifier refuses (the
    solution when left out), `program` what is shown to be run in an interpreter before the demonstration is written.
    `pass_rate` is the share of a policy's completions that were right, from 0 to 1, where that was measured.
    """

    id: str
    task: str
    question: str
    submission: dict[str, Any]
    solution: str | None = None
    demonstration: str | None = None
    retry: str | None = None
    program: str | None = None
    messages: list[dict[str, str]] | None = field(default=None)
    source: str = ""
    pass_rate: float | None = None

    @property
    def shown(self) -> str | None:
        """What a cold start imitates."""
        return self.demonstration if self.demonstration is not None else self.solution
