"""The HTTP app: `create_app(settings)` puts routes, error handlers and the service together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI

from verifier_service import __version__
from verifier_service.api import assets, compat, health, manual, openapi, page, problems, runs, submissions, suites, v1
from verifier_service.api.access import Access
from verifier_service.api.arrival import Arrival, Drain
from verifier_service.api.entrance import Entrance
from verifier_service.errors import RunnerUnavailable
from verifier_service.intake import memory
from verifier_service.intake.bodies import Bodies
from verifier_service.observability import telemetry
from verifier_service.observability.metrics import Metrics
from verifier_service.observability.requests import RequestLog
from verifier_service.service import Service, running_service
from verifier_service.settings import Settings

LAG_EVERY_S = 0.5

Running = Callable[[Settings, Metrics], AbstractAsyncContextManager[Service]]
"""A context manager that starts a service and closes it at the end."""


def create_app(
    settings: Settings | None = None, running: Running = running_service, manual_folder: Path = manual.FOLDER
) -> FastAPI:
    """Return the app. The service starts, by `running`, when a server runs the app's lifespan.

    `manual_folder` is the folder that `/manual` serves.

    Raises:
        KeysBroken: the keys cannot be read.
        TelemetryUnavailable: tracing is enabled, but its packages are not installed.
    """
    settings = settings or Settings()
    metrics = Metrics()
    tracing = telemetry.start(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(_watch_the_loop(metrics))
        try:
            async with AsyncExitStack() as ending:
                try:
                    service = await ending.enter_async_context(running(settings, metrics))
                except RunnerUnavailable as error:
                    app.state.cannot_start = str(error)
                    raise
                app.state.service = service
                service.watch()
                await service.stored.start()
                tidying = asyncio.create_task(memory.keep_tidy(lambda: service.dispatcher.in_hand))
                try:
                    yield
                finally:
                    tidying.cancel()
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            if tracing is not None:
                await asyncio.to_thread(tracing.close)

    app = FastAPI(
        title="grpo-verifier",
        version=__version__,
        summary="Checks math answers with sympy, and runs programs and their unit tests in sandboxes.",
        lifespan=lifespan,
        openapi_url=None,
    )
    app.state.settings = settings
    app.state.cannot_start = ""
    app.state.requests = RequestLog(settings, metrics)
    app.state.bodies = Bodies(settings, metrics)
    app.state.metrics = metrics
    app.state.manual = manual.Manual(manual_folder)
    app.state.drain = Drain(settings.drain_s)
    app.add_middleware(Arrival, drain=app.state.drain)
    app.state.access = Access(settings, metrics)
    problems.install(app)
    foreign = compat.switched_on(settings)
    openapi.install(app, [body for one in foreign for body in one.bodies])
    app.add_middleware(Entrance, settings=settings, metrics=metrics, requests=app.state.requests, tracing=tracing)
    for room in (health, assets, page, manual, openapi, v1, runs, suites, submissions):
        app.include_router(room.router)
    for one in foreign:
        app.include_router(one.router)
    return app


async def _watch_the_loop(metrics: Metrics) -> None:
    """Record how late a timer fires: for that long, something blocked the event loop."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.loop_lag.observe(max(loop.time() - due_s, 0.0))
