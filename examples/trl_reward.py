"""A reward for TRL: `GRPOTrainer(reward_funcs=verified, ...)` over rows with a column `verifier`."""

import json

from verifier_service.client import AsyncVerifierClient

client = AsyncVerifierClient()


def as_submission(verifier, completion):
    """Add what the policy wrote to the row's `verifier`."""
    text = completion if isinstance(completion, str) else completion[-1]["content"]
    asked = json.loads(verifier) if verifier.startswith("{") else {"kind": "math", "reference": verifier}
    return {**asked, "completion": text}


async def verified(completions, verifier, log_extra=None, **_):
    """Return each completion's score: the share of tests passed, or 0 or 1 for math. TRL leaves out those with None."""
    results = await client.verify([as_submission(*pair) for pair in zip(verifier, completions, strict=True)])
    if log_extra is not None:
        log_extra("verdict", [str(result.verdict) for result in results])
    return [result.score for result in results]
