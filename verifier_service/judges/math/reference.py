"""What a reference must satisfy before anything is compared with it; cheap enough for the service's own process."""

from verifier_service.extract.math import extract_reference

MAX_REFERENCE_CHARS = 100_000  # far above any real reference; reading more would only cost time
READING_REFERENCE = "reading reference"
"""The worker's stage from being given a new reference to having read it."""
FAILED = "failed"
"""The stage that reports an unexpected exception; the worker goes on."""


def why_unusable(text: str) -> str | None:
    """Return why a text cannot be a reference (it is empty or too long), or None if it can."""
    if not text.strip():
        return "the reference is empty"
    if len(text) > MAX_REFERENCE_CHARS:
        return f"the reference has {len(text)} characters, above the limit of {MAX_REFERENCE_CHARS}"
    if not extract_reference(text).text:
        return "the reference has an empty box"
    return None
