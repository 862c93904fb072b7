"""HumanEval and HumanEval+: a prompt that is the head of a function, and `check(candidate)` (arXiv:2107.03374)."""

from verifier_service.data.formats.format import Format
from verifier_service.data.row import Json, Row
from verifier_service.data.task import Task, code_task


def read(row: Row) -> Task:
    """Read a row. The imports and helpers before the function in the prompt are placed before every program."""
    prompt, entry = row.text("prompt"), row.text("entry_point")
    before, found, _ = prompt.rpartition(f"def {entry}(")
    if not found:
        raise row.fault("prompt", f"it must define {entry}")
    tests: dict[str, Json] = {"kind": "assert", "code": row.text("test"), "entry_point": entry}
    if before.strip():
        tests["prelude"] = before
    solution = row.text_or("canonical_solution")
    return code_task(prompt, tests, [prompt + solution] if solution else [], row.identity("task_id"))


FORMAT = Format(
    "humaneval",
    "openai/openai_humaneval, evalplus/humanevalplus",
    lambda row: row.has("prompt", "test", "entry_point", "canonical_solution"),
    read,
)
