"""Turn one row's results, of its own solutions over several runs and of the cheats, into a finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verifier_service.audit.cheats import Cheat
from verifier_service.audit.findings import CheatScore, Example, Finding, Flag
from verifier_service.data.task import Solution, Task
from verifier_service.schema import CodeResult, Verdict
from verifier_service.schema.results import MathResult, UnreadResult
from verifier_service.settings import Settings

Judged = MathResult | CodeResult | UnreadResult
SHOWN_CHARS = 4000
NEAR = 0.5
"""The share of a limit above which a solution counts as near it."""


@dataclass
class Audited:
    """A row during the audit. `runs` has each solution's results in every run; `shared`, those with shared tests."""

    number: int
    task: Task
    solutions: Sequence[Solution]
    cheats: Sequence[Cheat]
    runs: list[list[Judged]] = field(default_factory=list)
    shared: list[Judged] = field(default_factory=list)
    cheated: list[Judged] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether a solution was accepted in every run."""
        return any(one and all(result.verdict is Verdict.ACCEPTED for result in one) for one in self.runs)

    @property
    def is_flaky(self) -> bool:
        """Whether a solution was accepted in only some of its runs."""
        return any(len({result.verdict is Verdict.ACCEPTED for result in one}) > 1 for one in self.runs)

    @property
    def our_failure(self) -> Judged | None:
        """A result that is a failure of the service and says nothing about the row, or None."""
        results = [*(result for one in self.runs for result in one), *self.shared, *self.cheated]
        return next((result for result in results if result.retryable), None)


def finding_of(row: Audited, settings: Settings, slow_s: float) -> Finding:
    """Return the finding for a row's results."""
    flags: list[tuple[Flag, str]] = []
    results = [result for one in row.runs for result in one]
    if results and not row.is_accepted and not row.is_flaky:
        flags.append(_why_rejected(row, results))
    if row.is_flaky:
        words = ", ".join(str(result.verdict) for one in row.runs for result in one)
        flags.append((Flag.FLAKY, f"the runs gave {words}"))
    if not row.task.solutions:
        flags.append((Flag.NO_SOLUTION, "the row has none"))
    time_s, memory_mb = _used(results)
    flags += _of_limits(row.task, time_s, memory_mb, settings, slow_s)
    got = list(zip(row.cheats, row.cheated, strict=True))
    passed = [(cheat, result) for cheat, result in got if result.verdict is Verdict.ACCEPTED]
    for flag, unfinished in ((Flag.CHEATED, False), (Flag.UNFINISHED, True)):
        names = [cheat.name for cheat, _ in passed if cheat.unfinished is unfinished]
        if names:
            flags.append((flag, f"accepted: {', '.join(names)}"))
    own = [(solution, one[0]) for solution, one in zip(row.solutions, row.runs, strict=True) if one]
    shown = [_example("own solution", solution.completion, result) for solution, result in own if flags]
    return Finding(
        number=row.number,
        id=row.task.id,
        prompt=_question(row.task)[:SHOWN_CHARS],
        flags=[flag for flag, _ in flags],
        reasons=[reason for _, reason in flags],
        cheats=[
            CheatScore(name=cheat.name, score=result.score, accepted=result.verdict is Verdict.ACCEPTED)
            for cheat, result in got
        ],
        examples=[*shown[:2], *(_example(cheat.name, cheat.completion, result) for cheat, result in passed)],
        time_s=round(time_s, 3),
        memory_mb=round(memory_mb, 1),
    )


def _why_rejected(row: Audited, results: Sequence[Judged]) -> tuple[Flag, str]:
    if row.shared and any(result.verdict is Verdict.ACCEPTED for result in row.shared):
        return Flag.ONLY_SHARED, f"apart it is {results[0].verdict}: {results[0].message}"
    broken = [result for result in results if result.verdict is Verdict.JUDGE_ERROR]
    if len(broken) == len(results):
        return Flag.REFERENCE_UNREADABLE, broken[0].message
    return Flag.REJECTED, f"{results[0].verdict}: {_first_failure(results[0])}"


def _first_failure(result: Judged) -> str:
    if result.message or not isinstance(result, CodeResult):
        return result.message
    failed = next((test for test in result.tests if test.verdict is not Verdict.ACCEPTED), None)
    return failed.message if failed is not None else ""


def _used(results: Sequence[Judged]) -> tuple[float, float]:
    """Return the most CPU seconds and MiB that one test took."""
    tests = [test for result in results if isinstance(result, CodeResult) for test in result.tests]
    return max((test.time_s for test in tests), default=0.0), max((test.memory_mb for test in tests), default=0.0)


def _of_limits(
    task: Task, time_s: float, memory_mb: float, settings: Settings, slow_s: float
) -> list[tuple[Flag, str]]:
    asked = task.verifier.get("limits")
    asked = asked if isinstance(asked, Mapping) else {}
    limit_s, limit_mb = asked.get("time_limit_s"), asked.get("memory_limit_mb")
    most_s = float(limit_s) if isinstance(limit_s, (int, float)) else settings.default_time_limit_s
    most_mb = float(limit_mb) if isinstance(limit_mb, (int, float)) else settings.default_memory_limit_mb
    found: list[tuple[Flag, str]] = []
    if time_s > slow_s:
        found.append((Flag.SLOW, f"a test takes {time_s:.2f} s"))
    if time_s > NEAR * most_s:
        found.append((Flag.NEAR_LIMIT, f"{time_s:.2f} s of time_limit_s {most_s:g}"))
    if memory_mb > NEAR * most_mb:
        found.append((Flag.NEAR_LIMIT, f"{memory_mb:.0f} MiB of memory_limit_mb {most_mb:g}"))
    return found


def _example(what: str, completion: str, result: Judged) -> Example:
    message = _first_failure(result)[:SHOWN_CHARS]
    return Example(what=what, completion=completion[:SHOWN_CHARS], verdict=result.verdict.value, message=message)


def _question(task: Task) -> str:
    return task.prompt if isinstance(task.prompt, str) else "\n\n".join(one["content"] for one in task.prompt)
