"""A reward for rLLM: `reward_function=verified`."""

from verifier_service.client import VerifierClient

client = VerifierClient()


def as_submission(task, completion):
    """Add what the policy wrote to the task: to its `verifier`, else to the reference `ground_truth`."""
    asked = task.get("verifier") or {"kind": "math", "reference": str(task["ground_truth"])}
    return {**asked, "completion": completion}


def verified(task, action):
    """Return rLLM's RewardOutput. Raise if there is no score."""
    from rllm.rewards import RewardOutput

    result = client.verify_one(as_submission(task, action))
    if result.score is None:
        raise RuntimeError(result.message)
    return RewardOutput(result.score, is_correct=result.verdict == "accepted", metadata={"message": result.message})
