"""Check that a data set's own answers are accepted: all of them, while `check` samples three."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer.data.tasks import Problem
from verifier_service.client import VerifierClient
from verifier_service.schema import Result, Verdict

BLOCK = 512


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit. `without_answer` counts problems without an answer that could be judged."""

    accepted: int
    without_answer: int
    refused: list[tuple[Problem, Result]]
    unjudged: list[tuple[Problem, Result]]


def own_answer(problem: Problem) -> str | None:
    """Return a completion that should be accepted: the row's solution or, for math, its reference answer."""
    if problem.solution is not None or problem.submission["kind"] != "math":
        return problem.solution
    reference = problem.submission.get("reference")
    return f"\\boxed{{{reference}}}" if isinstance(reference, str) and "\\boxed" not in reference else reference


def audit(client: VerifierClient, problems: Sequence[Problem], progress: Callable[[int, int], None]) -> Audit:
    """Judge every own answer of the problems.

    Args:
        client: The verifier.
        problems: The problems.
        progress: Called with the number of answers judged so far and the total.

    Raises:
        VerifierError: As `VerifierClient.verify`.
    """
    answered = [(problem, answer) for problem in problems if (answer := own_answer(problem)) is not None]
    refused, unjudged = [], []
    for start in range(0, len(answered), BLOCK):
        block = answered[start : start + BLOCK]
        results = client.verify([{**problem.submission, "completion": answer} for problem, answer in block])
        for (problem, _), result in zip(block, results, strict=True):
            if result.verdict is Verdict.JUDGE_ERROR:
                unjudged.append((problem, result))
            elif result.verdict is not Verdict.ACCEPTED:
                refused.append((problem, result))
        progress(start + len(block), len(answered))
    accepted = len(answered) - len(refused) - len(unjudged)
    return Audit(accepted, len(problems) - len(answered), refused, unjudged)
