"""Split a batch into parts that each take one box a second or two.

That is long enough to make the cost of sending negligible, and short enough that nodes finish together and little is
repeated when one is lost.

The most a submission may take is known (its cases times their limit), but most programs take only a small share of it.
That share is learned from recent results.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from verifier_service.limits import default
from verifier_service.schema import AssertTests, CallTests, CodeSubmission, MathSubmission, PytestTests, Run, StdioTests
from verifier_service.schema.limits import TIME
from verifier_service.settings import Settings

PART_S = 1.5
MOST_IN_A_PART = 256
"""The most submissions in one part, however little they take: their texts and results are sent together."""
OVERHEAD_S = 0.01
"""What a submission costs a box in addition to its program's time."""
FIRST_SHARE = 0.02
LEARNED_OVER = 200
"""The number of recent results over which the share is averaged, approximately."""


def may_take_s(item: CodeSubmission | MathSubmission | Run, settings: Settings) -> float:
    """Return the most that a submission may take, in seconds of one box or worker: its cases times their limit."""
    if isinstance(item, MathSubmission):
        return settings.math_time_limit_s
    limit_s = item.limits.time_limit_s or default(TIME, settings)
    return limit_s if isinstance(item, Run) else limit_s * _cases(item.tests)


def _cases(tests: object) -> int:
    """Return the number of tests; for test code an estimate."""
    if isinstance(tests, (StdioTests, CallTests)):
        return len(tests.cases)
    if isinstance(tests, AssertTests):
        return max(tests.code.count("assert"), 1)
    if isinstance(tests, PytestTests):
        return max(sum(file.count("def test") for file in tests.files.values()), 1)
    return 1


class Estimate:
    """Estimates how long submissions of one kind take, from their results."""

    def __init__(self) -> None:
        self._may_s = LEARNED_OVER * 1.0
        self._took_s = self._may_s * FIRST_SHARE

    @property
    def share(self) -> float:
        """The average share of its maximum time that a submission takes."""
        return min(self._took_s / self._may_s, 1.0)

    def cost_s(self, may_s: float) -> float:
        """Return the expected time of a submission whose maximum is `may_s`."""
        return OVERHEAD_S + self.share * may_s

    def learn(self, may_s: float, took_s: float) -> None:
        """Add one result to the average."""
        keep = 1 - 1 / LEARNED_OVER
        self._may_s = self._may_s * keep + may_s
        self._took_s = self._took_s * keep + min(took_s, may_s)


@dataclass(frozen=True)
class Piece:
    """One submission, as far as splitting is concerned."""

    cost_s: float
    suite: Hashable = None
    """Equal for submissions with the same tests: they go to a node together, which prepares the tests once."""
    twin: Hashable = None
    """Equal for submissions that differ only in their id: they are never separated, and run once."""
    alone: bool = False
    """Whether to judge it alone, because a node was lost while judging it."""


def cut(pieces: Iterable[Piece]) -> list[list[int]]:
    """Split pieces into parts of about `PART_S`; return their indices."""
    suites: dict[Hashable, dict[Hashable, list[int]]] = {}
    costs: list[float] = []
    parts: list[list[int]] = []
    for index, one in enumerate(pieces):
        costs.append(one.cost_s)
        if one.alone:
            parts.append([index])
        else:
            suites.setdefault(one.suite, {}).setdefault(one.twin, []).append(index)
    part: list[int] = []
    part_s = 0.0
    for twins in (twins for suite in suites.values() for twins in suite.values()):
        cost_s = costs[twins[0]]
        if part and (part_s + cost_s > PART_S or len(part) + len(twins) > MOST_IN_A_PART):
            parts.append(part)
            part, part_s = [], 0.0
        part += twins
        part_s += cost_s
    return [*parts, part] if part else parts
