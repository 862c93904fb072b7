"""Kept suites: tests that are sent once and named by their digest from then on."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from sandboxes.protocol import plain
from verifier_service.errors import BadItem, BadRequest
from verifier_service.execution.executor import Executor
from verifier_service.execution.pool import BoxPool
from verifier_service.judges.code.judge import CodeJudge
from verifier_service.languages import Languages, load_languages
from verifier_service.runners import RUNNERS
from verifier_service.schema import CodeSubmission, SuiteDigest
from verifier_service.settings import Settings
from verifier_service.store import suites as suites_module
from verifier_service.store.suites import SuiteStore

TESTS = {"kind": "call", "entry_point": "f", "cases": [{"args": [2], "expected": 4}]}
BODY = json.dumps(TESTS).encode()
DIGEST = hashlib.sha256(BODY).hexdigest()


def test_a_suite_that_was_sent_is_named_by_its_digest(client: httpx.Client) -> None:
    assert client.get(f"/v1/suites/{'1' * 64}").status_code == 404
    kept = client.put(f"/v1/suites/{DIGEST}", content=BODY)
    assert (kept.status_code, kept.json()) == (200, {"sha256": DIGEST, "bytes": len(BODY)})
    assert client.get(f"/v1/suites/{DIGEST}").json() == kept.json()
    assert client.head(f"/v1/suites/{DIGEST}").status_code == 200
    group = [{"kind": "code", "completion": f"def f(x): return x + {n}", "tests": {"sha256": DIGEST}} for n in range(4)]
    results = client.post("/v1/verify", json={"submissions": group}).json()["results"]
    assert [one["score"] for one in results] == [0.0, 0.0, 1.0, 0.0]


def test_a_suite_that_is_not_kept_says_what_to_send(client: httpx.Client) -> None:
    digest = "2" * 64
    missing = client.get(f"/v1/suites/{digest}")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert f"PUT /v1/suites/{digest}" in missing.json()["detail"]
    submission = {"kind": "code", "completion": "x", "tests": {"sha256": digest}}
    (result,) = client.post("/v1/verify", json={"submissions": [submission]}).json()["results"]
    assert (result["verdict"], f"PUT /v1/suites/{digest}" in result["message"]) == ("judge_error", True)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("3" * 64, BODY, 409, f"the SHA-256 of the body as sent, {DIGEST}"),
        ("nonsense", BODY, 422, "sha256"),
        (hashlib.sha256(b"{").hexdigest(), b"{", 400, "not valid JSON"),
        (hashlib.sha256(b"{}").hexdigest(), b"{}", 422, "kind"),
        (hashlib.sha256(b'{"kind": "call"}').hexdigest(), b'{"kind": "call"}', 422, "entry_point: this field is requi"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_field(
    client: httpx.Client, path: str, body: bytes, status: int, said: str
) -> None:
    response = client.put(f"/v1/suites/{path}", content=body)
    assert (response.status_code, said in response.json()["detail"]) == (status, True), response.text


def sent(number: int) -> tuple[str, bytes]:
    body = json.dumps(TESTS | {"cases": [{"args": [number], "expected": number}]}).encode()
    return hashlib.sha256(body).hexdigest(), body


async def test_the_store_is_bounded_and_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, max_suites=3)
    store = SuiteStore(settings)
    suites = [sent(number) for number in range(4)]
    for digest, body in suites[:3]:
        await store.put(digest, body)
    for number, (digest, _) in enumerate((suites[1], suites[2], suites[0])):  # last used in this order
        path = tmp_path / "suites" / f"{digest}.json"
        import os

        os.utime(path, (1_000_000 + number, 1_000_000 + number))
    await store.put(*suites[3])
    kept = [await store.find(digest) is not None for digest, _ in suites]
    assert kept == [True, False, True, True]
    with pytest.raises(BadItem, match="PUT /v1/suites"):
        await store.get(suites[1][0])


async def test_suites_that_leave_memory_while_a_batch_is_admitted_are_not_mixed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge remembers prepared tests by identity, and Python can reuse the identity of tests that were dropped."""
    monkeypatch.setattr(suites_module, "MAX_READ", 1)
    settings = Settings(state_dir=tmp_path)
    store = SuiteStore(settings)
    kept = [sent(number) for number in range(50)]
    for digest, body in kept:
        await store.put(digest, body)
    languages = Languages(load_languages(), {"python": "here"})
    runner = RUNNERS["bubblewrap"](settings, load_languages())
    pool = BoxPool(runner, settings)
    admit = CodeJudge(settings, pool, Executor(pool, settings), languages, store.get).admission(60)
    for number, (digest, _) in [*enumerate(kept)] * 4:
        asked = CodeSubmission(kind="code", completion="", tests=SuiteDigest(sha256=digest))
        admitted = await admit(asked)
        assert plain.decode(admitted.suite.calls[0]) == [[number], {}]


async def test_kept_suites_survive_the_service(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    digest, body = sent(1)
    await SuiteStore(settings).put(digest, body)
    again = SuiteStore(settings)
    assert (await again.get(digest)).kind == "call"
    (tmp_path / "suites" / f"{digest}.json").write_bytes(body[:-5])
    with pytest.raises(BadItem):
        await SuiteStore(settings).get(digest)


async def test_a_suite_larger_than_the_store_is_refused(tmp_path: Path) -> None:
    body = json.dumps(TESTS | {"cases": [{"args": ["x" * 1_100_000], "expected": 1}]}).encode()
    store = SuiteStore(Settings(state_dir=tmp_path, max_suites_mb=1))
    with pytest.raises(BadRequest, match="can be kept"):
        await store.put(hashlib.sha256(body).hexdigest(), body)
