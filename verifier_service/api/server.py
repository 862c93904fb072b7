"""The HTTP server: uvicorn with our connections, and a shutdown that answers the requests it cuts off."""

import os
import socket
import threading
import time
from functools import partial
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI

from verifier_service.api.arrival import Drain
from verifier_service.api.connections import Connection, Limits
from verifier_service.settings import Settings

log = structlog.get_logger()

CUT_S = 2.0
"""How long requests may take to answer 503 once the grace period is over; after half of it they are cancelled."""
CLOSE_S = 10.0
"""How long boxes and workers may take to end; then the process exits anyway."""
PORT_TAKEN = 3


class Server(uvicorn.Server):
    """Shuts down in three steps: refuse new requests and wait for those in flight, cut these off, end the rest."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT: the first begins to drain, the second ends the wait."""
        if not self.started or self._drain.is_over.is_set():
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        if self._drain.is_draining:
            self._drain.ends_s = time.monotonic()
        self._drain.begin()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; returns whether the server should stop."""
        ends = await super().on_tick(counter)
        if not ends and self._drain.ends_s is not None:
            if not self._drain.is_over.is_set() and counter % 10 == 0:
                log.info("draining", in_flight=self._drain.in_flight)
            late_s = time.monotonic() - self._drain.ends_s
            if late_s >= 0:
                self._drain.is_over.set()
            if late_s >= CUT_S / 2:
                self._drain.cut_off()
            ends = not self._drain.in_flight or late_s > CUT_S
        if ends:
            self._end_in_any_case()
        return ends

    def _end_in_any_case(self) -> None:
        """Make sure the process exits even if something hangs while closing, for instance the Docker daemon."""
        self._drain.is_over.set()
        timer = threading.Timer(CLOSE_S, _end_now)
        timer.daemon = True
        timer.start()


def _end_now() -> None:
    log.error("closing_hangs", after_s=CLOSE_S)
    os._exit(1)


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of a host.

    Listening comes before warming up, so that a taken port is reported at once.

    Raises:
        OSError: the port is taken, or the machine does not have the address.
    """
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _notice_who_vanishes(one)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(2048)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _notice_who_vanishes(listening: socket.socket) -> None:
    """Turn on TCP keep-alive, so that connections to vanished clients end. Accepted sockets inherit the options."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def serve(app: FastAPI, settings: Settings, sockets: list[socket.socket]) -> None:
    """Serve an app of `create_app` until a signal stops it."""
    config = uvicorn.Config(
        app,
        log_level=settings.log_level,
        access_log=False,
        log_config=None,  # see logs.configure
        http=cast(Any, partial(Connection, Limits.of(settings), app.state.requests)),
        ws="none",
        timeout_keep_alive=max(round(settings.keep_alive_s), 1),
        timeout_graceful_shutdown=round(CUT_S),
    )
    for one in sockets:
        host, port = one.getsockname()[:2]
        log.info("listening", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    Server(config, app.state.drain).run(sockets)
