"""Durable submissions: what is sent to store a batch, and what is told of what is stored. Times are in UTC."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from verifier_service.schema.base import Answered, Asked
from verifier_service.schema.requests import VerifyRequest
from verifier_service.schema.results import Result

MAX_IDS = 4096
"""Submissions that may be asked for at once by their ids."""

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[ -~]*$")]
CallbackUrl = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://[!-~]+$")]


class SubmitRequest(VerifyRequest):
    """A batch to store and judge later. `deadline_s` counts from acceptance; without one the service's own holds."""

    label: Label | None = Field(default=None, description="a name of your own for the batch, to list it by")
    callback_url: CallbackUrl | None = Field(
        default=None, description="told with a signed POST when all submissions of the batch are finished"
    )


class StoredIds(Answered):
    """One id for each submission that was stored, in the order of the request, and the id of the batch."""

    ids: list[str]
    batch_id: str = ""


class StoredState(StrEnum):
    """How far a stored submission is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class StoredAttempt(Answered):
    """An attempt to judge that failed without the submission's or the request's fault."""

    number: int
    started_at: datetime | None
    ended_at: datetime
    cause: str
    reason: str


class StoredSubmission(Answered):
    """A stored submission; `result` is there when it is done."""

    id: str
    state: StoredState
    result: Annotated[Result | None, Field(description="null until the state is `done`")] = None
    batch_id: str = ""
    kind: str = Field(default="unknown", description="`math`, `code`, or `unknown` where it could not be read")
    submission_id: str | None = Field(default=None, description="the `id` that the submission was sent with")
    created_at: datetime | None = None
    started_at: datetime | None = Field(default=None, description="when the last attempt to judge it began")
    finished_at: datetime | None = None
    deadline_at: datetime | None = Field(default=None, description="what is not judged by then is a judge_error")
    attempt: int = Field(default=0, description="how many attempts to judge it were begun")
    attempts: list[StoredAttempt] = Field(
        default_factory=list, description="the last attempts that failed without its fault, the oldest first"
    )
    position: int | None = Field(
        default=None,
        description="how many of its kind and client are before it in line; told where one is asked for alone",
    )


class StoredPage(Answered):
    """A page of stored submissions, the newest first."""

    submissions: list[StoredSubmission]
    next_cursor: str | None = Field(description="the `cursor` of the next page; null on the last one")


class StoredBatchGet(Asked):
    """Ids to look up at once."""

    ids: list[Annotated[str, Field(max_length=200)]] = Field(min_length=1, max_length=MAX_IDS)


class StoredFound(Answered):
    """What was found of the ids that were asked for, in their order, and the ids that are not kept here."""

    submissions: list[StoredSubmission]
    missing: list[str]


class StoredBatch(Answered):
    """A stored batch: how far it is, and its submissions in the order of the request."""

    id: str
    label: str | None = None
    created_at: datetime
    finished_at: datetime | None = Field(description="null until all submissions are `done` or `cancelled`")
    total: int = Field(description="how many submissions it was sent with")
    counts: dict[StoredState, int] = Field(description="how many of those that are kept are in each state")
    submissions: list[StoredSubmission] = Field(default_factory=list)
    callback_url: str | None = None
    callback_done_at: datetime | None = Field(default=None, description="when the callback was taken")
    callback_tries: int = 0
    callback_error: str | None = Field(default=None, description="why the last try of the callback failed")
