"""Whether the service lives, whether it is warm, and what it has counted."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from verifier_service.api.access import require_key, service_of

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Answer 200 when every judge is warm, else 503 with the reasons."""
    waiting = await service_of(request).waiting_for()
    body: dict[str, Any] = {"ready": not waiting, "reasons": waiting}
    return JSONResponse(body, 503 if waiting else 200)


@router.get("/metrics", dependencies=[Depends(require_key)])
async def metrics(request: Request) -> Response:
    """Answer in the text format of Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
