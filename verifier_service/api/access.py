"""Check keys and their rate limits, and give routes access to the client and the service.

A valid key is always accepted, whatever else its address sends: a client that guesses keys cannot lock out others
behind the same address. After `WRONG_MOST` wrong keys in a minute a client gets 429, with one log line for all of them.
"""

import base64
import binascii
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from fastapi import Request
from starlette.exceptions import HTTPException

from verifier_service.access.clients import ANYBODY, Client
from verifier_service.access.keys import Key, Keys
from verifier_service.observability.metrics import Metrics
from verifier_service.service import Service
from verifier_service.settings import Settings

log = structlog.get_logger()

WRONG_MOST = 10
MINUTE_S = 60.0
MAX_PEERS = 4096


def service_of(request: Request) -> Service:
    """Return the service that the app's lifespan started."""
    return request.app.state.service


def client_of(request: Request) -> Client:
    """Return the client that `require_key` identified."""
    return getattr(request.state, "client", ANYBODY)


def sharer_of(request: Request) -> Client:
    """Return the client for sharing the queue and memory; without keys, each address counts as one client."""
    client = client_of(request)
    if client != ANYBODY or request.client is None:
        return client
    return Client(name=f"@{request.client.host}")


class Access:
    """The keys of an app, with counts of requests and of wrong keys."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Read the keys.

        Raises:
            KeysBroken: they cannot be read.
        """
        self.keys = Keys(settings)
        self._metrics = metrics
        self._wrong: OrderedDict[str, Allowance] = OrderedDict()
        self._sent: dict[str, Allowance] = {}

    def admit(self, given: bytes | None, peer: str) -> Client:
        """Return the client to whom a key belongs.

        Raises:
            HTTPException: 401 if the key is missing, wrong or expired; 429 if it is used too often, or if its address
                has sent too many wrong keys.
        """
        key = self.keys.find(given) if given else None
        if key is None:
            raise self._refusal(given, peer)
        if key.has_expired:
            log.warning("key_expired", key=key.name, peer=peer)
            self._metrics.keys_refused.labels("expired").inc()
            raise _unauthorized(f"the key {key.name!r} has expired")
        self._count(key)
        return key.client

    def _refusal(self, given: bytes | None, peer: str) -> HTTPException:
        if not given:
            self._metrics.keys_refused.labels("missing").inc()
            return _unauthorized("send the header `Authorization: Bearer <key>`")
        self._metrics.keys_refused.labels("wrong").inc()
        allowance = self._wrong.pop(peer, None) or Allowance(WRONG_MOST)
        self._wrong[peer] = allowance  # reinserted at the end: the oldest entry is dropped first
        while len(self._wrong) > MAX_PEERS:
            self._wrong.popitem(last=False)
        wait_s = allowance.take()
        if not wait_s:
            log.warning("key_wrong", peer=peer)
            return _unauthorized("the key is unknown, expired or revoked")
        if not allowance.is_told:
            allowance.is_told = True
            log.warning("keys_guessed", peer=peer, wrong_in_a_minute=WRONG_MOST)
        return _too_often(f"{peer} sent more than {WRONG_MOST} wrong keys in a minute", wait_s)

    def _count(self, key: Key) -> None:
        """Count one request against the key's requests per minute.

        Raises:
            HTTPException: 429 if none is left.
        """
        most = key.requests_per_minute
        if most is None:
            return
        allowance = self._sent.get(key.name)
        if allowance is None or allowance.most != most:
            allowance = self._sent[key.name] = Allowance(most)
        if wait_s := allowance.take():
            raise _too_often(f"the key {key.name!r} may send {most} requests per minute", wait_s)


@dataclass
class Allowance:
    """A token bucket: `most` per minute, all at once or spread."""

    most: int
    is_told: bool = False
    """Whether it has been logged that the bucket is empty."""

    def __post_init__(self) -> None:
        self._left = float(self.most)
        self._seen_s = time.monotonic()

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now_s = time.monotonic()
        a_second = self.most / MINUTE_S
        self._left = min(self._left + (now_s - self._seen_s) * a_second, self.most)
        self._seen_s = now_s
        if self._left < 1:
            return (1 - self._left) / a_second
        self._left -= 1
        self.is_told = False
        return 0.0


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def _too_often(detail: str, wait_s: float) -> HTTPException:
    return HTTPException(429, detail, {"Retry-After": str(math.ceil(wait_s))})


async def require_key(request: Request) -> None:
    """Identify the client; refuse a request without a valid key if the service has keys.

    Raises:
        HTTPException: 401 or 429, see `Access.admit`.
    """
    _admit(request, _bearer(request))


async def require_key_of_a_reader(request: Request) -> None:
    """Like `require_key`, for pages opened in a browser: they also accept the key as the password of Basic auth.

    Raises:
        HTTPException: 401 or 429, see `Access.admit`.
    """
    try:
        _admit(request, _bearer(request) or _password(request))
    except HTTPException as error:
        if error.status_code == 401:
            error.headers = {"WWW-Authenticate": 'Basic realm="the key is the password", charset="UTF-8"'}
        raise


def _admit(request: Request, given: bytes | None) -> None:
    access: Access = request.app.state.access
    if access.keys.wanted:
        request.state.client = access.admit(given, request.client.host if request.client else "?")


def _bearer(request: Request) -> bytes | None:
    return _credentials(request, "bearer")


def _password(request: Request) -> bytes | None:
    try:
        return base64.b64decode(_credentials(request, "basic") or b"", validate=True).partition(b":")[2]
    except binascii.Error:
        return None


def _credentials(request: Request, wanted: str) -> bytes | None:
    """Return the bytes that follow the scheme, exactly as sent; the scheme's case does not matter."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    return rest.strip(" ").encode("latin-1") if scheme.lower() == wanted else None
