"""Guard tests against a submission that fakes passing them: the changed copies of the tests sent along with a job.

Tests that share a process with the submission run in several copies. In each copy, a coin decides for every test
whether it is as written or changed. The coins are tossed here for each job, where no submission can see them. Tests
with a process of their own get copies in which everything is changed that can be, for the tests in which a class of the
submission took part.
"""

from collections.abc import Mapping
from random import Random, SystemRandom

from sandboxes.protocol.job import TwinRun
from verifier_service.judges.code.twins import TwinPlan

COPIES_APART = 4
"""How many such copies there are at most. Each changes another literal of a test, as far as it has that many."""
RUNS = 9
"""How many copies of shared tests run. A submission that only guesses passes with a chance of almost 1 in 2**RUNS."""


def of_shared(
    plan: TwinPlan, files: Mapping[str, str], rng: Random | None = None
) -> tuple[tuple[TwinRun, ...], frozenset[str]]:
    """Return the copies for tests that share a process, and the tests that differ among them.

    Tests that share a literal share a coin. A test with nothing to change is as written in all copies. If that holds
    for all tests, one copy is enough.
    """
    rng = rng or SystemRandom()
    if not plan.changeable:
        return (TwinRun(files=dict(files), changed=()),), frozenset()
    coins = [(unit & plan.changeable, _coins(rng)) for unit in plan.units]
    changed = [sorted(frozenset().union(*(unit for unit, coin in coins if coin[run]))) for run in range(RUNS)]
    return tuple(TwinRun(files=plan.apply(ids, rng), changed=tuple(ids)) for ids in changed), plan.changeable


def _coins(rng: Random) -> list[bool]:
    """Return a coin for each run, never all the same: each test must run both as written and changed."""
    while True:
        number = rng.getrandbits(RUNS)
        if 0 < number < (1 << RUNS) - 1:
            return [bool(number >> run & 1) for run in range(RUNS)]


def of_separate(plan: TwinPlan, rng: Random | None = None) -> tuple[TwinRun, ...]:
    """Return copies in which every test is changed that can be, and one with other operands in its arithmetic."""
    rng = rng or SystemRandom()
    found = []
    for turn in range(min(plan.most_sites, COPIES_APART)):
        changed = tuple(sorted(plan.changeable))
        found.append(TwinRun(files=plan.apply(changed, rng, turn), changed=changed))
    if plan.operands:
        changed = plan.apply_operands(plan.operands, rng)
        found.append(TwinRun(files=changed, changed=tuple(sorted(plan.operands)), is_proof=False))
    return tuple(found)
