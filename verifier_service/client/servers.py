"""Several verifiers: choose the next one, avoid failing ones for a while, and check whether silent ones are alive."""

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
"""While a request is unanswered, its server's `/healthz` is checked at this interval."""
PROBES = 2
"""After this many failed checks in a row, the server's requests go to another one."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def pause_s(tries: int, retry_after_s: float | None) -> float:
    """Return the pause after `tries` failures: exponential backoff with jitter, and at least `retry_after_s`."""
    longest_s = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S)
    own_s = longest_s * random.uniform(0.5, 1.0)
    return max(own_s, retry_after_s) + random.uniform(0, FIRST_PAUSE_S) if retry_after_s else own_s


@dataclass(eq=False)
class Server:
    """One verifier, and its state as seen by this client."""

    url: str
    http: httpx.AsyncClient
    in_hand: int = 0
    """Requests of this client in flight."""
    failures: int = 0
    """Failures since its last answer."""
    aside_until: float = 0.0
    """Until then, on the monotonic clock, it is avoided if another server works."""
    missed: int = 0
    """Failed liveness checks in a row."""
    _question: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Note that the server works."""
        self.failures = self.missed = 0
        self.aside_until = 0.0

    def failed(self, retry_after_s: float | None) -> None:
        """Avoid the server for a while; longer if it fails again after that."""
        now = time.monotonic()
        if now >= self.aside_until:
            self.failures += 1
        self.aside_until = max(self.aside_until, now + pause_s(self.failures, retry_after_s))

    async def lives(self) -> bool:
        """Check whether the server is alive; False after `PROBES` failed checks in a row."""
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
    """All verifiers of a client, for use in one event loop."""

    def __init__(self, options: Options, transport: httpx.AsyncBaseTransport | None) -> None:
        headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
        self.all: Sequence[Server] = [
            Server(
                url,
                httpx.AsyncClient(
                    base_url=url,
                    headers=headers,
                    timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),  # `Session` bounds each request as a whole
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=options.concurrency),
                    transport=transport,
                    trust_env=httpx.URL(url).host not in _LOOPBACK,  # a proxy cannot reach this machine's loopback
                ),
            )
            for url in options.urls
        ]

    @property
    def are_several(self) -> bool:
        """Whether there is more than one."""
        return len(self.all) > 1

    def another_is_well(self, url: str) -> bool:
        """Whether a server other than this one is usable now."""
        now = time.monotonic()
        return any(server.aside_until <= now for server in self.all if server.url != url)

    def choose(self) -> Server:
        """Return the usable server with the fewest requests in flight; else the one that is usable again first."""
        return self.in_order()[0]

    def in_order(self) -> list[Server]:
        """Return all servers, the best choice first; equal ones in random order."""
        now = time.monotonic()
        mixed = random.sample(self.all, len(self.all))
        return sorted(mixed, key=lambda one: (max(one.aside_until - now, 0.0), one.in_hand))

    async def close(self) -> None:
        """Close the connections."""
        for server in self.all:
            with suppress(RuntimeError):  # its event loop is closed already
                await server.http.aclose()
