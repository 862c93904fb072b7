"""The middleware for every request: its id, log line, metrics and trace, browser checks, and security headers.

It is plain ASGI, because Starlette's middleware classes would cost more and buffer streams.
"""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verifier_service.access.clients import ANYBODY
from verifier_service.api.browsers import Browsers, Headers
from verifier_service.api.problems import problem
from verifier_service.errors import RunnerUnavailable
from verifier_service.observability.metrics import Metrics
from verifier_service.observability.requests import CLIENT_CLOSED_REQUEST, UNMATCHED, RequestLog
from verifier_service.observability.telemetry import Tracing
from verifier_service.settings import Settings

log = structlog.get_logger()

REQUEST_ID = "request_id"
"""Key in a request's state: its id."""
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
PAGES = frozenset({"/docs"})
HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
POLICY_OF_PAGES = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
)
"""Pages load everything from this service; inline styles and data: images are allowed as well."""
NO_STORE = (b"cache-control", b"no-store")


class Entrance:
    """The middleware."""

    def __init__(
        self, app: ASGIApp, settings: Settings, metrics: Metrics, requests: RequestLog, tracing: Tracing | None
    ) -> None:
        self._app = app
        self._browsers = Browsers(settings)
        self._metrics = metrics
        self._requests = requests
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._start_and_end(scope, receive, send)
            return
        passing = _Passing(scope, send)
        with structlog.contextvars.bound_contextvars(request_id=passing.request_id), self._seen(passing):
            await self._answer(passing, receive)

    async def _start_and_end(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the app's lifespan. If no sandbox can be started, the log says so in one line, without traceback."""

        async def told(message: Message) -> None:
            await send({"type": message["type"]} if scope["app"].state.cannot_start else message)

        with suppress(RunnerUnavailable):
            await self._app(scope, receive, told)

    @contextmanager
    def _seen(self, passing: "_Passing") -> Iterator[None]:
        """Write a request's log line, metrics and span, however it ends."""
        self._metrics.requests_in_flight.inc()
        try:
            with self._in_a_span(passing):
                try:
                    yield
                finally:
                    self._tell(passing)
        finally:
            self._metrics.requests_in_flight.dec()

    @contextmanager
    def _in_a_span(self, passing: "_Passing") -> Iterator[None]:
        if self._tracing is None:
            yield
            return
        scope = passing.scope
        with (
            self._tracing.request(scope["method"], scope["headers"]) as span,
            structlog.contextvars.bound_contextvars(trace_id=span.trace_id),
        ):
            try:
                yield
            finally:
                span.ended(passing.route, passing.final_status, passing.request_id, passing.state)

    async def _answer(self, passing: "_Passing", receive: Receive) -> None:
        scope = passing.scope
        refused = self._browsers.refusal(scope["method"], scope["headers"])
        if refused is not None:
            await problem(*refused)(scope, receive, passing.send)
            return
        try:
            await self._app(scope, receive, passing.send)
        except Exception as error:
            log.exception("request_failed", route=passing.route)
            if not passing.status:
                said = f"{type(error).__name__}; the log of the service has the details"
                await problem(500, said)(scope, receive, passing.send)
            else:
                passing.status = 500  # the answer is incomplete, so the server hangs up

    def _tell(self, passing: "_Passing") -> None:
        """Count a request and write its log line."""
        self._requests.tell(
            passing.scope["method"],
            passing.route,
            passing.final_status,
            time.monotonic() - passing.began_s,
            (passing.scope.get("client") or ("?",))[0],
            items=passing.state.get("items"),
            client=passing.state.get("client", ANYBODY).name,
        )


class _Passing:
    """One request and its outcome."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.began_s = time.monotonic()
        self.state: dict[str, Any] = scope.setdefault("state", {})
        self.request_id = self.state[REQUEST_ID] = _given_id(scope["headers"]) or uuid.uuid4().hex
        self._send = send

    @property
    def route(self) -> str:
        """The path template of the matched route."""
        return getattr(self.scope.get("route"), "path", UNMATCHED)

    @property
    def final_status(self) -> int:
        """The status, or 499 if the client hung up before there was one."""
        return self.status or CLIENT_CLOSED_REQUEST

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer; add our headers to the first."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            theirs = message.get("headers", ())
            given = {name for name, _ in theirs}
            ours = own_headers(self.scope["path"], self.request_id)
            message = {**message, "headers": [*theirs, *(one for one in ours if one[0] not in given)]}
        await self._send(message)


def own_headers(path: str, request_id: str) -> Headers:
    """Return the default headers; an answer's own headers take precedence."""
    policy = POLICY_OF_PAGES if path in PAGES else POLICY
    return [*HEADERS, policy, NO_STORE, (b"x-request-id", request_id.encode())]


def _given_id(headers: Headers) -> str | None:
    """Return the request's X-Request-ID if it is safe to repeat in logs and headers."""
    for name, value in headers:
        if name == b"x-request-id":
            return value.decode("ascii") if _GIVEN_ID.fullmatch(value) else None
    return None
