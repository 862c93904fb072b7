"""Serialize submissions and results for storage."""

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
        ValueError, TypeError: it cannot be serialized.
    """
    try:
        return submission.model_dump_json()
    except PydanticSerializationError:  # lone surrogates, which JSON can escape and UTF-8 cannot encode
        return json.dumps(submission.model_dump(mode="python"))


def read_submission(text: str) -> Item:
    """Read a durable submission. If another version stored it in a format that this one rejects, it is `Unread`."""
    return read_line(text.encode(), "submission")


def written_result(result: ItemResult) -> str:
    """Return the text of a result."""
    return _RESULT.dump_json(cast(Result, result)).decode()


def read_result(text: str) -> Result:
    """Read a stored result. If another version stored it in a format that this one rejects, it is a judge error."""
    try:
        return _RESULT.validate_json(text)
    except ValidationError as error:
        reason = f"another version stored its result in a format that cannot be read: {error.error_count()} errors"
        return cast(Result, judge_error(Unread("unknown", None, reason), JudgeError(reason)))


def failed_result(kind: str, item_id: str | None, error: JudgeError, *, is_set_aside: bool = False) -> str:
    """Return the serialized judge error for a submission, without reading the submission.

    A submission that was set aside has failed too often: it is not `retryable`.
    """
    known = kind if kind in ("math", "code") else "unknown"
    reason = JudgeError(fit(str(error)), error.cause)
    made = judge_error(Unread(known, item_id, str(reason)), reason)
    return written_result(made.model_copy(update={"retryable": False}) if is_set_aside else made)


def fit(text: str) -> str:
    """Return a text that every database accepts: without NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
