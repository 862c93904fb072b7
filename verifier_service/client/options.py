"""Where the verifiers are, and how long and how much they are asked."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

DEFAULT_URL = "http://127.0.0.1:8000"
MAX_CHUNK = 4096
MAX_CONCURRENCY = 256


@dataclass(frozen=True)
class Options:
    """What a client was made with.

    Raises:
        ValueError: a value is not allowed; the message names the field, the value and what is allowed.
    """

    urls: tuple[str, ...]
    """One or several verifiers that judge alike; each request goes to the one with the least in hand."""
    api_key: str | None = field(default=None, repr=False)
    """The key, if they ask for one; `VERIFIER_API_KEY` when left out."""
    deadline_s: float = 120.0
    """Seconds by which a request has to be answered: what is not judged by then is a `judge_error`."""
    patience_s: float = 300.0
    """Seconds without any answer after which the verifiers are taken for down."""
    chunk: int = 64
    """Submissions in one request."""
    concurrency: int = 8
    """Requests on their way at once."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.urls:
            raise ValueError("urls: there is no address")
        for url in self.urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"urls {url!r}: an address begins with http:// or https://")
        for name, most in (
            ("deadline_s", None),
            ("patience_s", None),
            ("chunk", MAX_CHUNK),
            ("concurrency", MAX_CONCURRENCY),
        ):
            value = getattr(self, name)
            if not value > 0 or (most is not None and value > most):
                allowed = "more than 0" if most is None else f"1 to {most}"
                raise ValueError(f"{name} {value!r}: {allowed}")

    @property
    def shown(self) -> str:
        """The addresses, for people."""
        return ", ".join(self.urls)

    @property
    def key(self) -> str | None:
        """The key that is sent."""
        return self.api_key or os.environ.get("VERIFIER_API_KEY") or None


def addresses(urls: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the addresses without a slash at the end: those given (a text may hold several, with commas between),
    else those of `VERIFIER_URL`, else the one on this machine."""
    if not urls:
        urls = os.environ.get("VERIFIER_URL") or DEFAULT_URL
    texts = [urls] if isinstance(urls, str) else urls
    return tuple(url.strip().rstrip("/") for text in texts for url in text.split(",") if url.strip())
