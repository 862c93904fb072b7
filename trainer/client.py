"""The verifier of a recipe, as a client of it; what a client does is told in `verifier_service.client`."""

from trainer.config import VerifierOptions
from verifier_service.client import VerifierClient


def client_of(options: VerifierOptions) -> VerifierClient:
    """Return a client of the verifier, or verifiers, that a recipe names. Close it."""
    return VerifierClient(
        options.url,
        deadline_s=options.deadline_s,
        patience_s=options.patience_s,
        chunk=options.chunk,
        concurrency=options.concurrency,
    )
