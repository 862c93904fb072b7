"""The HTTP face: `create_app(settings)` puts routes, errors and the service together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from verifier_service import __version__
from verifier_service.api import health, openapi, problems, runs, submissions, suites, v1
from verifier_service.metrics import Metrics
from verifier_service.service import running_service
from verifier_service.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the app; it starts to warm up when a server runs its lifespan."""
    settings = settings or Settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_service(settings, metrics) as service:
            app.state.service = service
            await service.stored.start()
            yield

    app = FastAPI(
        title="grpo-verifier",
        version=__version__,
        summary="Checks math answers with sympy, and runs programs and their unit tests in sandboxes.",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    problems.install(app, metrics)
    openapi.install(app)
    for room in (health, v1, runs, suites, submissions):
        app.include_router(room.router)
    return app
