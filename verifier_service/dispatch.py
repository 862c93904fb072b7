"""A batch from arrival to answer: refuse or admit, cut limits, judge by kind under a cap and a deadline, keep order.

This is the only place where our failures become `judge_error` results, and the only one that catches everything.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from verifier_service.errors import BadRequest, FieldProblem, Overloaded
from verifier_service.judges.code_judge import CodeJudge
from verifier_service.judges.math_judge import MathJudge
from verifier_service.metrics import Metrics
from verifier_service.schema import (
    CodeResult,
    CodeSubmission,
    Limits,
    MathResult,
    MathSubmission,
    Result,
    StdioTests,
    Submission,
    Verdict,
    VerifyRequest,
)
from verifier_service.settings import Settings

log = structlog.get_logger()

RETRY_AFTER_S = 2.0


@dataclass(frozen=True)
class Judges:
    """The judge for each kind of submission, and the languages that can be judged here with their versions."""

    math: MathJudge
    code: CodeJudge
    languages: Callable[[], dict[str, str]]


class Dispatcher:
    """Judges batches. One for a process; `verify` may be called concurrently."""

    def __init__(self, settings: Settings, judges: Judges, metrics: Metrics) -> None:
        self._settings = settings
        self._judges = judges
        self._metrics = metrics
        self._in_hand = 0

    async def verify(self, request: VerifyRequest) -> list[Result]:
        """Judge a batch and return one result for each submission, in the same order.

        Raises:
            BadRequest: the batch asks for what is not allowed; nothing was judged.
            Overloaded: too many submissions are waiting; nothing was judged.
        """
        submissions = await self.admit(request)
        self._in_hand += len(submissions)
        self._metrics.in_hand.set(self._in_hand)
        try:
            return await self._judge(submissions, request.deadline_s or self._settings.default_deadline_s)
        finally:
            self._in_hand -= len(submissions)
            self._metrics.in_hand.set(self._in_hand)

    async def admit(self, request: VerifyRequest) -> list[Submission]:
        """Return the submissions with the tests of their suites in place, or refuse the batch. Raises as `verify`."""
        count = len(request.submissions)
        if count > self._settings.max_batch:
            allowed = f"at most {self._settings.max_batch} submissions in one request"
            raise BadRequest([FieldProblem("submissions", count, allowed)])
        if self._in_hand and self._in_hand + count > self._settings.max_queued:
            raise Overloaded(
                f"{self._in_hand} submissions are waiting, and at most {self._settings.max_queued} may", RETRY_AFTER_S
            )
        problems: list[FieldProblem] = []
        submissions = [self._resolve(i, one, request, problems) for i, one in enumerate(request.submissions)]
        if count == 1 and isinstance(submissions[0], MathSubmission):
            reason = await self._judges.math.check_reference(submissions[0])
            if reason is not None:
                problems.append(FieldProblem("submissions.0.reference", submissions[0].reference[:200], reason))
        if problems:
            raise BadRequest(problems)
        return submissions

    def _resolve(
        self, index: int, submission: Submission, request: VerifyRequest, problems: list[FieldProblem]
    ) -> Submission:
        """Return the submission with its tests in place of the name of a suite; add to `problems` what is wrong."""
        if isinstance(submission, MathSubmission):
            return submission
        path = f"submissions.{index}"
        tests = submission.tests
        if isinstance(tests, str):
            if tests not in request.suites:
                allowed = f"the name of a suite of this request: {', '.join(request.suites) or 'it has none'}"
                problems.append(FieldProblem(f"{path}.tests", tests, allowed))
                return submission
            tests = request.suites[tests]
            submission = submission.model_copy(update={"tests": tests})
        self._check_language(path, submission, problems)
        problems += [
            FieldProblem(f"{path}.limits.{name}", value, f"the maximum here is {maximum}")
            for name, value, maximum in self._limits(submission.limits)
            if value is not None and value > maximum
        ]
        return submission

    def _check_language(self, path: str, submission: CodeSubmission, problems: list[FieldProblem]) -> None:
        languages = self._judges.languages()
        known = self._judges.code.languages
        name = submission.language
        tests = submission.tests
        assert not isinstance(tests, str)
        if name not in known:
            problems.append(FieldProblem(f"{path}.language", name, f"one of {', '.join(known)}"))
        elif name not in languages:
            allowed = f"one whose sandbox is built: {', '.join(languages) or 'none'}; `make sandboxes LANGUAGES={name}`"
            problems.append(FieldProblem(f"{path}.language", name, f"{allowed} builds this one"))
        elif tests.kind not in known[name].test_kinds:
            allowed = f"one of {', '.join(known[name].test_kinds)} for {name}"
            problems.append(FieldProblem(f"{path}.tests.kind", tests.kind, allowed))
        checker = tests.checker if isinstance(tests, StdioTests) else "exact"
        if not isinstance(checker, str) and checker.language not in languages:
            allowed = f"one whose sandbox is built: {', '.join(languages) or 'none'}"
            problems.append(FieldProblem(f"{path}.tests.checker.language", checker.language, allowed))

    def _limits(self, limits: Limits) -> list[tuple[str, float | None, float]]:
        return [(name, getattr(limits, name), maximum) for name, maximum in maximum_limits(self._settings).items()]

    async def _judge(self, submissions: Sequence[Submission], deadline_s: float) -> list[Result]:
        results: list[Result | None] = [None] * len(submissions)
        started = time.monotonic()

        def collect(indices: list[int]) -> Callable[[int, Result], None]:
            def on_result(index: int, result: Result) -> None:
                results[indices[index]] = result
                self._metrics.judged(result, time.monotonic() - started)

            return on_result

        reason = "the judge did not report it"
        try:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as tasks:
                math = [i for i, one in enumerate(submissions) if isinstance(one, MathSubmission)]
                code = [i for i, one in enumerate(submissions) if isinstance(one, CodeSubmission)]
                if math:
                    batch = [one for one in submissions if isinstance(one, MathSubmission)]
                    tasks.create_task(self._guard(self._judges.math.judge(batch, collect(math))))
                if code:
                    batch = [one for one in submissions if isinstance(one, CodeSubmission)]
                    tasks.create_task(self._guard(self._judges.code.judge(batch, collect(code))))
        except TimeoutError:
            reason = f"the deadline passed before it was judged: deadline_s is {deadline_s:g}"
        return [
            result if result is not None else self._not_judged(submission, reason)
            for submission, result in zip(submissions, results, strict=True)
        ]

    async def _guard(self, judging: Coroutine[Any, Any, None]) -> None:
        """Let a judge that breaks lose its own results and nobody else's."""
        try:
            await judging
        except Exception:
            log.exception("judge_broke")

    def _not_judged(self, submission: Submission, reason: str) -> Result:
        result_type = MathResult if isinstance(submission, MathSubmission) else CodeResult
        result = result_type(id=submission.id, verdict=Verdict.JUDGE_ERROR, score=None, message=reason)
        self._metrics.judged(result, 0.0)
        return result


def maximum_limits(settings: Settings) -> dict[str, float]:
    """Return the most that each field of `Limits` may ask for."""
    return {
        "time_limit_s": settings.max_time_limit_s,
        "wall_limit_s": settings.max_wall_limit_s,
        "memory_limit_mb": settings.max_memory_limit_mb,
        "output_limit_kb": settings.max_output_limit_kb,
        "max_processes": settings.max_max_processes,
    }


def default_limits(settings: Settings) -> dict[str, float | str]:
    """Return what a field of `Limits` is when it is left out."""
    return {
        "time_limit_s": settings.default_time_limit_s,
        "wall_limit_s": "3 * time_limit_s + 2",
        "memory_limit_mb": settings.default_memory_limit_mb,
        "output_limit_kb": settings.default_output_limit_kb,
        "max_processes": settings.default_max_processes,
    }
