"""Whether the service lives, whether it is warm, and what it has counted."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from verifier_service.api import openapi
from verifier_service.api.access import require_key, service_of
from verifier_service.schema import Alive, Readiness

router = APIRouter()


@router.get("/healthz")
async def healthz() -> Alive:
    """Answer as long as the process lives."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not every judge is warm"}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Answer 200 when every judge is warm, else 503 with the reasons."""
    waiting = await service_of(request).waiting_for()
    response.status_code = 503 if waiting else 200
    return Readiness(ready=not waiting, reasons=waiting)


@router.get(
    "/metrics",
    dependencies=[Depends(require_key)],
    response_class=Response,
    responses={
        200: {
            "description": "The text format of Prometheus",
            "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
        },
        **openapi.problems(401),
    },
)
async def metrics(request: Request) -> Response:
    """Answer in the text format of Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
