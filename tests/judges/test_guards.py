"""The copies of tests that guard them: coins for a shared process, one changed copy for a separate one."""

from random import Random

from verifier_service.judges.code import guards
from verifier_service.judges.code.tests import prepare
from verifier_service.schema import AssertTests

CODE = "x = f(1)\nassert x == 5\nassert f(2) == 10\n"
SUITE = prepare(AssertTests(kind="assert", code=CODE))


def test_every_guarded_test_is_seen_unchanged_and_changed() -> None:
    for seed in range(200):
        runs, guarded = guards.of_shared(SUITE.twin_plan, SUITE.files, Random(seed))
        assert (len(runs), guarded) == (9, {"line 2", "line 3"})
        for test_id, text in (("line 2", "x == 5"), ("line 3", "f(2) == 10")):
            assert 0 < sum(test_id in run.changed for run in runs) < 9
            assert all((text in run.files["tests.py"]) is (test_id not in run.changed) for run in runs)


def test_coins_differ_from_job_to_job() -> None:
    drawn = {tuple(run.changed for run in guards.of_shared(SUITE.twin_plan, SUITE.files)[0]) for _ in range(10)}
    assert len(drawn) > 5


def test_tests_with_nothing_to_change_are_run_once() -> None:
    suite = prepare(AssertTests(kind="assert", code="f(3)"))
    (run,), guarded = guards.of_shared(suite.twin_plan, suite.files)
    assert (run.files, run.changed, guarded) == (suite.files, (), frozenset())


def test_a_separate_process_gets_one_copy_with_all_expectations_changed() -> None:
    (twin,) = SUITE.copies_apart
    assert (twin.changed, twin.is_proof) == (("line 2", "line 3"), True)
    assert "x == 5" not in twin.files["tests.py"]
    assert "f(2) == 10" not in twin.files["tests.py"]


def test_operands_of_arithmetic_are_changed_in_a_copy_of_their_own() -> None:
    suite = prepare(AssertTests(kind="assert", code="assert f(1) - 8 == 0"))
    expectation, operand = suite.copies_apart
    assert [expectation.is_proof, operand.is_proof] == [True, False]
    assert "- 8 ==" in expectation.files["tests.py"]
    assert operand.files["tests.py"].endswith("== 0")
    assert "- 8 ==" not in operand.files["tests.py"]
