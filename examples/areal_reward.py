"""A reward for AReaL: `reward_fn=verified`. AReaL calls it in worker processes, with the row's columns."""

import json

from verifier_service.client import VerifierClient

client = VerifierClient(deadline_s=12)  # AReaL waits 15 s


def as_submission(answer, completion):
    """Add what the policy wrote to the row's `answer`."""
    asked = json.loads(answer) if answer.startswith("{") else {"kind": "math", "reference": answer}
    return {**asked, "completion": completion}


def verified(prompt, completions, prompt_ids, completion_ids, answer, **_):
    """Return the score of one completion. Raise if there is none, so that AReaL tries again."""
    result = client.verify_one(as_submission(answer, completions))
    if result.score is None:
        raise RuntimeError(result.message)
    return result.score
