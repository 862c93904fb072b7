"""Errors of the client.

VerifierError
├── VerifierDown      there was no answer for `patience_s`: nothing may be concluded about any submission
├── VerifierRefused   the verifier will never accept this request (401, 404, 413, 422)
└── NotAVerifier      something other than a verifier answers at the address

A wrong answer, a crashed program and a `judge_error` are not exceptions: they are values in a result.
"""

import os


class VerifierError(Exception):
    """Base of every error that the client raises on purpose."""


class VerifierDown(VerifierError):
    """There was no usable answer for `silent_s` seconds. Nothing may be concluded about any submission."""

    def __init__(self, url: str, silent_s: float, last_problem: str) -> None:
        self.url = url
        self.silent_s = silent_s
        self.last_problem = last_problem
        trouble = f"gave no answer for {silent_s:.0f} s; last error" if silent_s else "cannot be reached"
        super().__init__(f"the verifier at {url} {trouble}: {last_problem}")


class VerifierRefused(VerifierError):
    """The verifier refuses this request and always will; the message contains its reason."""

    def __init__(self, url: str, status: int, detail: str) -> None:
        self.url = url
        self.status = status
        super().__init__(f"the verifier at {url} refused the request with status {status}: {detail}")


class NotAVerifier(VerifierError):
    """Something other than a verifier answers at the address."""

    def __init__(self, url: str, said: str) -> None:
        self.url = url
        super().__init__(f"{url} is not a verifier: {said}")


class PassingTrouble(Exception):
    """Internal to the client: there was no usable answer, but a retry may succeed."""

    def __init__(self, message: str, retry_after_s: float | None = None, url: str = "") -> None:
        self.retry_after_s = retry_after_s
        self.url = url
        """The verifier that gave the answer."""
        super().__init__(message)


def sentence(problem: BaseException) -> str:
    """Return an exception's message, or that of the system error that caused it; its type if there is no message."""
    said = str(problem)
    cause = problem.__cause__ or problem.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            said = os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return said or type(problem).__name__
