"""How each stack is told of our own failure: never as a wrong answer, if its format can say anything else."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.api.compat.test_nemo_gym import ADD, MATH, PAIRS, code
from tests.api.compat.test_sandbox_fusion import submission
from verifier_service.api.compat import ENDPOINTS
from verifier_service.app import create_app
from verifier_service.batch import Item
from verifier_service.dispatch import Dispatcher, ItemResult
from verifier_service.errors import Cause, JudgeError
from verifier_service.languages import Languages, load_languages
from verifier_service.settings import Settings, Stack


class Down:
    """A judge that admits everything but cannot judge anything."""

    def __init__(self, cause: Cause | None) -> None:
        self._cause = cause
        self.seen: list[Item] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def ready(self) -> str | None: ...

    def admission(self, deadline_s: float, /) -> Callable[[Item], Awaitable[Item]]:
        return self._admit

    async def _admit(self, item: Item) -> Item:
        return item

    def canary_of(self, admitted: Item, /) -> str:
        return ""

    async def judge(
        self, admitted: Sequence[Item], on_result: Callable[[int, ItemResult | JudgeError], None], /
    ) -> None:
        """Fail with the given cause, or hang if there is none."""
        self.seen += admitted
        if self._cause is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        for index in range(len(admitted)):
            on_result(index, JudgeError("it is down", self._cause))


def client_of(cause: Cause | None, **settings: Any) -> httpx.AsyncClient:
    """Return a client of an app whose judges are down."""
    known = Settings(**settings)
    app = create_app(known)
    judges = {kind: Down(cause) for kind in ("math", "code", "run")}
    dispatcher = Dispatcher(known, judges, app.state.metrics)
    languages = Languages(load_languages(), dict.fromkeys(load_languages(), "1.0"))
    app.state.service = SimpleNamespace(dispatcher=dispatcher, languages=languages, settings=known)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.parametrize("row", [MATH, code(ADD, **PAIRS)], ids=["math", "code"])
async def test_nemo_gym_hears_of_a_mask_or_of_503(row: dict[str, Any]) -> None:
    async with client_of(Cause.BOX_DIED) as client:
        told = (await client.post("/verify", json=row)).json()
    assert told | row == told
    assert {name: told[name] for name in told.keys() - row.keys()} == {
        "reward": 0.0,
        "mask_sample": True,
        "failure_kind": "verifier_error",
        "failure_reason": "it is down",
    }
    async with client_of(Cause.BOX_DIED, nemo_gym_judge_error="error") as client:
        answer = await client.post("/verify", json=row)
    assert (answer.status_code, answer.json()) == (503, {"detail": "it is down"})


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.RUNNER_UNAVAILABLE, "provider_unavailable"),
        (Cause.DEADLINE, "transport_timeout"),
        (None, "transport_timeout"),
    ],
)
async def test_nemo_gym_hears_the_kind_of_failure(cause: Cause | None, kind: str) -> None:
    async with client_of(cause, default_deadline_s=0.2 if cause is None else 60) as client:
        assert (await client.post("/verify", json=MATH)).json()["failure_kind"] == kind


async def test_a_stack_that_is_switched_off_has_no_paths() -> None:
    assert Settings(compat="all").compat == Settings().compat == frozenset(Stack)  # pyright: ignore[reportArgumentType]
    async with client_of(None, compat="none") as client:
        assert (await client.get("/reverify_mode")).status_code == 404


async def test_a_wrong_key_is_refused_in_the_callers_shape() -> None:
    async with client_of(None, api_key="secret") as client:
        answer = await client.post("/verify", json=MATH)
    assert (answer.status_code, list(answer.json())) == (401, ["detail"])


@pytest.mark.parametrize("cause", [Cause.BOX_DIED, Cause.RUNNER_UNAVAILABLE, Cause.DEADLINE, Cause.INTERNAL, None])
async def test_sandbox_fusion_hears_504_which_verl_sends_again(cause: Cause | None) -> None:
    async with client_of(cause, default_deadline_s=0.2 if cause is None else 60) as client:
        answer = await client.post("/submit", json=submission(("4", "5")))
        assert (answer.status_code, list(answer.json())) == (504, ["detail"])
        if cause is not None:
            answer = await client.post("/run_code", json={"code": "1", "language": "python"})
            assert (answer.status_code, list(answer.json())) == (504, ["detail"])


def test_sandbox_fusion_announces_the_504_that_it_sends_and_no_429() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    for path in ("/run_code", "/submit", "/v1/ping"):
        (operation,) = paths[path].values()
        assert operation["responses"].keys() & {"429", "503", "504"} == {"504"}


async def test_a_service_that_ends_tells_sandbox_fusion_504() -> None:
    async with client_of(None) as client:
        app: Any = client._transport.app  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        app.state.drain.begin()
        statuses = {
            path: (await client.post(path, json={})).status_code for path in ("/run_code", "/submit", "/verify")
        }
    assert statuses == {"/run_code": 504, "/submit": 504, "/verify": 503}


async def test_a_full_queue_is_waited_for() -> None:
    """One of two requests finds the queue full. The endpoint tries again until there is room, and it is judged."""
    async with client_of(Cause.BOX_DIED, max_queued=1, queue_wait_s=0.0) as client:
        both = await asyncio.gather(*(client.post("/verify", json=MATH) for _ in range(2)))
    assert [one.json()["failure_reason"] for one in both] == ["it is down", "it is down"]


SENT: dict[str, tuple[str, Any]] = {
    "openrlhf": ("/get_reward", {"query": ["a"], "prompts": [""], "labels": ["1"]}),
    "slime": ("/slime", {"prompt": "", "response": "a", "label": "1"}),
    "open-instruct asserts": ("/test_program", {"program": "x = 1", "tests": ["assert x", "assert x == 1"]}),
    "open-instruct programs": ("/test_program_stdio", {"program": "x = 1", "tests": [{"input": "", "output": ""}]}),
    "piston": ("/api/v2/execute", {"language": "python", "version": "*", "files": [{"content": "1"}]}),
    "nemo-skills": ("/execute", {"generated_code": "1", "timeout": 1, "language": "python"}),
}


@pytest.mark.parametrize("stack", SENT)
async def test_a_stack_without_a_word_for_it_hears_503(stack: str) -> None:
    path, sent = SENT[stack]
    async with client_of(Cause.BOX_DIED) as client:
        answer = await client.post(path, json=sent)
    assert (answer.status_code, list(answer.json().values())) == (503, ["it is down"])
    assert answer.headers["retry-after"] == "5"


async def test_open_r1_and_code_judge_hear_it_of_each_item() -> None:
    scripts = {"scripts": ["1"], "languages": ["python"], "timeout": 1, "request_timeout": 1}
    programs = {"type": "batch", "submissions": [{"sub_id": "a", "type": "python", "solution": "1"}]}
    async with client_of(Cause.BOX_DIED) as client:
        told = (await client.post("/execute_batch", json=scripts)).json()
        assert told == [{"execution": None, "text": None, "exception_str": "it is down"}]
        (one,) = (await client.post("/judge/batch", json=programs)).json()["results"]
        assert (one["success"], one["reason"]) == (False, "internal_error")
    async with client_of(Cause.DEADLINE) as client:
        (one,) = (await client.post("/judge/batch", json=programs)).json()["results"]
        assert (one["success"], one["reason"]) == (False, "queue_timeout")


async def test_open_r1_waits_as_long_as_its_caller_does() -> None:
    scripts = {"scripts": ["1"], "languages": ["python"], "timeout": 1, "request_timeout": 1}
    async with client_of(None, default_deadline_s=600) as client:
        (one,) = (await client.post("/execute_batch", json=scripts, timeout=60)).json()
    assert (one["execution"], "deadline" in one["exception_str"]) == (None, True)


async def test_every_stack_refuses_a_wrong_key_in_its_own_shape() -> None:
    shapes = {"/api/v2/execute": ["message"], "/execute": ["error"]}
    async with client_of(None, api_key="secret") as client:
        for path, sent in SENT.values():
            answer = await client.post(path, json=sent)
            assert (answer.status_code, [name for name, value in answer.json().items() if value]) == (
                401,
                shapes.get(path, ["detail"]),
            )


def test_every_stack_that_a_setting_names_has_its_endpoint() -> None:
    assert set(ENDPOINTS) == set(Stack)
