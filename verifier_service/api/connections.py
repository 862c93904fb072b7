"""One connection, and limits on what it may cost.

- The request headers must arrive within a fixed time.
- A body must arrive, and an answer must be read, at a minimum pace.
- The rest of a body whose request is already answered may arrive for a moment longer.
- The number of connections is limited. A new one replaces an idle one: of the client with the most idle connections,
  the one that has been idle longest. If all are busy, a few more are accepted, but only for probes; other requests on
  them get 503.

The app refuses requests. What never becomes a request is refused here, and leaves the same traces: an id, a line in the
log, and a count.
"""

import asyncio
import resource
import uuid
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Any

import structlog
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from verifier_service.api.arrival import PROBES_ONLY, TOO_SLOW
from verifier_service.api.entrance import REQUEST_ID, own_headers
from verifier_service.api.problems import MEDIA_TYPE, document
from verifier_service.observability.metrics import OTHER
from verifier_service.observability.requests import UNMATCHED, RequestLog
from verifier_service.settings import Settings

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 16
"""Pipelined requests that may wait for the answers before theirs on the same connection."""
MOST_WRAPPING = 8
"""Bytes of chunk framing allowed for each byte of a body: a chunk of one byte needs five."""
RESERVE = 16
"""Connections beyond the limit, for probes."""
RETRY_AFTER_S = 5
REST_TIME_S = 3.0
"""How long the rest of a body may still arrive after the answer: the client may not have read that yet."""
LOOK_EVERY_S = 1.0


class Phase(Enum):
    """What a connection's client is expected to do next."""

    IDLE = "send nothing, or another request"
    HEAD = "send request headers"
    BODY = "send a body"
    ANSWER = "wait for the answer, and read it"
    REST = "send what is left of a body whose request is answered"


@dataclass(frozen=True)
class Limits:
    """Limits on what a connection may cost. Times are in seconds."""

    connections: int
    idle_time_s: float
    header_time_s: float
    body_time_s: float
    min_kb_s: float

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return the settings' limits; at least half of the file descriptors stay free for boxes and workers."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = settings.max_connections if soft == resource.RLIM_INFINITY else min(settings.max_connections, soft // 2)
        return cls(most, settings.keep_alive_s, settings.header_time_s, settings.body_time_s, settings.min_body_kb_s)

    def paced_s(self, size: int) -> float:
        """Return how long `size` bytes of a body or an answer may take."""
        return self.body_time_s + size / 1024 / self.min_kb_s

    @property
    def pace(self) -> str:
        """The minimum pace in words."""
        return f"{self.min_kb_s:g} KiB/s after {self.body_time_s:g} s"


class TooManyPipelined(Exception):
    """Too many pipelined requests wait on a connection."""


class Connection(HttpToolsProtocol):
    """One connection. uvicorn, asyncio and the HTTP parser call its methods; each notes the phase it begins."""

    def __init__(self, limits: Limits, requests: RequestLog, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._requests = requests
        self._phase = Phase.IDLE
        self._since_s = self.loop.time()
        self._phase_bytes = 0
        self._wrapping_bytes = 0
        """Bytes received in this phase that are not body, minus the framing that the body may have."""
        self._timer: asyncio.TimerHandle | None = None
        self._reading = _Reading(self)
        self._answered: RequestResponseCycle | None = None
        """The request being answered, or answered last; `cycle` can already be a later, pipelined one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        super().connection_made(transport)
        self._enter(Phase.HEAD)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._stop_timer()
        self._reading.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self._phase_bytes += len(data)
        self._wrapping_bytes += len(data)
        super().data_received(data)
        if self._phase in (Phase.BODY, Phase.REST) and self._wrapping_bytes > MAX_HEAD_BYTES:
            self._refuse(400, "the body's chunk headers or trailers are too large")
        if self._phase_bytes > MAX_HEAD_BYTES:
            if self._phase is Phase.HEAD:
                self._refuse(431, f"the request headers are too large; the maximum is {MAX_HEAD_BYTES} bytes")
            elif self._phase is Phase.ANSWER:  # pipelined requests; reading resumes when it is their turn
                self.flow.pause_reading()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for input that is not HTTP."""
        self._refuse(400, f"the request is not valid HTTP: {msg}")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, also for trailers: these are dropped, because they are unused and could be endless."""
        if self._phase not in (Phase.BODY, Phase.REST):
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._wrapping_bytes -= (1 + MOST_WRAPPING) * len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooManyPipelined
        super().on_headers_complete()
        self._enter(Phase.BODY)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Called by uvicorn when it is a request's turn to be answered."""
        self._answered = cycle
        self._reading.begin()
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._enter(Phase.ANSWER if self.is_busy else Phase.IDLE)

    def on_response_complete(self) -> None:
        """Called by uvicorn when an answer has been written."""
        super().on_response_complete()
        self._reading.watch()
        if not self.is_busy:
            self._enter(Phase.REST if self._phase is Phase.BODY else Phase.IDLE)

    def pause_writing(self) -> None:
        """Called by asyncio when the write buffer is full: the client reads more slowly than we write."""
        super().pause_writing()
        self._reading.watch()

    def resume_writing(self) -> None:
        """Called by asyncio when the client has read most of the buffer."""
        super().resume_writing()
        self._reading.look()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def since_s(self) -> float:
        """When the current phase began, on the loop's clock."""
        return self._since_s

    @property
    def request_id(self) -> object:
        """The id of the request being answered, or answered last."""
        return None if self._answered is None else self._answered.scope.get("state", {}).get(REQUEST_ID)

    @property
    def limits(self) -> Limits:
        """The limits of this connection."""
        return self._limits

    @property
    def peer(self) -> str:
        """The address of the client."""
        return self.client[0] if self.client else "?"

    # Time

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since_s, self._phase_bytes = phase, self.loop.time(), 0
        self._wrapping_bytes = 0
        self._stop_timer()
        if phase is not Phase.ANSWER:
            self._timer = self.loop.call_later(self._allowed_s, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _allowed_s(self) -> float:
        """How long this phase may last, given the bytes received in it so far."""
        match self._phase:
            case Phase.HEAD:
                return self._limits.header_time_s
            case Phase.BODY:
                return self._limits.paced_s(self._phase_bytes)
            case Phase.REST:
                return REST_TIME_S
            case _:
                return self._limits.idle_time_s

    def _look(self) -> None:
        """Check whether the client is too slow. Time in which we paused reading does not count."""
        if self.flow.read_paused:
            self._since_s = self.loop.time()
        left_s = self._since_s + self._allowed_s - self.loop.time()
        if left_s > 0:
            self._timer = self.loop.call_later(left_s, self._look)
        else:
            # If the loop was blocked, data may be waiting unread: give it one more round before judging the client.
            self._timer = self.loop.call_later(0.05, self._give_up, self._phase_bytes)

    def _give_up(self, phase_bytes: int) -> None:
        if self._phase is Phase.BODY:
            if self._phase_bytes != phase_bytes:
                self._look()
                return
            self.cycle.scope.setdefault("state", {})[TOO_SLOW] = (
                f"the body arrived more slowly than {self._limits.pace}"
            )
            self.cycle.message_event.set()
        elif self._phase is Phase.HEAD and self._phase_bytes:
            self._refuse(408, f"the request headers took more than {self._limits.header_time_s:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, why: str) -> None:
        """Answer something that never became a request, unless an answer has begun, and hang up."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        answered = self._answered  # not `cycle`: that can already be a later, pipelined request
        if answered is None or answered.response_complete or not answered.response_started:
            request_id = uuid.uuid4().hex
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                self.transport.write(_raw_answer(status, why, request_id))
                seconds = self.loop.time() - self._since_s
                self._requests.tell(OTHER, UNMATCHED, status, seconds, self.peer, why=why)
        self._tell_app()
        self.transport.close()
        self._reading.watch()

    def cut_off(self) -> None:
        """Hang up at once and drop what is unread."""
        self._tell_app()
        self.transport.abort()

    def _tell_app(self) -> None:
        """Let the app know that the client is gone; it would log writing to a closed transport as an error."""
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    # Room

    def _make_room(self) -> None:
        """Close one idle connection; if all are busy, accept only probes on this one."""
        others = [one for one in self.connections if isinstance(one, Connection) and one is not self]
        idle = [one for one in others if not one.is_busy and not one.transport.is_closing()]
        if idle:
            held = Counter(one.peer for one in idle)
            min(idle, key=lambda one: (-held[one.peer], one.since_s)).transport.close()
        elif len(self.connections) > self._limits.connections + RESERVE:
            self._refuse(503, "the service has too many open connections")
        else:
            self.app_state = {**self.app_state, PROBES_ONLY: True}


class _Reading:
    """How fast a client reads an answer. Only time in which we wait for the client counts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self._waited_s = 0.0
        self._read_bytes = 0
        self._unread_bytes = 0
        self._seen_s = 0.0

    def begin(self) -> None:
        """Start counting for a new answer."""
        self._waited_s, self._read_bytes = 0.0, 0

    def watch(self) -> None:
        """Watch the client until it has read everything in the buffer."""
        unread_bytes = self._connection.transport.get_write_buffer_size()
        if self._timer is not None:
            self._read_bytes += max(self._unread_bytes - unread_bytes, 0)
        self._unread_bytes = unread_bytes
        if unread_bytes and self._timer is None:
            self._seen_s = self._connection.loop.time()
            self._timer = self._connection.loop.call_later(LOOK_EVERY_S, self.look)

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Count what the client has read since the last look; hang up if its pace over all is too slow."""
        if self._timer is None:
            return
        self.stop()
        one = self._connection
        now_s, unread_bytes = one.loop.time(), one.transport.get_write_buffer_size()
        self._waited_s += now_s - self._seen_s
        self._read_bytes += max(self._unread_bytes - unread_bytes, 0)
        if one.is_busy and not one.flow.write_paused:
            return  # the client has caught up and waits for us
        if unread_bytes and self._waited_s > one.limits.paced_s(self._read_bytes):
            log.warning(
                "answer_not_read",
                request_id=one.request_id,
                peer=one.peer,
                why=f"the client read more slowly than {one.limits.pace}",
                seconds=round(self._waited_s, 3),
            )
            one.cut_off()
        else:
            self.watch()


def _raw_answer(status: int, why: str, request_id: str) -> bytes:
    body = document(status, why).model_dump_json().encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(b"retry-after", str(RETRY_AFTER_S).encode())] if status == 503 else []),
        *own_headers("", request_id),
    ]
    return b"".join((b"HTTP/1.1 %d -\r\n" % status, *(b"%s: %s\r\n" % header for header in headers), b"\r\n", body))
