"""Durable submissions: store a batch and answer at once, ask for the results later."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from verifier_service.api.access import require_key, service_of
from verifier_service.api.body import read_batch
from verifier_service.api.v1 import BODY, PROBLEMS

router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])


@router.post("/submissions", status_code=202, responses=PROBLEMS, openapi_extra=BODY)
async def submit(request: Request) -> Response:
    """Store a batch durably and answer at once with an id for each submission, in the same order."""
    ids = await service_of(request).stored.add(await read_batch(request))
    return JSONResponse({"ids": ids}, 202)


@router.get("/submissions/{submission_id}")
async def look(request: Request, submission_id: str) -> Response:
    """Return the state of a stored submission (queued, running, done) and its result when it is done."""
    stored = await service_of(request).stored.get(submission_id)
    if stored is None:
        raise HTTPException(404, f"there is no submission {submission_id!r}; finished ones are kept for a while only")
    result = stored.result or "null"
    body = f'{{"id":"{stored.id}","state":"{stored.state}","result":{result}}}'
    return Response(body, media_type="application/json")
