"""A client's options: addresses, key, timeouts and sizes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

DEFAULT_URL = "http://127.0.0.1:8000"
MAX_CHUNK = 4096
MAX_CONCURRENCY = 256


@dataclass(frozen=True)
class Options:
    """The options of a client.

    Raises:
        ValueError: a value is not allowed; the message names the field, the value and what is allowed.
    """

    urls: tuple[str, ...]
    """One or several verifiers; each request goes to the one with the fewest requests in flight."""
    api_key: str | None = field(default=None, repr=False)
    """The key, if the verifiers require one. Default: `VERIFIER_API_KEY`."""
    deadline_s: float = 120.0
    """Seconds within which a request is answered; submissions not judged by then are `judge_error`s."""
    patience_s: float = 300.0
    """Seconds without any answer after which the verifiers are considered down."""
    chunk: int = 64
    """Submissions per request."""
    concurrency: int = 8
    """Requests in flight at the same time."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.urls:
            raise ValueError("urls is empty: it must have at least one address")
        for url in self.urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"urls {url!r}: it must begin with http:// or https://")
        for name, most in (
            ("deadline_s", None),
            ("patience_s", None),
            ("chunk", MAX_CHUNK),
            ("concurrency", MAX_CONCURRENCY),
        ):
            value = getattr(self, name)
            if not value > 0 or (most is not None and value > most):
                allowed = "it must be more than 0" if most is None else f"it must be 1 to {most}"
                raise ValueError(f"{name} {value!r}: {allowed}")

    @property
    def shown(self) -> str:
        """The addresses, for messages."""
        return ", ".join(self.urls)

    @property
    def key(self) -> str | None:
        """The key to send."""
        return self.api_key or os.environ.get("VERIFIER_API_KEY") or None


def addresses(urls: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the given addresses, else those in `VERIFIER_URL`, else the default, without trailing slashes.

    >>> addresses("http://a:8000/, http://b:8000")
    ('http://a:8000', 'http://b:8000')
    """
    if not urls:
        urls = os.environ.get("VERIFIER_URL") or DEFAULT_URL
    texts = [urls] if isinstance(urls, str) else urls
    return tuple(url.strip().rstrip("/") for text in texts for url in text.split(",") if url.strip())
