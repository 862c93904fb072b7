"""slime's remote reward: `POST /slime`. The body of the answer is the reward.

The API cannot express a sample that could not be judged. Our failures are answered with 503, which the caller retries;
in the end it stops.
"""

from typing import Annotated, cast

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse

from verifier_service.api import openapi
from verifier_service.api.compat.asking import Foreign, ask_one, read, submissions
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.labels import submission, without_last_tokens
from verifier_service.api.compat.refusals import Detail, described, failed, in_details
from verifier_service.schema import CodeResult, MathResult

DEADLINE_S = 110.0
"""slime's own timeout is ten seconds longer."""

router = router_of("slime", in_details)


class SlimeSample(Foreign):
    """A model's response, and the label of its row."""

    prompt: object = None
    response: str
    label: object


@router.post(
    "/slime",
    response_model=float | dict[str, float | str],
    responses=described(Detail, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(SlimeSample),
)
async def slime(
    request: Request,
    reward_key: Annotated[
        str | None, Query(description="answer with an object that has the reward under this name")
    ] = None,
) -> Response:
    """Judge a sample by its label and return its score: a number, or an object if `?reward_key=NAME` is given."""
    sent = await read(request, SlimeSample)
    (item,) = await submissions([await submission(without_last_tokens(sent.response), sent.label, "label")])
    told = await ask_one(request, item, DEADLINE_S)
    if told.error is not None:
        raise failed(told.error)
    result = cast(MathResult | CodeResult, told.result)
    score = result.score or 0.0
    return JSONResponse(score if reward_key is None else {"verdict": result.verdict.value, reward_key: score})


ENDPOINT = Endpoint(router, (SlimeSample,))
