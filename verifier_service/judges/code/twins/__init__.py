"""Twins of tests: copies whose expected literals are changed, so that no honest program passes them.

If tests share a process with the submission, a submission that reads the expected values, overloads `==` or patches the
test framework passes every test. But it also passes a copy that is wrong. So tests run in several copies, in each of
which a coin decides whether a test is as written or changed. A test counts as passed only if it passes where it is as
written and fails where it is changed.

    plan = sites({"tests.py": "assert f(2) == 4\nassert f(3) > 8"}, "assert")
    plan.guarded                        {"line 1"}: no honest program passes it changed
    plan.changeable                     {"line 1", "line 2"}: line 2 becomes `f(3) > float("nan")`
    plan.apply(["line 1"], Random(1))   {"tests.py": "assert f(2) == 8\nassert f(3) > 8"}

`plan` finds the tests, `walk` follows their statements, `conditions` what these demand, `sides` finds the literals on
the expected side, and `names` what a name stands for. `literals` decides what replaces a literal.
"""

from verifier_service.judges.code.twins.plan import TwinPlan, sites

__all__ = ["TwinPlan", "sites"]
