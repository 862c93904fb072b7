"""The work that one foreign request can cause is limited before any of it begins."""

import base64
import json
import pickle
import threading
import zlib
from typing import Any

import pytest

from tests.api.compat.test_failures import client_of
from tests.api.compat.test_nemo_gym import ADD, code
from tests.api.compat.test_sandbox_fusion import submission
from verifier_service.api.compat import code_judge
from verifier_service.api.compat.nemo_gym import MAX_OUTPUT, MAX_PARTS
from verifier_service.api.compat.open_instruct import MAX_PARSED_CHARS, _are_single_asserts
from verifier_service.api.compat.open_r1 import _cell
from verifier_service.api.compat.running import BIG_OUTPUT_CHARS, share_kb
from verifier_service.errors import Cause
from verifier_service.schema.requests import MAX_CASES


async def told(path: str, sent: Any, **settings: Any) -> tuple[int, str]:
    """Return the status and the text of an answer from a service whose judges are down."""
    async with client_of(Cause.BOX_DIED, **settings) as client:
        answer = await client.post(path, json=sent)
    return answer.status_code, answer.text


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def pairs(count: int, size: int = 0) -> bytes:
    return json.dumps({"inputs": [""] * count, "outputs": ["x" * size] * count}).encode()


async def test_what_is_unpacked_may_be_as_large_as_a_body() -> None:
    row = code(ADD, packed=packed(pairs(2, 700_000)))
    assert (await told("/verify", row, max_body_mb=2))[0] == 200
    status, text = await told("/verify", row, max_body_mb=1)
    assert (status, "unpacked it may have at most 1 MiB" in text) == (422, True)


async def test_what_is_unpacked_counts_beside_the_bodies_of_others() -> None:
    row = code(ADD, packed=packed(pairs(2, 700_000)))
    assert (await told("/verify", row, max_body_mb=2, max_bodies_mb=2))[0] == 503
    sent = {"program": "x = 1", "tests": packed(pickle.dumps("[" + " " * 1_500_000 + "]"))}
    assert (await told("/test_program", sent, max_body_mb=2, max_bodies_mb=2))[0] == 503


@pytest.mark.parametrize("content", [pairs(MAX_CASES + 1), b"[" * 100_000, b'{"inputs": 1}', b"{"])
async def test_packed_tests_are_refused_by_name(content: bytes) -> None:
    status, text = await told("/verify", code(ADD, packed=packed(content)))
    assert (status, "verifier_metadata.unit_tests.packed" in text) == (422, True)


async def test_packed_tests_that_are_cut_off_are_refused() -> None:
    whole = zlib.compress(pairs(9))
    status, text = await told("/verify", code(ADD, packed=base64.b64encode(whole[:-6]).decode()))
    assert (status, "it ends too early" in text) == (422, True)


async def test_a_pickle_has_few_instructions() -> None:
    memoized = pickle.dumps('["assert x"]')[:-1] + b"\x94" * 1000 + b"."
    status, text = await told("/test_program", {"program": "x = 1", "tests": packed(memoized)})
    assert (status, "a single string; anything else is refused" in text) == (400, True)


async def test_a_long_test_is_not_parsed_to_see_whether_it_is_one_assert() -> None:
    long = f"assert [{'1,' * MAX_PARSED_CHARS}]"
    assert await _are_single_asserts(["assert x", "assert y"])
    assert not await _are_single_asserts(["assert x", long])


SCRIPTS = {"timeout": 1, "request_timeout": 1}
TOO_MANY: dict[str, tuple[str, Any]] = {
    "open-instruct": ("/test_program", {"program": "x = 1", "tests": ["x", "y", "z"]}),
    "openrlhf": ("/get_reward", {"query": ["a"] * 3, "prompts": [""] * 3, "labels": [None] * 3}),
    "open-r1": ("/execute_batch", {"scripts": ["1"] * 3, "languages": ["python"] * 3, **SCRIPTS}),
    "code-judge": ("/judge/batch", {"type": "batch", "submissions": [{"type": "python", "solution": "1"}] * 3}),
}


@pytest.mark.parametrize("stack", TOO_MANY)
async def test_more_items_than_a_request_may_have_are_refused(stack: str) -> None:
    status, text = await told(*TOO_MANY[stack], max_batch=2)
    assert (status, json.loads(text)) == (422, {"detail": "'3 items': at most 2 in one request (VERIFIER_MAX_BATCH)"})


LONG = [""] * (MAX_CASES + 1)
TOO_LONG: dict[str, tuple[str, Any]] = {
    "open-instruct": ("/test_program", {"program": "x = 1", "tests": LONG}),
    "openrlhf": ("/get_reward", {"query": LONG, "prompts": [], "labels": []}),
    "open-r1": ("/execute_batch", {"scripts": LONG, "languages": [], **SCRIPTS}),
    "code-judge": ("/judge/batch", {"type": "batch", "submissions": [{"type": "cpp", "solution": ""}] * len(LONG)}),
    "piston": ("/api/v2/execute", {"language": "python", "version": "*", "files": [{"content": ""}] * len(LONG)}),
    "nemo-gym": ("/verify", code(ADD, inputs=LONG, outputs=[])),
    "sandbox-fusion": ("/run_code", {"code": "", "language": "python", "fetch_files": LONG}),
}


@pytest.mark.parametrize("stack", TOO_LONG)
async def test_a_list_of_any_stack_has_an_end(stack: str) -> None:
    status, text = await told(*TOO_LONG[stack])
    assert (status, f"at most {MAX_CASES}" in text) == (400 if stack in ("piston", "open-instruct") else 422, True)


@pytest.mark.parametrize(
    ("output", "most"),
    [([{"content": "x"}] * (MAX_OUTPUT + 1), MAX_OUTPUT), ([{"content": [{}] * (MAX_PARTS + 1)}], MAX_PARTS)],
)
async def test_the_messages_of_a_response_are_bounded(output: list[dict[str, object]], most: int) -> None:
    """They are parsed in one step, so their number must be limited."""
    status, text = await told("/verify", code(ADD) | {"response": {"output": output}})
    assert (status, f"at most {most}" in text) == (422, True)


async def test_of_a_list_the_first_wrong_element_is_told() -> None:
    status, text = await told("/judge/batch", {"type": "batch", "submissions": [{}] * 1000})
    locations = [one["loc"] for one in json.loads(text)["detail"]]
    assert (status, locations) == (422, [["body", "submissions", 0, name] for name in ("type", "solution")])


async def test_a_label_of_json_is_read_like_any_body() -> None:
    deep = '{"reference": ' + "[" * 300 + "]" * 300 + "}"
    status, text = await told("/get_reward", {"query": ["a"], "prompts": [""], "labels": [deep]})
    assert (status, "labels.0.reference" in text) == (422, True)


def test_what_programs_of_a_request_write_is_bounded_together() -> None:
    assert share_kb(10_240, 1) == 10_240
    assert share_kb(10_240, 4096) == 65
    assert share_kb(10_240, 4096, "€" * 1024 * 1024) > 3 * 1024


MANY: dict[str, tuple[str, Any]] = {
    "open-r1": ("/execute_batch", {"scripts": ["1"] * 300, "languages": ["python"] * 300, **SCRIPTS}),
    "code-judge": ("/judge/batch", {"type": "batch", "submissions": [{"type": "python", "solution": "1"}] * 300}),
    "sandbox-fusion": ("/submit", submission(*[("4", "5")] * 300)),
}


@pytest.mark.parametrize("stack", MANY)
async def test_each_of_many_programs_has_its_share(stack: str) -> None:
    async with client_of(Cause.BOX_DIED) as client:
        app: Any = client._transport.app  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        judge = app.state.service.dispatcher._judges["run"]  # pyright: ignore[reportPrivateUsage]
        path, sent = MANY[stack]
        await client.post(path, json=sent)
    assert {one.limits.output_limit_kb for one in judge.seen} == {256 * 1024 // 300 + 1}


async def test_large_outputs_are_compared_outside_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def same(expected: str, actual: str) -> bool:
        threads.append(threading.current_thread().name)
        return expected == actual

    monkeypatch.setattr(code_judge, "_same", same)
    large = "x" * (BIG_OUTPUT_CHARS + 1)
    assert await code_judge._is_right(large, large)
    assert not await code_judge._is_right("x", "y")
    assert [name == threading.main_thread().name for name in threads] == [False, True]


def test_the_program_of_a_cell_is_read_once() -> None:
    assert _cell() is _cell()
