"""Several verifiers: which one is asked next, which are left alone for a while, whether a silent one lives."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx

from verifier_service.client.options import Options

CONNECT_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
PROBE_AFTER_S = 5.0
"""A request that is silent for so long, and every so long after, has its server asked whether it lives."""
PROBES = 2
"""As many times in a row a server must not answer that question before its requests go to another one."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def pause_s(tries: int, retry_after_s: float | None) -> float:
    """Return how long to wait after so many tries: longer each time, never the same twice, as long as was asked for."""
    longest_s = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S)
    own_s = longest_s * random.uniform(0.5, 1.0)
    return max(own_s, retry_after_s) + random.uniform(0, FIRST_PAUSE_S) if retry_after_s else own_s


@dataclass(eq=False)
class Server:
    """One verifier, as this client has known it so far."""

    url: str
    http: httpx.AsyncClient
    in_hand: int = 0
    """Requests of this client that it has not answered yet."""
    failures: int = 0
    """Failures since its last answer."""
    aside_until: float = 0.0
    """It is left alone until then, by the monotonic clock, where another one is well."""
    missed: int = 0
    """Questions in a row whether it lives that it did not answer."""
    _question: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """It is well."""
        self.failures = self.missed = 0
        self.aside_until = 0.0

    def failed(self, retry_after_s: float | None) -> None:
        """Leave it alone for a while, longer each time that it fails again after that."""
        now = time.monotonic()
        if now >= self.aside_until:
            self.failures += 1
        self.aside_until = max(self.aside_until, now + pause_s(self.failures, retry_after_s))

    async def lives(self) -> bool:
        """Ask whether it lives; False when it has not answered that for several times in a row."""
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask())
        await asyncio.shield(self._question)
        return self.missed < PROBES

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(PROBE_AFTER_S):
                alive = (await self.http.get("/healthz")).status_code < 500
        except (httpx.HTTPError, TimeoutError):
            alive = False
        self.missed = 0 if alive else self.missed + 1


class Servers:
    """All verifiers of a client. Use it in one event loop."""

    def __init__(self, options: Options, transport: httpx.AsyncBaseTransport | None) -> None:
        headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
        self.all: Sequence[Server] = [
            Server(
                url,
                httpx.AsyncClient(
                    base_url=url,
                    headers=headers,
                    timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),  # each request is bounded as a whole
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=options.concurrency),
                    transport=transport,
                    trust_env=httpx.URL(url).host not in _LOOPBACK,  # a proxy cannot reach this machine's verifier
                ),
            )
            for url in options.urls
        ]

    @property
    def are_several(self) -> bool:
        """Whether there is another one to go to."""
        return len(self.all) > 1

    def another_is_well(self, url: str) -> bool:
        """Whether one may be asked now that is not this one."""
        now = time.monotonic()
        return any(server.aside_until <= now for server in self.all if server.url != url)

    def choose(self) -> Server:
        """Return the one with the least in hand of those that are well; else the one that may be asked again first."""
        return self.in_order()[0]

    def in_order(self) -> list[Server]:
        """Return all, those first that should be asked first; equal ones in no order."""
        now = time.monotonic()
        mixed = random.sample(self.all, len(self.all))
        return sorted(mixed, key=lambda one: (max(one.aside_until - now, 0.0), one.in_hand))

    async def close(self) -> None:
        """Give back the connections."""
        for server in self.all:
            with suppress(RuntimeError):  # of an event loop that is closed
                await server.http.aclose()
