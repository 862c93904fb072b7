"""Judge code: extract the program, have its tests run, and turn the facts that come back into a result.

For `stdio` and `call`, what the tests expect stays here; only inputs go into the box. For `assert` and `pytest`, the
tests run in the box in a process of their own. `verdicts` decides what facts mean, and `execution` gets them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sandboxes.protocol import job as protocol
from sandboxes.protocol.facts import CompileFacts, Fact, TesterFacts, TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from verifier_service import limits
from verifier_service.checkers import Checked
from verifier_service.errors import BadItem, BoxDied, Cause, JudgeError, ReferenceUnusable
from verifier_service.execution.executor import BROKE_BOXES, Executor
from verifier_service.execution.pool import BoxPool
from verifier_service.execution.turns import Share
from verifier_service.extract.code import extract_code
from verifier_service.intake.slices import Slice
from verifier_service.judges.base import guarded
from verifier_service.judges.code import guards, preludes, special, verdicts
from verifier_service.judges.code.progress import Progress
from verifier_service.judges.code.tests import Suite, prepare
from verifier_service.judges.code.turns import BatchInTurns, TurnTaker
from verifier_service.languages import Language, Languages
from verifier_service.observability.build import made_by
from verifier_service.schema import (
    CallTests,
    CodeResult,
    CodeSubmission,
    Limits,
    StdioTests,
    SuiteDigest,
    Tests,
    Verdict,
)
from verifier_service.settings import Settings

MAX_WORKING_PRELUDES = 1000  # bounds the memory of a service that sees many preludes
BIG_ANSWER_BYTES = 64 * 1024
"""Larger answers are compared in a thread, so that they do not hold up other submissions."""

MANY_CASES = 50  # more cases are prepared in a thread
LONG_COMPLETION_CHARS = 20_000
"""Longer completions are searched in a thread, and test files are prepared in one."""

TURN_TO_COMPILE_S = 3.0
"""How much longer a turn is when the program is compiled first."""


KeptTests = Callable[[str], Awaitable[Tests]]


@dataclass(frozen=True)
class Admitted:
    """A submission whose language is resolved, tests prepared and limits filled in."""

    id: str | None
    completion: str
    language: Language
    suite: Suite
    limits: protocol.Limits
    budget: protocol.Budget
    own_output_limit: bool
    explain: bool
    deadline_s: float

    def key(self, program: str) -> tuple[object, ...]:
        """Return what submissions must share for one run to serve all of them."""
        return self.language.name, program, self.suite.key, self.limits, self.own_output_limit, self.explain


class CodeJudge:
    """Judges code submissions in a pool's boxes."""

    def __init__(
        self, settings: Settings, pool: BoxPool, executor: Executor, languages: Languages, kept_tests: KeptTests
    ) -> None:
        """Build the judge; `kept_tests` finds tests by their digest, or raises BadItem."""
        self._settings = settings
        self._pool = pool
        self._executor = executor
        self._languages = languages
        self._kept_tests = kept_tests
        self._special = special.SpecialJudges(executor, languages, settings)
        self._working_preludes = {text for _, text in preludes.PRESETS.values()}

    async def start(self) -> None:
        """Begin to warm up the boxes."""
        await self._pool.start()

    async def close(self) -> None:
        """Destroy every box."""
        await self._pool.close()

    async def ready(self) -> str | None:
        """Return None once a box is warm, otherwise why not."""
        return await self._pool.ready()

    # Admission

    def admission(self, deadline_s: float) -> Callable[[CodeSubmission], Awaitable[Admitted]]:
        """See `Judge.admission`."""
        # Keyed by the identity of the tests that submissions share. The tests are stored too: otherwise they could be
        # freed, and other tests could get the same id.
        ready: dict[tuple[int, str], tuple[Tests, Suite]] = {}

        async def admit(submission: CodeSubmission) -> Admitted:
            language = self._languages.resolve(submission.language)
            limits.check(submission.limits, self._settings)
            tests = await self._tests_of(submission)
            self._check(tests, language)
            key = id(tests), language.name
            if key not in ready:
                suite = await _prepared(tests)
                ready[key] = tests, replace(suite, prelude=preludes.resolve(suite.prelude, language))
            suite = ready[key][1]
            filled = limits.fill(submission.limits, self._settings)
            return Admitted(
                id=submission.id,
                completion=submission.completion,
                language=language,
                suite=suite,
                limits=filled,
                budget=limits.budget(submission.limits, filled, self._settings, deadline_s, suite.runs_of_tests),
                explain=submission.explain,
                deadline_s=deadline_s,
                own_output_limit=submission.limits.output_limit_kb is not None,
            )

        return admit

    async def _tests_of(self, submission: CodeSubmission) -> Tests:
        tests = submission.tests
        if isinstance(tests, SuiteDigest):
            return await self._kept_tests(tests.sha256)
        if isinstance(tests, str):
            raise BadItem("tests", tests, "it must be the name of a suite of this request")
        return tests

    def _check(self, tests: Tests, language: Language) -> None:
        """Refuse tests that this language cannot run."""
        if tests.kind not in language.test_kinds:
            allowed = f"it must be one of {', '.join(language.test_kinds)} for {language.name}"
            raise BadItem("tests.kind", tests.kind, allowed)
        if isinstance(tests, StdioTests):
            for index, case in enumerate(tests.cases):
                named = [*case.files, case.stdin_file, case.stdout_file]
                language.check_files(filter(None, named), f"tests.cases.{index}.files")
            self._special.check(tests)

    def canary_of(self, admitted: Admitted, /) -> str:
        """See `Judge.canary_of`."""
        return admitted.language.canary_of(admitted.suite.mode.value)

    # Judging

    async def judge(
        self, admitted: Sequence[Admitted], on_result: Callable[[int, CodeResult | JudgeError], None]
    ) -> None:
        """Judge a batch; submissions with the same program, tests and limits run once. See `Judge.judge`."""
        works = await _works(admitted, on_result)
        boxes = self._settings.boxes
        deadline_s = min((one.deadline_s for one in admitted), default=0.0)
        batch = BatchInTurns(works, deadline_s, boxes, self._executor.others_wait)

        async def take_turns() -> None:
            while (work := batch.next()) is not None:
                outcome = await guarded(self._take_turn(work, batch))
                batch.put_back(work, done=outcome is not None)
                if outcome is not None:
                    work.report(outcome)

        try:
            # Two for each box: one that runs, and one that is ready to follow.
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(len(works), 2 * boxes)):
                    tasks.create_task(take_turns())
        except asyncio.CancelledError:
            for work in works:
                if not work.is_reported:
                    work.report(self._at_the_deadline(work, batch))
            raise

    async def _take_turn(self, work: "_Work", batch: BatchInTurns["_Work"]) -> CodeResult | None:
        """Run a submission until its turn is over. Return None if it needs another turn."""
        one, progress = work.one, work.progress
        placed = preludes.place(one.suite.prelude, work.program, one.language)
        listen = partial(self._listen, work, batch)
        progress.choose()
        job = _job(one, placed, progress)
        execution = await self._executor.run(one.language, job, listen, batch.share, progress.times)
        work.waited_s, work.done_share = progress.times.waited_s, progress.done_share
        if execution.value is None:
            progress.result = verdicts.broke_boxes(len(one.suite.weights), BROKE_BOXES)
        began_s = time.monotonic()
        while not progress.is_judged:
            progress.take_judged(await self._special.ask(one.suite, progress.outputs, batch.share))
        progress.judge_s += time.monotonic() - began_s
        result = progress.keep()
        if result is None:
            return None
        await self._require_prelude(one, placed, result, batch.share)
        return _finished(work, placed, result)

    async def _listen(self, work: "_Work", batch: BatchInTurns["_Work"], facts: AsyncIterator[Fact]) -> bool:
        """Take facts as they come, until there are enough or the turn is over. Return whether it was cut short."""
        progress = work.progress
        progress.begin()
        is_cut = work.has_yielded = False
        compile_s = TURN_TO_COMPILE_S if work.one.language.toolchain.compile else 0.0
        try:
            async with asyncio.timeout(None) as timeout, batch.turn(work, timeout, compile_s):
                async for fact in facts:
                    await _take(progress, fact)
                    work.has_yielded = progress.tally.is_slow and batch.others_wait(work)
                    if progress.has_heard_enough or work.has_yielded:
                        is_cut = True
                        break
        except TimeoutError:
            is_cut = work.has_yielded = True
        work.turns += work.has_yielded
        progress.end(is_cut=is_cut)
        return is_cut

    def _at_the_deadline(self, work: "_Work", batch: BatchInTurns["_Work"]) -> CodeResult | JudgeError:
        """Return what is known of a submission that was not fully judged in time."""
        one, progress = work.one, work.progress
        deadline = f"the deadline passed before it was judged: deadline_s is {one.deadline_s:g}"
        prelude = preludes.place(one.suite.prelude, work.program, one.language).prelude
        known = progress.at_the_deadline(batch.turn_s)
        if known is None or (prelude and prelude not in self._working_preludes):
            ran = f"it had run for {progress.times.run_s:.1f} s" if progress.times.run_s else "it had not begun"
            return JudgeError(f"{deadline}, and {ran}", Cause.DEADLINE)
        return _finished(work, preludes.place(one.suite.prelude, work.program, one.language), known)

    async def _require_prelude(self, one: Admitted, placed: preludes.Placed, result: CodeResult, share: Share) -> None:
        """Make sure that a failure is the program's, not the fault of a prelude, which belongs to the tests.

        Raises:
            ReferenceUnusable: the prelude fails on its own.
        """
        prelude = placed.prelude
        if not prelude or result.verdict is Verdict.ACCEPTED or prelude in self._working_preludes:
            return
        job = Job(
            mode=Mode.STDIO,
            source=b"",
            prelude=prelude.encode(),
            toolchain=one.language.toolchain,
            limits=limits.fill(Limits(), self._settings),
            runs=one.suite.runs[:1] or (Run(),),  # the prelude might read the program's input
        )
        fact = (await self._executor.run(one.language, job, _first_test, share)).value
        if fact is None or not verdicts.answered(fact):
            said = fact.message[-500:] if fact else "it broke two sandboxes"
            raise ReferenceUnusable(f"tests.prelude fails on its own: {said}")
        if len(self._working_preludes) >= MAX_WORKING_PRELUDES:
            self._working_preludes.clear()
        self._working_preludes.add(prelude)


@dataclass(eq=False)
class _Work(TurnTaker):
    """A program, and the submissions of a batch that get its result."""

    one: Admitted
    program: str
    progress: Progress
    on_result: Callable[[int, CodeResult | JudgeError], None]
    told: dict[int, str | None] = field(default_factory=dict)
    """The submissions' ids by their index."""
    is_reported: bool = False

    def report(self, outcome: CodeResult | JudgeError) -> None:
        """Report the program's outcome for each of its submissions."""
        self.is_reported = True
        for index, submission_id in self.told.items():
            is_ours = isinstance(outcome, JudgeError)
            self.on_result(index, outcome if is_ours else outcome.model_copy(update={"id": submission_id}))


async def _prepared(tests: Tests) -> Suite:
    """Prepare tests, in a thread if that takes long."""
    is_long = len(tests.cases) > MANY_CASES if isinstance(tests, (StdioTests, CallTests)) else True
    return await asyncio.to_thread(prepare, tests) if is_long else prepare(tests)


async def _works(
    admitted: Sequence[Admitted], on_result: Callable[[int, CodeResult | JudgeError], None]
) -> Collection[_Work]:
    """Return the programs to run for a batch, and report completions without one."""
    found: dict[tuple[object, ...], _Work] = {}
    own = Slice()
    for index, one in enumerate(admitted):
        await own.pause()
        if len(one.completion) > LONG_COMPLETION_CHARS:
            program = await asyncio.to_thread(extract_code, one.completion, one.language, one.suite.wanted)
        else:
            program = extract_code(one.completion, one.language, one.suite.wanted)
        if program is None:
            on_result(index, CodeResult.no_answer(one.id, f"the completion contains no {one.language.title} code"))
            continue
        progress = Progress(one.suite, one.budget, one.limits, program, explain=one.explain)
        work = found.setdefault(one.key(program), _Work(one, program, progress, on_result))
        work.told[index] = one.id
    return found.values()


async def _take(progress: Progress, fact: Fact) -> None:
    match fact:
        case CompileFacts():
            progress.take_compile(fact)
        case TesterFacts():
            progress.take_tester(fact)
        case TestFacts():
            fact = replace(fact, index=progress.first + fact.index)
            if progress.suite.special_judge is not None:
                progress.take_output(fact)
                return
            began_s = time.monotonic()
            if progress.answers is None:
                progress.take(fact, await _compare(progress.suite, fact))
            elif len(fact.value) > BIG_ANSWER_BYTES:
                await asyncio.to_thread(progress.answers.take, fact)
            else:
                progress.answers.take(fact)
            progress.judge_s += time.monotonic() - began_s
            progress.comparing_s += time.monotonic() - began_s


def _finished(work: _Work, placed: preludes.Placed, result: CodeResult) -> CodeResult:
    """Return the result with the program, line numbers relative to the program, and times."""
    own_lines = partial(placed.own_lines, source_file=work.one.language.source_file)
    progress, times = work.progress, work.progress.times
    return result.model_copy(
        update={
            "extracted": work.program,
            "message": own_lines(result.message),
            "tests": [test.model_copy(update={"message": own_lines(test.message)}) for test in result.tests]
            if placed.lines_before
            else result.tests,
            "queue_s": round(times.queue_s, 6),
            "start_s": round(times.start_s, 6),
            "run_s": round(max(times.run_s - progress.comparing_s, 0.0), 6),
            "judge_s": round(progress.judge_s, 6),
            "made_by": made_by(times.image),
        }
    )


async def _first_test(facts: AsyncIterator[Fact]) -> TestFacts:
    async for fact in facts:
        if isinstance(fact, TestFacts):
            return fact
    raise BoxDied("the box reported nothing about the program")


async def _compare(suite: Suite, fact: TestFacts) -> Checked | None:
    """Compare the answer of one test. Return None if there is none to compare."""
    if not verdicts.answered(fact) or suite.compare is None:
        return None
    if max(len(fact.stdout), len(fact.value)) > BIG_ANSWER_BYTES:
        return await asyncio.to_thread(suite.compare, fact)
    return suite.compare(fact)


def _job(one: Admitted, placed: preludes.Placed, progress: Progress) -> Job:
    """Return the job for the next turn. Unless the request sets an output limit, a right answer always fits."""
    suite, own = one.suite, one.own_output_limit
    turn = slice(progress.first, progress.last)
    limit_kb = one.limits.output_limit_kb if own else max(one.limits.output_limit_kb, suite.value_kb)
    job = Job(
        mode=suite.mode,
        source=placed.source.encode(),
        prelude=placed.prelude.encode(),
        toolchain=one.language.toolchain,
        limits=replace(one.limits, output_limit_kb=limit_kb),
        budget=progress.budget_left,
        module=suite.module,
        entry_point=suite.entry_point,
        keep_stderr=one.explain and suite.mode is Mode.STDIO,
    )
    if suite.literal is not None and progress.answers is not None:
        literal = suite.literal
        return replace(job, mode=Mode.CALL, calls=literal.calls, entry_point=literal.entry_point, exact_answers=True)
    if not suite.files:
        runs = tuple(replace(run, output_limit_kb=_run_limit_kb(run, limit_kb, own)) for run in suite.runs[turn])
        return replace(job, runs=runs, calls=suite.calls[turn])
    twins, twinned = guards.of_shared(suite.twin_plan, suite.files) if suite.is_shared else ((), frozenset[str]())
    return replace(job, tests=dict(suite.files), twins=twins, apart=suite.copies_apart, twinned=tuple(sorted(twinned)))


def _run_limit_kb(run: protocol.Run, limit_kb: int, own: bool) -> int | None:
    needed_kb = run.output_limit_kb or 0
    return needed_kb if needed_kb > limit_kb and not own else None
