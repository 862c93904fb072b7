"""What can come of a request besides results.

VerifierError
├── VerifierDown      nothing was answered for longer than `patience_s`: nothing may be concluded of any submission
├── VerifierRefused   the verifier will never take this request (401, 404, 413, 422)
└── NotAVerifier      something else than a verifier answers there

A wrong answer, a crashed program and a `judge_error` are not here: they are values in a result.
"""

import os


class VerifierError(Exception):
    """Base of every error that the client raises on purpose."""


class VerifierDown(VerifierError):
    """The verifier gave no usable answer for `silent_s` seconds; nothing may be concluded about any submission."""

    def __init__(self, url: str, silent_s: float, last_problem: str) -> None:
        self.url = url
        self.silent_s = silent_s
        self.last_problem = last_problem
        trouble = f"gave no answer for {silent_s:.0f} s; the last try" if silent_s else "cannot be reached"
        super().__init__(f"the verifier at {url} {trouble}: {last_problem}")


class VerifierRefused(VerifierError):
    """The verifier will not take this request however often it is sent; the message is what it said."""

    def __init__(self, url: str, status: int, detail: str) -> None:
        self.url = url
        self.status = status
        super().__init__(f"the verifier at {url} refused the request with status {status}: {detail}")


class NotAVerifier(VerifierError):
    """Something answers at the address, and it is not a verifier."""

    def __init__(self, url: str, said: str) -> None:
        self.url = url
        super().__init__(f"{url} is not a verifier: {said}")


class PassingTrouble(Exception):
    """Inside the client: there was no usable answer now, and there may be one soon."""

    def __init__(self, message: str, retry_after_s: float | None = None, url: str = "") -> None:
        self.retry_after_s = retry_after_s
        self.url = url
        """Whose answer it was."""
        super().__init__(message)


def sentence(problem: BaseException) -> str:
    """Return what an exception says, or the system said underneath; its name where nothing is said."""
    said = str(problem)
    cause = problem.__cause__ or problem.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            said = os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return said or type(problem).__name__
