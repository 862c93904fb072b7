"""What is known of one submission while it is judged.

A submission runs in turns and leases a box for each. While others wait, one that takes long gives its box back and
continues later with the test it was at. Outputs for a special judge wait here until the turn is over, so that a
submission never holds one box while waiting for another. If many are waiting, the turn ends.
"""

from dataclasses import dataclass, field

from sandboxes.protocol.facts import CompileFacts, TesterFacts, TestFacts
from sandboxes.protocol.job import Budget, Limits, Mode
from verifier_service.checkers import Checked
from verifier_service.errors import BoxDied
from verifier_service.execution.executor import Times
from verifier_service.judges.code import special, verdicts
from verifier_service.judges.code.explaining import Explainer
from verifier_service.judges.code.literal_asserts import Answers
from verifier_service.judges.code.ordinary import is_ordinary
from verifier_service.judges.code.special import Judged
from verifier_service.judges.code.tests import Suite
from verifier_service.judges.code.verdicts import Tally
from verifier_service.schema import CodeResult

WAITING_BYTES = 32 * 1024 * 1024
"""How many bytes of one submission's outputs can wait for a special judge."""
MOSTLY = 0.75
"""A program that has waited for this part of its fair share, instead of computing, counts as one that sleeps."""


@dataclass
class Progress:
    """The tests of one submission: the outcome of those that ran, and which to run next."""

    suite: Suite
    budget: Budget
    limits: Limits
    program: str = ""
    explain: bool = False
    times: Times = field(default_factory=Times)
    judge_s: float = 0.0
    comparing_s: float = 0.0
    """The part of `judge_s` that passed while the program held its box."""
    result: CodeResult | None = None
    outputs: list[TestFacts] = field(default_factory=list)

    def __post_init__(self) -> None:
        is_compared = self.suite.mode in (Mode.STDIO, Mode.CALL)
        explainer = Explainer(self.suite) if self.explain and is_compared else None
        self.tally = Tally(self.suite.weights, self.limits, self.suite.stop_on_failure, explainer)
        self._kept = self.tally
        self._counted_s = 0.0
        self._kept_counted_s = 0.0
        self._slow_judgements = 0
        self._is_over = False
        self.answers: Answers | None = None
        """Its answers to tests that run as calls; None if a tester runs them."""
        self._has_begun = False

    # Which tests a turn runs

    @property
    def first(self) -> int:
        """The test that the next turn begins with. All outputs before it have been judged by then."""
        return len(self._kept.tests)

    @property
    def last(self) -> int:
        """The test before which the next turn ends.

        If the tests stop at the first failure and only a special judge can recognize one, a turn runs few tests, and
        each turn about as many as all before it.
        """
        few = self.suite.special_judge is not None and self.suite.stop_on_failure
        return min(len(self.suite.weights), self.first + max(1, self.first)) if few else len(self.suite.weights)

    @property
    def done_share(self) -> float:
        """The share of the tests that are done, as far as known."""
        return len(self.tally.tests) / len(self.suite.weights) if self.suite.weights else 0.0

    @property
    def budget_left(self) -> Budget:
        """What the remaining tests can take together."""
        if not self.suite.weights or not self._kept_counted_s:
            return self.budget
        whole_s = self.budget.of(len(self.suite.weights))
        left_s = max(0.0, whole_s - self._kept_counted_s)
        return Budget(base_s=left_s, per_test_s=0.0, most_s=left_s)

    def choose(self) -> None:
        """Decide whether the tests run as calls.

        Done before the first turn of each submission, not for a whole batch at once.
        """
        literal = self.suite.literal
        if not self._has_begun and literal is not None and not self.suite.prelude:
            self.answers = Answers(literal, self.limits) if is_ordinary(self.program, literal.entry_point) else None
        self._has_begun = True

    # What a turn brings

    def begin(self) -> None:
        """Start the turn from scratch, because it runs in another box."""
        self.tally = self._kept.copy()
        self._counted_s = self._kept_counted_s
        self.outputs.clear()
        self.answers = self.answers and self.answers.restart()

    def take_compile(self, fact: CompileFacts) -> None:
        """Take the compiler's facts."""
        if not fact.succeeded:
            self.result = verdicts.compiler_failed(fact, len(self.suite.weights), self.limits)

    def take_tester(self, fact: TesterFacts) -> None:
        """Take the outcome of tests that run in a process of their own.

        Raises:
            ReferenceUnusable: the tests are unusable.
        """
        self.result = verdicts.tester_result(fact, self.limits)

    def take_output(self, fact: TestFacts) -> None:
        """Take an output that waits for the special judge."""
        self.outputs.append(fact)
        self._counted_s += fact.counted_s

    def take(self, fact: TestFacts, checked: Checked | None) -> None:
        """Take a test, and whether its answer is right.

        Raises:
            BoxDied: a test is missing before it.
        """
        self.tally.add(fact, checked)
        self._counted_s += fact.counted_s

    @property
    def has_heard_enough(self) -> bool:
        """Whether the turn's remaining tests are not needed, or have to wait."""
        if self.result is not None or self.tally.enough() or (self.answers and self.answers.has_heard_enough):
            return True
        slow = sum(map(verdicts.is_slow, self.outputs))
        return slow >= verdicts.MAX_TIME_LIMIT_FAILURES or sum(map(_size, self.outputs)) > WAITING_BYTES

    def end(self, *, is_cut: bool) -> None:
        """End the turn; `is_cut` says whether it was cut short.

        Raises:
            BoxDied: facts are missing without a reason.
        """
        if self.answers is not None:
            return self._end_of_answers(self.answers, is_cut=is_cut)
        missing = self.last - len(self.tally.tests) - len(self.outputs)
        has_failed = self.tally.has_failed or not all(map(verdicts.answered, self.outputs))
        if not is_cut and self.result is None and (not self.suite.weights or (missing > 0 and not has_failed)):
            raise BoxDied(f"the box ended without {missing} of {self.last} tests")
        self._is_over = not is_cut and missing > 0
        return None

    def _end_of_answers(self, answers: Answers, *, is_cut: bool) -> None:
        """Make a result of the answers, or leave the next turn to a tester."""
        if answers.is_for_the_tester:
            self.answers = None
        elif answers.is_whole:
            self.result = verdicts.tester_result(answers.facts(), self.limits)
        elif not is_cut:
            raise BoxDied("the box ended without all answers")

    def take_judged(self, judged: Judged) -> None:
        """Take the judgement of the first outputs."""
        for fact, checked in zip(self.outputs, judged.checked, strict=False):
            self.tally.add(fact, checked)
            if self.tally.enough():
                break
        del self.outputs[: len(judged.checked)]
        self._slow_judgements += judged.slow

    @property
    def is_judged(self) -> bool:
        """Whether no output waits for the special judge, or those that wait need not be judged."""
        return not self.outputs or self.tally.enough() or self._slow_judgements >= special.MAX_SLOW

    def keep(self) -> CodeResult | None:
        """Keep what the turn brought. Return the result, or None if another turn is needed."""
        self._kept, self._kept_counted_s = self.tally, self._counted_s
        if self.result is not None:
            return self.result
        is_whole = bool(self.suite.weights) and len(self.tally.tests) == len(self.suite.weights)
        if is_whole or self._is_over or self.tally.enough() or self.outputs:
            return self.tally.result()
        return None

    def at_the_deadline(self, fair_share_s: float) -> CodeResult | None:
        """Return what is known now that the deadline has passed.

        A program that spent its fair share of the time waiting, rather than computing, counts as having had its time.
        """
        late = ""
        if self.times.waited_s >= MOSTLY * fair_share_s:
            late = (
                f"the deadline passed, and the program had waited for {self.times.waited_s:.1f} s without computing; "
                f"its fair share of the time was {fair_share_s:.1f} s"
            )
        return self.result or verdicts.at_the_deadline(self.tally, self.outputs, late)


def _size(fact: TestFacts) -> int:
    return len(fact.stdout) + sum(map(len, fact.files.values()))
