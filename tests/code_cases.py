"""Code cases as files, `tests/cases/code/VERDICT/NAME.toml`, and functions to judge them in real boxes.

A case contains the submission, its tests in the form of a request, and the reason why it exists:

    why = "returns an object that equals everything"
    language = "cpp"                  # default: python; the case is skipped if this language's image is not built
    program = '''...'''
    score = 0.5                       # expected score; default: 1 for accepted and 0 otherwise
    limits = {time_limit_s = 1}       # as in a request
    needs = "box"                     # it would harm the machine outside a box, or its verdict depends on a whole box

    [tests]
    kind = "assert"
    code = '''...'''                  # `call` and `stdio` have `cases`: one JSON object a line
"""

import json
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from verifier_service.batch import Batch
from verifier_service.errors import RunnerUnavailable
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import CodeResult, CodeSubmission
from verifier_service.service import Service, running_service
from verifier_service.settings import Settings

FOLDER = Path(__file__).parent / "cases" / "code"
PATHS = sorted(FOLDER.glob("*/*.toml"))


def case_id(path: Path) -> str:
    """Return the name of a case: its verdict and its file name."""
    return f"{path.parent.name}/{path.stem}"


def load_case(path: Path) -> dict[str, Any]:
    """Return a case with its expected verdict and score, and its tests in the form of a request."""
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    case["verdict"] = path.parent.name
    case.setdefault("score", 1.0 if case["verdict"] == "accepted" else 0.0)
    if isinstance(case["tests"].get("cases"), str):
        case["tests"]["cases"] = [json.loads(line) for line in case["tests"]["cases"].splitlines() if line]
    return case


def languages_of(case: dict[str, Any]) -> set[str]:
    """Return the languages whose images a case needs."""
    checker = case["tests"].get("checker")
    judge = {checker["language"]} if isinstance(checker, dict) and "language" in checker else set[str]()
    return {case.get("language", "python")} | judge


def submission(program: str, tests: dict[str, Any], **more: Any) -> CodeSubmission:
    """Return a submission for Python."""
    return CodeSubmission.model_validate({"kind": "code", "completion": program, "tests": tests, **more})


@asynccontextmanager
async def open_service() -> AsyncIterator[Service]:
    """Open a service without HTTP, with boxes of the runner that works here. Skip the test if there is none."""
    settings = Settings()
    async with AsyncExitStack() as opened:
        try:
            service = await opened.enter_async_context(running_service(settings, Metrics()))
        except RunnerUnavailable as error:
            pytest.skip(str(error))
        yield service


async def judge_all(service: Service, submissions: Sequence[CodeSubmission]) -> list[CodeResult]:
    """Judge a batch and return the results in order."""
    results = await service.dispatcher.carry_out(Batch(submissions, deadline_s=3000))
    return [cast(CodeResult, result) for result in results]
