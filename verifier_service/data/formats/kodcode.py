"""KodCode: pytest sources that begin with `from solution import f` (arXiv:2503.02951)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. The prompt includes the declarations in `test_info`, which say what has to be defined."""
    declared = [
        info.text_or("function_declaration") for info in (row.objects("test_info") if "test_info" in row else [])
    ]
    shown = [one.strip() for one in declared if one.strip()]
    question = "\n".join([row.text("question"), *(["\nYour code should define:", *shown] if shown else [])])
    tests = {"kind": "pytest", "files": {"test_solution.py": row.text("test")}}
    return code_task(question, tests, [row.text_or("solution")], row.identity("question_id", "conversation_id"))


FORMAT = Format(
    "kodcode",
    "KodCode/KodCode-V1, KodCode/KodCode-Light-RL-10K",
    lambda row: row.has("question", "test", "solution"),
    read,
)
