"""The client for a recipe's verifier. See `verifier_service.client` for what it does."""

from trainer.config import VerifierOptions
from verifier_service.client import VerifierClient


def client_of(options: VerifierOptions) -> VerifierClient:
    """Return a client for the verifiers that a recipe names. The caller closes it."""
    return VerifierClient(
        options.url,
        deadline_s=options.deadline_s,
        patience_s=options.patience_s,
        chunk=options.chunk,
        concurrency=options.concurrency,
    )
