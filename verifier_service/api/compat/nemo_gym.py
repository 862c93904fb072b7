"""NeMo-Gym's resources server: `POST /seed_session`, `POST /verify`, `GET /reverify_mode`; stateless.

A row with `verifier_metadata.unit_tests` is code, one with `expected_answer` is math. The reply repeats the request,
byte for byte, and adds the reward and other fields. If we fail, the reward is 0.0 with `mask_sample`, or the answer is
503, depending on the setting `nemo_gym_judge_error`.
"""

import json
from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from verifier_service.api import openapi
from verifier_service.api.body import read_body
from verifier_service.api.compat.asking import (
    Foreign,
    Listed,
    answered,
    ask_one,
    fit,
    read_value,
    settings_of,
    submissions,
)
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.in_out import InOut, tests_of, unpacked
from verifier_service.api.compat.refusals import Detail, described, failed, in_details, unhonoured
from verifier_service.dispatch import ItemResult
from verifier_service.errors import Cause, JudgeError, Overloaded
from verifier_service.schema import CodeResult, MathResult, Verdict

router = router_of("NeMo-Gym", in_details)

_FAILURES = {
    Cause.RUNNER_UNAVAILABLE: "provider_unavailable",
    Cause.DEADLINE: "transport_timeout",
}
_ANY_OTHER_FAILURE = "verifier_error"
_TESTS = "verifier_metadata.unit_tests"
MAX_OUTPUT = 1000
"""The most items in one response."""
MAX_PARTS = 20
"""The most parts in one message. A response is validated in one step, so both are bounded."""


class NeMoGymPart(Foreign):
    """Part of a message."""

    type: str = ""
    text: str | None = None


class NeMoGymOutput(Foreign):
    """An item of a response. Only messages are part of the answer; everything else is passed on."""

    type: str = "message"
    content: Annotated[list[NeMoGymPart], Field(max_length=MAX_PARTS, fail_fast=True)] | str | None = None

    @property
    def text(self) -> str:
        """The text of the item."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text or "" for part in self.content or () if part.type == "output_text")


class NeMoGymResponse(Foreign):
    """A response in the format of OpenAI's Responses API."""

    output: Annotated[list[NeMoGymOutput], Field(max_length=MAX_OUTPUT, fail_fast=True)]

    @property
    def answer(self) -> str:
        """The text of all messages."""
        return "".join(one.text for one in self.output if one.type == "message")


class NeMoGymUnitTests(Foreign):
    """Tests of a program: inputs and outputs, or both `packed` as base64(zlib(JSON))."""

    inputs: Listed[str] | None = None
    outputs: Listed[str] | None = None
    packed: str | None = None
    fn_name: str | None = None


class NeMoGymMetadata(Foreign):
    """A code row's data for the verifier."""

    unit_tests: NeMoGymUnitTests | None = None


class NeMoGymParameters(Foreign):
    """The prompt; it is passed on."""

    input: str | Listed[dict[str, object]]


class NeMoGymVerify(Foreign):
    """A row of a data set with the model's response."""

    responses_create_params: NeMoGymParameters
    response: NeMoGymResponse
    verifier_metadata: NeMoGymMetadata | None = None
    expected_answer: str | int | float | None = None


class NeMoGymVerified(BaseModel):
    """The request with additional fields. If `mask_sample` is true, the reward is meaningless."""

    model_config = ConfigDict(extra="allow")

    reward: float
    mask_sample: bool = False
    failure_kind: str | None = None
    failure_reason: str | None = None
    extracted_answer: str | None = Field(default=None, description="math only")
    library_reward: float | None = Field(default=None, description="math only: the reward again")
    extracted_model_output: str | None = Field(default=None, description="code only: the text of the answer")
    extracted_model_code: str | None = Field(default=None, description="code only: the program in the answer")
    result: list[bool] | None = Field(default=None, description="code only: which tests passed")
    unit_tests_time_taken: float | None = Field(default=None, description="code only: seconds")
    metadata: dict[str, str] | None = Field(default=None, description="the verdict and its reason")


class NeMoGymSeed(Foreign):
    """A row of a data set, or nothing. The session id that newer callers send is returned."""

    resources_session_id: str | None = None


class NeMoGymSeeded(BaseModel):
    """The session id, if one was sent. The service keeps no sessions."""

    resources_session_id: str | None = None


@router.post(
    "/seed_session",
    response_model=NeMoGymSeeded,
    responses=described(Detail, 401, 413, 422, 429),
    openapi_extra=openapi.body(NeMoGymSeed),
)
async def seed_session(request: Request) -> Response:
    """Begin a session. Nothing is stored: `/verify` needs only what it is sent."""
    body = await read_body(request)
    seed = fit(await read_value(body), NeMoGymSeed) if body.strip() else NeMoGymSeed()
    nothing = {"resources_session_id"} if seed.resources_session_id is None else None
    return answered(NeMoGymSeeded(resources_session_id=seed.resources_session_id), nothing)


@router.get("/reverify_mode", responses=described(Detail, 401, 429))
async def reverify_mode() -> Literal["stateless"]:
    """Return `stateless`: stored rollouts can be verified again by posting them to `/verify`."""
    return "stateless"


@router.post(
    "/verify",
    response_model=NeMoGymVerified,
    responses=described(Detail, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(NeMoGymVerify),
)
async def verify(request: Request) -> Response:
    """Judge a model's response to a row, and return the row with its reward."""
    body = await read_body(request)
    sent = await read_value(body)
    verified = await _verified(request, fit(sent, NeMoGymVerify))
    fields = _beside(sent, verified.model_dump(exclude_unset=True))
    return Response(_with_fields(body, sent, fields), media_type="application/json")


async def _verified(request: Request, row: NeMoGymVerify) -> NeMoGymVerified:
    answer = row.response.answer
    masks = settings_of(request).nemo_gym_judge_error == "mask"
    (item,) = await submissions([await _submission(request, row, answer)])
    try:
        told = await ask_one(request, item)
    except Overloaded as error:
        if not masks:
            raise
        return _masked(JudgeError(str(error), Cause.RUNNER_UNAVAILABLE))
    if told.error is None:
        return _judged(told.result, answer)
    if not masks:
        raise failed(told.error)
    return _masked(told.error)


async def _submission(request: Request, row: NeMoGymVerify, answer: str) -> dict[str, object]:
    tests = row.verifier_metadata.unit_tests if row.verifier_metadata is not None else None
    if tests is not None:
        pairs = await _pairs(request, tests)
        return {"kind": "code", "completion": answer, "tests": await tests_of(pairs, answer, _TESTS)}
    if row.expected_answer is None:
        allowed = "a row needs `verifier_metadata.unit_tests` (code) or `expected_answer` (math)"
        raise unhonoured("expected_answer", None, allowed, 422)
    return {"kind": "math", "completion": answer, "reference": str(row.expected_answer)}


async def _pairs(request: Request, tests: NeMoGymUnitTests) -> InOut:
    if tests.packed is not None:
        pairs = await unpacked(request, tests.packed, f"{_TESTS}.packed")
        return pairs.model_copy(update={"fn_name": tests.fn_name})
    if tests.inputs is None or tests.outputs is None:
        raise unhonoured(_TESTS, "", "it needs `inputs` and `outputs`, or `packed` with both", 422)
    return InOut(inputs=tests.inputs, outputs=tests.outputs, fn_name=tests.fn_name)


def _judged(result: ItemResult, answer: str) -> NeMoGymVerified:
    reward = 1.0 if isinstance(result, (MathResult, CodeResult)) and result.verdict is Verdict.ACCEPTED else 0.0
    common = {"reward": reward, "mask_sample": False, "failure_kind": None, "failure_reason": None}
    if isinstance(result, CodeResult):
        return NeMoGymVerified(
            **common,
            extracted_model_output=answer,
            extracted_model_code=result.extracted,
            result=[one.verdict is Verdict.ACCEPTED for one in result.tests],
            unit_tests_time_taken=result.run_s,
            metadata={"verdict": result.verdict.value, "message": result.message},
        )
    assert isinstance(result, MathResult)
    return NeMoGymVerified(
        **common,
        extracted_answer=result.extracted,
        library_reward=reward,
    )


def _masked(error: JudgeError) -> NeMoGymVerified:
    kind = _FAILURES.get(error.cause, _ANY_OTHER_FAILURE)
    return NeMoGymVerified(reward=0.0, mask_sample=True, failure_kind=kind, failure_reason=str(error))


def _beside(sent: object, fields: dict[str, object]) -> dict[str, object]:
    """Return the fields that do not collide with the row's own; fields from an earlier answer are not its own."""
    if not isinstance(sent, dict):
        return fields
    metadata = sent.get("metadata")
    is_ours = isinstance(metadata, dict) and metadata.keys() == {"verdict", "message"}
    own = {"metadata": "metadata" in sent and not is_ours, "result": "result" in sent and "reward" not in sent}
    return {name: value for name, value in fields.items() if not own.get(name)}


def _with_fields(body: bytes, sent: object, fields: dict[str, object]) -> bytes:
    """Return a JSON object with added fields and everything else exactly as sent, down to the digits of numbers.

    A rollout that is verified again already has these fields; then the object is serialized again, because appending
    would write names twice.
    """
    if isinstance(sent, dict) and fields.keys() & sent.keys():
        return json.dumps({**sent, **fields}).encode()
    return body.rstrip()[:-1] + b"," + json.dumps(fields)[1:].encode()


ENDPOINT = Endpoint(router, (NeMoGymSeed, NeMoGymVerify))
