"""OpenRLHF's remote reward model: `POST /get_reward`. Lists may be empty.

It has no word for a sample that could not be judged: any failure of ours is 503, after which it sends again, and in the
end leaves the reward out.
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
"""OpenRLHF waits ten seconds longer."""

router = router_of("OpenRLHF", in_details)


class OpenRLHFSamples(Foreign):
    """Samples: each text of `query` begins with its prompt, and ends with what a model wrote."""

    query: Listed[str]
    prompts: Listed[str]
    labels: Listed[object]


class OpenRLHFRewards(BaseModel):
    """A reward for each sample."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]] = Field(description="`correct`: 1.0 where a sample was accepted")


@router.post(
    "/get_reward",
    response_model=OpenRLHFRewards,
    responses=described(Detail, 401, 413, 422, 429, 503),
    openapi_extra=openapi.body(OpenRLHFSamples),
)
async def get_reward(request: Request) -> Response:
    """Judge samples, each by its label, and return their scores."""
    sent = await read(request, OpenRLHFSamples)
    if not len(sent.query) == len(sent.prompts) == len(sent.labels):
        sizes = f"{len(sent.query)}, {len(sent.prompts)} and {len(sent.labels)}"
        raise unhonoured("query, prompts and labels", sizes, "lists of equal length", 422)
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
    """Return what a model wrote: the query without its prompt, or all of it where it does not begin with that."""
    return without_last_tokens(query.removeprefix(prompt))


ENDPOINT = Endpoint(router, (OpenRLHFSamples,))
