"""A reward for verl, which asks for one sample at a time; samples of the same moment share a request."""

import json

from verifier_service.client import AsyncVerifierClient

client = AsyncVerifierClient()


def as_submission(ground_truth, completion):
    """Add what the policy wrote to the row's `ground_truth`."""
    if isinstance(ground_truth, str) and ground_truth.startswith("{"):
        ground_truth = json.loads(ground_truth)
    asked = ground_truth if isinstance(ground_truth, dict) else {"kind": "math", "reference": str(ground_truth)}
    return {**asked, "completion": completion}


async def compute_score(data_source, solution_str, ground_truth, extra_info=None, **_):
    """Return the score, and values that verl logs. Raise if there is no score, since verl cannot mask a sample."""
    result = await client.verify_one(as_submission(ground_truth, solution_str))
    if result.score is None:
        raise RuntimeError(f"{data_source}: {result.message}")
    return {"score": result.score, "accepted": float(result.verdict == "accepted"), "verdict": str(result.verdict)}
