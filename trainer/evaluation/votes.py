"""Group answers for a majority vote: answers that the verifier considers equal vote together."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from verifier_service.client import VerifierClient
from verifier_service.schema import Verdict

MOST_COMPARED = 16


def cast(problems: Sequence[list[dict[str, Any]]], client: VerifierClient) -> None:
    """Set the `vote` of each completion: the same text for equal answers, and None without an answer.

    All right answers are equal to the reference. Wrong answers are compared with each other by the verifier, in one
    request for all problems. Answers count as different if the verifier cannot decide, or if they are not among a
    problem's `MOST_COMPARED` most frequent wrong answers: the number of pairs grows quadratically.

    Raises:
        VerifierError: As `VerifierClient.verify`.
    """
    counts = [Counter(c["extracted"] for c in completions if _is_wrong(c)) for completions in problems]
    wrong: list[list[str]] = [[answer for answer, _ in count.most_common(MOST_COMPARED)] for count in counts]
    pairs = [(i, a, b) for i, answers in enumerate(wrong) for a, b in combinations(answers, 2)]
    results = client.verify([{"kind": "math", "completion": f"\\boxed{{{b}}}", "reference": a} for _, a, b in pairs])
    same_as: list[dict[str, str]] = [{} for _ in problems]
    for (i, a, b), result in zip(pairs, results, strict=True):
        if result.verdict is Verdict.ACCEPTED and b not in same_as[i]:
            same_as[i][b] = same_as[i].get(a, a)
    for i, completions in enumerate(problems):
        right = next((c["extracted"] for c in completions if c["verdict"] == Verdict.ACCEPTED), None)
        for completion in completions:
            own = completion["extracted"]
            completion["vote"] = right if completion["verdict"] == Verdict.ACCEPTED else same_as[i].get(own, own)


def _is_wrong(completion: dict[str, Any]) -> bool:
    return completion["verdict"] == Verdict.WRONG_ANSWER and completion["extracted"] is not None
