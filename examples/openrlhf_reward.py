"""A reward for OpenRLHF: `--reward.remote_url examples/openrlhf_reward.py`."""

import json

from verifier_service.client import VerifierClient

client = VerifierClient()


def as_submission(query, prompt, label):
    """Add what the policy wrote after the prompt to its label."""
    asked = json.loads(label) if str(label).startswith("{") else {"kind": "math", "reference": str(label)}
    return {**asked, "completion": query.removeprefix(prompt)}


def reward_func(queries, prompts, labels, **_):
    """Return a reward for each query. Raise if one has no score: OpenRLHF then leaves its reward out."""
    results = client.verify([as_submission(*one) for one in zip(queries, prompts, labels, strict=True)])
    unknown = [result.message for result in results if result.score is None]
    if unknown:
        raise RuntimeError(f"{len(unknown)} of {len(results)} could not be judged: {unknown[0]}")
    scores = [result.score for result in results]
    return {"rewards": scores, "scores": scores}
