"""The judge of math submissions: hands groups to worker processes and turns what comes back into results."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from verifier_service.answers.pool import FINAL_STAGE, Ended, Limits, Pool
from verifier_service.errors import JudgeError
from verifier_service.judges.math_reference import READING_REFERENCE, why_unusable
from verifier_service.schema import ExtractionRule, MathResult, MathSubmission, Verdict
from verifier_service.settings import Settings

OnResult = Callable[[int, MathResult], None]

_HANDLER = "verifier_service.judges.math_item:judge_item"
_MAX_CHUNK = 32


class MathJudge:
    """Judges completions against references in `settings.math_workers` worker processes.

    Start and close it in one event loop; `judge` may be called many times at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._workers = settings.math_workers
        self._limits = Limits(settings.math_time_limit_s, settings.math_memory_limit_mb)
        self._pool = Pool(_HANDLER, settings.math_workers, self._limits)

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
        """Return None when answers can be judged now, else the reason why not."""
        return self._pool.broken and f"math workers: {self._pool.broken}"

    async def check_reference(self, submission: MathSubmission) -> str | None:
        """Return why the reference of a lone submission cannot be used, or None."""
        return why_unusable(submission.reference)

    async def judge(self, submissions: Sequence[MathSubmission], on_result: OnResult) -> None:
        """Judge every submission and call `on_result(index, result)` as results come in, each index once.

        Identical submissions are judged once. Never raises for a submission; a pool that is broken gives `judge_error`
        results. Cancelling it kills the workers that are busy with these submissions.
        """
        twins: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, submission in enumerate(submissions):
            rules = tuple(sorted(submission.extract)) if submission.extract is not None else None
            twins[submission.reference, submission.completion, rules].append(index)
        waiting = {indices[0]: indices for indices in twins.values()}

        def report(first: int, stage: str, value: Any) -> None:
            made = self._make(stage, value)
            if made is not None:
                for index in waiting.pop(first):
                    on_result(index, made(submissions[index].id))

        chunks = self._chunks(twins)
        try:
            await self._pool.run(chunks, report)
        except JudgeError as error:
            for indices in waiting.values():
                for index in indices:
                    on_result(index, _result(submissions[index].id, Verdict.JUDGE_ERROR, message=str(error)))

    def _chunks(self, twins: dict[tuple[Any, ...], list[int]]) -> list[list[tuple[int, Any]]]:
        """Cut the work: a group with one reference stays together as far as every worker gets its share."""
        groups: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        for (reference, completion, rules), indices in twins.items():
            item = {"reference": reference, "completion": completion, "rules": rules}
            groups[reference].append((indices[0], item))
        size = max(1, min(_MAX_CHUNK, len(twins) // (2 * self._workers)))
        chunks: list[list[tuple[int, Any]]] = [[]]
        for group in groups.values():
            for entry in group:
                if len(chunks[-1]) >= size:
                    chunks.append([])
                chunks[-1].append(entry)
        return chunks

    def _make(self, stage: str, value: Any) -> Callable[[str | None], MathResult] | None:
        """Turn a report into a maker of results, or None while the item is not finished."""
        if stage == FINAL_STAGE:
            verdict, extracted, rule, message = value
            by = ExtractionRule(rule) if rule else None
            return lambda identity: _result(identity, Verdict(verdict), extracted, by, message)
        if stage not in _ENDED:
            return None
        if value == READING_REFERENCE:
            return lambda identity: _result(
                identity, Verdict.JUDGE_ERROR, message=f"the reference could not be read within the limits ({stage})"
            )
        verdict, message = _ENDED[Ended(stage)]
        text = message.format(limits=self._limits)
        return lambda identity: _result(identity, verdict, message=text)


_ENDED = {
    Ended.TIME: (Verdict.TIME_LIMIT_EXCEEDED, "comparing the answer took more than {limits.cpu_limit_s} s of CPU time"),
    Ended.MEMORY: (Verdict.MEMORY_LIMIT_EXCEEDED, "comparing the answer took more than {limits.memory_limit_mb} MiB"),
    Ended.CRASH: (Verdict.WRONG_ANSWER, "it was not proved: comparing the answer ended two workers"),
}


def _result(
    identity: str | None,
    verdict: Verdict,
    extracted: str | None = None,
    extracted_by: ExtractionRule | None = None,
    message: str = "",
) -> MathResult:
    score = {Verdict.ACCEPTED: 1.0, Verdict.JUDGE_ERROR: None}.get(verdict, 0.0)
    return MathResult(
        id=identity, verdict=verdict, score=score, extracted=extracted, extracted_by=extracted_by, message=message
    )


async def judge_all(judge: MathJudge, submissions: Sequence[MathSubmission]) -> list[MathResult]:
    """Judge a list and return the results in its order."""
    results: dict[int, MathResult] = {}
    await judge.judge(submissions, results.__setitem__)
    await asyncio.sleep(0)
    return [results[index] for index in range(len(submissions))]
