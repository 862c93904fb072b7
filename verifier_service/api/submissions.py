"""Durable submissions: store a batch and answer at once, ask for the results later."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.exceptions import HTTPException

from verifier_service.api import openapi
from verifier_service.api.access import require_key, service_of
from verifier_service.api.body import read_batch
from verifier_service.batch import read_submissions
from verifier_service.schema import StoredIds, StoredSubmission, VerifyRequest

router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])


@router.post(
    "/submissions",
    status_code=202,
    responses=openapi.problems(400, 401, 413, 422, 503),
    openapi_extra=openapi.body(VerifyRequest),
)
async def submit(request: Request) -> StoredIds:
    """Store a batch durably and answer at once with an id for each submission, in the same order."""
    return StoredIds(ids=await service_of(request).stored.add(await read_batch(request, read_submissions)))


@router.get("/submissions/{submission_id}", responses=openapi.problems(401, 404, 422, 503))
async def look_up(request: Request, submission_id: Annotated[str, Path(max_length=200)]) -> StoredSubmission:
    """Return the state of a stored submission (queued, running, done) and its result when it is done."""
    stored = await service_of(request).stored.get(submission_id)
    if stored is None:
        raise HTTPException(404, f"there is no submission {submission_id!r}; finished ones are kept for a while only")
    return stored
