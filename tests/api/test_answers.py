"""When the client of a batch hangs up, its work is cancelled and its data is released."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

import pytest
from starlette.types import Message, Scope

from verifier_service.app import create_app
from verifier_service.dispatch import Dispatcher
from verifier_service.errors import JudgeError
from verifier_service.schema import CodeResult, CodeSubmission, StdioTests
from verifier_service.settings import Settings

CASES = [{"stdin": str(n), "stdout": ""} for n in range(500)]
CODE = {"kind": "code", "completion": "x", "tests": {"kind": "stdio", "cases": CASES}}
SEEN_WITHIN_S = 30


class JudgesOne:
    """Judges only the first submission of a batch; the others never finish."""

    def __init__(self) -> None:
        self.taken: list[CodeSubmission] = []
        self.was_cancelled = False

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ready(self) -> str | None:
        return None

    def canary_of(self, admitted: CodeSubmission) -> str:
        return "code"

    def admission(self, deadline_s: float) -> Callable[[CodeSubmission], Awaitable[CodeSubmission]]:
        async def admit(submission: CodeSubmission) -> CodeSubmission:
            return submission

        return admit

    async def judge(
        self, admitted: Sequence[CodeSubmission], on_result: Callable[[int, CodeResult | JudgeError], None], /
    ) -> None:
        self.taken += admitted
        on_result(0, CodeResult.judge_error(None, "it is over"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


@pytest.mark.parametrize(
    ("accept", "hangs_up_at"),
    [("application/x-ndjson", "start"), ("application/x-ndjson", "line"), ("application/json", "judging")],
)
async def test_a_batch_whose_client_hangs_up_is_ended_and_let_go_of(accept: str, hangs_up_at: str) -> None:
    settings, judge, hung_up = Settings(), JudgesOne(), asyncio.Event()
    app = create_app(settings)
    dispatcher = Dispatcher(settings, {"code": judge}, app.state.metrics)
    app.state.service = SimpleNamespace(dispatcher=dispatcher)
    body = [json.dumps({"submissions": [CODE, CODE]}).encode()]

    async def receive() -> Message:
        if body:
            return {"type": "http.request", "body": body.pop(), "more_body": False}
        if hangs_up_at == "judging":
            while not judge.taken:
                await asyncio.sleep(0)
        else:
            await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if hangs_up_at == ("start" if message["type"] == "http.response.start" else "line"):
            hung_up.set()
            if accept == "application/x-ndjson":
                await asyncio.Event().wait()  # nobody reads it

    headers = [(b"accept", accept.encode()), (b"host", b"localhost")]
    scope: Scope = {"type": "http", "method": "POST", "path": "/v1/verify", "headers": headers, "query_string": b""}
    async with asyncio.timeout(SEEN_WITHIN_S):
        await app(scope, receive, send)
        assert judge.was_cancelled
        assert dispatcher.in_hand == 0
        for one in judge.taken:
            assert isinstance(one.tests, StdioTests)
            while one.tests.cases:
                await asyncio.sleep(0.01)
    assert app.state.metrics.registry.get_sample_value("verifier_body_bytes") == 0
