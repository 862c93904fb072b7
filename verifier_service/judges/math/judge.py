"""Judge math submissions: send them to worker processes in chunks and turn the reports into results."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import structlog

from verifier_service.errors import JudgeError, ReferenceUnusable, WorkerDied
from verifier_service.judges.math.reference import FAILED, READING_REFERENCE
from verifier_service.judges.math.secret import math_secret
from verifier_service.observability.build import made_by
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import ExtractionRule, Form, MathExplanation, MathResult, MathSubmission, Rounding, Verdict
from verifier_service.settings import Settings
from verifier_service.workers.pool import FINAL_STAGE, Ended, Pool
from verifier_service.workers.server import Limits

_log = structlog.get_logger()

OnResult = Callable[[int, MathResult | JudgeError], None]

_HANDLER = "verifier_service.judges.math.worker:judge_item"
_MAX_CHUNK = 32  # bounds what is lost and requeued when a worker dies
CANARY = "math"
"""The name of the known submission that shows whether math can be judged."""


class _Item(NamedTuple):
    """What a worker gets. Submissions with equal items are judged once."""

    references: tuple[str, ...]
    completion: str
    rules: tuple[ExtractionRule, ...] | None
    form: Form
    rounding: Rounding
    explain: bool

    @classmethod
    def of(cls, submission: MathSubmission) -> "_Item":
        """Take the fields that decide a submission's outcome."""
        rules = tuple(sorted(submission.extract)) if submission.extract is not None else None
        asked = submission.form, submission.rounding, submission.explain
        return cls(submission.references, submission.completion, rules, *asked)


_HARMLESS = _Item(("1",), r"\boxed{1}", None, Form.EQUAL, Rounding.NONE, False)


class MathJudge:
    """Judges completions against references in `settings.math_workers` worker processes.

    Start and close it in one event loop; `judge` can be called concurrently.
    """

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self._workers = settings.math_workers
        self._limits = Limits(settings.math_time_limit_s, settings.math_memory_limit_mb)
        self._secret = math_secret(settings)
        harmless = {**_HARMLESS._asdict(), "secret": self._secret}
        self._pool = Pool(_HANDLER, settings.math_workers, self._limits, harmless, metrics)

    async def start(self) -> None:
        """Start the workers.

        Raises:
            JudgeError: they cannot be started.
        """
        await self._pool.start()

    async def close(self) -> None:
        """Kill the workers."""
        await self._pool.close()

    async def ready(self) -> str | None:
        """Return None when answers can be judged now, otherwise why not."""
        return self._pool.broken and f"math workers: {self._pool.broken}"

    def admission(self, deadline_s: float) -> Callable[[MathSubmission], Awaitable[MathSubmission]]:
        """See `Judge.admission`."""
        return _admit

    def canary_of(self, admitted: MathSubmission, /) -> str:
        """See `Judge.canary_of`."""
        return CANARY

    async def judge(self, submissions: Sequence[MathSubmission], on_result: OnResult, /) -> None:
        """Judge every submission; see `Judge.judge`.

        Identical submissions are judged once. Cancelling this call kills the workers that are busy with them.
        """
        twins: dict[_Item, list[int]] = defaultdict(list)
        for index, submission in enumerate(submissions):
            twins[_Item.of(submission)].append(index)
        waiting = {indices[0]: indices for indices in twins.values()}
        began_s = time.monotonic()

        def report(first: int, stage: str, value: Any) -> None:
            outcome = self._outcome(stage, value)
            if outcome is not None:
                passed_s = time.monotonic() - began_s
                for index in waiting.pop(first):
                    on_result(index, _for(submissions[index], outcome, passed_s))

        try:
            await self._pool.run(self._chunks(twins), report)
        except JudgeError as error:
            for indices in waiting.values():
                for index in indices:
                    on_result(index, error)

    def _chunks(self, twins: "dict[_Item, list[int]]") -> list[list[tuple[int, Any]]]:
        """Cut the work into chunks: the same references stay together, as far as every worker gets a share."""
        groups: dict[tuple[str, ...], list[tuple[int, Any]]] = defaultdict(list)
        for item, indices in twins.items():
            groups[item.references].append((indices[0], {**item._asdict(), "secret": self._secret}))
        size = max(1, min(_MAX_CHUNK, len(twins) // (2 * self._workers)))
        chunks: list[list[tuple[int, Any]]] = [[]]
        for group in groups.values():
            for entry in group:
                if len(chunks[-1]) >= size:
                    chunks.append([])
                chunks[-1].append(entry)
        return chunks

    def _outcome(self, stage: str, value: Any) -> MathResult | JudgeError | None:
        """Return what a report says about a submission, or None if its judging goes on."""
        if stage == FINAL_STAGE:
            verdict, extracted, rule, message, judge_s, explanation = value
            if verdict is None:
                return ReferenceUnusable(message)
            by = ExtractionRule(rule) if rule else None
            return MathResult(
                id=None,
                verdict=Verdict(verdict),
                score=1.0 if verdict == Verdict.ACCEPTED else 0.0,
                extracted=extracted,
                extracted_by=by,
                message=message,
                judge_s=round(judge_s, 6),
                explanation=None if explanation is None else MathExplanation.model_validate(explanation),
                made_by=made_by(),
            )
        if stage == FAILED:
            _log.warning("math_comparison_failed", **value)
        if stage not in set(Ended):
            return None
        if stage == Ended.LOST:
            return WorkerDied(
                "math workers died under this submission and under harmless ones too, so it could not be judged"
            )
        if value == READING_REFERENCE:
            return ReferenceUnusable(f"the reference could not be read within the limits ({stage})")
        verdict, message = _ENDED[Ended(stage)]
        return MathResult(id=None, verdict=verdict, score=0.0, message=message.format(limits=self._limits))


async def _admit(submission: MathSubmission) -> MathSubmission:
    return submission


_ENDED = {
    Ended.TIME: (Verdict.TIME_LIMIT_EXCEEDED, "comparing the answer took more than {limits.cpu_limit_s} s of CPU time"),
    Ended.MEMORY: (Verdict.MEMORY_LIMIT_EXCEEDED, "comparing the answer took more than {limits.memory_limit_mb} MiB"),
    Ended.CRASH: (Verdict.WRONG_ANSWER, "it was not proved: comparing the answer crashed one worker after another"),
}


def _for(submission: MathSubmission, outcome: MathResult | JudgeError, passed_s: float) -> MathResult | JudgeError:
    """Return the outcome for one submission; the time in which it was not being judged is its time in the queue."""
    if isinstance(outcome, JudgeError):
        return outcome
    queue_s = round(max(passed_s - outcome.judge_s, 0.0), 6)
    return outcome.model_copy(update={"id": submission.id, "queue_s": queue_s})
