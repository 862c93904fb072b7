"""A reward for rLLM: `reward_function=verified`."""

from verifier_service.client import VerifierClient

client = VerifierClient()


def as_submission(task, completion):
    """Join the task with what the policy wrote: `verifier` is an object of the API, `ground_truth` an answer."""
    asked = task.get("verifier") or {"kind": "math", "reference": str(task["ground_truth"])}
    return {**asked, "completion": completion}


def verified(task, action):
    """Return rLLM's RewardOutput; it raises where nothing is known."""
    from rllm.rewards import RewardOutput

    result = client.verify_one(as_submission(task, action))
    if result.score is None:
        raise RuntimeError(result.message)
    return RewardOutput(result.score, is_correct=result.verdict == "accepted", metadata={"message": result.message})
