"""Judge code: extract the program, have its tests run, and make a result of the facts that come back.

What the tests expect stays here for `stdio` and `call`; only inputs go into the box. For `assert` and `pytest` the
tests run in the box in a process of their own. `verdicts` says what facts mean, `execution` how they are come by.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sandboxes.protocol import job as protocol
from sandboxes.protocol.facts import CompileFacts, Fact, TesterFacts, TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from verifier_service import limits
from verifier_service.checkers import Checked
from verifier_service.errors import BadItem, BoxDied, JudgeError, ReferenceUnusable
from verifier_service.execution.executor import BROKE_BOXES, Executor
from verifier_service.execution.pool import BoxPool
from verifier_service.extract.code import extract_code
from verifier_service.judges.base import guarded
from verifier_service.judges.code import guards, preludes, special, verdicts
from verifier_service.judges.code.tests import Suite, prepare
from verifier_service.languages import Language, Languages
from verifier_service.schema import CodeResult, CodeSubmission, Limits, StdioTests, SuiteDigest, Tests, Verdict
from verifier_service.settings import Settings

MAX_WORKING_PRELUDES = 1000
BIG_ANSWER_BYTES = 64 * 1024
"""Answers above this are compared in a thread, so that they do not hold up the other submissions."""


KeptTests = Callable[[str], Awaitable[Tests]]


@dataclass(frozen=True)
class Admitted:
    """A submission with its language found, its tests made ready and its limits filled in."""

    id: str | None
    completion: str
    language: Language
    suite: Suite
    limits: protocol.Limits
    own_output_limit: bool

    def key(self, program: str) -> tuple[object, ...]:
        """Return what is the same for submissions that need be run once only."""
        return self.language.name, program, self.suite.key, self.limits, self.own_output_limit


class CodeJudge:
    """Judges code submissions in the boxes of a pool."""

    def __init__(
        self, settings: Settings, pool: BoxPool, executor: Executor, languages: Languages, kept_tests: KeptTests
    ) -> None:
        """`kept_tests` finds tests by their digest, or raises BadItem."""
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
        """Return None when a box is warm, else the reason why not."""
        return await self._pool.ready()

    # Admission

    def admission(self) -> Callable[[CodeSubmission], Awaitable[Admitted]]:
        """See `Judge.admission`."""
        # By the identity of tests that submissions share. They are kept, or others might get their identity.
        ready: dict[int, tuple[Tests, Suite]] = {}

        async def admit(submission: CodeSubmission) -> Admitted:
            language = self._languages.resolve(submission.language)
            limits.check(submission.limits, self._settings)
            tests = await self._tests_of(submission)
            self._check(tests, language)
            if id(tests) not in ready:
                ready[id(tests)] = tests, prepare(tests)
            suite = ready[id(tests)][1]
            prelude = preludes.resolve(suite.prelude, language)
            return Admitted(
                id=submission.id,
                completion=submission.completion,
                language=language,
                suite=replace(suite, prelude=prelude) if prelude != suite.prelude else suite,
                limits=limits.fill(submission.limits, self._settings),
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
        """Refuse tests that cannot be run with this language."""
        if tests.kind not in language.test_kinds:
            allowed = f"it must be one of {', '.join(language.test_kinds)} for {language.name}"
            raise BadItem("tests.kind", tests.kind, allowed)
        if isinstance(tests, StdioTests):
            for index, case in enumerate(tests.cases):
                named = [*case.files, case.stdin_file, case.stdout_file]
                language.check_files(filter(None, named), f"tests.cases.{index}.files")
            self._special.check(tests)

    # Judging

    async def judge(
        self, admitted: Sequence[Admitted], on_result: Callable[[int, CodeResult | JudgeError], None]
    ) -> None:
        """Judge a batch; submissions with the same program, tests and limits are run once. See `Judge.judge`."""
        groups: dict[tuple[object, ...], list[int]] = {}
        programs: dict[int, str] = {}
        for index, one in enumerate(admitted):
            program = extract_code(one.completion, one.language, one.suite.wanted)
            if program is None:
                on_result(index, CodeResult.no_answer(one.id, f"the completion holds no {one.language.title} code"))
                continue
            programs[index] = program
            groups.setdefault(one.key(program), []).append(index)

        waiting = iter(groups.values())

        async def work() -> None:
            for indices in waiting:
                outcome = await guarded(self._judge_one(admitted[indices[0]], programs[indices[0]]))
                for index in indices:
                    on_result(index, _for(admitted[index], outcome))

        # Two for each box: one that runs, and one that is ready to follow. More would only let a large batch stand
        # in line before a small one that comes after it.
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(len(groups), 2 * self._settings.boxes)):
                tasks.create_task(work())

    async def _judge_one(self, one: Admitted, program: str) -> CodeResult:
        placed = preludes.place(one.suite.prelude, program, one.language)
        execution = await self._executor.run(one.language, _job(one, placed), partial(_listen, one.suite))
        heard = execution.value or _Heard(verdicts.broke_boxes(len(one.suite.weights), BROKE_BOXES))
        result = heard.result or await self._ask_special_judge(one.suite, heard)
        await self._require_prelude(one, placed, result)
        own_lines = partial(placed.own_lines, source_file=one.language.source_file)
        return result.model_copy(
            update={
                "extracted": program,
                "message": own_lines(result.message),
                "tests": [test.model_copy(update={"message": own_lines(test.message)}) for test in result.tests]
                if placed.lines_before
                else result.tests,
                "queue_s": round(execution.times.queue_s, 6),
                "start_s": round(execution.times.start_s, 6),
                "run_s": round(max(execution.times.run_s - heard.comparing_s, 0.0), 6),
                "judge_s": round(heard.judge_s, 6),
            }
        )

    async def _require_prelude(self, one: Admitted, placed: preludes.Placed, result: CodeResult) -> None:
        """See to it that a failure is the program's and not that of a prelude, which is the tests' own.

        Raises:
            ReferenceUnusable: the prelude fails by itself.
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
            runs=one.suite.runs[:1] or (Run(),),  # it may read what the program is given
        )
        fact = (await self._executor.run(one.language, job, _first_test)).value
        if fact is None or not verdicts.answered(fact):
            said = fact.message[-500:] if fact else "it broke two sandboxes"
            raise ReferenceUnusable(f"tests.prelude fails by itself: {said}")
        if len(self._working_preludes) >= MAX_WORKING_PRELUDES:
            self._working_preludes.clear()
        self._working_preludes.add(prelude)

    async def _ask_special_judge(self, suite: Suite, heard: "_Heard") -> CodeResult:
        """Judge the outputs once the program's own box is free: a judge that waited for a second box while it held the
        first could wait forever."""
        began_s = time.monotonic()
        tally = verdicts.Tally(suite.weights, suite.stop_on_failure)
        for chunk in special.chunks(suite, heard.outputs):
            checked, exhausted = await self._special.ask(suite, chunk)
            for fact in chunk:
                tally.add(fact, checked.get(fact.index))
                if tally.enough():
                    break
            if tally.enough() or exhausted:
                break
        heard.judge_s += time.monotonic() - began_s
        return tally.result()


@dataclass
class _Heard:
    """What was made of the facts of one run: a result, or outputs that wait for a special judge.

    `comparing_s` is the part of `judge_s` that passed while the program's box was held.
    """

    result: CodeResult | None = None
    outputs: list[TestFacts] = field(default_factory=list)
    judge_s: float = 0.0
    comparing_s: float = 0.0


async def _listen(suite: Suite, facts: AsyncIterator[Fact]) -> _Heard:
    """Turn facts into a result while they come."""
    heard, slow = _Heard(), 0
    tally = verdicts.Tally(suite.weights, suite.stop_on_failure)
    async for fact in facts:
        match fact:
            case CompileFacts():
                if not fact.succeeded:
                    heard.result = verdicts.compiler_failed(fact, len(suite.weights))
                    return heard
            case TesterFacts():
                heard.result = verdicts.tester_result(fact)
                return heard
            case TestFacts() if suite.special_judge is not None:
                heard.outputs.append(fact)
                slow += verdicts.is_slow(fact)
                if slow >= verdicts.MAX_TIME_LIMIT_FAILURES:
                    break
            case TestFacts():
                began_s = time.monotonic()
                tally.add(fact, await _compare(suite, fact))
                heard.judge_s += time.monotonic() - began_s
                if tally.enough():
                    break
    heard.comparing_s = heard.judge_s
    if suite.special_judge is None:
        heard.result = tally.result()
    return heard


async def _first_test(facts: AsyncIterator[Fact]) -> TestFacts:
    async for fact in facts:
        if isinstance(fact, TestFacts):
            return fact
    raise BoxDied("the box told nothing of the program")


async def _compare(suite: Suite, fact: TestFacts) -> Checked | None:
    """Compare the answer of one test; None if there is none."""
    if not verdicts.answered(fact) or suite.compare is None:
        return None
    if max(len(fact.stdout), len(fact.value)) > BIG_ANSWER_BYTES:
        return await asyncio.to_thread(suite.compare, fact)
    return suite.compare(fact)


def _job(one: Admitted, placed: preludes.Placed) -> Job:
    """Return the job of a submission. Where nobody set an output limit, a right answer always fits into it."""
    suite, own = one.suite, one.own_output_limit
    limit_kb = one.limits.output_limit_kb if own else max(one.limits.output_limit_kb, suite.value_kb)
    twins, twinned = guards.of_shared(suite.twin_plan, suite.files) if suite.is_shared else ((), frozenset[str]())
    return Job(
        mode=suite.mode,
        source=placed.source.encode(),
        prelude=placed.prelude.encode(),
        toolchain=one.language.toolchain,
        limits=replace(one.limits, output_limit_kb=limit_kb),
        runs=tuple(replace(run, output_limit_kb=_run_limit_kb(run, limit_kb, own)) for run in suite.runs),
        calls=suite.calls,
        entry_point=suite.entry_point,
        tests=dict(suite.files),
        module=suite.module,
        twins=twins,
        apart=suite.copies_apart,
        twinned=tuple(sorted(twinned)),
    )


def _run_limit_kb(run: protocol.Run, limit_kb: int, own: bool) -> int | None:
    needed_kb = run.output_limit_kb or 0
    return needed_kb if needed_kb > limit_kb and not own else None


def _for(one: Admitted, outcome: CodeResult | JudgeError) -> CodeResult | JudgeError:
    return outcome if isinstance(outcome, JudgeError) else outcome.model_copy(update={"id": one.id})
