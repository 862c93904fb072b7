"""What is sent and what comes back: bodies with shared suites, ids that results have to carry, problem documents."""

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
"""A submission as plain values, as on the wire."""


def plain(submission: Mapping[str, object] | BaseModel) -> Plain:
    """Return a submission as plain values; what its model does not set is left to the verifier."""
    if isinstance(submission, BaseModel):
        return {**submission.model_dump(mode="json", exclude_unset=True), "kind": getattr(submission, "kind", None)}
    return dict(submission)


def encode(submissions: Iterable[Plain], deadline_s: float) -> bytes:
    """Write the body of a request; tests that more than one submission has are sent once, as a suite.

    Half surrogates, which UTF-8 cannot hold, become question marks, and of a completion longer than the contract
    allows the end is kept: neither may make the verifier refuse its neighbours.
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
    """Submissions as they are sent: each with an id that no other has, which its result has to carry."""

    submissions: list[Plain]
    given: Sequence[str | None]
    """The ids that they came with."""

    @classmethod
    def of(cls, submissions: Sequence[Plain]) -> "Sent":
        """Give each its id."""
        word = secrets.token_hex(8)
        with_ids = [{**one, "id": f"{word}-{index}"} for index, one in enumerate(submissions)]
        given = [one.get("id") for one in submissions]
        return cls(with_ids, [one if isinstance(one, str) else None for one in given])

    def results_of(self, content: bytes) -> list[Result]:
        """Return the results in an answer, one for each submission, with the ids that those came with.

        Raises:
            PassingTrouble: they are not those of these submissions, or not as the contract has them.
        """
        try:
            results = VerifyResponse.model_validate_json(content).results
        except ValidationError as problem:
            raise PassingTrouble(f"an answer that is not the contract's: {_first(problem)}") from problem
        if len(results) != len(self.submissions):
            raise PassingTrouble(f"{len(results)} results for {len(self.submissions)} submissions")
        return [self._own(index, result) for index, result in enumerate(results)]

    def result_of(self, line: str) -> tuple[int, Result] | None:
        """Return the index and the result in a line of a stream; None for the summary at its end.

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
            raise PassingTrouble(f"a line that is not the contract's: {line[:200]}") from problem

    def _own(self, index: int, result: Result) -> Result:
        sent = self.submissions[index]
        if result.id != sent["id"]:
            raise PassingTrouble(f"a result of another submission: id {result.id!r} for {sent['id']!r}")
        if result.kind != sent.get("kind") and sent.get("kind") in ("math", "code"):
            raise PassingTrouble(f"a result of the kind {result.kind!r} for a submission of {sent['kind']!r}")
        return result.model_copy(update={"id": self.given[index]})


def _first(problem: ValidationError) -> str:
    """Say what is wrong first, and where."""
    one = problem.errors(include_url=False)[0]
    return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"


def require_ok(url: str, response: httpx.Response) -> None:
    """Raise what an answer without results says; its body has been read.

    Raises:
        PassingTrouble: the trouble may pass: 408, 425, 429, 5xx, or a status that something else than a verifier gave.
        VerifierRefused: the verifier will never take this request.
    """
    status = response.status_code
    if status == 200:
        return
    if status in PASSING_STATUS or status >= 500 or (status != TOO_LARGE and _problem(response) is None):
        raise PassingTrouble(f"status {status}: {detail(response)}", retry_after_s(response))
    raise VerifierRefused(url, status, detail(response))


def retry_after_s(response: httpx.Response) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3); what is neither is not there."""
    text = response.headers.get("Retry-After", "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _problem(response: httpx.Response) -> Problem | None:
    """Return the problem document in an answer; None if it holds none, and so did not come from a verifier."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return None
    return problem if problem.status == response.status_code else None


def detail(response: httpx.Response) -> str:
    """Say what a problem document says; of another answer, how it begins."""
    problem = _problem(response)
    if problem is None:
        return response.text[:200] or "no text"
    more = [str(field) for field in problem.errors if str(field) not in problem.detail]
    return problem.detail + (f" [{'; '.join(more)}]" if more else "")
