"""Problems with an `answer`, or a `solution` that contains it in a box: MATH and many others."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, math_task

NO_ANSWERS = ("proof", "notfound")


def read(row: Row) -> Task:
    """Read a row. The reference is `answer`, else the whole solution. Proofs and invalid problems are refused."""
    if row.text_or("question_type") == "proof":
        raise row.fault("question_type", "a proof has no answer to compare")
    if row.text_or("problem_is_valid", "Yes") != "Yes":
        raise row.fault("problem_is_valid", "it must be Yes")
    solution = row.text_or("solution")
    boxed = [solution] if "\\boxed" in solution else []
    reference = _answer(row)
    if reference is None:
        if not boxed:
            raise row.fault("solution", "without an `answer` it must have one in \\boxed{}")
        reference = solution
    return math_task(row.text("problem"), reference, boxed, row.identity("unique_id", "uuid", "id"))


def _answer(row: Row) -> str | None:
    value = row.values.get("answer")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    answer = row.text_or("answer")
    if answer.strip().lower() in NO_ANSWERS:
        raise row.fault("answer", "the row has no answer to compare")
    return answer if answer.strip() else None


SETS = (
    "EleutherAI/hendrycks_math, HuggingFaceH4/MATH-500, agentica-org/DeepScaleR-Preview-Dataset, "
    "SynthLabsAI/Big-Math-RL-Verified, open-r1/OpenR1-Math-220k, AI-MO/NuminaMath-CoT, AI-MO/NuminaMath-1.5"
)
FORMAT = Format("math", SETS, lambda row: row.has("problem") and (row.has("answer") or row.has("solution")), read)
