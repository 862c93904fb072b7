"""Judge code: extract the program, run its tests in a box, and turn the facts that come back into verdicts.

What the tests expect stays here for `stdio` and `call`; only inputs go into the box. For `assert` and `pytest` the
tests run in the box in a process of their own. A box that dies under a submission is replaced, and the submission is
tried once more on a fresh one; if that dies as well, and a harmless program survives on a third, then the submission
killed them, and that is a `runtime_error`. Otherwise the failure is ours: `judge_error`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from sandboxes.protocol import plain
from sandboxes.protocol.facts import CompileFacts, End, Fact, TesterFacts, TesterTest, TestFacts, TestOutcome
from sandboxes.protocol.job import Job, Mode, Run
from sandboxes.protocol.job import Limits as BoxLimits
from verifier_service.checkers import TEXT_CHECKERS, VALUE_CHECKERS, Checked, Tolerance
from verifier_service.errors import BoxDied, JudgeError, ReferenceUnusable
from verifier_service.extract.code import extract_code
from verifier_service.judges.special import judge_output
from verifier_service.languages import Language
from verifier_service.runners.pool import BoxPool
from verifier_service.schema import (
    AssertTests,
    CallTests,
    CodeResult,
    CodeSubmission,
    Limits,
    PytestTests,
    SpecialJudge,
    StdioTests,
    TestResult,
    Verdict,
)
from verifier_service.settings import Settings

log = structlog.get_logger()

CodeTests = StdioTests | CallTests | AssertTests | PytestTests

MAX_TIME_LIMIT_FAILURES = 10
"""After so many tests over the time limit the rest of a submission is not run: a program that loops forever would
otherwise hold a core for the time limit times the number of tests."""

BIG_ANSWER_BYTES = 64 * 1024
"""Answers above this are compared in a thread, so that they do not hold up the other submissions."""

END_VERDICTS = {
    End.EXITED: Verdict.RUNTIME_ERROR,  # with a code other than 0
    End.SIGNALED: Verdict.RUNTIME_ERROR,
    End.RAISED: Verdict.RUNTIME_ERROR,
    End.LOST: Verdict.RUNTIME_ERROR,
    End.NOT_PLAIN: Verdict.WRONG_ANSWER,
    End.CPU_LIMIT: Verdict.TIME_LIMIT_EXCEEDED,
    End.WALL_LIMIT: Verdict.TIME_LIMIT_EXCEEDED,
    End.MEMORY_LIMIT: Verdict.MEMORY_LIMIT_EXCEEDED,
    End.OUTPUT_LIMIT: Verdict.OUTPUT_LIMIT_EXCEEDED,
    End.NOT_COMPILED: Verdict.COMPILE_ERROR,
}
"""What an end means where it is not the end of a test that has an answer to compare."""

OUTCOME_VERDICTS = {
    TestOutcome.PASSED: Verdict.ACCEPTED,
    TestOutcome.FAILED: Verdict.WRONG_ANSWER,
    TestOutcome.ERROR: Verdict.RUNTIME_ERROR,
    TestOutcome.SKIPPED: Verdict.WRONG_ANSWER,
    TestOutcome.MISSING: Verdict.RUNTIME_ERROR,
}


@dataclass(frozen=True)
class Suite:
    """Tests made ready for the box once, however many submissions share them."""

    tests: CodeTests
    inputs: tuple[bytes, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    entry_point: str | None = None
    module: str = "solution"

    @property
    def special_judge(self) -> bool:
        """Whether a program decides on each output."""
        return isinstance(self.tests, StdioTests) and isinstance(self.tests.checker, SpecialJudge)

    @property
    def weights(self) -> list[float]:
        """The weight of each case; the tests of `assert` and `pytest` weigh the same."""
        return [case.weight for case in self.tests.cases] if isinstance(self.tests, (StdioTests, CallTests)) else []


def prepare(tests: CodeTests) -> Suite:
    """Return `tests` in the form in which they enter a box."""
    match tests:
        case StdioTests():
            return Suite(tests, inputs=tuple(case.stdin.encode() for case in tests.cases))
        case CallTests():
            inputs = tuple(plain.encode([case.args, case.kwargs]) for case in tests.cases)
            return Suite(tests, inputs=inputs, entry_point=tests.entry_point)
        case AssertTests():
            return Suite(tests, files={"tests.py": tests.code}, entry_point=tests.entry_point)
        case PytestTests():
            return Suite(tests, files=dict(tests.files), module=tests.module)


def box_limits(limits: Limits, settings: Settings) -> BoxLimits:
    """Fill in the defaults of the service for what `limits` leave out."""
    time_limit_s = limits.time_limit_s or settings.default_time_limit_s
    wall_limit_s = limits.wall_limit_s or min(settings.max_wall_limit_s, 3 * time_limit_s + 2)
    return BoxLimits(
        time_limit_s=time_limit_s,
        wall_limit_s=max(wall_limit_s, time_limit_s),
        memory_limit_mb=limits.memory_limit_mb or settings.default_memory_limit_mb,
        output_limit_kb=limits.output_limit_kb or settings.default_output_limit_kb,
        max_processes=limits.max_processes or settings.default_max_processes,
        compile_time_limit_s=settings.compile_time_limit_s,
    )


class CodeJudge:
    """Judges code submissions in the boxes of a pool."""

    def __init__(self, settings: Settings, pool: BoxPool, languages: dict[str, Language]) -> None:
        self._settings = settings
        self._pool = pool
        self.languages = languages

    async def start(self) -> None:
        """Begin to warm up the boxes."""
        await self._pool.start()

    async def close(self) -> None:
        """Destroy every box."""
        await self._pool.close()

    async def ready(self) -> str | None:
        """Return None when a box is warm, else the reason why not."""
        return await self._pool.ready()

    async def judge(self, submissions: Sequence[CodeSubmission], on_result: Callable[[int, CodeResult], None]) -> None:
        """Judge a batch; submissions with the same program, tests and limits are run once. See `Judge.judge`."""
        suites: dict[int, Suite] = {}
        groups: dict[tuple[object, ...], list[int]] = {}
        programs: dict[int, str] = {}
        texts: dict[int, str] = {}  # a suite that submissions share is one object: written out once
        for index, submission in enumerate(submissions):
            program = extract_code(submission.completion, self.languages[submission.language].fences)
            if program is None:
                on_result(index, _no_program(submission))
                continue
            programs[index] = program
            tests = submission.tests
            assert not isinstance(tests, str), "names of suites are resolved at admission"
            text = texts.get(id(tests)) or texts.setdefault(id(tests), tests.model_dump_json())
            key = (submission.language, program, text, submission.limits)
            groups.setdefault(key, []).append(index)

        waiting = iter(groups.values())

        async def work() -> None:
            for indices in waiting:
                submission = submissions[indices[0]]
                result = await self._judge_one(submission, programs[indices[0]], suites)
                for index in indices:
                    on_result(index, result.model_copy(update={"id": submissions[index].id}))

        # Two for each box: one that runs, and one that is ready to follow. More would only let a large batch stand
        # in line before a small one that comes after it.
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(len(groups), 2 * self._settings.boxes)):
                tasks.create_task(work())

    async def _judge_one(self, submission: CodeSubmission, program: str, suites: dict[int, Suite]) -> CodeResult:
        tests = submission.tests
        assert not isinstance(tests, str), "names of suites are resolved at admission"
        try:
            suite = suites.get(id(tests)) or suites.setdefault(id(tests), prepare(tests))
            return await self._run(submission, program, suite)
        except JudgeError as error:
            log.warning("judge_error", id=submission.id, language=submission.language, reason=str(error))
            return CodeResult(
                id=submission.id, verdict=Verdict.JUDGE_ERROR, score=None, extracted=program, message=str(error)
            )

    async def _run(self, submission: CodeSubmission, program: str, suite: Suite) -> CodeResult:
        language = self.languages[submission.language]
        job = Job(
            mode=Mode(suite.tests.kind),
            source=program.encode("utf-8", "surrogatepass"),
            toolchain=language.toolchain,
            limits=box_limits(submission.limits, self._settings),
            runs=tuple(Run(stdin=stdin) for stdin in suite.inputs) if suite.tests.kind == "stdio" else (),
            calls=suite.inputs if suite.tests.kind == "call" else (),
            entry_point=suite.entry_point,
            tests=suite.files,
            module=suite.module,
        )
        for fresh in (False, True):
            run = _Run(submission.id, program, suite)
            try:
                async with self._pool.lease(language, fresh=fresh) as box, aclosing(box.run(job)) as facts:
                    result = await self._conclude(run, facts)
                return result or await self._ask_special_judge(run)
            except BoxDied as error:
                log.warning("box_died", id=submission.id, language=language.name, fresh=fresh, reason=str(error))
        await self._prove_that_boxes_work(language)
        message = "the program ended two fresh boxes in a row, in which harmless programs run"
        return run.result(Verdict.RUNTIME_ERROR, message)

    async def _prove_that_boxes_work(self, language: Language) -> None:
        """Run a harmless job on a fresh box: if that fails too, the machine is to blame, and not the submission."""
        limits = box_limits(Limits(), self._settings)
        job = Job(mode=Mode.STDIO, source=b"", toolchain=language.toolchain, limits=limits, runs=(Run(),))
        async with self._pool.lease(language, fresh=True) as box, aclosing(box.run(job)) as facts:
            async for _ in facts:
                pass

    async def _conclude(self, run: "_Run", facts: AsyncIterator[Fact]) -> CodeResult | None:
        """Turn facts into a result while they come; None if the outputs wait in `run` for a special judge."""
        async for fact in facts:
            match fact:
                case CompileFacts():
                    if fact.end is not End.EXITED or fact.exit_code != 0:
                        return run.result(Verdict.COMPILE_ERROR, fact.message or "the compiler failed")
                case TesterFacts():
                    return run.tester_result(fact)
                case TestFacts(end=End.NOT_COMPILED):
                    return run.result(Verdict.COMPILE_ERROR, fact.message)
                case TestFacts() if run.suite.special_judge:
                    run.waiting.append(fact)
                    if _is_slow(fact) and sum(map(_is_slow, run.waiting)) >= MAX_TIME_LIMIT_FAILURES:
                        break
                case TestFacts():
                    run.add(await self._judge_test(run.suite.tests, fact), fact)
                    if run.enough():
                        break
        return None if run.suite.special_judge else run.result()

    async def _ask_special_judge(self, run: "_Run") -> CodeResult:
        """Judge the outputs in `run` once the program's own box is free: a judge that waited for a second box while
        it held the first could wait forever."""
        for fact in run.waiting:
            run.add(await self._judge_test(run.suite.tests, fact), fact)
            if run.enough():
                break
        return run.result()

    async def _judge_test(self, tests: CodeTests, fact: TestFacts) -> TestResult:
        """Judge one test of `stdio` or `call`."""
        answered = fact.end is End.RETURNED or (fact.end is End.EXITED and fact.exit_code == 0)
        if not answered:
            return _test_result(fact, END_VERDICTS[fact.end], fact.message or _what_ended(fact))
        if isinstance(tests, StdioTests) and isinstance(tests.checker, SpecialJudge):
            case = tests.cases[fact.index]
            checked = await judge_output(self._pool, self.languages, tests.checker, case, fact.stdout, self._settings)
        elif max(len(fact.stdout), len(fact.value)) > BIG_ANSWER_BYTES:
            checked = await asyncio.to_thread(_check, tests, fact)
        else:
            checked = _check(tests, fact)
        return _test_result(fact, Verdict.ACCEPTED if checked.ok else Verdict.WRONG_ANSWER, checked.message)


class _Run:
    """The results of one submission while they come in."""

    def __init__(self, submission_id: str | None, program: str, suite: Suite) -> None:
        self.suite = suite
        self.waiting: list[TestFacts] = []
        self._id = submission_id
        self._program = program
        self._tests: list[TestResult] = []
        self._passed_weight = 0.0
        self._slow = 0

    def add(self, test: TestResult, fact: TestFacts) -> None:
        """Take the next test; `score` sums the weights of those that passed."""
        if fact.index != len(self._tests):
            raise BoxDied(f"test {len(self._tests)} is missing: the box went on with test {fact.index}")
        self._tests.append(test)
        if test.verdict is Verdict.ACCEPTED:
            self._passed_weight += self.suite.weights[fact.index]
        self._slow += test.verdict is Verdict.TIME_LIMIT_EXCEEDED

    def enough(self) -> bool:
        """Tell whether the rest of the tests need not run."""
        tests = self.suite.tests
        if len(self._tests) >= len(self.suite.inputs):
            return False
        stop = isinstance(tests, (StdioTests, CallTests)) and tests.stop_on_failure
        return self._slow >= MAX_TIME_LIMIT_FAILURES or (stop and self._tests[-1].verdict is not Verdict.ACCEPTED)

    def result(self, verdict: Verdict | None = None, message: str = "") -> CodeResult:
        """Return the result of `stdio` and `call` tests; `verdict` is given if it does not come from a test."""
        weights = self.suite.weights
        passed = sum(test.verdict is Verdict.ACCEPTED for test in self._tests)
        if verdict is None:
            first = next((test for test in self._tests if test.verdict is not Verdict.ACCEPTED), None)
            if first is None and passed < len(weights):
                raise BoxDied(f"the box reported {len(self._tests)} of {len(weights)} tests")
            verdict = first.verdict if first else Verdict.ACCEPTED
            message = f"test {self._tests.index(first) + 1} of {len(weights)}: {first.message}" if first else ""
            if len(self._tests) < len(weights):
                message += f" ({len(weights) - len(self._tests)} later tests were not run)"
        score = 1.0 if verdict is Verdict.ACCEPTED else self._passed_weight / sum(weights) if weights else 0.0
        return CodeResult(
            id=self._id,
            verdict=verdict,
            score=score if verdict is not Verdict.COMPILE_ERROR else 0.0,
            passed=passed,
            total=len(weights),
            extracted=self._program,
            message=message,
            tests=self._tests,
        )

    def tester_result(self, fact: TesterFacts) -> CodeResult:
        """Return the result of `assert` and `pytest` tests."""
        if fact.broken:
            raise ReferenceUnusable(f"the tests cannot be used: {fact.broken}")
        if fact.program_end is End.NOT_COMPILED:
            return self._tester_result(fact, Verdict.COMPILE_ERROR, fact.message, [])
        tests = [_tester_test(test, fact) for test in fact.tests]
        first = next((test for test in tests if test.verdict is not Verdict.ACCEPTED), None)
        if first is not None:
            return self._tester_result(fact, first.verdict, f"{first.id}: {first.message}", tests)
        if tests and fact.finished and fact.program_end is None:
            return self._tester_result(fact, Verdict.ACCEPTED, "", tests)
        verdict = END_VERDICTS[fact.program_end] if fact.program_end else Verdict.RUNTIME_ERROR
        return self._tester_result(fact, verdict, fact.message or "no test ran to its end", tests)

    def _tester_result(self, fact: TesterFacts, verdict: Verdict, message: str, tests: list[TestResult]) -> CodeResult:
        passed = sum(test.verdict is Verdict.ACCEPTED for test in tests)
        share = passed / len(tests) if tests else 0.0
        return CodeResult(
            id=self._id,
            verdict=verdict,
            score=share,
            passed=passed,
            total=max(len(tests), len(fact.tests)),
            extracted=self._program,
            message=message,
            tests=tests,
        )


def _tester_test(test: TesterTest, fact: TesterFacts) -> TestResult:
    verdict = OUTCOME_VERDICTS[test.outcome]
    message = test.message
    if verdict is not Verdict.ACCEPTED and fact.program_end is not None and test.outcome is TestOutcome.MISSING:
        verdict = END_VERDICTS[fact.program_end]
        message = message or fact.message
    return TestResult(verdict=verdict, id=test.id, time_s=test.time_s, memory_mb=fact.memory_mb, message=message)


def _check(tests: CodeTests, fact: TestFacts) -> Checked:
    match tests:
        case StdioTests():
            assert isinstance(tests.checker, str)
            expected = tests.cases[fact.index].stdout.encode()
            return TEXT_CHECKERS[tests.checker](expected, fact.stdout, Tolerance(tests.abs_tol, tests.rel_tol))
        case CallTests():
            try:
                value = plain.decode(fact.value)
            except plain.Malformed as error:
                return Checked(False, f"what was returned cannot be read: {error}")
            expected = tests.cases[fact.index].expected
            return VALUE_CHECKERS[tests.checker](expected, value, Tolerance(tests.abs_tol, tests.rel_tol))
        case _:
            raise JudgeError(f"the box reported a test with an answer for tests of kind {tests.kind}")


def _test_result(fact: TestFacts, verdict: Verdict, message: str) -> TestResult:
    return TestResult(
        verdict=verdict, time_s=round(fact.time_s, 6), memory_mb=round(fact.memory_mb, 1), message=message
    )


def _is_slow(fact: TestFacts) -> bool:
    return END_VERDICTS.get(fact.end) is Verdict.TIME_LIMIT_EXCEEDED


def _what_ended(fact: TestFacts) -> str:
    match fact.end:
        case End.EXITED:
            return f"the program ended with code {fact.exit_code}"
        case End.SIGNALED:
            return f"the program was ended by signal {fact.signal}"
        case End.LOST:
            return "the program ended before it had answered"
        case _:
            return str(fact.end).replace("_", " ")


def _no_program(submission: CodeSubmission) -> CodeResult:
    message = f"the completion holds no {submission.language} code"
    return CodeResult(id=submission.id, verdict=Verdict.NO_ANSWER, score=0.0, message=message)
