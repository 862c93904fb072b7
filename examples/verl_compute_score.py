"""A reward for verl: it asks for one sample at a time, and those of one moment travel in one request."""

import json

from verifier_service.client import AsyncVerifierClient

client = AsyncVerifierClient()


def as_submission(ground_truth, completion):
    """Join the row's `ground_truth` with what the policy wrote."""
    if isinstance(ground_truth, str) and ground_truth.startswith("{"):
        ground_truth = json.loads(ground_truth)
    asked = ground_truth if isinstance(ground_truth, dict) else {"kind": "math", "reference": str(ground_truth)}
    return {**asked, "completion": completion}


async def compute_score(data_source, solution_str, ground_truth, extra_info=None, **_):
    """Return the score and what verl logs beside it; it raises where nothing is known, since verl has no mask."""
    result = await client.verify_one(as_submission(ground_truth, solution_str))
    if result.score is None:
        raise RuntimeError(f"{data_source}: {result.message}")
    return {"score": result.score, "accepted": float(result.verdict == "accepted"), "verdict": str(result.verdict)}
