"""The secret that all points are drawn from: known to the service, unknown to what is judged."""

import hashlib

_secret = hashlib.sha256(b"points of comparisons outside a service").digest()


def keep_secret(text: str) -> None:
    """Draw all points from this secret from now on."""
    global _secret  # noqa: PLW0603 -- one secret per process, set by the service
    _secret = hashlib.sha256(text.encode()).digest()


def secret() -> bytes:
    """Return the secret that all points are drawn from."""
    return _secret
