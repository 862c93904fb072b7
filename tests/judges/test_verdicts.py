"""Turning facts into verdicts, without a box: the order of questions, shares and weights, and whose failure it was."""

import json

import pytest

from sandboxes.protocol.facts import CompileFacts, End, Signal, TesterFacts, TesterTest, TestFacts, TestOutcome
from sandboxes.protocol.job import Limits
from verifier_service.checkers import Checked
from verifier_service.errors import BoxDied, ReferenceUnusable
from verifier_service.judges.code import verdicts
from verifier_service.judges.code.verdicts import Tally, verdict_of_run, verdict_of_test
from verifier_service.schema import CodeResult, Verdict

RIGHT, WRONG = Checked(True), Checked(False, "expected 1, got 2")
LIMITS = Limits(time_limit_s=0.5, wall_limit_s=3.5, memory_limit_mb=512, output_limit_kb=64, max_processes=128)
OVER_TIME = "it used more than 0.5 s of CPU time (limits.time_limit_s)"
OVER_MEMORY = "it needed more than 512 MiB of memory (limits.memory_limit_mb)"


@pytest.mark.parametrize(
    ("end", "exit_code", "checked", "verdict"),
    [
        (End.EXITED, 0, RIGHT, Verdict.ACCEPTED),
        (End.EXITED, 0, WRONG, Verdict.WRONG_ANSWER),
        (End.EXITED, 1, None, Verdict.RUNTIME_ERROR),
        (End.EXITED, 1, RIGHT, Verdict.RUNTIME_ERROR),
        (End.EXITED, 0, None, Verdict.RUNTIME_ERROR),
        (End.RETURNED, 0, RIGHT, Verdict.ACCEPTED),
        (End.RETURNED, 0, WRONG, Verdict.WRONG_ANSWER),
        (End.SIGNALED, 0, None, Verdict.RUNTIME_ERROR),
        (End.RAISED, 0, None, Verdict.RUNTIME_ERROR),
        (End.LOST, 0, None, Verdict.RUNTIME_ERROR),
        (End.NOT_PLAIN, 0, None, Verdict.WRONG_ANSWER),
        (End.CPU_LIMIT, 0, None, Verdict.TIME_LIMIT_EXCEEDED),
        (End.CPU_LIMIT, 0, RIGHT, Verdict.TIME_LIMIT_EXCEEDED),
        (End.WALL_LIMIT, 0, None, Verdict.TIME_LIMIT_EXCEEDED),
        (End.BUDGET, 0, RIGHT, Verdict.TIME_LIMIT_EXCEEDED),
        (End.MEMORY_LIMIT, 0, None, Verdict.MEMORY_LIMIT_EXCEEDED),
        (End.OUTPUT_LIMIT, 0, None, Verdict.OUTPUT_LIMIT_EXCEEDED),
        (End.NOT_COMPILED, 0, None, Verdict.COMPILE_ERROR),
    ],
)
def test_an_end_and_an_answer_make_a_verdict(
    end: End, exit_code: int, checked: Checked | None, verdict: Verdict
) -> None:
    assert verdict_of_run(TestFacts(index=0, end=end, exit_code=exit_code), checked) is verdict


def test_every_end_has_a_verdict_that_is_not_ours() -> None:
    found = {verdict_of_run(TestFacts(index=0, end=end), None) for end in End}
    assert found & {Verdict.ACCEPTED, Verdict.JUDGE_ERROR, Verdict.NO_ANSWER} == set()


@pytest.mark.parametrize(
    ("outcome", "program_end", "verdict"),
    [
        (TestOutcome.PASSED, None, Verdict.ACCEPTED),
        (TestOutcome.FAILED, None, Verdict.WRONG_ANSWER),
        (TestOutcome.SKIPPED, None, Verdict.WRONG_ANSWER),
        (TestOutcome.ERROR, None, Verdict.RUNTIME_ERROR),
        (TestOutcome.MISSING, None, Verdict.RUNTIME_ERROR),
        (TestOutcome.MISSING, End.LOST, Verdict.RUNTIME_ERROR),
        (TestOutcome.MISSING, End.CPU_LIMIT, Verdict.TIME_LIMIT_EXCEEDED),
        (TestOutcome.MISSING, End.BUDGET, Verdict.TIME_LIMIT_EXCEEDED),
        (TestOutcome.FAILED, End.CPU_LIMIT, Verdict.WRONG_ANSWER),
    ],
)
def test_an_outcome_of_the_tester_makes_a_verdict(
    outcome: TestOutcome, program_end: End | None, verdict: Verdict
) -> None:
    facts = TesterFacts(tests=(), finished=False, program_end=program_end)
    assert verdict_of_test(TesterTest(id="t", outcome=outcome), facts) is verdict


def tally(*ends: tuple[End, Checked | None], weights: tuple[float, ...] = (), stop: bool = False) -> Tally:
    made = Tally(weights or (1.0,) * len(ends), LIMITS, stop_on_failure=stop)
    for index, (end, checked) in enumerate(ends):
        made.add(TestFacts(index=index, end=end), checked)
    return made


def test_the_score_is_the_weighted_share_and_the_verdict_that_of_the_first_failure() -> None:
    made = tally((End.RETURNED, RIGHT), (End.RAISED, None), (End.RETURNED, WRONG), weights=(3, 2, 1)).result()
    assert (made.verdict, made.score, made.passed, made.total) == (Verdict.RUNTIME_ERROR, 0.5, 1, 3)
    assert made.message.startswith("test 2 of 3: ")


def test_a_partial_score_of_a_special_judge_counts_with_its_weight() -> None:
    made = tally((End.RETURNED, RIGHT), (End.RETURNED, Checked(False, "half", 0.5)), weights=(1, 3)).result()
    assert (made.verdict, made.score, made.passed) == (Verdict.WRONG_ANSWER, 0.625, 1)
    assert made.tests[1].score == 0.5


def test_tests_that_are_missing_for_no_reason_are_the_box_s_fault() -> None:
    with pytest.raises(BoxDied, match="1 of 2 tests"):
        tally((End.RETURNED, RIGHT), weights=(1, 1)).result()
    with pytest.raises(BoxDied, match="test 0 is missing"):
        Tally((1.0,), LIMITS).add(TestFacts(index=1, end=End.RETURNED), RIGHT)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (TestFacts(index=0, end=End.CPU_LIMIT), OVER_TIME),
        (TestFacts(index=0, end=End.CPU_LIMIT, message="step 7"), f"{OVER_TIME}: step 7"),
        (TestFacts(index=0, end=End.WALL_LIMIT), "it took more than 3.5 s of wall time (limits.wall_limit_s)"),
        (TestFacts(index=0, end=End.MEMORY_LIMIT, memory_mb=513.2), OVER_MEMORY),
        (TestFacts(index=0, end=End.MEMORY_LIMIT, message="MemoryError"), f"{OVER_MEMORY}: MemoryError"),
        (
            TestFacts(index=0, end=End.MEMORY_LIMIT, memory_mb=20),
            f"{OVER_MEMORY}, or had more than 128 processes and threads (limits.max_processes)",
        ),
        (
            TestFacts(
                index=0,
                end=End.OUTPUT_LIMIT,
                message="output limit: it wrote 70000 bytes, and the limit is 65536 bytes (64 KiB)",
            ),
            "it wrote 70000 bytes, and the limit is 65536 bytes (64 KiB, limits.output_limit_kb)",
        ),
        (TestFacts(index=0, end=End.OUTPUT_LIMIT), "it wrote more than 64 KiB (limits.output_limit_kb)"),
    ],
)
def test_a_limit_that_ended_a_test_is_named_with_its_value(fact: TestFacts, said: str) -> None:
    assert verdicts.result_of_run(fact, None, LIMITS).message == said


def test_a_limit_that_ended_a_tester_is_named_with_its_value() -> None:
    missing = TesterTest(id="line 1", outcome=TestOutcome.MISSING)
    for message in ("the program was ended: cpu limit", ""):
        facts = TesterFacts(tests=(missing,), finished=False, program_end=End.CPU_LIMIT, message=message)
        result = verdicts.tester_result(facts, LIMITS)
        assert (result.message, result.tests[0].message) == (f"line 1: {OVER_TIME}", OVER_TIME)


def test_after_a_failure_the_rest_earns_nothing() -> None:
    made = tally((End.RETURNED, WRONG), weights=(1, 1), stop=True)
    assert made.enough()
    assert (made.result().score, made.result().message) == (
        0.0,
        "test 1 of 2: expected 1, got 2 (1 later test was not run)",
    )


def test_ten_tests_over_the_time_limit_are_enough() -> None:
    slow = [TestFacts(index=index, end=End.WALL_LIMIT) for index in range(10)]
    assert [verdicts.is_slow(fact) for fact in slow] == [True] * 10
    assert tally(*[(End.CPU_LIMIT, None)] * 10, weights=(1.0,) * 11).enough()


def test_a_compile_error_has_no_tests_and_no_score() -> None:
    made = verdicts.compiler_failed(CompileFacts(end=End.EXITED, exit_code=1, message="no such type"), 3, LIMITS)
    assert made == CodeResult(id=None, verdict=Verdict.COMPILE_ERROR, score=0.0, total=3, message="no such type")
    limit = verdicts.compiler_failed(CompileFacts(end=End.CPU_LIMIT), 3, LIMITS)
    said = "it used too much CPU time; a compiler gets at most 20 s (VERIFIER_COMPILE_TIME_LIMIT_S)"
    assert (limit.verdict, limit.message) == (Verdict.COMPILE_ERROR, f"the compiler was ended: {said}.")


def test_tests_that_came_to_no_end_earn_nothing_even_if_all_of_them_passed() -> None:
    passed = TesterTest(id="line 1", outcome=TestOutcome.PASSED)
    for facts in (
        TesterFacts(tests=(passed,), finished=False),
        TesterFacts(tests=(passed,), finished=True, program_end=End.LOST),
        TesterFacts(tests=(), finished=True),
    ):
        made = verdicts.tester_result(facts, LIMITS)
        assert (made.verdict, made.score) == (Verdict.RUNTIME_ERROR, 0.0)
    assert verdicts.tester_result(TesterFacts(tests=(passed,), finished=True), LIMITS).score == 1.0


def test_tests_that_cannot_be_used_are_not_the_submission_s_fault() -> None:
    with pytest.raises(ReferenceUnusable, match="no test in it"):
        verdicts.tester_result(TesterFacts(tests=(), finished=False, broken="no test in it"), LIMITS)


def test_signals_reach_the_result_and_change_no_verdict() -> None:
    made = Tally((1.0,), LIMITS)
    made.add(TestFacts(index=0, end=End.RETURNED, signals=(Signal.LEFT_PROCESSES,)), RIGHT)
    assert (made.result().verdict, made.result().signals) == (Verdict.ACCEPTED, ["left_processes"])


def test_a_message_is_cut_to_its_beginning_and_its_end_and_only_holds_what_can_be_seen() -> None:
    written = "first line\n" + "\x01\x1b\x7f\u202e\t" * 1000 + "\nValueError: last line"
    said = verdicts.readable(written)
    assert len(said) == verdicts.MAX_MESSAGE_CHARS
    assert said.startswith("first line\n␁␛␡\ufffd\t")
    assert said.endswith("\nValueError: last line")
    assert len(json.dumps(said, ensure_ascii=False)) < 2 * len(said)


def test_every_kind_of_test_and_the_compiler_carry_a_bounded_message() -> None:
    loud = "\x01" * 5000
    run = verdicts.result_of_run(TestFacts(index=0, end=End.EXITED, exit_code=1, message=loud), None, LIMITS)
    tester = TesterTest(id="a", outcome=TestOutcome.FAILED, message=loud)
    tested = verdicts.tester_result(TesterFacts(tests=(tester,), finished=True), LIMITS)
    lost = verdicts.tester_result(TesterFacts(tests=(), finished=False, program_end=End.LOST, message=loud), LIMITS)
    compiled = verdicts.compiler_failed(CompileFacts(end=End.EXITED, exit_code=1, message=loud), 1, LIMITS)
    messages = [run.message, tested.tests[0].message, tested.message, lost.message, compiled.message]
    longest = [500, 500, 503, 500, verdicts.MAX_COMPILER_CHARS]
    assert [len(message) for message in messages] == longest
    assert [message for message in messages if "\x01" in message] == []


def test_over_the_budget_what_had_passed_counts_and_nothing_else_is_run() -> None:
    made = tally((End.RETURNED, RIGHT), (End.BUDGET, None), weights=(1, 1, 2))
    assert made.enough()
    assert (made.result().verdict, made.result().score) == (Verdict.TIME_LIMIT_EXCEEDED, 0.25)
    assert made.result().message.endswith("(1 later test was not run)")


def test_at_the_deadline_a_test_that_has_failed_decides() -> None:
    made = verdicts.at_the_deadline(tally((End.RETURNED, RIGHT), (End.RETURNED, WRONG), weights=(1, 1, 2)), [], "")
    assert made is not None
    assert (made.verdict, made.score, made.total) == (Verdict.WRONG_ANSWER, 0.25, 3)
    assert made.message.endswith("(1 later test was not run: the deadline passed)")


def test_at_the_deadline_a_run_that_failed_decides_also_if_no_judge_was_asked_about_those_before() -> None:
    waiting = [TestFacts(index=1, end=End.EXITED), TestFacts(index=2, end=End.EXITED, exit_code=1)]
    made = verdicts.at_the_deadline(tally((End.RETURNED, RIGHT), weights=(1, 1, 1, 1)), waiting, "")
    assert made is not None
    assert (made.verdict, made.score) == (Verdict.RUNTIME_ERROR, 0.25)


def test_at_the_deadline_a_program_that_has_slept_through_its_share_is_too_slow() -> None:
    for seen, weights in ((tally((End.RETURNED, RIGHT), weights=(1, 1)), 2), (tally(weights=()), 0)):
        made = verdicts.at_the_deadline(seen, [], "it slept")
        assert made is not None
        assert (made.verdict, made.total) == (Verdict.TIME_LIMIT_EXCEEDED, weights)
        assert made.message.startswith(("test 2 of 2: it slept", "it slept"))


def test_at_the_deadline_nothing_is_known_of_a_program_that_has_not_failed() -> None:
    waiting = [TestFacts(index=1, end=End.EXITED)]
    assert verdicts.at_the_deadline(tally((End.RETURNED, RIGHT), weights=(1, 1)), waiting, "") is None
    assert verdicts.at_the_deadline(tally(weights=()), [], "") is None


def test_what_ended_a_second_run_is_the_verdict_of_the_tests_in_it() -> None:
    tests = (
        TesterTest(id="a", outcome=TestOutcome.PASSED),
        TesterTest(id="b", outcome=TestOutcome.MISSING, message="slow", end=End.CPU_LIMIT, guard="twins"),
    )
    result = verdicts.tester_result(TesterFacts(tests=tests, finished=True), LIMITS)
    assert (result.verdict, result.score, result.message) == (Verdict.TIME_LIMIT_EXCEEDED, 0.5, f"b: {OVER_TIME}: slow")
    assert [test.guard for test in result.tests] == [None, "twins"]


def test_who_lied_once_is_believed_nothing() -> None:
    tests = (TesterTest(id="a", outcome=TestOutcome.PASSED),)
    result = verdicts.tester_result(TesterFacts(tests=tests, finished=True, lied="it equals 5 and 6"), LIMITS)
    assert (result.verdict, result.score, result.passed, result.total) == (Verdict.WRONG_ANSWER, 0.0, 0, 1)
    assert (result.message, result.tests[0].verdict) == ("it equals 5 and 6", Verdict.WRONG_ANSWER)
    assert result.signals == ["failed_line_up"]
