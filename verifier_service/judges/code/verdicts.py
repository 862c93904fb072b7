"""Turn facts into verdicts. Pure: nothing here runs or waits for anything, or knows about boxes.

`verdict_of_run` fixes the order of the questions about one test. The first test that is not accepted decides the
verdict of the whole, and the score is the share of the weight that was earned.
"""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sandboxes.protocol.facts import CompileFacts, End, Signal, TesterFacts, TesterTest, TestFacts, TestOutcome
from sandboxes.protocol.job import Limits
from verifier_service.checkers import Checked
from verifier_service.errors import BoxDied, ReferenceUnusable
from verifier_service.judges.code.explaining import Explainer, chars_of
from verifier_service.schema import LIMITS, CodeResult, TestExplanation, TestResult, Verdict
from verifier_service.schema.base import counted

MAX_TIME_LIMIT_FAILURES = 10
"""After this many tests over the time limit, the rest of a submission is not run.

A program that loops forever would otherwise hold a core for the time limit times the number of tests.
"""

MAX_MESSAGE_CHARS = 500
MAX_COMPILER_CHARS = 2000
"""How long a message in a result can be: one test's, and a compiler's, which serves for all tests."""
# Of a cut message the end says more: it has the exception.
_HEAD_SHARE = 0.3
_CUT = " [...] "
IN_REQUESTS = {one.name: f"limits.{one.name}" for one in LIMITS}
"""What a request calls each limit, for messages."""
_ONLY_THE_LIMIT = re.compile(r"the (program|process) was ended: \w+ limit")


def readable(message: str, max_chars: int = MAX_MESSAGE_CHARS) -> str:
    """Return the beginning and the end of a message: at most `max_chars` printable characters.

    A program can write anything. A control character becomes its picture ("\\x01" becomes "␁"), because JSON would take
    six characters for it. Other invisible characters become "�"; newlines and tabs stay.
    """
    message = message.replace("\r\n", "\n")
    if len(message) > max_chars:
        head = int(max_chars * _HEAD_SHARE)
        message = message[:head] + _CUT + message[head + len(_CUT) - max_chars :]
    return message if message.isprintable() else "".join(map(_visible, message))


def _visible(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def answered(fact: TestFacts) -> bool:
    """Return whether there is an answer to compare."""
    return fact.end is End.RETURNED or (fact.end is End.EXITED and fact.exit_code == 0)


def verdict_of_run(fact: TestFacts, checked: Checked | None) -> Verdict:
    """Return the verdict of one `stdio` or `call` test; `checked` is the comparison of its answer, if it has one."""
    if fact.end is End.NOT_COMPILED:
        return Verdict.COMPILE_ERROR
    if fact.end in (End.CPU_LIMIT, End.WALL_LIMIT, End.BUDGET):
        return Verdict.TIME_LIMIT_EXCEEDED
    if fact.end is End.MEMORY_LIMIT:
        return Verdict.MEMORY_LIMIT_EXCEEDED
    if fact.end is End.OUTPUT_LIMIT:
        return Verdict.OUTPUT_LIMIT_EXCEEDED
    if fact.end is End.NOT_PLAIN:
        return Verdict.WRONG_ANSWER
    if not answered(fact) or checked is None:
        return Verdict.RUNTIME_ERROR
    return Verdict.ACCEPTED if checked.ok else Verdict.WRONG_ANSWER


def verdict_of_test(test: TesterTest, facts: TesterFacts) -> Verdict:
    """Return the verdict of one `assert` or `pytest` test."""
    if test.outcome is TestOutcome.PASSED:
        return Verdict.ACCEPTED
    end = test.end or facts.program_end
    if test.outcome is TestOutcome.MISSING and end is not None:
        return _verdict_of_end(end)
    if test.outcome in (TestOutcome.FAILED, TestOutcome.SKIPPED):
        return Verdict.WRONG_ANSWER
    return Verdict.RUNTIME_ERROR


def _verdict_of_end(end: End) -> Verdict:
    return verdict_of_run(TestFacts(index=0, end=end, exit_code=1), None)


def with_limit(
    end: End, message: str, limits: Limits, memory_mb: float = 0.0, names: Mapping[str, str] = IN_REQUESTS
) -> str:
    """Return the message of a test; if a limit ended it, with that limit and its name before what the program wrote.

    `names` says where each limit is set.
    """
    if end is End.OUTPUT_LIMIT and message.endswith(" KiB)"):  # the box says how much was written
        return f"{message[:-1].removeprefix('output limit: ')}, {names['output_limit_kb']})"
    is_memory = memory_mb > limits.memory_limit_mb or "emory" in message  # MemoryError, out of memory
    sentence = _over_limit(end, limits, names, is_memory=is_memory)
    if not sentence or not message or _ONLY_THE_LIMIT.fullmatch(message):
        return sentence or message
    return f"{sentence}: {message}"


def _over_limit(end: End, limits: Limits, names: Mapping[str, str], *, is_memory: bool) -> str:
    """Return what a program exceeded; "" for an end without a limit, or one that the box itself explains."""
    match end:
        case End.CPU_LIMIT:
            return f"it used more than {limits.time_limit_s:g} s of CPU time ({names['time_limit_s']})"
        case End.WALL_LIMIT:
            return f"it took more than {limits.wall_limit_s:g} s of wall time ({names['wall_limit_s']})"
        case End.MEMORY_LIMIT:
            # A program with too many processes ends this way too, and the box does not say which of the two it was.
            processes = f", or had more than {limits.max_processes} processes and threads ({names['max_processes']})"
            return (
                f"it needed more than {limits.memory_limit_mb} MiB of memory ({names['memory_limit_mb']})"
                f"{'' if is_memory else processes}"
            )
        case End.OUTPUT_LIMIT:
            return f"it wrote more than {limits.output_limit_kb} KiB ({names['output_limit_kb']})"
        case _:
            return ""


def result_of_run(fact: TestFacts, checked: Checked | None, limits: Limits) -> TestResult:
    """Return the result of one `stdio` or `call` test."""
    said = with_limit(fact.end, fact.message, limits, fact.memory_mb) or _what_ended(fact)
    return TestResult(
        verdict=verdict_of_run(fact, checked),
        score=checked.share if checked and not checked.ok else None,
        time_s=round(fact.time_s, 6),
        memory_mb=round(fact.memory_mb, 1),
        message=readable(checked.message if checked is not None else said),
    )


_CODE_HINTS: dict[int, str] = {
    120: ": Python exits with this code if it could not flush its standard output",
    126: ": a command was found but could not be executed",
    127: ": a command was not found",
}
_SIGNAL_HINTS: dict[int, str] = {
    signal.SIGSEGV: ": invalid memory access, or a stack overflow from too deep recursion",
    signal.SIGABRT: ": the program aborted itself, for instance after a failed assertion or an uncaught exception",
}
"""What to add about a code or a signal that explains nothing by itself."""


def _what_ended(fact: TestFacts) -> str:
    match fact.end:
        case End.EXITED:
            return f"the program ended with code {fact.exit_code}{_CODE_HINTS.get(fact.exit_code, '')}"
        case End.SIGNALED:
            name = signal.strsignal(fact.signal)
            return f"the program was ended by signal {fact.signal} ({name}){_SIGNAL_HINTS.get(fact.signal, '')}"
        case End.LOST:
            return "the program ended before it had answered"
        case _:
            return str(fact.end).replace("_", " ")


@dataclass
class Tally:
    """Collects the results of one submission's `stdio` or `call` tests. `weights` has one entry per test."""

    weights: Sequence[float]
    limits: Limits
    stop_on_failure: bool = False
    explainer: Explainer | None = None
    tests: list[TestResult] = field(default_factory=list)
    signals: set[str] = field(default_factory=set)
    explanation: list[TestExplanation] = field(default_factory=list)
    _explained_chars: int = 0
    _slow: int = 0
    _over_budget: bool = False

    def copy(self) -> "Tally":
        """Return a copy to which other results can be added."""
        return replace(self, tests=list(self.tests), signals=set(self.signals), explanation=list(self.explanation))

    def add(self, fact: TestFacts, checked: Checked | None) -> None:
        """Take the next test.

        Raises:
            BoxDied: a test is missing before it.
        """
        if fact.index != len(self.tests):
            raise BoxDied(f"test {len(self.tests)} is missing: the box went on with test {fact.index}")
        self.tests.append(result_of_run(fact, checked, self.limits))
        if self.explainer is not None:
            self.explanation.append(self.explainer.explain(fact, self._explained_chars))
            self._explained_chars += chars_of(self.explanation[-1])
        self._slow += is_slow(fact)
        self._over_budget = self._over_budget or fact.end is End.BUDGET
        self.signals.update(signal.value for signal in fact.signals)

    def enough(self) -> bool:
        """Return whether the remaining tests need not run."""
        if len(self.tests) >= len(self.weights):
            return False
        stop = self.stop_on_failure and bool(self.tests) and self.tests[-1].verdict is not Verdict.ACCEPTED
        return stop or self._over_budget or self._slow >= MAX_TIME_LIMIT_FAILURES

    @property
    def has_failed(self) -> bool:
        """Whether a test has failed, so that the others cannot change the verdict."""
        return any(test.verdict is not Verdict.ACCEPTED for test in self.tests)

    @property
    def is_slow(self) -> bool:
        """Whether a test has hit a time limit."""
        return self._slow > 0

    def result(self, why_not_run: str = "") -> CodeResult:
        """Return the result of all tests; `why_not_run` is added to the message if later tests were not run.

        Raises:
            BoxDied: tests are missing without a reason.
        """
        total = len(self.weights)
        first = next((test for test in self.tests if test.verdict is not Verdict.ACCEPTED), None)
        if first is None and len(self.tests) < total:
            raise BoxDied(f"the box reported {len(self.tests)} of {total} tests")
        if first is not None and first.verdict is Verdict.COMPILE_ERROR:
            return not_compiled(first.message, total)
        message = f"test {self.tests.index(first) + 1} of {total}: {first.message}" if first else ""
        if len(self.tests) < total:
            left = total - len(self.tests)
            message += f" ({counted(left, 'later test')} {'was' if left == 1 else 'were'} not run{why_not_run})"
        return CodeResult(
            id=None,
            verdict=first.verdict if first else Verdict.ACCEPTED,
            score=self._score() if first else 1.0,
            passed=self._passed(),
            total=total,
            message=message,
            tests=self.tests,
            explanation=self.explanation if self.explainer is not None else None,
            signals=sorted(self.signals),
        )

    def _passed(self) -> int:
        return sum(test.verdict is Verdict.ACCEPTED for test in self.tests)

    def _score(self) -> float:
        earned = (
            weight * (1.0 if test.verdict is Verdict.ACCEPTED else test.score or 0.0)
            for test, weight in zip(self.tests, self.weights, strict=False)  # tests that were not run earn nothing
        )
        return min(sum(earned) / sum(self.weights), 1.0)


def at_the_deadline(tally: Tally, outputs: Sequence[TestFacts], late: str) -> CodeResult | None:
    """Return what is known when the deadline passes, or None if that decides nothing.

    A failed test decides, even if no special judge was asked about it. `late` says why the test that was due counts as
    failed, if it does.
    """
    failed = next((fact for fact in outputs if not answered(fact)), None)
    if not tally.has_failed and failed is None and not late:
        return None
    if not tally.has_failed and not tally.weights:
        return CodeResult(id=None, verdict=Verdict.TIME_LIMIT_EXCEEDED, score=0.0, message=late)
    tally = tally.copy()
    if not tally.has_failed:
        fact = failed or TestFacts(index=0, end=End.BUDGET, message=late)
        tally.add(replace(fact, index=len(tally.tests)), None)
    return tally.result(": the deadline passed")


def is_slow(fact: TestFacts) -> bool:
    """Return whether a test hit a time limit; `MAX_TIME_LIMIT_FAILURES` of these are enough."""
    return fact.end in (End.CPU_LIMIT, End.WALL_LIMIT)


def broke_boxes(total: int, message: str) -> CodeResult:
    """Return the result of a program that killed two fresh boxes in which harmless programs run."""
    return CodeResult(id=None, verdict=Verdict.RUNTIME_ERROR, score=0.0, total=total, message=message)


def not_compiled(message: str, total: int) -> CodeResult:
    """Return the result of a program that could not be compiled."""
    said = readable(message, MAX_COMPILER_CHARS)
    return CodeResult(id=None, verdict=Verdict.COMPILE_ERROR, score=0.0, total=total, message=said)


def compiler_failed(facts: CompileFacts, total: int, limits: Limits) -> CodeResult:
    """Return the result of a program that its compiler rejected."""
    limit = "" if facts.end is End.EXITED else f"the compiler was ended: {_ended_compiler(facts, limits)}. "
    return not_compiled(f"{limit}{facts.message}".rstrip() or "the compiler failed", total)


def _ended_compiler(facts: CompileFacts, limits: Limits) -> str:
    most_s = f"at most {limits.compile_time_limit_s:g} s (VERIFIER_COMPILE_TIME_LIMIT_S)"
    match facts.end:
        case End.CPU_LIMIT:
            return f"it used too much CPU time; a compiler gets {most_s}"
        case End.WALL_LIMIT:
            return f"it took too long; a compiler gets {most_s} of CPU time, and more wall time"
        case End.MEMORY_LIMIT:
            return "it used too much memory, or too many processes"
        case End.OUTPUT_LIMIT:
            return "it wrote too much"
        case _:
            return f"signal {facts.signal} ({signal.strsignal(facts.signal)})"


def tester_result(facts: TesterFacts, limits: Limits) -> CodeResult:
    """Return the result of `assert` or `pytest` tests.

    Raises:
        ReferenceUnusable: the tests themselves are unusable, whatever the submission is.
    """
    if facts.broken:
        raise ReferenceUnusable(f"the tests cannot be used: {facts.broken}")
    if facts.program_end is End.NOT_COMPILED:
        return not_compiled(facts.message, len(facts.tests))
    if facts.program_end is not None:
        facts = replace(facts, message=with_limit(facts.program_end, facts.message, limits, facts.memory_mb))
    tests = [_tester_test(test, facts, limits) for test in facts.tests]
    if facts.lied:
        return _liar(tests, facts)
    passed = sum(test.verdict is Verdict.ACCEPTED for test in tests)
    verdict, message = _conclusion(tests, facts)
    return CodeResult(
        id=None,
        verdict=verdict,
        # If the run was cut short, tests that passed before prove nothing.
        score=1.0 if verdict is Verdict.ACCEPTED else passed / len(tests) if passed < len(tests) else 0.0,
        passed=passed,
        total=len(tests),
        message=message,
        tests=tests,
        signals=sorted(signal.value for signal in facts.signals),
    )


def _liar(tests: Sequence[TestResult], facts: TesterFacts) -> CodeResult:
    """Return the result of a submission that lied about its own objects: then nothing it said counts."""
    failed = {"verdict": Verdict.WRONG_ANSWER, "score": None, "message": facts.lied}
    return CodeResult(
        id=None,
        verdict=Verdict.WRONG_ANSWER,
        score=0.0,
        total=len(tests),
        message=facts.lied,
        tests=[test.model_copy(update=failed) for test in tests],
        signals=sorted({*(signal.value for signal in facts.signals), Signal.FAILED_LINE_UP.value}),
    )


def _conclusion(tests: Sequence[TestResult], facts: TesterFacts) -> tuple[Verdict, str]:
    first = next((test for test in tests if test.verdict is not Verdict.ACCEPTED), None)
    if first is not None:
        return first.verdict, f"{first.id}: {first.message}"
    if facts.program_end is not None:
        return _verdict_of_end(facts.program_end), readable(facts.message) or "no test finished"
    if not tests or not facts.finished:
        return Verdict.RUNTIME_ERROR, readable(facts.message) or "no test finished"
    return Verdict.ACCEPTED, ""


def _tester_test(test: TesterTest, facts: TesterFacts, limits: Limits) -> TestResult:
    verdict = verdict_of_test(test, facts)
    missing = test.outcome is TestOutcome.MISSING and facts.program_end is not None
    own = test.message if test.end is None else with_limit(test.end, test.message, limits)
    return TestResult(
        verdict=verdict,
        id=test.id,
        guard=test.guard or None,
        time_s=test.time_s,
        memory_mb=round(facts.memory_mb, 1),
        message=readable(own or (facts.message if missing else "")),
    )
