"""A reward for verifiers 0.4 (`verifiers.v1`) and prime-rl: `fn = "verifiers_reward:verified"`."""

import json

from verifier_service.client import AsyncVerifierClient

client = AsyncVerifierClient()


def as_submission(answer, completion):
    """Add the last reply to the row's `answer`."""
    asked = json.loads(answer) if answer.startswith("{") else {"kind": "math", "reference": answer}
    return {**asked, "completion": completion}


async def verified(task, trace, runtime=None):
    """Return the score. Raise if there is none: the rollout is then dropped, not scored 0."""
    result = await client.verify_one(as_submission(task.answer, trace.last_reply))
    if result.score is None:
        raise RuntimeError(result.message)
    return result.score
