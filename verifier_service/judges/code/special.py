"""Special judges: programs sent with the tests that decide whether an output is right. Each runs in a box.

How a judge is asked and how it answers is its protocol, a line in `PROTOCOLS`. If a judge fails on an output (it
crashes, hits a limit, or ends in a way its protocol does not define), it is asked about the expected output of that
case. If it gets through that, whatever it answers, then the output caused the failure and is wrong. A judge that has
judged any output of these tests counts as proved from then on. Only a judge that has never got through an output is
unusable, and that is not the program's fault.
"""

import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple

from sandboxes.protocol import job as protocol_job
from sandboxes.protocol.facts import CompileFacts, End, Fact, TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from verifier_service import limits
from verifier_service.checkers import Checked
from verifier_service.errors import BadItem, BoxDied, ReferenceUnusable
from verifier_service.execution.executor import Executor
from verifier_service.execution.turns import Share
from verifier_service.judges.code.tests import Suite, output_of
from verifier_service.judges.code.verdicts import answered, is_slow, with_limit
from verifier_service.languages import SANDBOXES, Languages
from verifier_service.schema import LIMITS, Limits, Protocol, SpecialJudge, StdioCase, StdioTests
from verifier_service.schema.limits import TIME
from verifier_service.schema.requests import options_of
from verifier_service.settings import Settings, variable_of

CHUNK = 64
"""How many outputs one job of a judge covers. Its program is sent and compiled once for all of them."""
CHUNK_BYTES = 8 * 1024 * 1024  # the inputs and outputs of one job together
TURN_S = 5.0
"""After this time a job of the judge ends with its current output; what it has judged by then counts."""
MAX_SLOW = 3
"""A judge that ran out of time on this many of a program's outputs is not asked about the rest."""

MAX_PROVED = 10_000  # how many proved judges are remembered
PYTHON_MAIN = SANDBOXES / "programs" / "special_judge.py"
"""The program that loads a Python `check` function and distinguishes a judge that crashed from one that answers no."""
PYTHON_JUDGE_FILE = "judge.py"
SHARE_FILE = "share.txt"
STDIN, EXPECTED, ACTUAL = "stdin.txt", "expected.txt", "actual.txt"
FEEDBACK = "feedback"
FEEDBACK_MESSAGE = f"{FEEDBACK}/judgemessage.txt"
SAID_CHARS = 500  # how much of a judge's message is kept
_LIMIT_NAMES = {one.name: variable_of((TIME if one.default is None else one).default_setting) for one in LIMITS}
"""What sets the limits of a judge: the wall limit follows from the time limit."""


class JudgeFailed(Exception):
    """The judge did not get through this output. The message says how it ended, `slow` whether it ran out of time."""

    def __init__(self, message: str, slow: bool = False) -> None:
        self.slow = slow
        super().__init__(message)


@dataclass(frozen=True)
class Question:
    """How a judge is asked and how its exit is read. `answer` raises `JudgeFailed` for an exit without a meaning."""

    argv: tuple[str, ...]
    answer: Callable[[TestFacts], Checked]
    actual_on_stdin: bool = False
    files: tuple[str, ...] = ()
    fetch: tuple[str, ...] = ()

    def run(self, case: StdioCase, actual: bytes) -> Run:
        """Return the run that asks about one output."""
        files = {STDIN: case.stdin.encode(), EXPECTED: case.stdout.encode(), ACTUAL: actual}
        return Run(
            stdin=actual if self.actual_on_stdin else b"",
            argv=self.argv,
            files=files | dict.fromkeys(self.files, b""),
            fetch=self.fetch,
        )


def _said(*parts: bytes) -> str:
    return next((text for part in parts if (text := part.decode("utf-8", "backslashreplace").strip())), "")[:SAID_CHARS]


def _verdict(fact: TestFacts, right: Sequence[int], wrong: Sequence[int], said: str) -> Checked:
    if fact.exit_code in right:
        return Checked(True, said)
    if fact.exit_code in wrong:
        return Checked(False, said or "the special judge says no")
    raise JudgeFailed(f"it ended with code {fact.exit_code}: {said or fact.message[-SAID_CHARS:]}")


def _share(text: str, said: str) -> Checked:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise JudgeFailed(f"its share {text[:100]!r} is not a number from 0 to 1")
    return Checked(share == 1, said or ("" if share == 1 else f"the special judge gives {share:g}"), share)


def _check(fact: TestFacts) -> Checked:
    said = _said(fact.stdout)
    if fact.exit_code == 1 and SHARE_FILE in fact.files:
        return _share(fact.files[SHARE_FILE].decode("utf-8", "replace"), said)
    return _verdict(fact, (0,), (1,), said)


def _exit_code(fact: TestFacts) -> Checked:
    return _verdict(fact, (0,), (1,), _said(fact.stdout))


def _testlib(fact: TestFacts) -> Checked:
    said = _said(fact.stderr, fact.stdout)
    if fact.exit_code == 7:  # partial credit: "points 0.5 two of four are right", "partially correct (0.5)"
        points = re.match(r"(?:partially correct |points )?\(?([0-9.eE+-]+)\)?", said)
        return _share(points[1] if points else "", said)
    return _verdict(fact, (0,), (1, 2, 4, 8), said)  # wrong answer, presentation error, dirt, unexpected end of file


# Kattis' problem package format: 42 accepts, 43 rejects.
def _kattis(fact: TestFacts) -> Checked:
    return _verdict(fact, (42,), (43,), _said(fact.files.get(FEEDBACK_MESSAGE, b""), fact.stdout, fact.stderr))


def _score(fact: TestFacts) -> Checked:
    if fact.exit_code != 0:
        raise JudgeFailed(f"it ended with code {fact.exit_code}: {fact.message[-SAID_CHARS:]}")
    first, _, rest = fact.stdout.decode("utf-8", "backslashreplace").strip().partition("\n")
    return _share(first.strip(), rest.strip()[:SAID_CHARS])


# Arguments in the order that each protocol defines. The paths are relative to the judge's working folder.
PROTOCOLS = {
    Protocol.CHECK: Question((STDIN, EXPECTED, ACTUAL, "check"), _check, fetch=(SHARE_FILE,)),
    Protocol.EXIT_CODE: Question((STDIN, EXPECTED, ACTUAL), _exit_code),
    Protocol.TESTLIB: Question((STDIN, ACTUAL, EXPECTED), _testlib),
    Protocol.KATTIS: Question(
        (STDIN, EXPECTED, f"{FEEDBACK}/"),
        _kattis,
        actual_on_stdin=True,
        files=(FEEDBACK_MESSAGE,),
        fetch=(FEEDBACK_MESSAGE,),
    ),
    Protocol.SCORE: Question((STDIN, EXPECTED, ACTUAL), _score),
}


@dataclass(frozen=True)
class Judged:
    """The judgement of the first outputs that a judge was asked about: None for one without an answer.

    `slow` says whether the judge ran out of time on the last of them.
    """

    checked: Sequence[Checked | None]
    slow: bool = False


class SpecialJudges:
    """Asks special judges, and remembers which ones have got through an output."""

    def __init__(self, executor: Executor, languages: Languages, settings: Settings) -> None:
        self._executor = executor
        self._languages = languages
        self._limits = limits.fill(Limits(), settings)
        self._proved: OrderedDict[object, None] = OrderedDict()

    def check(self, tests: StdioTests) -> None:
        """Refuse a judge that cannot run here.

        Raises:
            BadItem: naming the field.
        """
        judge = options_of(tests.checker)
        if not isinstance(judge, SpecialJudge):
            return
        language = self._languages.resolve(judge.language, "tests.checker.language")
        if judge.protocol is Protocol.CHECK and language.name != "python":
            raise BadItem("tests.checker.protocol", judge.protocol.value, "`check` is for judges in python")
        language.check_files(judge.files, "tests.checker.files")

    async def ask(self, suite: Suite, facts: Sequence[TestFacts], share: Share) -> Judged:
        """Judge a program's outputs in order: at least the first, and as many as one job of the judge gets through.

        Raises:
            ReferenceUnusable: the judge has never got through an output; nothing can be concluded about these.
        """
        known, outputs = _questions(suite, facts)
        said = await self._run(suite, outputs, share) if outputs else []
        if any(isinstance(answer, Checked) for answer in said):
            self._prove(suite)
        checked = list(known)
        for (index, case, _), answer in zip(outputs, said, strict=False):
            if isinstance(answer, JudgeFailed):
                await self._require_proof(suite, case, answer, share)
                checked[index] = Checked(False, f"the special judge fails on this output: {answer}")
            else:
                checked[index] = answer
        judged = len(known) if len(said) == len(outputs) else outputs[len(said)][0]
        return Judged(checked[:judged], slow=bool(said) and isinstance(said[-1], JudgeFailed) and said[-1].slow)

    async def _require_proof(self, suite: Suite, case: StdioCase, failure: JudgeFailed, share: Share) -> None:
        """Make sure that this judge can judge at all.

        Raises:
            ReferenceUnusable: it never has, and does not get through the expected output either.
        """
        if suite.key in self._proved:
            return
        (answer,) = await self._run(suite, [_Question(0, case, case.stdout.encode())], share)
        if isinstance(answer, JudgeFailed):
            raise ReferenceUnusable(
                f"the special judge failed: {failure}; it failed on the expected output too: {answer}"
            )
        self._prove(suite)

    def _prove(self, suite: Suite) -> None:
        self._proved[suite.key] = None
        self._proved.move_to_end(suite.key)
        if len(self._proved) > MAX_PROVED:
            self._proved.popitem(last=False)

    async def _run(
        self, suite: Suite, questions: Sequence["_Question"], share: Share
    ) -> Sequence[Checked | JudgeFailed]:
        """Ask about outputs in one job. Return answers to the first of them, at least to one."""
        judge = suite.special_judge
        assert judge is not None, "asked of tests without a special judge"
        language = self._languages.resolve(judge.language, "tests.checker.language")
        protocol = judge.protocol or (Protocol.CHECK if language.name == "python" else Protocol.EXIT_CODE)
        question = PROTOCOLS[protocol]
        side_files = {name: text.encode() for name, text in judge.files.items()}
        source = judge.code.encode()
        if protocol is Protocol.CHECK:
            side_files[PYTHON_JUDGE_FILE] = source
            source = _python_main()
            # without a protocol, Python's judge can also be a whole program that answers by exit code
            if judge.protocol is None:
                question = replace(question, argv=question.argv[:-1])
        job = Job(
            mode=Mode.STDIO,
            source=source,
            toolchain=language.toolchain,
            limits=self._limits,
            runs=tuple(question.run(case, actual) for _, case, actual in questions),
            side_files=side_files,
            keep_stderr=True,
        )
        failure = "it broke two sandboxes"
        try:
            execution = await self._executor.run(language, job, partial(_first_facts, len(questions)), share)
            if execution.value is not None:
                return [_answer(question, fact, self._limits) for fact in execution.value]
        except ReferenceUnusable as error:  # it does not compile, or an output is too large to send to it
            failure = str(error)
        if len(questions) > 1:  # a single output might have caused it
            return await self._run(suite, questions[:1], share)
        return [JudgeFailed(failure)]


class _Question(NamedTuple):
    """An output to judge, with its place among those given."""

    place: int
    case: StdioCase
    actual: bytes


def _questions(suite: Suite, facts: Sequence[TestFacts]) -> tuple[list[Checked | None], list[_Question]]:
    """Return what is known of each output without asking, and the questions to ask, as many as one job takes."""
    known: list[Checked | None] = []
    questions: list[_Question] = []
    size = 0
    for fact in facts:
        case = suite.cases[fact.index]
        output = output_of(case, fact) if answered(fact) else None
        if output is not None:
            size += len(case.stdin) + len(case.stdout) + len(output)
            if questions and (size > CHUNK_BYTES or len(questions) >= CHUNK):
                break
            questions.append(_Question(len(known), case, output))
        missing = answered(fact) and output is None
        known.append(Checked(False, f"the program wrote no file {case.stdout_file!r}") if missing else None)
    return known, questions


@cache
def _python_main() -> bytes:
    return PYTHON_MAIN.read_bytes()


async def _first_facts(count: int, facts: AsyncIterator[Fact]) -> list[TestFacts]:
    """Return the facts of `count` outputs, or of fewer.

    They end early at an output on which the judge ran out of time, or once `TURN_S` have passed.

    Raises:
        ReferenceUnusable: the judge does not compile.
        BoxDied: facts are missing.
    """
    found: list[TestFacts] = []
    began_s = 0.0
    async for fact in facts:
        if isinstance(fact, CompileFacts) and not fact.succeeded:
            raise ReferenceUnusable(f"the special judge does not compile: {fact.message[-SAID_CHARS:]}")
        if isinstance(fact, TestFacts):
            if fact.end is End.NOT_COMPILED:
                raise ReferenceUnusable(f"the special judge does not compile: {fact.message[-SAID_CHARS:]}")
            began_s = began_s or time.monotonic()
            found.append(fact)
            if is_slow(fact) or time.monotonic() - began_s > TURN_S:
                return found
    if len(found) != count:
        raise BoxDied(f"the box reported {len(found)} of {count} outputs")
    return found


def _answer(question: Question, fact: TestFacts, own: protocol_job.Limits) -> Checked | JudgeFailed:
    if fact.end is not End.EXITED:
        said = fact.message[-SAID_CHARS:]
        if fact.end is End.SIGNALED:
            return JudgeFailed(f"signal {fact.signal}: {said}")
        return JudgeFailed(with_limit(fact.end, said, own, fact.memory_mb, _LIMIT_NAMES), slow=is_slow(fact))
    try:
        return question.answer(fact)
    except JudgeFailed as failure:
        return failure
