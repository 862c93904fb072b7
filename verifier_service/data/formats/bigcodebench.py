"""BigCodeBench: a unittest class that uses the names of the solution without importing them (arXiv:2406.15877)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. The tests run under pytest. The rows import about 140 libraries; a row fails if one is missing."""
    files = {"test_solution.py": f"from solution import *\n\n{row.text('test')}"}
    question = row.text("instruct_prompt" if "instruct_prompt" in row else "complete_prompt")
    solution = row.text_or("canonical_solution")
    own = [row.text("code_prompt" if "code_prompt" in row else "complete_prompt") + solution] if solution else []
    return code_task(question, {"kind": "pytest", "files": files}, own, row.identity("task_id"))


FORMAT = Format(
    "bigcodebench",
    "bigcode/bigcodebench",
    lambda row: row.has("test", "complete_prompt"),
    read,
)
