"""A callback is made when a batch is finished: signed, at least once, and only where the operator allows it."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.store.scripted import Queue, running
from verifier_service.access.clients import ANYBODY, Client
from verifier_service.errors import BadRequest
from verifier_service.schema import StoredBatch
from verifier_service.settings import Settings
from verifier_service.store import webhooks
from verifier_service.store.queue import Request
from verifier_service.store.webhooks import Hosts, NotAllowed

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Receiver:
    """A real server that keeps all requests, and answers with the given statuses, then with 204."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("location", "http://169.254.169.254/")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=b"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "RETRY_AFTER_S", (0.2, 0.2, 0.2))


def settings(**more: Any) -> dict[str, Any]:
    return {"webhook_hosts": ["127.0.0.1"], "webhook_secret": SECRET} | more


async def called(queue: Queue, batch_id: str, client: Client = ANYBODY) -> StoredBatch:
    """Wait until the callback of a batch was accepted, and return the batch."""
    batch: StoredBatch | None = None
    for _ in range(400):
        batch = await queue.stored.batch(client, batch_id)
        assert batch is not None
        if batch.callback_done_at is not None:
            return batch
        await asyncio.sleep(0.05)
    raise AssertionError(f"not called: {batch}")


async def test_a_finished_batch_is_told_and_signed(tmp_path: Path, receiver: Receiver) -> None:
    async with running(tmp_path, **settings()) as queue:
        request = Request(ANYBODY, label="step 7", callback_url=receiver.url)
        ids = await queue.add("ok", "sleep 0.2", "refuse", request=request)
        batch_id = (await queue.get(ids[0])).batch_id
        batch = await called(queue, batch_id)
    ((headers, body),) = receiver.taken
    assert json.loads(body)["type"] == "batch.finished"
    assert json.loads(body)["data"] == {
        "batch_id": batch_id,
        "label": "step 7",
        "total": 3,
        "counts": {"done": 3},
    }
    assert headers["webhook-id"] == f"msg_{batch_id}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (batch.callback_tries, batch.callback_error) == (1, None)


async def test_a_callback_is_tried_again_also_by_the_next_service(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [500, 302]
    async with running(tmp_path, **settings()) as queue:
        (one,) = await queue.add("ok", request=Request(ANYBODY, callback_url=receiver.url))
        batch_id = (await queue.get(one)).batch_id
        error = None
        while error is None:  # a service that stops before it has noted an attempt leaves it reserved for a while
            await asyncio.sleep(0.02)
            batch = await queue.stored.batch(ANYBODY, batch_id)
            error = batch and batch.callback_error
    async with running(tmp_path, **settings()) as queue:
        batch = await called(queue, batch_id)
    assert batch.callback_tries == len(receiver.taken) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 1


async def test_tries_are_bounded(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [500] * 20
    async with running(tmp_path, **settings()) as queue:
        (one,) = await queue.add("ok", request=Request(ANYBODY, callback_url=receiver.url))
        batch_id = (await queue.get(one)).batch_id
        batch = None
        while batch is None or batch.callback_tries < 4:
            await asyncio.sleep(0.05)
            batch = await queue.stored.batch(ANYBODY, batch_id)
        await asyncio.sleep(3)
        assert len(receiver.taken) == 4
        batch = await queue.stored.batch(ANYBODY, batch_id)
    assert batch is not None
    assert (batch.callback_error, batch.callback_done_at) == ("it answered 500", None)


async def test_each_client_has_its_own_secret(tmp_path: Path, receiver: Receiver) -> None:
    own = b"o" * 24
    secrets = {"alice": "whsec_" + base64.b64encode(own).decode()}
    alice = Client("alice")
    async with running(tmp_path, **settings(webhook_secret=None, webhook_secrets=secrets)) as queue:
        await queue.add("ok", request=Request(alice, callback_url=receiver.url))
        await queue.add("ok", request=Request(Client("bob"), callback_url=receiver.url))
        while len(receiver.taken) < 2:
            await asyncio.sleep(0.05)
    signatures = [headers.get("webhook-signature") for headers, _ in receiver.taken]
    assert signatures.count(None) == 1
    (headers, body) = next(one for one in receiver.taken if "webhook-signature" in one[0])
    timestamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == webhooks.signature(own, headers["webhook-id"], timestamp, body)


async def test_no_host_is_allowed_unless_it_is_listed(tmp_path: Path, receiver: Receiver) -> None:
    async with running(tmp_path) as queue:
        with pytest.raises(BadRequest, match="not listed in VERIFIER_WEBHOOK_HOSTS"):
            await queue.add("ok", request=Request(ANYBODY, callback_url=receiver.url))
    assert receiver.taken == []


@pytest.mark.parametrize(
    ("listed", "url", "reason"),
    [
        (["localhost"], "http://localhost/", "private address"),
        (["example.com"], "http://example.com.evil.org/", "not listed in"),
        (["*.example.com"], "http://example.com/", "not listed in"),
        (["example.com"], "http://user:password@example.com/", "without user name and password"),
        (["example.com"], "http://[::1/", "not a URL"),
        (["10.0.0.0/8"], "http://169.254.169.254/latest", "not listed in"),
        (["localhost"], "http://0x7f.1/", "not listed in"),
        (["nowhere.invalid"], "http://nowhere.invalid/", "cannot be resolved"),
        (["localhost", "10.0.0.0/8"], "http://localhost/", "private address"),
    ],
)
async def test_what_may_not_be_called_is_said(listed: list[str], url: str, reason: str) -> None:
    with pytest.raises(NotAllowed, match=reason):
        await Hosts(listed).check(url)


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        (["localhost", "127.0.0.0/8", "::1"], "http://LOCALHOST:81/x"),
        (["10.0.0.0/8"], "http://10.1.2.3/"),
        (["8.8.8.8"], "https://8.8.8.8/"),
    ],
)
async def test_what_is_listed_may_be_called(listed: list[str], url: str) -> None:
    assert await Hosts(listed).check(url)


def test_a_secret_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="base64 of 24 to 64 random bytes"):
        Settings.model_validate({"webhook_secret": "swordfish"})
