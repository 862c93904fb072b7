"""The client's side of the protocol: request bodies with shared suites, matching of results, problem documents."""

import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from verifier_service.client.errors import PassingTrouble, VerifierRefused
from verifier_service.schema import MAX_COMPLETION_CHARS, Problem, Result, VerifyResponse

PASSING_STATUS = {408, 425, 429}  # and every 5xx
TOO_LARGE = 413
JSON = "application/json"
LINES = "application/x-ndjson"

_RESULT: TypeAdapter[Result] = TypeAdapter(Result)

Plain = dict[str, object]
"""A submission as a dict, as on the wire."""


def plain(submission: Mapping[str, object] | BaseModel) -> Plain:
    """Return a submission as a dict; fields not set in a model are omitted, so that the verifier's defaults apply."""
    if isinstance(submission, BaseModel):
        return {**submission.model_dump(mode="json", exclude_unset=True), "kind": getattr(submission, "kind", None)}
    return dict(submission)


def encode(submissions: Iterable[Plain], deadline_s: float) -> bytes:
    """Serialize a request; tests that several submissions share are sent once, as a suite.

    Lone surrogates, which UTF-8 cannot encode, become question marks, and completions above the maximum length are cut
    at the beginning. Otherwise one such completion would make the verifier refuse the whole request.
    """
    chunk = list(submissions)
    keys = [_tests_key(submission) for submission in chunk]
    shared = {key for key, count in Counter(keys).items() if key is not None and count > 1}
    suites: dict[str, object] = {}
    sent = []
    for submission, key in zip(chunk, keys, strict=True):
        completion = submission.get("completion")
        one = {**submission}
        if isinstance(completion, str):
            one["completion"] = completion[-MAX_COMPLETION_CHARS:]
        if key in shared:
            suites[str(key)] = submission["tests"]
            one["tests"] = key
        sent.append(one)
    body = {"submissions": sent, "suites": suites, "deadline_s": deadline_s}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")


def _tests_key(submission: Plain) -> str | None:
    tests = submission.get("tests")
    if not isinstance(tests, dict):
        return None
    return hashlib.sha256(json.dumps(tests, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Sent:
    """Submissions as sent: each gets a unique id, which its result must repeat."""

    submissions: list[Plain]
    given: Sequence[str | None]
    """The callers' own ids."""

    @classmethod
    def of(cls, submissions: Sequence[Plain]) -> "Sent":
        """Assign the ids."""
        word = secrets.token_hex(8)
        with_ids = [{**one, "id": f"{word}-{index}"} for index, one in enumerate(submissions)]
        given = [one.get("id") for one in submissions]
        return cls(with_ids, [one if isinstance(one, str) else None for one in given])

    def results_of(self, content: bytes) -> list[Result]:
        """Return the results in an answer, one per submission, with the callers' own ids.

        Raises:
            PassingTrouble: the results belong to other submissions, or have an unknown format.
        """
        try:
            results = VerifyResponse.model_validate_json(content).results
        except ValidationError as problem:
            raise PassingTrouble(f"an answer with an unknown format: {_first(problem)}") from problem
        if len(results) != len(self.submissions):
            raise PassingTrouble(f"{len(results)} results for {len(self.submissions)} submissions")
        return [self._own(index, result) for index, result in enumerate(results)]

    def result_of(self, line: str) -> tuple[int, Result] | None:
        """Return index and result from a line of a stream; None for the summary at the end.

        Raises:
            PassingTrouble: it is neither.
        """
        try:
            told = json.loads(line)
            if "summary" in told:
                return None
            index = told["index"]
            return index, self._own(index, _RESULT.validate_python(told))
        except (ValueError, KeyError, TypeError, IndexError) as problem:
            raise PassingTrouble(f"a line with an unknown format: {line[:200]}") from problem

    def _own(self, index: int, result: Result) -> Result:
        sent = self.submissions[index]
        if result.id != sent["id"]:
            raise PassingTrouble(f"a result for another submission: id {result.id!r} instead of {sent['id']!r}")
        if result.kind != sent.get("kind") and sent.get("kind") in ("math", "code"):
            raise PassingTrouble(f"a result of kind {result.kind!r} for a submission of kind {sent['kind']!r}")
        return result.model_copy(update={"id": self.given[index]})


def _first(problem: ValidationError) -> str:
    """Return the first error with its location."""
    one = problem.errors(include_url=False)[0]
    return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"


def require_ok(url: str, response: httpx.Response) -> None:
    """Raise if an answer is not a success. Its body must have been read.

    Raises:
        PassingTrouble: a retry may succeed: 408, 425, 429, 5xx, or an error that does not come from a verifier.
        VerifierRefused: the verifier will never accept this request.
    """
    status = response.status_code
    if status == 200:
        return
    if status in PASSING_STATUS or status >= 500 or (status != TOO_LARGE and _problem(response) is None):
        raise PassingTrouble(f"status {status}: {detail(response)}", retry_after_s(response))
    raise VerifierRefused(url, status, detail(response))


def retry_after_s(response: httpx.Response) -> float | None:
    """Parse `Retry-After`: seconds or a date (RFC 9110, section 10.2.3). None if it is absent or neither."""
    text = response.headers.get("Retry-After", "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _problem(response: httpx.Response) -> Problem | None:
    """Return the problem document in an answer; None if there is none, so that it cannot come from a verifier."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return None
    return problem if problem.status == response.status_code else None


def detail(response: httpx.Response) -> str:
    """Return a problem document's message; for any other answer, the beginning of its text."""
    problem = _problem(response)
    if problem is None:
        return response.text[:200] or "no text"
    more = [str(field) for field in problem.errors if str(field) not in problem.detail]
    return problem.detail + (f" [{'; '.join(more)}]" if more else "")
