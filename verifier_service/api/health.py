"""Liveness, readiness and metrics: `/healthz`, `/readyz`, `/metrics`."""

import math
from contextlib import suppress

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from verifier_service.api import openapi
from verifier_service.api.access import require_key, service_of
from verifier_service.errors import VerifierError
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import Alive, Readiness
from verifier_service.service import Service

router = APIRouter()


@router.get("/healthz")
async def healthz() -> Alive:
    """Answer 200 while the process is alive."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not every judge is ready"}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Answer 200 when every judge is ready, else 503 with the reasons."""
    waiting = await service_of(request).waiting_for()
    response.status_code = 503 if waiting else 200
    troubles = {"keys": request.app.state.access.keys.check(), "durable": service_of(request).stored.trouble()}
    warnings = {name: trouble for name, trouble in troubles.items() if trouble}
    return Readiness(ready=not waiting, reasons=waiting, warnings=warnings)


@router.get(
    "/metrics",
    dependencies=[Depends(require_key)],
    response_class=Response,
    responses={
        200: {
            "description": "Metrics in Prometheus text format",
            "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
        },
        **openapi.problems(401),
    },
)
async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus text format."""
    await _look(request)
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _look(request: Request) -> None:
    """Update the metrics that are not counted as events happen."""
    metrics: Metrics = request.app.state.metrics
    service = service_of(request)
    metrics.ready.set(not await service.waiting_for())
    await _look_at_the_store(service, metrics)
    metrics.keys_broken.set(request.app.state.access.keys.check() is not None)


async def _look_at_the_store(service: Service, metrics: Metrics) -> None:
    """Set how many submissions are stored and not done. While the database is unreachable the metrics are absent."""
    depth = getattr(service.stored, "depth", None)
    metrics.durable.clear()
    metrics.durable_age.set(math.nan)
    if depth is None:
        return
    with suppress(VerifierError):
        found = await depth()
        for state, count in found.by_state.items():
            metrics.durable.labels(state).set(count)
        metrics.durable_age.set(found.oldest_queued_s or 0.0)
