"""OpenRLHF's remote reward model: `POST /get_reward`. Lists may be empty.

The API cannot express a sample that could not be judged. Our failures are answered with 503, which the caller retries;
in the end it omits the reward.
"""

from fastapi import Request, Response
from pydantic import BaseModel, Field

from verifier_service.api import openapi
from verifier_service.api.compat.asking import Foreign, Listed, answered, ask, read, refuse_too_many, submissions
from verifier_service.api.compat.endpoint import Endpoint, router_of
from verifier_service.api.compat.labels import submission, without_last_tokens
from verifier_service.api.compat.refusals import Detail, described, failed, in_details, unhonoured
from verifier_service.schema import CodeResult, MathResult, Verdict

DEADLINE_S = 170.0
"""OpenRLHF's own timeout is ten seconds longer."""

router = router_of("OpenRLHF", in_details)


class OpenRLHFSamples(Foreign):
    """Samples: each `query` is a prompt followed by the model's completion."""

    query: Listed[str]
    prompts: Listed[str]
    labels: Listed[object]


class OpenRLHFRewards(BaseModel):
    """A reward for each sample."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]] = Field(description="`correct`: 1.0 if the sample was accepted, else 0.0")


@router.post(
    "/get_reward",
    response_model=OpenRLHFRewards,
    responses=described(Detail, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(OpenRLHFSamples),
)
async def get_reward(request: Request) -> Response:
    """Judge samples by their labels, and return their scores."""
    sent = await read(request, OpenRLHFSamples)
    if not len(sent.query) == len(sent.prompts) == len(sent.labels):
        sizes = f"{len(sent.query)}, {len(sent.prompts)} and {len(sent.labels)}"
        raise unhonoured("query, prompts and labels", sizes, "they must be lists of equal length", 422)
    refuse_too_many(request, len(sent.query))
    rows = zip(sent.query, sent.prompts, sent.labels, strict=True)
    items = [await submission(_completion(*texts), label, f"labels.{i}") for i, (*texts, label) in enumerate(rows)]
    scores: list[float] = []
    correct: list[float] = []
    for told in await ask(request, await submissions(items), DEADLINE_S):
        if told.error is not None:
            raise failed(told.error)
        if isinstance(told.result, (MathResult, CodeResult)):
            scores.append(told.result.score or 0.0)
            correct.append(float(told.result.verdict is Verdict.ACCEPTED))
    return answered(OpenRLHFRewards(rewards=scores, scores=scores, extra_logs={"correct": correct}))


def _completion(query: str, prompt: str) -> str:
    """Return the completion: the query without its prompt, or the whole query if it does not begin with the prompt."""
    return without_last_tokens(query.removeprefix(prompt))


ENDPOINT = Endpoint(router, (OpenRLHFSamples,))
