"""Submissions and results as the texts that are stored."""

import json
from typing import cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from verifier_service.batch import Item, Unread, read_line
from verifier_service.dispatch import ItemResult, judge_error
from verifier_service.errors import JudgeError
from verifier_service.schema import CodeSubmission, MathSubmission, Result, Run

_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


def written_submission(submission: MathSubmission | CodeSubmission | Run) -> str:
    """Return the text to store.

    Raises:
        ValueError, TypeError: it cannot be written out.
    """
    try:
        return submission.model_dump_json()
    except PydanticSerializationError:  # half surrogates, which JSON may hold and UTF-8 may not
        return json.dumps(submission.model_dump(mode="python"))


def read_submission(text: str) -> Item:
    """Read what was stored; what another version stored in another form is an item with a reason."""
    return read_line(text.encode(), "submission")


def written_result(result: ItemResult) -> str:
    """Return the text of a result."""
    return _RESULT.dump_json(cast(Result, result)).decode()


def read_result(text: str) -> Result:
    """Read a stored result; one that another version stored in another form is a judge error that says so."""
    try:
        return _RESULT.validate_json(text)
    except ValidationError as error:
        reason = f"its result was stored in a form that cannot be read any more: {error.error_count()} errors"
        return cast(Result, judge_error(Unread("unknown", None, reason), JudgeError(reason)))


def failed_result(kind: str, item_id: str | None, error: JudgeError, *, is_set_aside: bool = False) -> str:
    """Return the text of the judge error of a submission that need not be read for that.

    What is set aside was tried often enough: it is not `retryable`.
    """
    known = kind if kind in ("math", "code") else "unknown"
    reason = JudgeError(fit(str(error)), error.cause)
    made = judge_error(Unread(known, item_id, str(reason)), reason)
    return written_result(made.model_copy(update={"retryable": False}) if is_set_aside else made)


def fit(text: str) -> str:
    """Return a text as every database takes it."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
