"""open-instruct's code API: `POST /test_program` (asserts) and `POST /test_program_stdio`. Programs come without prose.

The API cannot express a judge error. Our failures are answered with 503, which its caller retries; after three attempts
it scores 0.0.
"""

import ast
import asyncio
from collections.abc import Sequence
from typing import TypeVar, cast

from fastapi import Request, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from verifier_service.api import openapi
from verifier_service.api.compat.asking import (
    Foreign,
    answered,
    ask,
    each,
    read,
    read_value,
    refuse_too_many,
    settings_of,
    submissions,
)
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.in_out import EQUAL_NUMBERS, inflated
from verifier_service.api.compat.refusals import Detail, described, failed, in_details, unhonoured
from verifier_service.data.packed import text_of_pickle
from verifier_service.data.row import Fault
from verifier_service.errors import NotJson
from verifier_service.intake.slices import Slice
from verifier_service.schema import CodeResult, TestResult, Verdict
from verifier_service.schema.requests import MAX_CASES, MAX_SOURCE_CHARS

FAILED_S = -1.0
MAX_PARSED_CHARS = 8 * 1024
"""A longer test is judged on its own without parsing it first, which would block the event loop."""

T = TypeVar("T")

router = router_of("open-instruct", in_details)


class OpenInstructProgram(Foreign):
    """A program and its tests: a list, the JSON of one, or base64(zlib(pickle(JSON)))."""

    program: str
    tests: object
    max_execution_time: float = Field(default=1.0, description="time limit of one test, in seconds")


class OpenInstructCase(Foreign):
    """A program's input and expected output."""

    input: str
    output: str


class OpenInstructResults(BaseModel):
    """For each test 1 and its time in seconds if it passed, else 0 and -1."""

    results: list[int]
    runtimes: list[float]


_ASSERT: TypeAdapter[str] = TypeAdapter(str)
_CASE: TypeAdapter[OpenInstructCase] = TypeAdapter(OpenInstructCase)
_ERRORS = described(Detail, 400, 401, 413, 422, 429, 503)


@router.post(
    "/test_program",
    response_model=OpenInstructResults,
    responses=_ERRORS,
    openapi_extra=openapi.body(OpenInstructProgram),
)
async def test_program(request: Request) -> Response:
    """Run a Python program followed by the statements of each test."""
    sent = await read(request, OpenInstructProgram)
    tests = await _tests(request, sent.tests, _ASSERT, "a list of strings")
    if len(tests) > 1 and await _are_single_asserts(tests):
        (result,) = await _judged(request, sent, ["\n".join(tests)])
        if len(result.tests) in (0, len(tests)):  # any other number: a text contains several tests, or none
            return _answer(result.tests, len(tests))
    return _answer([_as_one(result) for result in await _judged(request, sent, tests)], len(tests))


async def _judged(request: Request, sent: OpenInstructProgram, codes: Sequence[str]) -> list[CodeResult]:
    refuse_too_many(request, len(codes))
    return await _ask(request, sent, [_submission(request, sent, {"kind": "assert", "code": code}) for code in codes])


def _as_one(result: CodeResult) -> TestResult:
    return TestResult(verdict=result.verdict, time_s=sum(one.time_s for one in result.tests))


@router.post(
    "/test_program_stdio",
    response_model=OpenInstructResults,
    responses=_ERRORS,
    openapi_extra=openapi.body(OpenInstructProgram, "OpenInstructProgram of cases"),
)
async def test_program_stdio(request: Request) -> Response:
    """Run a Python program on each input and compare its output."""
    sent = await read(request, OpenInstructProgram)
    tests = await _tests(request, sent.tests, _CASE, 'a list of {"input", "output"}')
    if not tests:
        return _answer([], 0)
    cases = [{"stdin": one.input, "stdout": one.output} for one in tests]
    suite = {"kind": "stdio", "cases": cases, "checker": EQUAL_NUMBERS}
    (result,) = await _ask(request, sent, [_submission(request, sent, suite)])
    return _answer(result.tests, len(tests))


def _answer(found: Sequence[TestResult], count: int) -> Response:
    """Return the answer for `count` tests; tests that did not run, because the program cannot, did not pass."""
    passed = [one.verdict is Verdict.ACCEPTED for one in found][:count]
    passed += [False] * (count - len(passed))
    runtimes = [found[index].time_s if good else FAILED_S for index, good in enumerate(passed)]
    return answered(OpenInstructResults(results=[int(good) for good in passed], runtimes=runtimes))


def _submission(request: Request, sent: OpenInstructProgram, tests: dict[str, object]) -> dict[str, object]:
    most_s = settings_of(request).max_time_limit_s
    if not 0 < sent.max_execution_time <= most_s:
        allowed = f"it must be above 0 and at most {most_s:g} s (VERIFIER_MAX_TIME_LIMIT_S)"
        raise unhonoured("max_execution_time", sent.max_execution_time, allowed)
    limits = {"time_limit_s": sent.max_execution_time}
    return {"kind": "code", "completion": sent.program, "tests": tests, "limits": limits}


async def _ask(request: Request, sent: OpenInstructProgram, asked: list[dict[str, object]]) -> list[CodeResult]:
    """Judge within the time for which the caller waits.

    Raises:
        Refused: a program could not be judged.
    """
    deadline_s = max(30.0, min(300.0, 10 * sent.max_execution_time)) - 2
    results: list[CodeResult] = []
    for told in await ask(request, await submissions(asked), deadline_s):
        if told.error is not None:
            raise failed(told.error)
        results.append(cast(CodeResult, told.result))
    return results


async def _tests(request: Request, sent: object, adapter: TypeAdapter[T], allowed: str) -> list[T]:
    """Return the tests from any of the three formats; `adapter` validates each.

    Raises:
        Refused: they have none of the formats.
    """
    refused = unhonoured(
        "tests", sent, f"it must be {allowed} of at most {MAX_CASES}, its JSON, or base64(zlib(pickle(JSON)))"
    )
    try:
        value = await read_value(await _json(request, sent), "tests") if isinstance(sent, str) else sent
        if not isinstance(value, list) or len(value) > MAX_CASES:
            raise refused
        return await each(cast(list[object], value), adapter)
    except (ValidationError, NotJson) as error:
        raise refused from error


async def _json(request: Request, sent: str) -> bytes:
    """Return the JSON in a text. Raises Refused if a pickle contains anything but a string."""
    if sent.lstrip()[:1] == "[":
        return sent.encode("utf-8", "surrogatepass")
    content = await inflated(request, sent, "tests")
    try:
        return (await asyncio.to_thread(text_of_pickle, content, "tests")).encode("utf-8", "surrogatepass")
    except Fault as error:
        problem = error.problem
        raise unhonoured(problem.field, problem.value, problem.allowed) from error


async def _are_single_asserts(tests: Sequence[str]) -> bool:
    """Return whether each test is a single assert, so that all can be judged as one program."""
    if sum(map(len, tests)) + len(tests) > MAX_SOURCE_CHARS:
        return False
    own = Slice()
    for one in tests:
        await own.pause()
        if len(one) > MAX_PARSED_CHARS or not _is_one_assert(one):
            return False
    return True


def _is_one_assert(code: str) -> bool:
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return len(body) == 1 and isinstance(body[0], ast.Assert)


ENDPOINT = Endpoint(router, (OpenInstructProgram,))
