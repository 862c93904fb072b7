"""Durable submissions: store a batch and answer at once; fetch results later, list, cancel, delete."""

import asyncio
import hashlib
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from verifier_service.api import openapi
from verifier_service.api.access import client_of, require_key, service_of
from verifier_service.api.answers import written_with
from verifier_service.api.body import parse_batch, read_body
from verifier_service.batch import durable_in_steps, ids_in_steps
from verifier_service.errors import BadRequest
from verifier_service.intake.slices import in_slices
from verifier_service.schema import (
    ProblemField,
    StoredBatch,
    StoredBatchGet,
    StoredFound,
    StoredIds,
    StoredPage,
    StoredState,
    StoredSubmission,
    SubmitRequest,
    patterns,
)
from verifier_service.store import queue
from verifier_service.store.queue import StoredQueue
from verifier_service.store.records import Filter, Which

router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])

MAX_WAIT_S = 60.0
MAX_PAGE = 1000

Id = Annotated[str, Path(max_length=200, description="id that the service returned")]
WaitS = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT_S,
        description="wait until it is finished, at most this many seconds",
        allow_inf_nan=False,
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=patterns.IDEMPOTENCY_KEY,
        description="a key of your own: requests with the same key and body are stored once",
    ),
]


def _stored(request: Request) -> StoredQueue:
    return service_of(request).stored


@router.post(
    "/submissions",
    status_code=202,
    response_model=StoredIds,
    responses={
        200: {
            "model": StoredIds,
            "description": "An earlier request with the same `Idempotency-Key` already stored it",
        },
        **openapi.problems(400, 401, 413, 422, 429, 503, 507),
    },
    openapi_extra=openapi.body(SubmitRequest),
)
async def submit(request: Request, response: Response, idempotency_key: IdempotencyKey = None) -> StoredIds:
    """Store a batch and answer at once with an id for each submission, in the same order. Results come later."""
    body = await read_body(request)
    batch = await parse_batch(request, body, durable_in_steps)
    request.state.items = len(batch.items)
    stored, is_new = await _stored(request).add(
        batch,
        queue.Request(
            client=client_of(request),
            label=batch.label,
            callback_url=batch.callback_url,
            idempotency_key=idempotency_key,
            sha256=None if idempotency_key is None else (await asyncio.to_thread(hashlib.sha256, body)).hexdigest(),
        ),
    )
    response.status_code = 202 if is_new else 200
    return stored


@router.get("/submissions", response_model=StoredPage, responses=openapi.problems(401, 422, 503))
async def list_submissions(
    request: Request,
    state: Annotated[StoredState | None, Query(description="only those in this state")] = None,
    kind: Annotated[Literal["math", "code", "unknown"] | None, Query(description="only those of this kind")] = None,
    batch_id: Annotated[str | None, Query(max_length=200, description="only those of this batch")] = None,
    label: Annotated[
        str | None, Query(max_length=200, pattern=patterns.LABEL, description="only those of batches with this label")
    ] = None,
    since: Annotated[datetime | None, Query(description="only those stored at this time or later (RFC 3339)")] = None,
    until: Annotated[datetime | None, Query(description="only those stored before this time (RFC 3339)")] = None,
    cursor: Annotated[
        str | None, Query(pattern=patterns.CURSOR, description="`next_cursor` of the previous page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="most submissions on a page")] = 100,
) -> Response:
    """List durable submissions with their results, newest first, one page at a time."""
    wanted = Filter(state, kind, batch_id, label, _seconds(since, "since"), _seconds(until, "until"))
    page = await _stored(request).page(client_of(request), wanted, cursor, limit)
    return await written_with(page.model_copy(update={"submissions": []}), "submissions", page.submissions)


@router.post(
    "/submissions/batch-get",
    response_model=StoredFound,
    responses=openapi.problems(400, 401, 413, 422, 503),
    openapi_extra=openapi.body(StoredBatchGet),
)
async def get_many(request: Request) -> Response:
    """Return several durable submissions, in the order of the request."""
    ids = await in_slices(ids_in_steps(await read_body(request)))
    found = await _stored(request).get_many(client_of(request), ids)
    answer = StoredFound(submissions=[], missing=[one for one in ids if one not in found])
    return await written_with(answer, "submissions", [found[one] for one in ids if one in found])


@router.get("/submissions/{submission_id}", responses=openapi.problems(401, 404, 422, 503))
async def look_up(request: Request, submission_id: Id, wait_s: WaitS = 0.0) -> StoredSubmission:
    """Return the state of a durable submission (queued, running, done, cancelled), and its result once it is done."""
    stored = await _stored(request).get(client_of(request), submission_id, wait_s)
    if stored is None:
        raise _no_submission(submission_id)
    return stored


@router.post("/submissions/{submission_id}/cancel", responses=openapi.problems(401, 404, 422, 503, 507))
async def cancel(request: Request, submission_id: Id) -> StoredSubmission:
    """Cancel a submission, even while it is being judged. A finished one stays as it is."""
    client = client_of(request)
    await _stored(request).cancel(Which(client.name, submission_id=submission_id))
    return await look_up(request, submission_id)


@router.delete("/submissions/{submission_id}", status_code=204, responses=openapi.problems(401, 404, 422, 503, 507))
async def delete(request: Request, submission_id: Id) -> None:
    """Delete a submission and everything stored about it; an unfinished one is cancelled."""
    if not await _stored(request).remove(Which(client_of(request).name, submission_id=submission_id)):
        raise _no_submission(submission_id)


@router.get("/batches/{batch_id}", response_model=StoredBatch, responses=openapi.problems(401, 404, 422, 503))
async def look_up_batch(
    request: Request,
    batch_id: Id,
    wait_s: WaitS = 0.0,
    submissions: Annotated[bool, Query(description="include the submissions and their results")] = True,
) -> Response:
    """Return the progress of a batch, and its submissions in the order of the request."""
    batch = await _batch(request, batch_id, wait_s, with_submissions=submissions)
    return await written_with(batch.model_copy(update={"submissions": []}), "submissions", batch.submissions)


@router.post("/batches/{batch_id}/cancel", responses=openapi.problems(401, 404, 422, 503, 507))
async def cancel_batch(request: Request, batch_id: Id) -> StoredBatch:
    """Cancel the unfinished submissions of a batch."""
    await _stored(request).cancel(Which(client_of(request).name, batch_id=batch_id))
    return await _batch(request, batch_id)


@router.delete("/batches/{batch_id}", status_code=204, responses=openapi.problems(401, 404, 422, 503, 507))
async def delete_batch(request: Request, batch_id: Id) -> None:
    """Delete a batch with its submissions and everything stored about them."""
    if not await _stored(request).remove(Which(client_of(request).name, batch_id=batch_id)):
        raise _no_batch(batch_id)


async def _batch(
    request: Request, batch_id: str, wait_s: float = 0.0, *, with_submissions: bool = False
) -> StoredBatch:
    found = await _stored(request).batch(client_of(request), batch_id, wait_s, with_submissions=with_submissions)
    if found is None:
        raise _no_batch(batch_id)
    return found


def _no_submission(submission_id: str) -> HTTPException:
    return HTTPException(
        404, f"there is no submission {submission_id!r}; finished ones are deleted in time (VERIFIER_KEEP_RESULTS_S)"
    )


def _no_batch(batch_id: str) -> HTTPException:
    return HTTPException(
        404, f"there is no batch {batch_id!r}; finished ones are deleted in time (VERIFIER_KEEP_RESULTS_S)"
    )


def _seconds(moment: datetime | None, field: str) -> float | None:
    """Return a time as seconds since 1970.

    Raises:
        BadRequest: it has no time zone.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        allowed = "it needs a time zone, as in 2026-01-31T12:00:00Z"
        raise BadRequest([ProblemField(field=field, value=moment.isoformat(), allowed=allowed)])
    return moment.timestamp()
