"""The verifier over HTTP: batches in, one result for each submission out, in order.

Theory of operation. A batch is cut into chunks that are sent side by side over kept-alive connections. Tests that
several submissions of a chunk share travel once, as a suite. A chunk is tried again, with growing pauses, whenever the
trouble may pass: no connection, a broken answer, 408, 425, 429 and 5xx; `Retry-After` is honoured. When a chunk has
waited longer than `patience_s` and nothing else was answered in that time either, `VerifierDown` is raised: the run is
saved and stopped. Trouble never becomes a result: what comes back was said by the verifier.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import ValidationError

from trainer.config import VerifierOptions
from trainer.errors import RecipeError, VerifierDown, VerifierRefused
from verifier_service.schema import MAX_COMPLETION_CHARS, Info, Problem, Result, VerifyResponse

CONNECT_TIMEOUT_S = 5.0
READ_SLACK_S = 15.0  # the verifier answers by the deadline; the rest is the network's
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
PASSING_STATUS = {408, 425, 429}  # and every 5xx


@dataclass
class Traffic:
    """What went over the wire for one batch. Latencies are in seconds, one for each request that was answered."""

    requests: int = 0
    retries: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def quantile_s(self, q: float) -> float:
        """Return a quantile of the latencies; 0.0 when nothing was sent."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class VerifierClient:
    """A client of one verifier, safe to use from several threads. Close it, or use it as a context manager."""

    def __init__(self, options: VerifierOptions, transport: httpx.BaseTransport | None = None) -> None:
        self.options = options
        self.url = options.url.rstrip("/")
        key = os.environ.get("VERIFIER_API_KEY")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(options.deadline_s + READ_SLACK_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency),
            transport=transport,
            trust_env=httpx.URL(self.url).host not in _LOOPBACK,  # a proxy cannot reach the verifier on this machine
        )
        self._threads = ThreadPoolExecutor(options.concurrency, thread_name_prefix="verifier")
        self._answered_at = time.monotonic()
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Be made anew in the process that a copy goes to: connections and threads stay where they are."""
        return VerifierClient, (self.options,)

    def __enter__(self) -> "VerifierClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections; requests that wait for another try are given up."""
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)
        self._http.close()

    def info(self) -> Info:
        """Return what `GET /v1/info` tells: languages, checkers, limits. It is asked once.

        Raises:
            VerifierDown: it could not be reached.
            VerifierRefused: it answered with a 4xx status.
            RecipeError: something else than a verifier answers there.
        """
        try:
            response = self._http.get("/v1/info", timeout=CONNECT_TIMEOUT_S)
            if 400 <= response.status_code < 500:
                raise VerifierRefused(self.url, response.status_code, _detail(response))
            response.raise_for_status()
        except httpx.HTTPError as problem:
            raise VerifierDown(self.url, 0.0, _sentence(problem)) from problem
        try:
            return Info.model_validate_json(response.content)
        except ValidationError as problem:
            said = f"{self.url} is not a verifier: /v1/info answered {response.text!r:.100}"
            raise RecipeError("verifier.url", [said]) from problem

    def verify(self, submissions: list[dict[str, Any]]) -> tuple[list[Result], Traffic]:
        """Have a batch judged.

        `submissions` are those of the wire, with inline tests. Equal ones should be sent once by the caller.
        Returns: one result for each, in order, and what went over the wire.

        Raises:
            VerifierDown: nothing was answered for `patience_s`; nothing may be concluded about any submission.
            VerifierRefused: the verifier says that it will never take this request.
        """
        traffic = Traffic()
        size = self.options.chunk
        chunks = [submissions[i : i + size] for i in range(0, len(submissions), size)]
        give_up = threading.Event()
        futures = [self._threads.submit(self._verify_chunk, chunk, traffic, give_up) for chunk in chunks]
        try:
            return [result for future in futures for result in future.result()], traffic
        finally:
            give_up.set()
            for future in futures:
                future.cancel()

    def _verify_chunk(self, chunk: list[dict[str, Any]], traffic: Traffic, give_up: threading.Event) -> list[Result]:
        body = encode(chunk, self.options.deadline_s)
        began, tries = time.monotonic(), 0
        while True:
            sent = time.monotonic()
            try:
                response = self._http.post("/v1/verify", content=body, headers={"Content-Type": "application/json"})
                if response.status_code == 413 and len(chunk) > 1:
                    half = len(chunk) // 2
                    return [
                        *self._verify_chunk(chunk[:half], traffic, give_up),
                        *self._verify_chunk(chunk[half:], traffic, give_up),
                    ]
                results = self._results(response, len(chunk))
            except (httpx.TransportError, _PassingTrouble) as problem:
                tries += 1
                pause_s = self._pause_s(tries, problem)
                silent_s = time.monotonic() - max(began, self._answered_at)
                if silent_s + pause_s > self.options.patience_s:
                    self._wait(max(self.options.patience_s - silent_s, 0.0), give_up)
                    silent_s = time.monotonic() - max(began, self._answered_at)
                    if silent_s >= self.options.patience_s:
                        raise VerifierDown(self.url, silent_s, _sentence(problem)) from problem
                else:
                    self._wait(pause_s, give_up)
                if give_up.is_set() or self._stop.is_set():
                    raise VerifierDown(self.url, silent_s, _sentence(problem)) from problem
                with self._lock:
                    traffic.retries += 1
                continue
            with self._lock:
                self._answered_at = time.monotonic()
                traffic.requests += 1
                traffic.latencies_s.append(self._answered_at - sent)
            return results

    def _results(self, response: httpx.Response, expected: int) -> list[Result]:
        status = response.status_code
        if status in PASSING_STATUS or status >= 500:
            raise _PassingTrouble(f"status {status}: {_detail(response)}", _retry_after_s(response))
        if status != 200:
            raise VerifierRefused(self.url, status, _detail(response))
        try:
            results = VerifyResponse.model_validate_json(response.content).results
        except ValidationError as problem:
            raise _PassingTrouble(f"an answer that is not the contract's: {problem.errors()[0]['msg']}") from problem
        if len(results) != expected:
            raise _PassingTrouble(f"{len(results)} results for {expected} submissions")
        return results

    def _pause_s(self, tries: int, problem: Exception) -> float:
        longest = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S)
        pause_s = longest * random.uniform(0.5, 1.0)
        asked_s = problem.retry_after_s if isinstance(problem, _PassingTrouble) else None
        return max(pause_s, asked_s) + random.uniform(0, FIRST_PAUSE_S) if asked_s else pause_s

    def _wait(self, seconds: float, give_up: threading.Event) -> None:
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            if give_up.wait(min(left, 0.5)):
                return


def encode(chunk: Iterable[dict[str, Any]], deadline_s: float) -> bytes:
    """Write the body of a request; tests that more than one submission has are sent once, as a suite.

    Half surrogates, which UTF-8 cannot hold, become question marks, and of a completion longer than the contract
    allows the end is kept: neither may make the verifier refuse its neighbours.
    """
    chunk = list(chunk)
    keys = [_tests_key(submission) for submission in chunk]
    shared = {key for key in keys if key is not None and keys.count(key) > 1}
    suites: dict[str, Any] = {}
    submissions = []
    for submission, key in zip(chunk, keys, strict=True):
        sent = {**submission, "completion": submission["completion"][-MAX_COMPLETION_CHARS:]}
        if key in shared:
            suites[str(key)] = submission["tests"]
            sent["tests"] = key
        submissions.append(sent)
    body = {"submissions": submissions, "suites": suites, "deadline_s": deadline_s}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")


class _PassingTrouble(Exception):
    """The verifier could not answer now and may be able to soon."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


def _tests_key(submission: dict[str, Any]) -> str | None:
    tests = submission.get("tests")
    if not isinstance(tests, dict):
        return None
    return hashlib.sha256(json.dumps(tests, sort_keys=True).encode()).hexdigest()[:16]


def _retry_after_s(response: httpx.Response) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3); what is neither is not there."""
    text = response.headers.get("Retry-After", "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _detail(response: httpx.Response) -> str:
    """Say what a problem document says; of another answer, how it begins."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return response.text[:200] or "no text"
    more = [str(field) for field in problem.errors if str(field) not in problem.detail]
    return problem.detail + (f" [{'; '.join(more)}]" if more else "")


def _sentence(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
