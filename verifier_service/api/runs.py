"""`POST /v1/run`: run programs without judging them."""

from fastapi import APIRouter, Depends, Request, Response

from verifier_service.api import openapi
from verifier_service.api.access import require_key
from verifier_service.api.answers import carry_out
from verifier_service.api.body import read_batch
from verifier_service.batch import runs_in_steps
from verifier_service.schema import RunRequest, RunResponse, RunResult

router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])


@router.post(
    "/run",
    response_model=RunResponse,
    responses=openapi.problems(400, 401, 408, 413, 422, 429, 503) | openapi.results(RunResult),
    openapi_extra=openapi.body(RunRequest),
)
async def run(request: Request) -> Response:
    """Run a batch of programs without judging them; return what each did, in the same order."""
    return await carry_out(request, await read_batch(request, runs_in_steps))
