"""Twins of tests: copies of which the expected literals are changed, so that no honest program passes them.

Where tests share a process with the submission, whoever reads the expected values, overloads `==` or patches the test
framework passes every test. It also passes a copy that is wrong. So tests are run in several copies, in each of which
every test is, by a coin, as written or changed: credit is for those that pass where they are as written and fail where
they are changed.

    plan = sites({"tests.py": "assert f(2) == 4\nassert f(3) > 8"}, "assert")
    plan.guarded                        {"line 1"}: no honest program passes it changed
    plan.changeable                     {"line 1", "line 2"}: line 2 becomes `f(3) > float("nan")`
    plan.apply(["line 1"], Random(1))   {"tests.py": "assert f(2) == 8\nassert f(3) > 8"}

`plan` finds the tests, `walk` follows their statements, `conditions` what these demand, `sides` the literals on the
expected side, `names` what a name stands for; `literals` says what is written in the place of a literal.
"""

from verifier_service.judges.code.twins.plan import TwinPlan, sites

__all__ = ["TwinPlan", "sites"]
