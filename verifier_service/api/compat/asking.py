"""How a foreign endpoint asks: it reads a body, has its items judged or run as those of /v1 are, and waits its turn."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from verifier_service.api.answers import judged, let_go
from verifier_service.api.arrival import Drain, arrived_s
from verifier_service.api.body import read_body
from verifier_service.api.compat.refusals import HungUp, misshapen, unhonoured
from verifier_service.batch import Batch, Item, read_run, read_submission
from verifier_service.dispatch import ItemResult
from verifier_service.errors import JudgeError, Overloaded
from verifier_service.intake.json_text import read_json
from verifier_service.intake.slices import Slice, in_slices
from verifier_service.schema.requests import MAX_CASES
from verifier_service.settings import Settings

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
AGAIN_S = 1.0
"""How long to wait for room at most before asking again."""

Listed = Annotated[list[T], Field(max_length=MAX_CASES, fail_fast=True)]
"""A list in a foreign body. It is read in one step, so it is bounded, and the first thing that is wrong is told."""


class Foreign(BaseModel):
    """Part of a foreign request. As its own servers do, it ignores fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")


@dataclass(frozen=True)
class Told:
    """What an item came to. With an `error` nothing may be concluded about it."""

    result: ItemResult
    error: JudgeError | None


def settings_of(request: Request) -> Settings:
    """Return the settings of the app."""
    return request.app.state.settings


async def read(request: Request, model: type[M]) -> M:
    """Return the body of a request.

    Raises:
        HTTPException: 413, it is too large.
        NotJson, Refused: it is no such thing.
    """
    return fit(await read_value(await read_body(request)), model)


async def read_value(body: bytes, field: str = "") -> object:
    """Return the value that a body holds, or the text in a `field` of it, whole.

    Raises:
        NotJson, Refused: it is no JSON, or part of it is too much.
    """
    found = await in_slices(read_json(body))
    if problem := found.problem_of(found.value):
        raise unhonoured(f"{field}.{problem.field}".strip("."), problem.value, problem.allowed, 422)
    return found.value


def fit(sent: object, model: type[M]) -> M:
    """Return a value as what it should be.

    Raises:
        Refused: it is no such thing.
    """
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise misshapen(error, sent) from error


async def each(listed: Sequence[object], adapter: TypeAdapter[T]) -> list[T]:
    """Return values as what each should be, read in slices.

    Raises:
        ValidationError: one is no such thing; the rest was not looked at.
    """
    own = Slice()
    found: list[T] = []
    for one in listed:
        await own.pause()
        found.append(adapter.validate_python(one))
    return found


def refuse_too_many(request: Request, count: int) -> None:
    """Refuse more items than a request may have, before anything is made of them.

    Raises:
        Refused: they are more.
    """
    most = settings_of(request).max_batch
    if count > most:
        raise unhonoured("", f"{count} items", f"at most {most} in one request", 422)


async def submissions(sent: Sequence[Mapping[str, object]]) -> list[Item]:
    """Return submissions, read as /v1/verify reads them."""
    return [await in_slices(read_submission(one)) for one in sent]


async def runs(sent: Sequence[Mapping[str, object]]) -> list[Item]:
    """Return runs, read as /v1/run reads them."""
    return [await in_slices(read_run(one)) for one in sent]


async def ask(request: Request, items: Sequence[Item], deadline_s: float | None = None) -> list[Told]:
    """Judge or run items and return what each came to, in the same order.

    A full queue is waited for until the deadline: the callers of most stacks take a refusal for an answer.

    Raises:
        Overloaded: there was no room until then, or the service ends.
        Refused: they are more than a request may have.
        HungUp: the client has gone.
    """
    refuse_too_many(request, len(items))
    if not items:
        return []
    batch = Batch(items, deadline_s, arrived_s(request))
    errors: dict[int, JudgeError] = {}
    try:
        results = await _judged(request, batch, errors)
    finally:
        let_go(batch)
    return [Told(result, errors.get(index)) for index, result in enumerate(results)]


async def _judged(request: Request, batch: Batch, errors: dict[int, JudgeError]) -> list[ItemResult]:
    drain: Drain = request.app.state.drain
    ends_s = batch.arrived_s + (batch.deadline_s or settings_of(request).default_deadline_s)
    while True:
        try:
            results = await judged(request, batch, errors.__setitem__)
        except Overloaded as error:
            left_s = ends_s - time.monotonic()
            if left_s <= 0 or drain.is_draining:
                raise
            await asyncio.sleep(min(error.retry_after_s, AGAIN_S, left_s))
            continue
        if results is None:
            raise HungUp
        return results


async def ask_one(request: Request, item: Item, deadline_s: float | None = None) -> Told:
    """Do the same for a single item."""
    (told,) = await ask(request, [item], deadline_s)
    return told


def answered(answer: BaseModel, left_out: set[str] | None = None) -> Response:
    """Return an answer as JSON, also where it quotes half a surrogate pair that was sent."""
    try:
        text = answer.model_dump_json(exclude=left_out)
    except PydanticSerializationError:
        text = json.dumps(answer.model_dump(exclude=left_out))
    return Response(text, media_type="application/json")
