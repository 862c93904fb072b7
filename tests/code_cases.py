"""Cases of code judging as files: `tests/cases/code/VERDICT/NAME.toml`, and how tests judge them in real boxes.

A case holds the submission, its tests as they are sent to the service, and why it is there:

    why = "returns an object that equals everything"
    program = '''...'''
    score = 0.5                       # what it earns; 1 for accepted and 0 for the rest when left out
    limits = {time_limit_s = 1}       # as in a request
    needs = "box"                     # it would harm the machine outside of a box

    [tests]
    kind = "assert"
    code = '''...'''                  # `call` and `stdio` have `cases`: one JSON object a line
"""

import json
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from verifier_service.errors import RunnerUnavailable
from verifier_service.judges.code_judge import CodeJudge
from verifier_service.languages import load_languages
from verifier_service.runners import RUNNERS
from verifier_service.runners.pool import BoxPool
from verifier_service.schema import CodeResult, CodeSubmission
from verifier_service.settings import Settings

FOLDER = Path(__file__).parent / "cases" / "code"
PATHS = sorted(FOLDER.glob("*/*.toml"))


def case_id(path: Path) -> str:
    """Return the name of a case: its verdict and its file."""
    return f"{path.parent.name}/{path.stem}"


def load_case(path: Path) -> dict[str, Any]:
    """Return a case with its expected verdict and score, and its tests in the form of a request."""
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    case["verdict"] = path.parent.name
    case.setdefault("score", 1.0 if case["verdict"] == "accepted" else 0.0)
    if isinstance(case["tests"].get("cases"), str):
        case["tests"]["cases"] = [json.loads(line) for line in case["tests"]["cases"].splitlines() if line]
    return case


def submission(program: str, tests: dict[str, Any], **more: Any) -> CodeSubmission:
    """Return a submission for Python."""
    return CodeSubmission.model_validate({"kind": "code", "completion": program, "tests": tests, **more})


async def _first_working_runner(settings: Settings) -> Any:
    problems: list[str] = []
    for name, make in RUNNERS.items():
        runner = make(settings, load_languages())
        problem = await runner.available()
        if problem is None:
            try:
                await (await runner.start_box(load_languages()["python"])).close()
            except RunnerUnavailable as error:
                problem = str(error)
            else:
                return runner
        await runner.close()
        problems.append(f"{name}: {problem}")
    pytest.skip("; ".join(problems))


@asynccontextmanager
async def open_judge() -> AsyncIterator[CodeJudge]:
    """Give a code judge with real boxes of the first runner that works here; skip the test when none does."""
    settings = Settings()
    runner = await _first_working_runner(settings)
    judge = CodeJudge(settings, BoxPool(runner, settings), load_languages())
    await judge.start()
    try:
        yield judge
    finally:
        await judge.close()
        await runner.close()


async def judge_all(judge: CodeJudge, submissions: Sequence[CodeSubmission]) -> list[CodeResult]:
    """Judge a batch and return the results in order."""
    results: dict[int, CodeResult] = {}
    await judge.judge(submissions, results.__setitem__)
    return [results[index] for index in range(len(submissions))]
