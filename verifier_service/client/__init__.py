"""Ask a verifier from Python: `pip install grpo-verifier[client]` brings httpx and pydantic, and nothing of a service.

`VerifierClient` blocks, `AsyncVerifierClient` is for asyncio. Both cut a batch into requests that are sent side by
side, try again what may pass, spread requests over several verifiers, and hand out nothing that a verifier did not say
of that very submission. Requests are read as the contract has them in `verifier_service.schema`.
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
