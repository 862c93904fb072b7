"""What guards tests against a submission that decides about itself: the copies of them that are sent along with a job.

Tests that share a process with the submission are run in several copies, in each of which every test is by a coin as
written or changed. The coins are drawn here for each job, where no submission can see them. Tests with a process of
their own get one copy in which all is changed that can be, for those in which a class of the submission took part.
"""

from random import Random, SystemRandom

from sandboxes.protocol.job import TwinRun
from verifier_service.judges.code.tests import Suite
from verifier_service.judges.code.twins import sites

RUNS = 9
"""A submission that guesses passes a test that it cannot solve with a chance of 1 in 2 to this power, nearly."""


def of_shared(suite: Suite, rng: Random | None = None) -> tuple[tuple[TwinRun, ...], frozenset[str]]:
    """Return the copies for tests that share a process, and the tests that differ among them.

    Tests that share a literal share their coin. A test that has nothing to change is as written in all copies; if no
    test has, one copy is enough.
    """
    rng = rng or SystemRandom()
    plan = suite.twin_plan
    if not plan.changeable:
        return (TwinRun(files=dict(suite.files), changed=()),), frozenset()
    coins = [(unit & plan.changeable, _coins(rng)) for unit in plan.units]
    changed = [sorted(frozenset().union(*(unit for unit, coin in coins if coin[run]))) for run in range(RUNS)]
    return tuple(TwinRun(files=plan.apply(ids, rng), changed=tuple(ids)) for ids in changed), plan.changeable


def _coins(rng: Random) -> list[bool]:
    """Return a coin for each run; not all of them fall alike."""
    while True:
        number = rng.getrandbits(RUNS)
        if 0 < number < (1 << RUNS) - 1:
            return [bool(number >> run & 1) for run in range(RUNS)]


def of_separate(suite: Suite, rng: Random | None = None) -> tuple[TwinRun | None, frozenset[str]]:
    """Return a copy in which every test is changed that can be, and these tests: also those of which only an operand
    can be, which need not show in the result."""
    rng = rng or SystemRandom()
    plan = suite.twin_plan
    files = plan.apply(plan.changeable, rng)
    only_operands = plan.operands - plan.changeable
    if only_operands:
        files = sites(files, suite.kind).apply_operands(only_operands, rng)
    twinned = plan.changeable | only_operands
    return (TwinRun(files=files, changed=tuple(sorted(plan.changeable))) if twinned else None), twinned
