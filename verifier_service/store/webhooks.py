"""Notify a client that its batch is finished: a signed POST to its `callback_url`, following Standard Webhooks.

See https://www.standardwebhooks.com. `webhook-id` is the same in every attempt; `webhook-signature` is `v1,` and the
base64 of the HMAC-SHA256 of `id.timestamp.body`. Delivery is at least once: it is retried, also after a restart, until
the receiver answers 2xx or `RETRY_AFTER_S` is used up.

A `callback_url` makes this service send requests, so the operator lists the allowed hosts. The name is resolved here,
and the request goes to exactly the address that was checked, so that the name cannot point elsewhere in between.
Private addresses are refused unless the operator has listed them or their network. Redirects are not followed.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from verifier_service.errors import BadRequest
from verifier_service.schema import ProblemField
from verifier_service.schema.problems import shown
from verifier_service.settings import Settings, webhook_key
from verifier_service.store.engine import Database
from verifier_service.store.models import RowState, batches, now, submissions
from verifier_service.store.records import remove_empty

log = structlog.get_logger()

EVENT = "batch.finished"
RETRY_AFTER_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
"""The pauses after failed attempts; after the last one the callback is given up."""
TIMEOUT_S = 15.0
AT_ONCE = 8
_HELD_S = 3 * TIMEOUT_S
"""How long a callback is reserved for the service that attempts it."""
_SAID_CHARS = 200

_b = batches.c


class NotAllowed(Exception):
    """A callback to this host is not allowed; the message says why and what is allowed."""


class Hosts:
    """The hosts that the operator allows for callbacks: names, `*.names`, addresses and networks."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._names = {one.lower().rstrip(".") for one in listed}
        self._networks = [network for one in listed if (network := _network(one)) is not None]

    async def check(self, url: str) -> str:
        """Return an allowed address of the URL's host.

        Raises:
            NotAllowed: there is none; the message says what is allowed.
        """
        host, port = _host_and_port(url)
        if not self._is_listed(host.lower().rstrip(".")):
            raise NotAllowed(f"the host {host} is not listed in VERIFIER_WEBHOOK_HOSTS")
        for address in await _addresses(host, port):
            if not address.is_global and not any(address in network for network in self._networks):
                raise NotAllowed(
                    f"the host {host} has the private address {address}, which VERIFIER_WEBHOOK_HOSTS does not list"
                )
            return str(address)
        raise NotAllowed(f"the host {host} has no address")

    def _is_listed(self, host: str) -> bool:
        parents = host.split(".")
        if host in self._names or any(f"*.{'.'.join(parents[n:])}" in self._names for n in range(1, len(parents))):
            return True
        network = _network(host)
        return network is not None and any(
            network.version == one.version and network.network_address in one for one in self._networks
        )


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        raise NotAllowed("it is not a URL") from None
    if not host or split.scheme not in ("http", "https") or split.username is not None:
        raise NotAllowed("it must be http(s)://HOST[:PORT]/PATH, without user name and password")
    return host, port or (443 if split.scheme == "https" else 80)


async def _addresses(host: str, port: int) -> list[_Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotAllowed(f"the host {host} cannot be resolved: {error}") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    return [getattr(one, "ipv4_mapped", None) or one for one in addresses]


class Webhooks:
    """The callbacks of the batches in one database."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._hosts = Hosts(settings.webhook_hosts)
        self._key = None if settings.webhook_secret is None else webhook_key(settings.webhook_secret)
        self._keys = {name: webhook_key(secret) for name, secret in settings.webhook_secrets.items()}

    async def check(self, url: str) -> None:
        """Refuse a `callback_url` that is not allowed.

        Raises:
            BadRequest: the message says what is allowed.
        """
        try:
            await self._hosts.check(url)
        except NotAllowed as error:
            raise BadRequest([ProblemField(field="callback_url", value=shown(url), allowed=str(error))]) from error

    async def deliver(self) -> bool:
        """Attempt the callbacks that are due; return whether there may be more.

        Raises:
            DatabaseTrouble: callbacks that were sent may be sent again.
        """
        async with self._database.write() as connection:
            rows = await _take_due(connection)
        if not rows:
            return False
        limits = httpx.Timeout(TIMEOUT_S)
        async with httpx.AsyncClient(timeout=limits, trust_env=False, follow_redirects=False) as client:
            faults = await asyncio.gather(*(self._call(client, row) for row in rows))
        async with self._database.write() as connection:
            for row, fault in zip(rows, faults, strict=True):
                await _note(connection, row, fault)
        return len(rows) == AT_ONCE

    async def _call(self, client: httpx.AsyncClient, row: Row[Any]) -> str | None:
        """Send one callback; return None if it was accepted, else the reason."""
        async with self._database.read() as connection:
            body = await _body(connection, row)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                address = await self._hosts.check(row.callback_url)
                url = httpx.URL(row.callback_url)
                headers = self.headers(row, body, int(time.time())) | {"Host": url.netloc.decode()}
                request = client.build_request("POST", url.copy_with(host=address), content=body, headers=headers)
                request.extensions["sni_hostname"] = url.host
                response = await client.send(request, stream=True)
                await response.aclose()  # only the status matters; the body could be endless
        except (httpx.HTTPError, NotAllowed, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"[:_SAID_CHARS]
        return None if response.is_success else f"it answered {response.status_code}"

    def headers(self, row: Row[Any], body: bytes, timestamp: int) -> dict[str, str]:
        """Return the headers of a callback, with a signature if there is a secret."""
        message_id = f"msg_{row.id}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "grpo-verifier",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
        }
        key = self._keys.get(row.client, self._key)
        if key is not None:
            headers["webhook-signature"] = signature(key, message_id, timestamp, body)
        return headers


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a callback in the format of Standard Webhooks."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


async def _take_due(connection: AsyncConnection) -> list[Row[Any]]:
    """Reserve some of the due callbacks for this service, and count the attempt before it is made."""
    query = (
        select(batches)
        .where(_b.callback_due_at <= now())
        .order_by(_b.callback_due_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = list((await connection.execute(query)).all())
    if rows:
        await connection.execute(
            update(batches)
            .where(_b.id.in_([row.id for row in rows]))
            .values(callback_due_at=now() + _HELD_S, callback_tries=_b.callback_tries + 1)
        )
    return rows


async def _body(connection: AsyncConnection, row: Row[Any]) -> bytes:
    counted = await connection.execute(
        select(submissions.c.state, func.count()).where(submissions.c.batch_id == row.id).group_by(submissions.c.state)
    )
    counts: dict[str, int] = {}
    for state, count in counted:
        word = RowState(state).shown.value
        counts[word] = counts.get(word, 0) + count
    finished = datetime.fromtimestamp(round(row.finished_at or row.created_at, 3), UTC)
    data: Mapping[str, object] = {
        "batch_id": row.id,
        "label": row.label,
        "total": row._mapping[_b.count],
        "counts": counts,
    }
    return json.dumps({"type": EVENT, "timestamp": finished.isoformat(), "data": data}).encode()


async def _note(connection: AsyncConnection, row: Row[Any], fault: str | None) -> None:
    tries = row.callback_tries + 1
    if fault is None:
        values = {"callback_due_at": None, "callback_done_at": now(), "callback_error": None}
    elif tries > len(RETRY_AFTER_S):
        log.warning("webhook_given_up", batch=row.id, tries=tries, reason=fault)
        values = {"callback_due_at": None, "callback_error": fault}
    else:
        values = {"callback_due_at": now() + RETRY_AFTER_S[tries - 1], "callback_error": fault}
    await connection.execute(update(batches).where(_b.id == row.id).values(values))
    await remove_empty(connection, [row.id])
