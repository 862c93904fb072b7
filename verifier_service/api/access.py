"""Who may ask, and what they reach: the keys, what each may ask for in a minute, and the service behind the app.

A right key is always let in, whatever its peer did before: a peer that guesses can shut out nobody, not even those
behind the same address. What it gets after `WRONG_MOST` wrong keys in a minute is 429, with one line in the log for all
further ones.
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
    """Return who asks, as `require_key` found out."""
    return getattr(request.state, "client", ANYBODY)


def sharer_of(request: Request) -> Client:
    """Return who gets a share of what all have together; without keys, those at one address are one client."""
    client = client_of(request)
    if client != ANYBODY or request.client is None:
        return client
    return Client(name=f"@{request.client.host}")


class Access:
    """The keys of an app, and what it remembers of those who use them."""

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
        """Return whose key this is.

        Raises:
            HTTPException: 401, it is none or has expired; 429, it has asked too often, or its peer guesses.
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
        self._wrong[peer] = allowance  # the one that was wrong last is forgotten last
        while len(self._wrong) > MAX_PEERS:
            self._wrong.popitem(last=False)
        wait_s = allowance.take()
        if not wait_s:
            log.warning("key_wrong", peer=peer)
            return _unauthorized("the key is wrong")
        if not allowance.is_told:
            allowance.is_told = True
            log.warning("keys_guessed", peer=peer, wrong_in_a_minute=WRONG_MOST)
        return _too_often(f"more than {WRONG_MOST} wrong keys in a minute came from {peer}", wait_s)

    def _count(self, key: Key) -> None:
        """Take one request of those that the key may send in a minute.

        Raises:
            HTTPException: 429, there is none left.
        """
        most = key.requests_per_minute
        if most is None:
            return
        allowance = self._sent.get(key.name)
        if allowance is None or allowance.most != most:
            allowance = self._sent[key.name] = Allowance(most)
        if wait_s := allowance.take():
            raise _too_often(f"the key {key.name!r} may send {most} requests a minute", wait_s)


@dataclass
class Allowance:
    """So many in a minute, all at once or spread: a bucket of tokens that fills up again."""

    most: int
    is_told: bool = False
    """Whether the log has a line about its being used up."""

    def __post_init__(self) -> None:
        self._left = float(self.most)
        self._seen_s = time.monotonic()

    def take(self) -> float:
        """Take one and return 0, or return the seconds until there is one."""
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
    """Find out who asks, and refuse a request without a right key, if there are keys.

    Raises:
        HTTPException: 401 or 429.
    """
    _admit(request, _bearer(request))


async def require_key_of_a_reader(request: Request) -> None:
    """Do the same for pages that people open in a browser, which asks for a password: that is the key.

    Raises:
        HTTPException: 401 or 429.
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
    """Return what follows a scheme, byte for byte as it was sent; a scheme may be written in any case."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    return rest.strip(" ").encode("latin-1") if scheme.lower() == wanted else None
