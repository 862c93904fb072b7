"""What foreign endpoints share: they read a body, convert its items to ours, and have them judged or run."""

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
"""The longest wait before a refused batch is tried again."""

Listed = Annotated[list[T], Field(max_length=MAX_CASES, fail_fast=True)]
"""A list in a foreign body. It is validated in one step, so its length is bounded and the first error ends it."""


class Foreign(BaseModel):
    """Part of a foreign request. Like the original servers, it ignores unknown fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")


@dataclass(frozen=True)
class Told:
    """The result of an item. If `error` is set, nothing can be concluded about the item."""

    result: ItemResult
    error: JudgeError | None


def settings_of(request: Request) -> Settings:
    """Return the settings of the app."""
    return request.app.state.settings


async def read(request: Request, model: type[M]) -> M:
    """Return the body of a request as a `model`.

    Raises:
        HTTPException, Overloaded, TooSlow: see `read_body`.
        NotJson, Refused: the body is not JSON, or does not fit the model.
    """
    return fit(await read_value(await read_body(request)), model)


async def read_value(body: bytes, field: str = "") -> object:
    """Return the JSON value in a body, or in the text of one of its fields; `field` names that one in messages.

    Raises:
        NotJson, Refused: it is not JSON, or a part of it is too large or too deeply nested.
    """
    found = await in_slices(read_json(body))
    if problem := found.problem_of(found.value):
        raise unhonoured(f"{field}.{problem.field}".strip("."), problem.value, problem.allowed, 422)
    return found.value


def fit(sent: object, model: type[M]) -> M:
    """Validate a value as a `model`.

    Raises:
        Refused: it does not fit the model.
    """
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise misshapen(error, sent) from error


async def each(listed: Sequence[object], adapter: TypeAdapter[T]) -> list[T]:
    """Validate values one by one, without blocking the event loop.

    Raises:
        ValidationError: one is invalid; the rest was not validated.
    """
    own = Slice()
    found: list[T] = []
    for one in listed:
        await own.pause()
        found.append(adapter.validate_python(one))
    return found


def refuse_too_many(request: Request, count: int) -> None:
    """Refuse more items than a request may have, before they are converted.

    Raises:
        Refused: there are too many.
    """
    most = settings_of(request).max_batch
    if count > most:
        raise unhonoured("", f"{count} items", f"at most {most} in one request (VERIFIER_MAX_BATCH)", 422)


async def submissions(sent: Sequence[Mapping[str, object]]) -> list[Item]:
    """Return submissions, read by the rules of /v1/verify."""
    return [await in_slices(read_submission(one)) for one in sent]


async def runs(sent: Sequence[Mapping[str, object]]) -> list[Item]:
    """Return runs, read by the rules of /v1/run."""
    return [await in_slices(read_run(one)) for one in sent]


async def ask(request: Request, items: Sequence[Item], deadline_s: float | None = None) -> list[Told]:
    """Judge or run items and return the result of each, in the same order.

    If the queue is full, this retries until the deadline: callers in most stacks treat a refusal as a wrong answer.

    Raises:
        Overloaded: there was no room before the deadline, or the service is shutting down.
        Refused: there are more items than a request may have.
        HungUp: the client has hung up.
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
    """Judge or run one item; see `ask`."""
    (told,) = await ask(request, [item], deadline_s)
    return told


def answered(answer: BaseModel, left_out: set[str] | None = None) -> Response:
    """Return an answer as JSON. Lone surrogates quoted from the request are escaped, which pydantic refuses to do."""
    try:
        text = answer.model_dump_json(exclude=left_out)
    except PydanticSerializationError:
        text = json.dumps(answer.model_dump(exclude=left_out))
    return Response(text, media_type="application/json")
