"""Durable submissions: what stores a batch, and what is returned about stored ones. Times are in UTC."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from verifier_service.schema import patterns
from verifier_service.schema.base import Answered, Asked, Worded
from verifier_service.schema.requests import VerifyRequest
from verifier_service.schema.results import Result

MAX_IDS = 4096
"""The most submissions that one request can look up by their ids."""

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=patterns.LABEL)]
CallbackUrl = Annotated[str, Field(min_length=1, max_length=2000, pattern=patterns.CALLBACK_URL)]


class SubmitRequest(VerifyRequest):
    """A batch to store and to judge later.

    It has the fields of a batch for `POST /v1/verify`, and two more. Its `deadline_s` counts from acceptance, and is
    `VERIFIER_DURABLE_DEADLINE_S` (a day by default) when omitted.
    """

    label: Label | None = Field(
        default=None, description="a name of your own for the batch, printable ASCII, by which to list it"
    )
    callback_url: CallbackUrl | None = Field(
        default=None,
        description="an address of yours that gets a POST when the whole batch is finished; its host must be in "
        "`VERIFIER_WEBHOOK_HOSTS`",
    )


class StoredIds(Answered):
    """The ids of a batch that was stored."""

    ids: list[str] = Field(description="one id for each submission, in the order of the request")
    batch_id: str = Field(default="", description="the id of the batch")


class StoredState(Worded):
    """How far a durable submission is."""

    QUEUED = "queued", "It waits for its turn."
    RUNNING = "running", "It is being judged."
    DONE = "done", "It has a result."
    CANCELLED = "cancelled", "It was cancelled before it had a result."


class StoredAttempt(Answered):
    """An attempt at judging that failed for a reason of the service's own."""

    number: int = Field(description="which attempt it was, from 1")
    started_at: datetime | None = Field(description="when it began")
    ended_at: datetime = Field(description="when it failed")
    cause: str = Field(description="why it failed, in one word: a cause of `judge_error`")
    reason: str = Field(description="why it failed, in a sentence")


class StoredSubmission(Answered):
    """A durable submission."""

    id: str = Field(description="its id at the service")
    state: StoredState = Field(description="how far it is")
    result: Annotated[Result | None, Field(description="its result; null until the state is `done`")] = None
    batch_id: str = Field(default="", description="the id of its batch")
    kind: str = Field(default="unknown", description="`math`, `code`, or `unknown` if it could not be read")
    submission_id: str | None = Field(default=None, description="the `id` that the submission was sent with")
    created_at: datetime | None = Field(default=None, description="when it was stored")
    started_at: datetime | None = Field(default=None, description="when the last attempt to judge it began")
    finished_at: datetime | None = Field(default=None, description="when it was done or cancelled")
    deadline_at: datetime | None = Field(
        default=None, description="when it becomes a `judge_error` if it is not judged"
    )
    attempt: int = Field(default=0, description="attempts to judge it that were begun")
    attempts: list[StoredAttempt] = Field(
        default_factory=list, description="the last 20 attempts that the service failed, the oldest first"
    )
    position: int | None = Field(
        default=None,
        description="submissions of its kind and client that are before it in the queue; null when several are listed",
    )


class StoredPage(Answered):
    """A page of durable submissions, newest first."""

    submissions: list[StoredSubmission] = Field(description="the submissions of this page")
    next_cursor: str | None = Field(description="the `cursor` of the next page; null on the last one")


class StoredBatchGet(Asked):
    """Ids of durable submissions to look up at once."""

    ids: list[Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=MAX_IDS, description="ids that the service returned"
    )


class StoredFound(Answered):
    """The durable submissions that were looked up by their ids."""

    submissions: list[StoredSubmission] = Field(description="those that were found, in the order of the ids")
    missing: list[str] = Field(description="the ids that this service does not have")


class StoredBatch(Answered):
    """A batch of durable submissions."""

    id: str = Field(description="its id at the service")
    label: str | None = Field(default=None, description="the label that it was sent with")
    created_at: datetime = Field(description="when it was stored")
    finished_at: datetime | None = Field(description="when the last submission was done or cancelled; null until then")
    total: int = Field(description="submissions that it was sent with")
    counts: dict[StoredState, int] = Field(description="how many of its kept submissions are in each state")
    submissions: list[StoredSubmission] = Field(
        default_factory=list, description="its submissions in the order of the request; empty with `?submissions=false`"
    )
    callback_url: str | None = Field(default=None, description="the `callback_url` that it was sent with")
    callback_done_at: datetime | None = Field(default=None, description="when the callback was accepted")
    callback_tries: int = Field(default=0, description="callbacks that were sent")
    callback_error: str | None = Field(default=None, description="why the last callback failed")
