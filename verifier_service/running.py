"""Run programs for `POST /v1/run` and report what happened to each. Nothing is judged here."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from sandboxes.protocol import job as protocol
from sandboxes.protocol.facts import CompileFacts, End, Fact, TestFacts
from sandboxes.protocol.job import Job, Mode
from verifier_service import limits
from verifier_service.errors import BoxDied, JudgeError
from verifier_service.execution.executor import BROKE_BOXES, Executor, Times
from verifier_service.execution.turns import Share
from verifier_service.judges.base import guarded
from verifier_service.languages import Language, Languages
from verifier_service.observability.build import made_by
from verifier_service.schema import CompileResult, Run, RunEnd, RunResult
from verifier_service.settings import Settings

_ENDS = {
    End.EXITED: RunEnd.EXITED,
    End.SIGNALED: RunEnd.SIGNALED,
    End.NOT_COMPILED: RunEnd.NOT_COMPILED,
    End.BUDGET: RunEnd.WALL_LIMIT,
    End.CPU_LIMIT: RunEnd.TIME_LIMIT,
    End.WALL_LIMIT: RunEnd.WALL_LIMIT,
    End.MEMORY_LIMIT: RunEnd.MEMORY_LIMIT,
    End.OUTPUT_LIMIT: RunEnd.OUTPUT_LIMIT,
}


@dataclass(frozen=True)
class Admitted:
    """A run whose language is resolved and whose limits are filled in."""

    id: str | None
    language: Language
    job: Job


class Running:
    """Runs programs in boxes. To the dispatcher it is one more judge."""

    def __init__(self, settings: Settings, executor: Executor, languages: Languages) -> None:
        self._settings = settings
        self._executor = executor
        self._languages = languages

    async def start(self) -> None:
        """Do nothing: the boxes belong to the code judge."""

    async def close(self) -> None:
        """Do nothing: the boxes belong to the code judge."""

    async def ready(self) -> str | None:
        """Return None: whether boxes are ready is reported by the code judge."""
        return None

    def admission(self, deadline_s: float) -> Callable[[Run], Awaitable[Admitted]]:
        """See `Judge.admission`."""
        return self._admit

    async def _admit(self, run: Run) -> Admitted:
        language = self._languages.resolve(run.language)
        limits.check(run.limits, self._settings)
        language.check_files(run.files, "files")
        job = Job(
            mode=Mode.STDIO,
            source=run.source.encode(),
            toolchain=language.toolchain,
            limits=limits.fill(run.limits, self._settings),
            runs=(
                protocol.Run(
                    stdin=run.stdin.encode(), argv=tuple(run.argv), files=run.files, fetch=tuple(run.fetch_files)
                ),
            ),
            keep_stderr=True,
        )
        return Admitted(run.id, language, job)

    def canary_of(self, admitted: Admitted, /) -> str:
        """See `Judge.canary_of`."""
        return admitted.language.canary_of(Mode.STDIO.value)

    async def judge(
        self, admitted: Sequence[Admitted], on_result: Callable[[int, RunResult | JudgeError], None]
    ) -> None:
        """Run a batch; see `Judge.judge`."""
        waiting = iter(enumerate(admitted))
        share = Share()

        async def work() -> None:
            for index, one in waiting:
                on_result(index, await guarded(self._run(one, share)))

        async with asyncio.TaskGroup() as tasks:
            # Twice as many jobs as boxes, so that a box never idles while the next job is prepared.
            for _ in range(min(len(admitted), 2 * self._settings.boxes)):
                tasks.create_task(work())

    async def _run(self, one: Admitted, share: Share) -> RunResult:
        execution = await self._executor.run(one.language, one.job, _both, share)
        if execution.value is None:
            return RunResult(
                id=one.id,
                end=RunEnd.SIGNALED,
                signal=9,
                stdout="",
                stderr=BROKE_BOXES,
                time_s=0.0,
                wall_s=0.0,
                memory_mb=0.0,
                files={},
                queue_s=execution.times.queue_s,
                start_s=execution.times.start_s,
            )
        result = _result(one.id, *execution.value, execution.times)
        return result.model_copy(update={"made_by": made_by(execution.times.image)})


async def _both(facts: AsyncIterator[Fact]) -> tuple[CompileFacts | None, TestFacts | None]:
    """Return the compiler's facts, and the program's if it ran."""
    compiled: CompileFacts | None = None
    async for fact in facts:
        if isinstance(fact, CompileFacts):
            compiled = fact
        elif isinstance(fact, TestFacts):
            return compiled, fact
    if compiled is None or compiled.succeeded:
        raise BoxDied("the box reported nothing about the program")
    return compiled, None


def _result(run_id: str | None, compiled: CompileFacts | None, ran: TestFacts | None, times: Times) -> RunResult:
    told = None if compiled is None else _compile_result(compiled)
    if ran is None:
        return RunResult(id=run_id, end=RunEnd.NOT_COMPILED, compile=told, queue_s=times.queue_s, start_s=times.start_s)
    # Interpreted programs have no compile step: the interpreter refused the source, so present that as the compiler's
    # message.
    if ran.end is End.NOT_COMPILED:
        message = CompileFacts(end=End.EXITED, exit_code=1, stderr=ran.message.encode(), time_s=ran.time_s)
        return RunResult(
            id=run_id,
            end=RunEnd.NOT_COMPILED,
            compile=_compile_result(message),
            queue_s=times.queue_s,
            start_s=times.start_s,
        )
    return RunResult(
        id=run_id,
        end=_ENDS[ran.end],
        exit_code=ran.exit_code if ran.end is End.EXITED else None,
        signal=ran.signal if ran.end is End.SIGNALED else None,
        stdout=text(ran.stdout),
        stderr=text(ran.stderr),
        time_s=ran.time_s,
        wall_s=ran.wall_s,
        memory_mb=round(ran.memory_mb, 1),
        compile=told,
        files={name: base64.b64encode(content).decode() for name, content in ran.files.items()},
        signals=[signal.value for signal in ran.signals],
        queue_s=times.queue_s,
        start_s=times.start_s,
    )


def _compile_result(facts: CompileFacts) -> CompileResult:
    return CompileResult(
        end=_ENDS[facts.end],
        exit_code=facts.exit_code if facts.end is End.EXITED else None,
        signal=facts.signal if facts.end is End.SIGNALED else None,
        stdout=text(facts.stdout),
        stderr=text(facts.stderr),
        time_s=facts.time_s,
        wall_s=facts.wall_s,
        memory_mb=round(facts.memory_mb, 1),
        cached=facts.cached,
    )


def text(output: bytes) -> str:
    """Return output as text; bytes that are not UTF-8 become `\\xNN`."""
    return output.decode("utf-8", "backslashreplace")
