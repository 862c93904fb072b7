"""What all points are drawn by: known to the service that judges, and to nobody who is judged."""

import hashlib

_secret = hashlib.sha256(b"points of comparisons outside a service").digest()


def keep_secret(text: str) -> None:
    """Draw everything from now on by this secret."""
    global _secret  # noqa: PLW0603 -- one secret for a process, told by the service
    _secret = hashlib.sha256(text.encode()).digest()


def secret() -> bytes:
    """Return what everything is drawn by."""
    return _secret
