"""The Python client of a verifier. `pip install grpo-verifier[client]` installs only httpx and pydantic with it.

`VerifierClient` blocks; `AsyncVerifierClient` is for asyncio. Both split a batch into concurrent requests, retry
temporary failures, and distribute requests over several verifiers. They check that every result belongs to its
submission. The types of requests and results are in `verifier_service.schema`.
"""

from verifier_service.client.aio import AsyncVerifierClient, Submission
from verifier_service.client.errors import NotAVerifier, VerifierDown, VerifierError, VerifierRefused
from verifier_service.client.session import Traffic
from verifier_service.client.sync import VerifierClient

__all__ = [
    "AsyncVerifierClient",
    "NotAVerifier",
    "Submission",
    "Traffic",
    "VerifierClient",
    "VerifierDown",
    "VerifierError",
    "VerifierRefused",
]
